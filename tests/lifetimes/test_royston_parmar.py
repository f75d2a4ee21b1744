"""Royston-Parmar splines: families as their straight lines, R's fits, and splines that fall."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import jax
import numpy as np
import pytest
from scipy import stats

import survjax
from survjax import AcceleratedLifetime, LifetimeModel, NoFiniteMaximum, ScaledHazard
from survjax.lifetimes import (
    LogLogistic,
    LogNormal,
    RoystonParmar,
    Weibull,
    families_for_failures,
)

FOLDER = Path(os.environ.get("SURVJAX_DATA", "none"))
SCALES = {"hazard": Weibull, "odds": LogLogistic, "normal": LogNormal}
KNOTS = np.array([1.0, 3.0, 8.0, 20.0])
GAMMA = np.array([-0.5, 2.0, 0.6, -0.7])
TIMES = np.array([1e-3, 0.5, 1.0, 2.0, 3.0, 7.0, 20.0, 30.0])


def spline(t, gamma=GAMMA, knots=KNOTS):
    """The published formula, in normalized log time."""
    k = np.log(knots)
    k = 2.0 * (k - k[0]) / (k[-1] - k[0]) - 1.0
    u = 2.0 * (np.log(t) - np.log(knots[0])) / np.log(knots[-1] / knots[0]) - 1.0
    total = gamma[0] + gamma[1] * u
    for coefficient, knot in zip(gamma[2:], k[1:-1], strict=True):
        share = (k[-1] - knot) / (k[-1] - k[0])
        cubes = [np.maximum(u - at, 0.0) ** 3 for at in (knot, k[0], k[-1])]
        total = total + coefficient * (cubes[0] - share * cubes[1] - (1.0 - share) * cubes[2])
    return total


@pytest.mark.parametrize("scale", SCALES)
def test_curves_are_those_of_the_formula(scale):
    survival = {
        "hazard": lambda s: np.exp(-np.exp(s)),
        "odds": lambda s: 1.0 / (1.0 + np.exp(s)),
        "normal": lambda s: stats.norm.sf(s),
    }[scale]
    with jax.enable_x64(True):
        own = RoystonParmar.of(GAMMA, KNOTS, scale)
        np.testing.assert_allclose(own.survival(TIMES), survival(spline(TIMES)), rtol=1e-12)
        slope = (spline(TIMES * (1 + 1e-6)) - spline(TIMES * (1 - 1e-6))) / 2e-6
        density = {
            "hazard": lambda s: np.exp(s - np.exp(s)),
            "odds": lambda s: stats.logistic.pdf(s),
            "normal": lambda s: stats.norm.pdf(s),
        }[scale](spline(TIMES))
        np.testing.assert_allclose(own.density(TIMES), density * slope / TIMES, rtol=1e-7)
        nodes, weights = np.polynomial.legendre.leggauss(40)
        area = 2.5 * weights @ np.asarray(own.hazard(5.5 + 2.5 * nodes))
        np.testing.assert_allclose(own.increment(3.0, 5.0), area, rtol=1e-11)


@pytest.mark.parametrize("scale", SCALES)
def test_a_straight_line_is_the_family_of_the_scale(scale):
    with jax.enable_x64(True):
        own = RoystonParmar.of([-0.5, 2.0], KNOTS[[0, -1]], scale)
        reach = 0.5 * np.log(20.0)
        shape = 2.0 / reach
        reference = SCALES[scale](np.log(20.0) / 2.0 + 0.5 / shape, np.log(shape))
        t = np.array([-1.0, 0.0, 1e-9, 1.0, 5.0, 30.0, 1e4, np.inf, np.nan])
        for curve in ("log_hazard", "cumulative_hazard", "survival", "density"):
            found, expected = (np.asarray(getattr(x, curve)(t)) for x in (own, reference))
            np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-300, err_msg=curve)
        np.testing.assert_allclose(own.quantile(0.3), reference.quantile(0.3), rtol=1e-10)


@pytest.mark.parametrize("scale", SCALES)
def test_increments_over_any_length_keep_their_digits(scale):
    with jax.enable_x64(True):
        own = RoystonParmar.of(GAMMA, KNOTS, scale)
        for share in (1e-12, 1e-6, 1e-3):
            middle = own.log_hazard(TIMES * (1.0 + 0.5 * share)) + np.log(share * TIMES)
            found = own.log_increment(TIMES, share * TIMES)
            # Between the knots the hazard is straight over so short a length.
            np.testing.assert_allclose(found, middle, atol=1e-9 + 3.0 * share**2 * 100)
        whole = own.log_increment(np.zeros(8), TIMES)
        np.testing.assert_allclose(whole, np.log(own.cumulative_hazard(TIMES)), atol=1e-11)


def test_coefficients_are_those_of_log_time_itself():
    own = RoystonParmar.of(GAMMA, KNOTS)
    x, k = np.log(TIMES), np.log(KNOTS)
    found = own.coefficients[0] + own.coefficients[1] * x
    for coefficient, knot in zip(own.coefficients[2:], k[1:-1], strict=True):
        share = (k[-1] - knot) / (k[-1] - k[0])
        cubes = [np.maximum(x - at, 0.0) ** 3 for at in (knot, k[0], k[-1])]
        found = found + coefficient * (cubes[0] - share * cubes[1] - (1.0 - share) * cubes[2])
    np.testing.assert_allclose(found, spline(TIMES), rtol=1e-12)


def references():
    """R's fits, with the rows that they are of."""
    if not FOLDER.is_dir():
        return []
    text = (FOLDER / "reference" / "families_refs.json").read_text(encoding="utf-8")
    return [case for case in json.loads(text)["special"] if case["kind"] == "spline"]


CASES = references()


@pytest.mark.skipif(not CASES, reason="SURVJAX_DATA is not set")
@pytest.mark.parametrize("case", CASES, ids=[f"{c['case']}-{c['model'][15:]}" for c in CASES])
def test_fits_are_those_of_r(case):
    with open(FOLDER / case["data"], encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = {name: np.array([float(row[name]) for row in rows]) for name in ("time", "event")}
    entry = np.array([float(row["entry"]) for row in rows]) if "entry" in rows[0] else None
    scale = case["model"].split("_")[2]
    lifetime = RoystonParmar.with_knots(np.exp(case["knots_log_time"]), scale)
    model = LifetimeModel(lifetime).fit(columns["time"], columns["event"], entry=entry)
    assert model.converged_
    assert model.log_likelihood_ == pytest.approx(case["loglik"], abs=1e-8)
    wanted, errors = (np.array(list(case[key].values())) for key in ("est", "se"))
    assert np.max(np.abs(model.lifetime_.coefficients - wanted) / errors) < 1e-5


def lives(n=120):
    rng = np.random.default_rng(2)
    return np.concatenate([4.0 * rng.weibull(1.0, n // 2), 15.0 * rng.weibull(5.0, n // 2)])


def test_the_family_by_name_chooses_its_knots_from_the_failures(tmp_path):
    assert families_for_failures()["royston_parmar"] is RoystonParmar
    t = lives()
    model = LifetimeModel("royston_parmar").fit(t)
    knots = np.asarray(model.lifetime_.knots)
    order = np.sort(t)
    np.testing.assert_allclose(knots, order[[0, 39, 79, 119]], rtol=1e-15)
    single = LifetimeModel("weibull").fit(t)
    assert model.log_likelihood_ > single.log_likelihood_ + 5.0
    model.save(tmp_path / "model.json")
    again = survjax.load(tmp_path / "model.json")
    assert again.summary().equals(model.summary()) and again.lifetime_.scale == "hazard"


def test_few_failures_get_a_straight_line():
    found = RoystonParmar.for_failures([3.0, 1.0, 2.0], np.ones(3))
    np.testing.assert_array_equal(found.knots, [1.0, 3.0])
    model = LifetimeModel("royston_parmar").fit([1.0, 2.0, 3.0])
    plain = LifetimeModel("weibull").fit([1.0, 2.0, 3.0])
    assert model.log_likelihood_ == pytest.approx(plain.log_likelihood_, rel=1e-12)
    with pytest.raises(NoFiniteMaximum):
        LifetimeModel("royston_parmar").fit([2.0, 2.0])


def test_rescaling_time_changes_no_coefficient():
    t = lives()
    models = [LifetimeModel("royston_parmar").fit(unit * t) for unit in (1.0, 3.6e6)]
    np.testing.assert_allclose(models[0].parameters_, models[1].parameters_, rtol=1e-6)
    gap = models[0].log_likelihood_ - models[1].log_likelihood_
    assert gap == pytest.approx(t.size * np.log(3.6e6), rel=1e-10)


def test_a_spline_that_falls_is_never_an_answer():
    rng = np.random.default_rng(0)
    t = np.concatenate([rng.uniform(1.0, 1.3, 8), rng.uniform(9.0, 11.0, 12)])
    lifetime = RoystonParmar.for_failures(t, np.ones(20), n_inner=3)
    with pytest.raises(NoFiniteMaximum, match="no proper maximum: the spline falls near time 3"):
        LifetimeModel(lifetime).fit(t)
    with pytest.warns(survjax.FitWarning, match="the spline falls .* fewer inner knots"):
        model = AcceleratedLifetime(family=lifetime).fit(rng.normal(size=(20, 1)), t)
    assert not model.converged_


def test_where_a_spline_falls_is_found_between_knots():
    assert RoystonParmar.of(GAMMA, KNOTS).improper() == ""
    for scale in SCALES:
        gamma = np.array([0.0, 1.0, 12.0, -12.0])
        falls = RoystonParmar.of(gamma, KNOTS, scale)
        t = np.geomspace(0.5, 30.0, 4001)
        slopes = np.diff(spline(t, gamma))
        assert slopes.min() < 0
        word = falls.improper().split("time ")[1].split(",")[0]
        assert float(word) == pytest.approx(t[np.argmin(slopes)], rel=5e-3)
    assert "time" in RoystonParmar.of([0.0, -1.0], KNOTS[[0, -1]]).improper()


def test_covariates_stretch_and_scale_a_spline():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(150, 1))
    t = 10.0 * np.exp(0.5 * x[:, 0]) * rng.weibull(2.0, 150)
    line = RoystonParmar.with_knots([1.0, 30.0])
    weibull = AcceleratedLifetime().fit(x, t)
    for model in (AcceleratedLifetime(family=line), ScaledHazard(baseline=line)):
        model.fit(x, t)
        assert model.log_likelihood_ == pytest.approx(weibull.log_likelihood_, rel=1e-10)
    bent = ScaledHazard(baseline=RoystonParmar.with_knots([1.0, 9.0, 30.0])).fit(x, t)
    assert bent.converged_ and bent.log_likelihood_ > weibull.log_likelihood_


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (([0.0, 1.0], [2.0, 1.0]), "rising"),
        (([0.0, 1.0], [0.0, 1.0]), "positive"),
        (([0.0], [1.0]), "two knots or more"),
        (([0.0, 1.0], [1.0, 2.0], "log"), "scale must be one of hazard, odds, normal"),
    ],
)
def test_knots_and_scales_that_make_no_spline_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        RoystonParmar.of(*given)
