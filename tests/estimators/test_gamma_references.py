"""Fits of gamma families against other programs' and 40-digit maxima; limits without a maximum."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from survjax import LifetimeModel, Mixture, NoFiniteMaximum, Observations, load
from survjax.lifetimes import Gamma, Weibull
from tests.references import rows_of

FOLDER = Path(os.environ.get("SURVJAX_DATA", "missing"))
needs_data = pytest.mark.skipif(not FOLDER.is_dir(), reason="SURVJAX_DATA is not set")
REFERENCES = (
    json.loads((FOLDER / "reference" / "families_refs.json").read_text())
    if FOLDER.is_dir()
    else {"fits": [], "cases": {}, "no_finite_maximum": {"cases": []}}
)
FITS = [f for f in REFERENCES["fits"] if f["family"] in ("gamma", "generalized_gamma")]
NO_MAXIMUM = [
    c for c in REFERENCES["no_finite_maximum"]["cases"] if c["family"] == "generalized_gamma"
]


def link_scale(fit):
    """The reference's parameters and standard errors, as logs of scale and shape."""
    value, error = fit["est"], fit["se"]
    if fit["family"] == "gamma":
        names = ("scale", "shape")
        return [np.log(value[n]) for n in names], [error[n] / value[n] for n in names]
    logs = [value["mu"], -np.log(value["sigma"]), value["Q"]]
    return logs, [error["mu"], error["sigma"] / value["sigma"], error["Q"]]


def rows_of_case(name):
    """The rows of one of the cases; two of them list failures alone."""
    file = REFERENCES["cases"][name]["data"]
    lone = {"ball_bearings": "megacycles", "aircondit": "hours"}
    if name not in lone:
        return rows_of(FOLDER, file)
    table = pd.read_csv(FOLDER / file)
    column = lone[name] if lone[name] in table else table.columns[0]
    return Observations.from_durations(table[column])


COMPILE_LONG = {
    ("heatexchanger", "generalized_gamma"),
    ("diabetes_interval", "generalized_gamma"),
    ("diabetes_interval", "gamma"),
    ("power_transformer", "generalized_gamma"),
}


@needs_data
@pytest.mark.parametrize(
    "fit",
    [
        pytest.param(
            fit,
            id=f"{fit['case']}-{fit['family']}",
            # Each of these compiles derivatives of intervals for ten seconds and more.
            marks=[pytest.mark.slow] if (fit["case"], fit["family"]) in COMPILE_LONG else [],
        )
        for fit in FITS
    ],
)
def test_fits_agree_with_the_references(fit):
    rows = rows_of_case(fit["case"])
    model = LifetimeModel(fit["family"]).fit(rows)
    assert model.converged_
    assert model.log_likelihood_ == pytest.approx(fit["loglik"], abs=1e-8)
    values, errors = map(np.array, link_scale(fit))
    assert np.max(np.abs(model.parameters_ - values) / errors) < 1e-6
    np.testing.assert_allclose(np.sqrt(np.diag(model.covariance_)), errors, rtol=1e-6)


@needs_data
@pytest.mark.parametrize("case", NO_MAXIMUM, ids=lambda c: c["case"])
def test_a_fit_without_a_maximum_names_what_it_climbs_to(case):
    rows = rows_of_case(case["case"])
    with pytest.raises(NoFiniteMaximum, match="climbs to a power function") as caught:
        LifetimeModel("generalized_gamma").fit(rows)
    assert f"{case['supremum_loglik']:.6f}" in str(caught.value)


@needs_data
def test_a_mixture_of_a_gamma_and_a_weibull_agrees_with_its_reference():
    (fit,) = (
        f for f in REFERENCES["special"] if f.get("case") == "voltage" and "gamma" in f["model"]
    )
    zero = np.zeros(1)
    mixture = Mixture(zero, (Gamma(zero, zero), Weibull(zero, zero)))
    model = LifetimeModel(mixture).fit(rows_of(FOLDER, fit["data"]))
    assert model.log_likelihood_ == pytest.approx(fit["loglik"], abs=1e-6)


def test_the_unit_of_time_moves_only_the_scale():
    t = np.random.default_rng(5).gamma(3.0, size=60)
    base = LifetimeModel("generalized_gamma").fit(t)
    for factor in (1e-6, 1e200):
        other = LifetimeModel("generalized_gamma").fit(t * factor)
        moved = other.parameters_ - [np.log(factor), 0.0, 0.0]
        np.testing.assert_allclose(moved, base.parameters_, rtol=1e-7, atol=1e-7)


@pytest.mark.slow
def test_a_saved_fit_comes_back_and_tells_the_life_that_is_left(tmp_path):
    t = np.random.default_rng(6).gamma(3.0, size=40)
    model = LifetimeModel("gamma").fit(t)
    model.save(tmp_path / "gamma.json")
    again = load(tmp_path / "gamma.json")
    np.testing.assert_array_equal(again.parameters_, model.parameters_)
    left = model.predict_rul([1.0, 4.0])
    assert (left.iloc[0] > left.iloc[1]).any()


def test_three_failures_of_a_generalized_gamma_have_no_maximum():
    with pytest.raises(NoFiniteMaximum, match=r"climbs to a (power function|Pareto law)"):
        LifetimeModel("generalized_gamma").fit([3.0, 5.0, 5.5])
