"""The ends of many searches in their order: the answer of each, and its other maxima."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import numpy as np

from survjax.fitting.groups.newton import Ends
from survjax.fitting.ranking import SAME
from survjax.fitting.search import Maximum
from survjax.fitting.starts import canonical


class Runs(Protocol):
    """All runs of some searches: their groups (M,), starts (M, p), ends and numbers."""

    group: np.ndarray
    starts: np.ndarray
    n_agreeing: np.ndarray
    ends: Ends
    n_starts: np.ndarray


@dataclasses.dataclass(frozen=True)
class Ranked:
    """What the searches of m groups found.

    Attributes
    ----------
    which : array of shape (m,)
        The groups.
    begins : array of shape (m + 1,)
        Where the ends of each begin: its answer, then its other ends by falling log-likelihood.
    ends : Ends
        Of all of them, one group after the other.
    good : array of shape (M,)
        Whether each end is an interior maximum.
    starts : array of shape (M, p)
    n_agreeing : array of shape (M,)
        Starts that ended there.
    n_starts : array of shape (m,)
    """

    which: np.ndarray
    begins: np.ndarray
    ends: Ends
    good: np.ndarray
    starts: np.ndarray
    n_agreeing: np.ndarray
    n_starts: np.ndarray

    def of(self, names: np.ndarray) -> Ranked:
        """The same with other numbers of the groups."""
        return dataclasses.replace(self, which=names[self.which])

    @classmethod
    def joined(cls, parts: list[Ranked]) -> Ranked:
        """Those of several, in the order of their groups."""
        counts = np.concatenate([np.diff(part.begins) for part in parts])
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("which", "good", "starts", "n_agreeing", "n_starts")
        }
        ends = Ends.joined([part.ends for part in parts])
        order = np.argsort(columns["which"], kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(order.size)
        rows = np.argsort(np.repeat(place, counts), kind="stable")
        begins = np.concatenate([[0], np.cumsum(counts[order])])
        return cls(
            columns["which"][order], begins, ends.take(rows), columns["good"][rows],
            columns["starts"][rows], columns["n_agreeing"][rows], columns["n_starts"][order],
        )  # fmt: skip

    @property
    def best(self) -> np.ndarray:
        """Which end is the answer of each group."""
        return self.begins[:-1]

    def maximum(self, j: int) -> Maximum:
        """The answer of the j-th of the groups, as its own search would give it."""
        own = range(self.begins[j], self.begins[j + 1])
        ends = [self.ends.at(r, n_agreeing=int(self.n_agreeing[r])) for r in own]
        start = self.starts[self.begins[j]]
        n = int(self.n_starts[j])
        return Maximum(ends[0], (), n, ends[0].n_agreeing, tuple(ends[1:]), start)


def ranked(runs: Runs, good: np.ndarray) -> Ranked:
    """Different ends of each group, interior maxima first; groups without one are left out."""
    value = np.where(np.isfinite(runs.ends.value), runs.ends.value, -np.inf)
    order = np.lexsort((-value, ~good, runs.group))
    has = np.zeros(runs.n_starts.size, bool)
    has[runs.group[good]] = True
    order = order[has[runs.group[order]]]
    group, ends = runs.group[order], runs.ends.take(order)
    one = agreeing(group, canonical(ends.x), SAME, value[order])
    n_agreeing = np.bincount(one, runs.n_agreeing[order], len(order)).astype(int)
    kept = np.flatnonzero(one == np.arange(len(order)))
    which = np.flatnonzero(has)
    begins = np.searchsorted(group[kept], np.append(which, has.size))
    rows = order[kept]
    return Ranked(
        which, begins, ends.take(kept), good[rows], runs.starts[rows], n_agreeing[kept],
        runs.n_starts[which],
    )  # fmt: skip


def agreeing(
    group: np.ndarray, points: np.ndarray, reach: float, value: np.ndarray | None = None
) -> np.ndarray:
    """For each point (M, q) the first of its group (M,) that it is one with: itself, or an earlier.

    One are points that differ by less than `reach`, and in value by rounding, where it is given.
    """
    order = np.argsort(group, kind="stable")
    sorted_group = group[order]
    first = np.searchsorted(sorted_group, sorted_group)
    rank = np.arange(order.size) - first
    same = np.arange(group.size)
    n_groups, most = np.unique(sorted_group).size, int(rank.max(initial=0)) + 1
    place = np.cumsum(rank == 0) - 1
    table = np.full((n_groups, most), -1)
    table[place, rank] = order
    there = table >= 0
    at = points[table]
    kept = there.copy()
    for i in range(1, most):
        near = np.abs(at[:, i, None] - at[:, :i]).max(axis=-1) < reach
        if value is not None:
            height = value[table]
            gap = np.abs(height[:, i, None] - height[:, :i])
            near &= gap < 1e-6 * (1.0 + np.abs(height[:, :i]))
        near &= kept[:, :i] & there[:, i, None]
        some = np.flatnonzero(near.any(axis=1))
        same[table[some, i]] = table[some, np.argmax(near[some], axis=1)]
        kept[some, i] = False
    return same
