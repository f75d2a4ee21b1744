"""Rows of a proportional-hazards model, sorted once, with the risk sets as ranges.

Only the order of the failures matters. Walk backward in time, stratum after stratum, and number
the distinct failure times g = 0 ... G-1 on the way. A row joins the risk set at the first of
them that it was still running at, and leaves it at the first that it had not yet entered by, so
a sum over a risk set is a cumulative sum over g, whatever the entries and the strata.

The numbers g are divided into segments, at first one for each stratum. Sums start anew in each
segment, and each has an origin of its own for covariates and for log risks, since the partial
likelihood of a segment does not depend on either. `_segments.cut` divides segments further where
sums would lose digits.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from survjax._core.parallel import BLOCK, in_parts
from survjax._core.ranges import restarted_cumsum
from survjax._core.validation import check_rows
from survjax.data.times import merge_rounding, merge_sorted
from survjax.nonparametric.rows import Bools, Floats, Ints, Rows

__all__ = ["RiskSets", "sort_rows", "subset"]

#: Rows looked at to center and scale covariates, which need not be exact.
SAMPLE = 20_000
#: Share of their values drawn in at either end.
TRIMMED = 0.05
#: Columns whose spread within segments is less than this share of the whole get a scale of it.
NARROW = 0.1
#: A column with less spread than this within segments, next to its whole, is constant there.
CONSTANT = 1e-12


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


def sort_rows(
    rows: Rows, x: Floats, stratum: Ints | None, offset: Floats | None = None
) -> RiskSets:
    """Sort rows backward in time, and find the failure times each is at risk at."""
    order, times, entry = _order(rows, stratum)
    group = None if stratum is None else stratum[order]
    weight = rows.weight[order]
    event = rows.event_observed[order] & (weight > 0)
    fresh = np.ones(order.size, dtype=bool)
    np.not_equal(times[1:], times[:-1], out=fresh[1:])
    if group is not None:
        fresh[1:] |= group[1:] != group[:-1]
    tie = np.cumsum(fresh) - 1
    failing = np.bincount(tie, event) > 0
    first = np.flatnonzero(fresh)[failing]
    failure_times = times[first]
    own = np.zeros(first.size, dtype=np.int64) if group is None else group[first]
    # Walking backward, the next failure time at or before the row's own.
    join: Ints = (np.cumsum(failing) - failing)[tie]
    end = first.size if group is None else np.searchsorted(own, group, side="right")
    leave = None if entry is None else _leave(entry, group, failure_times, own)
    if leave is not None and np.all(leave >= end):
        leave = None
    kept = (join < (end if leave is None else leave)) & (weight > 0)
    if not kept.all():
        order, weight, event, join = order[kept], weight[kept], event[kept], join[kept]
        leave = None if leave is None else leave[kept]
    table, center, scale = _standardize(x, order)
    segments = np.flatnonzero(np.diff(own, prepend=-1))
    sets = RiskSets(
        order=order,
        x=table,
        center=center,
        scale=scale,
        weight=weight,
        event=event,
        join=join,
        leave=leave,
        start=np.searchsorted(join, np.arange(first.size + 1)),
        times=failure_times,
        stratum=own,
        first=segments,
        origin=np.zeros((table.shape[0], segments.size)),
        offset=None if offset is None else offset[order],
    )
    return sets if segments.size == 1 else centered(sets)


def _order(rows: Rows, stratum: Ints | None) -> tuple[Ints, Floats, Floats | None]:
    """Sort by stratum and backward in time; times equal up to rounding become equal."""
    times, entry = rows.durations, rows.entry
    order = _argsort(times)
    times = times[order]
    if entry is None:
        times = merge_sorted(times)
    else:
        entry = entry[order]
        lengths = times - np.maximum(entry, 0.0)
        times, entry = np.split(merge_rounding(np.concatenate([times, entry]), lengths), 2)
        empty = entry >= times
        if empty.any():
            good = np.ones(order.size, dtype=bool)
            good[order[empty]] = False
            advice = "these rows are empty but for rounding: drop them, or correct their times"
            rule = "below the row's duration by more than rounding"
            check_rows(np.asarray(rows.entry), good, "entry", rule, advice)
        entry = entry[::-1]
    order, times = order[::-1], times[::-1]
    if stratum is not None:
        by = np.argsort(stratum[order], kind="stable")
        order, times = order[by], times[by]
        entry = None if entry is None else entry[by]
    return order, times, entry


def _argsort(times: Floats) -> Ints:
    """Sort; small whole numbers, such as days, by counting."""
    if times.size and times[0] == np.rint(times[0]) and times.max() < 2**16:
        small = times.astype(np.uint16)
        if np.array_equal(small, times):
            return np.argsort(small, kind="stable")
    return np.argsort(times)


def _leave(entry: Floats, group: Ints | None, times: Floats, own: Ints) -> Ints:
    """Number, walking backward, the first failure time by which each row had not entered."""
    if group is None:
        return times.size - np.searchsorted(times[::-1], entry, side="right")
    # One search over all strata at once: ranks of times, lifted by their stratum.
    line = np.unique(np.concatenate([times, entry]))
    lift = line.size + 1
    keys = -own * lift + np.searchsorted(line, times)
    asked = -group * lift + np.searchsorted(line, entry)
    return times.size - np.searchsorted(keys[::-1], asked, side="right")


def _middle(sample: Floats) -> tuple[Floats, Floats]:
    """Mean and spread of each line, its outermost values drawn in.

    A wrong unit or a code for a missing value, far outside the others, must not make them all
    alike: the climb would take them for no information.
    """
    out = int(TRIMMED * sample.shape[1])
    marks = np.partition(sample, (out, sample.shape[1] - 1 - out), axis=1)
    low, high = marks[:, out, None], marks[:, sample.shape[1] - 1 - out, None]
    inner = np.clip(sample, low, high)
    alike = (low == high)[:, 0]
    inner[alike] = sample[alike]
    return inner.mean(axis=1), inner.std(axis=1)


def _standardize(x: Floats, order: Ints) -> tuple[Floats, Floats, Floats]:
    """Copy covariates in sorted order, centered and scaled so that units do not matter."""
    sample = np.ascontiguousarray(x[:: max(x.shape[0] // SAMPLE, 1)].T, dtype=np.float64)
    center, scale = _middle(sample)
    flat = scale <= 1e-12 * np.abs(center)
    if np.any(flat):
        # Constant in the sample: rare values elsewhere must not be blown up.
        rest = x[:, flat].astype(np.float64)
        center[flat], scale[flat] = rest.mean(axis=0), rest.std(axis=0)
        flat = scale <= 1e-12 * np.abs(center)
    scale[flat] = 1.0
    table = np.empty((x.shape[1], order.size))

    def gather(begin: int, end: int) -> None:
        for start in range(begin, end, BLOCK):
            rows = order[start : min(start + BLOCK, end)]
            table[:, start : start + rows.size] = ((x[rows] - center) / scale).T

    in_parts(gather, order.size)
    return table, center, scale


def centered(sets: RiskSets, *, rescale: bool = True) -> RiskSets:
    """Center the covariates of each segment, and scale them to their spread within segments."""
    edges = np.append(sets.start[sets.first], sets.order.size)
    mean = np.add.reduceat(sets.x, edges[:-1], axis=1) / np.diff(edges)
    x = sets.x - np.repeat(mean, np.diff(edges), axis=1)
    origin = sets.origin + mean
    if not rescale:
        return replace(sets, x=x, origin=origin, finer=[])
    spread = _middle(np.ascontiguousarray(x[:, :: max(x.shape[1] // SAMPLE, 1)]))[1]
    narrow = (spread > CONSTANT) & (spread < NARROW)
    # One row a segment, or one value in most of them, says nothing of the spread.
    factor = np.where(narrow, spread, 1.0)[:, None]
    if narrow.any():
        x, origin = x / factor, origin / factor
    return replace(sets, x=x, origin=origin, scale=sets.scale * factor[:, 0], finer=[])


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
