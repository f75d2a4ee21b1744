"""Cumulative incidences of fitted causes, with the errors of the fit.

F_k(t) is the integral of h_k S over (0, t), on panels that resolve it (`likelihood/panels.py`), and
its slopes are integrals over the same nodes.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax._core.numerics import bucket_size
from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.lifetimes import Competing
from survjax.likelihood.panels import Integrals, Panels, in_calls, rates, rates_from
from survjax.prediction.points import log_hazards, log_times_at, standard_errors

#: Units of which all nodes are held at once.
UNITS = 512
#: A cumulative hazard so small that survival is one, and one that no unit lives through.
FIRST, LAST = 1e-15, 500.0
#: Bounds of the log of a time.
SHORTEST, LONGEST = -690.0, 690.0


@program
def _slopes(lifetime: Competing, which: jax.Array, t: jax.Array, ages: jax.Array) -> jax.Array:
    """Slopes (p, n) in the parameters of log h_k - H, k the one of `which` (K,) that is one."""
    vector, unravel = ravel_parameters(lifetime)
    per_unit = jax.vmap(unravel, in_axes=1, out_axes=-1)

    def total(wide: jax.Array) -> jax.Array:
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
    values, slopes = incidence_slopes(lifetime, cause, t, ages, covariance is not None)
    if covariance is None:
        return values, np.zeros(t.size)
    return values, np.where(t > 0, standard_errors(covariance, slopes), 0.0)


def incidence_slopes(
    lifetime: Competing, cause: int, t: np.ndarray, ages: np.ndarray, wanted: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """As `incidence`, with slopes (p, n) in the parameters, (0, n) where they are not wanted."""
    parts = [
        _some(lifetime, wanted, cause, t[i : i + UNITS], ages[i : i + UNITS])
        for i in range(0, t.size, UNITS)
    ]
    values, slopes = (np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))
    return values, slopes


def incidences_at(
    lifetime: Competing, points: np.ndarray, cause: int, t: np.ndarray, ages: np.ndarray
) -> np.ndarray:
    """`incidence` at other parameters (B, p), on the panels of a lifetime near to them: (B, n)."""
    low, high, _ = _range(lifetime, t, ages)
    wanted = np.zeros((len(lifetime.causes), t.size), bool)
    wanted[cause] = True
    with np.errstate(all="ignore"):
        whole = -np.expm1(-np.exp(log_hazards(lifetime, np.exp(high), ages)[0]))
        panels = Integrals(rates_from(lifetime, ages), wanted).refined(low, high, whole)
        x = panels.log_times
        row = np.repeat(panels.unit, x.shape[1])
        order = np.argsort(row, kind="stable")
        extra = (0, bucket_size(order.size) - order.size)
        log_weight = (np.log(panels.weights) + x).ravel()[order]
        nodes = [np.pad(part[order], extra, mode="edge") for part in (row, np.exp(x).ravel())]
        log_weight = np.pad(log_weight, extra, constant_values=-np.inf)
        few = (0, bucket_size(len(points)) - len(points)), (0, 0)
        ends = np.exp(low), np.exp(high), ages
        found = _at_points(lifetime, np.pad(points, few, mode="edge"), (*nodes, log_weight), ends)
        sums, alive = (np.asarray(part)[: len(points)] for part in found)
        share = sums[:, cause]
        # What is left of one keeps its digits as a sum.
        rest = alive + np.delete(sums, cause, axis=1).sum(axis=1)
        hazard = np.where(share < 0.5, -np.log1p(-np.minimum(share, 0.5)), -np.log(rest))
        return np.where(t > 0, np.log(hazard), -np.inf)


@program
def _at_points(
    lifetime: Competing, points: jax.Array, nodes: Any, ends: tuple[jax.Array, jax.Array, jax.Array]
) -> tuple[Any, Any]:
    """What each cause ends (B, K, n), and what runs on (B, n), at parameters (B, p)."""
    _, unravel = ravel_parameters(lifetime)
    unit, t, log_weight = nodes
    low, high, ages = ends

    def one(x: jax.Array) -> tuple[Any, Any]:
        rest, here = unravel(x).given(ages[unit]), unravel(x).given(ages)
        logs = rest.each(lambda cause: cause.log_hazard(t))
        logs = logs - rest.cumulative_hazard(t) + log_weight
        values = jnp.where(logs > SHORTEST, jnp.exp(logs), 0.0)
        sums = jax.ops.segment_sum(values.T, unit, ages.size, indices_are_sorted=True).T
        before = here.each(lambda cause: cause.cumulative_hazard(low))
        return sums + before, jnp.exp(-here.cumulative_hazard(high))

    return lax.map(one, points)


def _range(
    lifetime: Competing, t: np.ndarray, ages: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logs of times (n,) between which all ends happen, and log H at the last."""
    with np.errstate(all="ignore"):
        high = np.clip(np.log(np.where(t > 0, t, 1.0)), SHORTEST, LONGEST)
        at_end = log_hazards(lifetime, np.exp(high), ages)[0]
        over = at_end > np.log(LAST)
        if over.any():
            end = log_times_at(lifetime, np.full(t.size, np.log(LAST)), ages)
            high = np.where(over & (end < high), end, high)
        level = np.minimum(at_end, 0.0) + np.log(FIRST)
        low = np.minimum(log_times_at(lifetime, level, ages), high - 1.0)
        low = np.maximum(np.where(np.isfinite(low), low, SHORTEST), SHORTEST - 10.0)
    return low, high, at_end


def _some(
    lifetime: Competing, with_slopes: bool, cause: int, t: np.ndarray, ages: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`incidence_slopes` of so many units that all their nodes fit."""
    n = t.size
    started = t > 0
    low, high, at_end = _range(lifetime, t, ages)
    with np.errstate(all="ignore"):
        whole = -np.expm1(-np.exp(at_end))
        wanted = np.zeros((len(lifetime.causes), n), bool)
        wanted[cause] = True
        integrals = Integrals(rates_from(lifetime, ages), wanted)
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
        if not with_slopes:
            return values, np.zeros((0, n))
        slope = slope * np.exp(before - scale) + _summed(lifetime, ages, integrals, panels, cause)
        # Of log(-log(1 - F)): the slope of F over (1 - F) (-log(1 - F)).
        remaining = np.where(share < 0.5, 1.0 - share, rest)
        factor = np.exp(scale) / (remaining * hazard)
        slope = slope * factor
    return values, np.where(started, slope, 0.0)


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


def _summed(
    lifetime: Competing, ages: np.ndarray, integrals: Integrals, panels: Panels, cause: int
) -> np.ndarray:
    """Slopes (p, n) of a cause's integrals over panels, in units of its scale."""
    x = panels.log_times
    unit = np.repeat(panels.unit, x.shape[1])
    n, t, ages = ages.size, np.exp(x).ravel(), ages[unit]
    which = np.eye(len(lifetime.causes))[cause]
    logs, hazard = rates(lifetime, t, ages)
    slopes = in_calls(lambda *nodes: _slopes(lifetime, which, *nodes), t, ages)[0]
    logs = logs[cause] - hazard + x.ravel() - integrals.scale[cause][unit]
    size = panels.weights.ravel() * np.exp(logs)
    # Where nothing ends, slopes may be no numbers.
    terms = np.where(size > 0, slopes, 0.0) * size
    return np.stack([np.bincount(unit, row, n) for row in terms])
