"""Maximize a likelihood with covariates: Newton on the host, all rows only for the polish."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.regression.faults import (
    ARRIVED,
    faults,
    intercepts_of,
    open_parameters,
    step_units,
)
from survjax.fitting.regression.starts import START_ROWS, sloped_start
from survjax.likelihood.regression.columns import Columns, sample_rows
from survjax.likelihood.regression.forms import Form, Layout
from survjax.likelihood.regression.hazard_moments import HazardMoments
from survjax.likelihood.regression.likelihood import Likelihood
from survjax.likelihood.regression.penalties import (
    MAX_STEP,
    Penalty,
    RegressionMaximum,
    proximal_maximize,
)
from survjax.optimize import ResultCode
from survjax.optimize.last_step import extrapolated_step, predict_decrement
from survjax.optimize.newton import NewtonState, advance, init

#: The decrement at which a first iteration on a part of the rows stops, one step before the end.
NEAR = 3.0
#: The decrement from which on a step with their Hessian on all rows is not tried.
FARTHEST = 100.0
#: Relative change of the Hessian that a last step may bring unseen where a pass takes long.
HESSIAN_DRIFT = 1e-6


def likelihood_of(
    form: Form,
    layout: Layout,
    rows: Observations,
    x: np.ndarray,
    columns: Columns,
    component: np.ndarray | None = None,
) -> Likelihood | HazardMoments:
    """The likelihood of some rows, by the fastest pass that serves them."""
    if component is None and HazardMoments.suits(form, layout, rows):
        return HazardMoments(form, layout, rows, x, columns)
    return Likelihood(form, layout, rows, x, columns, component)


def maximize(
    likelihood: Any,
    start: np.ndarray,
    tol: float,
    max_iter: int,
    penalty: Penalty | None = None,
    hessian_drift: float = 0.0,
    lost: Callable[[np.ndarray], bool] | None = None,
) -> RegressionMaximum:
    """Newton's iterations on the host from a start, with whatever penalty there is.

    The last step goes without a pass at its end where it is known to move the Hessian by no more
    than `hessian_drift`, relative to itself. An iteration is left, still running, where it is
    `lost`: where no maximum lies that could be an answer.
    """
    if penalty is not None and penalty.lasso.any():
        return proximal_maximize(likelihood, start, tol, max_iter, penalty)
    ridge = np.zeros(start.size) if penalty is None else penalty.ridge
    units = step_units(likelihood.form, likelihood.layout, start)
    limits: dict[str, Any] = {"tol": tol, "max_iter": max_iter, "max_step": MAX_STEP}
    limits["metric"] = lambda _: units
    state, before, whole = init(np.array(start, float), MAX_STEP), np.inf, False
    with np.errstate(all="ignore"):
        while int(state.code) == ResultCode.RUNNING:
            point = state.trial
            value, gradient, hessian = likelihood(point)
            value = value - 0.5 * point @ (ridge * point)
            gradient = gradient - ridge * point
            hessian = hessian - np.diag(ridge)
            state = advance(state, -value, -gradient, -hessian, **limits)
            whole = whole and np.array_equal(state.x, point)
            state, before, whole = _last_step(
                state, before, whole, (likelihood.n_units, tol, hessian_drift)
            )
            if lost is not None and lost(state.x):
                break
    theta = state.x
    return RegressionMaximum(
        theta,
        float(-state.value + 0.5 * theta @ (ridge * theta)),
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
    tol: float = 1e-9,
    max_iter: int = 100,
) -> tuple[RegressionMaximum, Likelihood | HazardMoments]:
    """CoxMaximum on a part of many rows first, then on all."""
    plain, many = start, rows.n_rows > 4 * START_ROWS
    likelihood = likelihood_of(form, layout, rows, x, columns, component)
    if penalty is None and form.is_log_linear:
        start = sloped_start(rows, x, columns, start, layout[0].offset)
    if many:
        size = int(np.clip(rows.n_rows // 16, START_ROWS, 4 * START_ROWS))
        part = sample_rows(rows.weight, size)
        known = None if component is None else component[part]
        few = likelihood_of(form, layout, rows.take(part), x[part], columns, known)
        share = few.n_units / rows.n_units
        near = maximize(few, start, NEAR, max_iter, penalty and penalty.scaled(share))
        # A rare kind of unit may be missing among the few, so that they leave its effect open.
        units = step_units(form, layout, near.theta)
        good = not faults(near) and not open_parameters(near, intercepts_of(layout), units).size
        start = near.theta if good else plain
        if good and not (penalty is not None and penalty.lasso.any()):
            start = near.theta - np.linalg.solve(near.hessian, near.gradient)
            if isinstance(likelihood, HazardMoments):
                start = _chord_steps(likelihood, start, near.hessian / share, penalty)
    found = maximize(likelihood, start, tol, max_iter, penalty, HESSIAN_DRIFT if many else 0.0)
    if found.code not in ARRIVED and start is not plain:
        # A row that was not among the few may lie too far out for their answer.
        other = maximize(likelihood, plain, tol, max_iter, penalty)
        if other.code in ARRIVED or not found.value >= other.value:
            found = other
    return found, likelihood


def _chord_steps(
    likelihood: HazardMoments, start: np.ndarray, hessian: np.ndarray, penalty: Penalty | None
) -> np.ndarray:
    """Two steps with the Hessian of few rows, which take a gradient each; the start where they err.

    That Hessian is some hundredths off, so that each step leaves about as much of the way.
    """
    ridge = 0.0 if penalty is None else penalty.ridge
    before, point, limit = start, start, FARTHEST**2
    for _ in range(2):
        gradient = likelihood.gradient(point) - ridge * point
        step = -np.linalg.solve(hessian, gradient)
        promised = float(gradient @ step)
        if not 0.0 <= promised < limit:
            return before
        before, point, limit = point, point + step, 0.1 * promised
    return point
