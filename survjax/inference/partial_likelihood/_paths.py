"""A unit whose covariates change along a plan, under a proportional-hazards model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from survjax.inference.nonparametric._rows import Floats, Ints
from survjax.inference.partial_likelihood._baseline import HazardTable

__all__ = ["CoxPath", "follow_path"]


@dataclass(frozen=True)
class CoxPath:
    """What a plan does to one unit.

    Attributes
    ----------
    log_hazard, error : ndarray of shape (m,)
        Log of the cumulative hazard at the end of each stretch, and its standard error; -inf and 0
        before the first failure time.
    mean, mean_error : float
        Mean time that the unit runs within the plan, and its standard error; NaN where the plan
        reaches beyond the last failure time.
    gradient : ndarray of shape (m, p)
        Of that mean in the standardized covariates of each stretch.
    """

    log_hazard: Floats
    error: Floats
    mean: float
    mean_error: float
    gradient: Floats


@dataclass(frozen=True)
class _Steps:
    """The hazard's steps along a plan: A, U and M of a `HazardTable` step by step, in order."""

    times: Floats
    stretch: Ints
    hazard: Floats
    spread: Floats
    mean: Floats


def _steps(tables: Sequence[HazardTable], edges: Floats) -> _Steps:
    parts = []
    for k, (table, (begin, end)) in enumerate(zip(tables, pairwise(edges), strict=True)):
        since, until = table.place(np.array([begin, end]))
        every = slice(since, until + 1)
        parts.append(
            (
                table.times[since:until],
                np.full(until - since, k),
                np.diff(table.hazard[every]),
                np.diff(table.spread[every]),
                np.diff(table.mean[:, every], axis=1),
            )
        )
    return _Steps(*(np.concatenate(part, axis=-1) for part in zip(*parts, strict=True)))


def follow_path(tables: Sequence[HazardTable], z: Floats, edges: Floats) -> CoxPath:
    """Follow a unit along planned covariates.

    Its cumulative hazard is the sum of ``exp(z_k'theta) dA`` over the steps of the baseline, each
    under the covariates of its stretch. The variance is that of the steps, which are independent,
    and of the coefficients, which steps depend on too: with r = exp(z'theta) it is the sum of
    ``r^2 dU`` plus q'Vq, q the sum of ``r (z dA - dM)``. For one z this is what `HazardTable`
    gives, and R's `survfit` of a fit with `id` for several.

    Parameters
    ----------
    tables : sequence of m HazardTable
        Hazards of the unit's stratum in each stretch.
    z : ndarray of shape (m, p)
        Standardized covariates of each stretch.
    edges : ndarray of shape (m + 1,)
        Ages at which stretches begin and end; the unit runs at the first.

    References
    ----------
    Therneau and Grambsch (2000), Modeling Survival Data, section 10.2.4; Tsiatis (1981).
    """
    steps, theta, root = _steps(tables, edges), tables[0].theta, tables[0].root
    ratio = np.exp(z @ theta)[steps.stretch]
    rise = ratio * steps.hazard
    moved = ratio * (z.T[:, steps.stretch] * steps.hazard - steps.mean)
    # At the end of each stretch: after how many steps.
    reached = np.searchsorted(steps.stretch, np.arange(1, len(z) + 1))
    hazard = _summed(rise)[reached]
    spread = _summed(ratio**2 * steps.spread)[reached]
    spread = spread + np.sum((root.T @ _summed(moved)[:, reached]) ** 2, axis=0)
    some = hazard > 0
    safe = np.where(some, hazard, 1.0)
    log_hazard = np.where(some, np.log(safe), -np.inf)
    error = np.where(some, np.sqrt(spread) / safe, 0.0)

    ends = np.array([table.times[-1] if table.times.size else -np.inf for table in tables])
    if np.any(edges[1:] > ends * (1 + 1e-12)):
        return CoxPath(log_hazard, error, np.nan, np.nan, np.full(z.shape, np.nan))
    area = np.exp(-_summed(rise)) * np.diff(np.concatenate([edges[:1], steps.times, edges[-1:]]))
    # A step lowers the curve from there on.
    below = np.cumsum(area[::-1])[::-1][1:]
    variance = np.sum((ratio * below) ** 2 * steps.spread)
    variance += np.sum((root.T @ (moved @ below)) ** 2)
    lost = np.bincount(steps.stretch, below * rise, len(z))
    gradient = -lost[:, None] * theta
    return CoxPath(log_hazard, error, float(area.sum()), float(np.sqrt(variance)), gradient)


def _summed(steps: Floats) -> Floats:
    """Running sums over steps, from zero on."""
    zero = np.zeros((*steps.shape[:-1], 1))
    return np.concatenate([zero, np.cumsum(steps, axis=-1)], axis=-1)
