"""First guesses of a mixture as responsibilities: the share of each row that each component takes.

Blocks between quantiles, straight pieces of Weibull paper, the center against the edges and random
shares, for one sample of rows (n,) or for many (..., n) side by side.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from survjax._core.annotations import RandomState

CUTS = (0.03, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97)


def failed_share(log_time: np.ndarray, event: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Kaplan-Meier's failed share (..., n) just after each row's time, ties in order of events."""
    order = np.lexsort((-event, log_time))
    weight, event = (np.take_along_axis(part, order, -1) for part in (weight, event))
    at_risk = np.cumsum(weight[..., ::-1], axis=-1)[..., ::-1]
    hazard = event * weight / np.maximum(at_risk, 1e-300)
    failed = 1.0 - np.cumprod(1.0 - np.minimum(hazard, 1.0 - 1e-9), axis=-1)
    share = np.empty_like(log_time)
    np.put_along_axis(share, order, failed, -1)
    return share


def guessed(
    log_time: np.ndarray,
    event: np.ndarray,
    weight: np.ndarray,
    n_components: int,
    n_starts: int,
    random_state: RandomState,
) -> np.ndarray:
    """Responsibilities (..., n_starts, K, n) of rows (..., n): one sample, or many side by side."""
    rng = np.random.default_rng(random_state)
    failed = failed_share(log_time, event, weight)
    top = np.maximum(failed.max(axis=-1, keepdims=True, initial=0.0), 1e-300)
    share = np.clip(failed / top, 0.0, 1.0)
    cuts = np.array(_cut_points(n_components, rng, max(n_starts // 2, 1)))
    tables = list(np.moveaxis(_blocks(share, event, cuts), -3, 0))
    if n_components > 1:
        tables[2:2] = [_center(share, event, n_components, width) for width in (0.3, 0.6)]
        tables[2:2] = [_survivors(share, event, n_components)]
        seen = event * weight > 0
        tables[2:2] = np.moveaxis(_paper(log_time, event, seen, failed, n_components), -3, 0)
    while len(tables) < n_starts:
        tables.append(_random_split(share, n_components, rng))
    return np.stack(tables[:n_starts], axis=-3)


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
    """Responsibilities (..., C, K, n) for sets of K - 1 quantiles (C, K - 1) that part blocks.

    Failed units belong to the block their time falls in; running ones to this or later ones. A
    running unit's share of each later block is the probability to fail there.
    """
    share, event = share[..., None, None, :], event[..., None, None, :]
    edges = np.zeros((len(cuts), cuts.shape[1] + 2, 1))
    edges[:, 1:-1, 0], edges[:, -1] = cuts, 1.0
    inside = (share > edges[:, :-1]) & (share <= edges[:, 1:])
    inside[..., :1, :] |= share == 0.0
    left = np.maximum(edges[:, 1:] - np.maximum(edges[:, :-1], share), 0.0)
    left += 1e-3 * inside
    left /= left.sum(-2, keepdims=True)
    return _softened(np.where(event > 0, inside, left))


def _random_split(share: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Blocks between random quantiles, several for each component, that lean to one or another."""
    n_cuts = 2 * k
    table = rng.random((k, n_cuts + 1)) ** 4
    table /= table.sum(0)
    place = np.sort(rng.random(n_cuts)).searchsorted(share)
    return np.moveaxis(_softened(table)[:, place], 0, -2)


def _softened(table: np.ndarray, by: float = 0.02) -> np.ndarray:
    return (1.0 - by) * table + by / table.shape[-2]


def _center(share: np.ndarray, event: np.ndarray, k: int, width: float) -> np.ndarray:
    """A component for the middle of the failures and others for everything around it."""
    middle = np.abs(share - 0.5) < width / 2
    table = np.empty((k, *share.shape))
    table[0] = np.where(middle, 0.9, 0.1)
    others = table[1:]
    others[:] = (1.0 - table[0]) / len(others)
    if k > 2:
        side = share > 0.5
        table[1] = (1.0 - table[0]) * np.where(side, 0.9, 0.1)
        table[2:] = (1.0 - table[0] - table[1]) / len(table[2:])
    return np.moveaxis(table, 0, -2)


def _survivors(share: np.ndarray, event: np.ndarray, k: int) -> np.ndarray:
    """The last component takes what still runs."""
    failed = _blocks(share, event, np.linspace(0.0, 1.0, k)[None, 1:-1])[..., 0, :, :]
    event = event[..., None, :]
    return _softened(np.concatenate([failed * (event > 0), event == 0], axis=-2), 0.1)


def has_paper(log_time: np.ndarray, seen: np.ndarray, k: int) -> np.ndarray:
    """Whether failures (..., n) have times enough for K pieces of paper."""
    times = np.sort(np.where(seen, log_time, np.inf), axis=-1)
    new = (times[..., 1:] > times[..., :-1]) & (times[..., 1:] < np.inf)
    return np.count_nonzero(new, axis=-1) + 1 >= k + k


def _paper(
    log_time: np.ndarray, event: np.ndarray, seen: np.ndarray, failed: np.ndarray, k: int
) -> np.ndarray:
    """Straight pieces of Weibull paper: log(-log S) against log t is a line for one Weibull."""
    seen = seen & (failed > 0) & (failed < 1)
    if not has_paper(log_time, seen, k).all():
        return np.empty((*log_time.shape[:-1], 0, k, log_time.shape[-1]))
    count = np.count_nonzero(seen, axis=-1)[..., None]
    order = np.argsort(np.where(seen, log_time, np.inf), axis=-1, kind="stable")
    x, failed = (np.take_along_axis(part, order, -1) for part in (log_time, failed))
    some = np.arange(x.shape[-1]) < count
    y = np.log(-np.log1p(-np.where(some, failed, 0.5)))
    center = np.sum(np.where(some, x, 0.0), axis=-1, keepdims=True) / count
    x = x - center
    sums = np.zeros((*x.shape[:-1], x.shape[-1] + 1, 5))
    columns = np.stack([np.ones_like(x), x, y, x * x, x * y], axis=-1)
    np.cumsum(np.where(some[..., None], columns, 0.0), axis=-2, out=sums[..., 1:, :])
    even = np.arange(k + 1) / k
    edges = (np.stack([even, even * even]) * count[..., None]).astype(int)
    low = edges[..., :-1]
    high = np.minimum(np.maximum(edges[..., 1:], low + 2), count[..., None])
    at_ends = [
        np.take_along_axis(sums, end.reshape(*x.shape[:-1], -1, 1), -2).reshape(*end.shape, 5)
        for end in (low, high)
    ]
    n, sum_x, sum_y, sum_xx, sum_xy = np.moveaxis(at_ends[1] - at_ends[0], -1, 0)
    middle, level = sum_x / n, sum_y / n
    spread = sum_xx - n * middle * middle
    flat = spread <= 1e-12 * sum_xx
    slope = (sum_xy - n * middle * level) / np.where(flat, 1.0, spread)
    slope = np.minimum(np.maximum(np.where(flat, 1.0, slope), 0.2), 20.0)[..., None]
    x, event = (log_time - center)[..., None, None, :], event[..., None, None, :]
    z = slope * (x - middle[..., None]) + level[..., None]
    q = event * (np.log(slope) + z) - np.exp(np.minimum(z, 50.0))
    table = np.exp(q - q.max(-2, keepdims=True))
    return _softened(table / table.sum(-2, keepdims=True))
