"""The Newton step from Hessian-vector products only: conjugate gradients in a trust region."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from survjax.optimize._dense import PUSH, dense_step
from survjax.optimize._solution import ResultCode
from survjax.optimize._trust import (
    FLAT,
    NewtonState,
    accept_step,
    init,
    share_of_rounding,
    termination_code,
)

#: Products spent on a closer look before an iteration may end: all there are to be had, and so
#: the whole Hessian, where there are no more parameters than this.
N_PROBES = 32


def begin(x: jax.Array, max_step: float) -> NewtonState:
    """Begin at x (p,) without a Hessian."""
    return NewtonState(**{**vars(init(x, max_step)), "hessian": None})


def cg_step(
    at: Callable[..., Any], tol: float, max_iter: int, max_step: float
) -> Callable[[NewtonState], NewtonState]:
    """Build one iteration; `at(x)` gives value, gradient and the function v -> H v."""

    def step(state: NewtonState) -> NewtonState:
        value, gradient, _ = at(state.trial)
        accept, radius = accept_step(state, value, gradient, True, max_step)
        x = jnp.where(accept, state.trial, state.x)
        best = jnp.where(accept, value, state.value)
        gradient = jnp.where(accept, gradient, state.gradient)

        def product(vector: jax.Array) -> jax.Array:
            return at_best(vector).astype(x.dtype)

        at_best = at(x)[2]
        move, predicted, decrement, solved = _steihaug(
            product, x, gradient, radius, state.decrement
        )
        n_iter = state.n_iter + 1
        code = termination_code(best, accept, move, x, decrement, solved, n_iter, tol, max_iter)
        if x.size <= N_PROBES:
            # Conjugate gradients see neither a saddle, where the gradient vanishes, nor a slope
            # that a steeper one hides: the dense step sees both, in any units.
            noise = 64 * jnp.finfo(x.dtype).eps * jnp.maximum(jnp.abs(best), 1.0)
            ends = (code != int(ResultCode.RUNNING)) | ~accept | (predicted <= noise)
            ends &= code != int(ResultCode.NOT_FINITE)
            hessian = _columns(product, x, ends)
            found = dense_step(x, gradient, hessian, radius, max_step)
            checked = termination_code(best, accept, found[0], x, *found[2:], n_iter, tol, max_iter)
            move, predicted, decrement, code = (
                jnp.where(ends, dense, cg)
                for dense, cg in zip(
                    (*found[:3], checked), (move, predicted, decrement, code), strict=True
                )
            )
        else:
            done = (code == int(ResultCode.CONVERGED)) | (code == int(ResultCode.ROUNDING))
            saddle, push, fall = _way_out(product, gradient, radius, done)
            move, predicted = jnp.where(saddle, push, move), jnp.where(saddle, fall, predicted)
            go_on = jnp.where(n_iter >= max_iter, int(ResultCode.MAX_ITERATIONS), 0)
            code = jnp.where(saddle, go_on, code)
        return NewtonState(
            x=x,
            value=best,
            gradient=gradient,
            hessian=None,
            trial=x + move,
            predicted=predicted,
            length=jnp.linalg.norm(move),
            radius=radius,
            decrement=decrement,
            n_iter=n_iter,
            code=code,
        )

    return step


def _steihaug(
    product: Callable[[Any], Any],
    x: jax.Array,
    gradient: jax.Array,
    radius: jax.Array,
    decrement: jax.Array,
) -> tuple[Any, Any, Any, Any]:
    """Minimize the quadratic model inside the trust region (Steihaug 1983).

    Stops at the edge of the region, at a direction of negative curvature (followed to the edge,
    or by the length of x and one unit more where there is no edge), or when the residual is
    small: the smaller, the closer the last decrement says the minimum is, for quadratic
    convergence in the end.

    Returns the step, its predicted fall, the Newton decrement, and whether the step solves the
    Newton system (convex as far as seen, and not cut short by the edge).
    """
    size = gradient.size
    norm = jnp.linalg.norm(gradient)
    target = norm * jnp.clip(1e-2 * decrement, 1e-10, 1e-4)
    tiny = jnp.finfo(gradient.dtype).tiny
    noise = share_of_rounding(gradient.dtype, 1e-14)

    def to_edge(point: jax.Array, direction: jax.Array) -> jax.Array:
        free = 1.0 + jnp.maximum(jnp.linalg.norm(point), jnp.linalg.norm(x))
        longest = jnp.where(jnp.isfinite(radius), radius, free)
        a = direction @ direction + tiny
        b = point @ direction
        c = point @ point - longest**2
        return point + direction * (-b + jnp.sqrt(jnp.maximum(b * b - a * c, 0.0))) / a

    def body(carry: Any) -> Any:
        point, residual, direction, h_point, count, _, solved, top, left = carry
        h_direction = product(direction)
        curvature = direction @ h_direction
        length = direction @ direction + tiny
        top = jnp.maximum(top, jnp.abs(curvature) / length)
        # A curvature lost in rounding ends the solve where it is, unless nothing was solved yet.
        lost = (jnp.abs(curvature) <= noise * top * length) & (count > 0)
        square = residual @ residual
        alpha = square / jnp.where(curvature > 0, curvature, 1.0)
        inside = point + alpha * direction
        outside = ~lost & ((curvature <= 0) | (jnp.linalg.norm(inside) > radius))
        moved = jnp.where(outside, to_edge(point, direction), inside)
        moved = jnp.where(lost, point, moved)
        share = (moved - point) @ direction / length
        residual = residual + share * h_direction
        beta = residual @ residual / (square + tiny)
        stop = outside | lost | (jnp.linalg.norm(residual) <= target) | (count + 1 >= 2 * size)
        return (
            moved,
            residual,
            -residual + beta * direction,
            h_point + share * h_direction,
            count + 1,
            stop,
            solved & ~outside,
            top,
            jnp.where(lost, square / (noise * top + tiny), left),
        )

    zero = jnp.zeros_like(gradient)
    start = (zero, gradient, -gradient, zero, 0, norm <= 0, jnp.asarray(True), norm * 0, norm * 0)
    end = lax.while_loop(lambda c: ~c[5], body, start)
    point, h_point, solved, left = end[0], end[3], end[6], end[8]
    # What a lost direction could still gain counts, or bad units would pass for a minimum.
    decrement = jnp.sqrt(jnp.maximum(-gradient @ point, 0.0) + left)
    return point, -(gradient @ point + 0.5 * point @ h_point), decrement, solved


def _columns(product: Callable[[Any], Any], x: jax.Array, needed: jax.Array) -> jax.Array:
    """Form the Hessian column by column, or zeros where it is not needed."""
    zeros = jnp.zeros((x.size, x.size), x.dtype)

    def body(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        i, columns = carry
        return i + 1, columns.at[i].set(product(jnp.zeros_like(x).at[i].set(1.0)))

    n_columns = jnp.where(needed, x.size, 0)
    columns = lax.while_loop(lambda c: c[0] < n_columns, body, (jnp.asarray(0), zeros))[1]
    return 0.5 * (columns + columns.T)


def _way_out(
    product: Callable[[Any], Any], gradient: Any, radius: Any, needed: Any
) -> tuple[Any, Any, Any]:
    """Tell whether a point is a saddle, with a step that leaves it and the fall it promises."""
    curvature, direction = _least_curvature(product, gradient, needed)
    push = direction * jnp.minimum(PUSH, radius)
    push = jnp.where(gradient @ push > 0, -push, push)
    fall = -(gradient @ push + 0.5 * curvature * (push @ push))
    return needed & (curvature < 0), push, fall


def _least_curvature(product: Callable[[Any], Any], gradient: Any, needed: Any) -> tuple[Any, Any]:
    """Find a direction of negative curvature by Lanczos' method, if `needed`.

    Returns (curvature, unit direction), or (0, a direction) where none was found within
    `N_PROBES` products.
    """
    size, dtype = gradient.size, gradient.dtype
    n = N_PROBES
    # Any vector will do that leans on every eigenvector; it is fixed so that runs repeat.
    first = jnp.cos(0.618 * jnp.arange(1, size + 1, dtype=dtype) ** 2)
    basis = jnp.zeros((n + 1, size), dtype).at[0].set(first / jnp.linalg.norm(first))
    carry = (jnp.asarray(0), basis, jnp.zeros((n + 1, n + 1), dtype))

    def body(
        carry: tuple[jax.Array, jax.Array, jax.Array],
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        i, basis, matrix = carry
        image = product(basis[i])
        curvature = basis[i] @ image
        # Twice is enough to keep the basis orthogonal to the last digit (Parlett 1998, 6.9).
        rest = image - basis.T @ (basis @ image)
        rest = rest - basis.T @ (basis @ rest)
        length = jnp.linalg.norm(rest)
        new = length > share_of_rounding(dtype, 1e-13) * jnp.linalg.norm(image)
        basis = basis.at[i + 1].set(jnp.where(new, rest / jnp.where(new, length, 1.0), 0.0))
        beside = jnp.where(new, length, 0.0)
        matrix = matrix.at[i, i].set(curvature).at[i + 1, i].set(beside).at[i, i + 1].set(beside)
        return i + 1, basis, matrix

    n_steps = jnp.where(needed, n, 0)
    _, basis, matrix = lax.while_loop(lambda c: c[0] < n_steps, body, carry)
    eigenvalues, vectors = jnp.linalg.eigh(matrix[:n, :n])
    negative = eigenvalues[0] < -share_of_rounding(dtype, FLAT) * jnp.max(jnp.abs(eigenvalues))
    return jnp.where(negative, eigenvalues[0], 0.0), basis[:n].T @ vectors[:, 0]
