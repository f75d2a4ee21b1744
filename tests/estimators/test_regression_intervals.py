"""Bounds of regressions by profile and bootstrap, random lives, pictures by name."""

import copy
import pickle

import numpy as np
import pytest
from scipy import stats

from survjax import (
    AcceleratedLifetime,
    CoxPH,
    FitWarning,
    MixtureRegression,
    ScaledHazard,
    WeibullMixture,
    load,
)

N = 150
DROP = 0.5 * stats.chi2.ppf(0.95, 1)


def fleet(seed=0, n=N):
    """Two columns, of which the second is in thousandths, lives, and who was censored."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2)) * [1.0, 1e-3] + [0.5, 2e-3]
    lives = np.exp(3.0 - 0.6 * x[:, 0] + 300.0 * x[:, 1]) * rng.weibull(1.5, n)
    end = rng.uniform(5.0, 60.0, n)
    return x, np.column_stack([np.minimum(lives, end), lives <= end])


MODELS = {
    "weibull": AcceleratedLifetime(),
    "lognormal": AcceleratedLifetime("lognormal"),
    "gompertz": AcceleratedLifetime("gompertz"),
    "scaled hazard": ScaledHazard(center=False),
}


@pytest.mark.parametrize("name", MODELS)
def test_at_a_profile_bound_the_likelihood_of_the_rest_has_fallen_by_half_the_quantile(name):
    x, y = fleet()
    model = copy.deepcopy(MODELS[name]).fit(x, y)
    lower, upper = model.confidence_interval("parameters", method="profile")
    assert np.all(lower < model.parameters_) and np.all(model.parameters_ < upper)
    for j in (0, 1):
        at = model.parameter_names_.index(
            next(n for n in model.parameter_names_ if n.endswith(f":x{j}"))
        )
        for bound in (lower[at], upper[at]):
            # A fit of the other column, this one's effect held by an offset, is the profile.
            held = copy.deepcopy(MODELS[name])
            held.fit(x[:, [1 - j]], y, offset=bound * x[:, j])
            fallen = model.log_likelihood_ - held.log_likelihood_
            assert fallen == pytest.approx(DROP, abs=2e-3)


def test_profile_bounds_of_histories_count_units():
    x, y = fleet(1)
    cut = 0.4 * y[:, 0]
    start = np.concatenate([np.zeros(N), cut])
    stop = np.concatenate([cut, y[:, 0]])
    event = np.concatenate([np.zeros(N), y[:, 1]])
    unit = np.tile(np.arange(N), 2)
    rows = np.concatenate([x, x])
    for estimator in (AcceleratedLifetime(), ScaledHazard()):
        whole = copy.deepcopy(estimator).fit(x, y)
        parts = estimator.fit(rows, np.column_stack([stop, event]), entry=start, unit=unit)
        for method in ("profile", "delta"):
            ours = parts.confidence_interval("parameters", method=method)
            theirs = whole.confidence_interval("parameters", method=method)
            np.testing.assert_allclose(ours, theirs, rtol=2e-3)


def test_a_fit_without_a_maximum_has_no_bounds():
    # None that has the mark failed: the likelihood rises toward ever longer lives.
    rng = np.random.default_rng(2)
    marked = np.repeat([0.0, 1.0], [60, 3])
    lives = np.concatenate([10.0 * rng.weibull(2.0, 60), [9.0, 11.0, 13.0]])
    with pytest.warns(FitWarning, match="open"):
        model = AcceleratedLifetime().fit(marked[:, None], np.column_stack([lives, marked == 0]))
    assert np.isnan(model.confidence_interval("parameters")).all()
    for call in (
        lambda: model.confidence_interval("parameters", method="profile"),
        lambda: model.bootstrap(),
    ):
        with pytest.raises(ValueError, match="needs a fit that is a proper maximum"):
            call()


def test_bootstrap_bounds_are_near_those_of_the_delta_method_where_units_are_many():
    x, y = fleet(3, 800)
    model = AcceleratedLifetime().fit(x, y).bootstrap(200, random_state=1)
    assert model.bootstrap_.n_failed == 0
    spread = model.bootstrap_.parameters.std(axis=0)
    np.testing.assert_allclose(spread, np.sqrt(np.diag(model.covariance_)), rtol=0.2)
    low, high = model.confidence_interval("parameters", method="bootstrap")
    assert np.all(low < model.parameters_) and np.all(model.parameters_ < high)
    again = AcceleratedLifetime().fit(x, y).bootstrap(200, random_state=1)
    np.testing.assert_allclose(again.bootstrap_.parameters, model.bootstrap_.parameters, rtol=1e-9)
    t = np.array([2.0, 8.0])
    for curve, where in (
        ("survival", t),
        ("quantile", [0.1, 0.5]),
        ("hazard", 9.0),
        ("mean", None),
    ):
        ours = model.confidence_interval(curve, x[:3], where, method="bootstrap", ages=[0, 2, 9])
        delta = model.confidence_interval(curve, x[:3], where, ages=[0, 2, 9])
        assert np.shape(ours[0]) == (3, 2) if np.ndim(where) else np.shape(ours[0]) == (3,)
        np.testing.assert_allclose(ours, delta, rtol=0.25)


def test_equal_rows_and_weights_have_the_same_replicates_in_law():
    x, y = fleet(4, 120)
    weight = np.random.default_rng(5).integers(1, 5, 120)
    light = AcceleratedLifetime().fit(x, y, sample_weight=weight).bootstrap(200)
    again = np.repeat(np.arange(120), weight)
    heavy = AcceleratedLifetime().fit(x[again], y[again]).bootstrap(200)
    ours, theirs = (m.bootstrap_.parameters.std(axis=0) for m in (light, heavy))
    np.testing.assert_allclose(ours, theirs, rtol=0.2)


def test_a_column_for_a_few_units_loses_replicates_and_says_so():
    _, y = fleet(6, 60)
    rare = np.zeros((60, 1))
    rare[:2] = 1.0
    y[:2, 1] = 1
    model = AcceleratedLifetime().fit(rare, y)
    with pytest.warns(FitWarning, match="replicates have no proper maximum"):
        model.bootstrap(100)
    assert len(model.bootstrap_.parameters) == 100 - model.bootstrap_.n_failed


@pytest.fixture(scope="module")
def mixed():
    rng = np.random.default_rng(7)
    x = rng.normal(size=(300, 1))
    weak = rng.random(300) < 0.4
    life = np.where(weak, 5.0 * rng.weibull(1.2, 300), 40.0 * rng.weibull(4.0, 300))
    return x, MixtureRegression(2, on=["scale"], n_starts=8).fit(x, life * np.exp(-0.3 * x[:, 0]))


def test_a_mixture_regression_has_all_three(mixed):
    x, model = mixed
    model.bootstrap(100)
    delta = model.confidence_interval("parameters")
    for method in ("profile", "bootstrap"):
        low, high = model.confidence_interval("parameters", method=method)
        assert np.all(low < model.parameters_) and np.all(model.parameters_ < high)
        # Effects of the larger component are well determined: all methods say about the same.
        np.testing.assert_allclose(high[-3] - low[-3], (delta[1] - delta[0])[-3], rtol=0.5)
    table = model.predict_quantile(x[:2], [0.2])
    low, high = model.confidence_interval("quantile", x[:2], [0.2])
    np.testing.assert_allclose(low[:, 0], table["q20_lower"])
    np.testing.assert_allclose(high[:, 0], table["q20_upper"])


def test_delta_bounds_are_those_of_the_tables():
    x, y = fleet(8)
    model = AcceleratedLifetime("loglogistic").fit(x, y)
    table = model.summary()
    low, high = model.confidence_interval("parameters")
    np.testing.assert_allclose(low, table["lower"])
    np.testing.assert_allclose(high, table["upper"])
    chance = model.predict_survival(x[:4], [3.0, 9.0], ages=2.0)
    low, high = model.confidence_interval("survival", x[:4], [3.0, 9.0], ages=2.0)
    np.testing.assert_allclose(low, chance["lower"])
    np.testing.assert_allclose(high, chance["upper"])


@pytest.mark.parametrize("name", ["weibull", "gompertz", "mixture"])
def test_random_lives_have_the_survival_of_their_asset(name, mixed):
    x, model = mixed
    if name != "mixture":
        x, y = fleet(9)
        model = copy.deepcopy(MODELS[name]).fit(x, y)
    ages = np.array([0.0, 4.0])
    lives = model.sample(x[:2], 2000, ages=ages, random_state=3)
    assert lives.shape == (2, 2000)
    np.testing.assert_array_equal(lives, model.sample(x[:2], 2000, ages=ages, random_state=3))
    for i in (0, 1):
        some = lives[i, :200]
        alive = model.predict_survival(x[[i]], some, ages=ages[[i]], level=None).to_numpy()[0]
        assert stats.kstest(alive, "uniform").pvalue > 1e-3
    np.testing.assert_allclose(lives.mean(axis=1), model.predict(x[:2], ages), rtol=0.1)
    assert model.sample(x[:2], 0).shape == (2, 0)


def test_after_saving_bounds_that_need_the_rows_say_so(tmp_path):
    x, y = fleet(10)
    model = AcceleratedLifetime().fit(x, y)
    model.save(tmp_path / "model.json")
    again = load(tmp_path / "model.json")
    np.testing.assert_allclose(
        again.confidence_interval("parameters"), model.confidence_interval("parameters")
    )
    with pytest.raises(ValueError, match="profile"):
        again.confidence_interval("parameters", method="profile")
    with pytest.raises(ValueError, match="bootstrap"):
        again.bootstrap()


WRONG = {
    "no such curve": (lambda m, x: m.confidence_interval("risk", x, 1.0), "parameters, survival"),
    "no assets": (lambda m, x: m.confidence_interval("survival", t=1.0), "as X"),
    "no times": (lambda m, x: m.confidence_interval("survival", x), "needs t"),
    "times of a mean": (lambda m, x: m.confidence_interval("mean", x, 1.0), "takes no t"),
    "method": (lambda m, x: m.confidence_interval("parameters", method="wald"), "one of auto"),
    "curve": (lambda m, x: m.confidence_interval("cdf", x, 1.0, method="profile"), "delta"),
    "assets": (lambda m, x: m.confidence_interval("parameters", x), "leave out X"),
    "replicates": (lambda m, x: m.bootstrap(3), "at least 20"),
    "size": (lambda m, x: m.sample(x, -1), "at least 0"),
    "share": (lambda m, x: m.confidence_interval("quantile", x, 1.5), "quantiles"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_makes_no_sense_is_one_clear_error(name):
    x, y = fleet(11)
    call, match = WRONG[name]
    with pytest.raises(ValueError, match=match):
        call(AcceleratedLifetime().fit(x, y), x[:2])


def test_penalized_and_two_step_fits_say_which_bounds_they_have():
    x, y = fleet(12)
    ridge = AcceleratedLifetime(penalty=0.1).fit(x, y)
    with pytest.raises(ValueError, match="without such a penalty"):
        ridge.confidence_interval("parameters", method="profile")
    low, high = ridge.bootstrap(60).confidence_interval("parameters", method="bootstrap")
    assert np.all(low < high)
    two = ScaledHazard(WeibullMixture(1), joint=False).fit(x, y)
    with pytest.raises(ValueError, match="two steps"):
        two.confidence_interval("parameters", method="profile")
    known = ScaledHazard(two.baseline_, joint=False).fit(x, y)
    with pytest.raises(ValueError, match="joint=True"):
        known.bootstrap()


def test_a_bootstrap_of_two_steps_takes_both_again():
    x, y = fleet(12)
    two = pickle.loads(pickle.dumps(ScaledHazard(WeibullMixture(1), joint=False).fit(x, y)))
    found = two.bootstrap(150).bootstrap_.parameters
    # The errors of both steps together, known by the delta method.
    spread = found.std(axis=0) / np.sqrt(np.diag(two.covariance_))
    assert np.all((spread > 0.8) & (spread < 1.25))
    one = ScaledHazard(WeibullMixture(1), joint=False).fit(x, y, sample_weight=np.full(len(x), 2.0))
    narrower = one.bootstrap(150).bootstrap_.parameters.std(axis=0) / found.std(axis=0)
    assert np.all((narrower > 0.55) & (narrower < 0.9))


def test_every_regression_draws_its_pictures_by_name():
    x, y = fleet(13)
    for estimator in (AcceleratedLifetime(), ScaledHazard(), CoxPH()):
        model = estimator.fit(x, y)
        assert model.plot().get_title(loc="left") == "Effects"
        options = {"X": x[:1], "column": 0, "values": [0.0, 1.0], "times": [1.0, 5.0, 20.0]}
        assert len(model.plot("partial_survival", **options).lines) >= 2
        with pytest.raises(ValueError, match="kind must be one of"):
            model.plot("portrait")
