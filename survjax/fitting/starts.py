"""Where to begin: first guesses of a Weibull mixture, read off the data.

A guess is a table of responsibilities, the share of each row that each component takes. Blocks
between quantiles, straight pieces of Weibull paper, the center against the edges and random
shares give many; a few EM steps turn each into parameters.
"""

from __future__ import annotations

import numpy as np

from survjax._core.annotations import RandomState
from survjax.data.observations import Observations
from survjax.fitting.guesses.responsibilities import guessed
from survjax.likelihood.weibulls import weibull_parts

#: Euler's constant over the standard deviation pi / sqrt(6) of a log Weibull of shape one.
SD_OF_LOG = 1.2825498301618641


def representative(rows: Observations) -> tuple[np.ndarray, np.ndarray]:
    """A log time and an event flag for each row; an interval stands at its middle."""
    if rows.interval is None:
        return rows.log_lower, rows.event
    inside = rows.interval > 0
    middle = np.where(inside, 0.5 * (np.where(inside, rows.lower, 0.0) + rows.upper), rows.lower)
    return np.log(middle), np.maximum(rows.event, rows.interval)


def failure_times(rows: Observations) -> tuple[np.ndarray, np.ndarray]:
    """Times and weights of the failures, those in an interval at its middle."""
    seen, times = rows.event > 0, rows.lower
    if rows.interval is not None:
        inside = rows.interval > 0
        seen = seen | inside
        times = np.where(inside, 0.5 * (np.where(inside, rows.lower, 0.0) + rows.upper), times)
    seen = seen & (rows.weight > 0)
    return times[seen], rows.weight[seen]


def guesses(
    rows: Observations, n_components: int, n_starts: int, random_state: RandomState
) -> np.ndarray:
    """Responsibilities of shape (n_starts, K, n), the most telling guesses first."""
    return guessed(*representative(rows), rows.weight, n_components, n_starts, random_state)


def expectation_maximization(
    tables: np.ndarray, rows: Observations, n_steps: int = 4
) -> np.ndarray:
    """A few EM steps from each table of responsibilities (B, K, n): parameters (B, 3K - 1).

    The answer is only a start: intervals stand at their middles, truncation is left aside, two
    Newton steps solve each component's shape, and 32 bits carry enough digits.
    """
    weight = rows.weight / (rows.n_units / rows.n_rows)
    return maximized(tables, *representative(rows), weight, n_steps)


def maximized(
    tables: np.ndarray,
    log_time: np.ndarray,
    event: np.ndarray,
    weight: np.ndarray,
    n_steps: int = 4,
) -> np.ndarray:
    """The same of many samples: tables (..., B, K, n), rows (..., n) of mean weight one."""
    n_starts, k, n = tables.shape[-3:]
    lead = tables.shape[:-3]
    center = np.sum(weight * log_time, axis=-1) / weight.sum(axis=-1)
    tables, event, weight, x = (
        column.astype(np.float32)
        for column in (tables, event, weight, log_time - center[..., None])
    )
    powers, weight = powers_of(x), weight[..., None, None, :]
    weights = tables * (weight * (np.float32(0.05) + event[..., None, None, :]))
    first = np.moveaxis(weights.reshape(*lead, -1, n) @ powers, -1, 0)
    mean = first[1] / first[0]
    spread = np.maximum(first[2] / first[0] - mean**2, 0.0)
    shape = np.minimum(np.maximum(SD_OF_LOG / np.sqrt(spread + 1e-12), 0.1), 20.0)
    for step in range(n_steps + 1):
        weights = (tables * weight).reshape(*lead, -1, n)
        shape, log_scale = weibull_fit(weights, event, powers, shape, 2)
        share = np.add.reduce(weights, axis=-1).reshape(*lead, n_starts, k) + 0.1
        log_weight = np.log(share / share.sum(-1, keepdims=True))
        if step < n_steps:
            z = shape[..., None] * (x[..., None, :] - log_scale[..., None])
            q = np.log(shape)[..., None] + z
            q *= event[..., None, :]
            q += log_weight.reshape(*lead, -1, 1)
            q -= np.exp(np.minimum(z, 80.0))
            tables = q.reshape(*lead, n_starts, k, n)
            tables -= tables.max(-2, keepdims=True)
            np.exp(tables, out=tables)
            tables /= tables.sum(-2, keepdims=True)
    logits = log_weight[..., 1:] - log_weight[..., :1]
    found = log_scale + center[..., None], np.log(shape)
    parts = (part.reshape(*lead, n_starts, k) for part in found)
    return np.concatenate([logits, *parts], axis=-1)


def weibull_fit(
    weights: np.ndarray, event: np.ndarray, powers: np.ndarray, shape: np.ndarray, n_newton: int
) -> tuple[np.ndarray, np.ndarray]:
    """Shapes and log scales (..., m) of Weibulls on rows that each hold in part, (..., m, n).

    Newton steps on the profile equation of the shape (Cohen 1965), which rises with it: the mean
    of log t weighted by t^shape, less 1 / shape, is the failures' mean log t. `powers`
    (..., n, 3) are those of the centered log times. The scale follows from the last sums, moved
    along with the shape by the first two cumulants.
    """
    x, tiny = powers[..., 1], float(np.finfo(powers.dtype).tiny)
    top = x.max(axis=-1, keepdims=True)
    below = (x - top)[..., None, :]
    n_failed, sum_failed = np.moveaxis(weights @ (event[..., None] * powers[..., :2]), -1, 0)
    n_failed = np.maximum(n_failed, 1e-3)
    target = sum_failed / n_failed
    for _ in range(n_newton):
        power = np.exp(shape[..., None] * below)
        power *= weights
        total, once, twice = np.moveaxis(power @ powers, -1, 0)
        total = total + tiny
        mean, before = once / total, shape
        spread = np.maximum(twice / total - mean * mean, 0.0)
        step = (mean - 1.0 / shape - target) / (spread + 1.0 / (shape * shape))
        shape = np.minimum(np.maximum(shape - step, 0.5 * shape), 2.0 * shape)
        shape = np.minimum(np.maximum(shape, 0.02), 200.0)
    moved = shape - before
    log_total = (
        np.log(total / n_failed + tiny) + before * top + moved * (mean + 0.5 * moved * spread)
    )
    return shape, log_total / shape


def powers_of(x: np.ndarray) -> np.ndarray:
    """Powers 0, 1 and 2 of x (..., n), as columns."""
    powers = np.ones((*x.shape, 3), x.dtype)
    powers[..., 1] = x
    powers[..., 2] = x * x
    return powers


def moment_start(rows: Observations) -> np.ndarray:
    """Log scale and log shape of one Weibull from the moments of log time: where to begin."""
    log_time, event = representative(rows)
    weights = rows.weight * (0.05 + event)
    mean = np.sum(weights * log_time) / weights.sum()
    sd = np.sqrt(np.sum(weights * (log_time - mean) ** 2) / weights.sum())
    shape = np.clip(1.28 / max(sd, 1e-9), 0.02, 50.0)
    n_failed = max(rows.n_events, 1e-3)
    power = rows.weight @ np.exp(np.clip(shape * (log_time - mean), -300.0, 300.0))
    return np.array([mean + np.log(power / n_failed) / shape, np.log(shape)])


def weibull_start(rows: Observations) -> np.ndarray:
    """Log scale and log shape of one Weibull; intervals stand at their middles."""
    log_time, event = representative(rows)
    center = rows.weight @ log_time / rows.n_units
    powers = powers_of(log_time - center)
    shape, before = np.exp(moment_start(rows)[1:]), np.inf
    for _ in range(10):
        shape, log_scale = weibull_fit(rows.weight[None], event, powers, shape, 2)
        if abs(shape[0] - before) < 1e-5 * shape[0]:
            break
        before = shape[0]
    return np.array([log_scale[0] + center, np.log(shape[0])])


def canonical(x: np.ndarray) -> np.ndarray:
    """Points (..., 3K - 1) with components in the order of their medians, as (..., 3K) to compare.

    Log shares, log scales and log shapes; a logit of a share is compared as such.
    """
    logits, scales, shapes = weibull_parts(x)
    log_weights = logits - np.logaddexp.reduce(logits, axis=-1)[..., None]
    order = np.argsort(scales - 0.3665 / np.exp(shapes), axis=-1)
    parts = (np.take_along_axis(part, order, -1) for part in (log_weights, scales, shapes))
    return np.concatenate(list(parts), axis=-1)


def different(starts: np.ndarray, reach: float = 0.25) -> np.ndarray:
    """Those of the starts (B, 3K - 1) that no earlier one is close to."""
    return starts[are_different(starts, reach)]


def are_different(starts: np.ndarray, reach: float = 0.25) -> np.ndarray:
    """Which of the starts (..., B, 3K - 1) no earlier one is close to.

    Scales are compared in units of the component's own spread.
    """
    logs, scales, log_shapes = np.split(canonical(starts), 3, axis=-1)
    shapes = np.exp(log_shapes)
    spread = np.maximum(shapes[..., :, None, :], shapes[..., None, :, :])
    gaps = [
        np.abs(part[..., :, None, :] - part[..., None, :, :]) for part in (logs, scales, log_shapes)
    ]
    gaps[1] *= spread
    near = np.max(gaps, axis=(0, -1)) < reach
    kept = np.zeros(near.shape[:-1], bool)
    for i in range(near.shape[-1]):
        kept[..., i] = ~(near[..., i, :i] & kept[..., :i]).any(axis=-1)
    return kept
