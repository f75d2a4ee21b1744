"""Where to begin: first guesses of a Weibull mixture, read off the data.

A guess is a table of responsibilities, the share of each row that each component takes. Blocks
between quantiles, straight pieces of Weibull paper, the center against the edges and random
shares give many; a few EM steps turn each into parameters.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from survjax.data.observations import Observations
from survjax.likelihood.weibulls import weibull_parts

#: Euler's constant over the standard deviation pi / sqrt(6) of a log Weibull of shape one.
SD_OF_LOG = 1.2825498301618641
CUTS = (0.03, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97)


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


def failed_share(log_time: np.ndarray, event: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Kaplan-Meier's failed share just after each row's time, ties in the order of events."""
    order = np.lexsort((-event, log_time))
    at_risk = np.cumsum(weight[order][::-1])[::-1]
    hazard = event[order] * weight[order] / np.maximum(at_risk, 1e-300)
    share = np.empty_like(log_time)
    share[order] = 1.0 - np.cumprod(1.0 - np.minimum(hazard, 1.0 - 1e-9))
    return share


def guesses(rows: Observations, n_components: int, n_starts: int, random_state: Any) -> np.ndarray:
    """Responsibilities of shape (n_starts, K, n), the most telling guesses first."""
    rng = np.random.default_rng(random_state)
    log_time, event = representative(rows)
    failed = failed_share(log_time, event, rows.weight)
    top = failed.max() if failed.size else 1.0
    share = np.clip(failed / max(top, 1e-300), 0.0, 1.0)
    cuts = np.array(_cut_points(n_components, rng, max(n_starts // 2, 1)))
    tables = list(_blocks(share, event, cuts))
    if n_components > 1:
        tables[2:2] = [_center(share, event, n_components, width) for width in (0.3, 0.6)]
        tables[2:2] = [_survivors(share, event, n_components)]
        tables[2:2] = _paper(log_time, event, failed, n_components)
    while len(tables) < n_starts:
        tables.append(_random_split(share, n_components, rng))
    return np.stack(tables[:n_starts])


def _cut_points(n_components: int, rng: np.random.Generator, most: int) -> list[tuple[float, ...]]:
    """Sets of K - 1 quantiles between blocks: even ones first, then others at random."""
    even = tuple(np.arange(1, n_components) / n_components)
    others: list[tuple[float, ...]]
    if n_components == 2:
        others = [(q,) for q in (0.1, 0.8, 0.35, 0.03, 0.65, 0.9, 0.2, 0.97)]
    else:
        others = [c for c in combinations(CUTS, n_components - 1) if c != even]
        rng.shuffle(others)
    return [even, *others[: most - 1]] if n_components > 1 else [()]


def _blocks(share: np.ndarray, event: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Responsibilities (C, K, n) for sets of K - 1 quantiles (C, K - 1) that part blocks.

    Failed units belong to the block their time falls in; running ones to this or later ones. A
    running unit's share of each later block is the probability to fail there.
    """
    edges = np.zeros((len(cuts), cuts.shape[1] + 2, 1))
    edges[:, 1:-1, 0], edges[:, -1] = cuts, 1.0
    inside = (share > edges[:, :-1]) & (share <= edges[:, 1:])
    inside[:, 0] |= share == 0.0
    left = np.maximum(edges[:, 1:] - np.maximum(edges[:, :-1], share), 0.0)
    left += 1e-3 * inside
    left /= left.sum(1, keepdims=True)
    return _softened(np.where(event > 0, inside, left))


def _random_split(share: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Blocks between random quantiles, several for each component, that lean to one or another."""
    n_cuts = 2 * k
    table = rng.random((k, n_cuts + 1)) ** 4
    table /= table.sum(0)
    return _softened(table)[:, np.sort(rng.random(n_cuts)).searchsorted(share)]


def _softened(table: np.ndarray, by: float = 0.02) -> np.ndarray:
    return (1.0 - by) * table + by / table.shape[-2]


def _center(share: np.ndarray, event: np.ndarray, k: int, width: float) -> np.ndarray:
    """A component for the middle of the failures and others for everything around it."""
    middle = np.abs(share - 0.5) < width / 2
    table = np.empty((k, share.size))
    table[0] = np.where(middle, 0.9, 0.1)
    others = table[1:]
    others[:] = (1.0 - table[0]) / len(others)
    if k > 2:
        side = share > 0.5
        table[1] = (1.0 - table[0]) * np.where(side, 0.9, 0.1)
        table[2:] = (1.0 - table[0] - table[1]) / len(table[2:])
    return table


def _survivors(share: np.ndarray, event: np.ndarray, k: int) -> np.ndarray:
    """The last component takes what still runs."""
    failed = _blocks(share, event, np.linspace(0.0, 1.0, k)[None, 1:-1])[0]
    return _softened(np.concatenate([failed * (event > 0), (event == 0)[None]]), 0.1)


def _paper(log_time: np.ndarray, event: np.ndarray, failed: np.ndarray, k: int) -> np.ndarray:
    """Straight pieces of Weibull paper: log(-log S) against log t is a line for one Weibull."""
    seen = np.flatnonzero((event > 0) & (failed > 0) & (failed < 1))
    seen = seen[log_time[seen].argsort()]
    x = log_time[seen]
    if np.count_nonzero(x[1:] > x[:-1]) + 1 < 2 * k:
        return np.empty((0, k, log_time.size))
    y = np.log(-np.log1p(-failed[seen]))
    even = np.arange(k + 1) / k
    edges = (np.stack([even, even * even]) * x.size).astype(int)
    low, high = edges[:, :-1], np.minimum(np.maximum(edges[:, 1:], edges[:, :-1] + 2), x.size)
    center = x.mean()
    x = x - center
    sums = np.zeros((x.size + 1, 5))
    np.cumsum(np.stack([np.ones_like(x), x, y, x * x, x * y], axis=1), axis=0, out=sums[1:])
    n, sum_x, sum_y, sum_xx, sum_xy = np.moveaxis(sums[high] - sums[low], -1, 0)
    middle, level = sum_x / n, sum_y / n
    spread = sum_xx - n * middle * middle
    flat = spread <= 1e-12 * sum_xx
    slope = (sum_xy - n * middle * level) / np.where(flat, 1.0, spread)
    slope = np.minimum(np.maximum(np.where(flat, 1.0, slope), 0.2), 20.0)[..., None]
    z = slope * (log_time - center - middle[..., None]) + level[..., None]
    q = event * (np.log(slope) + z) - np.exp(np.minimum(z, 50.0))
    table = np.exp(q - q.max(1, keepdims=True))
    return _softened(table / table.sum(1, keepdims=True))


def expectation_maximization(
    tables: np.ndarray, rows: Observations, n_steps: int = 4
) -> np.ndarray:
    """A few EM steps from each table of responsibilities (B, K, n): parameters (B, 3K - 1).

    The answer is only a start: intervals stand at their middles, truncation is left aside, two
    Newton steps solve each component's shape, and 32 bits carry enough digits.
    """
    log_time, event = representative(rows)
    n_starts, k, n = tables.shape
    weight = rows.weight / (rows.n_units / n)
    center = weight @ log_time / n
    tables, event, weight, x = (
        column.astype(np.float32) for column in (tables, event, weight, log_time - center)
    )
    powers = powers_of(x)
    first = ((tables * (weight * (0.05 + event))).reshape(-1, n) @ powers).T
    mean = first[1] / first[0]
    spread = np.maximum(first[2] / first[0] - mean**2, 0.0)
    shape = np.minimum(np.maximum(SD_OF_LOG / np.sqrt(spread + 1e-12), 0.1), 20.0)
    for step in range(n_steps + 1):
        held = (tables * weight).reshape(-1, n)
        shape, log_scale = weibull_fit(held, event, powers, shape, 2)
        share = np.add.reduce(held, axis=1).reshape(n_starts, k) + 0.1
        log_weight = np.log(share / share.sum(-1, keepdims=True))
        if step < n_steps:
            z = shape[:, None] * (x - log_scale[:, None])
            q = np.log(shape)[:, None] + z
            q *= event
            q += log_weight.reshape(-1, 1)
            q -= np.exp(np.minimum(z, 80.0))
            tables = q.reshape(n_starts, k, n)
            tables -= tables.max(1, keepdims=True)
            np.exp(tables, out=tables)
            tables /= tables.sum(1, keepdims=True)
    logits = log_weight[:, 1:] - log_weight[:, :1]
    found = log_scale + center, np.log(shape)
    return np.concatenate([logits, *(part.reshape(n_starts, k) for part in found)], axis=1)


def weibull_fit(
    held: np.ndarray, event: np.ndarray, powers: np.ndarray, shape: np.ndarray, n_newton: int
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
    n_failed, sum_failed = np.moveaxis(held @ (event[..., None] * powers[..., :2]), -1, 0)
    n_failed = n_failed + 1e-3
    target = sum_failed / n_failed
    for _ in range(n_newton):
        power = np.exp(shape[..., None] * below)
        power *= held
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
    held = rows.weight * (0.05 + event)
    mean = np.sum(held * log_time) / held.sum()
    sd = np.sqrt(np.sum(held * (log_time - mean) ** 2) / held.sum())
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
    """Points (B, 3K - 1) with components in the order of their medians, as (B, 3K) to compare.

    Log shares, log scales and log shapes; a logit of a share is compared as such.
    """
    logits, scales, shapes = weibull_parts(x)
    log_weights = logits - np.logaddexp.reduce(logits, axis=1)[:, None]
    order = np.argsort(scales - 0.3665 / np.exp(shapes), axis=1)
    parts = (np.take_along_axis(part, order, 1) for part in (log_weights, scales, shapes))
    return np.concatenate(list(parts), axis=1)


def different(starts: np.ndarray, reach: float = 0.25) -> np.ndarray:
    """Those of the starts (B, 3K - 1) that no earlier one is close to.

    Scales are compared in units of the component's own spread.
    """
    points = canonical(starts)
    logs, scales, log_shapes = np.split(points, 3, axis=1)
    shapes = np.exp(log_shapes)
    spread = np.maximum(shapes[:, None], shapes)
    gaps = [np.abs(part[:, None] - part) for part in (logs, scales, log_shapes)]
    gaps[1] *= spread
    far = np.max(gaps, axis=(0, 3)) >= reach
    kept: list[int] = []
    for i, others in enumerate(far):
        if others[kept].all():
            kept.append(i)
    return starts[kept]
