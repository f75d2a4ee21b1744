"""Iterating a map: paths, fixed points and orbits, compiled, over many starts at once."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from survjax._core.programs import program
from survjax.optimize._solution import ResultCode, Solution
from survjax.optimize._trust import floating

#: Steps in one turn of the compiled loop: the turn itself costs as much as a short step.
UNROLL = 4


def iterate(
    g: Callable[..., Any],
    x0: ArrayLike,
    n: int,
    *,
    args: tuple[Any, ...] = (),
    state_ndim: int = 0,
) -> jax.Array:
    """Follow x <- g(x) for n steps from one start or many.

    Parameters
    ----------
    g : callable
        `g(x, *args)` returns the next state, of x's shape. Compiled once for each function
        object: define it once rather than anew in each call.
    x0 : array
        The start, or an array of starts on the leading axes.
    n : int
        How many steps.
    args : tuple, default ()
        Passed on to `g`.
    state_ndim : int, default 0
        How many axes one state has: 0 where it is a number, 1 where it is a vector (the last
        axis of `x0`). All axes before it are starts.

    Returns
    -------
    array of shape (n + 1, *x0.shape)
        The path, its start included, in the caller's floating-point precision.

    Examples
    --------
    >>> from survjax.optimize import iterate
    >>> path = iterate(lambda x: (x**2 + 21) / 10, [0.0, 6.5], 100)
    >>> path.shape
    (101, 2)
    >>> [round(float(x), 3) for x in path[-1]]
    [3.0, 3.0]
    """
    return _iterate(g, floating(x0), _count(n, "n"), args, state_ndim)


@program(static_argnums=(0, 2, 4), draft=False)
def _iterate(g: Any, x0: jax.Array, n: int, args: Any, state_ndim: int) -> jax.Array:
    _check_map(g, x0, args, state_ndim)

    def step(x: jax.Array) -> jax.Array:
        return g(x, *args)

    for _ in range(x0.ndim - state_ndim):
        step = jax.vmap(step)
    # Each turn emits the state it begins with, so that the start needs no copy of its own.
    return lax.scan(lambda x, _: (step(x), x), x0, None, length=n + 1, unroll=UNROLL)[1]


def orbit(
    g: Callable[..., Any],
    x0: ArrayLike,
    a: ArrayLike,
    burn_in: int = 1000,
    keep: int = 1000,
) -> jax.Array:
    """Follow x <- g(x, a) until it has settled, for many values of a parameter at once.

    Parameters
    ----------
    g : callable
        `g(x, a)` returns the next number.
    x0 : array
        The start; broadcast against `a`.
    a : array
        Values of the parameter.
    burn_in : int, default 1000
        Steps dropped.
    keep : int, default 1000
        Steps kept after that.

    Returns
    -------
    array of shape (keep, *shape of x0 and a broadcast)
        The states visited: the points of a bifurcation diagram (May 1976).

    Examples
    --------
    >>> from survjax.optimize import orbit
    >>> kept = orbit(lambda x, a: a * x * (1 - x), 0.5, [2.5, 3.2], keep=4)
    >>> [[round(float(x), 3) for x in row] for row in kept]
    [[0.6, 0.513], [0.6, 0.799], [0.6, 0.513], [0.6, 0.799]]
    """
    burn_in, keep = _count(burn_in, "burn_in"), _count(keep, "keep")
    return _orbit(g, floating(x0), floating(a), burn_in, keep)


@program(static_argnums=(0, 3, 4), draft=False)
def _orbit(g: Any, x: jax.Array, a: jax.Array, burn_in: int, keep: int) -> jax.Array:
    x, a = jnp.broadcast_arrays(x, a)
    x, step = x.astype(jnp.result_type(x, a)), g
    for _ in range(x.ndim):
        step = jax.vmap(step)

    x = lax.scan(lambda x, _: (step(x, a), None), x, None, length=burn_in, unroll=UNROLL)[0]
    return lax.scan(lambda x, _: (step(x, a), x), x, None, length=keep, unroll=UNROLL)[1]


def fixed_point(
    g: Callable[..., Any],
    x0: ArrayLike,
    *,
    args: tuple[Any, ...] = (),
    method: str = "iterate",
    tol: float = 1e-12,
    max_iter: int = 10_000,
    state_ndim: int = 0,
) -> Solution:
    """Solve x = g(x), from one start or many.

    Parameters
    ----------
    g, x0, args, state_ndim
        As for `iterate`.
    method : {"iterate", "newton"}
        "iterate" repeats x <- g(x), and so finds attracting points only. "newton" solves
        g(x) - x = 0 with the exact Jacobian, and finds repelling points too.
    tol : float, default 1e-12
        Stop when max abs(g(x) - x) <= tol * (1 + max abs(x)); at least four units in the last
        place.
    max_iter : int, default 10,000
        The most steps.

    Returns
    -------
    Solution
        `parameters` holds the points, `gradient` what is left, g(x) - x, and `value` and
        `decrement` its largest entry; each field has the axes of the starts in front. Where
        `code` says diverged, `parameters` is not finite.

    Examples
    --------
    >>> from survjax.optimize import fixed_point
    >>> solution = fixed_point(lambda x: (x**2 + 21) / 10, [0.0, 8.0])
    >>> solution.converged.tolist()
    [True, False]
    """
    if method not in ("iterate", "newton"):
        raise ValueError(f"method must be 'iterate' or 'newton', got {method!r}")
    max_iter = _count(max_iter, "max_iter")
    return _fixed_point(g, floating(x0), args, method, tol, max_iter, state_ndim)


@program(static_argnums=(0, 3, 5, 6), draft=False)
def _fixed_point(
    g: Any, x0: jax.Array, args: Any, method: str, tol: jax.Array, max_iter: int, state_ndim: int
) -> Solution:
    _check_map(g, x0, args, state_ndim)
    tol = jnp.maximum(tol, 4 * jnp.finfo(x0.dtype).eps)

    def residual(x: jax.Array) -> jax.Array:
        return g(x, *args) - x

    def next_point(x: jax.Array, rest: jax.Array) -> jax.Array:
        if method == "iterate":
            return x + rest
        slope = jax.jacfwd(residual)(x).reshape(x.size, x.size)
        return x - jnp.linalg.solve(slope, rest.ravel()).reshape(x.shape)

    def one(x: jax.Array) -> Solution:
        def body(
            carry: tuple[jax.Array, jax.Array, jax.Array, jax.Array],
        ) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
            x, rest, n_iter, _ = carry
            x = next_point(x, rest)
            return (x, *evaluated(x, n_iter + 1))

        def evaluated(x: jax.Array, n_iter: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
            rest = residual(x)
            close = jnp.max(jnp.abs(rest)) <= tol * (1 + jnp.max(jnp.abs(x)))
            code = jnp.where(n_iter >= max_iter, int(ResultCode.MAX_ITERATIONS), 0)
            code = jnp.where(close, int(ResultCode.CONVERGED), code)
            finite = jnp.all(jnp.isfinite(x)) & jnp.all(jnp.isfinite(rest))
            return rest, n_iter, jnp.where(finite, code, int(ResultCode.DIVERGED))

        begin = (x, *evaluated(x, jnp.asarray(0)))
        x, rest, n_iter, code = lax.while_loop(lambda carry: carry[3] == 0, body, begin)
        left = jnp.max(jnp.abs(rest))
        return Solution(x, left, rest, None, left, n_iter, code)

    for _ in range(x0.ndim - state_ndim):
        one = jax.vmap(one)
    return one(x0)


def multiplier(g: Callable[..., Any], x: ArrayLike, *, args: tuple[Any, ...] = ()) -> jax.Array:
    """Say how a small distance from a fixed point x grows in one step of x <- g(x).

    Parameters
    ----------
    g : callable
        As for `iterate`.
    x : array of shape () or (p,)
        One fixed point.
    args : tuple, default ()
        Passed on to `g`.

    Returns
    -------
    scalar
        The largest modulus of an eigenvalue of g's Jacobian: the point attracts where it is
        below one, repels where it is above (Strogatz 2015, section 10.1).

    Examples
    --------
    >>> from survjax.optimize import multiplier
    >>> [round(float(multiplier(lambda x: (x**2 + 21) / 10, x)), 3) for x in (3.0, 7.0)]
    [0.6, 1.4]
    """
    x = floating(x)
    jacobian = jax.jacfwd(lambda v: g(v, *args))(x).reshape(x.size, x.size)
    # A one-by-one matrix is its own eigenvalue, on every platform.
    return jnp.max(jnp.abs(jacobian if x.size == 1 else jnp.linalg.eigvals(jacobian)))


def _count(n: Any, name: str) -> int:
    """Take a number of steps as an int that can be part of a compiled program."""
    try:
        n = operator.index(n)
    except TypeError:
        raise ValueError(f"{name} must be a whole number of steps, got {n!r}") from None
    if n < 0:
        raise ValueError(f"{name} must not be negative, got {n}")
    return n


def _check_map(g: Any, x0: jax.Array, args: Any, state_ndim: int) -> None:
    """Refuse a map that does not return a state of the shape it was given."""
    if not 0 <= state_ndim <= x0.ndim:
        raise ValueError(f"state_ndim must be 0 to {x0.ndim} for this x0, got {state_ndim}")
    state = jax.ShapeDtypeStruct(x0.shape[x0.ndim - state_ndim :], x0.dtype)
    image = jax.eval_shape(g, state, *args)
    if getattr(image, "shape", None) != state.shape:
        raise ValueError(
            f"g must return a state of the shape it is given, {state.shape}, got {image}; "
            "for states that are vectors, pass state_ndim=1"
        )
