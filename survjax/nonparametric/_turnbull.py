"""The nonparametric estimate from intervals: Turnbull's."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.callers import users_level
from survjax._core.ranges import interval_sums, range_sums
from survjax._core.validation import check_length, check_rows, check_times, check_weights
from survjax.data.labels import rows_by_position
from survjax.nonparametric._increments import Ranges, solve_increments
from survjax.nonparametric._step import StepCurve
from survjax.nonparametric.rows import Bools, Floats, Ints, check_ages, merge_rounding

__all__ = ["turnbull"]


def turnbull(
    lower: ArrayLike,
    upper: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    exit: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> StepCurve:
    """Estimate the survival curve from intervals, by nonparametric maximum likelihood.

    Each row says that the lifetime lies in (lower, upper], or is lower where the two are
    equal. With p the probability of each place of mass, the estimate maximizes
    ``sum w [log P(lower < T <= upper) - log P(entry < T <= exit)]``.

    Parameters
    ----------
    lower : array-like of shape (n,)
        Last time known to have survived; 0 for a left-censored row.
    upper : array-like of shape (n,)
        First time known to have failed; inf for a right-censored row.
    entry : array-like of shape (n,) or float, optional
        Left truncation: the unit was seen only because its life exceeds entry.
    exit : array-like of shape (n,) or float, optional
        Right truncation: the unit was seen only because it failed by exit. It cannot be
        combined with ``entry``.
    sample_weight : array-like of shape (n,), optional
        Frequencies; fractions are fine.

    Returns
    -------
    StepCurve
        One step for each place of mass (an "innermost interval"), at its right end
        ``times``; the mass may lie anywhere from ``starts`` to there, so between the two the
        curve is an upper limit. Beyond the last finite bound of any row it is NaN, unless it
        has reached 0. ``events`` and ``at_risk`` are expected numbers under the
        estimate. The bounds and the variance are NaN: the usual formulas do not hold for
        an estimate that converges at the rate of the cube root (Groeneboom and Wellner
        1992); use a bootstrap. ``log_likelihood`` is the maximum; where the curve runs out
        before all units were seen, it is the limit that likelihoods of such curves approach.

    Warns
    -----
    UserWarning
        If truncation leaves the curve no choice but to fall to 0 before, or to stay at 1 until
        after, times at which other units were known to run or to have failed.

    Raises
    ------
    ValueError
        If a row is empty (lower > upper), missing, or contradicts its truncation.

    References
    ----------
    Turnbull (1976), JRSS B 38; Alioum and Commenges (1996), Biometrics 52 (truncation);
    Wang (2007), JRSS B 69 (constrained Newton method).

    Examples
    --------
    >>> curve = turnbull([0, 2, 2, 6], [4, 4, float("inf"), 8])
    >>> curve.starts.tolist(), curve.times.tolist(), curve.values.round(4).tolist()
    ([2.0, 6.0], [4.0, 8.0], [0.3333, 0.0])
    """
    rows = _check_intervals(lower, upper, entry, exit, sample_weight)
    if rows.exit is None:
        return _estimate(rows)
    if rows.entry is not None:
        raise ValueError(
            "turnbull takes entry or exit, not both: with both the likelihood has many maxima."
        )
    return _estimate_reversed(rows)


@dataclass(frozen=True)
class _Intervals:
    lower: Floats
    upper: Floats
    exact: Bools
    entry: Floats | None
    exit: Floats | None
    weight: Floats


@rows_by_position
def _check_intervals(
    lower: ArrayLike,
    upper: ArrayLike,
    entry: ArrayLike | None,
    exit: ArrayLike | None,
    sample_weight: ArrayLike | None,
) -> _Intervals:
    """Check the rows, make times equal that differ by rounding, and drop weight 0."""
    low = check_times(lower, "lower", zero=True)
    high = check_times(upper, "upper", zero=True, infinite=True)
    check_length(high, low.size, "upper")
    weight = check_weights(sample_weight, low.size)
    begin = np.zeros(0) if entry is None else check_ages(entry, "entry", low.size)
    end = np.zeros(0) if exit is None else check_ages(exit, "exit", low.size, infinite=True)
    parts = [low, high, begin, end]
    cuts = np.cumsum([part.size for part in parts])[:-1]
    low, high, begin, end = np.split(merge_rounding(np.concatenate(parts)), cuts)
    check_rows(low, low <= high, "lower", "at most upper", "swap or correct these bounds")
    exact = low == high
    if entry is not None:
        good = (begin < high) | ((begin == 0) & (high == 0))
        check_rows(begin, good, "entry", "below upper", "drop units that were never watched")
        low = np.where(exact, low, np.maximum(low, begin))
        begin = np.where(begin == 0, -np.inf, begin)
    if exit is not None:
        good = np.where(exact, end >= low, end > low)
        check_rows(end, good, "exit", "above lower", "drop units that could not be seen to fail")
        high = np.minimum(high, end)
    keep = weight > 0
    return _Intervals(
        low[keep],
        high[keep],
        exact[keep],
        None if entry is None else begin[keep],
        None if exit is None else end[keep],
        weight[keep],
    )


def _keys(rows: _Intervals) -> tuple[Floats, Ints, Ints]:
    """Order the ends of all rows: key 2i is the i-th time itself, 2i + 1 just after it."""
    parts = [rows.lower, rows.upper]
    parts += [part for part in (rows.entry, rows.exit) if part is not None]
    line = np.unique(np.concatenate(parts))
    left = 2 * np.searchsorted(line, rows.lower) + ~rows.exact
    return line, left, 2 * np.searchsorted(line, rows.upper)


def innermost_intervals(left: Ints, right: Ints) -> tuple[Ints, Ints]:
    """Return the intervals that begin with a left key and end with the next right key.

    Only there can the estimate put mass (Turnbull 1976; with truncation, Alioum and
    Commenges 1996): moving mass into them never lowers the likelihood.
    """
    lefts, rights = np.unique(left), np.unique(right)
    before = np.searchsorted(lefts, rights, side="right") - 1
    keep = before >= 0
    place, first = np.unique(before[keep], return_index=True)
    return lefts[place], rights[keep][first]


def _fit(
    left: Ints, right: Ints, begin: Ints | None, endless: Bools, weight: Floats
) -> tuple[Ints, Ints, Floats, Ranges]:
    """Return places of mass (left and right keys), increments of the hazard, and the rows.

    ``begin`` is the first key a row could have been seen at, ``endless`` marks the rows
    that need not have failed at any finite place.
    """
    ends = right if begin is None else np.concatenate([right, begin - 1])
    start, stop = innermost_intervals(left, ends)
    size = start.size
    if np.any(endless) and stop[-1] == right[endless][0]:
        size -= 1  # mass beyond the last finite place is what the curve leaves over
    first = np.minimum(np.searchsorted(start, left), size)
    last = np.searchsorted(stop, right, side="right") - 1
    last = np.where(endless, first - 1, last)
    entered = np.zeros_like(first) if begin is None else np.searchsorted(start, begin)
    rows = Ranges(np.minimum(entered, first), first, last, weight, size)
    return start[:size], stop[:size], solve_increments(rows), rows


def _estimate(rows: _Intervals) -> StepCurve:
    """Solve with time running forward."""
    line, left, right = _keys(rows)
    begin = None if rows.entry is None else 2 * np.searchsorted(line, rows.entry) + 1
    start, stop, theta, ranges = _fit(left, right, begin, np.isinf(rows.upper), rows.weight)
    mass, survival, events, loglik = _expectations(theta, ranges)
    doomed = np.flatnonzero(np.isinf(theta))
    if doomed.size and doomed[0] < np.max(ranges.first, initial=0):
        warnings.warn(
            f"the curve reaches 0 at {line[stop[doomed[0]] // 2]:g} although units were seen "
            "later: nobody under observation is known to have outlived that time.",
            stacklevel=users_level(),
        )
    used = mass > 0
    at_risk = events[used] / -np.expm1(-theta[used])
    ends = line[start[used] // 2], line[stop[used] // 2]
    return _curve(*ends, survival[1:][used], at_risk, events[used], loglik, _last_seen(rows))


def _estimate_reversed(rows: _Intervals) -> StepCurve:
    """Solve right truncation as left truncation of time run backward."""
    line, left, right = _keys(rows)
    assert rows.exit is not None
    top = 2 * line.size
    begin = top - 2 * np.searchsorted(line, rows.exit)
    never = np.zeros(left.size, dtype=bool)
    start, stop, theta, ranges = _fit(top - right, top - left, begin, never, rows.weight)
    mass, _, events, loglik = _expectations(theta, ranges)
    first = (top - stop) // 2
    doomed = np.flatnonzero(np.isinf(theta))
    if doomed.size and doomed[0] < np.max(ranges.first, initial=0):
        warnings.warn(
            f"the curve stays at 1 until {line[first[doomed[0]]]:g} although units had failed "
            "before: of those whose exit is late enough to be seen later, none is known to have "
            "failed before that time. The curve says nothing of earlier times.",
            stacklevel=users_level(),
        )
    mass, events = mass[::-1], events[::-1]
    beyond = np.append(np.cumsum(mass[::-1])[::-1][1:], 0.0)
    used = mass > 0
    at_risk = np.full(int(used.sum()), np.nan)
    starts, times = line[first[::-1]], line[((top - start) // 2)[::-1]]
    parts = starts[used], times[used], beyond[used], at_risk, events[used], loglik
    return _curve(*parts, _last_seen(rows))


def _last_seen(rows: _Intervals) -> float:
    """The last finite bound of any row."""
    finite = rows.upper[np.isfinite(rows.upper)]
    return max(float(rows.lower.max()), float(finite.max(initial=0.0)))


def _expectations(theta: Floats, rows: Ranges) -> tuple[Floats, Floats, Floats, float]:
    """Return mass (m,), survival before and after (m + 1,), expected events, log-likelihood.

    Nobody is known to have outlived a place of infinite hazard. Where some came under
    observation after it, survival from there on is left as it would be without it.
    """
    heights = np.concatenate([[0.0], np.cumsum(theta)])
    survival = np.exp(-heights)
    mass = survival[:-1] * -np.expm1(-theta)
    failed = rows.last >= rows.first
    first, last, weight = rows.first[failed], rows.last[failed], rows.weight[failed]
    finite = np.where(np.isinf(theta), 0.0, theta)
    ended = np.concatenate([[0], np.cumsum(np.isinf(theta))])
    span = np.where(ended[last + 1] > ended[first], np.inf, range_sums(finite, first, last + 1))
    chance = survival[first] * -np.expm1(-span)
    share = np.where(chance > 0, weight / np.where(chance > 0, chance, 1.0), 0.0)
    events = mass * interval_sums(first, last + 1, share, rows.size)
    # A row outlived no such place while it was watched.
    lived = rows.weight @ range_sums(finite, rows.begin, rows.first)
    return mass, survival, events, float(weight @ np.log(-np.expm1(-span)) - lived)


def _curve(
    starts: Floats,
    times: Floats,
    values: Floats,
    at_risk: Floats,
    events: Floats,
    log_likelihood: float,
    end: float,
) -> StepCurve:
    """Lay the places of positive mass out as a step curve."""
    unknown = np.full(values.size, np.nan)
    return StepCurve(
        times=times,
        values=values,
        lower=unknown,
        upper=unknown,
        at_risk=at_risk,
        events=events,
        variance=unknown,
        starts=starts,
        log_likelihood=log_likelihood,
        end=end,
        complete=bool(values.size) and bool(values[-1] == 0),
    )
