"""Checked rows of observed lifetimes, and the counts every step estimate is made of.

All step estimates (Kaplan-Meier, Nelson-Aalen, Aalen-Johansen, log-rank) need the same
table: at each distinct event time, how much weight fails and how much is at risk. It
takes one sort and cumulative sums, O(n log n), and never an n-by-n array.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

__all__ = ["Rows", "check_rows", "check_vector", "merge_rounding", "risk_table"]

#: Two times closer than this share of their size may be one time plus rounding.
TIE_TOLERANCE = 1e-9
#: Rounding noise must be this much smaller than the next wider gap to be believed.
TIE_VOID = 1e3


@dataclass(frozen=True)
class Rows:
    """Checked arrays, one entry a row; ``entry`` is -inf where a row has no late entry."""

    durations: Floats
    event_observed: Bools
    entry: Floats | None
    weight: Floats


def check_vector(values: ArrayLike, name: str, size: int | None = None) -> Floats:
    """Return ``values`` as a float64 vector without NaN, or raise one clear ValueError."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers; got {values!r:.80}") from error
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, got shape {array.shape}.")
    if size is not None and array.size != size:
        raise ValueError(f"{name} has {array.size} values for {size} rows; pass one per row.")
    if array.size == 0:
        raise ValueError(f"{name} is empty; pass at least one row.")
    refuse(np.isnan(array), array, f"{name} must not be missing (NaN)", "Repair these rows.")
    return array


def refuse(bad: Bools, values: NDArray, rule: str, advice: str) -> None:
    """Raise ValueError naming how many rows break ``rule``, the first one and its value."""
    if np.any(bad):
        first = int(np.argmax(bad))
        count = int(np.count_nonzero(bad))
        raise ValueError(
            f"{rule}; got {count} such row(s), the first is row {first}: {values[first]}. {advice}"
        )


def check_events(event_observed: ArrayLike | None, size: int) -> Bools:
    """Return the event indicator as booleans; None means that every failure was seen."""
    if event_observed is None:
        return np.ones(size, dtype=bool)
    events = check_vector(event_observed, "event_observed", size)
    refuse(
        (events != 0) & (events != 1),
        events,
        "event_observed must be True/False or 1/0 (True = the failure was seen)",
        "Recode the column.",
    )
    return events == 1


def check_weight(sample_weight: ArrayLike | None, size: int) -> Floats:
    """Return frequencies, one a row: finite, not negative, not all zero."""
    if sample_weight is None:
        return np.ones(size)
    weight = check_vector(sample_weight, "sample_weight", size)
    bad = ~np.isfinite(weight) | (weight < 0)
    refuse(bad, weight, "sample_weight must be finite and at least 0", "Repair these rows.")
    if not np.any(weight > 0):
        raise ValueError(f"sample_weight is 0 in all {size} rows; give one a positive weight.")
    return weight


def check_entry(entry: ArrayLike | None, durations: Floats) -> Floats | None:
    """Return entry ages, with -inf where a unit was watched from new (entry 0)."""
    if entry is None:
        return None
    array = np.asarray(entry, dtype=np.float64)
    if array.ndim == 0:
        array = np.full(durations.size, float(array))
    array = check_vector(array, "entry", durations.size)
    advice = "entry is the age at which the unit came under observation."
    refuse(array < 0, array, "entry must be at least 0", advice)
    # A unit that was new at entry was at risk at time 0 as well: the same as no entry.
    array = np.where(array == 0, -np.inf, array)
    refuse(
        array >= durations,
        array,
        "entry must lie before the duration",
        "A unit seen for no time carries no information: drop these rows.",
    )
    return array


def check_rows(
    durations: ArrayLike,
    event_observed: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> Rows:
    """Check right-censored rows; times equal up to rounding become equal."""
    times = check_vector(durations, "durations")
    bad = ~np.isfinite(times) | (times < 0)
    refuse(bad, times, "durations must be finite and at least 0", "Repair these rows.")
    events = check_events(event_observed, times.size)
    weight = check_weight(sample_weight, times.size)
    ages = check_entry(entry, times)
    if ages is None:
        return Rows(merge_rounding(times), events, None, weight)
    merged = merge_rounding(np.concatenate([times, ages]))
    times, ages = merged[: times.size], merged[times.size :]
    refuse(ages >= times, ages, "entry equals the duration up to rounding", "Drop these rows.")
    return Rows(times, events, ages, weight)


def merge_rounding(times: Floats) -> Floats:
    """Return times in which values that differ by rounding only are made equal.

    0.1 + 0.2 and 0.3 are one time to whoever recorded them. Values within 1e-9 of
    each other (relative) are merged to the smallest, but only where such gaps are at
    least a thousand times narrower than every wider gap: the gaps of truly continuous
    times fill the scale without that void, and whole numbers are never merged.
    """
    finite = times[np.isfinite(times)]
    if np.all(finite == np.rint(finite)):
        return times
    unique, where = np.unique(times, return_inverse=True)
    with np.errstate(invalid="ignore"):
        gaps = np.diff(unique) / np.abs(unique[1:])
    gaps[~np.isfinite(gaps)] = np.inf
    ordered = np.append(np.unique(gaps), np.inf)
    noise = (ordered[:-1] <= TIE_TOLERANCE) & (ordered[1:] >= TIE_VOID * ordered[:-1])
    if not np.any(noise):
        return times
    limit = ordered[:-1][noise][-1]
    cluster = np.concatenate([[0], np.cumsum(gaps > limit)])
    first = np.concatenate([[0], np.flatnonzero(gaps > limit) + 1])
    return unique[first[cluster[where]]]


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
