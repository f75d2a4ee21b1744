"""How durations were written down: rounding to a resolution, and exact ties.

Recorded durations are rounded. A density rewards a component that collapses on one tied value;
the probability of the recording interval does not (Liu, Wu and Meeker 2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from survjax._core.validation import check_rows

if TYPE_CHECKING:
    from survjax.data.observations import Observations

#: Rows looked at before deciding whether ties are worth looking for.
SAMPLE = 2048
#: Ties are tabulated by counting where the range holds at most this many steps.
MAX_STEPS = 1 << 20
#: Steps narrower than this share of a duration are lost in its last digits.
ROUNDING = 4 * np.finfo(np.float64).eps


def check_rounding(rounding: str) -> None:
    """Refuse what is no way to round."""
    if not isinstance(rounding, str) or rounding not in ("up", "nearest", "down"):
        raise ValueError(f"rounding must be 'up', 'nearest' or 'down', got {rounding!r}")


def check_resolution(resolution: Any) -> float | None:
    """The width of a rounding step, a positive number; None where it is to be found ("auto")."""
    if isinstance(resolution, str) and resolution == "auto":
        return None
    number = isinstance(resolution, (int, float, np.integer, np.floating))
    if not number or isinstance(resolution, bool) or not 0.0 < float(resolution) < np.inf:
        raise ValueError(f"resolution must be a positive width or 'auto', got {resolution!r}")
    return float(resolution)


def recording_intervals(
    times: np.ndarray, events: np.ndarray, resolution: float | str, rounding: str
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (lower, upper] of what each recorded duration stands for.

    Running units keep their time as lower bound, and inf as upper.
    """
    check_rounding(rounding)
    width = check_resolution(resolution)
    width = find_resolution(times) if width is None else width
    if width < ROUNDING * times.max():
        raise ValueError(
            f"resolution must be coarser than the rounding errors of the durations (up to "
            f"{times.max():g}), got {width:g}: leave it out where durations are not rounded"
        )
    below = {"up": width, "nearest": width / 2, "down": 0.0}[rounding]
    upper = times + (width - below)
    if np.any(events & (upper <= 0)):
        raise ValueError(
            "durations of failed units must be positive where rounding='up': a failure recorded "
            "at 0 needs rounding='nearest' or 'down'"
        )
    lower = np.maximum(times - below, 0.0)
    # Rounding errors of times such as 0.1 * 3 must not open gaps below zero.
    lower = np.where(lower < 1e-9 * width, 0.0, lower)
    return np.where(events, lower, times), np.where(events, upper, np.inf)


def refuse_zeros(times: np.ndarray, at_zero: np.ndarray) -> None:
    """Refuse failures at time zero: most lifetimes give them no chance."""
    check_rows(
        times,
        ~at_zero,
        "durations of failed units",
        "positive",
        "drop them or, if they were rounded to zero, say so: resolution=, or the interval from "
        "zero to the first time recorded; if they failed at time zero, fit a ZeroInflated lifetime",
    )


def failed_at_zero(rows: Observations) -> np.ndarray:
    """Which rows of `Observations` are units that failed at time zero: intervals that end there."""
    if rows.interval is None:
        return np.zeros(rows.n_rows, bool)
    return np.asarray((rows.interval > 0) & (rows.upper <= 0))


def refuse_failed_at_zero(rows: Observations) -> None:
    """Refuse `Observations` of units that failed at time zero, where a lifetime has no mass."""
    at_zero = failed_at_zero(rows)
    if at_zero.any():
        raise ValueError(
            f"{rows.weight[at_zero].sum():g} units failed at time zero, to which this lifetime "
            "gives no chance: fit LifetimeModel(ZeroInflated(...))"
        )


def find_resolution(times: np.ndarray) -> float:
    """The smallest gap between distinct durations, differences of rounding error apart."""
    distinct = np.unique(times)
    gaps = np.diff(np.concatenate([[0.0], distinct])) if distinct[0] > 0 else np.diff(distinct)
    gaps = gaps[gaps > 1e-9 * distinct[-1]]
    if gaps.size == 0:
        raise ValueError("resolution='auto' needs at least one positive duration")
    return float(gaps.min())


def has_ties(values: np.ndarray, share: float = 0.2, size: int = SAMPLE) -> bool:
    """Whether a sample of values repeats itself enough for merging equal rows to pay."""
    if values.shape[0] <= size:
        return True
    sample = values[:: values.shape[0] // size]
    return np.unique(sample).shape[0] < (1.0 - share) * sample.shape[0]


def equal_rows(columns: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The order that sorts rows by columns (n,), and where in it each different row begins."""
    order = np.lexsort(columns[::-1]) if len(columns) > 1 else np.argsort(columns[0])
    new = np.zeros(order.size, bool)
    new[0] = True
    for column in columns:
        ordered = column[order]
        new[1:] |= ordered[1:] != ordered[:-1]
    return order, np.flatnonzero(new)


def tabulate(
    durations: np.ndarray, events: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Count units with equal (duration, event), by table instead of by sorting.

    Serves durations on a grid: whole numbers, or multiples of the gap found in a sample. Walks
    the rows in blocks that stay in cache, and confirms that each grid step holds one value only;
    returns None where it does not.

    Returns
    -------
    times, events, counts : arrays of shape (m,) or None
        The distinct rows and how many units share each.
    """
    n = durations.shape[0]
    whole = durations.dtype.kind in "iu"
    sample = np.unique(durations[:: max(n // SAMPLE, 1)]).astype(np.float64)
    step = 1.0 if whole else _grid_step(sample)
    top = float(durations.max())
    if step is None or not top / step < min(MAX_STEPS, n) or float(durations.min()) < 0:
        return None
    size = int(np.rint(top / step)) + 1
    counts = np.zeros(2 * size, np.int64)
    value = np.full(size, np.nan)
    block = 1 << 16
    for start in range(0, n, block):
        part = durations[start : start + block]
        index = part.astype(np.int64) if whole else np.rint(part / step).astype(np.int64)
        if not whole:
            value[index] = np.where(np.isnan(value[index]), part, value[index])
            if not np.array_equal(value[index], part):
                return None
        index *= 2
        index += events[start : start + block]
        found = np.bincount(index)
        counts[: found.shape[0]] += found
    seen = np.flatnonzero(counts)
    times = (seen // 2).astype(np.float64) if whole else value[seen // 2]
    return times, (seen % 2).astype(bool), counts[seen]


def _grid_step(distinct: np.ndarray) -> float | None:
    """The spacing of a grid on which all sampled values lie, or None."""
    if distinct.shape[0] < 2:
        return float(distinct[0]) if distinct[0] > 0 else None
    gaps = np.diff(distinct)
    gap = float(gaps[gaps > 1e-9 * distinct[-1]].min(initial=np.inf))
    for divisor in (1, 2, 3, 4, 5, 6, 7, 8, 10):
        step = gap / divisor
        steps = distinct / step
        if np.isfinite(step) and np.all(np.abs(steps - np.rint(steps)) < 1e-6 * (1 + steps)):
            return step
    return None
