"""Failures of groups next to a fair share of them, as weighted sums with their covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from survjax._core.validation import check_positive
from survjax.nonparametric.risk_table import Placed
from survjax.nonparametric.rows import Floats, Ints

__all__ = ["Weighting", "check_weighting", "quadratic_form", "weighted_sums"]

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


def check_weighting(weighting: str, p: float, q: float) -> Weighting:
    """Refuse weights that have no meaning."""
    if weighting not in WEIGHTINGS:
        raise ValueError(f"weighting must be one of {', '.join(WEIGHTINGS)}, got {weighting!r}")
    powers = check_positive(p, "p", zero=True), check_positive(q, "q", zero=True)
    if weighting != "fleming-harrington" and (p or q):
        raise ValueError(f'p and q belong to "fleming-harrington", got weighting={weighting!r}')
    return Weighting(weighting, *powers)


def weighted_sums(
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


def quadratic_form(difference: Floats, variance: Floats) -> tuple[float, int]:
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
