"""Local maxima of a likelihood: the compiled program that finds them, and what is known of each.

One program runs Newton's iterations (`survjax.optimize.multistart`) from up to sixteen starts on
one set of rows, on whatever device they are: side by side on an accelerator; on a CPU in turn,
where a start that comes near a maximum found before ends there. Rows are padded to a few sizes and
starts to one number, so that a process compiles a program for each model and size only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from survjax._core.programs import program
from survjax._core.pytree import data, pytree, ravel_parameters
from survjax.data.observations import Observations
from survjax.fitting.corrections import Correction, corrected
from survjax.lifetimes import Lifetime
from survjax.likelihood.executors import executor
from survjax.likelihood.rows import derivatives, failures_first
from survjax.likelihood.vector.template import Template
from survjax.optimize import ResultCode, multistart

#: Starts that one program takes.
MANY_STARTS = 16
#: Longest step and length of the first one, in the units of `Lifetime.step_units`.
MAX_STEP, FIRST_STEP = 3.0, 1.0
#: Points of a path that are kept.
LONGEST_PATH = 64
#: Parameters from which on (three Weibulls have eight) one search runs a draft of its program for
#: so many seconds, and a well compiled one for a third of them.
MANY_PARAMETERS, LONG_SEARCH = 8, 0.7
#: How an iteration ends at a maximum.
ARRIVED = (int(ResultCode.CONVERGED), int(ResultCode.ROUNDING))


@dataclasses.dataclass(frozen=True)
class LocalMaximum:
    """Where an iteration ended: point, value, derivatives and how.

    Attributes
    ----------
    x, gradient, hessian : arrays of shape (p,), (p,), (p, p)
        The log-likelihood's, with its `value`.
    decrement : float
        Distance left, in standard errors.
    n_iter, code : int
        Iterations, and a `ResultCode`.
    start : int
        Which of the starts it came from.
    n_agreeing : int
        Starts that ended here.
    path : array of shape (m, p)
        The points on the way.
    units : array of shape (p,)
        What the entries are multiplied by where their size is judged (`Lifetime.step_units`).
    known : dict
        What speaks against it, by a rule and a number of units, where that was looked at.
    """

    x: np.ndarray
    value: float
    gradient: np.ndarray
    hessian: np.ndarray
    decrement: float
    n_iter: int
    code: int
    start: int = 0
    n_agreeing: int = 1
    path: np.ndarray | None = None
    units: np.ndarray | None = None
    known: Mapping[Any, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    def restricted(self, kept: np.ndarray) -> LocalMaximum:
        """The same maximum in some of its parameters."""
        own: dict[str, Any] = {"x": self.x[kept], "gradient": self.gradient[kept], "known": {}}
        if self.units is not None:
            own["units"] = self.units[kept]
        return dataclasses.replace(self, hessian=self.hessian[np.ix_(kept, kept)], **own)

    def continuing(self, origin: LocalMaximum) -> LocalMaximum:
        """The same maximum, reached from that of fewer rows: its start, and the whole path."""
        path = None
        if origin.path is not None and self.path is not None:
            path = np.concatenate([origin.path, self.path])
        return dataclasses.replace(
            self, start=origin.start, n_agreeing=origin.n_agreeing, path=path
        )


@pytree
class Limits:
    """When an iteration stops.

    Attributes
    ----------
    tol, max_iter
        Newton decrement, and number of steps.
    log_shape : float
        Log of the shape beyond which a component has collapsed on one time.
    log_weight : float
        Log of the weight below which a component is gone.
    """

    tol: Any = data()
    max_iter: Any = data()
    log_shape: Any = data(default=np.inf)
    log_weight: Any = data(default=-np.inf)

    @classmethod
    def of(
        cls, tol: float, max_iter: int, log_shape: float = np.inf, log_weight: float = -np.inf
    ) -> Limits:
        """Make one of plain numbers, of types that do not depend on how they were written."""
        reals = (np.float64(tol), np.int64(max_iter), np.float64(log_shape), np.float64(log_weight))
        return cls(*reals)


def _seconds_as_draft(lifetime: Lifetime, starts: jax.Array, *_: Any) -> float:
    """About how long a draft of this program would run for one fit of a mixture."""
    return LONG_SEARCH if starts.shape[1] >= MANY_PARAMETERS else 0.0


@program(draft=_seconds_as_draft)
def maximize_from(
    lifetime: Lifetime,
    starts: jax.Array,
    rows: Observations,
    limits: Limits,
    correction: Correction,
) -> dict[str, jax.Array]:
    """Run Newton's iterations from each start (S, p): the whole of it is one program.

    `lifetime` is the template; its parameters are not used.
    """
    _, unravel = ravel_parameters(lifetime)

    def metric(x: jax.Array) -> jax.Array:
        return ravel_parameters(unravel(x).step_units())[0]

    return newton_from(
        starts,
        lambda x: derivatives(unravel(x), rows),
        metric,
        unravel,
        limits,
        correction,
        executor().side_by_side(rows.n_rows),
    )


def newton_from(
    starts: jax.Array,
    likelihood: Callable[[jax.Array], tuple[Any, Any, Any]],
    metric: Callable[[jax.Array], jax.Array],
    lifetime_at: Callable[[jax.Array], Lifetime],
    limits: Limits,
    correction: Correction,
    side_by_side: int | None = None,
) -> dict[str, jax.Array]:
    """Newton's iterations on a log-likelihood, inside of a program.

    `likelihood` gives value, gradient and Hessian at a point, `metric` the units of its entries,
    and `lifetime_at` the lifetime by which it is seen whether no answer lies there.
    """
    objective, abandon = minimized(likelihood, lifetime_at, limits, correction)
    end, path = multistart(
        objective,
        starts,
        tol=limits.tol,
        max_iter=limits.max_iter,
        radius=FIRST_STEP,
        max_step=MAX_STEP,
        metric=metric,
        abandon=abandon,
        path_length=LONGEST_PATH,
        side_by_side=side_by_side,
    )
    return {
        "x": end.x,
        "value": -end.value,
        "gradient": -end.gradient,
        "hessian": -end.hessian,
        "decrement": end.decrement,
        "n_iter": end.n_iter,
        "code": end.code,
        "path": path,
        "units": jax.vmap(metric)(end.x),
    }


def minimized(
    likelihood: Callable[[jax.Array], tuple[Any, Any, Any]],
    lifetime_at: Callable[[jax.Array], Lifetime],
    limits: Limits,
    correction: Correction,
) -> tuple[Callable[[jax.Array], tuple[Any, Any, Any]], Callable[[jax.Array], jax.Array]]:
    """What Newton's iterations minimize, and where they give up."""

    def objective(x: jax.Array) -> tuple[Any, Any, Any]:
        value, gradient, hessian = corrected(likelihood(x), x, correction)
        return -value, -gradient, -hessian

    def abandon(x: jax.Array) -> jax.Array:
        there = lifetime_at(x)
        gone = there.is_steeper(limits.log_shape)
        log_weights = getattr(there, "log_weights", None)
        return gone if log_weights is None else gone | (log_weights.min() < limits.log_weight)

    return objective, abandon


def in_groups(
    run: Callable[[np.ndarray], dict[str, jax.Array]], starts: np.ndarray, width: int
) -> list[LocalMaximum]:
    """The ends of a program that takes so many starts at a time, from any number of them (B, p)."""
    ends: list[LocalMaximum] = []
    for begin in range(0, len(starts), width):
        some = starts[begin : begin + width]
        # A group is filled up with what ends at once, so that all are one size.
        filled = np.full((width, starts.shape[1]), np.nan)
        filled[: len(some)] = some
        found = {name: np.asarray(part) for name, part in run(filled).items()}
        ends += [_end(found, i, begin + i) for i in range(len(some))]
    return ends


class Maximizer:
    """Newton's iterations of one model on one set of (few) rows, as NumPy in and out.

    Parameters
    ----------
    template : Template
        The model.
    rows : Observations
        Without truncation but as rows of negative weight.
    least : int, default 0
        Rows that they are filled up to in any case.
    """

    def __init__(self, template: Template, rows: Observations, least: int = 0) -> None:
        self.template, self.rows = template, rows
        self.n_units = rows.n_units
        wide = failures_first(rows).padded(executor().size(max(rows.n_rows, least)))
        self.padded = jax.device_put(failures_first(wide))
        self.width = MANY_STARTS
        if executor().one_program:
            self.width = executor().side_by_side(wide.n_rows)
        if template.n_components == 1:
            self.width = min(template.stacks[0].lifetime.n_starts, self.width)
        self.nothing = Correction.of(template)

    def __call__(
        self, starts: np.ndarray, limits: Limits, correction: Correction | None = None
    ) -> list[LocalMaximum]:
        """Where the iterations from each start (B, p) end."""
        correction = self.nothing if correction is None else correction
        correction = correction.within(self.template)
        # What is held would stay wherever a start has it.
        starts = self.template.constraints.placed(starts)

        def run(some: np.ndarray) -> dict[str, jax.Array]:
            found: dict[str, jax.Array] = maximize_from(
                self.template.lifetime, some, self.padded, limits, correction
            )
            return found

        return in_groups(run, starts, self.width)

    def at(self, points: np.ndarray) -> list[LocalMaximum]:
        """Value and derivatives at points (B, p), without an iteration."""
        return self(points, Limits.of(0.0, 0))

    def values(self, points: np.ndarray) -> np.ndarray:
        """The log-likelihood (B,) at points (B, p)."""
        return np.array([end.value for end in self.at(points)])


def _end(found: dict[str, np.ndarray], i: int, start: int) -> LocalMaximum:
    """The end of one iteration, from the program's arrays."""
    n_iter = int(found["n_iter"][i])
    return LocalMaximum(
        found["x"][i],
        float(found["value"][i]),
        found["gradient"][i],
        found["hessian"][i],
        float(found["decrement"][i]),
        n_iter,
        int(found["code"][i]),
        start,
        path=found["path"][i, : n_iter + 1],
        units=found["units"][i],
    )
