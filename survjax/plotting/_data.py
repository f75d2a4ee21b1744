"""What pictures need of a fitted model: its grid of times, its curves, its data as steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from survjax.inference.nonparametric import StepCurve, kaplan_meier, turnbull

#: Points of a curve. All pictures use one number, so that the curves compile once.
POINTS = 256
#: Turnbull's estimate is left out beyond so many intervals: it is a dense problem.
MAX_INTERVALS = 4000


def longest(model: Any) -> float:
    """The last time that the data reach; the 0.99 quantile where the model has no rows."""
    rows = getattr(model, "_rows", None)
    if rows is None:
        return float(model.quantile(0.99))
    last = float(rows.lower.max())
    if rows.interval is not None:
        last = max(last, float(rows.upper[rows.interval > 0].max()))
    return last


def earliest(model: Any) -> float:
    """Some time before the first failure, for axes on a log scale."""
    early = float(model.quantile(0.002))
    rows = getattr(model, "_rows", None)
    if rows is None:
        return early
    seen = rows.event > 0 if rows.interval is None else (rows.event + rows.interval) > 0
    times = rows.lower if rows.interval is None else np.where(rows.interval, rows.upper, rows.lower)
    first = float(times[seen].min()) if seen.any() else early
    return max(min(first, longest(model)) / 1.6, early / 100.0)


def grid(model: Any, times: Any = None) -> np.ndarray:
    """Times of a picture: the given ones, or even steps from (nearly) zero to the last time."""
    if times is not None:
        times = np.asarray(times, float)
        if times.ndim != 1 or times.size < 2:
            raise ValueError(f"times must be a row of at least two, got shape {times.shape}")
        return np.sort(times)
    return longest(model) * 1.02 * np.arange(1, POINTS + 1) / POINTS


def log_grid(model: Any) -> np.ndarray:
    """Times of a picture on a log scale."""
    return np.geomspace(earliest(model), longest(model) * 1.15, POINTS)


def steps(model: Any, level: float) -> tuple[StepCurve, str] | None:
    """What the data alone say, and its name; None where the model has no rows."""
    rows = getattr(model, "_rows", None)
    if rows is None:
        return None
    if rows.interval is None and rows.exit is None:
        curve = kaplan_meier(
            rows.lower, rows.event > 0, entry=rows.entry, sample_weight=rows.weight, level=level
        )
        return curve, "Kaplan-Meier"
    if rows.n_rows > MAX_INTERVALS:
        return None
    upper = np.where(rows.event > 0, rows.lower, np.inf)
    if rows.interval is not None:
        upper = np.where(rows.interval > 0, rows.upper, upper)
    exit = rows.exit if rows.exit is not None and np.isfinite(rows.exit).any() else None
    entry = rows.entry if rows.entry is not None and rows.entry.any() else None
    curve = turnbull(rows.lower, upper, entry=entry, exit=exit, sample_weight=rows.weight)
    return curve, "Turnbull"


def drawn_steps(curve: StepCurve, end: float) -> tuple[np.ndarray, np.ndarray]:
    """Corners of a step curve from time zero to the end, for a drawing style of steps."""
    times = np.concatenate([[0.0], curve.times, [max(end, curve.times.max(initial=0.0))]])
    values = np.concatenate([[curve.initial], curve.values])
    return times, np.append(values, values[-1])


def band(model: Any, curve: str, times: np.ndarray, level: float) -> Any:
    """Confidence band (lower, upper) of a curve, or None where there is no covariance."""
    covariance = np.asarray(getattr(model, "covariance_", np.nan))
    if not np.all(np.isfinite(covariance)):
        return None
    return model.confidence_interval(curve, times, level=level, method="delta")


def title_of(model: Any) -> str:
    """A short name of a fit: "2 Weibull components"."""
    weights = getattr(model, "weights_", None)
    if weights is None:
        return type(model).__name__
    return "one Weibull" if len(weights) == 1 else f"{len(weights)} Weibull components"
