r"""Whether a posterior has finite mass where a parameter has no prior.

Far out along one parameter, the density of that parameter is, by Laplace's approximation to the
integral over all others, their maximum times |C|^(1/2), C their inverse curvature there. Where it
does not fall from one far point to one twice as far, a flat prior has infinite mass: one failure
says nothing of a Weibull's shape that way, though its likelihood may well have a maximum.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from survjax.data.observations import Observations
from survjax.data.truncation_rows import with_truncation_rows
from survjax.fitting.coreset import compress, is_plain
from survjax.fitting.local_maxima import ARRIVED, Limits, Maximizer
from survjax.likelihood.vector.template import Template
from survjax.uncertainty.profile import PROFILE_ROWS

#: How far out, in logs, and in standard errors; the second look is twice as far.
LOGS, ERRORS = 8.0, 6.0
#: The log density must fall by this from the first point to the second.
LEAST_FALL = 1.0


def endless(
    template: Template, x: np.ndarray, covariance: np.ndarray, rows: Observations
) -> tuple[str, ...]:
    """Names of the parameters without a prior along which the posterior does not fall off."""
    rows = with_truncation_rows(rows)
    small = compress(rows, PROFILE_ROWS) if is_plain(rows) else rows
    errors = np.sqrt(np.diag(covariance))
    has = np.zeros(x.size) if template.prior is None else template.prior.has
    found = []
    for i in np.flatnonzero((template.constraints.free > 0) & (has == 0)):
        far = ERRORS * errors[i]
        if template.names[i].startswith("log"):
            far = max(far, LOGS)
        if any(_levels_off(template, x, small, int(i), side * far) for side in (-1.0, 1.0)):
            found.append(template.read_names[i])
    return tuple(found)


def _levels_off(template: Template, x: np.ndarray, rows: Observations, i: int, far: float) -> bool:
    """Whether the density of a parameter does not fall from one far point to the next."""
    heights, point = [], x
    for distance in (far, 2.0 * far):
        values, fixed = template.constraints.values.copy(), template.constraints.fixed.copy()
        values[i], fixed[i] = x[i] + distance, True
        constraints = dataclasses.replace(template.constraints, values=values, fixed=fixed)
        maximizer = Maximizer(template.constrained(constraints), rows)
        end = maximizer(point[None], Limits.of(1e-6, 200))[0]
        if not (np.isfinite(end.value) and np.isfinite(end.hessian).all()):
            return False
        sign, log_det = np.linalg.slogdet(-end.hessian)
        if end.code not in ARRIVED or sign <= 0:
            # The others have no maximum there: nothing is known.
            return False
        heights.append(end.value - 0.5 * log_det)
        point = end.x
    return heights[1] > heights[0] - LEAST_FALL
