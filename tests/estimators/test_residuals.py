"""Residuals are what their formulas say, for every kind of row and every parametric model."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

from survjax import (
    AcceleratedLifetime,
    CoxPH,
    LifetimeModel,
    MixtureRegression,
    Observations,
    ScaledHazard,
    WeibullMixture,
    load,
    survival_target,
)
from survjax._core.precision import double_precision
from survjax.lifetimes import ProportionalHazards
from survjax.likelihood.rows import contributions
from survjax.plotting import plot_residuals

RNG = np.random.default_rng(17)
N = 60
LIVES, ENDS = 20.0 * RNG.weibull(1.7, N) + 0.5, RNG.uniform(8.0, 40.0, N)
T, EVENT = np.minimum(LIVES, ENDS), LIVES <= ENDS
ENTRY = np.where(np.arange(N) % 3 == 0, 0.3 * T, 0.0)
INSPECTED = Observations.from_intervals(
    np.where(EVENT, np.floor(T / 4) * 4, T), np.where(EVENT, np.floor(T / 4) * 4 + 4, np.inf)
)
SOME = Observations.from_intervals(
    [3.0, 0.0, 5.0, 8.0], [3.0, 2.0, 9.0, np.inf], entry=[1, 0, 2, 4]
)
X = np.column_stack([RNG.normal(size=N), RNG.integers(0, 2, N)])
Y = np.column_stack([T, EVENT])


def test_deviance_residuals_are_those_of_survreg_with_the_other_sign(real_data):
    lung = pd.read_csv(real_data / "r_survival" / "lung.csv")
    X, y = lung[["age", "sex"]], np.column_stack([lung["time"], lung["status"] == 2])
    found = AcceleratedLifetime("weibull", tol=1e-12).fit(X, y).residuals(X, y)
    # survreg(Surv(time, status == 2) ~ age + sex), R's survival 3.5-3.
    theirs = [-0.03472022837, 0.42127116785, 2.65016499154, -0.71435542145, 1.40922649868]
    np.testing.assert_allclose(found["deviance"][:5], np.negative(theirs), atol=2e-8)
    assert found["deviance"].pow(2).sum() == pytest.approx(308.809559170518, rel=1e-8)


@pytest.mark.parametrize(
    "family", ["weibull", "lognormal", pytest.param("gamma", marks=pytest.mark.slow), "gompertz"]
)
def test_martingale_residuals_are_slopes_in_the_log_of_a_factor_on_the_hazard(family):
    model = LifetimeModel(family).fit(T, EVENT)
    found = model.residuals(SOME)

    @double_precision
    def terms(log_factor):
        return contributions(ProportionalHazards(model.lifetime_, log_factor), SOME)

    slope = (terms(1e-5) - terms(-1e-5)) / 2e-5
    np.testing.assert_allclose(found["martingale"], slope, atol=3e-9)
    best = [minimize_scalar(lambda c, i=i: -terms(c)[i], bounds=(-30, 30)).fun for i in range(4)]
    best[0] = -terms(float(-np.log(found["cox_snell"][0])))[0]
    best[3] = 0.0
    size = np.sqrt(2.0 * np.maximum(-np.array(best) - terms(0.0), 0.0))
    np.testing.assert_allclose(found["deviance"], np.sign(slope) * size, atol=1e-5)


def test_a_cox_snell_residual_of_an_interval_is_the_mean_of_an_exponential_within_it():
    model = LifetimeModel("weibull").fit(INSPECTED)
    found = model.residuals(INSPECTED)
    inside = found[(found["event"] == 1) & (found["cox_snell_upper"] > found["cox_snell_lower"])]
    low, high = inside["cox_snell_lower"], inside["cox_snell_upper"]
    mean = ((low + 1) * np.exp(-low) - (high + 1) * np.exp(-high)) / (np.exp(-low) - np.exp(-high))
    np.testing.assert_allclose(inside["cox_snell"], mean, rtol=1e-9)
    rows = INSPECTED
    np.testing.assert_allclose(
        low, model.cumulative_hazard(rows.lower[rows.interval > 0]), rtol=1e-12
    )


@pytest.mark.parametrize("rows", [INSPECTED, (T, EVENT), (T, EVENT, ENTRY)], ids=["i", "r", "e"])
def test_failures_are_as_many_as_an_exponential_expects(rows):
    weight = RNG.integers(1, 4, N)
    if isinstance(rows, Observations):
        model = LifetimeModel("exponential").fit(rows)
        found = model.residuals(rows)
        weight = np.ones(N)
    else:
        t, event, *late = rows
        given = {"entry": late[0] if late else None, "sample_weight": weight}
        found = LifetimeModel("exponential").fit(t, event, **given).residuals(t, event, **given)
        np.testing.assert_array_equal(found["weight"], weight)
    assert found["martingale"] @ weight == pytest.approx(0.0, abs=1e-8)


def test_late_entry_counts_from_the_entry_and_an_exit_among_those_that_were_seen():
    model = LifetimeModel("weibull").fit(T, EVENT)
    hazard = model.cumulative_hazard
    late = model.residuals(T, EVENT, entry=ENTRY)
    np.testing.assert_allclose(late["cox_snell"], hazard(T) - hazard(ENTRY), rtol=1e-12)
    rows = Observations.from_durations(T, entry=ENTRY, exit=1.5 * T)
    share = (model.survival(ENTRY) - model.survival(T)) / (
        model.survival(ENTRY) - model.survival(1.5 * T)
    )
    found = model.residuals(rows)["cox_snell"]
    np.testing.assert_allclose(found, -np.log1p(-share), rtol=1e-9)


def test_frames_keep_the_index_and_rows_that_say_nothing_have_residuals_of_zero():
    model = WeibullMixture(1).fit(T, EVENT)
    given = pd.Series([5.0, 0.0, 7.0], index=["a", "b", "c"])
    found = model.residuals(given, [1, 0, 0])
    assert list(found.index) == ["a", "b", "c"]
    assert found.loc["b", ["cox_snell", "martingale", "deviance"]].tolist() == [0.0, 0.0, 0.0]
    np.testing.assert_allclose(found["cox_snell"][["a", "c"]], model.cumulative_hazard([5.0, 7.0]))
    fitted = model.residuals()
    np.testing.assert_array_equal(np.sort(fitted["cox_snell"]), np.sort(
        model.residuals(T, EVENT)["cox_snell"]
    ))  # fmt: skip


def test_a_model_from_a_file_has_residuals_of_what_it_is_given_only(tmp_path):
    model = LifetimeModel("lognormal").fit(T, EVENT)
    read = load(model.save(tmp_path / "model.json") or tmp_path / "model.json")
    pd.testing.assert_frame_equal(read.residuals(T, EVENT), model.residuals(T, EVENT))
    with pytest.raises(ValueError, match="needs the rows that were fitted"):
        read.residuals()


@pytest.mark.parametrize(
    "model",
    [
        AcceleratedLifetime("lognormal"),
        ScaledHazard(),
        MixtureRegression(1),
    ],
    ids=lambda model: type(model).__name__,
)
def test_residuals_of_regressions_agree_with_their_survival_and_with_split_histories(model):
    model.fit(X, Y)
    found = model.residuals(X, Y)
    survival = np.diag(model.predict_survival(X, T)) if hasattr(model, "predict_survival") else None
    if survival is not None:
        np.testing.assert_allclose(np.exp(-found["cox_snell"]), survival, rtol=1e-9)
    pd.testing.assert_frame_equal(model.residuals(), found)
    unit = np.repeat(np.arange(N), 2)
    stop = np.column_stack([T / 2, T]).ravel()
    start = np.column_stack([0 * T, T / 2]).ravel()
    failed = np.column_stack([0 * T, EVENT]).ravel()
    split = model.residuals(
        X[unit], np.column_stack([stop, failed]), entry=start, unit=[f"u{i:03}" for i in unit]
    )
    assert split.index[7] == "u007"
    columns = ["cox_snell", "martingale", "deviance", "event"]
    np.testing.assert_allclose(split[columns], found[columns], rtol=1e-8, atol=1e-10)


def test_regressions_take_intervals_offsets_and_late_entries():
    y = survival_target(np.where(EVENT, 0.9 * T, T), np.where(EVENT, 1.1 * T, np.inf))
    model = AcceleratedLifetime("weibull").fit(X, y, offset=np.full(N, 0.2))
    found = model.residuals(X, y, offset=np.full(N, 0.2), entry=ENTRY)
    assert (found["cox_snell_upper"] > found["cox_snell_lower"]).all()
    late = model.residuals(X, y, offset=np.full(N, 0.2))["cox_snell_lower"]
    assert (found["cox_snell_lower"] <= late).all()
    pd.testing.assert_frame_equal(model.residuals(), model.residuals(X, y, offset=np.full(N, 0.2)))


def test_the_picture_shows_the_residuals_over_the_diagonal():
    model = LifetimeModel("weibull").fit(T, EVENT)
    lines = {part.get_label(): part for part in model.plot("residuals").get_lines()}
    x, y = lines["unit exponential"].get_data()
    np.testing.assert_array_equal(x, y)
    x, y = lines["residuals (Nelson-Aalen)"].get_data()
    assert np.median(np.abs(np.asarray(x) - y)) < 0.05 and y[0] == 0
    turnbull = LifetimeModel("weibull").fit(INSPECTED).plot("residuals")
    assert "residuals (Turnbull)" in [part.get_label() for part in turnbull.get_lines()]
    cox = CoxPH().fit(X, Y)
    passed = cox.residuals("cox_snell")
    np.testing.assert_allclose(passed, EVENT - cox.residuals("martingale"))
    assert plot_residuals(cox).get_title(loc="left") == "Cox-Snell residuals"
    assert plot_residuals(model, residuals=model.residuals(T, EVENT)).get_lines()
