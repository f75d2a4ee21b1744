"""The cumulative hazard of one stratum as steps, and what units with covariates make of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from survjax.data.times import rounding_slack
from survjax.nonparametric.rows import Bools, Floats, Ints

__all__ = ["HazardTable", "summed"]

#: Numbers held at once while the errors of many units are worked out.
CHUNK = 1_000_000
#: Share of a running sum that must be left of it to be the difference of two; and the least sum,
#: next to the largest step.
LEAST_SHARE, LEAST_SUM = 1e-4, 1e-140


@dataclass(frozen=True)
class HazardTable:
    """Steps of the cumulative hazard at the failure times of one stratum.

    With z the standardized covariates of a unit minus the table's origin, its cumulative hazard is
    ``exp(z'theta) A(t)``, and has the variance ``exp(2 z'theta) (U(t) + q'Vq)`` with
    ``q = z A(t) - M(t)``. A, U and M are sums of steps, which are kept as logarithms: they may
    span more than numbers do where covariates drift along time.

    Attributes
    ----------
    times : ndarray of shape (G,)
        Failure times, increasing.
    log_steps, log_spreads : ndarray of shape (G,)
        Logarithms of the steps of A and U.
    means : ndarray of shape (p, G)
        Steps of M over those of A: the mean covariates of those at risk.
    theta : ndarray of shape (p,)
        Standardized coefficients.
    root : ndarray of shape (p, k)
        ``root root' = V``, the covariance of those that have one.
    origin : ndarray of shape (p,)
        Standardized covariates at which A is the cumulative hazard.
    """

    times: Floats
    log_steps: Floats
    log_spreads: Floats
    means: Floats
    theta: Floats
    root: Floats
    origin: Floats

    @classmethod
    def from_cumulative(
        cls,
        times: Floats,
        hazard: Floats,
        spread: Floats,
        mean: Floats,
        theta: Floats,
        root: Floats,
    ) -> HazardTable:
        """Take A, U (G + 1,) and M (p, G + 1) as they accumulate, from zero on."""
        rise = np.diff(hazard)
        with np.errstate(divide="ignore"):
            logs = np.log(rise), np.log(np.diff(spread))
        means = np.diff(mean, axis=1) / np.where(rise > 0, rise, 1.0)
        return cls(times, *logs, means, theta, root, np.zeros_like(theta))

    @property
    def last(self) -> float:
        """The last failure time, beyond which nothing is known; -inf if there is none."""
        return float(self.times[-1]) if self.times.size else -np.inf

    def knows(self, t: Floats) -> Bools:
        """Tell whether a time lies at or before the last failure, up to rounding."""
        return t - rounding_slack(t) <= self.last

    def place(self, t: Floats) -> Ints:
        """Count the failure times up to and including t, or equal to it up to rounding."""
        return np.searchsorted(self.times, t + rounding_slack(t), side="right")

    @cached_property
    def _sums(self) -> tuple[float, Floats, Floats, Floats]:
        """The largest log step; A and U next to it (G + 1,), and M (p, G + 1)."""
        top = float(self.log_steps.max(initial=-np.inf))
        top = top if np.isfinite(top) else 0.0
        rise = np.exp(self.log_steps - top)
        spread = np.exp(self.log_spreads - 2.0 * top)
        return top, summed(rise), summed(spread), summed(self.means * rise)

    def between(self, until: Ints, since: Ints) -> tuple[Floats, Floats, Floats]:
        """Return log A, U / A^2 and M / A of the steps from `since` to `until`.

        Parameters
        ----------
        until, since : integer ndarray of any one shape
            Places, as `place` gives them.

        Returns
        -------
        log_hazard, spread : ndarray of that shape
            -inf and 0 where there are no steps.
        mean : ndarray of shape (p, ...)
        """
        top, hazard, spread, mean = self._sums
        some = until > since
        passed = hazard[until] - hazard[since]
        squares = spread[until] - spread[since]
        # A difference of sums much larger than it is would be one of their rounding errors.
        exact = (passed > LEAST_SHARE * hazard[until]) & (squares > LEAST_SHARE * spread[until])
        safe = np.where(some & (passed > 0), passed, 1.0)
        with np.errstate(divide="ignore"):
            value = np.where(some, np.log(safe) + top, -np.inf)
        squares = np.where(some, squares / safe**2, 0.0)
        drift = (mean[:, until] - mean[:, since]) / safe
        hidden = some & ~(exact & (hazard[until] > LEAST_SUM))
        if hidden.any():
            pairs = np.stack([since[hidden], until[hidden]], axis=1)
            kinds, kind = np.unique(pairs, axis=0, return_inverse=True)
            found = [self._added(begin, end) for begin, end in kinds.tolist()]
            kind = kind.reshape(-1)
            value[hidden] = np.array([part[0] for part in found])[kind]
            squares[hidden] = np.array([part[1] for part in found])[kind]
            drift[:, hidden] = np.stack([part[2] for part in found], axis=1)[:, kind]
        return value, squares, drift

    def _added(self, begin: int, end: int) -> tuple[float, float, Floats]:
        """The same for one stretch, its steps added up one by one."""
        logs = self.log_steps[begin:end]
        top = float(logs.max())
        rise = np.exp(logs - top)
        total = rise.sum()
        spread = np.exp(self.log_spreads[begin:end] - 2.0 * top).sum() / total**2
        return float(np.log(total) + top), float(spread), self.means[:, begin:end] @ rise / total

    def log_hazard(self, z: Floats, until: Ints, since: Ints) -> tuple[Floats, Floats]:
        """Return the log cumulative hazard from `since` to `until`, and its standard error.

        Parameters
        ----------
        z : ndarray of shape (n, p)
            Standardized covariates.
        until, since : integer ndarray of shape (n, m) and (n, 1)
            Places, as `place` gives them.

        Returns
        -------
        value, error : ndarray of shape (n, m)
            -inf and 0 where no failure time lies between.
        """
        z = z - self.origin
        value, error = np.empty((2, *until.shape))
        since = np.broadcast_to(since, until.shape)
        for part in _chunks(until.shape, z.shape[1]):
            found, spread, drift = self.between(until[part], since[part])
            value[part] = found + (z[part] @ self.theta)[:, None]
            if self.root.shape[1]:
                slope = z[part].T[:, :, None] - drift
                spread = spread + np.sum(np.tensordot(self.root.T, slope, axes=1) ** 2, axis=0)
            some = until[part] > since[part]
            error[part] = np.where(some, np.sqrt(np.maximum(spread, 0.0)), 0.0)
        return value, error

    def quantile(self, z: Floats, since: Ints, target: Floats, critical_value: float) -> Ints:
        """Return the place at which each unit's log cumulative hazard reaches a target: (n,).

        `critical_value` standard errors (of the log) are added first: 0 for the estimate, negative
        for the latest place it may be, positive for the earliest. G + 1 where it is never reached.
        """
        n, last = z.shape[0], self.times.size
        low, high = since[:, 0].copy(), np.full(n, last + 1)
        # The bounds rise with time, so that halving finds where each crosses its target.
        while np.any(high - low > 1):
            middle = np.where(high - low > 1, (low + high) // 2, low)
            value, error = self.log_hazard(z, np.minimum(middle, last)[:, None], since)
            with np.errstate(invalid="ignore"):
                there = value[:, 0] + critical_value * error[:, 0] >= target - 1e-12
            open_ = high - low > 1
            high = np.where(open_ & there, middle, high)
            low = np.where(open_ & ~there, middle, low)
        return high

    def restricted_mean(
        self, z: Floats, age: Floats, horizon: Floats, offset: Floats
    ) -> tuple[Floats, Floats]:
        """Return the mean time that units run within a horizon, and its standard error: (n,), (n,).

        The area under the survival curve from the age on. Its error follows from those of the
        hazards' steps, which are independent, and from that of the coefficients. NaN where the
        horizon lies beyond the last failure time.

        Parameters
        ----------
        z : ndarray of shape (n, p)
        age, horizon, offset : ndarray of shape (n,)
            The offset is a known part of log hazards.
        """
        z = z - self.origin
        mean, error = np.full((2, z.shape[0]), np.nan)
        starts = np.concatenate([[0.0], self.times])
        ends = np.append(self.times, np.inf)
        known = np.flatnonzero(self.knows(age + horizon))
        for part in _chunks((known.size, starts.size), 1):
            rows = known[part]
            begin, stop = age[rows, None], (age + horizon)[rows, None]
            since = self.place(age[rows])[:, None]
            eta = (z[rows] @ self.theta + offset[rows])[:, None]
            ahead = np.arange(self.times.size) >= since
            with np.errstate(over="ignore"):
                rise = np.where(ahead, np.exp(eta + self.log_steps), 0.0)
                spread = np.where(ahead, np.exp(2.0 * eta + self.log_spreads), 0.0)
            length = np.maximum(np.minimum(ends, stop) - np.maximum(starts, begin), 0.0)
            area = np.exp(-summed(rise)) * length
            mean[rows] = area.sum(axis=1)
            # A step of the hazard lowers the curve from there on; one that ends it leaves nothing.
            below = np.cumsum(area[:, ::-1], axis=1)[:, ::-1][:, 1:]
            lost = below * np.where(below > 0, rise, 0.0)
            variance = np.sum(below**2 * np.where(below > 0, spread, 0.0), axis=1)
            away = (z[rows] * lost.sum(axis=1)[:, None] - lost @ self.means.T) @ self.root
            error[rows] = np.sqrt(variance + np.sum(away**2, axis=1))
        return mean, error


def summed(steps: Floats) -> Floats:
    """Running sums over steps (..., G), from zero on: (..., G + 1)."""
    zero = np.zeros((*steps.shape[:-1], 1))
    return np.concatenate([zero, np.cumsum(steps, axis=-1)], axis=-1)


def _chunks(shape: tuple[int, ...], p: int) -> Iterator[slice]:
    step = max(CHUNK // max(shape[1] * p, 1), 1)
    for start in range(0, shape[0], step):
        yield slice(start, start + step)
