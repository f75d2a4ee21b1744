"""Where failures are concentrated: `survjax.fitting.scan_statistic` for many groups at once."""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import numpy as np

from survjax.fitting.groups.mixtures.rows import SortedRows
from survjax.fitting.scan_statistic import (
    ABOVE,
    BELOW,
    EULER,
    OVERLAP,
    cumulative_hazard,
    gains,
    runs_of,
    shapes_of_runs,
    with_component,
)

_runs = lru_cache(maxsize=4096)(runs_of)


@dataclasses.dataclass(frozen=True)
class ScanStatistics:
    """Runs of consecutive failures (G, R) of each of G groups, in sorted rows (G, n).

    Attributes
    ----------
    first, last : arrays of shape (G, R)
        Of the failures of each run.
    is_run : array of shape (G, R)
        Whether there is one, and wide enough to be no collapse.
    log_scale, shape : arrays of shape (G, R)
        Of the Weibull on each.
    low, high : arrays of shape (G, R)
        Log times between which it lives, and the rows (i, j) that these are between.
    observed : array of shape (G, R)
        Failures there.
    n_before, uncensored : arrays of shape (G, n + 1)
        Units before each row, and the share that was not censored.
    """

    rows: SortedRows
    first: np.ndarray
    last: np.ndarray
    is_run: np.ndarray
    log_scale: np.ndarray
    shape: np.ndarray
    low: np.ndarray
    high: np.ndarray
    i: np.ndarray
    j: np.ndarray
    observed: np.ndarray
    n_before: np.ndarray
    uncensored: np.ndarray

    @classmethod
    def of(cls, rows: SortedRows, max_shape: float) -> ScanStatistics:
        """Find all runs, and what a component on each would be."""
        y, observed_weight = rows.log_time, rows.observed_weight
        failed = observed_weight * rows.event
        count, (first, last, there) = np.count_nonzero(failed, axis=1), _padded_runs(failed)
        order = np.argsort(failed == 0, axis=1, kind="stable")[:, : count.max()]
        times, weight = (np.take_along_axis(part, order, 1) for part in (y, failed))
        center = np.sum(times * (weight > 0), axis=1, keepdims=True) / count[:, None]
        x = np.where(weight > 0, times - center, 0.0)
        sums = _from_zero(np.stack([weight, weight * x, weight * x * x]))
        total = _at(sums, last + 1) - _at(sums, first)
        mean, shape, good = shapes_of_runs(np.where(there, total, 1.0), max_shape)
        log_scale = mean + center + EULER / shape
        low = np.minimum(_at(times, first), log_scale - BELOW / shape)
        high = np.maximum(_at(times, last), log_scale + ABOVE / shape)
        i, j = _places(y, low, "left"), _places(y, high, "right")
        counted, n_before = _from_zero(failed), _from_zero(observed_weight)
        at_risk = np.cumsum(observed_weight[:, ::-1], axis=1)[:, ::-1]
        left = 1.0 - observed_weight * (1.0 - rows.event) / np.maximum(at_risk, 1e-300)
        uncensored = np.pad(np.cumprod(np.maximum(left, 0.0), axis=1), ((0, 0), (1, 0)))
        uncensored[:, 0] = 1.0
        observed = _at(counted, j) - _at(counted, i)
        return cls(
            rows, first, last, there & good, log_scale, shape, low, high, i, j, observed,
            n_before, uncensored,
        )  # fmt: skip

    def around(
        self, group: np.ndarray, x: np.ndarray, least: np.ndarray, most: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mixtures of K + 1 components around those of K at x (B, 3K - 1), of groups (B,).

        Returns
        -------
        base : array of shape (m,)
            Around which of the B each is.
        starts : array of shape (m, 3K + 2)
        """
        i, j, before = self.i[group], self.j[group], self.n_before[group]
        lived = _from_zero(
            self.rows.observed_weight[group] * cumulative_hazard(x, self.rows.log_time[group])
        )
        by_low = cumulative_hazard(x, self.low[group])
        by_high = cumulative_hazard(x, self.high[group])
        total = before[:, -1:]
        before_low, before_high = _at(before, i), _at(before, j)
        expected = _at(lived, j) - _at(lived, i)
        expected += (total - before_high) * by_high - (total - before_low) * by_low
        alive = np.exp(-np.minimum(by_low, 300.0))
        let_live = total * _at(self.uncensored[group], i) * (alive - np.exp(-by_high))
        gain, excess = gains(self.observed[group], np.minimum(expected, let_live))
        gain = np.where(self.is_run[group], gain, 0.0)
        base, run = _apart(gain, np.maximum(least, 0.0), self.first[group], self.last[group], most)
        reached = (total - before_low) / (total * alive)
        share = excess / (total * np.clip(reached, 0.05, 1.0))
        at = group[base], run
        return base, with_component(x[base], share[base, run], self.log_scale[at], self.shape[at])


def _padded_runs(failed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First and last failures (G, R) of the runs of each group, and which are there."""
    runs = [_runs(int(n)) for n in np.count_nonzero(failed, axis=1)]
    most = max(first.size for first, _ in runs)
    found = np.zeros((2, len(runs), most), int)
    there = np.zeros((len(runs), most), bool)
    for g, pair in enumerate(runs):
        found[:, g, : pair[0].size] = pair
        there[g, : pair[0].size] = True
    return found[0], found[1], there


def _from_zero(parts: np.ndarray) -> np.ndarray:
    """Sums (..., n + 1) of all before each place."""
    sums = np.zeros((*parts.shape[:-1], parts.shape[-1] + 1))
    np.cumsum(parts, axis=-1, out=sums[..., 1:])
    return sums


def _at(table: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Entries (..., G, R) of tables (..., G, n) at places (G, R)."""
    width = table.shape[-1]
    flat = (np.arange(len(place))[:, None] * width + place).ravel()
    found = table.reshape(*table.shape[:-2], -1)[..., flat]
    return found.reshape(*table.shape[:-2], *place.shape)


def _places(y: np.ndarray, asked: np.ndarray, side: str) -> np.ndarray:
    """Where times (G, R) belong in the sorted times (G, n) of their group."""
    low, high = y.min() - 1.0, y.max() + 1.0
    # One search in all groups, one after the other.
    shift = (high - low) * np.arange(len(y))[:, None]
    keys = (y - low + shift).ravel()
    asked = np.clip(asked, low, high) - low + shift
    found = np.searchsorted(keys, asked.ravel(), side=side).reshape(asked.shape)  # type: ignore[call-overload]
    place: np.ndarray = found - np.arange(len(y))[:, None] * y.shape[1]
    return np.clip(place, 0, y.shape[1])


def _apart(
    gain: np.ndarray, least: np.ndarray, first: np.ndarray, last: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Runs of largest gain, of those that share most failures the best: rows, and their runs."""
    open_ = np.where(gain > least[:, None], gain, 0.0)
    alive = np.flatnonzero(open_.any(axis=1))
    rows, runs = [], []
    first, last = first[alive].astype(np.int32), last[alive].astype(np.int32)
    open_ = open_[alive]
    for _ in range(most):
        if not alive.size:
            break
        best = np.argmax(open_, axis=1)
        rows.append(alive)
        runs.append(best)
        at = np.arange(alive.size), best
        from_, to = first[at][:, None], last[at][:, None]
        both = np.minimum(last, to) - np.maximum(first, from_) + 1
        either = np.maximum(last, to) - np.minimum(first, from_) + 1
        open_[both > OVERLAP * either] = 0.0
        on = open_.any(axis=1)
        if not on.all():
            alive, first, last, open_ = alive[on], first[on], last[on], open_[on]
    if not rows:
        return np.zeros(0, int), np.zeros(0, int)
    return np.concatenate(rows), np.concatenate(runs)
