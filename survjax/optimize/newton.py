"""Safeguarded Newton's method on exact derivatives: dense Hessians or products with them.

The full Newton step is tried first, so that a quadratic is minimized in one. Where the Hessian
is indefinite (a mixture far from its optimum) its eigenvalues are replaced by their absolute
values, and a trust region shrinks the step until the function falls as predicted (Nocedal and
Wright 2006, sections 3.4 and 4.1).

`init`, `advance` and the loop are separate: the same code serves a compiled loop, a batch of
starts under `vmap`, and a loop on the host that sums the derivatives over chunks of data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree

from survjax._core.pytree import data, pytree
from survjax.optimize._solution import ResultCode, Solution

#: Eigenvalues are floored at this share of the largest: a flat direction gets no infinite step.
FLOOR = 1e-10


@pytree
class NewtonState:
    """Where an iteration stands: the best point, its derivatives, and the point to try next."""

    x: Any = data()
    value: Any = data()
    gradient: Any = data()
    hessian: Any = data()
    trial: Any = data()
    predicted: Any = data()
    radius: Any = data()
    decrement: Any = data()
    n_iter: Any = data()
    code: Any = data()


def init(x: jax.Array, max_step: float = jnp.inf) -> NewtonState:
    """Begin at x (p,): nothing is known yet, and x itself is the first point to try."""
    zero = jnp.zeros((), x.dtype)
    return NewtonState(
        x=x,
        value=zero + jnp.inf,
        gradient=jnp.zeros_like(x),
        hessian=jnp.eye(x.size, dtype=x.dtype),
        trial=x,
        predicted=zero,
        radius=zero + max_step,
        decrement=zero + jnp.inf,
        n_iter=jnp.asarray(-1),
        code=jnp.asarray(int(ResultCode.RUNNING)),
    )


def advance(
    state: NewtonState,
    value: jax.Array,
    gradient: jax.Array,
    hessian: jax.Array,
    *,
    tol: float = 1e-9,
    max_iter: int = 100,
    max_step: float = jnp.inf,
) -> NewtonState:
    """Judge the point tried, given its derivatives, and choose the next one to try."""
    accept, radius = _judge(state, value, gradient, jnp.all(jnp.isfinite(hessian)), max_step)
    x = jnp.where(accept, state.trial, state.x)
    best = jnp.where(accept, value, state.value)
    gradient = jnp.where(accept, gradient, state.gradient)
    hessian = jnp.where(accept, hessian, state.hessian)
    step, predicted, decrement, convex = _dense_step(gradient, hessian, radius)
    n_iter = state.n_iter + 1
    code = _code(best, accept, step, x, predicted, decrement, convex, n_iter, tol, max_iter)
    return NewtonState(
        x, best, gradient, hessian, x + step, predicted, radius, decrement, n_iter, code
    )


def _judge(
    state: NewtonState, value: Any, gradient: Any, finite_hessian: Any, max_step: float
) -> tuple[Any, Any]:
    """Accept the trial point or not, and resize the trust region."""
    eps = jnp.finfo(state.x.dtype).eps
    finite = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient)) & finite_hessian
    first = state.n_iter < 0
    fell = state.value - value
    ratio = fell / jnp.maximum(state.predicted, jnp.finfo(state.x.dtype).tiny)
    # A value equal within rounding is progress if the gradient fell: a strict "must decrease"
    # stalls a few starts in a hundred just short of the optimum.
    noise = 8 * eps * jnp.maximum(jnp.abs(value), jnp.abs(state.value))
    flatter = jnp.max(jnp.abs(gradient)) < jnp.max(jnp.abs(state.gradient))
    level = (jnp.abs(fell) <= noise) & flatter
    accept = finite & (first | (ratio > 1e-4) | level)
    length = jnp.linalg.norm(state.trial - state.x)
    good = (ratio > 0.75) | level
    at_edge = length > 0.99 * state.radius
    radius = jnp.where(good & at_edge, jnp.minimum(2 * state.radius, max_step), state.radius)
    radius = jnp.where(~good & (ratio < 0.25), 0.5 * length, radius)
    radius = jnp.where(accept, radius, 0.25 * length)
    return accept, jnp.where(first, state.radius, radius)


def _dense_step(gradient: Any, hessian: Any, radius: Any) -> tuple[Any, Any, Any, Any]:
    """Step, predicted fall, Newton decrement, and whether the Hessian is positive definite."""
    eigenvalues, vectors = jnp.linalg.eigh(hessian)
    largest = jnp.max(jnp.abs(eigenvalues))
    eps = jnp.finfo(gradient.dtype).eps
    floor = jnp.maximum(FLOOR if eps < 1e-10 else eps, eps) * largest
    curvature = jnp.maximum(jnp.abs(eigenvalues), jnp.maximum(floor, jnp.finfo(eps.dtype).tiny))
    slope = vectors.T @ gradient
    convex = eigenvalues[0] > -floor
    decrement = jnp.sqrt(jnp.sum(slope**2 / curvature))
    # At a saddle the slope along a direction of negative curvature vanishes and no multiple of
    # it leads away: push along that direction, by the step that would halve the curvature's sign.
    stuck = ~convex & (slope[0] ** 2 < 1e-12 * curvature[0])
    push = jnp.where(stuck, jnp.where(slope[0] > 0, -0.1, 0.1), 0.0)
    along = (-slope / curvature).at[0].add(push)
    length = jnp.linalg.norm(along)
    along = along * jnp.minimum(1.0, radius / jnp.maximum(length, jnp.finfo(eps.dtype).tiny))
    predicted = -(slope @ along + 0.5 * along @ (eigenvalues * along))
    return vectors @ along, predicted, decrement, convex


def _code(
    value: Any,
    accept: Any,
    step: Any,
    x: Any,
    predicted: Any,
    decrement: Any,
    convex: Any,
    n_iter: Any,
    tol: float,
    max_iter: int,
) -> Any:
    """Say whether to go on, and if not, why."""
    eps = jnp.finfo(x.dtype).eps
    tiny_step = jnp.linalg.norm(step) <= 8 * eps * (1 + jnp.linalg.norm(x))
    # Rounding noise of the value hides a fall this small: the rejection says nothing.
    hidden = 0.5 * decrement**2 <= 64 * eps * jnp.maximum(jnp.abs(value), 1.0)
    code = jnp.where(n_iter >= max_iter, int(ResultCode.MAX_ITERATIONS), int(ResultCode.RUNNING))
    code = jnp.where(~accept & tiny_step, int(ResultCode.STALLED), code)
    at_rounding = convex & hidden & (~accept | tiny_step)
    code = jnp.where(at_rounding, int(ResultCode.ROUNDING), code)
    code = jnp.where(convex & (decrement <= tol), int(ResultCode.CONVERGED), code)
    return jnp.where(jnp.isfinite(value), code, int(ResultCode.NOT_FINITE))


def newton(
    fun: Callable[..., Any] | None,
    start: Any,
    *,
    args: tuple[Any, ...] = (),
    derivatives: Callable[..., Any] | None = None,
    solver: str = "dense",
    tol: float = 1e-9,
    max_iter: int = 100,
    max_step: float = jnp.inf,
    keep_path: bool = False,
) -> Solution:
    """Minimize a smooth function by safeguarded Newton iterations.

    Parameters
    ----------
    fun : callable
        `fun(parameters, *args)` returns a scalar. May be None if `derivatives` is given.
    start : pytree
        Where to begin; floating-point arrays of any structure.
    args : tuple, default ()
        Passed on to `fun`; not differentiated.
    derivatives : callable, optional
        `derivatives(parameters, *args)` returns (value, gradient, Hessian) at once, the gradient
        as a pytree or vector and the Hessian (p, p) over the raveled parameters; with
        `solver="cg"`, a function v -> H v over raveled vectors takes the Hessian's place. By
        default they come from autodiff: `jacfwd(jacrev(fun))`, or `jvp` of the gradient.
    solver : {"dense", "cg"}
        "dense" forms and decomposes the Hessian; "cg" never forms it, and solves each step by
        conjugate gradients on Hessian-vector products, which suits many parameters.
    tol : float, default 1e-9
        Stop when the Newton decrement sqrt(g' H^-1 g) is at most this. Near the optimum it
        is the distance left in units of the estimate's standard error, if `fun` is a negative
        log-likelihood.
    max_iter : int, default 100
        The most steps to try.
    max_step : float, default inf
        The longest step, in the Euclidean norm of the raveled parameters.
    keep_path : bool, default False
        Keep the value and the point of each iteration in `Solution.path`.

    Returns
    -------
    Solution
        The best point and how the iteration ended. The function is pure: it works under `jit`
        and `vmap`, where `fun`, `solver`, `max_iter` and `keep_path` are static.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from survjax.optimize import newton
    >>> solution = newton(lambda x: jnp.sum((x - 3.0) ** 4 + x**2), jnp.zeros(2))
    >>> bool(solution.converged)
    True
    """
    if solver not in ("dense", "cg"):
        raise ValueError(f"solver must be 'dense' or 'cg', got {solver!r}")
    x, unravel = ravel_pytree(start)
    if derivatives is None:
        if fun is None:
            raise ValueError("newton needs fun or derivatives, got neither")
        derivatives = _by_autodiff(fun, solver)

    def at(vector: jax.Array) -> tuple[Any, Any, Any]:
        value, gradient, hessian = derivatives(unravel(vector), *args)
        return value, ravel_pytree(gradient)[0], hessian

    if solver == "dense":

        def step(state: NewtonState) -> NewtonState:
            derived = at(state.trial)
            return advance(state, *derived, tol=tol, max_iter=max_iter, max_step=max_step)

        begin = init(x, max_step)
    else:
        from_cg = _cg_step(at, tol, max_iter, max_step)
        step, begin = from_cg, _without_hessian(init(x, max_step))
    state, path = _loop(step, begin, max_iter, keep_path)
    return Solution(
        parameters=unravel(state.x),
        value=state.value,
        gradient=unravel(state.gradient),
        hessian=state.hessian,
        decrement=state.decrement,
        n_iter=state.n_iter,
        code=state.code,
        path=path,
    )


def _by_autodiff(fun: Callable[..., Any], solver: str) -> Callable[..., Any]:
    """(value, gradient, Hessian or Hessian-vector product) of a scalar function."""

    def derivatives(parameters: Any, *args: Any) -> tuple[Any, Any, Any]:
        vector, unravel = ravel_pytree(parameters)

        def flat(v: jax.Array) -> jax.Array:
            return fun(unravel(v), *args)

        if solver == "cg":
            value, gradient = jax.value_and_grad(flat)(vector)
            return value, gradient, lambda v: jax.jvp(jax.grad(flat), (vector,), (v,))[1]

        def value_inside(v: jax.Array) -> tuple[Any, Any]:
            value, gradient = jax.value_and_grad(flat)(v)
            return gradient, (value, gradient)

        # One pass gives all three: jacfwd of the gradient, with value and gradient carried along.
        hessian, (value, gradient) = jax.jacfwd(value_inside, has_aux=True)(vector)
        return value, gradient, hessian

    return derivatives


def _loop(
    step: Callable[[NewtonState], NewtonState], state: NewtonState, max_iter: int, keep_path: bool
) -> tuple[NewtonState, Any]:
    """Iterate until the code says stop, noting each best point if asked."""

    def running(carry: tuple[NewtonState, Any]) -> Any:
        return carry[0].code == int(ResultCode.RUNNING)

    def body(carry: tuple[NewtonState, Any]) -> tuple[NewtonState, Any]:
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


def _without_hessian(state: NewtonState) -> NewtonState:
    return NewtonState(**{**vars(state), "hessian": None})


def _cg_step(
    at: Callable[..., Any], tol: float, max_iter: int, max_step: float
) -> Callable[[NewtonState], NewtonState]:
    """Build one iteration that solves for its step by truncated conjugate gradients."""

    def step(state: NewtonState) -> NewtonState:
        value, gradient, _ = at(state.trial)
        accept, radius = _judge(state, value, gradient, True, max_step)
        x = jnp.where(accept, state.trial, state.x)
        best = jnp.where(accept, value, state.value)
        gradient = jnp.where(accept, gradient, state.gradient)
        product = at(x)[2]
        move, predicted, convex = _steihaug(product, gradient, radius)
        decrement = jnp.sqrt(jnp.maximum(-gradient @ move, 0.0))
        n_iter = state.n_iter + 1
        code = _code(best, accept, move, x, predicted, decrement, convex, n_iter, tol, max_iter)
        return NewtonState(
            x, best, gradient, None, x + move, predicted, radius, decrement, n_iter, code
        )

    return step


def _steihaug(product: Callable[[Any], Any], gradient: Any, radius: Any) -> tuple[Any, Any, Any]:
    """Minimize the quadratic model inside the trust region (Steihaug 1983).

    Stops at the edge of the region, at a direction of negative curvature (followed to the edge,
    or by one unit where there is no edge), or when the residual is small.
    """
    size = gradient.size
    norm = jnp.linalg.norm(gradient)
    target = norm * jnp.minimum(1e-2, jnp.sqrt(norm)) * 1e-2
    tiny = jnp.finfo(gradient.dtype).tiny

    def to_edge(point: Any, direction: Any) -> Any:
        reach = jnp.where(jnp.isfinite(radius), radius, jnp.linalg.norm(point) + 1.0)
        a = direction @ direction + tiny
        b = point @ direction
        c = point @ point - reach**2
        return point + direction * (-b + jnp.sqrt(jnp.maximum(b * b - a * c, 0.0))) / a

    def body(carry: Any) -> Any:
        point, residual, direction, h_point, count, _, convex = carry
        h_direction = product(direction)
        bend = direction @ h_direction
        square = residual @ residual
        flat = bend <= 0
        alpha = square / jnp.where(flat, 1.0, bend)
        inside = point + alpha * direction
        outside = flat | (jnp.linalg.norm(inside) > radius)
        moved = jnp.where(outside, to_edge(point, direction), inside)
        share = (moved - point) @ direction / (direction @ direction + tiny)
        residual = residual + share * h_direction
        h_point = h_point + share * h_direction
        beta = residual @ residual / (square + tiny)
        stop = outside | (jnp.linalg.norm(residual) <= target) | (count + 1 >= 2 * size)
        return moved, residual, -residual + beta * direction, h_point, count + 1, stop, (
            convex & ~(bend < 0)
        )

    zero = jnp.zeros_like(gradient)
    start = (zero, gradient, -gradient, zero, 0, norm <= 0, jnp.asarray(True))
    point, _, _, h_point, _, _, convex = lax.while_loop(lambda c: ~c[5], body, start)
    return point, -(gradient @ point + 0.5 * point @ h_point), convex
