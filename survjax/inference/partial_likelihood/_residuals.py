"""Residuals of a proportional-hazards fit, and the robust covariance they give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from survjax.inference.nonparametric._log_rank import label
from survjax.inference.nonparametric._rows import Floats
from survjax.inference.partial_likelihood._baseline import mean_pull
from survjax.inference.partial_likelihood._derivatives import Tied, tied_sums
from survjax.inference.partial_likelihood._fit import CoxFit, Test, chi_squared
from survjax.inference.partial_likelihood._sums import weighted_sums

__all__ = [
    "deviance_residuals",
    "influence",
    "martingale_residuals",
    "robust_covariance",
    "robust_score_test",
    "schoenfeld_residuals",
    "score_residuals",
]


def martingale_residuals(fit: CoxFit) -> Floats:
    """Return failures seen minus failures expected, for each row: (n,).

    Against a covariate left out they show the form in which it should enter (Therneau, Grambsch
    and Fleming 1990). They add up to zero.

    Parameters
    ----------
    fit : CoxFit
    """
    sets, failures = fit.sets, fit.failures
    expected = sets.passed(fit.pull.a)
    if failures.tied is not None:
        expected[failures.rows] -= fit.pull.b[failures.at]
    result = np.zeros(fit.durations.size)
    result[sets.order] = sets.event - expected * fit.risk / sets.weight
    return result


def deviance_residuals(fit: CoxFit) -> Floats:
    """Return martingale residuals made more symmetric, for spotting outliers: (n,).

    ``sign(M) sqrt(-2 (M + d log(d - M)))`` with d = 1 for a failure.

    Parameters
    ----------
    fit : CoxFit
    """
    m = martingale_residuals(fit)
    event = np.zeros(m.size, dtype=bool)
    event[fit.sets.order] = fit.sets.event
    surplus = np.where(event, np.log(np.where(event, 1.0 - m, 1.0)), 0.0)
    return np.sign(m) * np.sqrt(np.maximum(-2.0 * (m + surplus), 0.0))


def score_residuals(fit: CoxFit) -> Floats:
    """Return each row's share of the slope of the log partial likelihood: (n, p).

    ``(x - mean) at its failure minus the hazard it passed times (x - mean)``; they add up to
    zero over rows (times weights).

    Parameters
    ----------
    fit : CoxFit
    """
    sets, failures, pull = fit.sets, fit.failures, fit.pull
    passed = sets.passed(pull.a)
    toward = sets.passed(mean_pull(fit))
    if failures.tied is not None:
        passed[failures.rows] -= pull.b[failures.at]
        toward[:, failures.rows] -= _tied_pull(fit, failures.tied)[:, failures.at]
    scores = (toward - sets.x * passed) * (fit.risk / sets.weight)
    scores[:, failures.rows] += sets.x[:, failures.rows] - _means(fit)[:, failures.at]
    result = np.zeros((fit.durations.size, fit.coef.size))
    result[sets.order] = scores.T * sets.scale
    return result


def _means(fit: CoxFit) -> Floats:
    """Return the mean covariates expected of the failures at each time: (p, G)."""
    sets, failures, pull = fit.sets, fit.failures, fit.pull
    mean = weighted_sums(sets, fit.risk) * pull.a
    if failures.tied is not None:
        tied = failures.tied
        mean[:, tied.at] -= tied_sums(tied, fit.risk) * pull.b[tied.at]
    return mean / np.bincount(failures.at, sets.weight[failures.rows], sets.n_times)


def _tied_pull(fit: CoxFit, tied: Tied) -> Floats:
    """Return the sum of f w (S1 - f D1) / D^2 over the terms of each time: (p, G)."""
    pulled = np.zeros((fit.coef.size, fit.sets.n_times))
    s1, d1 = weighted_sums(fit.sets, fit.risk)[:, tied.at], tied_sums(tied, fit.risk)
    pulled[:, tied.at] = s1 * fit.pull.beta[tied.at] - d1 * fit.pull.gamma[tied.at]
    return pulled


def influence(fit: CoxFit) -> Floats:
    """Return about how much each row moves each coefficient (dfbeta): (n, p).

    Parameters
    ----------
    fit : CoxFit

    References
    ----------
    Cain and Lange (1984), Biometrics 40.
    """
    return score_residuals(fit) @ np.nan_to_num(fit.covariance)


def robust_covariance(fit: CoxFit, cluster: ArrayLike | None = None) -> Floats:
    """Return the sandwich covariance of the coefficients: (p, p).

    It holds where the hazards are not quite proportional, and, with `cluster`, where rows of
    one cluster (one unit, one site) depend on each other.

    Parameters
    ----------
    fit : CoxFit
    cluster : array-like of shape (n,), optional
        A label for each row; by default every row stands alone.

    References
    ----------
    Lin and Wei (1989), JASA 84.
    """
    moved = _together(fit, influence(fit), cluster)
    return np.where(np.isfinite(fit.covariance), moved.T @ moved, np.nan)


def _together(fit: CoxFit, each: Floats, cluster: ArrayLike | None) -> Floats:
    """Add up what rows contribute, times their weights, by cluster."""
    weight = np.zeros(fit.durations.size)
    weight[fit.sets.order] = fit.sets.weight
    each = each * weight[:, None]
    if cluster is None:
        return each
    labels, code = label(cluster, fit.durations.size, "cluster")
    if len(labels) == 1:
        raise ValueError(
            f"all rows are of one cluster, {labels[0]!r}: standard errors by cluster need several"
        )
    return np.stack([np.bincount(code, column, len(labels)) for column in each.T], axis=1)


def robust_score_test(fit: CoxFit, cluster: ArrayLike | None = None) -> Test:
    """Test all coefficients at once by the slope at zero, its spread taken from the rows.

    Parameters
    ----------
    fit : CoxFit
    cluster : array-like of shape (n,), optional
        As in `robust_covariance`.

    References
    ----------
    Lin and Wei (1989), JASA 84; Therneau and Grambsch (2000), section 7.2.
    """
    null = replace(fit, climb=replace(fit.climb, theta=np.zeros_like(fit.climb.theta)))
    keep = ~fit.climb.aliased
    slopes = _together(fit, score_residuals(null)[:, keep], cluster)
    # Columns in units of their own spread, so that none is lost beside another.
    slopes = slopes / np.maximum(np.sqrt(np.sum(slopes**2, axis=0)), 1e-300)
    total = slopes.sum(axis=0)
    statistic = total @ np.linalg.pinv(slopes.T @ slopes, hermitian=True) @ total
    return chi_squared(statistic, int(np.count_nonzero(keep)))


def schoenfeld_residuals(fit: CoxFit, *, scaled: bool = False) -> tuple[Floats, Floats]:
    """Return the times of the failures, and covariates minus what was expected of them.

    Parameters
    ----------
    fit : CoxFit
    scaled : bool
        Return ``coef + m V r`` for m failures: its trend over time is that of the coefficient.

    Returns
    -------
    times : ndarray of shape (m,)
        Stratum after stratum, increasing within each.
    residuals : ndarray of shape (m, p)

    References
    ----------
    Schoenfeld (1982), Biometrika 69; Grambsch and Therneau (1994), Biometrika 81.
    """
    sets, failures = fit.sets, fit.failures
    rest = (sets.x[:, failures.rows] - _means(fit)[:, failures.at]) * sets.scale[:, None]
    place = np.lexsort((sets.order[failures.rows], -failures.at, sets.stratum[failures.at]))
    times, rest = sets.times[failures.at][place], rest.T[place]
    if scaled:
        rest = fit.coef + failures.rows.size * rest @ np.nan_to_num(fit.covariance)
    return times, rest
