"""The Newton step from a Hessian that is formed and decomposed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from survjax._core.numerics import module_of
from survjax.optimize._trust import (
    FLAT,
    NewtonState,
    accept_step,
    share_of_rounding,
    termination_code,
)

#: Eigenvalues below this share of the largest are rounding noise: no step divides by them.
FLOOR = 1e-13
#: Length of the first step away from a saddle, where the gradient gives no direction.
PUSH = 0.1
#: The least pivot, in units of curvature, of a Hessian whose Newton step needs no guard.
CLEAR = 1e-3


def advance(
    state: NewtonState,
    value: Any,
    gradient: Any,
    hessian: Any,
    *,
    tol: ArrayLike = 1e-9,
    max_iter: ArrayLike = 100,
    max_step: float = jnp.inf,
    metric: Callable[[Any], Any] | None = None,
    spectral: bool = True,
) -> NewtonState:
    """Judge the point tried, given its derivatives, and choose the next one to try.

    `metric` takes a point to what its parameters are multiplied by (p,) before the length of a
    step is taken, so that a long step is one that changes much; all ones by default. Without
    `spectral`, steps are those of `factored_step`.
    """
    xp = module_of(state.x)
    accept, radius = accept_step(state, value, gradient, xp.all(xp.isfinite(hessian)), max_step)
    x = xp.where(accept, state.trial, state.x)
    best = xp.where(accept, value, state.value)
    gradient = xp.where(accept, gradient, state.gradient)
    hessian = xp.where(accept, hessian, state.hessian)
    stretch = xp.ones_like(x) if metric is None else metric(x)
    plain = whole_step(x, gradient, hessian, radius, stretch) if xp is np else None
    if plain is None:
        chosen = dense_step if spectral else factored_step
        plain = chosen(x, gradient, hessian, radius, max_step, stretch)
    step, predicted, decrement, convex = plain
    length = xp.linalg.norm(stretch * step)
    n_iter = state.n_iter + 1
    code = termination_code(best, accept, step, x, decrement, convex, n_iter, tol, max_iter)
    return NewtonState(
        x, best, gradient, hessian, x + step, predicted, length, radius, decrement, n_iter, code
    )


def _units(hessian: Any) -> Any:
    """Give each parameter the unit in which its own curvature is one.

    In these units the eigenvalues, and what counts as flat, do not depend on the scale of the
    parameters (a covariate in millimeters or in kilometers).
    """
    xp = module_of(hessian)
    size = xp.abs(hessian)
    square = xp.maximum(xp.diagonal(size), xp.finfo(hessian.dtype).eps * xp.max(size, axis=1))
    return xp.sqrt(xp.where(square > 0, square, 1.0))


def whole_step(
    x: np.ndarray, gradient: np.ndarray, hessian: np.ndarray, radius: np.ndarray, stretch: Any = 1.0
) -> tuple[Any, Any, Any, Any] | None:
    """What `dense_step` gives on the host, without eigenvalues; None where it must guard a step.

    No guard is needed where the Hessian is clearly positive definite and its whole step short.
    """
    units = _units(hessian)
    scaled, slope = hessian / (units[:, None] * units), gradient / units
    try:
        root = np.linalg.cholesky(scaled)
    except np.linalg.LinAlgError:
        return None
    if not root.diagonal().min() > CLEAR:
        return None
    along = -np.linalg.solve(scaled, slope)
    step = along / units
    stretched = stretch * step
    if not stretched @ stretched <= min(radius, 4.0 * (1.0 + np.sqrt(x @ x))) ** 2:
        return None
    predicted = max(-0.5 * (slope @ along), 0.0)
    return step, predicted, np.sqrt(2.0 * predicted), np.True_


def dense_step(
    x: Any, gradient: Any, hessian: Any, radius: Any, max_step: float, stretch: Any = 1.0
) -> tuple[Any, Any, Any, Any]:
    """Step, predicted fall, Newton decrement, and whether the Hessian is positive definite.

    Eigenvalues are replaced by their absolute values, so that the step descends also where the
    Hessian is indefinite (Nocedal and Wright 2006, section 3.4).
    """
    xp = module_of(x)
    tiny = xp.finfo(gradient.dtype).tiny
    units = _units(hessian)
    eigenvalues, vectors = xp.linalg.eigh(hessian / (units[:, None] * units))
    largest = xp.max(xp.abs(eigenvalues))
    floor = share_of_rounding(gradient.dtype, FLOOR) * largest
    curvature = xp.maximum(xp.abs(eigenvalues), xp.maximum(floor, tiny))
    slope = vectors.T @ (gradient / units)
    convex = eigenvalues[0] >= -share_of_rounding(gradient.dtype, FLAT) * largest
    decrement = xp.sqrt(xp.sum(slope**2 / curvature))
    # Along a flat direction the model says nothing of length: at most double the point.
    farthest = 1.0 + xp.linalg.norm(units * x)
    along = -slope / curvature
    along = xp.where(xp.abs(eigenvalues) <= floor, xp.clip(along, -farthest, farthest), along)
    # At a saddle the slope along the direction of negative curvature vanishes, and no multiple
    # of it leads away: push along that direction, downhill if the slope says which way that is.
    stuck = ~convex & (slope[0] ** 2 <= 1e-12 * curvature[0])
    away = PUSH / xp.linalg.norm(vectors[:, 0] / units)
    push = xp.where(stuck, xp.where(slope[0] > 0, -away, away), 0.0)
    along = along + push * (xp.arange(along.size) == 0)
    directions = vectors / units[:, None]
    # Shorten each direction by itself before all together: one that is flat, and asks for a very
    # long step, must not take the length away from one that is steep.
    limit = xp.where(xp.isfinite(radius), 4.0 * (1.0 + xp.linalg.norm(x)), xp.inf)
    stretched = (stretch * directions.T).T
    lengths = xp.abs(along) * xp.linalg.norm(stretched, axis=0)
    along = along * xp.minimum(1.0, xp.minimum(limit, max_step) / xp.maximum(lengths, tiny))
    length = xp.linalg.norm(stretched @ along)
    along = along * xp.minimum(1.0, radius / xp.maximum(length, tiny))
    predicted = -(slope @ along + 0.5 * along @ (eigenvalues * along))
    return directions @ along, predicted, decrement, convex


def factored_step(
    x: jax.Array,
    gradient: jax.Array,
    hessian: jax.Array,
    radius: ArrayLike,
    max_step: float,
    stretch: ArrayLike = 1.0,
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """What `dense_step` gives, by a factorization instead of eigenvalues.

    A pivot that is negative, or so small that a multiplier would exceed one, is replaced (Gill and
    Murray 1974; Nocedal and Wright 2006, section 3.4): a step descends, and is Newton's wherever
    the Hessian is positive definite. It takes a few additions side by side where eigenvalues take a
    call of LAPACK, for runs whose ends are looked at again by `dense_step`: a saddle holds it.
    """
    xp = module_of(x)
    tiny = xp.finfo(gradient.dtype).tiny
    floor = share_of_rounding(gradient.dtype, FLOOR)
    units, size = _units(hessian), x.shape[0]
    # The right-hand side is eliminated along with the matrix.
    whole = xp.concatenate(
        [hessian / (units[:, None] * units), (gradient / units)[:, None]], axis=1
    )
    place, rows, pivots, convex = xp.arange(size), [], [], xp.asarray(True)
    for j in range(size):
        below = place > j
        largest = xp.max(xp.where(below, xp.abs(whole[:, j]), 0.0))
        least = xp.maximum(xp.maximum(largest * largest, xp.abs(whole[j, j])), floor)
        convex = convex & (whole[j, j] >= (1.0 - 1e-6) * least)
        rows.append(whole[j])
        pivots.append(least)
        whole = whole - xp.where(below, whole[:, j] / least, 0.0)[:, None] * whole[j]
    along = xp.zeros_like(x)
    for j in reversed(range(size)):
        rest = xp.sum(xp.where(place > j, rows[j][:size] * along, 0.0))
        along = xp.where(place == j, -(rows[j][size] + rest) / pivots[j], along)
    half = xp.stack([row[size] for row in rows])
    decrement = xp.sqrt(xp.sum(half * half / xp.stack(pivots)))
    step = along / units
    limit = xp.where(xp.isfinite(radius), 4.0 * (1.0 + xp.linalg.norm(x)), xp.inf)
    limit = xp.minimum(xp.minimum(limit, max_step), radius)
    step = step * xp.minimum(1.0, limit / xp.maximum(xp.linalg.norm(stretch * step), tiny))
    predicted = -(gradient @ step + 0.5 * step @ (hessian @ step))
    return step, predicted, decrement, convex
