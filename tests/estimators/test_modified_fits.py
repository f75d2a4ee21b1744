"""Fits of lifetimes that wrap a lifetime: published results, every kind of row, and borders."""

import json
import os
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import survjax
from survjax import CompetingRisks, LifetimeModel, Observations, WeibullMixture
from survjax.estimators.messages import FitWarning, NoFiniteMaximum
from survjax.lifetimes import (
    Cured,
    Delayed,
    Exponential,
    Mixture,
    ProportionalOdds,
    Shifted,
    Weibull,
    ZeroInflated,
)

DATA = os.environ.get("SURVJAX_DATA")
needs_data = pytest.mark.skipif(
    DATA is None, reason="reference data are not part of the repository"
)
ONE = Weibull(0.0, 0.0)
LEVELS = [0.0, 10.0, 40.0]


def reference(name):
    text = Path(DATA, "reference", "special_models.json").read_text(encoding="utf-8")
    return json.loads(text)[name]


def table(path):
    return pd.read_csv(Path(DATA, path))


@pytest.mark.parametrize(
    ("name", "path", "time", "failure"),
    [
        ("lifelines_cure_lfp1370", "smrd/lfp1370.csv", "hours", "Failure"),
        ("lifelines_cure_defective_sample", "reliability/defective_sample.csv", "time", 1),
    ],
)
@needs_data
def test_limited_failure_populations_are_those_of_another_program(name, path, time, failure):
    theirs, rows = reference(name), table(path)
    model = LifetimeModel(Cured(ONE, 0.0)).fit(
        rows[time], rows["event"] == failure, sample_weight=rows["count"]
    )
    assert model.log_likelihood_ == pytest.approx(theirs["loglik"], abs=1e-8)
    ours = model.summary()["estimate"][["cured_share", "scale", "shape"]]
    np.testing.assert_allclose(ours, list(theirs["params"].values()), rtol=2e-5)
    assert "maximum" in model.certificate_.status and model.certificate_.decrement < 1e-8
    again = WeibullMixture(1, cured=True).fit(
        rows[time], rows["event"] == failure, sample_weight=rows["count"]
    )
    assert again.log_likelihood_ == pytest.approx(model.log_likelihood_, abs=1e-8)
    assert again.cured_share_ == pytest.approx(ours["cured_share"], rel=1e-8)


@needs_data
def test_meekers_circuits_have_the_published_share_of_defects():
    rows, theirs = table("smrd/lfp1370.csv"), reference("meeker_escobar_lfp1370_published")
    model = LifetimeModel(Cured(ONE, 0.0)).fit(
        rows["hours"], rows["event"] == "Failure", sample_weight=rows["count"]
    )
    ours = model.summary()["estimate"]
    assert 1.0 - ours["cured_share"] == pytest.approx(theirs["p"], abs=5e-6)
    assert np.log(ours["scale"]) == pytest.approx(theirs["mu"], abs=0.01)
    assert 1.0 / ours["shape"] == pytest.approx(theirs["sigma"], abs=0.01)


@needs_data
def test_three_parameters_of_the_alloy_are_the_interior_maximum():
    theirs, rows = reference("alloy_weibull3p"), table("weibulltools/alloy.csv")
    model = LifetimeModel(Shifted(ONE, 0.0)).fit(rows["cycles"], rows["status"])
    assert model.log_likelihood_ == pytest.approx(theirs["loglik"], abs=1e-8)
    ours = model.summary().iloc[:3]
    estimates = [theirs[name] for name in ("eta", "beta", "threshold")]
    assert np.max(np.abs(ours["estimate"] - estimates) / theirs["se"]) < 1e-6
    np.testing.assert_allclose(ours["standard_error"], theirs["se"], rtol=1e-5)


def fleet(n=400, seed=1):
    """Units a third of which never fail, seen for some time: durations and whether they failed."""
    rng = np.random.default_rng(seed)
    life = np.where(rng.random(n) < 1 / 3, np.inf, 30.0 * rng.weibull(1.8, n))
    end = rng.uniform(40.0, 150.0, n)
    return np.minimum(life, end), life <= end


def test_zeros_and_what_comes_later_are_two_likelihoods():
    durations, failed = fleet()
    durations[:25], failed[:25] = 0.0, True
    model = LifetimeModel(ZeroInflated(ONE, 0.0)).fit(durations, failed)
    later = LifetimeModel("weibull").fit(durations[25:], failed[25:])
    binomial = 25 * np.log(25 / 400) + 375 * np.log(375 / 400)
    assert model.log_likelihood_ == pytest.approx(later.log_likelihood_ + binomial, rel=1e-11)
    found = model.summary()["estimate"]
    assert found["zero_share"] == pytest.approx(25 / 400, rel=1e-8)
    assert found["shape"] == pytest.approx(later.summary()["estimate"]["shape"], rel=1e-7)
    assert model.survival(0.0) == pytest.approx(375 / 400) and model.quantile(0.01) == 0.0
    mean = model.score(durations, failed)
    assert mean * 400 == pytest.approx(model.log_likelihood_, rel=1e-10)
    residuals = model.residuals(durations, failed)
    assert np.isfinite(residuals[["cox_snell", "martingale", "deviance"]]).all(axis=None)
    assert residuals["cox_snell_upper"][0] == pytest.approx(-np.log(375 / 400))
    assert residuals["martingale"].sum() == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(ValueError, match="failed at time zero"):
        model.goodness_of_fit(19)
    with pytest.raises(ValueError, match="ZeroInflated"):
        LifetimeModel(Cured(ONE, 0.0)).fit(durations, failed)
    with pytest.raises(ValueError, match="no chance"):
        rows = Observations.from_durations(durations, failed, zeros=True)
        LifetimeModel("weibull").fit(rows)
    with pytest.raises(ValueError, match="25 units failed at time zero"):
        CompetingRisks({"wear": "weibull", "shock": "exponential"}).fit(
            rows, np.where(failed, "wear", None)
        )


def cured_log_likelihood(x, lower, upper, entry, leave, weight):
    """Of a cured Weibull on rows of every kind, plainly."""
    scale, shape, never = np.exp(x[0]), np.exp(x[1]), 1.0 / (1.0 + np.exp(-x[2]))
    base = stats.weibull_min(shape, scale=scale)

    def alive(t):
        return never * 1.0 + (1.0 - never) * base.sf(t)

    exact = lower == upper
    with np.errstate(divide="ignore"):
        density = np.log(1.0 - never) + base.logpdf(np.where(exact, lower, 1.0))
        last = np.where(np.isinf(upper), 0.0, alive(upper))
        inside = np.log(np.where(exact, 1.0, alive(lower) - last))
    seen = alive(entry) - np.where(np.isinf(leave), 0.0, alive(leave))
    return np.sum(weight * (np.where(exact, density, inside) - np.log(seen)))


def test_every_kind_of_row_enters_as_it_should():
    rng = np.random.default_rng(2)
    durations, failed = fleet(300)
    entry = np.where(rng.random(300) < 0.3, 0.4 * durations, 0.0)
    kind, weight = rng.integers(0, 3, 300), rng.uniform(0.5, 2.0, 300)
    early = entry == 0.0
    lower = np.where(failed & (kind == 1), np.maximum(durations - 2.0, entry), durations)
    upper = np.where(failed, np.where(kind == 1, durations + 2.0, durations), np.inf)
    lower = np.where(failed & (kind == 2) & early, 0.0, lower)
    upper = np.where(failed & (kind == 2) & early, durations + 1.0, upper)
    leave = np.where(failed & (rng.random(300) < 0.2), 170.0, np.inf)
    rows = Observations.from_intervals(lower, upper, entry=entry, exit=leave, sample_weight=weight)
    model = LifetimeModel(Cured(ONE, 0.0)).fit(rows)
    at = lambda x: cured_log_likelihood(x, lower, upper, entry, leave, weight)  # noqa: E731
    assert model.log_likelihood_ == pytest.approx(at(model.parameters_), rel=1e-11)
    for step in 1e-4 * np.eye(3):
        x = model.parameters_
        assert abs(at(x + step) - at(x - step)) / 2e-4 < 1e-4
        assert at(x + step) < at(x) and at(x - step) < at(x)


@pytest.mark.slow
def test_wrappers_around_wrappers_predict_draw_and_come_back_from_a_file(tmp_path):
    durations, failed = fleet()
    model = LifetimeModel(Cured(Shifted(ONE, 0.0), 0.0)).fit(durations + 10.0, failed)
    assert model.converged_ and model.parameter_names_[-2:] == ("threshold", "logit_cured_share")
    rest = model.predict_rul(LEVELS)
    assert np.isinf(rest["mean"]).all() and np.isfinite(rest["q10"]).all()
    assert np.all(rest["q10_lower"] < rest["q10"]) and np.all(rest["q10"] < rest["q10_upper"])
    members = model.membership([0.0, 100.0, 50.0], [False, False, True])
    assert members["cured"][0] == pytest.approx(model.summary()["estimate"]["cured_share"])
    assert members["cured"][1] > 0.9 and members["cured"][2] == 0.0
    model.save(tmp_path / "model.json")
    again = survjax.load(tmp_path / "model.json")
    assert again.predict_rul(LEVELS).equals(rest)
    for kind in ("survival", "paper", "hazard", "rul", "history"):
        plt.close(model.plot(kind).figure)
    low, high = model.confidence_interval("cured_share", method="profile")
    delta = model.confidence_interval("cured_share")
    np.testing.assert_allclose([low, high], delta, atol=0.01)
    model.bootstrap(40, kind="parametric")
    assert model.bootstrap_.n_failed < 5


def test_a_share_that_falls_to_none_is_said_with_the_log_likelihood_of_the_base():
    lives = 30.0 * np.random.default_rng(1).weibull(1.8, 200)
    base = LifetimeModel("weibull").fit(lives)
    for wrapped, name in ((Cured(ONE, 0.0), "cured"), (ZeroInflated(ONE, 0.0), "zero inflated")):
        with pytest.raises(NoFiniteMaximum) as told:
            LifetimeModel(wrapped).fit(lives)
        assert f"{name} weibull climbs to the weibull" in str(told.value)
        assert f"{base.log_likelihood_:.8f}" in str(told.value)


def test_a_number_of_components_without_a_maximum_beside_a_cured_share_is_passed_over(monkeypatch):
    rng = np.random.default_rng(5)
    life = np.where(rng.random(300) < 0.3, np.inf, 20.0 * rng.weibull(2.0, 300))
    model, fit_components = WeibullMixture("bic", cured=True, max_components=2), None
    fit_components = model._fit_components

    def none_of_one(rows, k):
        if k == 1:
            raise NoFiniteMaximum("of one")
        return fit_components(rows, k)

    monkeypatch.setattr(model, "_fit_components", none_of_one)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        model.fit(np.minimum(life, 60.0), life <= 60.0)
    assert list(model.selection_["n_components"]) == [1, 2]
    assert not model.selection_["converged"][0] and np.isnan(model.selection_["bic"][0])
    assert model.lifetime_.base.weights.size == 2


def test_data_that_say_nothing_of_a_share_are_refused():
    for durations, failed in (([3.0, 9.0, 9.0], [1, 0, 0]), ([3.0, 3.0, 9.0], [1, 1, 0])):
        with pytest.raises(NoFiniteMaximum):
            LifetimeModel(Cured(ONE, 0.0)).fit(durations, failed)
    with pytest.raises(NoFiniteMaximum, match="none of the 3 units has failed"):
        LifetimeModel(Cured(ONE, 0.0)).fit([3.0, 4.0, 5.0], [0, 0, 0])


@pytest.mark.parametrize(
    "base",
    [pytest.param(ONE, marks=pytest.mark.slow), Exponential(0.0)],
    ids=["weibull", "exponential"],
)
def test_a_threshold_that_meets_the_first_failure_is_held_and_said(base):
    rng = np.random.default_rng(1)
    lives = np.round(5.0 + 30.0 * rng.weibull(0.6, 100), 2)
    with pytest.warns(FitWarning, match="no interior maximum: it rises until the threshold meets"):
        model = LifetimeModel(Shifted(base, 0.0)).fit(lives)
    assert model.converged_ and type(model.lifetime_) is Delayed
    first = lives.min()
    assert first - 0.01 < model.lifetime_.threshold < first
    held = LifetimeModel(Delayed(base, model.lifetime_.threshold)).fit(lives)
    np.testing.assert_allclose(model.parameters_, held.parameters_, atol=0.05)


def test_fits_with_a_threshold_do_not_depend_on_the_unit_of_time():
    lives = 5.0 + 30.0 * np.random.default_rng(2).weibull(2.2, 150)
    model = LifetimeModel(Shifted(ONE, 0.0)).fit(lives)
    hours = LifetimeModel(Shifted(ONE, 0.0)).fit(8766.0 * lives)
    assert hours.parameters_[2] == pytest.approx(8766.0 * model.parameters_[2], rel=1e-7)
    assert hours.parameters_[1] == pytest.approx(model.parameters_[1], rel=1e-7)


def test_a_mixture_beside_a_cured_share_is_found_with_its_number_of_components():
    rng = np.random.default_rng(3)
    kind, n = rng.random(900), 900
    early, late = 5.0 * rng.weibull(1.0, n), 60.0 * rng.weibull(4.0, n)
    life = np.where(kind < 0.25, early, np.where(kind < 0.6, late, np.inf))
    end = rng.uniform(60.0, 150.0, n)
    model = WeibullMixture("bic", cured=True, max_components=2)
    model.fit(np.minimum(life, end), life <= end)
    assert model.converged_ and list(model.selection_["n_components"]) == [1, 2]
    assert model.scales_.size == 2 and model.cured_share_ == pytest.approx(0.4, abs=0.06)
    shown = model.summary()
    low, high = shown.loc["cured_share", ["lower", "upper"]]
    assert low < model.cured_share_ < high
    # One more component instead comes close, and no higher than it should.
    plain = WeibullMixture(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        plain.fit(np.minimum(life, end), life <= end)
    assert plain.log_likelihood_ > model.log_likelihood_ - 0.5
    members = model.membership([0.0, 120.0])
    np.testing.assert_allclose(members[["component_1", "component_2", "cured"]].sum(axis=1), 1.0)
    assert members["cured"][1] > 0.98
    assert np.isinf(model.predict_rul([100.0])["q50"][0])
    assert type(model.lifetime_) is Cured and type(model.lifetime_.base) is Mixture


@pytest.mark.slow
def test_a_mixture_of_cured_components_is_fitted_too():
    durations, failed = fleet()
    pair = Cured(Weibull(np.zeros(2), np.zeros(2)), np.zeros(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        model = LifetimeModel(Mixture(np.zeros(1), pair)).fit(durations, failed)
    alone = LifetimeModel(Cured(ONE, 0.0)).fit(durations, failed)
    assert model.log_likelihood_ > alone.log_likelihood_ - 1e-3


def test_bounds_of_a_threshold_end_at_the_first_failure(tmp_path):
    lives = 90.0 + 90.0 * np.random.default_rng(0).weibull(1.3, 40)
    model = LifetimeModel(Shifted(ONE, 0.0)).fit(lives)
    low, high = model.summary().loc["threshold", ["lower", "upper"]]
    assert low < model.summary()["estimate"]["threshold"] < high < lives.min()
    model.save(tmp_path / "shifted.json")
    assert survjax.load(tmp_path / "shifted.json").summary().equals(model.summary())


def test_odds_of_a_base_with_a_threshold_or_with_zeros_are_fitted_in_any_unit_of_time():
    lives = 3.0 + 10.0 * np.random.default_rng(1).weibull(2.0, 80)
    shifted = ProportionalOdds(Shifted(Weibull(0.0, 0.0), 0.0), 1.0)
    model, far = (LifetimeModel(shifted).fit(lives * unit) for unit in (1.0, 1e12))
    np.testing.assert_allclose(far.quantile([0.1, 0.5]) / 1e12, model.quantile([0.1, 0.5]))
    lives[:8] = 0.0
    inflated = ProportionalOdds(ZeroInflated(Weibull(0.0, 0.0), 0.0), 1.0)
    model = LifetimeModel(inflated).fit(lives)
    # At odds e times as high, about a tenth of the units fails at zero.
    share = 1.0 / (1.0 + np.e * 9.0)
    np.testing.assert_allclose(model.lifetime_.base.share, share, rtol=0.05)


@pytest.mark.parametrize("running", [[], [4.0, 5.0]])
def test_zeros_alone_say_nothing_of_later_lives(running):
    durations, failed = [0.0, 0.0, *running], [1, 1, *(0 for _ in running)]
    with pytest.raises(NoFiniteMaximum, match="no finite maximum"):
        LifetimeModel(ZeroInflated(Cured(Weibull(0.0, 0.0), 0.0), 0.0)).fit(durations, failed)
