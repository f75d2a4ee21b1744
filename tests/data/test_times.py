"""Times that differ by rounding only are merged, and true lives never."""

import numpy as np
import pandas as pd
import pytest

from survjax import CoxPH, history_rows
from survjax.data.times import merge_rounding, merge_sorted
from survjax.likelihood.regression.histories import Histories


def test_sums_of_tenths_are_one_time():
    times = np.array([0.1 * 3, 0.3, 0.7, 0.1 * 7, 5.0])
    assert merge_rounding(times).tolist() == [0.3, 0.3, 0.7, 0.7, 5.0]
    assert merge_sorted(np.array([0.3, 0.1 * 3, np.inf]))[1] == 0.3
    late = merge_rounding(np.array([-np.inf, 0.3, 0.1 * 3, np.inf]), np.array([0.2, 0.5]))
    assert late.tolist() == [-np.inf, 0.3, 0.3, np.inf]


@pytest.mark.parametrize("life", [1e-3, 0.5, 1.2])
def test_short_lives_on_a_clock_stay_lives(life):
    clock = 1.7e9 + np.array([0.0, 1.0, 5000.0, 90_000.0])
    both = np.concatenate([clock, clock + life])
    merged = merge_rounding(both, np.full(4, life))
    assert np.unique(merged).size == np.unique(both).size
    # The last digits of the clock's numbers are rounding all the same.
    noisy = np.append(both, np.nextafter(both[0], np.inf))
    assert np.unique(merge_rounding(noisy, np.full(4, life))).size == np.unique(both).size


def test_continuous_times_are_not_merged():
    rng = np.random.default_rng(0)
    times = 1.0 + 1e-8 * rng.random(1000)
    assert np.array_equal(merge_rounding(times), times)


def test_rows_that_are_empty_but_for_rounding_are_refused():
    x, y = [[1], [0], [2], [1], [0]], [0.2, 0.1 * 3, 0.4, 0.5, 0.7]
    with pytest.raises(
        ValueError, match=r"got 0\.3 in row 1 \(1 such row\).*empty but for rounding"
    ):
        CoxPH().fit(x, y, entry=[0, 0.3, 0, 0, 0])


def test_lives_on_a_clock_are_those_of_a_stopwatch():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 1))
    life = np.ceil(rng.exponential(np.exp(-x[:, 0])) * 64) / 64
    begin = 1.7e9 + np.arange(60) * 1e-3 // 1 / 64
    clock = CoxPH().fit(x, begin + life, entry=begin)
    watch = CoxPH().fit(x, begin - 1.7e9 + life, entry=begin - 1.7e9)
    assert clock.n_events_ == 60
    np.testing.assert_allclose(clock.coef_, watch.coef_, rtol=1e-9)


def test_readings_at_the_end_of_a_life_make_no_row():
    lives = pd.DataFrame({"unit": ["a", "b"], "end": [0.1 * 3, 0.9], "failed": [True, True]})
    readings = pd.DataFrame(
        {"unit": ["a", "a", "b"], "time": [0.0, 0.3, 0.0], "load": [1.0, 2.0, 3.0]}
    )
    rows = history_rows(lives, readings)
    assert rows["load"].tolist() == [1.0, 3.0]
    assert rows["event"].all()


def test_rows_of_a_unit_on_a_clock_may_not_overlap_by_a_second():
    start, stop = 1.7e9 + np.array([0.0, 4.0]), 1.7e9 + np.array([5.0, 9.0])
    with pytest.raises(ValueError, match="must follow one another"):
        Histories.of(["a", "a"], start, stop, np.zeros(2), np.ones(2), gaps=True)
