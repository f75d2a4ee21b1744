"""Fits of proportional-hazards models: rows are checked and sorted, then comes the maximum."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.validation import as_floats, check_length, check_rows
from survjax.cox._degenerate import independent_columns
from survjax.cox._fitted import CoxFit
from survjax.cox._maximize import CoxMaximum, maximize
from survjax.cox.firth.maximum import firth_maximum
from survjax.cox.partial_likelihood.derivatives import as_divided
from survjax.cox.partial_likelihood.failures import number_failures
from survjax.cox.partial_likelihood.penalty import Penalty
from survjax.cox.risk_sets.segments import cut_drifts
from survjax.cox.risk_sets.sorting import sort_rows
from survjax.nonparametric.group_tests import label
from survjax.nonparametric.rows import Floats, check_lifetimes

__all__ = ["check_covariates", "check_offset", "fit_cox"]


def fit_cox(
    durations: ArrayLike,
    event_observed: ArrayLike | None,
    x: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    ties: str = "efron",
    weights: str = "counts",
    penalty: Penalty | None = None,
    firth: bool = False,
    max_iter: int = 100,
    tol: float = 1e-9,
) -> CoxFit:
    """Fit a proportional-hazards model by maximum partial likelihood.

    The hazard of a row is ``h0(t) exp(x'b)`` with any h0, one for each stratum. A unit whose
    covariates change is several rows, each from ``entry`` to its duration.

    Parameters
    ----------
    durations : array-like of shape (n,)
        Time at which each row ends, in any one unit of time.
    event_observed : array-like of shape (n,) or None
        True where the row ends with a failure; None if all do.
    x : array-like of shape (n, p)
        Covariates; finite.
    entry : array-like of shape (n,), optional
        Time from which each row was under observation.
    sample_weight : array-like of shape (n,), optional
        How many equal rows each stands for, or what it counts: see `weights`.
    strata : array-like of shape (n,), optional
        Groups with baseline hazards of their own.
    offset : array-like of shape (n,), optional
        Known part of the linear predictor: the hazard is ``h0(t) exp(x'b + offset)``.
    ties : {"efron", "breslow"}
        How failures at one time are taken.
    weights : {"counts", "sampling"}
        "counts": a row of weight 3 is three equal rows, tied with each other where it failed. With
        Efron's method weights of tied failures must then be whole numbers. "sampling": weights are
        importances of any size; tied failures have their mean weight, as in R.
    penalty : Penalty, optional
        Ridge, lasso or both.
    firth : bool
        Whether half the log determinant of the information is added, instead of a penalty.
    max_iter : int
        The most Newton steps.
    tol : float
        Newton decrement at which to stop: the distance left, in standard errors.

    Returns
    -------
    CoxFit

    Raises
    ------
    ValueError
        If a row cannot be, nothing failed, or counts are no whole numbers where they must be.

    References
    ----------
    Cox (1972), JRSS B 34; Efron (1977), JASA 72; Andersen and Gill (1982), Annals of
    Statistics 10.

    Examples
    --------
    >>> fit = fit_cox([6, 9, 2, 7, 4], [1, 0, 1, 1, 1], [[0.0], [1.0], [1.0], [0.0], [0.0]])
    >>> fit.coef.round(4).tolist(), fit.converged
    ([-0.5892], True)
    """
    rows = check_lifetimes(durations, event_observed, entry, sample_weight, merge=False)
    table = check_covariates(x, rows.durations.size)
    labels: list[Hashable] = [None]
    stratum = None
    if strata is not None:
        labels, stratum = label(strata, rows.durations.size, "strata")
    if not np.any(rows.event_observed & (rows.weight > 0)):
        raise ValueError("no failure was observed: there is nothing to tell hazards apart by")
    known = None if offset is None else check_offset(offset, rows.durations.size)
    sets = cut_drifts(sort_rows(rows, table, stratum, known))
    failures = number_failures(sets, ties, weights)
    penalty = Penalty() if penalty is None else penalty
    if firth:
        end = firth_maximum(sets, failures, max_iter=max_iter, tol=tol)
    else:
        end = maximize(sets, failures, penalty, max_iter=max_iter, tol=tol)
    divided, numbered = as_divided(sets, failures)
    return CoxFit(
        coef=_coefficients(end, sets.scale),
        covariance=_covariance(end, sets.scale, penalty),
        log_likelihood=end.value,
        null_log_likelihood=end.start_value,
        n=int(np.count_nonzero(rows.weight > 0)),
        n_events=failures.rows.size,
        strata=tuple(labels),
        sets=divided,
        failures=numbered,
        maximum=end,
        penalty=penalty,
        durations=rows.durations,
    )


def check_covariates(x: ArrayLike, size: int) -> Floats:
    """Check a table of covariates: two-dimensional, a row a unit, finite."""
    table = np.asarray(x)
    if table.ndim != 2 or table.shape[1] == 0:
        raise ValueError(f"x must be a table with a column for each covariate, got {table.shape}")
    check_length(table[:, 0], size, "x")
    if table.dtype.kind not in "fiub":
        table = table.astype(np.float64)
    # One number tells whether all are finite; only a bad table is searched.
    if table.dtype.kind == "f" and not np.isfinite(table.sum()):
        good = np.isfinite(table)
        first = table[np.arange(size), np.argmin(good, axis=1)]
        check_rows(first, good.all(axis=1), "x", "finite", "fill or drop missing values")
    return table


def check_offset(offset: ArrayLike, size: int) -> Floats:
    """Check a known part of linear predictors: one finite number a row."""
    known = as_floats(offset, "offset")
    check_length(known, size, "offset")
    check_rows(known, np.isfinite(known), "offset", "finite", "fill or drop missing values")
    return known


def _coefficients(end: CoxMaximum, scale: Floats) -> Floats:
    coef = np.where(end.infinite != 0, np.inf * np.where(end.infinite < 0, -1, 1), end.theta)
    coef = coef / scale
    coef[end.aliased] = np.nan
    return coef


def _covariance(end: CoxMaximum, scale: Floats, penalty: Penalty) -> Floats:
    p = scale.size
    covariance = np.full((p, p), np.nan)
    l1, l2 = penalty.parts(scale)
    known = np.flatnonzero(~end.aliased & (end.infinite == 0))
    if known.size == 0 or np.any(l1 > 0):
        return covariance
    information = np.diag(l2) - end.hessian
    # Where others run away, nothing may be left to tell the rest by.
    start = l2 - np.diag(end.start_hessian)
    known = known[independent_columns(information[np.ix_(known, known)], start[known])]
    if known.size == 0:
        return covariance
    information = information[np.ix_(known, known)]
    size = np.sqrt(np.diag(information))
    inverse = np.linalg.inv(information / np.outer(size, size)) / np.outer(size, size)
    covariance[np.ix_(known, known)] = inverse / np.outer(scale[known], scale[known])
    return 0.5 * (covariance + covariance.T)
