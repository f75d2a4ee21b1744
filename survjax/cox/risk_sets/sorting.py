"""Rows sorted backward in time, stratum after stratum, and the failure times each is at risk at."""

from __future__ import annotations

import numpy as np

from survjax._core.validation import check_rows
from survjax.cox.risk_sets.centering import centered, standardize
from survjax.cox.risk_sets.sets import RiskSets
from survjax.data.times import merge_rounding, merge_sorted
from survjax.nonparametric.rows import Floats, Ints, Rows

__all__ = ["sort_rows"]


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
    table, center, scale = standardize(x, order)
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
