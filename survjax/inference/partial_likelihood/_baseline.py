"""Baseline hazards, and survival with errors, of a fitted proportional-hazards model."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
from numpy.typing import ArrayLike

from survjax.inference.nonparametric import StepCurve
from survjax.inference.nonparametric._product_limit import normal_quantile
from survjax.inference.nonparametric._rows import Floats
from survjax.inference.partial_likelihood._derivatives import tied_sums
from survjax.inference.partial_likelihood._fit import CoxFit
from survjax.inference.partial_likelihood._sums import weighted_sums

__all__ = ["baseline_hazard", "mean_pull"]


def baseline_hazard(
    fit: CoxFit, at: ArrayLike | None = None, level: float = 0.95
) -> dict[Hashable, StepCurve]:
    """Return the cumulative hazard of a unit with covariates `at`, in each stratum.

    Parameters
    ----------
    fit : CoxFit
    at : array-like of shape (p,), optional
        Covariates; zeros by default.
    level : float
        Confidence level of the pointwise bounds.

    Returns
    -------
    dict of StepCurve
        By label of the stratum (None without strata), with `initial` 0. Efron's or Breslow's
        estimate, as the fit; the variance carries that of the coefficients (Tsiatis 1981).
    """
    p = fit.coef.size
    x = np.zeros(p) if at is None else np.asarray(at, dtype=np.float64)
    if x.shape != (p,):
        raise ValueError(f"at must have one value for each of the {p} covariates, got {x.shape}")
    z = normal_quantile(level)
    z_x = (x - fit.sets.center) / fit.sets.scale
    grow = float(np.exp(fit.climb.theta @ z_x))
    n_at_risk, failed = _counts(fit)
    curves: dict[Hashable, StepCurve] = {}
    for number, label in enumerate(fit.strata):
        # Failure times are numbered backward: from the last of a stratum to its first.
        g = np.flatnonzero(fit.sets.stratum == number)[::-1]
        values = grow * np.cumsum(fit.pull.a[g])
        variance = grow**2 * np.cumsum(fit.pull.alpha[g]) + grow**2 * _drift(fit, z_x, g)
        error = np.sqrt(variance) / values
        lower, upper = values * np.exp(-z * error), values * np.exp(z * error)
        curves[label] = StepCurve(
            fit.sets.times[g], values, lower, upper, n_at_risk[g], failed[g], variance, initial=0.0
        )
    return curves


def _counts(fit: CoxFit) -> tuple[Floats, Floats]:
    sets = fit.sets
    failed = np.bincount(fit.failures.at, sets.weight[fit.failures.rows], sets.n_times)
    return sets.at_risk(sets.weight), failed


def _drift(fit: CoxFit, x: Floats, g: np.ndarray) -> Floats:
    """Return the part of the variance that stems from the coefficients: (len(g),)."""
    known = np.isfinite(np.diag(fit.covariance))
    if not np.any(known):
        return np.zeros(g.size)
    scale = fit.sets.scale
    covariance = (fit.covariance * np.outer(scale, scale))[np.ix_(known, known)]
    slope = x[:, None] * fit.pull.a[g] - mean_pull(fit)[:, g]
    slope = np.cumsum(slope, axis=1)[known]
    return np.einsum("ig,ij,jg->g", slope, covariance, slope)


def mean_pull(fit: CoxFit) -> Floats:
    """Return the sum of w (S1 - f D1) / D^2 over the terms of each failure time: (p, G)."""
    pulled = weighted_sums(fit.sets, fit.risk) * fit.pull.alpha
    if fit.failures.tied is not None and fit.pull.beta is not None:
        d1 = tied_sums(fit.sets, fit.failures, fit.risk)
        pulled[:, fit.failures.tied] -= d1 * fit.pull.beta[fit.failures.tied]
    return pulled
