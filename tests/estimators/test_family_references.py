"""Fits of families against other programs' results on real data, and fits without a maximum."""

import json

import numpy as np
import pandas as pd
import pytest

from survjax import LifetimeModel, NoFiniteMaximum, Observations
from survjax.lifetimes import PiecewiseExponential
from tests.references import rows_of

NAMES = {"gumbel_min": "gumbel"}
EXACT = ["ball_bearings", "aarset", "aircondit"]
CENSORED = ["lung", "bearingcage", "locomotivecontrol", "alloy_t7987", "deviceg"]
INTERVALS = ["heatexchanger", "photodetector", "diabetes_interval"]
ON_TIME = ["normal", "logistic", "gumbel_min"]
PLAIN = [(family, case) for family in ON_TIME for case in EXACT + CENSORED] + [
    ("exponentiated_weibull", case)
    for case in ("ball_bearings", "aircondit", "lung", "locomotivecontrol", "power_transformer")
]
SLOW = [("normal", case) for case in INTERVALS] + [("exponentiated_weibull", INTERVALS[2])]
ON_LOG_TIME = ("exponential", "weibull", "lognormal", "loglogistic", "gompertz")
QUICK = ["lung", "power_transformer", "diabetes_interval"]
OTHERS = [*EXACT, *CENSORED[1:], *INTERVALS[:2]]
ON_LOG_TIME_CASES = [(family, case) for family in ON_LOG_TIME for case in QUICK] + [
    pytest.param(family, case, marks=pytest.mark.slow) for family in ON_LOG_TIME for case in OTHERS
]
IN_INTERVALS = [(family, case) for family in ON_TIME[1:] for case in INTERVALS]
LIMITS = {"power_function": "a power function", "inverse_weibull": "an inverse Weibull"}


@pytest.fixture(scope="module")
def reference(real_data):
    return json.loads((real_data / "reference" / "families_refs.json").read_text())


def _rows(real_data, reference, case):
    file = reference["cases"][case]["data"]
    table = pd.read_csv(real_data / file)
    if case == "ball_bearings":
        return Observations.from_durations(table.filter(regex="(?i)mega|cycle").iloc[:, 0])
    if case == "aircondit":
        return Observations.from_durations(table["hours"])
    return rows_of(real_data, file)


#: Our name of a parameter of theirs, and what makes of theirs ours.
OURS = {
    "mu": ("scale", np.exp),
    "sigma": ("shape", np.reciprocal),
    "b": ("growth", np.positive),
    "scale": ("scale", np.positive),
    "shape": ("shape", np.positive),
    "rate": ("rate", np.positive),
}


def _expected(fit):
    """Parameters as they are optimized, with their standard errors."""
    names = {"mu": "location", "sigma": "log_scale"}
    values, errors = [], []
    for name, value in fit["est"].items():
        log = names.get(name, "log_") != "location"
        values.append(np.log(value) if log else value)
        errors.append(fit["se"][name] / (value if log else 1.0))
    return np.array(values), np.array(errors)


@pytest.mark.parametrize(("family", "case"), ON_LOG_TIME_CASES)
def test_families_on_log_time_agree_with_other_programs(real_data, reference, family, case):
    fit = next(f for f in reference["fits"] if (f["family"], f["case"]) == (family, case))
    model = LifetimeModel(family).fit(_rows(real_data, reference, case))
    assert model.log_likelihood_ == pytest.approx(fit["loglik"], rel=1e-9, abs=1e-8)
    table = model.summary()
    for name, value in fit["est"].items():
        ours, transform = OURS[name]
        found = table.loc[ours]
        assert abs(found["estimate"] - transform(value)) < 1e-6 * found["standard_error"]


@pytest.mark.parametrize(
    ("family", "case"),
    [*PLAIN, *IN_INTERVALS, *(pytest.param(*pair, marks=pytest.mark.slow) for pair in SLOW)],
)
def test_fits_agree_with_other_programs(real_data, reference, family, case):
    fit = next(f for f in reference["fits"] if (f["family"], f["case"]) == (family, case))
    model = LifetimeModel(NAMES.get(family, family)).fit(_rows(real_data, reference, case))
    values, errors = _expected(fit)
    assert model.converged_
    assert model.log_likelihood_ == pytest.approx(fit["loglik"], rel=1e-9, abs=1e-8)
    assert np.max(np.abs(model.parameters_ - values) / errors) < 1e-6
    np.testing.assert_allclose(np.sqrt(np.diag(model.covariance_)), errors, rtol=1e-5)


@pytest.mark.parametrize(
    "case",
    ["bearingcage", "deviceg", "aarset"]
    + [pytest.param(case, marks=pytest.mark.slow) for case in INTERVALS[:2]],
)
def test_a_fit_that_climbs_to_a_limit_of_its_family_says_so(real_data, reference, case):
    known = next(
        found
        for found in reference["no_finite_maximum"]["cases"]
        if (found["family"], found["case"]) == ("exponentiated_weibull", case)
    )
    with pytest.raises(NoFiniteMaximum, match="has no finite maximum") as refusal:
        LifetimeModel("exponentiated_weibull").fit(_rows(real_data, reference, case))
    words = str(refusal.value)
    assert LIMITS[known["limit"]] in words
    if known["limit"] == "power_function":
        found = float(words.partition("whose log-likelihood ")[2].partition(" is the supremum")[0])
        assert found == pytest.approx(known["supremum_loglik"], abs=1e-5)
    else:
        reached = float(words.partition("the supremum: ")[2].partition(" was reached")[0])
        assert reached <= known["supremum_loglik"] + 1e-3


@pytest.mark.parametrize("i", range(6))
def test_piecewise_exponential_fits_agree_with_other_programs(real_data, reference, i):
    fit = reference["piecewise_exponential"]["fits"][i]
    model = LifetimeModel(PiecewiseExponential.with_cuts(fit["cuts"]))
    model.fit(_rows(real_data, reference, fit["case"]))
    errors = np.array(fit["se_log_rate"])
    assert model.log_likelihood_ == pytest.approx(fit["loglik"], rel=1e-10)
    assert np.max(np.abs(model.parameters_ - np.log(fit["rate"])) / errors) < 1e-6
    np.testing.assert_allclose(np.sqrt(np.diag(model.covariance_)), errors, rtol=1e-6)
