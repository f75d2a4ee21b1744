"""First-order minimization: steepest descent, and any optax transformation, in one loop."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree

from survjax._core.pytree import data, pytree
from survjax.optimize._solution import ResultCode, Solution
from survjax.optimize._trust import loop, raveled

#: Armijo's share of the predicted fall that a backtracking step must reach.
ARMIJO = 1e-4


@pytree
class _Descent:
    """The last point, the best one with its derivatives, and the optimizer's own state."""

    x: Any = data()
    value: Any = data()
    trial: Any = data()
    best: Any = data()
    inner: Any = data()
    n_iter: Any = data()
    code: Any = data()


def gradient_descent(
    fun: Callable[..., Any],
    start: jax.Array,
    *,
    args: tuple[Any, ...] = (),
    learning_rate: float | None = None,
    tol: float = 1e-6,
    max_iter: int = 1000,
    keep_path: bool = False,
) -> Solution:
    """Minimize a function by steps along its negative gradient.

    Parameters
    ----------
    fun : callable
        `fun(parameters, *args)` returns a scalar.
    start : pytree
        Where to begin; floating-point arrays of any structure.
    args : tuple, default ()
        Passed on to `fun`; not differentiated.
    learning_rate : float, optional
        Step length per unit of gradient. None chooses each by backtracking from twice the
        last one until the function falls enough (Armijo 1966).
    tol : float, default 1e-6
        Stop when the Euclidean norm of the gradient is at most this.
    max_iter : int, default 1000
        The most steps to take.
    keep_path : bool, default False
        Keep the value and the point of each iteration in `Solution.path`.

    Returns
    -------
    Solution
        The best point seen; its `decrement` is the norm of the gradient. Pure: works under
        `jit` and `vmap`.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from survjax.optimize import gradient_descent
    >>> solution = gradient_descent(lambda x: (x - 3.0) ** 2, 0.0, learning_rate=0.1)
    >>> round(float(solution.parameters), 4)
    3.0
    """
    x, unravel = raveled(start)

    def flat(v: jax.Array) -> jax.Array:
        return fun(unravel(v), *args)

    # A rate that is being traced cannot be looked at.
    if isinstance(learning_rate, (int, float)) and not 0 < learning_rate < math.inf:
        raise ValueError(f"learning_rate must be a finite number above zero, got {learning_rate}")
    if learning_rate is None:
        inner = jnp.ones((), x.dtype)

        def update(
            gradient: jax.Array, value: jax.Array, x: jax.Array, length: Any
        ) -> tuple[Any, Any]:
            length = _backtrack(flat, gradient, value, x, 2 * length)
            return -length * gradient, length
    else:
        inner = None

        def update(
            gradient: jax.Array, value: jax.Array, x: jax.Array, length: Any
        ) -> tuple[Any, Any]:
            return -learning_rate * gradient, length

    return _descend(flat, x, unravel, update, inner, tol, max_iter, keep_path)


def optax_minimize(
    fun: Callable[..., Any],
    start: jax.Array,
    optimizer: Any,
    *,
    args: tuple[Any, ...] = (),
    tol: float = 1e-6,
    max_iter: int = 1000,
    keep_path: bool = False,
) -> Solution:
    """Minimize a function with an optax gradient transformation, in one compiled loop.

    Parameters
    ----------
    fun, start, args, tol, max_iter, keep_path
        As for `gradient_descent`.
    optimizer : optax.GradientTransformation
        Such as `optax.adam(0.01)` or `optax.lbfgs()`; anything with `init` and `update`.

    Returns
    -------
    Solution
        The best point seen; its `decrement` is the norm of the gradient. Pure: works under
        `jit` and `vmap`.

    Examples
    --------
    >>> import jax.numpy as jnp, optax
    >>> from survjax.optimize import optax_minimize
    >>> solution = optax_minimize(lambda x: jnp.sum((x - 3.0) ** 2), jnp.zeros(2), optax.lbfgs())
    >>> bool(solution.converged)
    True
    """
    if not callable(getattr(optimizer, "init", None)):
        raise ValueError(
            f"optimizer must be an optax transformation such as optax.adam(0.01), got {optimizer!r}"
        )
    x, unravel = raveled(start)

    def flat(v: jax.Array) -> jax.Array:
        return fun(unravel(v), *args)

    def update(gradient: jax.Array, value: jax.Array, x: jax.Array, inner: Any) -> tuple[Any, Any]:
        # The optimizer sees the user's structure: masks and labels are by leaf.
        updates, inner = apply_optimizer(
            optimizer, unravel(gradient), inner, unravel(x), value, lambda p: fun(p, *args)
        )
        return ravel_pytree(updates)[0].astype(x.dtype), inner

    inner = optimizer.init(unravel(x))
    return _descend(flat, x, unravel, update, inner, tol, max_iter, keep_path)


def apply_optimizer(
    optimizer: Any, gradient: Any, inner: Any, parameters: Any, value: jax.Array, fun: Any
) -> tuple[Any, Any]:
    """Ask an optax transformation for its updates, giving line searches what they need."""
    kinds = {p.kind for p in inspect.signature(optimizer.update).parameters.values()}
    if inspect.Parameter.VAR_KEYWORD in kinds:
        extra = {"value": value, "grad": gradient, "value_fn": fun}
        return optimizer.update(gradient, inner, parameters, **extra)
    return optimizer.update(gradient, inner, parameters)


def _backtrack(
    flat: Any, gradient: jax.Array, value: jax.Array, x: jax.Array, length: jax.Array
) -> jax.Array:
    """Halve a step until the function falls by Armijo's share, or rounding hides the fall."""
    square = gradient @ gradient

    def too_long(length: jax.Array) -> jax.Array:
        fell = value - flat(x - length * gradient)
        return ~(fell >= ARMIJO * length * square) & ~_too_short(x, length * gradient)

    return lax.while_loop(too_long, lambda length: 0.5 * length, length)


def _too_short(x: jax.Array, step: jax.Array) -> jax.Array:
    """Whether a step is lost in the rounding of x."""
    eps = jnp.finfo(x.dtype).eps
    return jnp.linalg.norm(step) <= 8 * eps * (1 + jnp.linalg.norm(x))


def _flat(x: jax.Array, value: jax.Array, norm: jax.Array) -> jax.Array:
    """Whether the gradient is as small as rounding lets it be (Dennis and Schnabel 1983, 7.2)."""
    root = jnp.sqrt(jnp.finfo(x.dtype).eps)
    return norm * (1 + jnp.linalg.norm(x)) <= root * jnp.maximum(jnp.abs(value), 1.0)


def _descend(
    flat: Callable[[Any], Any],
    x: jax.Array,
    unravel: Callable[[Any], Any],
    update: Callable[..., tuple[Any, Any]],
    inner: Any,
    tol: float,
    max_iter: int,
    keep_path: bool,
) -> Solution:
    """Run `update` from x until the gradient is small, keeping the best point."""
    value_and_gradient = jax.value_and_grad(flat)

    def step(state: _Descent) -> _Descent:
        value, gradient = value_and_gradient(state.trial)
        value, gradient = jnp.asarray(value, x.dtype), gradient.astype(x.dtype)
        norm = jnp.linalg.norm(gradient)
        finite = jnp.isfinite(value) & jnp.isfinite(norm)
        n_iter = state.n_iter + 1
        best = _better(state.best, (state.trial, value, gradient), finite & (norm <= tol))
        change, inner = update(gradient, value, state.trial, state.inner)
        code = jnp.where(n_iter >= max_iter, int(ResultCode.MAX_ITERATIONS), 0)
        short = _too_short(state.trial, change)
        end = jnp.where(_flat(state.trial, value, norm), ResultCode.ROUNDING, ResultCode.STALLED)
        code = jnp.where(short, end, code)
        code = jnp.where(norm <= tol, int(ResultCode.CONVERGED), code)
        lost = jnp.where(n_iter > 0, int(ResultCode.DIVERGED), int(ResultCode.NOT_FINITE))
        code = jnp.where(finite, code, lost)
        return _Descent(state.trial, value, state.trial + change, best, inner, n_iter, code)

    nothing = (x, jnp.asarray(jnp.inf, x.dtype), jnp.full_like(x, jnp.nan))
    state = _Descent(x, nothing[1], x, nothing, inner, jnp.asarray(-1), jnp.asarray(0))
    state, path = loop(step, state, max_iter, keep_path)
    point, value, gradient = state.best
    return Solution(
        parameters=unravel(point),
        value=jnp.where(jnp.isinf(value), jnp.nan, value),
        gradient=unravel(gradient),
        hessian=None,
        decrement=jnp.linalg.norm(gradient),
        n_iter=state.n_iter,
        code=state.code,
        path=path,
    )


def _better(
    best: tuple[jax.Array, jax.Array, jax.Array],
    new: tuple[jax.Array, jax.Array, jax.Array],
    surely: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Keep the lower of two (point, value, gradient); a converged point counts as lower.

    Of two values that are equal within rounding, the one with the smaller gradient is lower.
    """
    noise = 8 * jnp.finfo(new[0].dtype).eps * jnp.abs(new[1])
    flatter = jnp.linalg.norm(new[2]) < jnp.linalg.norm(best[2])
    lower = surely | (new[1] < best[1] - noise) | ((new[1] <= best[1] + noise) & flatter)
    lower = (lower | ~jnp.isfinite(best[1])) & jnp.isfinite(new[1])
    return jax.tree.map(lambda a, b: jnp.where(lower, a, b), new, best)
