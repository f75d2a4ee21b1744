"""Starts that add a component where more units failed than a fitted mixture expects.

Of a small sample, the highest interior maximum often has a component on a few failures that
crowd together, which guesses made from the whole sample never meet. Every run of consecutive
failures is such a candidate. Its gain is the likelihood ratio of two Poisson counts (Kulldorff
1997): the failures seen where the component lives against those that the units at risk there
lead one to expect.
"""

from __future__ import annotations

import numpy as np

from survjax._core.observations import Observations
from survjax.inference.starts import representative

#: The log times of a Weibull of shape a have standard deviation 1.28 / a; a little less for runs.
SPREAD = 1.25
#: Where nine tenths of a Weibull's log times lie, times its shape, around its log scale.
BELOW, ABOVE = 2.3, 1.0
#: Euler's constant: the mean of log times lies this over the shape below the log scale.
EULER = 0.5772156649015329
#: Runs that share more than this of their failures are one.
OVERLAP = 0.6


def crowded_starts(
    rows: Observations, x: np.ndarray, most: int, max_shape: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mixtures of K + 1 components around that of K at x (3K - 1,), and what each may gain.

    Returns
    -------
    starts : array of shape (m, 3K + 2), m at most `most`
    gains : array of shape (m,)
        Log-likelihood that the crowd alone would add, the largest first.
    """
    log_time, event = representative(rows)
    order = np.argsort(log_time)
    y, held = log_time[order], rows.weight[order]
    failed = held * event[order]
    seen = np.flatnonzero(failed)
    half = _half_widths(rows)[order][seen]
    before = np.concatenate([[0.0], np.cumsum(held)])
    # Failures expected by each time: the hazard that the units have lived through.
    lived = np.concatenate([[0.0], np.cumsum(held * _cumulative_hazard(x, y))])

    def expected(t: np.ndarray) -> np.ndarray:
        i = np.searchsorted(y, t, side="right")
        return lived[i] + (before[-1] - before[i]) * _cumulative_hazard(x, t)

    first, last, center, shape = _runs(y[seen], failed[seen], half, max_shape)
    log_scale = center + EULER / shape
    low = np.minimum(y[seen][first] - half[first], log_scale - BELOW / shape)
    high = np.maximum(y[seen][last] + half[last], log_scale + ABOVE / shape)
    counted = np.concatenate([[0.0], np.cumsum(failed)])
    i, j = np.searchsorted(y, low, side="left"), np.searchsorted(y, high, side="right")
    observed = counted[j] - counted[i]
    # Of the units at risk late in life, most may be of a kind that the mixture does not know: what
    # it expects is also limited by those that it lets live so long.
    alive = np.exp(-np.minimum(_cumulative_hazard(x, low), 300.0))
    in_between = alive - np.exp(-_cumulative_hazard(x, high))
    let_live = before[-1] * _uncensored(held, event[order])[i] * in_between
    usual = np.maximum(np.minimum(expected(high) - expected(low), let_live), 1e-300)
    excess = observed - usual
    gain = np.where(excess > 0, observed * np.log(observed / usual) - excess, 0.0)
    chosen = _apart(gain, first, last, most)
    reached = (before[-1] - before[i]) / (before[-1] * alive)
    share = excess / (before[-1] * np.clip(reached, 0.05, 1.0))
    starts = [_with_component(x, share[c], log_scale[c], shape[c]) for c in chosen]
    return np.array(starts).reshape(-1, x.size + 3), gain[chosen]


def _uncensored(held: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Share of the units not censored before each sorted time, by Kaplan-Meier: (n + 1,)."""
    at_risk = np.cumsum(held[::-1])[::-1]
    left = 1.0 - held * (1.0 - event) / np.maximum(at_risk, 1e-300)
    return np.concatenate([[1.0], np.cumprod(np.maximum(left, 0.0))])


def _half_widths(rows: Observations) -> np.ndarray:
    """Half the width of each row's interval in log time; zero where its time is exact."""
    if rows.interval is None:
        return np.zeros(rows.n_rows)
    inside = rows.interval > 0
    lower = np.where(rows.lower > 0, rows.lower, 0.25 * np.where(inside, rows.upper, 1.0))
    return np.where(inside, 0.5 * np.log(np.where(inside, rows.upper, lower) / lower), 0.0)


def _runs(
    y: np.ndarray, weight: np.ndarray, half: np.ndarray, max_shape: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Runs of consecutive failures: first, last, mean log time and the shape of its spread."""
    n = y.shape[0]
    sizes = np.unique(np.geomspace(2, max(0.7 * n, 2), 16).astype(int))
    first = np.concatenate(
        [np.arange(n - size + 1) for size in sizes if size <= n] or [np.zeros(0)]
    )
    last = first + np.concatenate(
        [np.full(n - s + 1, s - 1) for s in sizes if s <= n] or [np.zeros(0)]
    )
    first, last = first.astype(int), last.astype(int)
    x = y - y.mean()
    # A unit lies anywhere in its interval.
    square = x * x + half**2 / 3.0
    sums = np.cumsum(np.stack([weight, weight * x, weight * square], axis=1), axis=0)
    sums = np.concatenate([np.zeros((1, 3)), sums])
    total, once, twice = (sums[last + 1] - sums[first]).T
    mean = once / total
    spread = np.sqrt(np.maximum(twice / total - mean**2, 0.0))
    # A run tighter than the steepest component allowed is a collapse in waiting.
    good = spread > SPREAD / (1.2 * max_shape)
    shape = np.clip(SPREAD / np.where(good, spread, 1.0), 0.3, 0.85 * max_shape)
    return first[good], last[good], (mean + y.mean())[good], shape[good]


def _cumulative_hazard(x: np.ndarray, log_time: np.ndarray) -> np.ndarray:
    """H of a Weibull mixture at log times."""
    k = (x.size + 1) // 3
    logits = np.concatenate([[0.0], x[: k - 1]])
    log_weights = logits - np.logaddexp.reduce(logits)
    z = np.exp(x[2 * k - 1 :, None]) * (log_time - x[k - 1 : 2 * k - 1, None])
    alive = log_weights[:, None] - np.exp(np.minimum(z, 300.0))
    return -np.logaddexp.reduce(alive, axis=0)


def _apart(gain: np.ndarray, first: np.ndarray, last: np.ndarray, most: int) -> list[int]:
    """The runs of largest gain, of those that share most failures the best."""
    chosen: list[int] = []
    order = np.argsort(gain)[::-1]
    order = order[gain[order] > 0]
    while order.size and len(chosen) < most:
        best = order[0]
        chosen.append(int(best))
        both = np.minimum(last[order], last[best]) - np.maximum(first[order], first[best]) + 1
        either = np.maximum(last[order], last[best]) - np.minimum(first[order], first[best]) + 1
        order = order[both <= OVERLAP * either]
    return chosen


def _with_component(x: np.ndarray, share: float, log_scale: float, shape: float) -> np.ndarray:
    """The mixture at x with one more component that takes a share of all units."""
    k = (x.size + 1) // 3
    share = np.clip(share, 1e-4, 0.9)
    logits = np.concatenate([[0.0], x[: k - 1]])
    log_weights = logits - np.logaddexp.reduce(logits) + np.log1p(-share)
    return np.concatenate(
        [
            log_weights[1:] - log_weights[0],
            [np.log(share) - log_weights[0]],
            x[k - 1 : 2 * k - 1],
            [log_scale],
            x[2 * k - 1 :],
            [np.log(shape)],
        ]
    )


def without_each(x: np.ndarray) -> np.ndarray:
    """The mixtures (K, 3K - 4) that are left of that at x when one component goes."""
    k = (x.size + 1) // 3
    logits = np.concatenate([[0.0], x[: k - 1]])
    left = []
    for kept in (np.delete(np.arange(k), gone) for gone in range(k)):
        rest = logits[kept]
        scales, shapes = x[k - 1 : 2 * k - 1][kept], x[2 * k - 1 :][kept]
        left.append(np.concatenate([rest[1:] - rest[0], scales, shapes]))
    return np.stack(left)
