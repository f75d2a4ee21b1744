"""Deep mixtures: the linear case, a truth that is not linear, seeds, units, bounds."""

import functools

import jax
import numpy as np
import optax
import pytest

from survjax import (
    AcceleratedLifetime,
    DeepWeibullMixture,
    MixtureRegression,
    NoFiniteMaximum,
    WeibullMixture,
    survival_target,
)
from survjax._core.precision import double_precision
from survjax.data.observations import Observations
from survjax.estimators.deep.training import check_settings, member_weights, plain_mixtures
from survjax.likelihood.regression.forms import weibull_mixture
from survjax.likelihood.rows import derivatives
from survjax.likelihood.weibulls import weibull_template
from survjax.networks.deep_mixture_curves import evaluate_ensemble
from survjax.networks.training import _average_objective, train
from survjax.prediction.curves import link_value
from tests.studies.deep_mixture import fleet, truth

# One optimizer object, so that one program serves all tests; its steps shrink to nothing.
SETTLING = optax.adam(optax.exponential_decay(0.1, 30, 0.5))
LINEAR = {
    "layers": (), "on": ["scale"], "n_members": 1, "validation_fraction": None,
    "batch_size": None, "patience": 400, "max_epochs": 400, "optimizer": SETTLING,
}  # fmt: skip


def curved(seed, n=1000):
    """Strong assets in the middle of x0, weak ones at both ends; two sub-populations."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2.0, 2.0, (n, 2))
    late = rng.random(n) < 1 / (1 + np.exp(-3.0 * np.cos(1.6 * x[:, 1])))
    scale = np.where(late, np.exp(4.5 - 0.6 * x[:, 0] ** 2), 8.0)
    lives = scale * rng.weibull(np.where(late, 4.0, 1.0))
    end = rng.uniform(20.0, 120.0, n)
    return x, np.column_stack([np.minimum(lives, end), lives <= end])


def straight(seed, n=240):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    lives = np.exp(2.3 - 0.5 * x[:, 0]) * rng.weibull(1.7, n)
    end = rng.uniform(5.0, 40.0, n)
    return x, np.column_stack([np.minimum(lives, end), lives <= end])


@functools.cache
def deep(seed=0, unit=1.0):
    x, y = curved(0)
    model = DeepWeibullMixture(2, layers=(16,), n_members=4, random_state=seed)
    return model.fit(x, y * [unit, 1.0])


def test_one_linear_component_is_the_accelerated_lifetime():
    x, y = straight(0)
    exact = AcceleratedLifetime().fit(x, y)
    found = DeepWeibullMixture(1, **LINEAR).fit(x, y)
    assert exact.log_likelihood_ - found.log_likelihood_ < 1e-4
    np.testing.assert_allclose(found.predict(x[:9]), exact.predict(x[:9]), rtol=1e-3)
    np.testing.assert_allclose(found.score(x, y), exact.score(x, y), rtol=1e-6)


def test_rows_without_weight_are_no_rows():
    x, y = straight(0)
    more = np.vstack([x, 9.0 + x[:10]]), np.vstack([y, y[:10] * [7.0, 1.0]])
    weight = np.repeat([2.0, 0.0], [240, 10])
    found = DeepWeibullMixture(1, **LINEAR).fit(*more, sample_weight=weight)
    exact = AcceleratedLifetime().fit(x, y)
    assert 2 * exact.log_likelihood_ - found.log_likelihood_ < 1e-4


def test_intervals_and_late_entry_go_through_the_one_likelihood():
    x, y = straight(1)
    lower, failed = y[:, 0], y[:, 1] == 1
    upper = np.where(failed, np.ceil(lower), np.inf)
    upper[:40] = np.where(failed[:40], lower[:40], np.inf)
    target = survival_target(np.where(upper == lower, lower, np.floor(lower)), upper)
    entry = 0.3 * target["lower"]
    exact = AcceleratedLifetime().fit(x, target, entry=entry)
    found = DeepWeibullMixture(1, **LINEAR).fit(x, target, entry=entry)
    assert exact.log_likelihood_ - found.log_likelihood_ < 1e-4


@pytest.mark.filterwarnings("ignore::survjax.FitWarning")
@pytest.mark.slow
def test_a_truth_that_is_not_linear_is_found_better_than_by_mixture_regression():
    x, y = curved(9, 4000)
    linear = MixtureRegression(2, n_starts=2).fit(*curved(0))
    # Per unit of 4000 held out: a gap of 0.2 is some 15 standard errors.
    assert deep().score(x, y) > linear.score(x, y) + 0.1
    where = np.array([[-1.9, 0.0], [0.0, 0.0], [1.9, 0.0]])
    found, other = deep().predict(where), linear.predict(where)
    assert found[1] > 3.0 * max(found[0], found[2])
    assert other[1] < 1.2 * max(other[0], other[2])


@pytest.mark.slow
def test_the_same_seed_gives_the_same_answer_and_another_does_not():
    x, y = curved(0)
    again = DeepWeibullMixture(2, layers=(16,), n_members=4, random_state=0).fit(x, y)
    np.testing.assert_array_equal(again.predict(x[:9]), deep().predict(x[:9]))
    assert again.history_.equals(deep().history_)
    assert not np.allclose(deep(1).predict(x[:9]), deep().predict(x[:9]), rtol=1e-6)
    before = train._cache_size()
    deep(2)
    assert train._cache_size() == before


def test_units_of_time_do_not_matter():
    x, y = curved(0)
    hours, days = deep(0, 24.0), deep()
    np.testing.assert_allclose(hours.predict(x[:9]), 24.0 * days.predict(x[:9]), rtol=1e-6)
    n_events = y[:, 1].sum()
    shifted = hours.log_likelihood_ + n_events * np.log(24.0)
    np.testing.assert_allclose(shifted, days.log_likelihood_, rtol=1e-9)
    np.testing.assert_array_equal(hours.members_["epoch"], days.members_["epoch"])


def test_the_history_is_of_the_likelihood_per_unit():
    history, members = deep().history_, deep().members_
    assert list(history.columns) == [
        "member", "epoch", "log_likelihood", "validation_log_likelihood",
    ]  # fmt: skip
    assert members["epoch"].nunique() == 1
    kept = history[history["epoch"] == members["epoch"][0]].set_index("member")
    assert kept.equals(members[list(kept)])
    assert deep().n_epochs_ == history["epoch"].max() <= 500
    x, y = curved(0)
    np.testing.assert_allclose(deep().score(x, y), deep().log_likelihood_ / 1000, rtol=1e-12)


def test_members_stop_where_those_that_left_units_out_foretell_them_best():
    rng = np.random.default_rng(0)
    losses, held = rng.normal(size=(3, 9)), rng.integers(0, 3, (3, 9)) * 1.0
    held[:, 4] = 0.0  # in every sample: it says nothing
    losses[0, 2] = np.nan  # of a network that went astray
    held[:, 2] = [1.0, 0.0, 1.0]
    terms = []
    for i in np.delete(np.arange(9), 4):
        density = np.where(np.isfinite(losses[:, i]), np.exp(-losses[:, i]), 0.0)
        terms.append(held[:, i].max() * np.log(np.average(density, weights=held[:, i])))
    expected = -np.sum(terms) / held.max(axis=0).sum()
    found = double_precision(_average_objective)(losses, held)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_each_member_begins_with_the_mixture_of_its_own_sample():
    x, y = straight(0)
    still = {"learning_rate": 1e-9, "weight_decay": 0.0, "max_epochs": 1}
    model = DeepWeibullMixture(2, layers=(), n_members=3, **still).fit(x, y)
    rows = Observations.from_durations(*y[np.argsort(y[:, 0])].T)
    weight, _ = member_weights(model, rows, check_settings(model)[1].seed)
    assert np.array_equal(weight, np.round(weight)) and 180 < weight[0].sum() < 300
    base = model._ensemble.parameters["base"]
    np.testing.assert_allclose(base, plain_mixtures(rows, weight, 2), rtol=1e-6, atol=1e-6)
    assert np.ptp(base[:, 1]) > 0.01


def test_that_mixture_is_a_maximum_near_that_of_all_units():
    y = curved(3)[1]
    rows = Observations.from_durations(*y.T)
    weight = np.random.default_rng(0).poisson(1.0, (6, 1000)) * 1.0
    every, found = WeibullMixture(2).fit(rows), plain_mixtures(rows, weight, 2)
    errors = np.sqrt(np.diag(every.covariance_))
    assert np.all(np.abs(found - every.parameters_) < 5.0 * errors)
    template = weibull_template(2)
    for sample, point in zip(weight, found, strict=True):
        likelihood = double_precision(derivatives)(template.at(point), rows.reweighted(sample))
        gradient, hessian = (np.asarray(part) for part in likelihood[1:])
        assert gradient @ np.linalg.solve(-hessian, gradient) < 1e-8
    # Where a sample has no maximum near it, it is that of all units.
    lost = np.zeros((1, 1000))
    lost[0, :2] = 1.0
    np.testing.assert_allclose(plain_mixtures(rows, lost, 2)[0], every.parameters_, rtol=1e-8)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::survjax.FitWarning")
def test_bounds_hold_the_truth_about_as_often_as_they_say():
    held = []
    for seed in range(20):
        x, y = fleet(seed, "not linear", 1000)
        fresh = fleet(seed + 500, "not linear", 200)[0]
        table = DeepWeibullMixture(2).fit(x, y).predict_quantile(fresh, [0.5])
        true = truth(fresh, "not linear").median()
        held.append(np.mean((table["q50_lower"] <= true) & (true <= table["q50_upper"])))
    # The standard error over 20 fleets is some 0.01.
    assert 0.92 < np.mean(held) < 0.98


def test_bounds_hold_their_value_and_intervals_hold_lives():
    x, y = curved(9, 4000)
    ages = np.linspace(0.0, 30.0, 9)
    table = deep().predict_rul(x[:9], ages, level=0.9)
    for name in ("mean", "q10", "q50", "q90"):
        assert np.all(table[f"{name}_lower"] < table[name])
        assert np.all(table[name] < table[f"{name}_upper"])
    wide = deep().predict_rul(x[:9], ages, level=0.99)
    assert np.all(wide["mean_upper"] > table["mean_upper"])
    interval = deep().predict_interval(x, level=0.8)
    died = y[:, 1] == 1
    # Lives that were cut short by the end of observation lie above what was seen of them.
    above = y[:, 0] > interval["upper"]
    below = died & (y[:, 0] < interval["lower"])
    assert abs(below.mean() - 0.1) < 0.03 and above.mean() < 0.13


def test_curves_of_the_average_agree_with_each_other():
    x, ages = curved(9, 4000)[0][:6], np.linspace(1.0, 40.0, 6)
    medians = deep().predict_quantile(x, [0.5], ages)["q50"].to_numpy()
    risk = deep().failure_probability(x, ages, medians)["failure_probability"]
    np.testing.assert_allclose(risk, 0.5, rtol=1e-8)
    born = deep().predict_survival(x, [5.0, 20.0, 45.0], level=None).to_numpy()
    aged = deep().predict_survival(x, [15.0, 40.0], 5.0, level=None).to_numpy()
    np.testing.assert_allclose(born[:, 0:1] * aged, born[:, 1:], rtol=1e-8)


@pytest.mark.parametrize("curve", ["mean", "quantile", "hazard", "cumulative_hazard"])
@double_precision
def test_bounds_are_how_far_the_members_are_apart(curve):
    inside, x = deep()._ensemble, curved(9, 4000)[0][:300]
    ages, t = np.linspace(0.0, 60.0, 300), np.linspace(0.01, 0.99, 300)
    values, errors = evaluate_ensemble(inside, (curve,), t[None], x, ages)
    eta = jax.vmap(jax.vmap(inside.network.apply, (None, 0)), (0, None))(
        inside.parameters, (x - inside.center) / inside.scale
    )
    own = [weibull_mixture(2).lifetime(tuple(part.T)).given(ages) for part in eta]
    safe = np.array([link_value(life, curve, t) for life in own])
    expected = np.sqrt(np.sum((safe - values[0]) ** 2, axis=0) / (len(own) - 1))
    np.testing.assert_allclose(errors[0], expected, rtol=1e-9)
    if curve == "mean":
        born = [weibull_mixture(2).lifetime(tuple(part.T)).survival(ages) for part in eta]
        average = np.average(np.exp(safe), axis=0, weights=np.array(born))
        np.testing.assert_allclose(values[0], np.log(average), rtol=1e-12)


def test_many_assets_are_as_few():
    x = np.tile(curved(9, 4000)[0], (9, 1))
    ages = np.linspace(0.0, 50.0, len(x))
    some = np.array([0, 17_000, 35_999])
    many, few = deep().predict_rul(x, ages), deep().predict_rul(x[some], ages[some])
    np.testing.assert_allclose(many.iloc[some], few, rtol=1e-9)
    times = deep().predict_survival(x[some], [5.0, 30.0], ages[some])
    late = deep().predict_survival(x[some], [30.0], ages[some])
    np.testing.assert_allclose(times[("lower", 30.0)], late[("lower", 30.0)], rtol=1e-12)


def test_an_old_asset_is_a_strong_one():
    x = np.zeros((3, 2))
    share = deep().membership(x, [0.0, 10.0, 30.0], level=None)
    np.testing.assert_allclose(share.sum(axis=1), 1.0, rtol=1e-12)
    assert share["component_2"].is_monotonic_increasing and share["component_2"].iloc[-1] > 0.97
    table = deep().membership(x, [0.0, 10.0, 30.0], level=0.9)
    assert np.all(table["component_1_lower"] < share["component_1"])
    np.testing.assert_allclose(table["component_1_lower"], 1 - table["component_2_upper"])
    failed = deep().membership(x[:1], [3.0], [True])
    assert failed["component_1"].iloc[0] > share["component_1"].iloc[0]


def test_one_network_alone_says_that_it_has_no_bounds():
    x, y = straight(0)
    table = DeepWeibullMixture(1, **LINEAR).fit(x, y).predict_rul(x[:3])
    assert np.all(np.isfinite(table["mean"]))
    assert np.all(np.isnan(table["mean_lower"])) and np.all(np.isnan(table["q90_upper"]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_components": 0}, "n_components must be a whole number of at least 1"),
        ({"n_members": 0}, "n_members must be a whole number"),
        ({"on": "scale"}, "on must be a list of weight, scale, shape, got 'scale'"),
        ({"layers": (0,)}, "layers must be sizes of hidden layers"),
        ({"validation_fraction": 0.0}, "validation_fraction must lie between 0 and 1"),
        ({"max_shape": -1.0}, "max_shape must be a finite number above zero"),
        ({"optimizer": "newton"}, "optimizer must be 'adam'"),
    ],
)
def test_wrong_settings_are_refused_in_fit(settings, message):
    with pytest.raises(ValueError, match=message):
        DeepWeibullMixture(**settings).fit(*straight(0))


def test_a_fleet_without_failures_and_one_with_text_are_refused():
    x, y = straight(0)
    with pytest.raises(NoFiniteMaximum, match="none of the 240 units has failed"):
        DeepWeibullMixture().fit(x, y * [1.0, 0.0])
    with pytest.raises(ValueError, match="NaN"):
        DeepWeibullMixture().fit(np.where(x > 2.0, np.nan, x), y)
    with pytest.raises(ValueError, match="not fitted yet"):
        DeepWeibullMixture().predict(x)
