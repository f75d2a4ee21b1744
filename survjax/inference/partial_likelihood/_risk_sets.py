"""Rows of a proportional-hazards model, sorted once, with the risk sets as ranges.

Only the order of the failures matters. Walk backward in time, stratum after stratum, and number
the distinct failure times g = 0 ... G-1 on the way. A row joins the risk set at the first of
them that it was still running at, and leaves it at the first that it had not yet entered by, so
a sum over a risk set is a cumulative sum over g, whatever the entries and the strata.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from survjax.inference._parallel import BLOCK, in_parts
from survjax.inference.nonparametric._rows import (
    Bools,
    Floats,
    Ints,
    Rows,
    merge_rounding,
    merge_sorted,
)

__all__ = ["RiskSets", "sort_rows", "subset"]

#: Rows looked at to center and scale covariates, which need not be exact.
SAMPLE = 20_000
#: Share of their values drawn in at either end.
TRIMMED = 0.05


@dataclass(frozen=True)
class RiskSets:
    """Rows sorted backward in time, without those that no failure needs.

    Attributes
    ----------
    order : ndarray of shape (n,)
        Where each sorted row stands in the data.
    x : ndarray of shape (p, n)
        Covariates ``(data - center) / scale``, one covariate a line: sums run along memory.
    center, scale : ndarray of shape (p,)
        What units and origins the covariates had.
    weight, event : ndarray of shape (n,)
        Frequencies, and whether the failure was seen.
    join, leave : ndarray of shape (n,)
        The row is at risk at ``join <= g < leave``; `leave` is None where it is G throughout.
    start : ndarray of shape (G + 1,)
        Rows ``start[g]`` to ``start[g + 1]`` join at g.
    times, stratum : ndarray of shape (G,)
        The failure times, and the number of their stratum.
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

    @property
    def n_times(self) -> int:
        """Number of distinct failure times, strata apart."""
        return self.times.size

    def at_risk(self, values: Floats) -> Floats:
        """Sum a value of each row (n,) over the risk sets: (G,)."""
        sums = np.add.reduceat(values, self.start[:-1])
        if self.leave is not None:
            sums -= np.bincount(self.leave, values, self.n_times + 1)[:-1]
        return np.cumsum(sums)

    def passed(self, amount: Floats) -> Floats:
        """Sum an amount per failure time (..., G) over the times each row is at risk: (..., n)."""
        rest = np.zeros((*amount.shape[:-1], self.n_times + 1))
        rest[..., :-1] = np.cumsum(amount[..., ::-1], axis=-1)[..., ::-1]
        since = rest[..., self.join]
        return since if self.leave is None else since - rest[..., self.leave]


def sort_rows(rows: Rows, x: Floats, stratum: Ints | None) -> RiskSets:
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
    leave = _leave(entry, group, failure_times, own)
    end = first.size if leave is None else leave
    kept = (join < end) & (weight > 0)
    if not kept.all():
        order, weight, event, join = order[kept], weight[kept], event[kept], join[kept]
        leave = None if leave is None else leave[kept]
    table, center, scale = _standardize(x, order)
    return RiskSets(
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
    )


def _order(rows: Rows, stratum: Ints | None) -> tuple[Ints, Floats, Floats | None]:
    """Sort by stratum and backward in time; times equal up to rounding become equal."""
    times, entry = rows.durations, rows.entry
    order = _argsort(times)
    times = merge_sorted(times[order])
    order, times = order[::-1], times[::-1]
    if entry is not None:
        times, entry = np.split(merge_rounding(np.concatenate([times, entry[order]])), 2)
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


def _leave(entry: Floats | None, group: Ints | None, times: Floats, own: Ints) -> Ints | None:
    """Number, walking backward, the first failure time by which each row had not entered."""
    if group is None:
        if entry is None:
            return None
        return times.size - np.searchsorted(times[::-1], entry, side="right")
    end = np.searchsorted(own, group, side="right")
    if entry is None:
        return end
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


def subset(sets: RiskSets, every: slice) -> RiskSets:
    """Keep some of the sorted rows, and only the failure times that still have a failure."""
    event, join = sets.event[every], sets.join[every]
    failing = np.bincount(join, event, sets.n_times) > 0
    number = np.concatenate([[0], np.cumsum(failing)])
    join = number[join]
    leave = None if sets.leave is None else number[sets.leave[every]]
    kept = join < (number[-1] if leave is None else leave)
    join = join[kept]
    return replace(
        sets,
        order=sets.order[every][kept],
        x=np.ascontiguousarray(sets.x[:, every][:, kept]),
        weight=sets.weight[every][kept],
        event=event[kept],
        join=join,
        leave=None if leave is None else leave[kept],
        start=np.searchsorted(join, np.arange(number[-1] + 1)),
        times=sets.times[failing],
        stratum=sets.stratum[failing],
    )
