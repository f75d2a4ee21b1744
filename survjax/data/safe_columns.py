"""Columns of rows at which every branch of a likelihood is finite, and its derivatives are."""

from __future__ import annotations

import numpy as np

#: The largest number of 64 bits.
LARGEST = np.finfo(np.float64).max


def safe_columns(
    lower: np.ndarray,
    upper: np.ndarray | None,
    exact: np.ndarray,
    weight: np.ndarray,
    entry: np.ndarray | None,
    exit: np.ndarray | None,
) -> tuple[np.ndarray | None, ...]:
    """Replace times that have no log by safe ones, and leave out columns nobody needs.

    Returns the columns of `Observations`, in its order.
    """
    interval = None if upper is None else ~exact & np.isfinite(upper)
    if interval is not None and not interval.any():
        interval = upper = None
    if not lower.all():
        at_zero = lower == 0
        # Running at time zero says nothing: the row keeps its place with no weight.
        nothing = at_zero & ~exact if interval is None else at_zero & ~exact & ~interval
        weight = np.where(nothing, 0.0, weight)
        lower = np.where(at_zero if interval is None else nothing, 1.0, lower)
    positive = lower if interval is None else np.where(lower > 0, lower, 1.0)
    if interval is not None and upper is not None:
        # Other rows get an end at which both branches are finite, here and in derivatives.
        upper = np.where(interval, upper, end_of_no_interval(positive))
        interval = interval.astype(np.float64)
    if entry is not None and exit is None and not entry.any():
        entry = None
    safe = lower, np.log(positive), exact.astype(np.float64), weight
    return *safe, upper, interval, entry, exit


def end_of_no_interval(lower: np.ndarray) -> np.ndarray:
    """An upper end for rows that are no intervals, at which formulas of intervals are finite."""
    return 2.0 * np.minimum(lower, LARGEST / 4)
