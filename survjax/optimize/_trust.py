"""What both Newton solvers share: the state, the judgement of a trial point, the verdict.

The full Newton step is tried first; a trust region shrinks it until the function falls as its
quadratic model predicts (Nocedal and Wright 2006, section 4.1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike

from survjax._core.numerics import module_of
from survjax._core.pytree import data, pytree
from survjax.optimize._solution import ResultCode

#: A negative eigenvalue smaller than this share of the largest is taken for rounding.
FLAT = 1e-10


@pytree
class NewtonState:
    """Where an iteration stands: the best point, its derivatives, and the point to try next."""

    x: Any = data()
    value: Any = data()
    gradient: Any = data()
    hessian: Any = data()
    trial: Any = data()
    predicted: Any = data()
    #: Of the step to the trial, and the longest allowed, both in the units of the trust region.
    length: Any = data()
    radius: Any = data()
    decrement: Any = data()
    n_iter: Any = data()
    code: Any = data()


def init(x: Any, max_step: float = jnp.inf) -> NewtonState:
    """Begin at x (p,): nothing is known yet, and x itself is the first point to try.

    With an array of NumPy the whole iteration is NumPy's.
    """
    xp = module_of(x)
    zero = xp.zeros((), x.dtype)
    return NewtonState(
        x=x,
        value=zero + xp.inf,
        gradient=xp.zeros_like(x),
        hessian=xp.eye(x.size, dtype=x.dtype),
        trial=x,
        predicted=zero,
        length=zero,
        radius=zero + max_step,
        decrement=zero + xp.inf,
        n_iter=xp.asarray(-1),
        code=xp.asarray(int(ResultCode.RUNNING)),
    )


def floating(leaf: Any) -> jax.Array:
    """Take a leaf of a start as floating-point numbers, integers included."""
    leaf = jnp.asarray(leaf)
    return leaf if jnp.issubdtype(leaf.dtype, jnp.inexact) else leaf.astype(jnp.result_type(float))


def raveled(start: Any) -> tuple[jax.Array, Callable[[jax.Array], Any]]:
    """Take a start as one vector, with the function that gives it its structure back."""
    x, unravel = ravel_pytree(jax.tree.map(floating, start))
    if not x.size:
        raise ValueError(f"start must hold at least one number, got {start!r:.60}")
    return x, unravel


def share_of_rounding(dtype: Any, share: float) -> float:
    """Give a relative tolerance that both precisions can hold: `share`, or a few float32 eps."""
    return share if dtype == np.float64 else 8 * float(jnp.finfo(dtype).eps)


def accept_step(
    state: NewtonState, value: Any, gradient: Any, finite_hessian: Any, max_step: float
) -> tuple[Any, Any]:
    """Accept the trial point or not, and resize the trust region."""
    xp = module_of(state.x)
    eps = xp.finfo(state.x.dtype).eps
    finite = xp.isfinite(value) & xp.all(xp.isfinite(gradient)) & finite_hessian
    first = state.n_iter < 0
    fell = state.value - value
    ratio = fell / xp.maximum(state.predicted, xp.finfo(state.x.dtype).tiny)
    # A value equal within rounding is progress if the gradient fell: a strict "must decrease"
    # stalls a few starts in a hundred just short of the optimum.
    noise = 8 * eps * xp.maximum(xp.abs(value), xp.abs(state.value))
    flatter = xp.max(xp.abs(gradient)) < xp.max(xp.abs(state.gradient))
    level = (xp.abs(fell) <= noise) & flatter
    accept = finite & (first | (ratio > 1e-4) | level)
    length = state.length
    good = (ratio > 0.75) | level
    at_edge = length > 0.99 * state.radius
    radius = xp.where(good & at_edge, xp.minimum(2 * state.radius, max_step), state.radius)
    radius = xp.where(~good & (ratio < 0.25), 0.5 * length, radius)
    # A refused step that dwarfs the point itself came from a direction without curvature: its
    # length means nothing, and quartering it would take a hundred turns.
    sensible = xp.minimum(length, 4.0 * (1.0 + xp.linalg.norm(state.x)))
    radius = xp.where(accept, radius, 0.25 * sensible)
    return accept, xp.where(first, state.radius, radius)


def termination_code(
    value: Any,
    accept: Any,
    step: Any,
    x: jax.Array,
    decrement: Any,
    convex: Any,
    n_iter: Any,
    tol: ArrayLike,
    max_iter: ArrayLike,
) -> Any:
    """Say whether to go on, and if not, why."""
    xp = module_of(x)
    eps = xp.finfo(x.dtype).eps
    tiny_step = xp.linalg.norm(step) <= 8 * eps * (1 + xp.linalg.norm(x))
    # Rounding noise of the value hides a fall this small: the rejection says nothing.
    hidden = 0.5 * decrement**2 <= 64 * eps * xp.maximum(xp.abs(value), 1.0)
    code = xp.where(n_iter >= max_iter, int(ResultCode.MAX_ITERATIONS), int(ResultCode.RUNNING))
    code = xp.where(~accept & tiny_step, int(ResultCode.STALLED), code)
    at_rounding = convex & hidden & (~accept | tiny_step)
    code = xp.where(at_rounding, int(ResultCode.ROUNDING), code)
    code = xp.where(convex & (decrement <= tol), int(ResultCode.CONVERGED), code)
    return xp.where(xp.isfinite(value), code, int(ResultCode.NOT_FINITE))


def loop(step: Callable[[Any], Any], state: Any, max_iter: int, keep_path: bool) -> tuple[Any, Any]:
    """Iterate until the code says stop, noting value and x after each step if asked."""

    def running(carry: tuple[Any, Any]) -> jax.Array:
        return carry[0].code == int(ResultCode.RUNNING)

    def body(carry: tuple[Any, Any]) -> tuple[Any, Any]:
        state, path = step(carry[0]), carry[1]
        if path is not None:
            values, points = path
            path = values.at[state.n_iter].set(state.value), points.at[state.n_iter].set(state.x)
        return state, path

    path = None
    if keep_path:
        nan = jnp.full((max_iter + 1,), jnp.nan, state.x.dtype)
        path = nan, jnp.full((max_iter + 1, state.x.size), jnp.nan, state.x.dtype)
    return lax.while_loop(running, body, (state, path))
