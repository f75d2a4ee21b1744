"""Starts that add a component where more units failed than a fitted mixture expects.

Of a small sample, the highest interior maximum often has a component on a few failures that
crowd together, which guesses made from the whole sample never meet. Every run of consecutive
failures is such a candidate. Its gain is the likelihood ratio of two Poisson counts (Kulldorff
1997): the failures seen where the component lives against those that the units at risk there
lead one to expect.
"""

from __future__ import annotations

import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.starts import representative
from survjax.likelihood.weibulls import weibull_parts, weibull_vector

#: The log times of a Weibull of shape a have standard deviation 1.28 / a; a little less for runs.
SPREAD = 1.25
#: Where nine tenths of a Weibull's log times lie, times its shape, around its log scale.
BELOW, ABOVE = 2.3, 1.0
#: Euler's constant: the mean of log times lies this over the shape below the log scale.
EULER = 0.5772156649015329
#: Runs that share more than this of their failures are one.
OVERLAP = 0.6


class ScanStatistic:
    """Runs of consecutive failures in a sample, and what a component on each would be.

    What depends on the sample alone is worked out once; `around` asks what each run would add to
    one mixture or another.
    """

    def __init__(self, rows: Observations, max_shape: float) -> None:
        log_time, event = representative(rows)
        order = np.argsort(log_time)
        self.y, weights = log_time[order], rows.weight[order]
        failed = weights * event[order]
        seen = np.flatnonzero(failed)
        half = _half_widths(rows)[order][seen]
        self.first, self.last, center, self.shape = _runs(
            self.y[seen], failed[seen], half, max_shape
        )
        self.log_scale = center + EULER / self.shape
        low = np.minimum(
            self.y[seen][self.first] - half[self.first], self.log_scale - BELOW / self.shape
        )
        high = np.maximum(
            self.y[seen][self.last] + half[self.last], self.log_scale + ABOVE / self.shape
        )
        self.weights, self.low, self.high = weights, low, high
        counted = np.concatenate([[0.0], np.cumsum(failed)])
        self.n_before = np.concatenate([[0.0], np.cumsum(weights)])
        self.i = np.searchsorted(self.y, low, side="left")
        self.j = np.searchsorted(self.y, high, side="right")
        self.observed = counted[self.j] - counted[self.i]
        self.uncensored = _uncensored(weights, event[order])

    def around(self, x: np.ndarray, most: int, least: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Mixtures of K + 1 components around that of K at x (3K - 1,), and what each may gain.

        Returns
        -------
        starts : array of shape (m, 3K + 2), m at most `most`, that gain more than `least`
        gains : array of shape (m,)
            Log-likelihood that the run alone would add, the largest first.
        """
        before, total = self.n_before, self.n_before[-1]
        # Failures expected by each time: the hazard that the units have lived through.
        at_rows = cumulative_hazard(x, self.y)
        lived = np.concatenate([[0.0], np.cumsum(self.weights * at_rows)])
        by_low, by_high = cumulative_hazard(x, self.low), cumulative_hazard(x, self.high)
        expected = lived[self.j] - lived[self.i]
        expected += (total - before[self.j]) * by_high - (total - before[self.i]) * by_low
        # Of the units at risk late in life, most may be of a kind that the mixture does not know:
        # what it expects is also limited by those that it lets live so long.
        alive = np.exp(-np.minimum(by_low, 300.0))
        let_live = total * self.uncensored[self.i] * (alive - np.exp(-by_high))
        gain, excess = gains(self.observed, np.minimum(expected, let_live))
        chosen = _apart(gain, max(least, 0.0), self.first, self.last, most)
        reached = (total - before[self.i]) / (total * alive)
        share = excess / (total * np.clip(reached, 0.05, 1.0))
        more = share[chosen], self.log_scale[chosen], self.shape[chosen]
        return with_component(np.repeat(x[None], len(chosen), axis=0), *more), gain[chosen]


def gains(observed: np.ndarray, usual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The likelihood ratio of two Poisson counts where more is observed, and how much more."""
    usual = np.maximum(usual, 1e-300)
    excess = observed - usual
    some = excess > 0
    ratio = np.where(some, observed, 1.0) / np.where(some, usual, 1.0)
    return np.where(some, observed * np.log(ratio) - excess, 0.0), excess


def _uncensored(weights: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Share of the units not censored before each sorted time, by Kaplan-Meier: (n + 1,)."""
    at_risk = np.cumsum(weights[::-1])[::-1]
    left = 1.0 - weights * (1.0 - event) / np.maximum(at_risk, 1e-300)
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
    first, last = runs_of(y.shape[0])
    x = y - y.mean()
    # A unit lies anywhere in its interval.
    square = x * x + half**2 / 3.0
    sums = np.cumsum(np.stack([weight, weight * x, weight * square], axis=1), axis=0)
    sums = np.concatenate([np.zeros((1, 3)), sums])
    mean, shape, good = shapes_of_runs((sums[last + 1] - sums[first]).T, max_shape)
    return first[good], last[good], (mean + y.mean())[good], shape[good]


def runs_of(n: int) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last of the failures of each run, of n in all."""
    sizes = np.unique(np.geomspace(2, max(0.7 * n, 2), 16).astype(int))
    # Long runs begin further apart: neighbors would share nearly all of their failures.
    begins = [np.arange(0, n - size + 1, 1 + size // 4) for size in sizes if size <= n]
    first = np.concatenate([*begins, np.zeros(0, int)])
    last = first + np.repeat(sizes[: len(begins)], [b.size for b in begins]) - 1
    return first, last


def shapes_of_runs(sums: np.ndarray, max_shape: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and shape (...) of runs, of their sums (3, ...) of 1, x and x^2, and which may count."""
    total, once, twice = sums
    mean = once / total
    spread = np.sqrt(np.maximum(twice / total - mean**2, 0.0))
    # A run tighter than the steepest component allowed is a collapse in waiting.
    good = spread > SPREAD / (1.2 * max_shape)
    shape = np.clip(SPREAD / np.where(good, spread, 1.0), 0.3, 0.85 * max_shape)
    return mean, shape, good


def cumulative_hazard(x: np.ndarray, log_time: np.ndarray) -> np.ndarray:
    """H (..., n) of Weibull mixtures (..., 3K - 1) at log times (..., n)."""
    logits, log_scales, log_shapes = weibull_parts(x)
    log_weights = logits - np.logaddexp.reduce(logits, axis=-1)[..., None]
    gap = log_time[..., None, :] - log_scales[..., None]
    hazards = np.exp(np.minimum(np.exp(log_shapes)[..., None] * gap, 300.0))
    if logits.shape[-1] == 1:
        return hazards[..., 0, :]
    return -np.logaddexp.reduce(log_weights[..., None] - hazards, axis=-2)


def _apart(
    gain: np.ndarray, least: float, first: np.ndarray, last: np.ndarray, most: int
) -> list[int]:
    """The runs of largest gain, of those that share most failures the best."""
    chosen: list[int] = []
    order = np.flatnonzero(gain > least)
    order = order[np.argsort(gain[order])[::-1]]
    while order.size and len(chosen) < most:
        best = order[0]
        chosen.append(int(best))
        both = np.minimum(last[order], last[best]) - np.maximum(first[order], first[best]) + 1
        either = np.maximum(last[order], last[best]) - np.minimum(first[order], first[best]) + 1
        order = order[both <= OVERLAP * either]
    return chosen


def with_component(
    x: np.ndarray, share: np.ndarray, log_scale: np.ndarray, shape: np.ndarray
) -> np.ndarray:
    """The mixtures at x (B, 3K - 1) with one more component that takes a share of all units."""
    share = np.clip(share, 1e-4, 0.9)[:, None]
    logits, log_scales, log_shapes = weibull_parts(x)
    log_weights = logits - np.logaddexp.reduce(logits, axis=-1)[:, None] + np.log1p(-share)
    pairs = (
        (log_weights, np.log(share)),
        (log_scales, log_scale[:, None]),
        (log_shapes, np.log(shape)[:, None]),
    )
    found: np.ndarray = weibull_vector(*(np.concatenate(pair, axis=1) for pair in pairs))
    return found


def without_each(x: np.ndarray) -> np.ndarray:
    """The mixtures (..., K, 3K - 4) that are left of those at x when one component goes."""
    parts = weibull_parts(x)
    return np.stack(
        [
            weibull_vector(*(np.delete(part, gone, axis=-1) for part in parts))
            for gone in range(parts[0].shape[-1])
        ],
        axis=-2,
    )


def with_nothing(weibulls: np.ndarray) -> np.ndarray:
    """Mixtures of Weibulls (B, 3K - 4) with one more component, of no weight: (B, 3K - 1)."""
    logits, scales, shapes = weibull_parts(weibulls)
    nothing = np.full((len(weibulls), 1), -60.0)
    more = (
        np.concatenate(pair, axis=1)
        for pair in ((logits, nothing), (scales, scales[:, :1]), (shapes, shapes[:, :1]))
    )
    x: np.ndarray = weibull_vector(*more)
    return x
