"""Maximize a likelihood with covariates: Newton on the host, all rows only for the polish."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.corrections import Correction
from survjax.fitting.local_maxima import LocalMaximum
from survjax.fitting.regression.penalties import MAX_STEP, Penalty, proximal_maximize
from survjax.fitting.regression.starts import START_ROWS, sloped_start
from survjax.fitting.regression.violations import (
    ARRIVED,
    intercepts_of,
    open_parameters,
    step_units,
    violations,
)
from survjax.fitting.surrogate import maximize_on_all_rows
from survjax.likelihood.objective import Derivatives
from survjax.likelihood.regression.columns import Columns, sample_rows
from survjax.likelihood.regression.constraints import constrained
from survjax.likelihood.regression.forms import Form, Layout, Predictor
from survjax.likelihood.regression.hazard_moments import HazardMoments
from survjax.likelihood.regression.likelihood import Likelihood
from survjax.likelihood.vector.constraints import Constraints
from survjax.optimize import ResultCode
from survjax.optimize.last_step import extrapolated_step, predict_decrement
from survjax.optimize.newton import NewtonState, advance, init

#: The decrement at which a first iteration on a part of the rows stops, one step before the end.
NEAR = 3.0
#: Steps on few rows, corrected: where they are of help, two or three arrive.
MOST_STEPS = 8
#: Relative change of the Hessian that a last step may bring unseen where a pass takes long.
HESSIAN_DRIFT = 1e-6


def likelihood_of(
    form: Form,
    layout: Layout,
    rows: Observations,
    x: np.ndarray,
    columns: Columns,
    component: np.ndarray | None = None,
    constraints: Constraints | None = None,
) -> Any:
    """The likelihood of some rows, by the fastest pass that serves them."""
    if component is None and HazardMoments.suits(form, layout, rows):
        return constrained(HazardMoments(form, layout, rows, x, columns), constraints)
    return constrained(Likelihood(form, layout, rows, x, columns, component), constraints)


def maximize(
    likelihood: Any,
    start: np.ndarray,
    tol: float,
    max_iter: int,
    penalty: Penalty | None = None,
    hessian_drift: float = 0.0,
    lost: Callable[[np.ndarray], bool] | None = None,
) -> LocalMaximum:
    """Newton's iterations on the host from a start, with whatever penalty there is.

    The last step goes without a pass at its end where it is known to move the Hessian by no more
    than `hessian_drift`, relative to itself. An iteration is left, still running, where it is
    `lost`: where no maximum lies that could be an answer.
    """
    if penalty is not None and penalty.lasso.any():
        return proximal_maximize(likelihood, start, tol, max_iter, penalty)
    penalty = Penalty.nothing(start.size) if penalty is None else penalty
    units = step_units(likelihood.form, likelihood.layout, start)
    limits: dict[str, Any] = {"tol": tol, "max_iter": max_iter, "max_step": MAX_STEP}
    limits["metric"] = lambda _: units
    state, before, whole = init(np.array(start, float), MAX_STEP), np.inf, False
    with np.errstate(all="ignore"):
        while int(state.code) == ResultCode.RUNNING:
            point = state.trial
            value, gradient, hessian = penalized(likelihood(point), point, penalty)
            state = advance(state, -value, -gradient, -hessian, **limits)
            whole = whole and np.array_equal(state.x, point)
            state, before, whole = _last_step(
                state, before, whole, (likelihood.n_units, tol, hessian_drift)
            )
            if lost is not None and lost(state.x):
                break
    theta = state.x
    return LocalMaximum(
        theta,
        float(-state.value) + penalty.smooth(theta)[0],
        -state.gradient,
        -state.hessian,
        float(state.decrement),
        int(state.n_iter),
        int(state.code),
    )


def _last_step(
    state: NewtonState, before: float, whole: bool, rules: tuple[float, float, float]
) -> tuple[NewtonState, float, bool]:
    """Arrive without a further pass where two whole steps have shown that the next one does.

    Returns the state, its decrement, and whether the step it is about to take is a whole one:
    then its model promises half the square of the decrement.
    """
    decrement = float(state.decrement)
    promised = 0.5 * decrement**2
    straight = abs(float(state.predicted) - promised) <= 1e-9 * promised
    expected, sure = predict_decrement(before, decrement, *rules)
    if int(state.code) != ResultCode.RUNNING or not (whole and straight and sure):
        return state, decrement, straight
    step, share = state.trial - state.x, expected / decrement
    value, gradient = extrapolated_step(state.value, state.gradient, state.hessian, step, share)
    arrived: dict[str, Any] = {"x": state.trial, "value": value, "gradient": gradient}
    code = np.asarray(int(ResultCode.CONVERGED))
    return dataclasses.replace(state, decrement=expected, code=code, **arrived), expected, True


def penalized(found: Derivatives, x: np.ndarray, penalty: Penalty) -> Derivatives:
    """Value, gradient and Hessian at x less those of a penalty without a lasso."""
    value, gradient, hessian = found
    less = penalty.smooth(x)
    return value - less[0], gradient - less[1], hessian - less[2]


class _Corrected:
    """A likelihood of few rows with a quadratic added."""

    def __init__(self, likelihood: Any, correction: Correction) -> None:
        self.form, self.layout = likelihood.form, likelihood.layout
        self.n_units = likelihood.n_units
        self.likelihood, self.correction = likelihood, correction

    def __call__(self, theta: np.ndarray) -> Derivatives:
        value, gradient, hessian = self.likelihood(theta)
        added = self.correction
        step = theta - added.point
        curved = added.hessian @ step
        value = value + float(added.value + (added.gradient + 0.5 * curved) @ step)
        return value, gradient + added.gradient + curved, hessian + added.hessian


@dataclasses.dataclass(frozen=True)
class _FewRows:
    """Few rows of a model with covariates, of as many units as all."""

    likelihood: Any
    tol: float
    max_iter: int

    def at(self, x: np.ndarray) -> Derivatives:
        found: Derivatives = self.likelihood(x)
        return found

    def maximum(self, x: np.ndarray, correction: Correction) -> LocalMaximum:
        corrected = _Corrected(self.likelihood, correction)
        return maximize(corrected, x, self.tol, min(self.max_iter, MOST_STEPS))


def maximize_with_few(
    likelihood: Any,
    few: Any,
    start: np.ndarray,
    tol: float,
    max_iter: int,
    penalty: Penalty | None = None,
    lost: Callable[[np.ndarray], bool] | None = None,
) -> LocalMaximum:
    """The maximum on many rows near a point, with the help of few that stand for them."""
    known = Penalty.nothing(start.size) if penalty is None else penalty

    def objective(x: np.ndarray) -> Derivatives:
        return penalized(likelihood(x), x, known)

    with np.errstate(all="ignore"):
        end, point, n_evaluations = maximize_on_all_rows(
            objective, _FewRows(few, tol, max_iter), start, tol, likelihood.n_units
        )
    if end is None:
        end = maximize(likelihood, point, tol, max_iter, penalty, HESSIAN_DRIFT, lost)
    else:
        end = dataclasses.replace(end, value=end.value + known.smooth(end.x)[0])
    return dataclasses.replace(end, n_iter=n_evaluations + end.n_iter, path=None)


def fit(
    form: Form,
    layout: Layout,
    rows: Observations,
    x: np.ndarray,
    columns: Columns,
    start: np.ndarray,
    *,
    component: np.ndarray | None = None,
    penalty: Penalty | None = None,
    constraints: Constraints | None = None,
    tol: float = 1e-9,
    max_iter: int = 100,
    is_near: bool = False,
) -> LocalMaximum:
    """The maximum on a part of many rows first, then on all; at once where the start `is_near`."""
    constraints = Constraints.nothing(start.size) if constraints is None else constraints
    plain, many, helped = constraints.placed(start), rows.n_rows > 4 * START_ROWS, None
    likelihood = likelihood_of(form, layout, rows, x, columns, component, constraints)
    start, penalty = plain, None if penalty is None else penalty.on(constraints.free)
    if is_near:
        return maximize(likelihood, start, tol, max_iter, penalty)
    if penalty is None and form.is_log_linear and _is_full(layout[0], columns):
        start = constraints.placed(sloped_start(rows, x, columns, start, layout[0].offset))
    if many:
        some, z, known = few_of(rows, x, component, middle_size(rows))
        few = likelihood_of(form, layout, some, z, columns, known, constraints)
        near = maximize(few, start, NEAR, max_iter, penalty)
        # A rare kind of unit may be missing among the few, so that they leave its effect open.
        units = step_units(form, layout, near.x)
        good = not violations(near) and not open_parameters(near, intercepts_of(layout), units).size
        start = near.x if good else plain
        if good and not (penalty is not None and penalty.lasso.any()):
            start = near.x - np.linalg.solve(near.hessian, near.gradient)
            helped = maximize_with_few(likelihood, few, start, tol, max_iter, penalty)
    found = helped or maximize(likelihood, start, tol, max_iter, penalty)
    if found.code not in ARRIVED and start is not plain:
        # A row that was not among the few may lie too far out for their answer.
        other = maximize(likelihood, plain, tol, max_iter, penalty)
        if other.code in ARRIVED or not found.value >= other.value:
            found = other
    return found


def maximum_near(
    likelihood: Any,
    start: np.ndarray,
    tol: float,
    max_iter: int,
    penalty: Penalty | None,
    constraints: Constraints,
) -> LocalMaximum:
    """The maximum on all rows where the iterations from a known one on others lead."""
    penalty = None if penalty is None else penalty.on(constraints.free)
    start = constraints.placed(start)
    return maximize(constrained(likelihood, constraints), start, tol, max_iter, penalty)


def fit_from(
    starts: np.ndarray, layout: Layout, run: Callable[[np.ndarray], LocalMaximum]
) -> LocalMaximum:
    """The first proper maximum from several starts (S, P), or the highest point."""
    ends = []
    for start in np.atleast_2d(starts):
        end = run(start)
        if not violations(end):
            units = np.ones(end.x.size)
            if not open_parameters(end, intercepts_of(layout), units).size:
                return end
        ends.append(end)
    return max(ends, key=lambda end: np.nan_to_num(end.value, nan=-np.inf))


def _is_full(item: Predictor, columns: Columns) -> bool:
    """Whether all columns move a predictor."""
    return len(item.columns) + item.offset == columns.scale.size + 1


def middle_size(rows: Observations) -> int:
    """How many rows stand for many."""
    return int(np.clip(rows.n_rows // 16, START_ROWS, 4 * START_ROWS))


def few_of(
    rows: Observations, x: np.ndarray, component: np.ndarray | None, size: int
) -> tuple[Observations, np.ndarray, np.ndarray | None]:
    """About so many rows that stand for all, with their covariates: of as many units."""
    part = sample_rows(rows.weight, size)
    some = rows.take(part)
    some = some.reweighted(some.weight * (rows.n_units / some.n_units))
    return some, x[part], None if component is None else component[part]
