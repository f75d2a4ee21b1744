"""Rows of a proportional-hazards model, sorted once, with the risk sets as ranges.

Only the order of the failures matters. Walk backward in time, stratum after stratum, and number
the distinct failure times g = 0 ... G-1 on the way. A row joins the risk set at the first of
them that it was still running at, and leaves it at the first that it had not yet entered by, so
a sum over a risk set is a cumulative sum over g, whatever the entries and the strata.

The numbers g are divided into segments, at first one for each stratum. Sums start anew in each
segment, and each has an origin of its own for covariates and for log risks, since the partial
likelihood of a segment does not depend on either. `segments.cut` divides segments further where
sums would lose digits.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from survjax._core.ranges import restarted_cumsum
from survjax.nonparametric.rows import Bools, Floats, Ints

__all__ = ["RiskSets", "subset"]


@dataclass(frozen=True)
class RiskSets:
    """Rows sorted backward in time, without those that no failure needs.

    Attributes
    ----------
    order : ndarray of shape (n,)
        Where each sorted row stands in the data. Rows at risk in several segments of a stratum
        occur once for each.
    x : ndarray of shape (p, n)
        Covariates ``(data - center) / scale - origin``, one covariate a line: sums run along
        memory.
    center, scale : ndarray of shape (p,)
        What units and origins the covariates had.
    weight, event : ndarray of shape (n,)
        Frequencies, and whether the failure was seen.
    join, leave : ndarray of shape (n,)
        The row is at risk at ``join <= g < leave``; `leave` is None where every row stays until
        its segment ends.
    start : ndarray of shape (G + 1,)
        Rows ``start[g]`` to ``start[g + 1]`` join at g.
    times, stratum : ndarray of shape (G,)
        The failure times, and the number of their stratum.
    first : ndarray of shape (K,)
        The first g of each segment.
    origin : ndarray of shape (p, K)
        What was subtracted from the standardized covariates of each segment.
    offset : ndarray of shape (n,) or None
        Known part of each row's linear predictor.
    finer : list
        The division into segments that sums needed last: (RiskSets, Failures), or nothing.
    """

    order: Ints
    x: Floats
    center: Floats
    scale: Floats
    weight: Floats
    event: Bools
    join: Ints
    leave: Ints | None
    start: Ints
    times: Floats
    stratum: Ints
    first: Ints
    origin: Floats
    offset: Floats | None = None
    finer: list[Any] = field(default_factory=list, compare=False)

    @property
    def n_times(self) -> int:
        """Number of distinct failure times, strata (and segments) apart."""
        return self.times.size

    @cached_property
    def segment(self) -> Ints:
        """Number of the segment of each failure time: (G,)."""
        return np.repeat(np.arange(self.first.size), np.diff(self.first, append=self.n_times))

    @cached_property
    def end(self) -> Ints:
        """Where the segment of each row ends: (n,)."""
        return np.append(self.first[1:], self.n_times)[self.segment[self.join]]

    @property
    def until(self) -> Ints:
        """Where each row is at risk no more: (n,)."""
        return self.end if self.leave is None else self.leave

    @cached_property
    def leaving(self) -> Ints | None:
        """Where rows leave before their segment ends, and G for the others: (n,), or None."""
        if self.leave is None:
            return None
        return np.where(self.leave < self.end, self.leave, self.n_times)

    def by_row(self, values: Floats) -> Floats:
        """Give each row the value of its segment: (K,) to (n,)."""
        edges = np.append(self.start[self.first], self.order.size)
        return np.repeat(values, np.diff(edges))

    def joined(self, values: Floats) -> Floats:
        """Sum a value of each row (n,) over those that join at each failure time: (G,)."""
        if values.size == self.n_times:
            return values
        return np.add.reduceat(values, self.start[:-1])

    def left(self, values: Floats) -> Floats | None:
        """Sum a value of each row (n,) over those that leave at each failure time: (G,)."""
        if self.leaving is None:
            return None
        return np.bincount(self.leaving, values, self.n_times + 1)[:-1]

    def covariates_at_risk(self, risk: Floats) -> Floats:
        """Sum risk x over each risk set: (p, G)."""
        return np.stack([self.at_risk(risk * line) for line in self.x])

    def at_risk(self, values: Floats) -> Floats:
        """Sum a value of each row (n,) over the risk sets: (G,)."""
        sums, left = self.joined(values), self.left(values)
        return restarted_cumsum(sums if left is None else sums - left, self.first)

    def rest(self, amount: Floats) -> Floats:
        """Sum an amount (..., G) over each failure time and the later ones of its segment."""
        backward = self.n_times - np.append(self.first[1:], self.n_times)[::-1]
        return restarted_cumsum(amount[..., ::-1], backward)[..., ::-1]

    def passed(self, amount: Floats) -> Floats:
        """Sum an amount per failure time (..., G) over the times each row is at risk: (..., n)."""
        rest = self.rest(amount)
        if self.leaving is None:
            return rest[..., self.join]
        rest = np.concatenate([rest, np.zeros((*amount.shape[:-1], 1))], axis=-1)
        return rest[..., self.join] - rest[..., self.leaving]

    def by_data(self, values: Floats, size: int) -> Floats:
        """Add up a value of each sorted row (..., n) by row of the data: (..., size)."""
        if values.ndim > 1:
            return np.stack([self.by_data(line, size) for line in values])
        return np.bincount(self.order, values, size)


def subset(sets: RiskSets, every: slice) -> RiskSets:
    """Keep some of the sorted rows, and only the failure times that still have a failure."""
    event, join = sets.event[every], sets.join[every]
    failing = np.bincount(join, event, sets.n_times) > 0
    number = np.concatenate([[0], np.cumsum(failing)])
    join, until = number[join], number[sets.until[every]]
    kept = join < until
    join = join[kept]
    own = sets.segment[failing]
    first = np.flatnonzero(np.diff(own, prepend=-1))
    return replace(
        sets,
        order=sets.order[every][kept],
        x=np.ascontiguousarray(sets.x[:, every][:, kept]),
        weight=sets.weight[every][kept],
        event=event[kept],
        join=join,
        leave=None if sets.leave is None else until[kept],
        start=np.searchsorted(join, np.arange(number[-1] + 1)),
        times=sets.times[failing],
        stratum=sets.stratum[failing],
        first=first,
        origin=sets.origin[:, own[first]],
        offset=None if sets.offset is None else sets.offset[every][kept],
        finer=[],
    )
