"""Where an iteration begins: a Weibull, and a line through log times, from moments."""

from __future__ import annotations

import numpy as np

from survjax._core.parallel import sum_over_rows
from survjax.data.observations import Observations
from survjax.likelihood.regression.columns import Columns, sample_rows

#: Rows of the first iteration where there are many more, and those its start is taken from.
START_ROWS, SLOPE_ROWS = 10_000, 2048


def location_start(rows: Observations) -> tuple[float, float]:
    """Log scale and log shape of a Weibull without covariates, from moments of log time."""
    if rows.n_rows > 4 * START_ROWS:
        # The longest life is among the few, so that no hazard is beyond numbers.
        some = np.arange(rows.n_rows)[sample_rows(rows.weight, SLOPE_ROWS)]
        rows = rows.take(np.append(some, np.argmax(rows.log_lower)))
    return _location(*_log_times(rows), rows.weight)


def sloped_start(
    rows: Observations, x: np.ndarray, columns: Columns, start: np.ndarray, offset: bool = False
) -> np.ndarray:
    """A start of an accelerated life with the slopes of a line through the log times.

    `start` has none: its scale's intercept and slopes come first, then a shape's intercept, if any.
    The last column of x may be an offset of the log scale.
    """
    part = sample_rows(rows.weight, SLOPE_ROWS)
    z = (x[part] - columns.center) / columns.scale
    weight = rows.weight[part]
    log_time, event = _log_times(rows.take(part))
    p, known = x.shape[1], np.zeros(z.shape[0])
    if offset:
        p, known, z = p - 1, z[:, -1], z[:, :-1]
    log_time = log_time - known
    if weight @ event < 2 * p:
        return start
    weights = weight * (0.05 + event)
    away = z - weights @ z / weights.sum()
    # A little ridge, for columns that say the same in these rows.
    gram = sum_over_rows(away.T, weights[:, None] * away) + 1e-6 * weights.sum() * np.eye(p)
    slopes = np.linalg.solve(gram, away.T @ (weights * log_time))
    scale, log_shape = _location(log_time - z @ slopes, event, weight)
    start = start.copy()
    start[: p + 1] = [scale, *slopes]
    start[p + 1 : p + 2] = log_shape
    return start


def _log_times(rows: Observations) -> tuple[np.ndarray, np.ndarray]:
    """Log time of each row, of the middle of an interval, and 1.0 where it failed."""
    if rows.interval is None:
        return rows.log_lower, rows.event
    inside = rows.interval > 0
    middle = 0.5 * (np.where(inside, rows.lower, 0.0) + np.where(inside, rows.upper, 0.0))
    log_time = np.where(inside, np.log(np.where(inside, middle, 1.0)), rows.log_lower)
    return log_time, np.maximum(rows.event, rows.interval)


def _location(log_time: np.ndarray, event: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Log scale and log shape of a Weibull with such log times."""
    weights = weight * (0.05 + event)
    mean = np.sum(weights * log_time) / weights.sum()
    away = log_time - mean
    spread = np.sqrt(np.sum(weights * away**2) / weights.sum())
    shape = np.clip(1.28 / max(spread, 1e-9), 0.02, 50.0)
    # The scale that solves its own equation at this shape: no hazard is larger than all failures.
    z = shape * away
    top = np.max(z if weight.all() else z[weight > 0], initial=-np.inf)
    power = np.sum(weight * np.exp(np.minimum(z - top, 0.0)))
    scale = mean + (top + np.log(power / max(np.sum(weight * event), 1e-3))) / shape
    return float(scale), float(np.log(shape))
