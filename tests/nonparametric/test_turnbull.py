"""Turnbull's estimate: against R's npsurv, Kaplan-Meier, isotonic regression and its own KKT."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survjax.nonparametric import kaplan_meier, turnbull

INF = np.inf


def reference_rows(real_data, name):
    frame = pd.read_csv(real_data / "reference/csv" / f"{name.partition('_rtchemo')[0]}.csv")
    if "_rtchemo" in name:
        frame = frame[frame.rt_chemo == int(name[-1])]
    lower, upper = frame.columns[:2]
    weight = frame["count"].to_numpy() if "count" in frame else None
    return frame[lower].fillna(0).to_numpy(), frame[upper].fillna(INF).to_numpy(), weight


@pytest.mark.parametrize(
    "name",
    [
        "bcdeter_rtchemo0",
        "bcdeter_rtchemo1",
        "turbine_part_cracks",
        "turbine_wheels",
        "diabetes_interval",
    ],
)
def test_masses_and_likelihood_agree_with_npsurv(real_data, name):
    path = real_data / "reference/r_npsurv_turnbull.json"
    case = json.loads(path.read_text())["cases"][name]
    lower, upper, weight = reference_rows(real_data, name)
    curve = turnbull(lower, upper, sample_weight=weight)
    assert curve.log_likelihood == pytest.approx(case["loglik"], rel=1e-12)
    right = np.array([INF if x is None else x for x in case["right"]])
    bounded = np.isfinite(right)
    np.testing.assert_array_equal(curve.starts, np.array(case["left"])[bounded])
    np.testing.assert_array_equal(curve.times, right[bounded])
    # npsurv itself stops where its gradient is within 1e-6 of zero.
    np.testing.assert_allclose(curve.jumps, np.array(case["mass"])[bounded], atol=2e-9)
    left_over = 1 - curve.values[-1] if bounded.all() else np.array(case["mass"])[bounded].sum()
    assert 1 - curve.values[-1] == pytest.approx(left_over, abs=1e-9)


def simulated(seed, n=60, late=True, whole=False):
    rng = np.random.default_rng(seed)
    life = 10 * rng.weibull(1.5, n)
    visits = np.sort(rng.uniform(0, 18, (n, 3)), axis=1)
    if whole:
        visits = np.cumsum(rng.integers(1, 6, (n, 3)), axis=1).astype(float)
    place = np.sum(visits < life[:, None], axis=1)
    edges = np.column_stack([np.zeros(n), visits, np.full(n, INF)])
    lower, upper = edges[np.arange(n), place], edges[np.arange(n), place + 1]
    exact = rng.random(n) < 0.3
    lower[exact] = upper[exact] = life[exact]
    entry = np.where(rng.random(n) < 0.4, rng.random(n) * lower, 0.0) if late else None
    # A few units outlive everything, so that the curve does not fall to zero half-way.
    lower[:3], upper[:3] = 60.0, INF
    return lower, upper, entry


def gradient(curve, lower, upper, entry):
    """Derivative of the log-likelihood by the mass at each point of the line, on a fine grid."""
    entry = np.zeros(lower.size) if entry is None else entry
    points = np.unique(np.concatenate([lower, upper[np.isfinite(upper)], entry, curve.times]))
    points = np.unique(np.concatenate([points, (points[1:] + points[:-1]) / 2, [points[-1] + 1]]))
    ends, mass = np.append(curve.times, points[-1]), np.append(curve.jumps, curve.values[-1])
    inside = np.where(lower == upper, ends[:, None] == lower, True)
    holds = inside & (ends[:, None] <= upper) & ((ends[:, None] > lower) | (lower == upper))
    seen = ends[:, None] > entry
    chance, watched = mass @ holds, mass @ seen
    grid = points[:, None]
    can = np.where(lower == upper, grid == lower, (grid > lower) & (grid <= upper))
    return np.sum(can / chance - (grid > entry) / watched, axis=1)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("late", [False, True])
def test_no_mass_anywhere_could_raise_the_likelihood(seed, late):
    lower, upper, entry = simulated(seed, late=late, whole=seed % 3 == 0)
    curve = turnbull(lower, upper, entry=entry)
    assert gradient(curve, lower, upper, entry).max() <= 1e-6 * lower.size


@pytest.mark.parametrize("seed", range(5))
def test_exact_and_right_censored_rows_give_kaplan_meier(seed):
    rng = np.random.default_rng(seed)
    time, event = rng.integers(2, 30, 80).astype(float), rng.random(80) < 0.6
    entry = np.floor(rng.random(80) * np.minimum(time, 6)) * (rng.random(80) < 0.5)
    curve = turnbull(time, np.where(event, time, INF), entry=entry)
    other = kaplan_meier(time, event, entry=entry)
    np.testing.assert_array_equal(curve.times, other.times)
    np.testing.assert_allclose(curve.values, other.values, rtol=1e-10)
    np.testing.assert_allclose(curve.events, other.events, rtol=1e-9)
    np.testing.assert_allclose(curve.at_risk, other.at_risk, rtol=1e-9)


def test_inspected_once_gives_isotonic_regression():
    rng = np.random.default_rng(1)
    at = rng.integers(1, 25, 300).astype(float)
    failed = rng.random(300) < 1 - np.exp(-at / 10)
    curve = turnbull(np.where(failed, 0, at), np.where(failed, at, INF))
    from sklearn.isotonic import IsotonicRegression

    expected = IsotonicRegression(y_min=0, y_max=1).fit(at, failed.astype(float))
    grid = np.arange(at.min(), at.max() + 1)
    np.testing.assert_allclose(1 - curve(grid), expected.predict(grid), atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_right_truncation_is_left_truncation_of_reversed_time(seed):
    rng = np.random.default_rng(seed)
    time = rng.integers(1, 15, 50).astype(float)
    exit = time + rng.integers(0, 8, 50)
    forward = turnbull(time, time, exit=exit)
    # Ages from 100 down: failing by `exit` is outliving 100 - exit, ends included.
    backward = kaplan_meier(100 - time, entry=100 - exit - 0.5)
    np.testing.assert_allclose(forward.times, np.sort(100 - backward.times), rtol=1e-15)
    np.testing.assert_allclose(forward.jumps, backward.jumps[::-1], atol=1e-10)


@given(st.integers(0, 10_000), st.sampled_from([1e-7, 1e9]))
def test_units_order_and_counts_do_not_matter(seed, unit):
    lower, upper, entry = simulated(seed, n=25)
    curve = turnbull(lower, upper, entry=entry)
    turn = np.random.default_rng(seed).permutation(25)
    other = turnbull(
        np.repeat(lower[turn] * unit, 2),
        np.repeat(upper[turn] * unit, 2),
        entry=np.repeat(entry[turn] * unit, 2),
        sample_weight=np.full(50, 1.5),
    )
    np.testing.assert_allclose(other(curve.times * unit * (1 + 1e-9)), curve.values, atol=1e-7)
    assert other.log_likelihood == pytest.approx(3 * curve.log_likelihood, rel=1e-11)


def test_where_the_maximum_is_not_unique_the_last_place_is_taken():
    # The censored unit outlived (0, 1], the late one (2, 10]: one at risk at either place.
    curve = turnbull([0, 2, 20], [10, INF, 20], entry=[0, 0, 1])
    assert (curve.starts.tolist(), curve.times.tolist()) == ([2, 20], [10, 20])
    np.testing.assert_allclose(curve.values, [0.5, 0])


def test_rows_that_cover_each_other_are_explained_at_the_first_common_place():
    curve = turnbull([0, 0, 0], [5, 7, INF])
    assert (curve.starts.tolist(), curve.times.tolist()) == ([0], [5])
    assert curve.values.tolist() == [0]
    assert curve.log_likelihood == 0


def test_only_right_censored_rows_leave_the_curve_at_one():
    curve = turnbull([3, 5], [INF, INF])
    assert curve.times.size == 0
    assert curve([0, 5]).tolist() == [1, 1]
    assert np.isnan(curve(100))


def test_a_gap_in_observation_is_said_and_the_rest_still_estimated():
    with pytest.warns(UserWarning, match="reaches 0 at 2"):
        curve = turnbull([1, 6, 7], [2, 6, INF], entry=[0, 4, 4])
    assert curve.values.tolist() == [0]


def test_bounds_are_not_claimed():
    curve = turnbull([0, 2], [4, 4])
    assert np.isnan(curve.lower).all()
    assert np.isnan(curve.variance).all()


def test_a_hundred_thousand_intervals_take_a_few_newton_steps(monkeypatch):
    from survjax.nonparametric import _increments

    monkeypatch.setattr(_increments, "MAX_ITERATIONS", 20)
    rng = np.random.default_rng(0)
    life, visits = 10 * rng.weibull(2, 30_000), np.sort(rng.uniform(0, 20, (30_000, 2)), axis=1)
    place = np.sum(visits < life[:, None], axis=1)
    edges = np.column_stack([np.zeros(30_000), visits, np.full(30_000, INF)])
    lower, upper = edges[np.arange(30_000), place], edges[np.arange(30_000), place + 1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        curve = turnbull(lower, upper)
    truth = np.exp(-((curve.times / 10) ** 2))
    assert np.max(np.abs(curve.values - truth)) < 0.06


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: turnbull([], []), "lower is empty"),
        (lambda: turnbull([2], [1]), "lower must be at most upper, got 2 in row 0"),
        (lambda: turnbull([INF], [INF]), "lower must be finite"),
        (lambda: turnbull([0, 1], [1]), "upper must have one entry for each of the 2"),
        (lambda: turnbull([np.nan], [1]), "lower must be numbers, got nan in row 0"),
        (lambda: turnbull([0, 1], [2, 3], entry=[2, 0]), "entry must be below upper, got 2"),
        (lambda: turnbull([1, 1], [2, 3], exit=[1, 4]), "exit must be above lower, got 1"),
        (lambda: turnbull([1], [2], entry=[0.5], exit=[4]), "entry or exit, not both"),
    ],
)
def test_hostile_input_gets_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
