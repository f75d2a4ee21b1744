"""Adding up comparable pairs by the order of their risks in O(n log n), without a loop over rows.

Failures stand on a line; each row was under observation for some that follow one another. A binary
tree over the line takes that stretch apart into at most two nodes a level, and in each node
failures are sorted by rank. So every sum is made of weights of pairs, and never of a difference of
two larger sums: weights of very different sizes keep all their digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from survjax._core.ranges import interval_sums, range_sums
from survjax.nonparametric.rows import Bools, Floats, Ints

__all__ = ["Failures", "Seen", "Sums", "pair_sums"]


@dataclass(frozen=True)
class Failures:
    """Failures in the order of a line: their ranks (from 0), ties sharing one, and weights."""

    rank: Ints
    weight: Floats


@dataclass(frozen=True)
class Seen:
    """Rows under observation for the failures ``first <= j < stop``, with rank and weight."""

    first: Ints
    stop: Ints
    rank: Ints
    weight: Floats


@dataclass(frozen=True)
class Sums:
    """Weight of the partners of lower, of the same, and of higher rank."""

    lower: Floats
    equal: Floats
    higher: Floats


def pair_sums(failures: Failures, seen: Seen, *, behind: bool = True) -> tuple[Sums, Sums]:
    """Add up the weights of comparable partners.

    Parameters
    ----------
    failures : Failures
    seen : Seen
        A row must not see its own failure.
    behind : bool
        False leaves the second sums 0.

    Returns
    -------
    ahead, behind : Sums
        For each failure those of the rows that saw it, and for each row those of the failures
        that it saw. Rows of weight 0 need none, and get 0.
    """
    m, n = failures.rank.size, seen.rank.size
    order = np.argsort(failures.rank, kind="stable")
    ranks = failures.rank[order]
    rows = np.flatnonzero((seen.first < seen.stop) & (seen.weight > 0))
    below, upto = (np.searchsorted(ranks, seen.rank[rows], side) for side in ("left", "right"))
    before = seen.first[rows] - 1
    late = np.flatnonzero(before >= 0)
    end = seen.stop[rows]
    paths = [
        _Path(rows, end, before, below, upto, right=True),
        _Path(rows[late], before[late], end[late], below[late], upto[late], right=False),
    ]
    ahead, back = (Sums(*np.zeros((3, size))) for size in (m, n))
    _add_equal(failures, seen, order, rows, ahead, back if behind else None)
    for level in range(m.bit_length() - 1, -1, -1):
        zeros, order = _split(order, level)
        nodes = m >> level  # the full ones: no others lie within a stretch
        inside = order[: nodes << level]
        found = [path.descend(zeros, level) for path in paths]
        row, low, high = (np.concatenate(part) for part in zip(*found, strict=True))
        weight, shape = seen.weight[row], (nodes, (1 << level) + 1)
        # From the cell `high` of a row on, the places of a node have a higher rank than the row;
        # up to the cell `low` they have a lower one.
        table: Floats = np.bincount(high, weight, shape[0] * shape[1]).reshape(shape)
        ahead.lower[inside] += np.cumsum(table, axis=1)[:, :-1].ravel()
        table = np.bincount(low, weight, shape[0] * shape[1]).reshape(shape)
        ahead.higher[inside] += np.cumsum(table[:, :0:-1], axis=1)[:, ::-1].ravel()
        if behind:
            own = failures.weight[inside].reshape(nodes, -1)
            table = np.zeros(shape)
            np.cumsum(own, axis=1, out=table[:, 1:])
            back.lower[:] += np.bincount(row, table.ravel()[low], n)
            table = np.zeros(shape)
            np.cumsum(own[:, ::-1], axis=1, out=table[:, -2::-1])
            back.higher[:] += np.bincount(row, table.ravel()[high], n)
    return ahead, back


def _add_equal(
    failures: Failures, seen: Seen, order: Ints, rows: Ints, ahead: Sums, behind: Sums | None
) -> None:
    """Add up partners of the same rank: sorted by rank and line, they are one stretch."""
    size = failures.rank.size
    key = failures.rank[order] * (size + 1) + order
    base = seen.rank[rows] * (size + 1)
    first = np.searchsorted(key, base + seen.first[rows])
    stop = np.searchsorted(key, base + seen.stop[rows])
    some = first < stop
    first, stop, rows = first[some], stop[some], rows[some]
    ahead.equal[order] = interval_sums(first, stop, seen.weight[rows], size)
    if behind is not None:
        behind.equal[rows] = range_sums(failures.weight[order], first, stop)


def _split(order: Ints, level: int) -> tuple[Ints, Ints]:
    """Sort the places of each node into its left half and its right one, each still by rank.

    Returns the count of places that went left before each, and the new order.
    """
    left = (order >> level) & 1 == 0
    zeros = np.concatenate([[0], np.cumsum(left)])
    place = np.arange(order.size)
    begin = (place >> (level + 1)) << (level + 1)
    inner = zeros[:-1] - (begin >> 1)  # all nodes before are full: half of each went left
    moved = np.empty_like(order)
    moved[np.where(left, begin + inner, place - inner + (1 << level))] = order
    return zeros, moved


@dataclass
class _Path:
    """One way down the tree for each row, and where its rank would stand in the node reached.

    The stretch strictly between the leaves ``leaf`` and ``other`` is made of the siblings on
    the way, once the two ways have parted: left ones where the path to the end of the stretch
    turns right, right ones where the path to its beginning turns left.
    """

    row: Ints
    leaf: Ints
    other: Ints
    below: Ints
    upto: Ints
    right: bool

    def descend(self, zeros: Ints, level: int) -> tuple[Ints, Ints, Ints]:
        """Take one step; return the rows that cover a sibling, and their two cells in it."""
        begin = (self.leaf >> (level + 1)) << (level + 1)
        half = begin >> 1
        left = zeros[begin + self.below] - half, zeros[begin + self.upto] - half
        right = self.below - left[0], self.upto - left[1]
        turned: Bools = (self.leaf >> level) & 1 == 1
        parted = (self.leaf ^ self.other) >> (level + 1) != 0
        gives = parted & (turned == self.right)
        low, high = left if self.right else right
        self.below, self.upto = (np.where(turned, r, ll) for ll, r in zip(left, right, strict=True))
        # A node of 2^level places has one cell more, for ranks after all of them.
        node = (begin[gives] >> level) + (0 if self.right else 1)
        start = node * ((1 << level) + 1)
        return self.row[gives], start + low[gives], start + high[gives]
