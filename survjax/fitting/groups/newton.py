"""Newton's iterations of many groups side by side: one program for a number of rows and of runs.

Runs that are done leave at pauses, and the others move together, so that a few that take long do
not keep all others waiting.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from survjax._core.parallel import n_threads
from survjax._core.precision import double_precision
from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.data.observations import Observations
from survjax.fitting.corrections import Correction
from survjax.fitting.interior import Interior, violated
from survjax.fitting.local_maxima import FIRST_STEP, MAX_STEP, Limits, LocalMaximum, minimized
from survjax.lifetimes import Lifetime
from survjax.likelihood.rows import derivatives
from survjax.likelihood.vector.template import Template
from survjax.optimize import ResultCode, initial_states, resume
from survjax.optimize.newton import NewtonState

#: Takes a point to value, gradient and Hessian.
Objective = Callable[[jax.Array], tuple[Any, Any, Any]]
#: Steps after which runs that are done are taken out; at the last, all are.
PAUSES = (6, 12, 24, 48, 2**30)
#: Rows of a call, all its runs together: what is in between stays in cache.
ROWS = 2**15
#: Numbers of runs that a call is filled up to, so that few programs are compiled.
RUNS = (1, 16, 128, 512, 4096)
#: Calls at a time. Eigenvalues of a batch wait, on a thread of XLA's pool, for others of the same
#: pool: were all of its threads to wait so, none would ever go on, and so one is left free.
CALLS = BoundedSemaphore(max(n_threads() - 1, 1))


@dataclasses.dataclass(frozen=True)
class Ends:
    """Where iterations ended; all arrays have a leading axis of the runs.

    Attributes
    ----------
    x, gradient, hessian : arrays of shape (m, p), (m, p), (m, p, p)
        The log-likelihood's, with its `value` (m,).
    decrement, n_iter, code : arrays of shape (m,)
        As of a `LocalMaximum`.
    units : array of shape (m, p)
        What the entries are multiplied by where their size is judged.
    """

    x: np.ndarray
    value: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray
    decrement: np.ndarray
    n_iter: np.ndarray
    code: np.ndarray
    units: np.ndarray

    def take(self, which: np.ndarray) -> Ends:
        """Some of them."""
        return Ends(**{f.name: getattr(self, f.name)[which] for f in dataclasses.fields(self)})

    def put(self, which: np.ndarray, others: Ends) -> None:
        """Put others, of runs that went on from these, in the place of some."""
        others = dataclasses.replace(others, n_iter=others.n_iter + self.n_iter[which])
        for f in dataclasses.fields(self):
            getattr(self, f.name)[which] = getattr(others, f.name)

    def at(self, r: int, **more: Any) -> LocalMaximum:
        """One of them, as a search takes it, with `more` of what that holds; no path is kept."""
        return LocalMaximum(
            self.x[r],
            float(self.value[r]),
            self.gradient[r],
            self.hessian[r],
            float(self.decrement[r]),
            int(self.n_iter[r]),
            int(self.code[r]),
            units=self.units[r],
            **more,
        )

    def violated(
        self, template: Template, rule: Interior, n_units: np.ndarray
    ) -> list[tuple[np.ndarray, str]]:
        """What speaks against them as interior maxima of groups of so many units (m,)."""
        parts = self.x, self.value, self.hessian, self.code, self.units
        return violated(*parts, template, rule, n_units)

    @classmethod
    def none(cls, p: int) -> Ends:
        """Of no run."""
        row, whole = np.empty((0, p)), np.empty(0, int)
        return cls(row, row[:, 0], row, np.empty((0, p, p)), row[:, 0], whole, whole, row)

    @classmethod
    def of(cls, state: NewtonState, units: np.ndarray) -> Ends:
        """Where minimizations of minus the log-likelihood stand."""
        return cls(
            state.x, -state.value, -state.gradient, -state.hessian,
            state.decrement, state.n_iter, state.code, units,
        )  # fmt: skip

    @classmethod
    def joined(cls, parts: list[Ends]) -> Ends:
        """Those of several, one after the other."""
        names = [f.name for f in dataclasses.fields(cls)]
        return cls(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})


class Iteration:
    """Newton's iterations of one likelihood on rows of many groups, inside of a program.

    `lifetime` is the template; its parameters are not used.
    """

    def __init__(self, lifetime: Lifetime, limits: Limits, correction: Correction) -> None:
        self.unravel = ravel_parameters(lifetime)[1]
        self.limits, self.correction = limits, correction

    def metric(self, x: jax.Array) -> jax.Array:
        """The units of the entries of a point."""
        return ravel_parameters(self.unravel(x).step_units())[0]

    def on(self, rows: Observations, log_weight: ArrayLike) -> tuple[Objective, dict[str, Any]]:
        """What is minimized on the rows of one group, and all else that a step is told."""
        objective, abandon = minimized(
            lambda x: derivatives(self.unravel(x), rows),
            self.unravel,
            dataclasses.replace(self.limits, log_weight=log_weight),
            self.correction,
        )
        settings = {"tol": self.limits.tol, "max_iter": self.limits.max_iter, "max_step": MAX_STEP}
        return objective, {**settings, "metric": self.metric, "abandon": abandon}


@program(draft=False)
def maximize_groups(
    lifetime: Lifetime,
    state: Any,
    rows: Observations,
    limits: Limits,
    correction: Correction,
    pause: jax.Array,
) -> Any:
    """Go on with Newton's iterations, each on rows of its own (m, n), up to a pause.

    Of the limits, `log_weight` has one entry for each run.
    """
    how = Iteration(lifetime, limits, correction)

    def one(state: Any, rows: Observations, log_weight: jax.Array) -> Any:
        objective, settings = how.on(rows, log_weight)
        return resume(objective, state, pause=pause, **settings)

    state = jax.vmap(one)(state, rows, limits.log_weight)
    return state, jax.vmap(how.metric)(state.x)


def maximize_runs(
    template: Template,
    rows_of: Callable[[np.ndarray], Observations],
    size: int,
    starts: np.ndarray,
    limits: Limits,
    correction: Correction,
) -> Ends:
    """Newton's iterations from starts (m, p), each on rows of its own.

    Parameters
    ----------
    template : Template
    rows_of : callable
        The rows (k, size) of k of the runs, by their numbers.
    size : int
        Rows of each run.
    starts : array of shape (m, p)
        Of the precision that the iterations shall have, and the rows have.
    limits : Limits
        `log_weight` may differ between runs, (m,).
    correction : Correction
        The same for all runs.
    """
    limits, correction = (as_precise(part, starts.dtype) for part in (limits, correction))
    log_weight = np.broadcast_to(limits.log_weight, starts.shape[:1])
    state: Any = initial_states(starts, FIRST_STEP)
    units = np.ones_like(starts)
    left = np.arange(len(starts))

    @double_precision
    def call(some: np.ndarray, pause: int) -> Any:
        own = dataclasses.replace(limits, log_weight=log_weight[some])
        own_state = jax.tree.map(lambda a: a[some], state)
        batch = rows_of(some)
        lifetime = as_precise(template.lifetime, starts.dtype)
        # What is huge in 64 bits is infinite in 32.
        with CALLS, np.errstate(over="ignore"):
            found = maximize_groups(lifetime, own_state, batch, own, correction, np.int64(pause))
            return jax.tree.map(np.asarray, found)

    for pause in PAUSES:
        pieces = in_calls(left, size)
        with ThreadPoolExecutor(min(n_threads(), len(pieces)) or 1) as pool:
            found_by = pool.map(call, pieces, [pause] * len(pieces))
            for some, found in zip(pieces, found_by, strict=True):
                _put((state, units), some, found)
        left = left[state.code[left] == int(ResultCode.RUNNING)]
        if not left.size:
            break
    return Ends.of(state, units)


def as_precise(tree: Any, dtype: Any) -> Any:
    """The same with all its real numbers of one precision."""

    def cast(leaf: Any) -> Any:
        array = np.asarray(leaf)
        return array.astype(dtype) if array.dtype.kind == "f" else leaf

    return jax.tree.map(cast, tree)


def _put(state: Any, some: np.ndarray, found: Any) -> None:
    """Write what a call found into the state of all; its last runs may be copies."""
    for whole, part in zip(jax.tree.leaves(state), jax.tree.leaves(found), strict=True):
        whole[some] = part


def in_calls(left: np.ndarray, size: int) -> list[np.ndarray]:
    """Runs of so many rows in calls of a few sizes, each filled up with copies of its last run."""
    most = max(run for run in RUNS if run == 1 or run * size <= ROWS)
    pieces = [left[i : i + most] for i in range(0, left.size, most)]
    sizes = [next(run for run in RUNS if run >= piece.size) for piece in pieces]
    return [
        np.concatenate([piece, np.repeat(piece[-1:], n - piece.size)])
        for piece, n in zip(pieces, sizes, strict=True)
    ]
