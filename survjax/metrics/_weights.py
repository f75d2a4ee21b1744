"""Checked rows, and the weights that let units seen stand in for units censored."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.validation import as_floats, check_length, check_rows
from survjax.nonparametric import StepCurve, censoring_curve
from survjax.nonparametric.rows import Floats, Rows, nearest_equal

__all__ = [
    "check_scores",
    "check_side",
    "check_survival",
    "check_times_of",
    "inverse_weights",
    "known_curve",
    "on_durations",
]


def check_scores(values: ArrayLike, name: str, size: int) -> Floats:
    """Check one finite number a unit."""
    array = as_floats(values, name)
    check_length(array, size, name)
    good = np.isfinite(array)
    check_rows(array, good, name, "finite", "a unit without a prediction cannot be judged")
    return array


def check_times_of(times: ArrayLike) -> Floats:
    """Check evaluation times: positive, increasing; one number is one time."""
    grid = as_floats(np.atleast_1d(np.asarray(times)), "times")
    if grid.size == 0:
        raise ValueError("times is empty: pass at least one time")
    check_rows(grid, (grid > 0) & np.isfinite(grid), "times", "positive and finite", "drop them")
    if np.any(np.diff(grid) <= 0):
        raise ValueError("times must increase strictly: sort them and drop doubles")
    return grid


def check_survival(survival: ArrayLike, size: int, n_times: int) -> Floats:
    """Check predicted survival, one row a unit and one column a time."""
    try:
        table = np.asarray(survival, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"survival must be a table of numbers: {error}") from error
    if table.ndim == 1 and n_times == 1:
        table = table[:, None]
    if table.shape != (size, n_times):
        raise ValueError(
            f"survival must have shape ({size}, {n_times}), a row for each unit and a column for "
            f"each time; got {table.shape}"
        )
    good = np.all((table >= 0) & (table <= 1), axis=1)
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise ValueError(
            f"survival must lie between 0 and 1, got {table[row]} in row {row} "
            f"({np.count_nonzero(~good)} such rows): pass probabilities of surviving each time"
        )
    return table


def known_curve(rows: Rows, censoring: StepCurve | None) -> StepCurve:
    """Return the curve of P(not yet censored): the given one, or that of these rows."""
    if censoring is None:
        entry = None if rows.entry is None else np.maximum(rows.entry, 0.0)
        return censoring_curve(
            rows.durations, rows.event_observed, entry=entry, sample_weight=rows.weight
        )
    if not isinstance(censoring, StepCurve):
        kind = type(censoring).__name__
        raise ValueError(f"censoring must come from censoring_curve, got an object of type {kind}")
    return censoring


def check_side(at: str) -> None:
    """Refuse anything but the two sides of a step."""
    if at not in ("before", "at"):
        raise ValueError(f'censoring_at must be "before" or "at", got {at!r}')


def on_durations(rows: Rows, times: Floats) -> Floats:
    """Return times, equal to a duration where only rounding sets them apart."""
    return nearest_equal(np.unique(rows.durations), times)


def inverse_weights(
    curve: StepCurve,
    times: ArrayLike,
    needed: np.ndarray,
    at: str,
    advice: str = "evaluate at earlier times",
) -> Floats:
    """Return 1 / P(not yet censored) at each time where it is needed, elsewhere 0.

    `at="before"` takes the left limit: a unit that fails at t was not censored before t.
    """
    check_side(at)
    chance = curve.before(times) if at == "before" else curve(times)
    lost = needed & (chance <= 0)
    if np.any(lost):
        first = np.min(np.broadcast_to(times, lost.shape)[lost])
        raise ValueError(
            f"all units are censored by time {first:g}, where {np.count_nonzero(lost)} rows need a "
            f"weight: {advice}"
        )
    unknown = needed & np.isnan(chance)
    if np.any(unknown):
        first = np.min(np.broadcast_to(times, unknown.shape)[unknown])
        raise ValueError(
            f"the censoring curve is followed to {curve.end:g}, and {np.count_nonzero(unknown)} "
            f"rows need a weight beyond, the first at {first:g}: {advice}"
        )
    return np.where(needed, 1.0 / np.where(needed, chance, 1.0), 0.0)
