"""Baseline hazards, and survival with errors, of a fitted proportional-hazards model."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
from numpy.typing import ArrayLike

from survjax.cox._fitted import CoxFit
from survjax.cox._hazard_table import HazardTable
from survjax.cox.partial_likelihood.failures import tied_sums
from survjax.nonparametric import StepCurve
from survjax.nonparametric.product_limit import normal_quantile
from survjax.nonparametric.rows import Floats

__all__ = ["baseline_hazard", "failure_counts", "hazard_table", "weighted_means", "step_curve"]


def hazard_table(fit: CoxFit, stratum: int = 0, covariance: Floats | None = None) -> HazardTable:
    """Lay out the hazards of one stratum, by its number among `fit.strata`.

    `covariance` is that of the coefficients; the fit's own by default.
    """
    given = fit.covariance if covariance is None else covariance
    sets, theta = fit.sets, fit.maximum.theta
    # Failure times are numbered backward: from the last of a stratum to its first.
    g = np.flatnonzero(sets.stratum == stratum)[::-1]
    segment = sets.segment[g]
    origin = sets.origin[:, segment[:1]].sum(axis=1)  # of the earliest; zero without failures
    away = sets.origin[:, segment] - origin[:, None]
    lift = fit.risks.top[segment] + theta @ away
    known = np.isfinite(np.diag(given))
    root = np.zeros((fit.coef.size, int(known.sum())))
    if known.any():
        inside = (given * np.outer(sets.scale, sets.scale))[np.ix_(known, known)]
        values, vectors = np.linalg.eigh(inside)
        root[known] = vectors * np.sqrt(np.maximum(values, 0.0))
    return HazardTable(
        times=sets.times[g],
        log_steps=np.log(fit.event_weights.a[g]) - lift,
        log_spreads=np.log(fit.event_weights.alpha[g]) - 2.0 * lift,
        means=weighted_means(fit)[:, g] / fit.event_weights.a[g] + away,
        theta=theta,
        root=root,
        origin=origin,
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
    critical_value = normal_quantile(level)
    places = np.arange(1, table.times.size + 1)[None]
    (log_value,), (error,) = table.log_hazard(z[None], places, np.zeros((1, 1), dtype=np.int64))
    with np.errstate(over="ignore"):
        values, lower, upper = (
            np.exp(log_value + side * error) for side in (0.0, -critical_value, critical_value)
        )
        variance = np.exp(2.0 * log_value) * error**2
    return StepCurve(
        times=table.times,
        values=values,
        lower=lower,
        upper=upper,
        at_risk=at_risk,
        events=failed,
        variance=variance,
        initial=0.0,
        quantity="cumulative hazard",
    )


def weighted_means(fit: CoxFit) -> Floats:
    """Return the sum of w (S1 - f D1) / D^2 over the terms of each failure time: (p, G)."""
    weighted = fit.sets.covariates_at_risk(fit.risk) * fit.event_weights.alpha
    tied = fit.failures.tied
    if tied is not None:
        d1 = tied_sums(tied, fit.risk)
        weighted[:, tied.at] -= d1 * fit.event_weights.beta[tied.at]
    return weighted
