"""Do groups fail alike? The log-rank test and its weighted kin."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.validation import check_length, check_positive, missing
from survjax.nonparametric.risk_table import Placed, place
from survjax.nonparametric.rows import (
    Floats,
    Ints,
    Lives,
    check_lives,
    merge_rounding,
)

__all__ = ["LogRank", "label", "log_rank", "log_rank_pairs"]

#: The weights by which differences at an event time are added up.
WEIGHTINGS = ("logrank", "gehan-breslow", "tarone-ware", "peto", "fleming-harrington")


@dataclass(frozen=True)
class Weighting:
    """How the differences at each event time are weighted."""

    name: str
    p: float
    q: float

    def weights(self, d: Floats, alive: Floats) -> Floats:
        """Weight of each event time, with d failing and the others left alive."""
        n = d + alive
        if self.name == "gehan-breslow":
            return n
        if self.name == "tarone-ware":
            return np.sqrt(n)
        if self.name == "peto":
            return np.cumprod((alive + 1.0) / (n + 1.0))
        if self.name == "fleming-harrington":
            before = np.concatenate([[1.0], np.cumprod(alive / n)])[: n.size]
            # A small share that has failed has more digits as a sum.
            failed = np.concatenate([[0.0], np.cumsum(before * d / n)])[: n.size]
            failed = np.where(before < 0.5, 1.0 - before, failed)
            return before**self.p * failed**self.q
        return np.ones_like(n)


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
    settings = _check_weighting(weighting, p, q)
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
    settings = _check_weighting(weighting, p, q)
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


def _check_weighting(weighting: str, p: float, q: float) -> Weighting:
    """Refuse weights that have no meaning."""
    if weighting not in WEIGHTINGS:
        raise ValueError(f"weighting must be one of {', '.join(WEIGHTINGS)}, got {weighting!r}")
    powers = check_positive(p, "p", zero=True), check_positive(q, "q", zero=True)
    if weighting != "fleming-harrington" and (p or q):
        raise ValueError(f'p and q belong to "fleming-harrington", got weighting={weighting!r}')
    return Weighting(weighting, *powers)


def _compare(
    rows: Lives, names: list[Hashable], group: Ints, stratum: Ints | None, settings: Weighting
) -> LogRank | None:
    """Compare checked rows of numbered groups; None where nothing can be compared."""
    k = len(names)
    totals = np.zeros(k), np.zeros(k), np.zeros(k), np.zeros((k, k))
    for part in _strata(stratum, group.size):
        some = _take(rows, part)
        if some is not None:
            found = _sums(place(some, some.event_observed), group[part], k, settings)
            for total, own in zip(totals, found, strict=True):
                total += own
    observed, expected, difference, variance = totals
    statistic, df = _quadratic_form(difference, variance)
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


def _sums(
    placed: Placed, group: Ints, k: int, settings: Weighting
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return observed and expected failures of each group, their difference, its covariance."""
    failing, left = placed.failing(group, k), placed.left(group, k)
    risk, d, alive = failing + left, failing.sum(axis=0), left.sum(axis=0)
    n = d + alive
    weight = settings.weights(d, alive)
    share = risk / n
    # Each group's failures and survivors are compared with every other's, so that a group alone at
    # risk differs from itself by nothing.
    difference = (failing * _others(left) - _others(failing) * left) @ (weight / n)
    hypergeometric = np.ones_like(n)
    several = n > 1
    hypergeometric[several] = np.minimum(alive[several] / (n[several] - 1.0), 1.0)
    scale = np.where(alive > 0, weight**2 * hypergeometric * d, 0.0)
    covariance = -(share * scale) @ share.T
    np.fill_diagonal(covariance, 0.0)
    np.fill_diagonal(covariance, -covariance.sum(axis=1))
    return failing @ weight, share @ (weight * d), difference, covariance


def _others(table: Floats) -> Floats:
    """Add up the rows of a table but one, for each: no large one is taken off a total."""
    none = np.zeros((1, table.shape[1]))
    above = np.cumsum(np.concatenate([none, table[:-1]]), axis=0)
    return above + np.cumsum(np.concatenate([none, table[:0:-1]]), axis=0)[::-1]


def _quadratic_form(difference: Floats, variance: Floats) -> tuple[float, int]:
    """Return ``u' V^- u`` and the rank of V.

    Off its diagonal V is minus the weights of a graph that joins groups at risk together, and its
    rows add up to 0. So Gaussian elimination needs no subtraction (Grassmann, Taksar and Heyman
    1985, for Markov chains): a group leaves its part to its neighbors, the last one of each
    connected set adds nothing, and no small link is lost beside a large one.
    """
    link, u = np.maximum(-variance, 0.0), difference.copy()
    statistic, rank = 0.0, 0
    for g in range(u.size - 1):
        own = link[g, g + 1 :].copy()
        total = own.sum()
        if total > 0:
            statistic += float(u[g] ** 2 / total)
            rank += 1
            u[g + 1 :] += u[g] * (own / total)
            link[g + 1 :, g + 1 :] += np.outer(own, own / total)
    return statistic, rank


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
