"""Units whose covariates change: every model, against identities and simulated truth."""

import numpy as np
import pandas as pd
import pytest

from survjax import AcceleratedLifetime, MixtureRegression, ScaledHazard, history_rows


def split(x, y, pieces=3):
    """Each unit followed in several rows of equal covariates."""
    n = len(y)
    edges = np.linspace(0.0, 1.0, pieces + 1)
    unit = np.tile(np.arange(n), pieces)
    entry = np.concatenate([edges[i] * y[:, 0] for i in range(pieces)])
    stop = np.concatenate([edges[i + 1] * y[:, 0] for i in range(pieces)])
    event = np.concatenate([np.zeros((pieces - 1) * n), y[:, 1]])
    order = np.random.default_rng(0).permutation(len(unit))
    rows = np.column_stack([stop, event])[order]
    return np.tile(x, (pieces, 1))[order], rows, entry[order], unit[order]


def fleet(n=300):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 1))
    late = rng.random(n) < 0.6
    lives = np.where(late, 50 * rng.weibull(4.0, n), 8 * rng.weibull(1.0, n)) * np.exp(
        0.3 * x[:, 0]
    )
    end = rng.uniform(20.0, 90.0, n)
    return x, np.column_stack([np.minimum(lives, end), lives <= end])


@pytest.mark.parametrize(
    "model",
    [
        AcceleratedLifetime(),
        AcceleratedLifetime("lognormal"),
        ScaledHazard(),
        MixtureRegression(2, n_starts=2),
    ],
    ids=["weibull", "lognormal", "scaled", "mixture"],
)
def test_splitting_lives_into_rows_changes_nothing(model):
    x, y = fleet()
    whole = model.fit(x, y)
    parameters, covariance = whole.parameters_.copy(), whole.covariance_.copy()
    value, score = whole.log_likelihood_, whole.score(x, y)
    rows, target, entry, unit = split(x, y)
    parts = model.fit(rows, target, entry=entry, unit=unit)
    np.testing.assert_allclose(parts.log_likelihood_, value, rtol=1e-10)
    np.testing.assert_allclose(parts.parameters_, parameters, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(parts.covariance_, covariance, rtol=1e-5, atol=1e-8)
    assert parts.n_units_ == 300
    np.testing.assert_allclose(parts.score(rows, target, entry=entry, unit=unit), score, rtol=1e-9)


def test_cumulative_exposure_is_recovered_where_loads_change():
    rng = np.random.default_rng(1)
    n = 1500
    low, high = rng.normal(size=n), rng.normal(size=n)
    switch = rng.uniform(2.0, 12.0, n)
    life = 10.0 * rng.weibull(2.0, n)  # in standard exposure
    first = switch * np.exp(0.5 * low)  # exposure used at the switch
    stop = np.where(
        life < first, life * np.exp(-0.5 * low), switch + (life - first) * np.exp(-0.5 * high)
    )
    again = life >= first
    x = np.concatenate([low, high[again]])[:, None]
    y = np.column_stack(
        [
            np.concatenate([np.minimum(stop, switch), stop[again]]),
            np.concatenate([~again, np.ones(again.sum())]),
        ]
    )
    entry = np.concatenate([np.zeros(n), switch[again]])
    unit = np.concatenate([np.arange(n), np.flatnonzero(again)])
    fitted = AcceleratedLifetime().fit(x, y, entry=entry, unit=unit)
    truth = [np.log(10.0), -0.5, np.log(2.0)]
    error = np.sqrt(np.diag(fitted.covariance_))
    assert np.all(np.abs(fitted.parameters_ - truth) < 3.5 * error)


def test_histories_that_cannot_be_are_refused_by_name():
    x = np.random.default_rng(0).normal(size=(3, 1))
    y, unit = [[2.0, 0], [5.0, 1], [4.0, 1]], ["pump a", "pump a", "pump b"]
    with pytest.raises(ValueError, match="'pump a' must follow.*ends at 2.*starts at 3"):
        AcceleratedLifetime().fit(x, y, entry=[0.0, 3.0, 0.0], unit=unit)
    with pytest.raises(ValueError, match="'pump a' fails at 2 but has rows after"):
        AcceleratedLifetime().fit(x, [[2.0, 1], *y[1:]], entry=[0.0, 2.0, 0.0], unit=unit)


@pytest.mark.parametrize(
    "model",
    [AcceleratedLifetime(), ScaledHazard(), MixtureRegression(2, n_starts=2)],
    ids=["weibull", "scaled", "mixture"],
)
def test_a_plan_that_changes_nothing_is_the_ordinary_remaining_life(model):
    x, y = fleet()
    fitted = model.fit(x, y)
    plan, edges = np.full((4, 1), 0.7), [10.0, 12.0, 20.0, 33.0, 50.0]
    found = fitted.predict_path(plan, edges)
    rul = fitted.predict_rul([[0.7]], [10.0])
    np.testing.assert_allclose(found.mean, rul["mean"].iloc[0], rtol=1e-6)
    np.testing.assert_allclose(found.mean_lower, rul["mean_lower"].iloc[0], rtol=1e-4)
    ahead = np.array(edges[1:]) - 10.0
    survival = fitted.predict_survival([[0.7]], ahead, [10.0])
    np.testing.assert_allclose(found.survival["survival"], survival["survival"].iloc[0], rtol=1e-9)
    np.testing.assert_allclose(found.survival["upper"], survival["upper"].iloc[0], rtol=1e-6)
    step = 1e-5
    moved = [fitted.predict_path(plan + [[0], [s], [0], [0]], edges).mean for s in (step, -step)]
    slope = (moved[0] - moved[1]) / (2 * step)
    np.testing.assert_allclose(found.gradient.iloc[1, 0], slope, rtol=1e-5)


def test_the_effective_age_has_used_as_much_life():
    x, y = fleet()
    fitted = AcceleratedLifetime().fit(x, y)
    past = fitted.effective_ages(
        [[0.0], [2.0], [1.0]], [5.0, 9.0, 4.0], unit=["a", "a", "b"], entry=[0.0, 5.0, 0.0]
    )
    b = fitted.coef_[0]
    np.testing.assert_allclose(past.loc["a"], 4.0 + 5.0 * np.exp(2.0 * b))
    np.testing.assert_allclose(past.loc["b"], 4.0)


def test_readings_are_joined_as_of_and_dates_become_durations():
    lives = pd.DataFrame(
        {
            "unit": ["a", "a", "b"],
            "from": pd.to_datetime(["2024-01-01", "2024-01-11", "2024-01-01"]),
            "to": pd.to_datetime(["2024-01-11", "2024-01-21", "2024-01-05"]),
            "failed": [True, False, True],
        }
    )
    times = ["2023-12-01", "2024-01-04", "2024-01-15", "2024-01-02 12:00"]
    readings = pd.DataFrame(
        {
            "unit": ["a", "a", "a", "b"],
            "at": pd.to_datetime(times, format="ISO8601"),
            "load": [1.0, 2.0, 3.0, 9.0],
        }
    )
    found = history_rows(lives, readings, start="from", end="to", time="at", per="h")
    assert found["start"].tolist() == [0.0, 72.0, 0.0, 96.0, 36.0]
    assert found["stop"].tolist() == [72.0, 240.0, 96.0, 240.0, 96.0]
    assert found["load"].tolist() == [1.0, 2.0, 2.0, 3.0, 9.0]
    assert found["event"].tolist() == [False, True, False, False, True]
    assert found["life"].tolist() == [0, 0, 1, 1, 2] and found.attrs["per"] == "h"
    with pytest.raises(ValueError, match="1 lives have no reading.*row 2"):
        history_rows(lives, readings.iloc[:3], start="from", end="to", time="at")
