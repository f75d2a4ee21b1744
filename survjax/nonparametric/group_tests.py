"""Do groups fail alike? The log-rank test and its weighted kin."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.validation import check_length, missing
from survjax.data.labels import rows_by_position
from survjax.nonparametric._group_sums import (
    Weighting,
    check_weighting,
    quadratic_form,
    weighted_sums,
)
from survjax.nonparametric.risk_table import place
from survjax.nonparametric.rows import Floats, Ints, Lives, check_lives, merge_rounding

__all__ = ["LogRank", "label", "log_rank", "log_rank_pairs"]


@dataclass(frozen=True, repr=False)
class LogRank:
    """Outcome of a log-rank test.

    Parameters
    ----------
    statistic : float
        Chi-squared statistic.
    df : int
        Its degrees of freedom: the number of groups, less one for each set of groups that are
        compared with each other and with no group outside the set.
    p_value : float
        P(a statistic at least as large, if all groups fail alike).
    groups : tuple
        The k groups, sorted.
    observed, expected : ndarray of shape (k,)
        Failures in each group, and those expected if all failed alike, each times the weight of
        its event time.
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

    def __repr__(self) -> str:
        names = ", ".join(repr(name) for name in self.groups[:4])
        names += f", ... ({len(self.groups)} groups)" if len(self.groups) > 4 else ""
        return (
            f"<LogRank: statistic {self.statistic:.5g}, df {self.df}, p-value "
            f"{self.p_value:.4g}; groups {names}>"
        )


def log_rank(
    durations: ArrayLike,
    event_observed: ArrayLike | None = None,
    *,
    groups: ArrayLike,
    strata: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    weighting: str = "logrank",
    p: float = 0.0,
    q: float = 0.0,
) -> LogRank:
    """Test whether two or more groups have the same hazard.

    At each event time the failures are compared with a fair share of them for each group,
    ``d n_g / n``; differences add up with a weight for each time, and their hypergeometric
    covariances with its square.

    Parameters
    ----------
    durations, event_observed, entry, sample_weight
        As in :func:`~survjax.nonparametric.kaplan_meier`.
    groups : array-like of shape (n,)
        The group of each unit: numbers or labels.
    strata : array-like of shape (n,), optional
        Groups are compared within each stratum only, and the differences added up. The weights
        of the times are those of each stratum.
    weighting : {"logrank", "gehan-breslow", "tarone-ware", "peto", "fleming-harrington"}
        Weight of an event time s, with n at risk just before it and S the pooled Kaplan-Meier
        curve:

        * "logrank": 1, best where hazards are proportional;
        * "gehan-breslow": n, the generalized Wilcoxon test, which looks at early failures;
        * "tarone-ware": sqrt(n);
        * "peto": Peto and Peto's estimate of survival, ``prod over r <= s of (1 - d_r / (n_r +
          1))``, which depends less on censoring than n does;
        * "fleming-harrington": ``S(s-)^p (1 - S(s-))^q``. With p = 1, q = 0 it is the variant of
          Peto's test that R's `survdiff` computes with ``rho=1``.
    p, q : float
        Of "fleming-harrington", also called rho and gamma; at least 0. Large p looks at early
        differences, large q at late ones.

    Returns
    -------
    LogRank

    Raises
    ------
    ValueError
        If no two groups were at risk together at a failure that left someone running: then the
        differences have no variance, and there is nothing to compare.

    References
    ----------
    Mantel (1966), Cancer Chemotherapy Reports 50; Gehan (1965), Biometrika 52; Breslow (1970),
    Biometrika 57; Tarone and Ware (1977), Biometrika 64; Peto and Peto (1972), JRSS A 135;
    Harrington and Fleming (1982), Biometrika 69; Klein and Moeschberger (2003), section 7.3.

    Examples
    --------
    >>> result = log_rank([2, 3, 9, 4, 8, 12], groups=["a", "a", "a", "b", "b", "b"])
    >>> round(result.statistic, 4), result.df, round(result.p_value, 4)
    (0.899, 1, 0.343)
    """
    settings = check_weighting(weighting, p, q)
    rows, names, group, stratum = _check_groups(
        durations, event_observed, groups, strata, entry, sample_weight
    )
    result = _compare(rows, names, group, stratum, settings)
    if result is None:
        raise ValueError(
            "fewer than two groups were at risk when units failed and others ran on: nothing to "
            "compare, the differences have no variance"
        )
    return result


def log_rank_pairs(
    durations: ArrayLike,
    event_observed: ArrayLike | None = None,
    *,
    groups: ArrayLike,
    strata: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    weighting: str = "logrank",
    p: float = 0.0,
    q: float = 0.0,
) -> tuple[list[Hashable], list[LogRank | None]]:
    """Test each pair of groups by the rows of these two only.

    Parameters
    ----------
    durations, event_observed, groups, strata, entry, sample_weight, weighting, p, q
        As in :func:`log_rank`.

    Returns
    -------
    groups : list
        Sorted.
    results : list of LogRank or None
        In the order of `itertools.combinations(groups, 2)`; None for a pair that was never at risk
        together at a failure that left someone running.

    Examples
    --------
    >>> names, results = log_rank_pairs([2, 3, 9, 4, 8, 12], groups=["a", "b", "c"] * 2)
    >>> [result.groups for result in results]
    [('a', 'b'), ('a', 'c'), ('b', 'c')]
    """
    settings = check_weighting(weighting, p, q)
    rows, names, group, stratum = _check_groups(
        durations, event_observed, groups, strata, entry, sample_weight
    )
    results = []
    for pair in combinations(range(len(names)), 2):
        part = np.flatnonzero(np.isin(group, pair))
        some = _take(rows, part)
        own = None if stratum is None else stratum[part]
        both = [names[i] for i in pair]
        number = (group[part] == pair[1]).astype(np.int64)
        results.append(None if some is None else _compare(some, both, number, own, settings))
    return names, results


@rows_by_position
def _check_groups(
    durations: ArrayLike,
    event_observed: ArrayLike | None,
    groups: ArrayLike,
    strata: ArrayLike | None,
    entry: ArrayLike | None,
    sample_weight: ArrayLike | None,
) -> tuple[Lives, list[Hashable], Ints, Ints | None]:
    """Return rows, the names of the groups, and numbers of each row's group and stratum."""
    rows = check_lives(durations, event_observed, entry, sample_weight)
    if rows.entry is None:  # one rule for all strata and pairs
        rows = replace(rows, durations=merge_rounding(rows.durations))
    names, group = label(groups, rows.durations.size, "groups")
    if len(names) < 2:
        raise ValueError(f"groups has only one value, {names[0]!r}: a test needs at least two")
    stratum = None if strata is None else label(strata, group.size, "strata")[1]
    return rows, names, group, stratum


def _compare(
    rows: Lives, names: list[Hashable], group: Ints, stratum: Ints | None, settings: Weighting
) -> LogRank | None:
    """Compare checked rows of numbered groups; None where nothing can be compared."""
    k = len(names)
    totals = np.zeros(k), np.zeros(k), np.zeros(k), np.zeros((k, k))
    for part in _strata(stratum, group.size):
        some = _take(rows, part)
        if some is not None:
            found = weighted_sums(place(some, some.event_observed), group[part], k, settings)
            for total, own in zip(totals, found, strict=True):
                total += own
    observed, expected, difference, variance = totals
    statistic, df = quadratic_form(difference, variance)
    if df == 0:
        return None
    from scipy.special import chdtrc  # slow to load, and no fit needs it

    p_value = float(chdtrc(df, statistic))
    return LogRank(statistic, df, p_value, tuple(names), observed, expected, variance)


def _strata(stratum: Ints | None, size: int) -> list[Any]:
    """The rows of each stratum."""
    if stratum is None:
        return [slice(None)]
    order = np.argsort(stratum, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(stratum[order])) + 1)


def _take(rows: Lives, part: Any) -> Lives | None:
    """Some of the rows; None where none of them has weight."""
    entry = None if rows.entry is None else rows.entry[part]
    weight = None if rows.weight is None else rows.weight[part]
    if weight is not None and not weight.any():
        return None
    return Lives(rows.durations[part], rows.event_observed[part], entry, weight)


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
