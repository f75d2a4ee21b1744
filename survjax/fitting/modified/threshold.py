"""Fits whose threshold runs into the first failure: that failure is then a narrow interval.

The density of a lifetime at its beginning may be infinite, and then the likelihood of a threshold
has no upper bound. Durations are numbers of finite width, and so is the probability of what was
recorded. With the first failure as the interval of its width the likelihood is bounded. It is
highest at an interior maximum or, for a density that begins at infinity, with the threshold at the
lower end of that interval (Cheng and Iles 1987).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from survjax.data.observations import Observations
from survjax.data.recording import find_resolution
from survjax.data.safe_columns import end_of_no_interval
from survjax.fitting.settings import Settings
from survjax.likelihood.vector.template import Template


@dataclasses.dataclass(frozen=True)
class AtFirstFailure:
    """A fit with the first failure as an interval: its template, rows and maximum, and words."""

    template: Template
    rows: Observations
    found: Any
    message: str


def at_first_failure(
    template: Template,
    rows: Observations,
    settings: Settings,
    search: Callable[[Template, Observations, Settings], Any],
) -> AtFirstFailure | None:
    """The fit with the first exact failure as a narrow interval; None where there is none.

    Where the likelihood is highest with a threshold far below all lives, it has no maximum
    either, and the fit says so in its violations. Of rows that stand for more, the first failure
    is not at hand.
    """
    if rows.is_compressed:
        return None
    failed = np.flatnonzero((rows.event > 0) & (rows.weight > 0))
    if not template.lifetime.has_threshold or failed.size < 2:
        return None
    first = float(rows.lower[failed].min())
    width = find_resolution(rows.lower[failed])
    low, high = max(first - 0.5 * width, 0.0), first + 0.5 * width
    narrow = _with_interval(rows, first, low, high)
    words = (
        f"the likelihood has no interior maximum: it rises until the threshold meets the first "
        f"failure at {first:.6g}. That failure is counted as one in ({low:.6g}, {high:.6g}], the "
        "width in which durations are recorded; pass resolution= if it is another one"
    )
    held = Template(template.lifetime.held_at(low))
    free, at_low = (search(model, narrow, settings) for model in (template, held))
    model, found = template, free
    if free.best.value <= at_low.best.value or not np.isfinite(free.best.value):
        if at_low.violations:
            return None
        model, found = held, at_low
    if model is not template:
        words += f". The threshold is held at {low:.6g}, where this likelihood is highest"
    return AtFirstFailure(model, narrow, found, words)


def first_failure(rows: Observations) -> float:
    """The first time by which a unit is known to have failed: no threshold lies beyond."""
    counted = rows.weight > 0
    found = [rows.lower[counted & (rows.event > 0)]]
    if rows.interval is not None and rows.upper is not None:
        found.append(rows.upper[counted & (rows.interval > 0)])
    return float(np.concatenate(found).min(initial=np.inf))


def _with_interval(rows: Observations, first: float, low: float, high: float) -> Observations:
    """The rows, with failures at the first time as failures in an interval."""
    inside = (rows.event > 0) & (rows.lower == first)
    interval = np.zeros(rows.n_rows) if rows.interval is None else rows.interval
    upper = end_of_no_interval(rows.lower) if rows.upper is None else rows.upper
    lower = np.where(inside, low, rows.lower)
    return dataclasses.replace(
        rows,
        lower=lower,
        log_lower=np.where(inside, np.log(low if low > 0 else 1.0), rows.log_lower),
        event=np.where(inside, 0.0, rows.event),
        upper=np.where(inside, high, upper),
        interval=np.where(inside, 1.0, interval),
    )
