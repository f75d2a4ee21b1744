"""ICL of mixture regressions against memberships computed by hand; what no maximum is called."""

import numpy as np
import pytest
from scipy import stats

from survjax import FitWarning, MixtureRegression, WeibullMixture, load, survival_target
from survjax.datasets import load_pumps

N = 300


def fleet(seed=0):
    """Covariate, durations and events of two kinds that overlap, one in five still running."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, 1))
    late = rng.random(N) < 1 / (1 + np.exp(-(0.5 + x[:, 0])))
    lives = np.where(late, 30 * rng.weibull(3.0, N), 8 * rng.weibull(1.2, N))
    end = rng.uniform(10.0, 60.0, N)
    return x, np.minimum(lives, end), lives <= end


def parts(model, x):
    """Weights, and Weibull laws, of both components for each row: (n, 2)."""
    x = x[:, 0]
    at = model.intercepts_
    odds = at["logit_weight_2"] + model.weight_coef_[0, 0] * x
    scale = [np.exp(at[f"log_scale_{k + 1}"] + model.scale_coef_[k, 0] * x) for k in (0, 1)]
    shape = np.exp([at["log_shape_1"], at["log_shape_2"]])
    late = 1 / (1 + np.exp(-odds))
    law = stats.weibull_min(shape, scale=np.column_stack(scale))
    return np.column_stack([1 - late, late]), law


def icl(model, joint, weight=1.0):
    """BIC and twice the entropy of the rows of joint densities (n, 2)."""
    return model.bic_ + 2 * np.sum(weight * stats.entropy(joint, axis=1))


def test_icl_adds_twice_the_entropy_of_the_memberships():
    x, t, event = fleet()
    weight = np.random.default_rng(1).integers(1, 4, N)
    y = np.column_stack([t, event])
    fitted = MixtureRegression(2, n_starts=2).fit(x, y, sample_weight=weight)
    member = fitted.membership(x, t, event, level=None).to_numpy()
    assert fitted.icl_ == pytest.approx(icl(fitted, member, weight), rel=1e-10)
    assert fitted.icl_ > fitted.bic_ + 50
    again = np.repeat(np.arange(N), weight)
    many = MixtureRegression(2, n_starts=2).fit(x[again], y[again])
    assert many.icl_ == pytest.approx(fitted.icl_, rel=1e-8)


@pytest.mark.slow
def test_icl_knows_intervals_and_late_entry():
    x, t, event = fleet()
    lower, upper = (
        np.where(event, np.floor(t / 4) * 4, t),
        np.where(event, np.ceil(t / 4) * 4, np.inf),
    )
    entry = np.where(np.arange(N) % 3 == 0, lower / 2, 0.0)
    fitted = MixtureRegression(2, n_starts=2).fit(x, survival_target(lower, upper), entry=entry)
    weights, law = parts(fitted, x)
    alive = law.sf(lower[:, None])
    joint = weights * np.where(event[:, None], alive - law.sf(upper[:, None]), alive)
    assert fitted.icl_ == pytest.approx(icl(fitted, joint), rel=1e-9)
    # The same memberships say how many units a component holds.
    held = (joint / joint.sum(axis=1, keepdims=True)).sum(axis=0).min()
    y = survival_target(lower, upper)
    same = MixtureRegression(2, n_starts=2, min_component_weight=0.999 * held)
    assert same.fit(x, y, entry=entry).log_likelihood_ == pytest.approx(fitted.log_likelihood_)
    # Where that rules it out, the answer is another maximum, or none if there cannot be any.
    other = MixtureRegression(2, n_starts=2, min_component_weight=1.001 * held)
    assert other.fit(x, y, entry=entry).log_likelihood_ < fitted.log_likelihood_ - 1e-3
    with pytest.warns(FitWarning, match="a component holds only"):
        MixtureRegression(2, n_starts=2, min_component_weight=0.9 * N).fit(x, y, entry=entry)


def test_icl_of_histories_is_of_units_not_of_rows():
    x, t, event = fleet()
    rng = np.random.default_rng(2)
    cut = t * rng.uniform(0.2, 0.8, N)
    later = x + rng.normal(0.0, 0.5, x.shape)
    # Each unit has two rows, with other covariates in the second.
    both, unit = np.concatenate([x, later]), np.tile(np.arange(N), 2)
    start, stop = np.concatenate([0 * t, cut]), np.concatenate([cut, t])
    failed = np.concatenate([np.zeros(N, bool), event])
    order = rng.permutation(2 * N)
    y = np.column_stack([stop, failed])
    fitted = MixtureRegression(2, n_starts=2).fit(
        both[order], y[order], entry=start[order], unit=unit[order]
    )
    weights, first = parts(fitted, x)
    _, second = parts(fitted, later)
    rows = first.logsf(cut[:, None]) + np.where(
        event[:, None], second.logpdf(t[:, None]), second.logsf(t[:, None])
    )
    joint = weights * np.exp(rows - second.logsf(cut[:, None]))
    assert fitted.icl_ == pytest.approx(icl(fitted, joint), rel=1e-9)


def test_units_whose_component_is_known_add_no_entropy():
    x, t, event = fleet()
    y, known = np.column_stack([t, event]), (t > 12).astype(int)
    told = MixtureRegression(2, n_starts=2).fit(x, y, component=known)
    assert told.icl_ == pytest.approx(told.bic_, rel=1e-12)
    half = np.arange(N) % 2 == 0
    some = MixtureRegression(2, n_starts=2).fit(x, y, component=np.where(half, known, -1))
    member = some.membership(x, t, event, level=None).to_numpy()
    assert some.icl_ == pytest.approx(icl(some, member, ~half), rel=1e-10)
    bound = MixtureRegression(2, n_starts=2).fit(
        x, y, component=np.where(half, known, -1), unit=np.arange(N)
    )
    assert bound.icl_ == pytest.approx(some.icl_, rel=1e-8)


def test_icl_without_covariates_is_that_of_the_weibull_mixture(tmp_path):
    x, t, event = fleet()
    table = WeibullMixture("icl", max_components=2).fit(t, event).selection_
    y = np.column_stack([t, event])
    for k in (1, 2):
        fitted = MixtureRegression(k, on=()).fit(x, y)
        assert fitted.icl_ == pytest.approx(table["icl"][k - 1], rel=1e-9)
        fitted.save(tmp_path / "model.json")
        assert load(tmp_path / "model.json").icl_ == fitted.icl_
    assert MixtureRegression(1).fit(x, y).icl_ == pytest.approx(MixtureRegression(1).fit(x, y).bic_)


def test_a_collapsed_component_is_called_that_and_not_climbed_to_the_end():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(5, 1))
    life = np.exp(0.4 * x[:, 0]) * 10.0 * rng.weibull(2.0, 5)
    with pytest.warns(FitWarning, match="a component collapses on one time"):
        model = MixtureRegression(2).fit(x, life)
    assert np.log(60.0) < model.parameters_[-2:].max() < 15.0  # it would go on to 200


@pytest.mark.slow
def test_where_some_starts_collapse_an_interior_maximum_is_found_all_the_same():
    pumps = load_pumps()
    sites = ("Eastdock", "Marsh", "Quarry")
    x = np.column_stack([pumps["maker"] == "Borel", *(pumps["site"] == site for site in sites)])
    y = np.column_stack([pumps["duration"], pumps["failed"]])
    model = MixtureRegression(3).fit(x.astype(float), y, entry=pumps["entry"])
    assert model.converged_
    assert model.parameters_[-3:].max() < np.log(60.0)
    assert (
        model.log_likelihood_ > MixtureRegression(2).fit(x, y, entry=pumps["entry"]).log_likelihood_
    )
