r"""The last iterations on all rows of large data, with hardly more than one look at them.

Few rows that stand for all have nearly their likelihood, and what little they lack varies slowly.
Near a point where value, gradient and Hessian on all rows are known, the likelihood on few rows
plus what it lacks there, to second order, is that on all rows but for third derivatives that the
few rows misjudge. How much, the Hessians at that point tell.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Sequence
from typing import Protocol, TypeVar

import numpy as np

from survjax.fitting.corrections import Correction
from survjax.fitting.local_maxima import (
    ARRIVED,
    FIRST_STEP,
    MAX_STEP,
    Limits,
    LocalMaximum,
    Maximizer,
)
from survjax.likelihood.executors import executor
from survjax.likelihood.objective import Derivatives, Objective
from survjax.likelihood.vector.template import Template
from survjax.optimize import ResultCode
from survjax.optimize.last_step import SAFETY
from survjax.optimize.newton import advance, init

T = TypeVar("T")
#: What asks for derivatives at points (p,) one by one, and comes to a result.
Asking = Generator[np.ndarray, Derivatives, T]
#: Derivatives at several points, with one look at all rows.
AtAll = Callable[[Sequence[np.ndarray]], list[Derivatives]]

#: A square that divides without overflow.
TINY = 1e-200
#: What may be wrong with the Hessian, relative to itself.
HESSIAN_TOLERANCE = 1e-6
#: A way, in standard errors, along which no Hessian changes by more than that.
SHORT = 1e-7
#: Evaluations on all rows before the iteration goes on with what it has.
MOST_EVALUATIONS = 20


class FewRows(Protocol):
    """Few rows that stand for all of them: they have as many units."""

    def at(self, x: np.ndarray) -> Derivatives:
        """Value, gradient and Hessian at x (p,)."""

    def maximum(self, x: np.ndarray, correction: Correction) -> LocalMaximum:
        """The local maximum nearest to x (p,), of their likelihood with a correction."""


def in_step(askers: Sequence[Asking[T]], at_all: AtAll) -> list[T]:
    """Run iterations side by side, so that all rows are looked at once for all their points."""
    results: dict[int, T] = {}
    points: dict[int, np.ndarray] = {}

    def go_on(i: int, answer: Derivatives | None) -> None:
        try:
            points[i] = next(askers[i]) if answer is None else askers[i].send(answer)
        except StopIteration as end:
            results[i] = end.value

    for i in range(len(askers)):
        go_on(i, None)
    while points:
        asked, points = points, {}
        for i, answer in zip(asked, at_all(list(asked.values())), strict=True):
            go_on(i, answer)
    return [results[i] for i in range(len(askers))]


def maximize_on_all_rows(
    objective: Callable[[np.ndarray], Derivatives],
    few: FewRows,
    start: np.ndarray,
    tol: float,
    n_units: float,
) -> tuple[LocalMaximum | None, np.ndarray, int]:
    """Go from a point (p,) near a maximum to that on all rows: `asking_all_rows` by itself."""
    asker = asking_all_rows(few, start, tol, n_units)
    return in_step([asker], lambda points: [objective(x) for x in points])[0]


def asking_all_rows(
    few: FewRows, start: np.ndarray, tol: float, n_units: float
) -> Asking[tuple[LocalMaximum | None, np.ndarray, int]]:
    """Go from a point (p,) near a maximum to that on all rows, with the help of few.

    Returns the maximum, the best point that was looked at, and how often all rows were. The
    decrement of the answer is what the few rows may have misjudged, if that is more. None where the
    few rows lead nowhere better: Newton's method may go on from the best point without them.
    """
    x, point, best, n_evaluations = start, start, -np.inf, 0
    path = []
    while n_evaluations < MOST_EVALUATIONS:
        exact = yield x
        n_evaluations += 1
        if not (np.isfinite(exact[2]).all() and exact[0] > best):
            break
        point, best = x, exact[0]
        correction = _lacking(few.at(x), x, exact)
        there = few.maximum(x, correction)
        if there.code not in ARRIVED:
            break
        left, wrong = _misjudged(correction, exact, there, n_units)
        x = there.x
        path.append(x[None] if there.path is None else there.path)
        if SAFETY * left <= tol and SAFETY * wrong <= HESSIAN_TOLERANCE:
            certain = max(there.decrement, left)
            end = dataclasses.replace(there, decrement=certain, path=np.concatenate(path))
            return end, x, n_evaluations
    return None, point, n_evaluations


@dataclasses.dataclass(frozen=True)
class _OfTemplate:
    """The few rows of a model without covariates."""

    maximizer: Maximizer
    limits: Limits

    def at(self, x: np.ndarray) -> Derivatives:
        seen = self.maximizer.at(x[None])[0]
        return seen.value, seen.gradient, seen.hessian

    def maximum(self, x: np.ndarray, correction: Correction) -> LocalMaximum:
        return self.maximizer(x[None], self.limits, correction)[0]


def maximum_of_template(
    objective: Callable[[np.ndarray], Derivatives],
    few: Maximizer,
    start: LocalMaximum,
    limits: Limits,
    n_units: float,
) -> LocalMaximum:
    """Go from a maximum of a model without covariates on few rows to that on all."""
    asker = _asking_of_template(few, start, limits, n_units)
    return in_step([asker], lambda points: [objective(x) for x in points])[0]


def _asking_of_template(
    few: Maximizer, start: LocalMaximum, limits: Limits, n_units: float
) -> Asking[LocalMaximum]:
    """`asking_all_rows` for a model without covariates, and on without help where there is none."""
    end, point, n_evaluations = yield from asking_all_rows(
        _OfTemplate(few, limits), start.x, float(limits.tol), n_units
    )
    if end is None:
        end = yield from _without_help(few.template, point, limits)
    return dataclasses.replace(
        end.continuing(start),
        n_iter=n_evaluations + end.n_iter,
        units=start.units if end.units is None else end.units,
    )


def maxima_on_all_rows(
    objective: Objective,
    few: Maximizer,
    starts: list[LocalMaximum],
    limits: Limits,
    n_units: float,
) -> list[LocalMaximum]:
    """Go from each maximum of a model without covariates on few rows to that on all.

    Where all rows are at hand on one device, Newton's iterations on them, from all starts side by
    side, are one program.
    """
    if objective.in_memory is None or not executor().one_program:
        askers = [_asking_of_template(few, start, limits, n_units) for start in starts]
        return in_step(askers, objective.at_all)
    rows = objective.in_memory.rows
    ends = Maximizer(few.template, rows)(np.stack([s.x for s in starts]), limits)
    return [end.continuing(starts[end.start]) for end in ends]


def _without_help(template: Template, x: np.ndarray, limits: Limits) -> Asking[LocalMaximum]:
    """Newton's iterations from x (p,) on all rows alone."""
    state, path = init(x, FIRST_STEP), []
    while state.code == ResultCode.RUNNING:
        value, gradient, hessian = yield state.trial
        given = np.float64(-value), -gradient, -hessian
        state = advance(state, *given, tol=limits.tol, max_iter=limits.max_iter, max_step=MAX_STEP)
        path.append(state.x)
        log_weight = template.log_weights(state.x).min()
        steep = np.log(template.shapes(state.x).max()) > limits.log_shape
        if state.code == ResultCode.RUNNING and (steep or log_weight < limits.log_weight):
            state = dataclasses.replace(state, code=np.asarray(int(ResultCode.STALLED)))
    return LocalMaximum(
        state.x,
        -float(state.value),
        -state.gradient,
        -state.hessian,
        float(state.decrement),
        int(state.n_iter),
        int(state.code),
        path=np.stack(path),
    )


def _lacking(seen: Derivatives, x: np.ndarray, exact: Derivatives) -> Correction:
    """What the few rows lack around x, to second order."""
    return dataclasses.replace(
        Correction.none(x.size),
        point=x,
        value=np.float64(exact[0] - seen[0]),
        gradient=exact[1] - seen[1],
        hessian=exact[2] - seen[2],
    )


def _misjudged(
    correction: Correction, exact: Derivatives, end: LocalMaximum, n_units: float
) -> tuple[float, float]:
    """What may be left of the way, in standard errors, and the relative error of the Hessian.

    A Newton path is curved by third derivatives. The few rows see them as well as they see the
    second ones, and the curvature is at least of the order of one standard error in sqrt(n).
    """
    _, gradient, hessian = exact
    information = -hessian
    if not (information.diagonal() > 0).all():
        return np.inf, np.inf
    units = np.sqrt(information.diagonal())
    try:
        root = np.linalg.cholesky(information / np.outer(units, units))
    except np.linalg.LinAlgError:
        return np.inf, np.inf
    lacks = np.linalg.solve(root, correction.hessian / np.outer(units, units))
    share = float(np.abs(np.linalg.eigvalsh(np.linalg.solve(root, lacks.T))).max())
    step = np.linalg.solve(root, gradient / units)
    way = root.T @ (units * (end.x - correction.point))
    length = float(np.sqrt(way @ way))
    curved = way - step
    curvature = float(np.sqrt(curved @ curved)) / max(length**2, TINY)
    if length < SHORT:
        # What is left of so short a way is rounding.
        curvature = min(curvature, 1.0)
    curvature = max(curvature, 1.0 / np.sqrt(n_units))
    return share * curvature * length**2, share * curvature * length
