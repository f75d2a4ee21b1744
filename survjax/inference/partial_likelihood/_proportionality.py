"""A test of proportional hazards: whether coefficients drift with time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from survjax.inference.nonparametric._product_limit import product_limit
from survjax.inference.nonparametric._rows import Floats
from survjax.inference.partial_likelihood._derivatives import curvature, denominate, pulls
from survjax.inference.partial_likelihood._fit import CoxFit, Test, chi_squared

__all__ = ["Proportionality", "proportionality_test"]


@dataclass(frozen=True)
class Proportionality:
    """Score tests of coefficients that drift with time.

    Parameters
    ----------
    statistic, p_value : ndarray of shape (p,)
        For each covariate, chi-squared with one degree of freedom; NaN where there is no
        coefficient.
    overall : Test
        All covariates at once.
    """

    statistic: Floats
    p_value: Floats
    overall: Test


def proportionality_test(fit: CoxFit, transform: str = "km") -> Proportionality:
    """Test for each covariate whether its coefficient is ``b + c g(t)`` with c not 0.

    The score test of c = 0, with its exact information.

    Parameters
    ----------
    fit : CoxFit
    transform : {"km", "rank", "log", "identity"}
        g: one minus the Kaplan-Meier curve, in which early and late failures weigh alike, the
        ranks of the times among the ends of all rows, their logarithm, or the times.

    Returns
    -------
    Proportionality

    References
    ----------
    Grambsch and Therneau (1994), Biometrika 81; R's survival from version 3 on.
    """
    sets, failures = fit.sets, fit.failures
    g = _clock(fit, transform)
    g = g - np.mean(g[failures.at])
    below = denominate(sets, failures, fit.risk)
    # Information about b, between b and c, and about c: sums of V, g V and g^2 V over time.
    blocks = []
    for factor in (np.ones_like(g), g, g**2):
        weighted = pulls(failures, below, sets.n_times, factor)
        blocks.append(curvature(sets, failures, fit.risk, weighted)[1])
    slope = curvature(sets, failures, fit.risk, pulls(failures, below, sets.n_times, g))[0]
    rows = failures.rows
    slope = sets.x[:, rows] @ (sets.weight[rows] * g[failures.at]) - slope
    known = np.flatnonzero(np.isfinite(fit.coef))
    plain, mixed, squared = (block[np.ix_(known, known)] for block in blocks)
    # What is left of the information about c once b is fitted, for one c, and for all.
    explained = mixed.T @ np.linalg.solve(plain, mixed)
    own = np.diag(squared) - np.diag(explained)
    statistic = np.full(fit.coef.size, np.nan)
    statistic[known] = slope[known] ** 2 / own
    total = slope[known] @ np.linalg.solve(squared - explained, slope[known])
    p_value = np.array([chi_squared(s, 1).p_value if s == s else np.nan for s in statistic])
    return Proportionality(statistic, p_value, chi_squared(total, known.size))


def _clock(fit: CoxFit, transform: str) -> Floats:
    """Return g at each failure time: (G,)."""
    sets, failures = fit.sets, fit.failures
    times = sets.times
    if transform == "identity":
        return times
    if transform == "log":
        if np.any(times <= 0):
            raise ValueError('transform "log" needs failure times above 0')
        return np.log(times)
    if transform == "rank":
        line = np.sort(fit.durations)
        low, high = np.searchsorted(line, times), np.searchsorted(line, times, side="right")
        return 0.5 * (low + high + 1)
    if transform != "km":
        raise ValueError(f'transform must be "km", "rank", "log" or "identity", got {transform!r}')
    line, where = np.unique(times, return_inverse=True)
    failed = np.bincount(where[failures.at], sets.weight[failures.rows], line.size)
    at_risk = np.bincount(where, sets.at_risk(sets.weight), line.size)
    return 1.0 - product_limit(line, failed, at_risk, 0.95, "plain").before(times)
