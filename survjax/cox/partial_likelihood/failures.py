"""Failures as terms of the log partial likelihood, by Efron's or Breslow's treatment of ties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from survjax._core.parallel import sum_over_rows
from survjax.cox.partial_likelihood.ties import check_method, count_terms, sampling_terms, several
from survjax.cox.risk_sets.sets import RiskSets
from survjax.nonparametric.rows import Floats, Ints

__all__ = ["Failures", "Tied", "number_failures", "tied_sums"]


@dataclass(frozen=True)
class Tied:
    """Failure times with several failures.

    Attributes
    ----------
    at : ndarray of shape (k,)
        Their numbers.
    rows, start, x : ndarray of shape (t,), (k,), (p, t)
        The rows that failed then, where each time's begin, and their covariates.
    """

    at: Ints
    rows: Ints
    start: Ints
    x: Floats


@dataclass(frozen=True)
class Failures:
    """Terms of the likelihood: one a failure time, or one a failure where Efron takes ties apart.

    Attributes
    ----------
    rows, at : ndarray of shape (m,)
        Sorted rows that failed, and the number of their failure time.
    group : ndarray of shape (u,) or None
        The failure time of each term; None where terms are failure times.
    weight : ndarray of shape (u,)
        Weight of each term.
    share : ndarray of shape (u,) or None
        The share of the tied failures that the term's denominator leaves out.
    tied : Tied or None
        Failure times with several failures, where Efron's method is used.
    total : ndarray of shape (p,)
        Sum of w x over failures.
    method : tuple of str
        The treatment of ties and of weights.
    """

    rows: Ints
    at: Ints
    group: Ints | None
    weight: Floats
    share: Floats | None
    total: Floats
    method: tuple[str, str]
    tied: Tied | None = None


def number_failures(sets: RiskSets, ties: str, weights: str = "counts") -> Failures:
    """Prepare the failures for Efron's or Breslow's treatment of ties."""
    check_method(ties, weights)
    method = (ties, weights)
    rows = np.flatnonzero(sets.event)
    at, own = sets.join[rows], sets.weight[rows]
    total = sum_over_rows(np.where(sets.event, sets.weight, 0.0), sets.x.T)
    tied = several(at, own, weights, sets.n_times)
    if ties == "breslow" or not tied.any():
        weight = np.bincount(at, own, sets.n_times)
        return Failures(rows, at, None, weight, None, total, method)
    if weights == "counts":
        group, weight, share = count_terms(at, own, sets.order[rows], sets.n_times)
    else:
        group, weight, share = sampling_terms(at, own, sets.n_times)
    among = tied[at]
    ties_of = Tied(
        at=np.flatnonzero(tied),
        rows=rows[among],
        start=np.flatnonzero(np.diff(at[among], prepend=-1)),
        x=sets.x[:, rows[among]],
    )
    return Failures(rows, at, group, weight, share, total, method, ties_of)


def tied_sums(tied: Tied, risk: Floats) -> Floats:
    """Sum r x over the failures of each tied time: (p, k)."""
    return np.add.reduceat(tied.x * risk[tied.rows], tied.start, axis=1)
