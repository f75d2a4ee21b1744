"""Divisions of the failure times into segments, as fine as exact sums over risk sets need.

A row at risk in several segments is one row in each: a history cut into rows is the same history.
So within a segment nothing is at risk but its own rows, risks are relative to its own largest one,
and what is summed are terms of like size. Sums over the rows that joined, minus those that left,
keep their digits as long as neither is much larger than what is left; where it is, a new segment
begins, with a sum of its own over the rows at risk then.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from survjax._core.ranges import restarted_cumsum
from survjax.cox.risk_sets.centering import centered
from survjax.cox.risk_sets.sets import RiskSets
from survjax.nonparametric.rows import Bools, Floats, Ints

__all__ = ["Risks", "cut", "cut_drifts", "lost_digits", "risk_sums"]

#: Sums may be so many times larger than their difference: twelve digits are left of sixteen.
LARGEST_RATIO = 1e4
#: Hazards that a row did not pass may be so large next to one.
LARGEST_REST = 1e5
#: A denominator this much smaller than the largest risk has a square that underflows.
VANISHED = 1e-140
#: Blocks of rows whose means tell a drift of covariates, and the drift, in standard deviations
#: among rows of one time, beyond which a new segment begins.
DRIFT_BLOCKS, LARGEST_DRIFT = 256, 20.0
#: Rows of a block that tell its mean.
DRIFT_ROWS = 64
#: Segments up to which drifts are looked for.
MOST_STRATA = 1000


class Risks(NamedTuple):
    """Log risks of rows (n,) and their weighted risks, next to the largest of each segment (K,)."""

    log: Floats
    risk: Floats
    top: Floats


def risk_sums(sets: RiskSets, risk: Floats) -> tuple[Floats, Bools | None]:
    """Return the sum of a risk of each row over the risk sets, and where it lost digits: (G,)."""
    joined, left = sets.joined(risk), sets.left(risk)
    if left is None:
        return restarted_cumsum(joined, sets.first), None
    total = restarted_cumsum(joined - left, sets.first)
    return total, restarted_cumsum(joined, sets.first) > LARGEST_RATIO * total


def lost_digits(sets: RiskSets, risks: Risks, hazard: Floats) -> Bools:
    """Tell at which failure times hazards that rows did not pass hide those that they did."""
    lost = np.zeros(sets.n_times, dtype=bool)
    if sets.leaving is None:
        return lost
    rest = sets.rest(hazard)
    if rest.max() <= LARGEST_REST:
        return lost
    rows = np.flatnonzero(sets.leaving < sets.n_times)
    # What a row that leaves did not pass, in units of its own risk.
    hidden = np.exp(risks.log[rows]) * rest[sets.leaving[rows]] > LARGEST_REST
    bad = np.zeros(sets.first.size, dtype=bool)
    bad[sets.segment[sets.join[rows[hidden]]]] = True
    edges = np.append(sets.first, sets.n_times)
    middle = (edges[:-1] + edges[1:]) // 2
    lost[middle[bad & (np.diff(edges) > 1)]] = True
    return lost


def places_to_cut(sets: RiskSets, total: Floats, lost: Bools | None, thorough: bool) -> Ints:
    """Return where segments must begin so that sums over risk sets keep their digits.

    Parameters
    ----------
    sets : RiskSets
    total, lost : ndarray of shape (G,)
        As `risk_sums` gives them.
    thorough : bool
        Halve segments too, instead of trusting that few places are at fault.
    """
    bad = total <= VANISHED
    at = np.zeros(sets.n_times + 1, dtype=bool)
    # What comes before far larger risks gets a segment of its own, up to the last such place.
    at[1:] |= bad & np.append(~bad[1:], True)
    if lost is not None:
        fresh = lost & ~np.append(False, lost[:-1])
        # The first place in each segment: the others depend on it.
        seen = restarted_cumsum(fresh.astype(float), sets.first)
        at[:-1] |= fresh & (seen == 1)
        bad = bad | lost
    if thorough:
        edges = np.append(sets.first, sets.n_times)
        within = np.bincount(sets.segment, bad, sets.first.size) > 0
        at[((edges[:-1] + edges[1:]) // 2)[within]] = True
    at[sets.first] = at[-1] = False
    return np.flatnonzero(at)


def cut(sets: RiskSets, at: Ints) -> RiskSets:
    """Begin new segments at some failure times; rows at risk before and after become two."""
    low, high = np.searchsorted(at, sets.join, "right"), np.searchsorted(at, sets.until, "left")
    pieces = 1 + np.maximum(high - low, 0)
    source = np.repeat(np.arange(pieces.size), pieces)
    place = np.arange(source.size) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    following = low[source] + place
    edges = np.append(at, sets.n_times)
    join = np.where(place == 0, sets.join[source], edges[following - 1])
    last = place == pieces[source] - 1
    leave = np.where(last, sets.until[source], edges[np.minimum(following, at.size)])
    by = np.argsort(join, kind="stable")
    source, join, leave, place = source[by], join[by], leave[by], place[by]
    first = np.union1d(sets.first, at)
    origin = sets.origin[:, sets.segment[first]]
    end = np.append(first[1:], sets.n_times)[np.searchsorted(first, join, "right") - 1]
    return centered(
        replace(
            sets,
            order=sets.order[source],
            x=sets.x[:, source],
            weight=sets.weight[source],
            event=sets.event[source] & (place == 0),
            join=join,
            leave=None if np.all(leave >= end) else leave,
            start=np.searchsorted(join, np.arange(sets.n_times + 1)),
            first=first,
            origin=origin,
            offset=None if sets.offset is None else sets.offset[source],
            finer=[],
        ),
        rescale=False,
    )


def cut_drifts(sets: RiskSets) -> RiskSets:
    """Begin new segments where covariates drift far along time, next to their spread at a time."""
    if sets.leave is None or sets.first.size > MOST_STRATA:
        return sets
    wanted = np.linspace(0, sets.order.size, DRIFT_BLOCKS + 1)[:-1].astype(np.int64)
    places = np.union1d(sets.first, sets.join[wanted])
    edges = np.append(sets.start[places], sets.order.size)
    # Some rows of each block tell its mean; every block keeps at least its first.
    step = max(int(np.diff(edges).min()) // DRIFT_ROWS, 1)
    rows = np.concatenate([np.arange(a, b, step) for a, b in itertools.pairwise(edges)])
    count = -(-np.diff(edges) // step)
    begin = np.cumsum(count) - count
    x = sets.x[:, rows] if step > 1 else sets.x
    mean = np.add.reduceat(x, begin, axis=1) / count
    square = np.add.reduceat(np.square(x), begin, axis=1) / count
    # Few rows may be alike by chance; blocks of one row have no spread at all.
    spread = np.sqrt(np.maximum(square - mean**2, 0.0))[:, count > 1]
    if spread.shape[1] == 0:
        return sets
    unit = np.median(spread, axis=1)
    moved = mean / np.where(unit > 1e-12, unit, np.inf)[:, None]
    begins = np.isin(places, sets.first)
    at, here = [], moved[:, 0]
    for k in range(1, places.size):
        if begins[k]:
            here = moved[:, k]
        elif np.any(np.abs(moved[:, k] - here) > LARGEST_DRIFT):
            at.append(places[k])
            here = moved[:, k]
    return centered(cut(sets, np.array(at))) if at else sets
