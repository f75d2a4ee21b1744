"""Calibration tables and the coverage of intervals."""

import numpy as np
import pytest

from survjax.metrics import calibration, interval_coverage
from survjax.nonparametric import kaplan_meier


def test_each_group_is_its_own_kaplan_meier_estimate():
    rng = np.random.default_rng(0)
    time, event, chance = rng.integers(1, 20, 90), rng.random(90) < 0.7, rng.random(90)
    table = calibration(time, event, chance, 8.0, n_groups=3)
    order = np.argsort(chance)
    for group, part in enumerate(np.split(order, 3)):
        curve = kaplan_meier(time[part], event[part])
        assert table.observed[group] == pytest.approx(1 - curve(8.0))
        assert table.predicted[group] == pytest.approx(chance[part].mean())
        low, high = curve.bounds(8.0)
        assert (table.lower[group], table.upper[group]) == pytest.approx((1 - high, 1 - low))
    assert table.n_units.tolist() == [30, 30, 30]


def test_true_probabilities_are_found_to_be_calibrated():
    rng = np.random.default_rng(1)
    rate = rng.uniform(0.2, 3, 20_000)
    life, limit = rng.exponential(1 / rate), rng.exponential(1, 20_000)
    late = np.minimum(rng.exponential(0.05, 20_000) * (rng.random(20_000) < 0.3), 0.2)
    seen = np.minimum(life, limit) > late
    time, event = np.minimum(life, limit)[seen], (life <= limit)[seen]
    table = calibration(time, event, 1 - np.exp(-rate[seen] * 0.8), 0.8, entry=late[seen])
    assert table.predicted.size == 10
    assert table.mean_error < 0.02
    assert np.mean((table.lower <= table.predicted) & (table.predicted <= table.upper)) >= 0.8


def test_equal_predictions_stay_in_one_group():
    table = calibration([1, 2, 3, 4], None, [0.5, 0.5, 0.5, 0.5], 2.5, n_groups=4)
    assert table.predicted.tolist() == [0.5]
    assert table.observed.tolist() == [0.5]
    assert table.mean_error == 0


def test_coverage_counts_what_fell_inside_below_and_above():
    result = interval_coverage([1, 2, 3, 9], None, [0, 3, 1, 1], [2, 5, 4, 8])
    assert (result.share, result.below, result.above) == (0.5, 0.25, 0.25)
    assert result.standard_error == pytest.approx(0.25)
    assert float(result) == 0.5


def test_a_unit_running_past_its_interval_is_judged_before_it_fails():
    result = interval_coverage([5, 8], [1, 0], [4, 1], [6, 7])
    assert (result.share, result.above) == (0.5, 0.5)


def test_censoring_does_not_move_the_coverage():
    rng = np.random.default_rng(2)
    scale = rng.uniform(1, 4, 60_000)
    life, limit = scale * rng.weibull(2, 60_000), rng.exponential(4, 60_000)
    lower, upper = scale * np.sqrt(-np.log(0.95)), scale * np.sqrt(-np.log(0.15))
    result = interval_coverage(np.minimum(life, limit), life <= limit, lower, upper)
    assert result.share == pytest.approx(0.8, abs=0.01)
    assert result.below == pytest.approx(0.05, abs=0.005)
    assert result.share + result.below + result.above == pytest.approx(1)
    assert 0.001 < result.standard_error < 0.005


def test_intervals_may_be_open_above():
    result = interval_coverage([1, 2, 3], [1, 1, 0], [0, 0, 0], np.full(3, np.inf))
    assert result.share == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: calibration([1, 2], None, [0.5, 2], 1), "failure_probability must be between"),
        (lambda: calibration([1, 2], None, [0.5, 0.5], -1), "time must be positive"),
        (lambda: calibration([1, 2], None, [0.5, 0.5], 1, n_groups=0), "n_groups must be"),
        (lambda: interval_coverage([1, 2], None, [2, 0], [1, 1]), "lower must be at most upper"),
        (lambda: interval_coverage([1, 2], None, [0], [1, 1]), "lower must have one entry"),
        (lambda: interval_coverage([1], [0], [0], [2]), "every unit is censored inside"),
    ],
)
def test_hostile_input_gets_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_beyond_the_last_unit_nothing_can_be_calibrated():
    lives, failed = [5.0, 3.0, 8.0, 1.0, 9.0], np.array([1, 0, 1, 1, 0])
    with pytest.raises(ValueError, match="no unit is followed to time 30, the last one to 9"):
        calibration(lives, failed, np.full(5, 0.5), 30.0)
    # Where the last one failed, all have failed by then.
    found = calibration(lives, failed | [0, 0, 0, 0, 1], np.full(5, 0.5), 30.0, n_groups=1)
    assert found.observed.tolist() == [1.0]
