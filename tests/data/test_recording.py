"""Ties and grids: equal rows counted by table, and only where the table is the truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survjax.data.recording import find_resolution, has_ties, tabulate


@pytest.mark.parametrize("step", [1, 0.25, 0.1, 1e-9, 3.0])
def test_counts_of_a_grid_are_those_of_sorting(step):
    rng = np.random.default_rng(2)
    steps = rng.integers(1, 60, 30_000)
    durations = steps * step if step != 1 else steps.astype(np.int32)
    events = rng.random(30_000) < 0.4
    times, failed, counts = tabulate(durations, events)
    table, expected = np.unique(np.stack([durations, events]), axis=1, return_counts=True)
    np.testing.assert_array_equal(times, table[0])
    np.testing.assert_array_equal(failed, table[1])
    np.testing.assert_array_equal(counts, expected)


@pytest.mark.parametrize("off", [1e-13, 1e-6, 0.01, 0.37])
def test_a_value_off_the_grid_is_never_moved_onto_it(off):
    durations = np.repeat(np.arange(1.0, 101.0), 300)
    durations[12_345] += off
    events = np.ones(durations.size, bool)
    table = tabulate(durations, events)
    if table is not None:
        assert np.any(table[0] == durations[12_345])
        assert table[2].sum() == durations.size


@pytest.mark.parametrize(
    "durations",
    [np.arange(30_000.0) * 1e9 + 0.5, np.random.default_rng(0).random(30_000),
     np.r_[np.ones(29_999), 1e12], np.r_[np.ones(29_999), -1.0]],
)  # fmt: skip
def test_where_no_small_grid_holds_all_there_is_no_table(durations):
    assert tabulate(durations, np.ones(durations.size, bool)) is None


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int16, np.int64, np.uint32])
def test_whole_numbers_of_any_width_are_counted(kind):
    durations = np.tile(np.arange(1, 101, dtype=kind), 300)
    times, _, counts = tabulate(durations, np.ones(30_000, bool))
    np.testing.assert_array_equal(times, np.arange(1.0, 101.0))
    np.testing.assert_array_equal(counts, 300)


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=40), st.floats(1e-9, 1e9))
def test_the_resolution_is_the_smallest_gap(steps, unit):
    times = np.unique(steps) * unit
    gaps = np.diff(np.concatenate([[0.0], times]))
    assert find_resolution(times) == pytest.approx(gaps.min(), rel=1e-6)


def test_ties_are_looked_for_on_a_sample():
    rng = np.random.default_rng(1)
    assert has_ties(rng.integers(1, 1000, 100_000))
    assert not has_ties(rng.random(100_000))
