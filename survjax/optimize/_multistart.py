"""Newton's method from many starts side by side, in one compiled loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from survjax.optimize._dense import advance
from survjax.optimize._known import Known, in_turn
from survjax.optimize._solution import ResultCode
from survjax.optimize._trust import NewtonState, init


def multistart(
    derivatives: Callable[[jax.Array], tuple[Any, Any, Any]],
    starts: jax.Array,
    *,
    tol: ArrayLike = 1e-9,
    max_iter: ArrayLike = 100,
    radius: float = 1.0,
    max_step: float = jnp.inf,
    metric: Callable[[jax.Array], jax.Array] | None = None,
    abandon: Callable[[jax.Array], jax.Array] | None = None,
    path_length: int = 0,
    side_by_side: int | None = None,
) -> tuple[NewtonState, jax.Array | None]:
    """Minimize one function from each of several starts.

    Parameters
    ----------
    derivatives : callable
        Takes a point (p,) to its value, gradient (p,) and Hessian (p, p).
    starts : array of shape (n_starts, p)
        Points to begin at.
    tol, max_iter, max_step
        As for `newton`, and traced: other values are no other program.
    radius : float, default 1.0
        Length of the first step.
    metric : callable, optional
        Takes a point to what its parameters are multiplied by (p,) before the length of a step is
        taken.
    abandon : callable, optional
        Takes a point to whether no answer lies there: the iteration ends as stalled.
    path_length : int, default 0
        How many points to keep of each path; static.
    side_by_side : int, optional
        How many starts go at a time, all by default; static. Those of one time wait for the last of
        them to end; one that then comes near a minimum that an earlier one found, in a way that
        leads there, ends there too. A start that is not finite ends at once.

    Returns
    -------
    state : NewtonState
        With a leading axis of the starts.
    path : array of shape (n_starts, path_length, p) or None
        The best point after each evaluation; the last entry is the latest where there were more.

    Notes
    -----
    Pure: works under `jit` and `vmap`, on any device.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from survjax.optimize import multistart
    >>> def quartic(x):  # minima at -1 and 1
    ...     value = jnp.sum((x**2 - 1.0) ** 2)
    ...     return value, 4.0 * x * (x**2 - 1.0), jnp.diag(12.0 * x**2 - 4.0)
    >>> state, _ = multistart(quartic, jnp.array([[-3.0], [0.5]]), tol=1e-5)
    >>> [round(float(x), 3) for x in state.x[:, 0]]
    [-1.0, 1.0]
    """
    step = _stepper(derivatives, tol, max_iter, max_step, metric, abandon)

    def from_start(start: jax.Array, known: Known | None) -> tuple[NewtonState, Any, Any]:
        first = init(start, radius)
        nowhere = ~jnp.all(jnp.isfinite(start))
        first = dataclasses.replace(
            first,
            n_iter=jnp.where(nowhere, 0, first.n_iter),
            code=jnp.where(nowhere, int(ResultCode.NOT_FINITE), first.code),
        )

        def body(carry: tuple[NewtonState, Any, Any]) -> tuple[NewtonState, Any, Any]:
            state, path = step(carry[0]), carry[1]
            if path is not None:
                path = path.at[jnp.minimum(state.n_iter, path_length - 1)].set(state.x)
            return state, path, carry[2] if known is None else known.reached(state)

        def goes_on(carry: tuple[NewtonState, Any, Any]) -> jax.Array:
            return (carry[0].code == int(ResultCode.RUNNING)) & (carry[2] < 0)

        path = jnp.zeros((path_length, start.size), start.dtype) if path_length else None
        return lax.while_loop(goes_on, body, (first, path, jnp.asarray(-1)))

    if side_by_side is None or side_by_side >= len(starts):
        return jax.vmap(lambda start: from_start(start, None)[:2])(starts)
    return in_turn(from_start, starts, side_by_side)


def initial_states(starts: np.ndarray, radius: float = 1.0) -> NewtonState:
    """Where minimizations stand that begin at each start, on the host: see `resume`.

    Parameters
    ----------
    starts : array of shape (n, p)
        Points to begin at.
    radius : float, default 1.0
        Length of the first step.

    Returns
    -------
    NewtonState
        With a leading axis of the starts.
    """
    n, p = starts.shape
    one = init(np.zeros(p, starts.dtype), radius)
    each: NewtonState = jax.tree.map(lambda a: np.repeat(np.asarray(a)[None], n, axis=0), one)
    return dataclasses.replace(each, x=starts.copy(), trial=starts.copy())


def resume(
    derivatives: Callable[[jax.Array], tuple[Any, Any, Any]],
    state: NewtonState,
    *,
    pause: ArrayLike,
    tol: ArrayLike = 1e-9,
    max_iter: ArrayLike = 100,
    max_step: float = jnp.inf,
    metric: Callable[[jax.Array], jax.Array] | None = None,
    abandon: Callable[[jax.Array], jax.Array] | None = None,
) -> NewtonState:
    """Go on from where one minimization stands, until it ends or has taken `pause` steps.

    Parameters
    ----------
    derivatives, tol, max_iter, max_step, metric, abandon
        As for `multistart`.
    state : NewtonState
        One of `initial_states`, or what this function gave.
    pause : int
        Steps from the start after which to stop and give back what there is.

    Notes
    -----
    Many functions run side by side under `vmap`, and no loop ends before its longest run does: what
    is done by the pause can be taken out, so that it need not wait for the others.

    Examples
    --------
    >>> import jax, jax.numpy as jnp, numpy as np
    >>> from survjax.optimize import initial_states, resume
    >>> def run(state, pause):  # minimize (x - 2)^2
    ...     def function(x):
    ...         return jnp.sum((x - 2.0) ** 2), 2.0 * (x - 2.0), 2.0 * jnp.eye(1)
    ...     return jax.vmap(lambda one: resume(function, one, pause=pause, tol=1e-5))(state)
    >>> state = run(initial_states(np.array([[0.0], [2.0]], np.float32)), 1)
    >>> state.code.tolist()  # the second is done, the first still runs
    [0, 1]
    >>> run(state, 9).x.ravel().tolist()
    [2.0, 2.0]
    """
    step = _stepper(derivatives, tol, max_iter, max_step, metric, abandon)

    def goes_on(state: NewtonState) -> jax.Array:
        return (state.code == int(ResultCode.RUNNING)) & (state.n_iter < pause)

    return lax.while_loop(goes_on, step, state)


def step(
    derivatives: Callable[[jax.Array], tuple[Any, Any, Any]],
    state: NewtonState,
    *,
    tol: Any = 1e-9,
    max_iter: Any = 100,
    max_step: float = jnp.inf,
    metric: Callable[[jax.Array], jax.Array] | None = None,
    abandon: Callable[[jax.Array], jax.Array] | None = None,
    spectral: bool = True,
) -> NewtonState:
    """Take one step of a minimization: for loops of one's own over many of them.

    Parameters
    ----------
    derivatives, tol, max_iter, max_step, metric, abandon
        As for `multistart`.
    state : NewtonState
        One of `initial_states`, or what this function gave.
    spectral : bool, default True
        Whether a Hessian is decomposed into eigenvalues. Factored instead, a step takes a fraction
        of the time where many run side by side; where the function is not convex it is another
        descent, and none leads away from a saddle. Static.

    Examples
    --------
    >>> import jax, jax.numpy as jnp, numpy as np
    >>> from survjax.optimize import initial_states, step
    >>> def function(x):  # minimize (x - 2)^2
    ...     return jnp.sum((x - 2.0) ** 2), 2.0 * (x - 2.0), 2.0 * jnp.eye(1)
    >>> states = initial_states(np.array([[7.0], [-3.0]]), 100.0)
    >>> states = jax.vmap(lambda one: step(function, one))(states)
    >>> states.trial.ravel().tolist()
    [2.0, 2.0]
    """
    once = _stepper(derivatives, tol, max_iter, max_step, metric, abandon, spectral)
    return once(state)


def _stepper(
    derivatives: Callable[[jax.Array], tuple[Any, Any, Any]],
    tol: ArrayLike,
    max_iter: ArrayLike,
    max_step: float,
    metric: Callable[[jax.Array], jax.Array] | None,
    abandon: Callable[[jax.Array], jax.Array] | None,
    spectral: bool = True,
) -> Callable[[NewtonState], NewtonState]:
    """One step of an iteration: derivatives at the trial point, and what follows from them."""

    def step(state: NewtonState) -> NewtonState:
        value, gradient, hessian = derivatives(state.trial)
        state = advance(
            state,
            value,
            gradient,
            hessian,
            tol=tol,
            max_iter=max_iter,
            max_step=max_step,
            metric=metric,
            spectral=spectral,
        )
        if abandon is None:
            return state
        running = state.code == int(ResultCode.RUNNING)
        left = running & abandon(state.x)
        return dataclasses.replace(state, code=jnp.where(left, int(ResultCode.STALLED), state.code))

    return step
