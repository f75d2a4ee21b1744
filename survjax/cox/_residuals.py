"""Residuals of a proportional-hazards fit, and the robust covariance they give."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from survjax.cox._chi_squared import Test, quadratic_test
from survjax.cox._fitted import CoxFit
from survjax.cox.baseline import weighted_means
from survjax.cox.partial_likelihood.failures import Tied, tied_sums
from survjax.nonparametric.group_tests import label
from survjax.nonparametric.rows import Floats

__all__ = [
    "deviance_residuals",
    "expected_failures",
    "influence",
    "martingale_residuals",
    "robust_covariance",
    "robust_score_test",
    "schoenfeld_residuals",
    "score_residuals",
]


def martingale_residuals(fit: CoxFit) -> Floats:
    """Return failures seen minus failures expected, per unit of weight of each row: (n,).

    Against a covariate left out they show the form in which it should enter (Therneau, Grambsch
    and Fleming 1990). Times weights they add up to zero. With counts they are those of one of
    the equal rows that a row stands for.

    Parameters
    ----------
    fit : CoxFit
    """
    return _failed(fit) - expected_failures(fit)


def _failed(fit: CoxFit) -> Floats:
    """Return 1 for each row of the data that failed, else 0: (n,)."""
    return fit.sets.by_data(fit.sets.event, fit.durations.size)


def expected_failures(fit: CoxFit) -> Floats:
    """Return the cumulative hazard that one unit of weight of each row passed: (n,).

    Cox-Snell residuals: unit exponentials, censored as the lives are, where the model is right.

    Parameters
    ----------
    fit : CoxFit
    """
    sets, failures = fit.sets, fit.failures
    expected = sets.passed(fit.event_weights.a)
    if failures.tied is not None:
        expected[failures.rows] -= fit.event_weights.b[failures.at]
    return sets.by_data(expected * fit.risk / sets.weight, fit.durations.size)


def deviance_residuals(fit: CoxFit) -> Floats:
    """Return martingale residuals made more symmetric, for spotting outliers: (n,).

    ``sign(M) sqrt(-2 (M + d log(d - M)))`` with d = 1 for a failure.

    Parameters
    ----------
    fit : CoxFit
    """
    event, expected = _failed(fit), expected_failures(fit)
    m = event - expected
    # d - M is what was expected, which a difference would lose where it is small.
    with np.errstate(divide="ignore"):
        surplus = np.where(event > 0, np.log(np.where(event > 0, expected, 1.0)), 0.0)
    return np.sign(m) * np.sqrt(np.maximum(-2.0 * (m + surplus), 0.0))


def score_residuals(fit: CoxFit) -> Floats:
    """Return what one unit of weight of each row adds to the slope of the likelihood: (n, p).

    ``(x - mean) at its failure minus the hazard it passed times (x - mean)``; times weights they
    add up to zero.

    Parameters
    ----------
    fit : CoxFit
    """
    sets, failures, event_weights = fit.sets, fit.failures, fit.event_weights
    passed = sets.passed(event_weights.a)
    toward = sets.passed(weighted_means(fit))
    if failures.tied is not None:
        passed[failures.rows] -= event_weights.b[failures.at]
        toward[:, failures.rows] -= _tied_means(fit, failures.tied)[:, failures.at]
    scores = (toward - sets.x * passed) * (fit.risk / sets.weight)
    scores[:, failures.rows] += sets.x[:, failures.rows] - _means(fit)[:, failures.at]
    return sets.by_data(scores * sets.scale[:, None], fit.durations.size).T


def _means(fit: CoxFit) -> Floats:
    """Return the mean covariates expected of the failures at each time: (p, G)."""
    sets, failures, event_weights = fit.sets, fit.failures, fit.event_weights
    mean = sets.covariates_at_risk(fit.risk) * event_weights.a
    if failures.tied is not None:
        tied = failures.tied
        mean[:, tied.at] -= tied_sums(tied, fit.risk) * event_weights.b[tied.at]
    return mean / np.bincount(failures.at, sets.weight[failures.rows], sets.n_times)


def _tied_means(fit: CoxFit, tied: Tied) -> Floats:
    """Return the sum of f w (S1 - f D1) / D^2 over the terms of each time: (p, G)."""
    weighted = np.zeros((fit.coef.size, fit.sets.n_times))
    s1, d1 = fit.sets.covariates_at_risk(fit.risk)[:, tied.at], tied_sums(tied, fit.risk)
    weighted[:, tied.at] = (
        s1 * fit.event_weights.beta[tied.at] - d1 * fit.event_weights.gamma[tied.at]
    )
    return weighted


def influence(fit: CoxFit) -> Floats:
    """Return about how much one unit of weight of each row moves each coefficient (dfbeta): (n, p).

    Parameters
    ----------
    fit : CoxFit

    Notes
    -----
    With counts that is one of the equal rows that the row stands for. Leaving out the whole row
    moves the coefficients by its weight times as much.

    References
    ----------
    Cain and Lange (1984), Biometrics 40.
    """
    return score_residuals(fit) @ np.nan_to_num(fit.covariance)


def robust_covariance(
    fit: CoxFit, cluster: ArrayLike | None = None, *, unit: ArrayLike | None = None
) -> Floats:
    """Return the sandwich covariance of the coefficients: (p, p).

    It holds where the hazards are not quite proportional, and, with `cluster`, where rows of
    one cluster (one unit, one site) depend on each other.

    Parameters
    ----------
    fit : CoxFit
    cluster : array-like of shape (n,), optional
        A label for each row; by default every row stands alone. The equal rows that a row of
        some weight stands for are all of its cluster.
    unit : array-like of shape (n,), optional
        Instead of `cluster`: which unit each row belongs to, where weights count units.

    Notes
    -----
    With s the influence per unit of weight, the sandwich is the sum of ``w s s'`` over rows where
    weights are counts (w equal rows, which stand alone), of ``w^2 s s'`` where they come from
    sampling, and with clusters the sum of S S' with S the sum of w s in a cluster.

    References
    ----------
    Lin and Wei (1989), JASA 84.
    """
    moved = _parts(fit, influence(fit), cluster, unit)
    return np.where(np.isfinite(fit.covariance), moved.T @ moved, np.nan)


def _weights(fit: CoxFit) -> Floats:
    """Return the weight of each row of the data; 0 for those that no failure needs."""
    weight = np.zeros(fit.durations.size)
    weight[fit.sets.order] = fit.sets.weight
    return weight


def _parts(fit: CoxFit, each: Floats, cluster: ArrayLike | None, unit: ArrayLike | None) -> Floats:
    """Return parts, independent of each other, whose squares add up to the spread of a sum."""
    weight = _weights(fit)
    counts = fit.weights == "counts"
    if cluster is None and (unit is None or not counts):
        cluster = unit
    elif cluster is None:
        # Equal units stand alone: the rows of one of them are added up, then counted.
        weight, cluster = np.sqrt(weight), unit
    if cluster is None:
        return each * (np.sqrt(weight) if counts else weight)[:, None]
    labels, code = label(cluster, fit.durations.size, "cluster")
    if len(labels) == 1:
        raise ValueError(
            f"all rows are of one cluster, {labels[0]!r}: standard errors by cluster need several"
        )
    each = each * weight[:, None]
    return np.stack([np.bincount(code, column, len(labels)) for column in each.T], axis=1)


def robust_score_test(
    fit: CoxFit, cluster: ArrayLike | None = None, *, unit: ArrayLike | None = None
) -> Test:
    """Test all coefficients at once by the slope at zero, its spread taken from the rows.

    Parameters
    ----------
    fit : CoxFit
    cluster, unit : array-like of shape (n,), optional
        As in `robust_covariance`.

    References
    ----------
    Lin and Wei (1989), JASA 84; Therneau and Grambsch (2000), section 7.2.
    """
    null = fit.at(np.zeros_like(fit.maximum.theta))
    keep = ~fit.maximum.aliased
    scores = score_residuals(null)[:, keep]
    slopes = _parts(null, scores, cluster, unit)
    # Columns in units of their own spread, so that none is lost beside another.
    size = np.maximum(np.sqrt(np.sum(slopes**2, axis=0)), 1e-300)
    slopes, total = slopes / size, (_weights(null) @ scores) / size
    return quadratic_test(total, slopes.T @ slopes)


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
