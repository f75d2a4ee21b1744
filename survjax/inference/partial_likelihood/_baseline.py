"""Baseline hazards, and survival with errors, of a fitted proportional-hazards model."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from survjax.inference.nonparametric import StepCurve
from survjax.inference.nonparametric._product_limit import normal_quantile
from survjax.inference.nonparametric._rows import Floats, Ints
from survjax.inference.partial_likelihood._derivatives import tied_sums
from survjax.inference.partial_likelihood._fit import CoxFit
from survjax.inference.partial_likelihood._sums import weighted_sums

__all__ = [
    "HazardTable",
    "baseline_hazard",
    "failure_counts",
    "hazard_table",
    "mean_pull",
    "step_curve",
]

#: Numbers held at once while the errors of many units are worked out.
CHUNK = 1_000_000


@dataclass(frozen=True)
class HazardTable:
    """Cumulative hazards at the failure times of one stratum, at the center of the covariates.

    With z the standardized covariates of a unit, its cumulative hazard is ``exp(z'theta) A(t)``,
    and has the variance ``exp(2 z'theta) (U(t) + q'Vq)`` with ``q = z A(t) - M(t)``.

    Attributes
    ----------
    times : ndarray of shape (G,)
        Failure times, increasing.
    hazard, spread : ndarray of shape (G + 1,)
        A and U, 0 before the first time.
    mean : ndarray of shape (p, G + 1)
        M, 0 before the first time.
    theta : ndarray of shape (p,)
        Standardized coefficients.
    root : ndarray of shape (p, k)
        ``root root' = V``, the covariance of those that have one.
    """

    times: Floats
    hazard: Floats
    spread: Floats
    mean: Floats
    theta: Floats
    root: Floats

    def place(self, t: Floats) -> Ints:
        """Count the failure times up to and including t."""
        return np.searchsorted(self.times, t, side="right")

    def log_hazard(self, z: Floats, until: Ints, since: Ints) -> tuple[Floats, Floats]:
        """Return the log cumulative hazard from `since` to `until`, and its standard error.

        Parameters
        ----------
        z : ndarray of shape (n, p)
        until, since : integer ndarray of shape (n, m) and (n, 1)
            Places, as `place` gives them.

        Returns
        -------
        value, error : ndarray of shape (n, m)
            -inf and 0 where no failure time lies between.
        """
        value = np.empty(until.shape)
        error = np.zeros(until.shape)
        for part in _chunks(until.shape, z.shape[1]):
            passed = self.hazard[until[part]] - self.hazard[since[part]]
            some = passed > 0
            with np.errstate(divide="ignore"):
                value[part] = np.log(passed) + (z[part] @ self.theta)[:, None]
            safe = np.where(some, passed, 1.0)
            spread = (self.spread[until[part]] - self.spread[since[part]]) / safe**2
            if self.root.shape[1]:
                drift = self.mean[:, until[part]] - self.mean[:, since[part]]
                slope = z[part].T[:, :, None] - drift / safe
                spread += np.sum(np.tensordot(self.root.T, slope, axes=1) ** 2, axis=0)
            error[part] = np.where(some, np.sqrt(np.maximum(spread, 0.0)), 0.0)
        return value, error

    def quantile(self, z: Floats, since: Ints, target: Floats, reach: float) -> Ints:
        """Return the place at which each unit's cumulative hazard reaches a target: (n,).

        `reach` standard errors (of the log) are added first: 0 for the estimate, negative for
        the latest place it may be, positive for the earliest. G + 1 where it is never reached.
        """
        n, last = z.shape[0], self.times.size
        low, high = since[:, 0].copy(), np.full(n, last + 1)
        goal = np.log(target)
        # The bounds rise with time, so that halving finds where each crosses its target.
        while np.any(high - low > 1):
            middle = np.where(high - low > 1, (low + high) // 2, low)
            value, error = self.log_hazard(z, np.minimum(middle, last)[:, None], since)
            with np.errstate(invalid="ignore"):
                there = value[:, 0] + reach * error[:, 0] >= goal - 1e-12
            open_ = high - low > 1
            high = np.where(open_ & there, middle, high)
            low = np.where(open_ & ~there, middle, low)
        return high

    def restricted_mean(self, z: Floats, age: Floats, horizon: Floats) -> tuple[Floats, Floats]:
        """Return the mean time that units run within a horizon, and its standard error: (n,), (n,).

        The area under the survival curve from the age on. Its error follows from those of the
        hazards' steps, which are independent, and from that of the coefficients. NaN where the
        horizon lies beyond the last failure time.

        Parameters
        ----------
        z : ndarray of shape (n, p)
        age, horizon : ndarray of shape (n,)
        """
        mean, error = np.full((2, z.shape[0]), np.nan)
        starts = np.concatenate([[0.0], self.times])
        ends = np.append(self.times, np.inf)
        known = np.flatnonzero(age + horizon <= starts[-1] * (1 + 1e-12))
        for part in _chunks((known.size, starts.size), 1):
            rows = known[part]
            begin, stop = age[rows, None], (age + horizon)[rows, None]
            since = self.place(age[rows])
            ratio = np.exp(z[rows] @ self.theta)[:, None]
            passed = np.maximum(self.hazard - self.hazard[since][:, None], 0.0)
            length = np.minimum(ends, stop) - np.maximum(starts, begin)
            area = np.exp(-ratio * passed) * np.maximum(length, 0.0)
            mean[rows] = total = area.sum(axis=1)
            # A step of the hazard lowers the curve from there on.
            below = np.cumsum(area[:, ::-1], axis=1)[:, ::-1][:, 1:]
            below = np.where(np.arange(1, starts.size) > since[:, None], below, 0.0)
            variance = below**2 @ np.diff(self.spread)
            drift = area @ self.mean.T - total[:, None] * self.mean.T[since]
            pull = (z[rows] * np.sum(area * passed, axis=1)[:, None] - drift) @ self.root
            variance += np.sum(pull**2, axis=1)
            error[rows] = ratio[:, 0] * np.sqrt(variance)
        return mean, error


def _chunks(shape: tuple[int, ...], p: int) -> Iterator[slice]:
    step = max(CHUNK // max(shape[1] * p, 1), 1)
    for start in range(0, shape[0], step):
        yield slice(start, start + step)


def hazard_table(fit: CoxFit, stratum: int = 0, covariance: Floats | None = None) -> HazardTable:
    """Lay out the hazards of one stratum, by its number among `fit.strata`.

    `covariance` is that of the coefficients; the fit's own by default.
    """
    given = fit.covariance if covariance is None else covariance
    # Failure times are numbered backward: from the last of a stratum to its first.
    g = np.flatnonzero(fit.sets.stratum == stratum)[::-1]
    mean = np.zeros((fit.coef.size, g.size + 1))
    mean[:, 1:] = np.cumsum(mean_pull(fit)[:, g], axis=1)
    scale = fit.sets.scale
    known = np.isfinite(np.diag(given))
    root = np.zeros((fit.coef.size, int(known.sum())))
    if known.any():
        inside = (given * np.outer(scale, scale))[np.ix_(known, known)]
        values, vectors = np.linalg.eigh(inside)
        root[known] = vectors * np.sqrt(np.maximum(values, 0.0))
    return HazardTable(
        times=fit.sets.times[g],
        hazard=np.concatenate([[0.0], np.cumsum(fit.pull.a[g])]),
        spread=np.concatenate([[0.0], np.cumsum(fit.pull.alpha[g])]),
        mean=mean,
        theta=fit.climb.theta,
        root=root,
    )


def baseline_hazard(
    fit: CoxFit,
    at: ArrayLike | None = None,
    *,
    covariance: Floats | None = None,
    level: float = 0.95,
) -> dict[Hashable, StepCurve]:
    """Return the cumulative hazard of a unit with covariates `at`, in each stratum.

    Parameters
    ----------
    fit : CoxFit
    at : array-like of shape (p,), optional
        Covariates; zeros by default.
    covariance : array of shape (p, p), optional
        Of the coefficients, such as a robust one; the fit's own by default.
    level : float
        Confidence level of the pointwise bounds.

    Returns
    -------
    dict of StepCurve
        By label of the stratum (None without strata), with `initial` 0. Efron's or Breslow's
        estimate, as the fit; the variance carries that of the coefficients.

    References
    ----------
    Breslow (1974), Biometrics 30; Tsiatis (1981), Annals of Statistics 9, for the variance.
    """
    p = fit.coef.size
    x = np.zeros(p) if at is None else np.asarray(at, dtype=np.float64)
    if x.shape != (p,):
        raise ValueError(f"at must have one value for each of the {p} covariates, got {x.shape}")
    z = (x - fit.sets.center) / fit.sets.scale
    curves: dict[Hashable, StepCurve] = {}
    for number, name in enumerate(fit.strata):
        table = hazard_table(fit, number, covariance)
        curves[name] = step_curve(table, z, *failure_counts(fit, number), level)
    return curves


def failure_counts(fit: CoxFit, stratum: int) -> tuple[Floats, Floats]:
    """Return how many were at risk, and how many failed, at each failure time of a stratum."""
    g = np.flatnonzero(fit.sets.stratum == stratum)[::-1]
    n_at_risk = fit.sets.at_risk(fit.sets.weight)
    failed = np.bincount(fit.failures.at, fit.sets.weight[fit.failures.rows], fit.sets.n_times)
    return n_at_risk[g], failed[g]


def step_curve(
    table: HazardTable, z: Floats, at_risk: Floats, failed: Floats, level: float = 0.95
) -> StepCurve:
    """Return the cumulative hazard of a unit with standardized covariates z (p,)."""
    reach = normal_quantile(level)
    places = np.arange(1, table.times.size + 1)[None]
    (log_value,), (error,) = table.log_hazard(z[None], places, np.zeros((1, 1), dtype=np.int64))
    values = np.exp(log_value)
    return StepCurve(
        times=table.times,
        values=values,
        lower=values * np.exp(-reach * error),
        upper=values * np.exp(reach * error),
        at_risk=at_risk,
        events=failed,
        variance=(values * error) ** 2,
        initial=0.0,
    )


def mean_pull(fit: CoxFit) -> Floats:
    """Return the sum of w (S1 - f D1) / D^2 over the terms of each failure time: (p, G)."""
    pulled = weighted_sums(fit.sets, fit.risk) * fit.pull.alpha
    tied = fit.failures.tied
    if tied is not None:
        d1 = tied_sums(tied, fit.risk)
        pulled[:, tied.at] -= d1 * fit.pull.beta[tied.at]
    return pulled
