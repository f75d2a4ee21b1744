"""Counting pairs in order in O(n log n), without a loop over rows."""

from __future__ import annotations

import numpy as np

from survjax.inference.nonparametric._rows import Floats, Ints

__all__ = ["earlier_weight"]


def earlier_weight(rank: Ints, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """For each place of a sequence, add up the weight of the earlier places by rank.

    Parameters
    ----------
    rank : integer array of shape (n,)
        Non-negative ranks, ties sharing one rank.
    weight : array of shape (n,)
        Weight of each place; 0 for a place that only asks.

    Returns
    -------
    lower, equal, higher : arrays of shape (n,)
        Weight of the earlier places with a lower, the same, and a higher rank.

    Notes
    -----
    One pass for each binary digit of the ranks, the highest first. Places that agree in all
    higher digits stand together, in their first order; among them, those with digit 0 are lower
    than those with digit 1. A stable partition by the digit then makes the next groups.
    """
    n = rank.size
    lower = np.zeros(n)
    order = np.arange(n)
    begin = np.zeros(n, dtype=np.int64)  # where the group of each place in `order` begins
    for digit in range(int(rank.max(initial=0)).bit_length() - 1, -1, -1):
        one = (rank[order] >> digit) & 1 == 1
        low = np.concatenate([[0.0], np.cumsum(np.where(one, 0.0, weight[order]))])
        lower[order[one]] += (low[:-1] - low[begin])[one]
        zeros = np.concatenate([[0], np.cumsum(~one)])
        end = _ends(begin)
        split = begin + zeros[end] - zeros[begin]
        place = np.arange(n)
        inner = zeros[:-1] - zeros[begin]
        target = np.where(one, split + (place - begin - inner), begin + inner)
        moved, starts = np.empty_like(order), np.empty_like(begin)
        moved[target] = order
        starts[target] = np.where(one, split, begin)
        order, begin = moved, starts
    total = np.concatenate([[0.0], np.cumsum(weight[order])])
    equal = np.empty(n)
    equal[order] = total[:-1] - total[begin]
    before = np.concatenate([[0.0], np.cumsum(weight)])[:-1]
    return lower, equal, before - lower - equal


def _ends(begin: Ints) -> Ints:
    """Return where the group of each place ends, given where it begins."""
    n = begin.size
    starts = np.flatnonzero(np.diff(begin, prepend=-1))
    ends = np.append(starts[1:], n)
    return np.repeat(ends, np.diff(np.append(starts, n)))
