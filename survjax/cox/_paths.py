"""A unit whose covariates change along a plan, under a proportional-hazards model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from survjax.cox._hazard_table import HazardTable, summed
from survjax.nonparametric.rows import Floats, Ints

__all__ = ["CoxPath", "follow_path"]


@dataclass(frozen=True)
class CoxPath:
    """What a plan does to one unit.

    Attributes
    ----------
    log_hazard, error : ndarray of shape (m,)
        Log of the cumulative hazard at the end of each stretch, and its standard error; -inf and 0
        before the first failure time, NaN where the plan is beyond the last failure time.
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
    """Steps of a unit's hazard along a plan, in order; `slope` is their pull on coefficients."""

    times: Floats
    stretch: Ints
    log_rise: Floats
    log_spread: Floats
    slope: Floats


def _steps(tables: Sequence[HazardTable], z: Floats, edges: Floats, offset: Floats) -> _Steps:
    parts = []
    for k, (table, (begin, end)) in enumerate(zip(tables, pairwise(edges), strict=True)):
        since, until = table.place(np.array([begin, end]))
        steps = slice(since, until)
        own = z[k] - table.origin
        eta = own @ table.theta + offset[k]
        parts.append(
            (
                table.times[steps],
                np.full(until - since, k),
                table.log_steps[steps] + eta,
                table.log_spreads[steps] + 2.0 * eta,
                own[:, None] - table.means[:, steps],
            )
        )
    return _Steps(*(np.concatenate(part, axis=-1) for part in zip(*parts, strict=True)))


def follow_path(tables: Sequence[HazardTable], z: Floats, edges: Floats, offset: Floats) -> CoxPath:
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
    offset : ndarray of shape (m,)
        Known part of the log hazard in each stretch.

    References
    ----------
    Therneau and Grambsch (2000), Modeling Survival Data, section 10.2.4; Tsiatis (1981).
    """
    steps, theta, root = _steps(tables, z, edges, offset), tables[0].theta, tables[0].root
    # At the end of each stretch: after how many steps.
    reached = np.searchsorted(steps.stretch, np.arange(1, len(z) + 1))
    log_total = np.append(-np.inf, np.logaddexp.accumulate(steps.log_rise))
    top = steps.log_rise.max(initial=-np.inf)
    top = top if np.isfinite(top) else 0.0
    rise = np.exp(steps.log_rise - top)
    spread = summed(np.exp(steps.log_spread - 2.0 * top))[reached]
    spread = spread + np.sum((root.T @ summed(rise * steps.slope)[:, reached]) ** 2, axis=0)
    log_hazard = log_total[reached]
    hazard = summed(rise)[reached]
    error = np.sqrt(spread) / np.where(hazard > 0, hazard, 1.0)

    known = np.logical_and.accumulate(
        [bool(table.knows(end)) for table, end in zip(tables, edges[1:], strict=True)]
    )
    log_hazard, error = (np.where(known, part, np.nan) for part in (log_hazard, error))
    if not known.all():
        return CoxPath(log_hazard, error, np.nan, np.nan, np.full(z.shape, np.nan))
    with np.errstate(over="ignore"):
        rise, variances = np.exp(steps.log_rise), np.exp(steps.log_spread)
    area = np.exp(-summed(rise)) * np.diff(np.concatenate([edges[:1], steps.times, edges[-1:]]))
    # A step lowers the curve from there on; one that ends it leaves nothing to lower.
    below = np.cumsum(area[::-1])[::-1][1:]
    lost = below * np.where(below > 0, rise, 0.0)
    variance = np.sum(below**2 * np.where(below > 0, variances, 0.0))
    variance += np.sum((root.T @ (steps.slope @ lost)) ** 2)
    by_stretch = np.bincount(steps.stretch, lost, len(z))
    gradient = -by_stretch[:, None] * theta
    return CoxPath(log_hazard, error, float(area.sum()), float(np.sqrt(variance)), gradient)
