"""Rows in an order that follows from what they hold, not from where they stand in a table.

What is drawn at random for rows, such as folds and batches, is drawn for their places in this
order. So it stays the same where rows are reordered, where equal rows are collapsed into one with
a weight, and where the unit of a column changes: only comparisons within columns count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def content_ranks(columns: Sequence[np.ndarray]) -> np.ndarray:
    """The place of each row in the order of its columns; equal rows share one, none is left out.

    Parameters
    ----------
    columns : sequence of arrays of shape (n,)
        The first sorts first.

    Returns
    -------
    int array of shape (n,)

    Examples
    --------
    >>> content_ranks([np.array([2.0, 1.0, 2.0]), np.array([5.0, 5.0, 5.0])]).tolist()
    [1, 0, 1]
    """
    order = np.lexsort(columns[::-1])
    new = np.zeros(order.size, bool)
    for column in columns:
        ordered = column[order]
        new[1:] |= ordered[1:] != ordered[:-1]
    ranks = np.empty(order.size, np.int64)
    ranks[order] = np.cumsum(new)
    return ranks


def runs(
    group: np.ndarray,
    start: np.ndarray,
    stop: np.ndarray,
    event: np.ndarray,
    others: Sequence[np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last row of each stretch over which a group's rows hold the same.

    A row goes on with one that was censored where it begins, if all `others` are equal. Rows that
    are there twice count once.

    Parameters
    ----------
    group : int array of shape (n,)
    start, stop, event : arrays of shape (n,)
    others : sequence of arrays of shape (n,)

    Returns
    -------
    first, last : int arrays of shape (stretches,)
    """
    keys = [group, *others, start, stop, event]
    order = np.lexsort(keys[::-1])
    twice = np.zeros(order.size, bool)
    twice[1:] = np.all([key[order][1:] == key[order][:-1] for key in keys], axis=0)
    order = order[~twice]
    alike = np.all([key[order][1:] == key[order][:-1] for key in (group, *others)], axis=0)
    end = stop[order][:-1]
    alike &= (np.abs(start[order][1:] - end) <= 1e-9 * end) & (event[order][:-1] == 0)
    ends = np.append(~alike, True)
    begins = np.append(True, ~alike)
    return order[begins], order[ends]


def group_ranks(ranks: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The place of each group in the order of what its rows hold; equal groups share one.

    Parameters
    ----------
    ranks : int array of shape (n,)
        As `content_ranks` returns them.
    group : int array of shape (n,)
        Which group each row belongs to, counted from zero without gaps; no row is in one twice.

    Returns
    -------
    int array of shape (groups,)
    """
    n_groups = int(group.max()) + 1
    mixed, first = np.zeros(n_groups, np.uint64), np.full(n_groups, ranks.size)
    np.add.at(mixed, group, _mixed(ranks))
    np.minimum.at(first, group, ranks)
    return content_ranks([first, mixed])


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """64 bits for each whole number, whose sums hardly ever coincide (splitmix64, Steele 2014)."""
    z = (numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = z ^ (z >> np.uint64(31))
    return mixed


def content_folds(
    start: np.ndarray,
    stop: np.ndarray,
    event: np.ndarray,
    others: Sequence[np.ndarray],
    weight: np.ndarray,
    group: ArrayLike | None,
    n_folds: int,
) -> np.ndarray:
    """A fold for each row, with as many different units in each, failed ones and others alike.

    Equal rows are in one fold, and so are all rows of a group and equal groups. Rows without
    weight change nothing, nor do cuts of a group's rows where nothing changes.

    Parameters
    ----------
    start, stop, event : arrays of shape (n,)
        Entry, duration and whether the row ends with a failure.
    others : sequence of arrays of shape (n,)
        What else rows hold.
    weight : array of shape (n,)
    group : array-like of shape (n,), optional
        Units or clusters, which must not be split.
    n_folds : int

    Returns
    -------
    int array of shape (n,)

    Raises
    ------
    ValueError
        Where there are fewer different units than folds.
    """
    with_weight = np.flatnonzero(weight > 0)
    columns = [column[with_weight] for column in (stop, event, start, *others)]
    fails = columns[1] > 0
    if group is None:
        place = content_ranks(columns)
    else:
        code = np.unique(np.asarray(group)[with_weight], return_inverse=True)[1]
        first, last = runs(code, columns[2], columns[0], columns[1], columns[3:])
        columns = [column[last] for column in columns]
        columns[2] = start[with_weight][first]
        place = group_ranks(content_ranks(columns), code[last])[code]
    n_different = int(place.max()) + 1
    if n_different < n_folds:
        what = "rows" if group is None else "units or clusters"
        raise ValueError(
            f"penalty='cv' needs at least {n_folds} different {what}, got {n_different}: give "
            "penalty a number"
        )
    failed = np.zeros(n_different, bool)
    failed[place[fails]] = True
    # Failed ones first, each kind in random order: so every fold gets its share of both.
    order = np.lexsort((np.random.default_rng(0).permutation(n_different), ~failed))
    turn = np.empty(n_different, np.int64)
    turn[order] = np.arange(n_different)
    folds = np.zeros(weight.size, np.int64)
    folds[with_weight] = turn[place] % n_folds
    return folds
