"""Checked rows of observed lifetimes, and the counts every step estimate is made of.

All step estimates (Kaplan-Meier, Nelson-Aalen, Aalen-Johansen, log-rank) need the same
table: at each distinct event time, how much weight fails and how much is at risk. It
takes one sort and cumulative sums, O(n log n), and never an n-by-n array.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.times import merge_rounding, merge_sorted
from survjax._core.validation import (
    check_events,
    check_length,
    check_rows,
    check_times,
    check_weights,
)

# What an array holds; NumPy's own types say it at great length.
Floats = np.ndarray
Bools = np.ndarray
Ints = np.ndarray

__all__ = [
    "Rows",
    "check_ages",
    "check_lifetimes",
    "merge_rounding",
    "merge_sorted",
    "risk_table",
    "weight_from",
]


@dataclass(frozen=True)
class Rows:
    """Checked arrays, one entry a row; ``entry`` is -inf where a row has no late entry."""

    durations: Floats
    event_observed: Bools
    entry: Floats | None
    weight: Floats


def check_ages(values: ArrayLike, name: str, size: int, *, infinite: bool = False) -> Floats:
    """Check one age a row, or one number for all of them."""
    array = np.asarray(values)
    if array.ndim == 0:
        array = np.full(size, array)
    ages = check_times(array, name, zero=True, infinite=infinite)
    check_length(ages, size, name)
    return ages


def check_entry(entry: ArrayLike | None, durations: Floats) -> Floats | None:
    """Return entry ages, with -inf where a unit was watched from new (entry 0)."""
    if entry is None:
        return None
    ages = check_ages(entry, "entry", durations.size)
    # A unit that was new at entry was at risk at time 0 as well: the same as no entry.
    ages = np.where(ages == 0, -np.inf, ages)
    advice = "a unit seen for no time says nothing: drop these rows"
    check_rows(ages, ages < durations, "entry", "below the unit's duration", advice)
    return ages


def check_lifetimes(
    durations: ArrayLike,
    event_observed: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    *,
    merge: bool = True,
) -> Rows:
    """Check right-censored rows; if asked, times equal up to rounding become equal."""
    times = check_times(durations, "durations", zero=True)
    events = check_events(event_observed, times.size)
    weight = check_weights(sample_weight, times.size)
    ages = check_entry(entry, times)
    if not merge:
        return Rows(times, events, ages, weight)
    if ages is None:
        return Rows(merge_rounding(times), events, None, weight)
    lengths = times - np.maximum(ages, 0.0)
    times, ages = np.split(merge_rounding(np.concatenate([times, ages]), lengths), 2)
    advice = "they are equal up to rounding: drop these rows"
    check_rows(ages, ages < times, "entry", "below the unit's duration", advice)
    return Rows(times, events, ages, weight)


def risk_table(rows: Rows, events: Bools | None = None) -> tuple[Floats, Floats, Floats]:
    """Return distinct event times, weight failing there, and weight at risk just before.

    A unit is at risk at t when entry < t <= duration. Rows of weight 0 count nowhere.
    """
    seen = (rows.event_observed if events is None else events) & (rows.weight > 0)
    times, where = np.unique(rows.durations[seen], return_inverse=True)
    failing = np.bincount(where, weights=rows.weight[seen], minlength=times.size).astype(np.float64)
    at_risk = weight_from(rows.durations, rows.weight, times)
    if rows.entry is not None:
        at_risk = at_risk - weight_from(rows.entry, rows.weight, times)
    return times, failing, at_risk


def weight_from(values: Floats, weight: Floats, times: Floats) -> Floats:
    """Return the total weight of ``values >= t`` for each of ``times``."""
    order = np.argsort(values, kind="stable")
    # Summed from the largest time down, the few rows of the tail keep all their digits.
    tail = np.append(np.cumsum(weight[order][::-1])[::-1], 0.0)
    return tail[np.searchsorted(values[order], times, side="left")]
