"""Parameters that are known, or known to lie between bounds.

References are closed forms of the Weibull of known shape, and SciPy's maximizers.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

import survjax
from survjax import LifetimeModel, NoFiniteMaximum, WeibullMixture, compare, weibayes
from survjax.lifetimes import Cured, Weibull

RNG = np.random.default_rng(1)
LIVES = 5.0 * RNG.weibull(1.7, 60)
FAILED = RNG.random(60) < 0.7
ENTRY = 0.1 * LIVES


def log_likelihood(log_scale, shape, entry=0.0 * LIVES):
    z, r = np.log(LIVES) - log_scale, np.sum(FAILED)
    begun = np.where(entry > 0, np.exp(shape * (np.log(np.maximum(entry, 1e-9)) - log_scale)), 0.0)
    density = r * np.log(shape) + np.sum(FAILED * (shape * z - np.log(LIVES)))
    return density - np.sum(np.exp(shape * z) - begun)


@pytest.fixture(scope="module")
def known():
    """A Weibull of known shape, with late entry."""
    return LifetimeModel("weibull", fixed={"shape": 2.0}).fit(LIVES, FAILED, entry=ENTRY)


def test_a_weibull_of_known_shape_is_the_closed_form(known):
    r = np.sum(FAILED)
    scale = np.sqrt(np.sum(LIVES**2 - ENTRY**2) / r)
    assert np.exp(known.parameters_[0]) == pytest.approx(scale, rel=1e-10)
    assert np.exp(known.parameters_[1]) == pytest.approx(2.0, rel=1e-15)
    value = log_likelihood(np.log(scale), 2.0, ENTRY)
    assert known.log_likelihood_ == pytest.approx(value, rel=1e-12)
    # The information on the log scale is r shape^2.
    np.testing.assert_allclose(known.covariance_, [[1.0 / (4.0 * r), 0.0], [0.0, 0.0]], rtol=1e-8)


def test_criteria_count_free_parameters_only(known):
    assert known.n_free_ == 1
    assert known.aic_ == pytest.approx(2.0 - 2.0 * known.log_likelihood_)
    assert known.bic_ == pytest.approx(np.log(60) - 2.0 * known.log_likelihood_)
    table = compare({"known": known, "weibull": "weibull"}, LIVES, FAILED).table
    assert table["n_parameters"]["known"] == 1.0 and table["n_parameters"]["weibull"] == 2.0


def test_what_is_fixed_has_no_error_and_says_so(known):
    table = known.summary()
    assert table["bounds"]["shape"] == "fixed"
    assert table["standard_error"]["shape"] == 0.0
    assert table["lower"]["shape"] == table["upper"]["shape"] == table["estimate"]["shape"]
    assert table["lower"]["scale"] < table["estimate"]["scale"] < table["upper"]["scale"]


def test_profile_bounds_leave_what_is_fixed_where_it_is(known):
    fall = stats.chi2.ppf(0.95, 1) / 2.0
    center = np.log(np.exp(known.parameters_[0]))

    def gap(log_scale):
        return log_likelihood(log_scale, 2.0, ENTRY) - known.log_likelihood_ + fall

    ends = [optimize.brentq(gap, center, center + side) for side in (-1.0, 1.0)]
    bounds = known.confidence_interval("scale", method="profile")
    np.testing.assert_allclose(bounds, np.exp(ends), rtol=1e-4)
    # The survival follows from the scale alone.
    low, high = known.confidence_interval("survival", 3.0, method="profile")
    expected = np.exp(-((3.0 / np.exp(ends)) ** 2))
    np.testing.assert_allclose([low, high], expected, rtol=1e-4)
    assert known.confidence_interval("shape", method="profile") == (
        pytest.approx(2.0),
        pytest.approx(2.0),
    )


def test_replicates_keep_what_is_fixed(known):
    known.bootstrap(40)
    assert np.all(known.bootstrap_.parameters[:, 1] == known.parameters_[1])
    low, high = known.confidence_interval("mean", method="bootstrap")
    assert low < known.mean() < high


def test_a_fixed_parameter_is_kept_in_a_file(known, tmp_path):
    known.save(tmp_path / "model.json")
    again = survjax.load(tmp_path / "model.json")
    assert again.summary().equals(known.summary())
    assert again.fixed == {"shape": 2.0} and again.n_free_ == 1


@pytest.mark.parametrize(
    ("bounds", "shape", "at"),
    [((1.0, 1.5), 1.5, ("shape",)), ((2.0, 3.0), 2.0, ("shape",)), ((None, 3.0), None, ())],
)
def test_an_estimate_stays_between_bounds(bounds, shape, at, tmp_path):
    model = LifetimeModel("weibull", bounds={"shape": bounds}).fit(LIVES, FAILED)
    plain = LifetimeModel("weibull").fit(LIVES, FAILED)
    assert model.converged_ and model.certificate_.at_bounds == at
    if shape is None:
        assert model.log_likelihood_ == pytest.approx(plain.log_likelihood_, rel=1e-12)
        assert model.certificate_.status == "interior maximum"
    else:
        assert np.exp(model.parameters_[1]) == pytest.approx(shape, rel=1e-14)
        best = LifetimeModel("weibull", fixed={"shape": shape}).fit(LIVES, FAILED)
        assert model.log_likelihood_ == pytest.approx(best.log_likelihood_, rel=1e-12)
        assert model.certificate_.status == "maximum at the bounds of shape"
        assert model.summary()["bounds"]["shape"] == "at a bound"
    assert model.n_free_ == 2
    model.save(tmp_path / "model.json")
    again = survjax.load(tmp_path / "model.json")
    assert again.summary().equals(model.summary())
    assert again.certificate_ == model.certificate_


def test_bounds_of_two_parameters_are_those_of_a_bounded_maximizer():
    limits = {"scale": (3.0, 6.0), "shape": (1.7, None)}
    model = LifetimeModel("weibull", bounds=limits).fit(LIVES, FAILED)
    found = optimize.minimize(
        lambda x: -log_likelihood(x[0], np.exp(x[1])),
        [1.5, 0.7],
        bounds=[np.log([3.0, 6.0]), (np.log(1.7), None)],
        options={"ftol": 1e-15},
    )
    assert model.log_likelihood_ == pytest.approx(-found.fun, rel=1e-9)


def test_a_likelihood_without_maximum_has_one_between_bounds():
    lives, failed = [5.0, 5.0, 5.0, 4.0], [1, 1, 0, 0]
    with pytest.raises(NoFiniteMaximum):
        LifetimeModel("weibull").fit(lives, failed)
    model = LifetimeModel("weibull", bounds={"shape": (None, 6.0)}).fit(lives, failed)
    assert model.certificate_.at_bounds == ("shape",)
    scale = ((3 * 5.0**6 + 4.0**6) / 2) ** (1 / 6)
    assert np.exp(model.parameters_[0]) == pytest.approx(scale, rel=1e-9)


@pytest.fixture(scope="module")
def two_kinds():
    """Units that fail at a constant rate, and units that wear out."""
    rng = np.random.default_rng(3)
    return np.concatenate([3.0 * rng.weibull(1.0, 100), 30.0 * rng.weibull(4.0, 150)])


@pytest.mark.parametrize("fixed", [{"shape_1": 1.0}, {"shape_2": 1.0}, {"shape": 2.0}])
def test_components_of_a_mixture_may_have_known_shapes(fixed, two_kinds):
    model = WeibullMixture(2, fixed=fixed).fit(two_kinds)
    assert model.converged_
    held = [i for i, name in enumerate(("shape_1", "shape_2")) if name in fixed or "shape" in fixed]
    assert np.all(model.shapes_[held] == pytest.approx(next(iter(fixed.values()))))
    assert model.n_free_ == 5 - len(held)

    def value(x):
        logit, *log_scales, first, second = x
        shapes = np.exp([first, second])
        shapes[held] = next(iter(fixed.values()))
        z = np.log(two_kinds) - np.array(log_scales)[:, None]
        logs = np.log(shapes)[:, None] - np.log(two_kinds) + shapes[:, None] * z
        logs = logs - np.exp(np.minimum(shapes[:, None] * z, 600.0))
        weights = np.array([0.0, logit]) - np.logaddexp(0.0, logit)
        return -np.sum(np.logaddexp(*(logs + weights[:, None])))

    best = optimize.minimize(value, model.parameters_, method="Nelder-Mead", tol=1e-10)
    assert model.log_likelihood_ == pytest.approx(-best.fun, abs=1e-6)
    free = WeibullMixture(2).fit(two_kinds)
    assert free.log_likelihood_ > model.log_likelihood_


def test_a_component_of_known_shape_keeps_its_number(two_kinds):
    first, second = (WeibullMixture(2, fixed={f"shape_{k}": 1.0}).fit(two_kinds) for k in (1, 2))
    assert first.log_likelihood_ == pytest.approx(second.log_likelihood_, rel=1e-12)
    assert first.scales_[0] < first.scales_[1] and second.scales_[0] > second.scales_[1]
    table = second.summary()
    assert table["bounds"]["shape_2"] == "fixed" and table["bounds"]["shape_1"] == "profile"


def test_rescaling_time_moves_bounds_and_fixed_values_with_it():
    model, other = (
        LifetimeModel("lognormal", fixed={"scale": 4.0 * unit}).fit(LIVES * unit, FAILED)
        for unit in (1.0, 1e6)
    )
    assert np.exp(model.parameters_[1]) == pytest.approx(np.exp(other.parameters_[1]), rel=1e-9)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"fixed": {"shap": 1.0}}, "knows the parameters scale, shape, got 'shap'"),
        ({"fixed": {"shape": -1.0}}, "must be positive and finite"),
        ({"fixed": {"shape": "two"}}, "must be a number"),
        ({"fixed": {"shape": 1.0, "scale": 1.0}}, "leave one to fit"),
        ({"fixed": [1.0]}, "must be a dict"),
        ({"bounds": {"shape": (2.0, 1.0)}}, "must rise"),
        ({"bounds": {"shape": 2.0}}, "must be a pair"),
        ({"fixed": {"shape": 1.0}, "bounds": {"shape": (1.0, 2.0)}}, "is fixed"),
    ],
)
def test_what_no_parameter_can_be_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        LifetimeModel("weibull", **given).fit(LIVES, FAILED)


def test_weights_cannot_be_held():
    with pytest.raises(ValueError, match="cannot hold weights"):
        WeibullMixture(2, fixed={"weight_1": 0.5}).fit(LIVES)


@pytest.mark.parametrize("failures", [0, 1, 3])
def test_a_known_shape_gives_a_lower_bound_even_without_failures(failures):
    lives, entry = np.array([900.0, 1000.0, 1200.0, 400.0]), np.array([0.0, 100.0, 0.0, 0.0])
    failed = np.arange(4) < failures
    found = weibayes(lives, failed, shape=1.5, entry=entry, level=0.9)
    total = np.sum(lives**1.5 - entry**1.5)
    bound = (2.0 * total / stats.chi2.ppf(0.9, 2 * failures + 2)) ** (1 / 1.5)
    assert found.scale_lower == pytest.approx(bound, rel=1e-12)
    if failures:
        assert found.scale == pytest.approx((total / failures) ** (1 / 1.5), rel=1e-12)
        fit = LifetimeModel("weibull", fixed={"shape": 1.5}).fit(lives, failed, entry=entry)
        assert found.scale == pytest.approx(np.exp(fit.parameters_[0]), rel=1e-9)
    else:
        assert found.scale == np.inf
    assert found.survival_lower(500.0) == pytest.approx(np.exp(-((500.0 / bound) ** 1.5)))
    assert found.quantile_lower(0.1) == pytest.approx(bound * (-np.log(0.9)) ** (1 / 1.5))
    np.testing.assert_allclose(found.survival_lower([0.0, np.inf]), [1.0, 0.0])


def test_a_lower_bound_counts_weights_and_any_unit_of_time():
    plain = weibayes([3.0, 3.0, 5.0], [0, 0, 1], shape=200.0)
    same = weibayes([3e200, 5e200], [0, 1], shape=200.0, sample_weight=[2, 1])
    assert same.scale_lower == pytest.approx(1e200 * plain.scale_lower, rel=1e-12)


def test_a_lower_bound_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(5)
    held = [
        weibayes(np.minimum(t, 0.5), t <= 0.5, shape=2.0).scale_lower <= 1.0
        for t in rng.weibull(2.0, (400, 6))
    ]
    assert np.mean(held) >= 0.94


def test_a_fit_without_failures_names_the_remedy():
    with pytest.raises(NoFiniteMaximum, match="weibayes gives a lower bound"):
        LifetimeModel("weibull", fixed={"shape": 2.0}).fit([3.0, 4.0], [0, 0])


def test_a_share_that_is_known_is_held_from_every_start():
    rng = np.random.default_rng(0)
    life, end = 30.0 * rng.weibull(1.8, 200), rng.uniform(5.0, 60.0, 200)
    durations, failed = np.minimum(life, end), life <= end
    model = LifetimeModel(Cured(Weibull(0.0, 0.0), 0.0), fixed={"cured_share": 0.1})
    model.fit(durations, failed)

    def minus_log_likelihood(x):
        base = stats.weibull_min(np.exp(x[1]), scale=np.exp(x[0]))
        density = np.log(0.9) + base.logpdf(durations)
        return -np.sum(np.where(failed, density, np.log(0.1 + 0.9 * base.sf(durations))))

    best = optimize.minimize(minus_log_likelihood, [3.4, 0.5], method="Nelder-Mead", tol=1e-10)
    assert model.log_likelihood_ == pytest.approx(-best.fun, abs=1e-8)
    table = model.summary()
    np.testing.assert_allclose(np.log(table["estimate"][["scale", "shape"]]), best.x, atol=1e-5)
    assert table["estimate"]["cured_share"] == pytest.approx(0.1)
    assert (table.loc["cured_share", ["lower", "upper"]] == table["estimate"]["cured_share"]).all()
    between = LifetimeModel(Cured(Weibull(0.0, 0.0), 0.0), bounds={"cured_share": (0.05, 0.5)})
    assert between.fit(durations, failed).summary()["estimate"]["cured_share"] >= 0.05


def test_replicates_stay_between_bounds():
    model = LifetimeModel("weibull", bounds={"shape": (1.5, 1.8)}).fit(LIVES, FAILED)
    model.bootstrap(40, random_state=0)
    shapes = np.exp(model.bootstrap_.parameters[:, 1])
    assert shapes.min() >= 1.5 * (1.0 - 1e-12) and shapes.max() <= 1.8 * (1.0 + 1e-12)
    assert np.unique(shapes.round(9)).size > 2
