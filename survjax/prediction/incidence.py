"""Cumulative incidences of fitted causes, with the errors of the fit.

F_k(t) is the integral of h_k S over (0, t), on panels that resolve it (`likelihood/panels.py`), and
its slopes are integrals over the same nodes.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.lifetimes import Competing
from survjax.likelihood.panels import Integrals, Panels, in_calls, rates
from survjax.prediction.points import log_hazards, log_times_at, standard_errors

#: Units of which all nodes are held at once.
UNITS = 512
#: A cumulative hazard so small that survival is one, and one that no unit lives through.
FIRST, LAST = 1e-15, 500.0
#: Bounds of the log of a time.
SHORTEST, LONGEST = -690.0, 690.0


@program
def _slopes(lifetime: Competing, which: Any, t: Any, ages: jax.Array) -> jax.Array:
    """Slopes (p, n) in the parameters of log h_k - H, k the one of `which` (K,) that is one."""
    vector, unravel = ravel_parameters(lifetime)
    per_unit = jax.vmap(unravel, in_axes=1, out_axes=-1)

    def total(wide: Any) -> Any:
        rest = per_unit(wide).given(ages)
        logs = rest.each(lambda cause: cause.log_hazard(t))
        chosen = jnp.where(which[:, None] > 0, logs, 0.0)
        return jnp.sum(chosen) - jnp.sum(rest.cumulative_hazard(t))

    wide = jnp.broadcast_to(vector[:, None], (vector.size, ages.size))
    return jax.grad(total)(wide)


def incidence(
    lifetime: Competing,
    covariance: np.ndarray | None,
    cause: int,
    t: np.ndarray,
    ages: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Log(-log(1 - F)) of the share F that a cause has ended within times, and standard errors.

    Parameters
    ----------
    lifetime : Competing
        From birth.
    covariance : array of shape (p, p) or None
        Of the raveled parameters; None leaves the errors at zero, at less cost.
    cause : int
        Which cause.
    t, ages : arrays of shape (n,)
        Times since the ages; they may be infinite.

    Returns
    -------
    values, errors : arrays of shape (n,)
    """
    parts = [
        _some(lifetime, covariance, cause, t[i : i + UNITS], ages[i : i + UNITS])
        for i in range(0, t.size, UNITS)
    ]
    values, errors = (np.concatenate(part) for part in zip(*parts, strict=True))
    return values, errors


def _some(
    lifetime: Competing,
    covariance: np.ndarray | None,
    cause: int,
    t: np.ndarray,
    ages: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """`incidence` of so many units that all their nodes fit."""
    n = t.size
    started = t > 0
    with np.errstate(all="ignore"):
        high = np.clip(np.log(np.where(started, t, 1.0)), SHORTEST, LONGEST)
        at_end = log_hazards(lifetime, np.exp(high), ages)[0]
        over = at_end > np.log(LAST)
        if over.any():
            end = log_times_at(lifetime, np.full(n, np.log(LAST)), ages)
            high = np.where(over & (end < high), end, high)
        level = np.minimum(at_end, 0.0) + np.log(FIRST)
        low = np.minimum(log_times_at(lifetime, level, ages), high - 1.0)
        low = np.maximum(np.where(np.isfinite(low), low, SHORTEST), SHORTEST - 10.0)
        whole = -np.expm1(-np.exp(at_end))
        wanted = np.zeros((len(lifetime.causes), n), bool)
        wanted[cause] = True
        integrals = Integrals(lifetime, ages, wanted)
        panels = integrals.refined(low, high, whole)
        before, slope = _before(lifetime, cause, low, ages)
        scale, sums = integrals.scale[cause], integrals.totals(panels)
        total = sums[cause] + np.exp(before - scale)
        log_share = scale + np.log(total)
        share = np.exp(log_share)
        # What is left of one keeps its digits as a sum.
        others = np.delete(sums * np.exp(integrals.scale), cause, axis=0).sum(axis=0)
        rest = np.exp(-np.exp(at_end)) + others
        hazard = np.where(share < 0.5, -np.log1p(-np.minimum(share, 0.5)), -np.log(rest))
        values = np.where(started, np.log(hazard), -np.inf)
        if covariance is None:
            return values, np.zeros(n)
        slope = slope * np.exp(before - scale) + _summed(integrals, panels, cause)
        # Of log(-log(1 - F)): the slope of F over (1 - F) (-log(1 - F)).
        remaining = np.where(share < 0.5, 1.0 - share, rest)
        factor = np.exp(scale) / (remaining * hazard)
        errors = standard_errors(covariance, slope * factor)
        return values, np.where(started, errors, 0.0)


def _before(
    lifetime: Competing, cause: int, low: np.ndarray, ages: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Log of what a cause ends before the first panel, where survival is one, and slopes (p, n)."""
    value, own, _ = log_hazards(lifetime.causes[cause], np.exp(low), ages)
    sizes = [ravel_parameters(part)[0].size for part in lifetime.causes]
    slope = np.zeros((sum(sizes), low.size))
    slope[sum(sizes[:cause]) : sum(sizes[: cause + 1])] = own
    some = np.isfinite(value)
    return np.where(some, value, -np.inf), np.where(some, slope, 0.0)


def _summed(integrals: Integrals, panels: Panels, cause: int) -> np.ndarray:
    """Slopes (p, n) of a cause's integrals over panels, in units of its scale."""
    x = panels.log_times
    unit = np.repeat(panels.unit, x.shape[1])
    t, ages = np.exp(x).ravel(), integrals.ages[unit]
    lifetime = integrals.lifetime
    which = np.eye(len(lifetime.causes))[cause]
    logs, hazard = rates(lifetime, t, ages)
    slopes = in_calls(lambda *nodes: _slopes(lifetime, which, *nodes), t, ages)[0]
    logs = logs[cause] - hazard + x.ravel() - integrals.scale[cause][unit]
    size = panels.weights.ravel() * np.exp(logs)
    # Where nothing ends, slopes may be no numbers.
    terms = np.where(size > 0, slopes, 0.0) * size
    n = integrals.ages.size
    return np.stack([np.bincount(unit, row, n) for row in terms])
