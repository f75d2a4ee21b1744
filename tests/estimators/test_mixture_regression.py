"""Mixture regression: the plain mixture without covariates, recovery, coverage, known members."""

import numpy as np
import pandas as pd
import pytest

from survjax import FitWarning, MixtureRegression, WeibullMixture
from survjax._core.precision import double_precision
from survjax.data.observations import Observations
from survjax.fitting.regression.violations import steepest
from survjax.likelihood.regression.histories import Histories
from survjax.likelihood.regression.history_likelihood import HistoryLikelihood
from survjax.likelihood.regression.likelihood import Likelihood
from survjax.prediction.regression_curves import memberships

TRUTH = {"logit": (0.5, 1.0), "scale_1": (2.3, -0.5), "scale_2": (4.0, 0.3)}


def fleet(seed, n=600):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 1))
    late = rng.random(n) < 1 / (1 + np.exp(-(0.5 + x[:, 0])))
    early_life = np.exp(2.3 - 0.5 * x[:, 0]) * rng.weibull(1.0, n)
    late_life = np.exp(4.0 + 0.3 * x[:, 0]) * rng.weibull(4.0, n)
    lives = np.where(late, late_life, early_life)
    end = rng.uniform(30.0, 120.0, n)
    return x, np.column_stack([np.minimum(lives, end), lives <= end]), late.astype(int)


def test_without_covariates_it_is_the_weibull_mixture():
    x, y, _ = fleet(0)
    plain = WeibullMixture(2).fit(y[:, 0], y[:, 1])
    fitted = MixtureRegression(2, on=()).fit(x, y)
    np.testing.assert_allclose(fitted.log_likelihood_, plain.log_likelihood_, rtol=1e-12)
    np.testing.assert_allclose(fitted.parameters_, plain.parameters_, atol=1e-8)
    np.testing.assert_allclose(fitted.covariance_, plain.covariance_, atol=1e-8)
    ages = [1.0, 5.0, 20.0, 50.0]
    members = plain.membership(ages, level=None)
    pd.testing.assert_frame_equal(fitted.membership(x[:4], ages, level=None), members, rtol=1e-6)


def test_without_covariates_predictions_have_the_bounds_of_the_weibull_mixture():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(400, 1))
    lives = np.where(rng.random(400) < 0.5, 10 * rng.weibull(4.0, 400), 999 * rng.weibull(6.0, 400))
    ages = np.array([0.0, 6.0, 12.0, 400.0])
    model = WeibullMixture(2).fit(lives)
    shares = [0.1, 0.99 - model.survival(100.0), 0.9]
    plain = model.predict_rul(ages, shares).to_numpy()
    other = MixtureRegression(2, on=()).fit(x, lives)
    np.testing.assert_allclose(other.predict_rul(x[:4], ages, shares), plain, rtol=1e-5)
    members, risk = model.membership(ages), model.failure_probability(ages, 3.0)
    assert np.all(members["component_2_lower"] < members["component_2"])
    same = pd.testing.assert_frame_equal
    same(other.membership(x[:4], ages), members, rtol=1e-5)
    same(other.failure_probability(x[:4], ages, 3.0), risk, rtol=1e-5)
    # About that share of new units fails early: the last of them, or the first of the late ones.
    _, lower, upper = plain[0, 6:9]
    assert lower < 30.0 < 500.0 < upper


def test_known_parameters_are_recovered_and_bounds_cover():
    truth = [*TRUTH["logit"], *TRUTH["scale_1"], *TRUTH["scale_2"], 0.0, np.log(4.0)]
    inside = []
    for seed in range(40):
        x, y, _ = fleet(seed)
        fitted = MixtureRegression(2, n_starts=2).fit(x, y)
        assert fitted.converged_
        error = np.sqrt(np.diag(fitted.covariance_))
        inside.append(np.abs(fitted.parameters_ - truth) < 1.96 * error)
    assert np.mean(inside) > 0.91, np.mean(inside, axis=0)


def test_knowing_members_narrows_the_errors_and_keeps_their_numbers():
    x, y, late = fleet(1)
    blind = MixtureRegression(2).fit(x, y)
    told = MixtureRegression(2).fit(x, y, component=np.where(np.arange(600) % 2, late, -1))
    ratio = np.diag(told.covariance_) / np.diag(blind.covariance_)
    assert np.median(ratio) < 1.0
    swapped = MixtureRegression(2).fit(x, y, component=1 - late)
    assert swapped.intercepts_["log_scale_1"] > swapped.intercepts_["log_scale_2"]
    with pytest.raises(ValueError, match="from 0 to 1, or -1"):
        MixtureRegression(2).fit(x, y, component=late + 1)


def test_effects_may_be_given_to_chosen_columns():
    x, y, _ = fleet(2)
    wide = np.column_stack([x, np.random.default_rng(0).normal(size=600)])
    fitted = MixtureRegression(2, on={"scale": [0], "weight": "all"}).fit(wide, y)
    assert fitted.parameter_names_ == (
        "logit_weight_2:intercept",
        "logit_weight_2:x0",
        "logit_weight_2:x1",
        "log_scale_1:intercept",
        "log_scale_1:x0",
        "log_scale_2:intercept",
        "log_scale_2:x0",
        "log_shape_1",
        "log_shape_2",
    )
    assert fitted.scale_coef_.shape == (2, 2) and np.all(fitted.scale_coef_[:, 1] == 0)


def test_one_component_is_the_accelerated_lifetime():
    from survjax import AcceleratedLifetime

    x, y, _ = fleet(3)
    one = MixtureRegression(1, on=["scale"]).fit(x, y)
    other = AcceleratedLifetime().fit(x, y)
    np.testing.assert_allclose(one.parameters_, other.parameters_, rtol=1e-7)
    np.testing.assert_allclose(one.predict(x[:5]), other.predict(x[:5]), rtol=1e-7)


def test_bounds_of_memberships_are_those_of_finite_differences():
    x, y, _ = fleet(0)
    fitted = MixtureRegression(2, n_starts=2).fit(x, y)
    ages, failed = np.array([0.0, 5.0, 30.0, 12.0]), [False, False, False, True]
    table = fitted.membership(x[:4], ages, failed, level=0.9)
    plain = fitted.membership(x[:4], ages, failed, level=None)
    inside = fitted._fitted

    @double_precision
    def logit(theta):
        found = memberships(inside._replace(theta=theta), x[:4], ages, np.array(failed))
        return np.log(found[1] / found[0])

    steps = 1e-5 * np.eye(inside.theta.size)
    slope = [(logit(inside.theta + s) - logit(inside.theta - s)) / 2e-5 for s in steps]
    error = np.sqrt(np.einsum("pn,pq,qn->n", slope, inside.covariance, slope))
    upper = 1 / (1 + np.exp(-(logit(inside.theta) + 1.6448536 * error)))
    np.testing.assert_allclose(table["component_2"], plain["component_2"], rtol=1e-10)
    np.testing.assert_allclose(table["component_2_upper"], upper, rtol=1e-5)
    np.testing.assert_allclose(table["component_1_lower"], 1 - upper, rtol=1e-4)


def test_a_penalty_is_chosen_by_what_was_held_out():
    x, y, _ = fleet(0)
    fitted = MixtureRegression(2, n_starts=2, penalty="cv").fit(x, y)
    path = fitted.penalty_path_
    assert fitted.penalty_ == path["penalty"][path["score"].idxmax()]
    # The strongest penalty is the mixture without covariates; the truth has strong effects.
    effects = path.filter(regex="x0").to_numpy()
    assert np.abs(effects[0]).max() < 0.05 < 0.2 < np.abs(effects[-1]).max()
    assert path["score"].max() > path["score"][0] + 0.1
    known = MixtureRegression(2, n_starts=2).fit(x, y)
    assert abs(fitted.score(x, y) - known.score(x, y)) < 0.01
    # Histories of one row each are split as rows are.
    bound = MixtureRegression(2, n_starts=2, penalty="cv").fit(x, y, unit=np.arange(600))
    assert bound.penalty_ == fitted.penalty_
    np.testing.assert_allclose(bound.penalty_path_["score"], path["score"], rtol=1e-6)


def test_where_one_population_is_split_in_two_the_advice_is_to_take_fewer_components():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(5, 1))
    life = np.exp(0.4 * x[:, 0]) * 10.0 * rng.weibull(2.0, 5)
    with pytest.warns(FitWarning, match=r"take fewer components \(n_components=1\)") as told:
        model = MixtureRegression(2).fit(x, life)
    assert not model.converged_
    assert "merge such columns" not in str(told[0].message)


@double_precision
def test_the_steepest_shape_at_a_failure_is_that_of_the_formula_in_rows_and_histories():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(120, 1))
    life = 10.0 * np.exp(0.4 * x[:, 0]) * rng.weibull(2.0, 120)
    rows = Observations.from_durations(np.minimum(life, 15.0), life <= 15.0)
    y = np.column_stack([rows.lower, rows.event])
    found = MixtureRegression(2, n_starts=2, on=("scale", "shape")).fit(x, y)._fitted
    theta = np.array([0.3, 2.0, 0.4, 2.6, 0.2, 0.5, 1.5, 0.8, -0.9])
    units = Histories.from_rows(rows, np.arange(120))
    z = ((x - found.columns.center) / found.columns.scale)[:, 0]
    scales, shapes = np.exp([2.0 + 0.4 * z, 2.6 + 0.2 * z]), np.exp([0.5 + 1.5 * z, 0.8 - 0.9 * z])
    t = rows.lower
    joint = np.exp([[0.0], [0.3]]) * np.exp(-((t / scales) ** shapes))
    joint = joint * np.where(rows.event > 0, shapes * (t / scales) ** shapes, 1.0)
    held = (joint / joint.sum(axis=0) > 0.5) & (rows.event > 0)
    for likelihood in (
        Likelihood(found.form, found.layout, rows, x, found.columns),
        HistoryLikelihood(found.form, found.layout, units, x, found.columns),
    ):
        value = steepest(likelihood, theta, *likelihood.memberships(theta))
        np.testing.assert_allclose(np.exp(value), shapes[held].max(), rtol=1e-12)
