"""Do groups fail alike? The log-rank test and its weighted kin."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.validation import check_length, missing
from survjax.inference.nonparametric._rows import (
    Floats,
    Ints,
    Rows,
    check_lifetimes,
    risk_table,
    weight_from,
)

__all__ = ["LogRank", "log_rank"]


@dataclass(frozen=True)
class LogRank:
    """Outcome of a log-rank test.

    Parameters
    ----------
    statistic : float
        Chi-squared statistic.
    df : int
        Its degrees of freedom.
    p_value : float
        P(a statistic at least as large, if all groups fail alike).
    groups : tuple
        The k groups, sorted.
    observed, expected : ndarray of shape (k,)
        (Weighted) failures in each group, and those expected if all failed alike.
    variance : ndarray of shape (k, k)
        Covariance of ``observed - expected``.
    """

    statistic: float
    df: int
    p_value: float
    groups: tuple[Hashable, ...]
    observed: Floats
    expected: Floats
    variance: Floats


def log_rank(
    durations: ArrayLike,
    event_observed: ArrayLike | None = None,
    *,
    groups: ArrayLike,
    strata: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    rho: float = 0.0,
) -> LogRank:
    """Test whether two or more groups have the same hazard.

    At each event time the failures are compared with a fair share of them for each group,
    ``d n_g / n``; differences add up with weights ``S(t-)^rho``, S the pooled Kaplan-Meier
    curve, and their hypergeometric covariances with the squares.

    Parameters
    ----------
    durations, event_observed, entry, sample_weight
        As in :func:`~survjax.inference.nonparametric.kaplan_meier`.
    groups : array-like of shape (n,)
        The group of each unit: numbers or labels.
    strata : array-like of shape (n,), optional
        Groups are compared within each stratum only, and the differences added up.
    rho : float
        0 for the log-rank test, 1 for Peto and Peto's, which looks at early failures.

    Returns
    -------
    LogRank

    References
    ----------
    Mantel (1966), Cancer Chemotherapy Reports 50; Harrington and Fleming (1982),
    Biometrika 69, for the weights.

    Examples
    --------
    >>> result = log_rank([2, 3, 9, 4, 8, 12], groups=["a", "a", "a", "b", "b", "b"])
    >>> round(result.statistic, 4), result.df, round(result.p_value, 4)
    (0.899, 1, 0.343)
    """
    rows = check_lifetimes(durations, event_observed, entry, sample_weight)
    names, group = label(groups, rows.durations.size, "groups")
    if len(names) < 2:
        raise ValueError(f"groups has only one value, {names[0]!r}: a test needs at least two")
    stratum = np.zeros(group.size, dtype=np.int64)
    if strata is not None:
        _, stratum = label(strata, group.size, "strata")
    k = len(names)
    observed, expected, variance = np.zeros(k), np.zeros(k), np.zeros((k, k))
    order = np.argsort(stratum, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(stratum[order])) + 1):
        sums = _compare(_take(rows, part), group[part], k, rho)
        observed, expected, variance = (
            observed + sums[0],
            expected + sums[1],
            variance + sums[2],
        )
    used = expected > 0
    if np.count_nonzero(used) < 2:
        raise ValueError("fewer than two groups were at risk when units failed: nothing to compare")
    difference = (observed - expected)[used][1:]
    block = variance[np.ix_(used, used)][1:, 1:]
    statistic = float(difference @ np.linalg.solve(block, difference))
    df = int(np.count_nonzero(used)) - 1
    from scipy.special import chdtrc  # slow to load, and no fit needs it

    p_value = float(chdtrc(df, statistic))
    return LogRank(statistic, df, p_value, tuple(names), observed, expected, variance)


def _take(rows: Rows, part: Ints) -> Rows:
    entry = None if rows.entry is None else rows.entry[part]
    return Rows(rows.durations[part], rows.event_observed[part], entry, rows.weight[part])


def _compare(rows: Rows, group: Ints, k: int, rho: float) -> tuple[Floats, Floats, Floats]:
    """Return observed and expected failures of each group, and the covariance."""
    times, failing, at_risk = risk_table(rows)
    survival = np.cumprod(np.maximum(at_risk - failing, 0.0) / at_risk)
    weight = np.concatenate([[1.0], survival])[:-1] ** rho
    hypergeometric = np.ones_like(at_risk)
    several = at_risk > 1
    left = np.maximum(at_risk - failing, 0.0)
    hypergeometric[several] = np.minimum(left[several] / (at_risk[several] - 1.0), 1.0)
    scale = weight**2 * hypergeometric * failing
    share = np.empty((k, times.size))
    observed = np.zeros(k)
    for g in range(k):
        mine = group == g
        part = _take(rows, np.flatnonzero(mine))
        share[g] = weight_from(part.durations, part.weight, times)
        if part.entry is not None:
            share[g] -= weight_from(part.entry, part.weight, times)
        spot, own, _ = risk_table(part)
        observed[g] = np.sum(weight[np.searchsorted(times, spot)] * own)
    share /= at_risk
    expected = share @ (weight * failing)
    return observed, expected, np.diag(share @ scale) - (share * scale) @ share.T


def label(values: ArrayLike, size: int, name: str) -> tuple[list[Hashable], Ints]:
    """Return the sorted distinct labels and each row's number."""
    array = np.asarray(values)
    check_length(array, size, name)
    lost = missing(array)
    if lost.any():
        row = int(np.flatnonzero(lost)[0])
        raise ValueError(f"{name} is missing (NaN) in row {row}: drop those rows or give them one")
    try:
        found, code = np.unique(array, return_inverse=True)
    except TypeError:  # labels of kinds that have no order
        found, code = np.unique([str(value) for value in array], return_inverse=True)
    return found.tolist(), code
