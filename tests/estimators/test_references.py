"""Fits against other programs' results on real data, and against published numbers."""

import warnings

import numpy as np
import pytest

from survjax import FitWarning, NoFiniteMaximum, Observations, WeibullMixture
from survjax._core.precision import double_precision
from survjax.data.truncation_rows import with_truncation_rows
from survjax.lifetimes import Exponential, LogLogistic, LogNormal
from survjax.likelihood.rows import derivatives, padded
from survjax.optimize import newton
from tests.references import results, rows_of

R_CASES = (
    ["lung", "veteran", "ovarian", "rats", "pbc", "genfan", "turbine_wheels"]
    + ["turbine_part_cracks", "bearingcage", "bleed", "heatexchanger", "photodetector", "v7tube"]
    + ["rocketmotor", "locomotivecontrol", "fan", "alloy_t7987", "lfp1370", "bcdeter"]
    + ["diabetes_interval", "nh4_left", "rossi", "waltons"]
)
R_FITS = [(case, "null") for case in R_CASES] + [
    (case, part)
    for case, parts in {
        "shockabsorber": ("all", "mode1", "mode2"),
        "deviceg": ("all", "surge", "wear"),
        "voltage": ("all", "E", "D"),
    }.items()
    for part in parts
]
TRUNCATED = ["relife_power_transformer", "channing_gender1", "channing_gender2", "multicenter_aids"]
MIXTURES_A = [
    "aarset:mixture2",
    "windshield:mixture2",
    "voltage:mixture2",
    "acid_gas_compressor:mixture2",
    "doc_mixture_ex2:mixture2",
    "doc_mixture_ex3:mixture2",
    "doc_cr_ex3:mixture2",
    "test_mixture:mixture2",
    "doc_cr_ex2:mixture2",
    "test_cr:mixture2",
    "alloy_t7987:mixture2",
    "waltons:mixture2",
    "genfan:mixture2",
]
MIXTURES_C = [
    "deviceg:mixture2",
    "reliability_mixture:mixture2",
    "locomotivecontrol:mixture2",
    "aarset:mixture3",
    "acid_gas_compressor:mixture3",
]
LARGE = ["hdfail_st3000:mixture2", "hdfail_st3000:mixture3"]


def quietly(model, *args, **kwargs):
    """Fit data with many ties, whose warning is the subject of another test."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "[0-9]+ of [0-9]+ failures share", FitWarning)
        return model.fit(*args, **kwargs)


@pytest.mark.filterwarnings("ignore:the data do not determine:survjax.FitWarning")
@pytest.mark.parametrize(("case", "part"), R_FITS)
def test_one_weibull_agrees_with_survreg_of_r(real_data, case, part):
    reference = results(real_data, "r_survreg")[case]
    fit = reference["fits"][f"{part}:weibull"]
    rows = rows_of(real_data, reference["data"], fit["formula"])
    model = WeibullMixture(1).fit(rows)
    assert model.converged_
    assert model.log_likelihood_ == pytest.approx(fit["loglik"], rel=1e-8)
    # R's log(scale) is minus our log shape, of the same error.
    theirs = np.array([fit["coef"]["(Intercept)"], -fit["log_scale"]])
    np.testing.assert_allclose(model.parameters_, theirs, rtol=1e-6, atol=1e-6)
    errors = [fit["se"]["(Intercept)"], fit["se"]["log_scale"]]
    np.testing.assert_allclose(np.sqrt(np.diag(model.covariance_)), errors, rtol=1e-5)
    vcov = np.array(fit["vcov"]) * [[1, -1], [-1, 1]]
    np.testing.assert_allclose(model.covariance_, vcov, rtol=1e-5, atol=1e-6 * vcov.max())
    shares = np.array(fit["quantile_p"])
    np.testing.assert_allclose(model.quantile(shares), fit["quantile"], rtol=1e-5)


@double_precision
def family_fit(rows, family=Exponential, log_shape=()):
    """One family by the same likelihood and the same Newton, from its mean life at birth."""

    def negative(lifetime, rows):
        value, gradient, hessian = derivatives(lifetime, rows)
        return -value, -gradient, -hessian

    start = family(np.log(rows.weight @ rows.lower / rows.n_events), *log_shape)
    return newton(None, start, derivatives=negative, args=(padded(with_truncation_rows(rows)),))


@pytest.mark.parametrize("case", TRUNCATED)
@pytest.mark.parametrize("name", ["lognormal", "loglogistic"])
def test_late_entry_of_other_families_agrees_with_r(real_data, case, name):
    reference = results(real_data, "r_left_truncated")[case]
    expected = reference["fits"][name]
    rows = rows_of(real_data, reference["data"])
    family = {"lognormal": LogNormal, "loglogistic": LogLogistic}[name]
    found = family_fit(rows, family, (np.log(2.0),))
    assert bool(found.converged)
    assert -float(found.value) == pytest.approx(expected["loglik"], rel=1e-8)
    sign = [1.0, -1.0 if name == "lognormal" else 1.0]  # R's second is the log of sigma there
    ours = np.array([float(found.parameters.log_scale), float(found.parameters.log_shape)]) * sign
    # R stops some 1e-6 standard errors short.
    assert np.max(np.abs(ours - expected["par"]) / expected["se"]) < 5e-6


@pytest.mark.parametrize("case", ["lung", "bearingcage", "turbine_wheels", "bcdeter", "nh4_left"])
def test_exponential_agrees_with_survreg_of_r(real_data, case):
    reference = results(real_data, "r_survreg")[case]
    fit = reference["fits"]["null:exponential"]
    solution = family_fit(rows_of(real_data, reference["data"], fit["formula"]))
    assert -float(solution.value) == pytest.approx(fit["loglik"], rel=1e-8)
    assert float(solution.parameters.log_scale) == pytest.approx(
        fit["coef"]["(Intercept)"], abs=1e-6
    )
    error = float(solution.hessian[0, 0]) ** -0.5
    assert error == pytest.approx(fit["se"]["(Intercept)"], rel=1e-5)


@pytest.mark.parametrize("case", TRUNCATED)
def test_late_entry_agrees_with_r(real_data, case):
    reference = results(real_data, "r_left_truncated")[case]
    polished = results(real_data, "polished_tv_lt")[f"left_truncated:{case}:weibull"]
    model = WeibullMixture(1).fit(rows_of(real_data, reference["data"]))
    assert model.log_likelihood_ == pytest.approx(polished["loglik"], rel=1e-8)
    np.testing.assert_allclose(model.parameters_, polished["par"], rtol=1e-8)
    np.testing.assert_allclose(np.sqrt(np.diag(model.covariance_)), polished["se"], rtol=1e-7)


@pytest.mark.parametrize(
    "case", MIXTURES_A + [pytest.param(c, marks=pytest.mark.slow) for c in LARGE]
)
def test_mixture_reaches_the_trusted_maximum(real_data, case):
    reference = results(real_data, "mixture_large" if case in LARGE else "mixture_small")[case]
    best = reference["best"]
    model = quietly(WeibullMixture(reference["components"]), rows_of(real_data, reference["data"]))
    assert model.converged_
    assert model.log_likelihood_ == pytest.approx(best["loglik"], abs=1e-6)
    order = np.argsort(model.scales_)
    ours = [model.scales_[order], model.shapes_[order], model.weights_[order]]
    for mine, name in zip(ours, ("eta", "beta", "p"), strict=True):
        np.testing.assert_allclose(mine, best[name], rtol=1e-5)
    curve = best["surv_at"]
    np.testing.assert_allclose(model.survival(curve["t"]), curve["S"], rtol=1e-6)
    assert model.aic_ == pytest.approx(best["aic"], abs=1e-5)
    assert model.bic_ == pytest.approx(best["bic"], abs=1e-5)


@pytest.mark.parametrize("case", MIXTURES_A[:4])
def test_mixture_standard_errors_agree_with_the_reference(real_data, case):
    reference = results(real_data, "mixture_small")[case]
    best = reference["best"]
    model = quietly(WeibullMixture(2), rows_of(real_data, reference["data"]))
    error = np.sqrt(np.diag(model.covariance_))
    # From logs and a logit to natural values by the delta method.
    order = np.argsort(model.scales_)
    np.testing.assert_allclose((model.scales_ * error[1:3])[order], best["se"]["eta"], rtol=1e-4)
    np.testing.assert_allclose((model.shapes_ * error[3:5])[order], best["se"]["beta"], rtol=1e-4)
    np.testing.assert_allclose(model.weights_.prod() * error[0], best["se"]["p"][0], rtol=1e-4)


@pytest.mark.filterwarnings("ignore:the data do not determine:survjax.FitWarning")
@pytest.mark.parametrize("case", MIXTURES_C)
def test_mixture_reaches_at_least_the_best_known_maximum(real_data, case):
    reference = results(real_data, "mixture_small")[case]
    rows = rows_of(real_data, reference["data"])
    model = quietly(WeibullMixture(reference["components"]), rows)
    assert model.converged_
    assert model.log_likelihood_ > reference["best"]["loglik"] - 1e-6


@pytest.mark.parametrize(
    ("fitter", "arguments"),
    [
        ("fit", {"event_observed": "event"}),
        ("fit", {"event_observed": "event", "entry": "entry"}),
        ("fit_left_censoring", {"event_observed": "event"}),
        ("fit_interval_censoring", {}),
    ],
)
def test_one_weibull_agrees_with_lifelines(fitter, arguments):
    lifelines = pytest.importorskip("lifelines")
    rng = np.random.default_rng(5)
    life = 30.0 * rng.weibull(1.7, 60)
    limit = rng.uniform(5.0, 60.0, 60)
    data = {"event": life <= limit, "entry": np.zeros(60)}
    theirs = lifelines.WeibullFitter()
    if fitter == "fit":
        durations = np.minimum(life, limit)
        if "entry" in arguments:
            data["entry"] = rng.uniform(0.0, 0.9, 60) * durations
        theirs.fit(durations, **{name: data[column] for name, column in arguments.items()})
        rows = Observations.from_durations(durations, data["event"], entry=data["entry"])
    elif fitter == "fit_left_censoring":
        durations = np.maximum(life, limit)
        data["event"] = life >= limit
        theirs.fit_left_censoring(durations, data["event"])
        rows = Observations.from_intervals(np.where(data["event"], life, 0.0), durations)
    else:
        lower = np.floor(life / 4.0) * 4.0
        theirs.fit_interval_censoring(np.maximum(lower, 1e-9), lower + 4.0)
        rows = Observations.from_intervals(lower, lower + 4.0)
    model = WeibullMixture(1).fit(rows)
    assert model.log_likelihood_ == pytest.approx(theirs.log_likelihood_, rel=1e-8)
    assert model.log_likelihood_ >= theirs.log_likelihood_ - 1e-9
    np.testing.assert_allclose(
        [model.scales_[0], model.shapes_[0]], [theirs.lambda_, theirs.rho_], rtol=1e-5
    )
    errors = np.sqrt(np.diag(model.covariance_)) * [model.scales_[0], model.shapes_[0]]
    np.testing.assert_allclose(errors, theirs.summary["se(coef)"].to_numpy(), rtol=1e-4)


def test_the_published_fleet_gives_the_published_numbers():
    rng = np.random.default_rng(1)
    n = 2000
    early = rng.random(n) < 0.4
    life = np.where(early, 5 * rng.weibull(0.8, n), 40 * rng.weibull(3, n))
    limit = rng.uniform(10, 60, n)
    model = WeibullMixture(2).fit(np.minimum(life, limit), life <= limit)
    assert model.log_likelihood_ == pytest.approx(-5766.708878, abs=1e-6)
    assert model.weights_[0] == pytest.approx(0.402778, abs=1e-6)
    # The published digits come from an optimizer that stopped some 2e-6 away.
    np.testing.assert_allclose(model.scales_, [5.16493, 39.67097], rtol=5e-6)
    np.testing.assert_allclose(model.shapes_, [0.823495, 2.993527], rtol=5e-6)


def test_tied_failures_give_the_interior_maximum_and_a_word_about_ties():
    durations = np.array([2] + [8] * 9 + [9] * 5 + [20] * 10 + [20] * 75)
    event_observed = np.arange(100) < 25
    with pytest.warns(FitWarning, match="24 of 25 failures share their time"):
        model = WeibullMixture(2).fit(durations, event_observed)
    assert model.converged_
    assert model.log_likelihood_ == pytest.approx(-108.835439, abs=1e-6)
    # The collapse on the nine failures at 8 is higher, is known, and is not the answer.
    assert max(model.certificate_.other_maxima) > model.log_likelihood_
    assert model.shapes_.max() < 60


@pytest.mark.parametrize("n_components", [1, 2, "bic"])
def test_failure_before_all_running_times_has_no_finite_maximum(n_components):
    durations, event_observed = [13467, 13760, 12011, 7798, 7928], [0, 1, 0, 0, 0]
    with pytest.raises(NoFiniteMaximum, match="5 units .1 failure. has no finite maximum"):
        WeibullMixture(n_components).fit(durations, event_observed)
