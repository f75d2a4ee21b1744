"""Where to begin: first guesses of a Weibull mixture, read off the data.

A guess is a table of responsibilities, the share of each row that each component takes. Blocks
between quantiles, straight pieces of Weibull paper, the center against the edges and random
shares give many; a few EM steps turn each into parameters.
"""

from __future__ import annotations

from functools import partial
from itertools import combinations
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.numerics import MAX_EXPONENT
from survjax._core.observations import Observations

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
    tables = []
    for cuts in _cut_points(n_components, rng, max(n_starts // 2, 1)):
        tables.append(_blocks(share, event, cuts))
    if n_components > 1:
        tables[2:2] = [_center(share, event, n_components, width) for width in (0.3, 0.6)]
        tables[2:2] = [_survivors(share, event, n_components)]
        tables[2:2] = _paper(log_time, event, failed, n_components)
    while len(tables) < n_starts:
        concentration = (0.2, 1.0, 5.0)[len(tables) % 3]
        tables.append(rng.dirichlet(np.full(n_components, concentration), share.size).T)
    return np.stack(tables[:n_starts])


def _cut_points(n_components: int, rng: np.random.Generator, most: int) -> list[tuple[float, ...]]:
    """Sets of K - 1 quantiles between blocks: even ones first, then others at random."""
    even = tuple(np.arange(1, n_components) / n_components)
    others = [c for c in combinations(CUTS, n_components - 1) if c != even]
    rng.shuffle(others)
    if n_components == 2:
        others = [(q,) for q in (0.1, 0.8, 0.35, 0.03, 0.65, 0.9, 0.2, 0.97)]
    return [even, *others[: most - 1]] if n_components > 1 else [()]


def _blocks(share: np.ndarray, event: np.ndarray, cuts: tuple[float, ...]) -> np.ndarray:
    """Failed units belong to the block their time falls in; running ones to this or later ones.

    A running unit's share of each later block is the probability to fail there.
    """
    edges = np.array([0.0, *cuts, 1.0])
    inside = (share[None] > edges[:-1, None]) & (share[None] <= edges[1:, None])
    inside[0] |= share == 0.0
    left = np.clip(edges[1:, None] - np.maximum(edges[:-1, None], share[None]), 0.0, None)
    left = left + 1e-3 * inside
    table = np.where(event > 0, inside, left / left.sum(0))
    return _softened(table)


def _softened(table: np.ndarray, by: float = 0.02) -> np.ndarray:
    return (1.0 - by) * table + by / table.shape[0]


def _center(share: np.ndarray, event: np.ndarray, k: int, width: float) -> np.ndarray:
    """A component for the middle of the failures and others for everything around it."""
    middle = np.abs(share - 0.5) < width / 2
    table = np.empty((k, share.size))
    table[0] = np.where(middle, 0.9, 0.1)
    table[1:] = (1.0 - table[0]) / (k - 1)
    if k > 2:
        side = share > 0.5
        table[1] = (1.0 - table[0]) * np.where(side, 0.9, 0.1)
        table[2:] = (1.0 - table[0] - table[1]) / (k - 2)
    return table


def _survivors(share: np.ndarray, event: np.ndarray, k: int) -> np.ndarray:
    """The last component takes what still runs."""
    table = _blocks(share, event, tuple(np.arange(1, k - 1) / (k - 1))) if k > 2 else None
    failed = np.ones((1, share.size)) if table is None else table
    return _softened(np.concatenate([failed * (event > 0), (event == 0)[None]]), 0.1)


def _paper(log_time: np.ndarray, event: np.ndarray, failed: np.ndarray, k: int) -> list[np.ndarray]:
    """Straight pieces of Weibull paper: log(-log S) against log t is a line for one Weibull."""
    seen = (event > 0) & (failed > 0) & (failed < 1)
    if np.unique(log_time[seen]).size < 2 * k:
        return []
    x = log_time[seen]
    order = np.argsort(x)
    x, y = x[order], np.log(-np.log1p(-failed[seen][order]))
    tables = []
    for tilt in (1.0, 2.0):
        edges = (np.linspace(0, 1, k + 1) ** tilt * x.size).astype(int)
        log_density = []
        for low, high in zip(edges[:-1], edges[1:], strict=True):
            part = slice(low, max(high, low + 2))
            shape = np.polyfit(x[part], y[part], 1)[0] if np.ptp(x[part]) > 0 else 1.0
            shape = np.clip(shape, 0.2, 20.0)
            z = shape * (log_time - x[part].mean()) + y[part].mean()
            log_density.append(event * (np.log(shape) + z) - np.exp(np.minimum(z, 50.0)))
        q = np.array(log_density)
        table = np.exp(q - q.max(0))
        tables.append(_softened(table / table.sum(0)))
    return tables


@partial(jax.jit, static_argnames=("n_steps",))
def expectation_maximization(
    tables: jax.Array, log_time: jax.Array, event: jax.Array, weight: jax.Array, n_steps: int = 4
) -> jax.Array:
    """A few EM steps from each table of responsibilities (B, K, n): parameters (B, 3K - 1).

    The M step solves each component's shape by two Newton steps on its profile equation (Cohen
    1965); the answer is only a start, so it need not be exact.
    """
    center = jnp.sum(weight * log_time) / jnp.sum(weight)
    x = log_time - center

    def fit(table: jax.Array, shape: jax.Array, n_newton: int) -> tuple[jax.Array, ...]:
        held = table * weight
        failed = held * event
        n_failed = jnp.sum(failed, -1) + 1e-3
        target = jnp.sum(failed * x, -1) / n_failed
        for _ in range(n_newton):
            power = held * jnp.exp(jnp.clip(shape[..., None] * x, -MAX_EXPONENT / 2, 300.0))
            total = jnp.sum(power, -1) + 1e-300
            mean = jnp.sum(power * x, -1) / total
            spread = jnp.maximum(jnp.sum(power * x * x, -1) / total - mean**2, 0.0)
            gap = mean - 1.0 / shape - target
            shape = jnp.clip(shape - gap / (spread + 1.0 / shape**2), 0.5 * shape, 2.0 * shape)
            shape = jnp.clip(shape, 0.05, 40.0)
        power = held * jnp.exp(jnp.clip(shape[..., None] * x, -MAX_EXPONENT / 2, 300.0))
        log_scale = jnp.log((jnp.sum(power, -1) + 1e-300) / n_failed) / shape
        share = jnp.sum(held, -1) + 0.5
        return shape, log_scale, jnp.log(share / jnp.sum(share, -1, keepdims=True))

    def step(_: int, carry: Any) -> Any:
        table, shape = carry
        shape, log_scale, log_weight = fit(table, shape, 2)
        z = shape[..., None] * (x - log_scale[..., None])
        q = event * (jnp.log(shape)[..., None] + z) - jnp.exp(jnp.minimum(z, 100.0))
        return jax.nn.softmax(q + log_weight[..., None], axis=-2), shape

    first = tables * (weight * (0.05 + event))
    mean = jnp.sum(first * x, -1) / jnp.sum(first, -1)
    spread = jnp.sum(first * (x - mean[..., None]) ** 2, -1) / jnp.sum(first, -1)
    shape = jnp.clip(SD_OF_LOG / jnp.sqrt(spread + 1e-12), 0.1, 20.0)
    table, shape = jax.lax.fori_loop(0, n_steps, step, (tables, shape))
    shape, log_scale, log_weight = fit(table, shape, 1)
    logits = log_weight[..., 1:] - log_weight[..., :1]
    return jnp.concatenate([logits, log_scale + center, jnp.log(shape)], axis=-1)
