"""Checked rows of observed lifetimes, and which of their times are one time plus rounding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.validation import (
    check_events,
    check_length,
    check_rows,
    check_times,
    check_weights,
)
from survjax.data.labels import rows_by_position
from survjax.data.times import merge_rounding, merge_sorted

# What an array holds; NumPy's own types say it at great length.
Floats = np.ndarray
Bools = np.ndarray
Ints = np.ndarray

__all__ = [
    "Lives",
    "Rows",
    "check_ages",
    "check_lifetimes",
    "check_lives",
    "merge_in_order",
    "merge_rounding",
    "merge_sorted",
    "nearest_equal",
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


@dataclass(frozen=True)
class Lives:
    """Checked rows for counting: ``weight`` is None where each row counts once.

    Where there is late entry, times that differ by rounding only are equal. Where there is
    none they are made so after sorting, which `risk_table` and `place` do.
    """

    durations: Floats
    event_observed: Bools
    entry: Floats | None
    weight: Floats | None

    def watched(self) -> Watched:
        """When units were under observation, as copies."""
        entry, weight = self.entry, self.weight
        return Watched(
            np.array(self.durations),
            None if entry is None else np.array(entry),
            None if weight is None else np.array(weight),
        )


@dataclass(frozen=True)
class Watched:
    """When each unit was under observation, and its weight."""

    until: Floats
    entry: Floats | None
    weight: Floats | None

    def at_risk(self, t: Floats) -> Floats:
        """Weight at risk just before each time t (m,): entry < t <= duration; at 0 all from new."""
        found = np.empty(t.size)
        for i, time in enumerate(t):
            there = self.until >= time
            if self.entry is not None:
                there &= (self.entry < time) | (self.entry <= 0)
            found[i] = there.sum() if self.weight is None else self.weight[there].sum()
        return found


@rows_by_position
def check_lives(
    durations: ArrayLike,
    event_observed: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> Lives:
    """Check right-censored rows."""
    times = check_times(durations, "durations", zero=True)
    events = check_events(event_observed, times.size)
    weight = None if sample_weight is None else check_weights(sample_weight, times.size)
    ages = check_entry(entry, times)
    if ages is not None:
        times, ages = merge_with_entry(times, ages)
    return Lives(times, events, ages, weight)


@rows_by_position
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
    times, ages = merge_with_entry(times, ages)
    return Rows(times, events, ages, weight)


def merge_with_entry(times: Floats, ages: Floats) -> tuple[Floats, Floats]:
    """Make durations and entry ages equal that differ by rounding only."""
    both = np.concatenate([times, ages])
    line = np.sort(both)
    if merge_in_order(line) is line:  # nothing to merge: most often
        return times, ages
    lengths = times - np.maximum(ages, 0.0)
    times, ages = np.split(merge_rounding(both, lengths), 2)
    advice = "they are equal up to rounding: drop these rows"
    check_rows(ages, ages < times, "entry", "below the unit's duration", advice)
    return times, ages


def nearest_equal(times: Floats, asked: ArrayLike) -> Floats:
    """Return the times asked for, those that differ from one of ``times`` by rounding as that one.

    Parameters
    ----------
    times : array of shape (m,)
        Increasing.
    asked : array-like of any shape
        NaN stays NaN.
    """
    wanted = np.asarray(asked, dtype=np.float64)
    if times.size == 0 or wanted.size == 0:
        return wanted
    number = np.searchsorted(times, wanted)
    above = times[np.minimum(number, times.size - 1)]
    if np.array_equal(above, wanted):
        return wanted
    below = times[np.maximum(number - 1, 0)]
    found, low, high = (np.ravel(part) for part in (wanted, below, above))
    # With the first and the last time, the span is that of all.
    line = np.concatenate([found, low, high, times[[0, -1]]])
    merged = np.split(merge_rounding(line)[:-2], 3)
    with np.errstate(invalid="ignore"):  # infinite times: a difference may be no number
        lower = np.abs(found - low) <= np.abs(found - high)
    to_low, to_high = merged[0] == merged[1], merged[0] == merged[2]
    result = np.where(to_high & ~(to_low & lower), high, np.where(to_low, low, found))
    return result.reshape(wanted.shape)


def merge_in_order(times: Floats) -> Floats:
    """Merge sorted times that differ by rounding only; the same array where there are none."""
    if np.array_equal(times[:64], np.rint(times[:64])) and np.array_equal(times, np.rint(times)):
        return times
    return merge_sorted(times)
