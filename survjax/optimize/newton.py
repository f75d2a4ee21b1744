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
from jax.flatten_util import ravel_pytree

from survjax.optimize._cg import begin, cg_step
from survjax.optimize._dense import advance
from survjax.optimize._solution import ResultCode, Solution
from survjax.optimize._trust import NewtonState, init, loop, raveled

__all__ = ["NewtonState", "advance", "init", "newton"]


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
        conjugate gradients on Hessian-vector products, which suits many parameters (beyond 32 of
        them, of about the same scale; otherwise no units matter).
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
    x, unravel = raveled(start)
    if derivatives is None:
        if fun is None:
            raise ValueError("newton needs fun or derivatives, got neither")
        derivatives = _by_autodiff(fun, solver)

    def at(vector: jax.Array) -> tuple[Any, Any, Any]:
        value, gradient, hessian = derivatives(unravel(vector), *args)
        # Data of another precision must not change that of the iteration.
        return jnp.asarray(value, x.dtype), ravel_pytree(gradient)[0].astype(x.dtype), hessian

    def dense_step(state: NewtonState) -> NewtonState:
        value, gradient, hessian = at(state.trial)
        hessian = jnp.asarray(hessian, x.dtype)
        limits: dict[str, Any] = {"tol": tol, "max_iter": max_iter, "max_step": max_step}
        return advance(state, value, gradient, hessian, **limits)

    if solver == "dense":
        state, path = loop(dense_step, init(x, max_step), max_iter, keep_path)
    else:
        step = cg_step(at, tol, max_iter, max_step)
        state, path = loop(step, begin(x, max_step), max_iter, keep_path)
    # Where nothing finite was ever seen, say so in every field rather than show zeros.
    unknown = jnp.where(state.code == int(ResultCode.NOT_FINITE), jnp.nan, 0.0).astype(x.dtype)
    return Solution(
        parameters=unravel(state.x),
        value=state.value + unknown,
        gradient=unravel(state.gradient + unknown),
        hessian=None if state.hessian is None else state.hessian + unknown,
        decrement=state.decrement + unknown,
        n_iter=state.n_iter,
        code=state.code,
        path=path,
    )


def _by_autodiff(fun: Callable[..., Any], solver: str) -> Callable[..., Any]:
    """(value, gradient, Hessian or Hessian-vector product) of a scalar function."""

    def derivatives(parameters: jax.Array, *args: Any) -> tuple[Any, Any, Any]:
        vector, unravel = ravel_pytree(parameters)

        def flat(v: jax.Array) -> jax.Array:
            return fun(unravel(v), *args)

        if solver == "cg":
            value, gradient = jax.value_and_grad(flat)(vector)
            # Linearized once, so that each product costs one tangent pass and no primal one.
            return value, gradient, jax.linearize(jax.grad(flat), vector)[1]

        def value_inside(v: jax.Array) -> tuple[Any, Any]:
            value, gradient = jax.value_and_grad(flat)(v)
            return gradient, (value, gradient)

        # One pass gives all three: jacfwd of the gradient, with value and gradient carried along.
        hessian, (value, gradient) = jax.jacfwd(value_inside, has_aux=True)(vector)
        return value, gradient, hessian

    return derivatives
