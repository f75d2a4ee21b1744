"""Curves at few points: a search on the host over one small program of fixed size.

The log of the cumulative hazard, with its slopes in the parameters and in time, is one program for
any number of points. Quantiles, times at a hazard and prediction intervals follow from its values;
the slopes of a quantile from the implicit function theorem. So a first table or picture compiles
that program alone, where each of these would take seconds as a program of its own.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.lifetimes import Lifetime

#: Points of one call.
WIDTH = 256
#: Points up to which calls from the host are fast enough.
FEW = 4096
#: The first step of a search without a bracket, in log time; it doubles.
STEP = 3.0
#: The longest Newton step that is trusted without a bracket, and the range of log times.
LONGEST, FARTHEST = 40.0, 700.0


@program
def _log_hazards(lifetime: Lifetime, t: jax.Array, ages: jax.Array) -> tuple[Any, Any, Any]:
    """Log H of the remaining life, its slopes (p, n) in the parameters, and those in time."""
    vector, unravel = ravel_parameters(lifetime)
    per_unit = jax.vmap(unravel, in_axes=1, out_axes=-1)

    def total(wide: jax.Array, t: jax.Array) -> tuple[Any, Any]:
        y = jnp.log(per_unit(wide).given(ages).cumulative_hazard(t))
        return jnp.sum(y), y

    # Each unit gets its own copy of the parameters: the gradient of the sum then holds every
    # unit's gradient, at one reverse pass for any number of parameters.
    wide = jnp.broadcast_to(vector[:, None], (vector.size, ages.size))
    (_, y), (slope, rate) = jax.value_and_grad(total, argnums=(0, 1), has_aux=True)(wide, t)
    return y, slope, rate


def log_hazards(
    lifetime: Lifetime, t: np.ndarray, ages: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log H(t | age) (n,), slopes (p, n) in the parameters and (n,) in time."""
    n = t.size
    extra = -n % WIDTH
    t, ages = (np.pad(part, (0, extra), mode="edge") for part in (t, ages))
    found = [
        _log_hazards(lifetime, t[i : i + WIDTH], ages[i : i + WIDTH])
        for i in range(0, n + extra, WIDTH)
    ]
    y, slope, rate = (
        np.concatenate([np.asarray(part) for part in parts], axis=-1)[..., :n]
        for parts in zip(*found, strict=True)
    )
    return y, slope, rate


def log_times_at(lifetime: Lifetime, log_hazard: np.ndarray, ages: np.ndarray) -> np.ndarray:
    """Logs of the times (n,) at which log H(t | age) reaches values: Newton's method in log time.

    It is kept inside a bracket, which grows in doubling steps until it holds the time.
    """
    known = np.isfinite(log_hazard)
    goal = np.where(known, log_hazard, 0.0)
    x, before = np.zeros(goal.shape), np.full(goal.shape, np.inf)
    low, high, step = x - np.inf, x + np.inf, STEP
    tolerance = np.sqrt(np.finfo(float).eps)
    for _ in range(200):
        y, _, rate = log_hazards(lifetime, np.exp(x), ages)
        gap, slope = y - goal, rate * np.exp(x)
        low, high = np.where(gap < 0, x, low), np.where(gap > 0, x, high)
        bracketed = np.isfinite(high - low)
        newton = x - gap / np.where(slope > 0, slope, np.nan)
        length = np.abs(newton - x)
        good = (newton >= low) & (newton <= high) & (bracketed | (length < LONGEST))
        good &= (np.abs(gap) <= 0.5 * before) | (length <= tolerance * (1.0 + np.abs(x)))
        middle = 0.5 * (np.maximum(low, -FARTHEST) + np.minimum(high, FARTHEST))
        other = np.where(bracketed, middle, np.clip(x - step * np.sign(gap), -FARTHEST, FARTHEST))
        new = np.where(gap == 0, x, np.where(good, newton, other))
        far = known & (np.abs(new - x) > tolerance * (1.0 + np.abs(x)))
        x, before, step = np.where(known & ~np.isnan(new), new, x), np.abs(gap), 2.0 * step
        if not far.any():
            break
    x = np.where(np.isnan(y), np.nan, x)
    # What no number of a time reaches comes never, or came at once.
    never, at_once = (gap < 0) & (x >= FARTHEST), (gap > 0) & (x <= -FARTHEST)
    x = np.where(known & never, np.inf, np.where(known & at_once, -np.inf, x))
    return np.where(known, x, np.where(log_hazard == np.inf, np.inf, -np.inf))


def standard_errors(covariance: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Delta-method errors (n,) from slopes (p, n), whose squares may overflow."""
    size = np.max(np.abs(slope), axis=0)
    size = np.where((size > 0) & np.isfinite(size), size, 1.0)
    unit = slope / size
    return size * np.sqrt(np.maximum(np.sum((covariance @ unit) * unit, axis=0), 0.0))


def evaluate_points(
    lifetime: Lifetime, covariance: np.ndarray | None, curve: str, t: np.ndarray, ages: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Values and errors (n,) on the link scale of a curve that follows from log H."""
    # Times of zero and without end have logs and slopes that are no numbers, by design.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        if curve == "cumulative_hazard":
            values, slope, _ = log_hazards(lifetime, t, ages)
        else:
            target = -np.log1p(-t) if curve == "quantile" else t
            values = log_times_at(lifetime, np.log(target), ages)
            if covariance is None:
                return values, np.zeros_like(values)
            times = np.exp(values)
            _, slope, rate = log_hazards(lifetime, times, ages)
            slope = slope / (rate * times)
        if covariance is None:
            return values, np.zeros_like(values)
        return values, standard_errors(covariance, slope)
