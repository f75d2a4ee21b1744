"""Folds follow from what rows hold: not from their order, their unit of time, ties or cuts."""

import numpy as np
import pytest

from survjax.data.content import content_folds, content_ranks, group_ranks, runs


def table(seed=0, n=200):
    """Entry, duration, event, two columns and weights, with many ties; some weights are zero."""
    random = np.random.default_rng(seed)
    start = random.integers(0, 5, n) * 1.0
    stop = start + random.integers(1, 30, n)
    event = random.integers(0, 2, n) * 1.0
    return start, stop, event, random.integers(0, 3, (n, 2)) * 1.0, random.integers(0, 4, n) * 1.0


def folds(start, stop, event, x, weight, group=None):
    return content_folds(start, stop, event, list(x.T), weight, group, 5)


def test_ranks_are_the_places_of_sorted_rows_without_gaps():
    start, stop, event, x, _ = table()
    rows = list(zip(stop, event, start, *x.T, strict=True))
    places = {row: place for place, row in enumerate(sorted(set(rows)))}
    expected = [places[row] for row in rows]
    assert content_ranks([stop, event, start, *x.T]).tolist() == expected


def test_folds_do_not_depend_on_the_order_of_rows_or_units_of_columns():
    columns = table()
    expected = folds(*columns)
    order = np.random.default_rng(1).permutation(200)
    assert np.array_equal(folds(*(column[order] for column in columns)), expected[order])
    start, stop, event, x, weight = columns
    assert np.array_equal(folds(start * 8766, stop * 8766, event, x * 0.3 + 1, weight), expected)


def test_equal_rows_are_in_one_fold_with_or_without_a_weight():
    columns = table()
    weight = columns[-1]
    expected = folds(*columns)
    repeated = np.repeat(np.arange(200), weight.astype(int))
    found = folds(*(column[repeated] for column in columns[:-1]), np.ones(repeated.size))
    assert np.array_equal(found, expected[repeated])
    # Other positive weights move nothing either.
    assert np.array_equal(folds(*columns[:-1], 7.5 * weight)[weight > 0], expected[weight > 0])


def test_each_fold_gets_its_share_of_different_failures_and_of_others():
    random = np.random.default_rng(2)
    n, event = 103, np.arange(103) % 4 == 0
    found = content_folds(np.zeros(n), random.weibull(2.0, n), event, [], np.ones(n), None, 5)
    for some in (slice(None), event):
        counts = np.bincount(found[some], minlength=5)
        assert np.ptp(counts) <= 1


def histories():
    """Rows of 40 units, some of them alike; covariates change twice in each life."""
    random = np.random.default_rng(3)
    edges = np.sort(random.integers(1, 40, (20, 3)), axis=1) + np.arange(3)
    edges = np.vstack([edges, edges])  # each unit is there twice
    x = np.tile(random.integers(0, 2, (20, 3)), (2, 1)) + np.array([0, 2, 4])
    unit = np.repeat(np.arange(40), 3)
    start = np.column_stack([np.zeros(40), edges[:, :2]]).ravel()
    event = np.tile([0.0, 0.0, 1.0], 40)
    return start, edges.ravel() * 1.0, event, x.reshape(-1, 1) * 1.0, unit


def test_units_are_whole_and_equal_ones_together_whatever_their_names_and_cuts():
    start, stop, event, x, unit = histories()
    n = unit.size
    expected = folds(start, stop, event, x, np.ones(n), unit)
    of_unit = expected.reshape(40, 3)
    assert np.ptp(of_unit, axis=1).max() == 0
    assert np.array_equal(of_unit[:20], of_unit[20:])
    names = np.array([f"unit {(7 * i) % 40}" for i in unit])
    order = np.random.default_rng(4).permutation(n)
    mixed = (column[order] for column in (start, stop, event, x))
    assert np.array_equal(folds(*mixed, np.ones(n), names[order]), expected[order])
    # One of each kind, of weight two.
    half = slice(0, 60)
    once = (column[half] for column in (start, stop, event, x))
    assert np.array_equal(folds(*once, np.full(60, 2.0), unit[half]), expected[half])
    # Each row cut in two where nothing changes.
    middle = (start + stop) / 2
    cut = folds(
        np.append(start, middle), np.append(middle, stop), np.append(0 * event, event),
        np.vstack([x, x]), np.ones(2 * n), np.append(unit, unit),
    )  # fmt: skip
    assert np.array_equal(cut, np.append(expected, expected))


def test_stretches_end_where_a_column_changes_a_gap_opens_or_a_unit_fails():
    unit = np.array([0, 0, 0, 0, 1, 1, 1])
    start = np.array([0.0, 1.0, 2.0, 5.0, 0.0, 2.0, 2.0])
    stop = np.array([1.0, 2.0, 3.0, 6.0, 2.0, 3.0, 3.0])
    event = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0])
    first, last = runs(unit, start, stop, event, [np.array([7.0, 7.0, 8.0, 8.0, 1.0, 1.0, 1.0])])
    pairs = set(zip(start[first].tolist(), stop[last].tolist(), unit[first].tolist(), strict=True))
    assert pairs == {(0.0, 2.0, 0), (2.0, 3.0, 0), (5.0, 6.0, 0), (0.0, 2.0, 1), (2.0, 3.0, 1)}


def test_groups_of_equal_rows_share_a_place():
    places = group_ranks(np.array([0, 3, 0, 4, 3, 0, 9]), np.array([0, 0, 1, 1, 2, 2, 3]))
    assert places[0] == places[2] and np.unique(places).tolist() == [0, 1, 2]
    assert places[3] == 2


def test_too_few_different_units_are_refused():
    ones = np.ones(50)
    with pytest.raises(ValueError, match="at least 5 different rows, got 1: give penalty a number"):
        content_folds(0 * ones, ones, ones, [], ones, None, 5)
    with pytest.raises(ValueError, match="different units or clusters, got 2"):
        content_folds(0 * ones, 1.0 + np.arange(50) % 2, ones, [], ones, np.arange(50) % 2, 5)
