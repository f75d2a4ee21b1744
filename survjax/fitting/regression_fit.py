"""Maximize a likelihood with covariates: Newton on the host, all rows only for the polish."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from survjax._core.parallel import sum_over_rows
from survjax._core.programs.compiled import program
from survjax._core.pytree import ravel_parameters
from survjax.data.observations import Observations
from survjax.lifetimes import Lifetime
from survjax.likelihood.forms import Form, Layout
from survjax.likelihood.hazard_moments import HazardMoments
from survjax.likelihood.penalties import MAX_STEP, Penalty, RegressionMaximum, proximal_climb
from survjax.likelihood.regression import Columns, Likelihood, sample_rows
from survjax.optimize import ResultCode
from survjax.optimize.last_step import foretell, step_unseen
from survjax.optimize.newton import NewtonState, advance, init

#: Rows on which the first climb runs where there are many more, and the decrement it stops at,
#: one step before the end.
START_ROWS, NEAR = 10_000, 3.0
#: The decrement from which on a step with their Hessian on all rows is not tried.
FARTHEST = 100.0
#: Rows from which the slopes that a climb begins with are taken.
SLOPE_ROWS = 2048
#: Rows on which columns are first looked at for linear dependence, and the smallest eigenvalue
#: of their correlations that settles it.
SCREEN_ROWS, CLEAR = 2048, 1e-6
#: Relative change of the Hessian that a last step may bring unseen where a pass takes long.
STEADY = 1e-6
#: How a climb ends at a maximum.
ARRIVED = (ResultCode.CONVERGED, ResultCode.ROUNDING)
#: A coefficient with a standard error above this, per standard deviation of its column, is open.
OPEN = 30.0
#: So is one as large as this, whatever its error.
FAR = 200.0


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


def climb(
    likelihood: Any,
    start: np.ndarray,
    tol: float,
    max_iter: int,
    penalty: Penalty | None = None,
    steady: float = 0.0,
    lost: Callable[[np.ndarray], bool] | None = None,
) -> RegressionMaximum:
    """Newton's iterations on the host from a start, with whatever penalty there is.

    The last step goes without a pass at its end where it is known to move the Hessian by no more
    than `steady`, relative to itself. A climb is left, still running, where it is `lost`: where no
    maximum lies that could be an answer.
    """
    if penalty is not None and penalty.lasso.any():
        return proximal_climb(likelihood, start, tol, max_iter, penalty)
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
                state, before, whole, (likelihood.n_units, tol, steady)
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
    foretold, sure = foretell(before, decrement, *rules)
    if int(state.code) != ResultCode.RUNNING or not (whole and straight and sure):
        return state, decrement, straight
    step, share = state.trial - state.x, foretold / decrement
    value, gradient = step_unseen(state.value, state.gradient, state.hessian, step, share)
    arrived: dict[str, Any] = {"x": state.trial, "value": value, "gradient": gradient}
    code = np.asarray(int(ResultCode.CONVERGED))
    return dataclasses.replace(state, decrement=foretold, code=code, **arrived), foretold, True


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
    """Climb on a part of many rows first, then on all."""
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
        near = climb(few, start, NEAR, max_iter, penalty and penalty.scaled(share))
        # A rare kind of unit may be missing among the few, so that they leave its effect open.
        units = step_units(form, layout, near.theta)
        good = not faults(near) and not open_parameters(near, intercepts_of(layout), units).size
        start = near.theta if good else plain
        if good and not (penalty is not None and penalty.lasso.any()):
            start = near.theta - np.linalg.solve(near.hessian, near.gradient)
            if isinstance(likelihood, HazardMoments):
                start = _chord_steps(likelihood, start, near.hessian / share, penalty)
    found = climb(likelihood, start, tol, max_iter, penalty, STEADY if many else 0.0)
    if found.code not in ARRIVED and start is not plain:
        # A row that was not among the few may lie too far out for their answer.
        other = climb(likelihood, plain, tol, max_iter, penalty)
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


def location_start(rows: Observations) -> tuple[float, float]:
    """Log scale and log shape of a Weibull without covariates, from moments of log time."""
    if rows.n_rows > 4 * START_ROWS:
        # The longest life is among the few, so that no hazard is beyond numbers.
        some = np.arange(rows.n_rows)[sample_rows(rows.weight, SLOPE_ROWS)]
        rows = rows.take(np.append(some, np.argmax(rows.log_lower)))
    return _location(*_log_times(rows), rows.weight)


def sloped_start(
    rows: Observations, x: np.ndarray, columns: Columns, start: np.ndarray, offset: bool = False
) -> np.ndarray:
    """A start of an accelerated life with the slopes of a line through the log times.

    `start` has none: its scale's intercept and slopes come first, then a shape's intercept, if any.
    The last column of x may be an offset of the log scale.
    """
    part = sample_rows(rows.weight, SLOPE_ROWS)
    z = (x[part] - columns.center) / columns.scale
    weight = rows.weight[part]
    log_time, event = _log_times(rows.take(part))
    p, known = x.shape[1], np.zeros(z.shape[0])
    if offset:
        p, known, z = p - 1, z[:, -1], z[:, :-1]
    log_time = log_time - known
    if weight @ event < 2 * p:
        return start
    held = weight * (0.05 + event)
    away = z - held @ z / held.sum()
    # A little ridge, for columns that say the same in these rows.
    gram = sum_over_rows(away.T, held[:, None] * away) + 1e-6 * held.sum() * np.eye(p)
    slopes = np.linalg.solve(gram, away.T @ (held * log_time))
    scale, log_shape = _location(log_time - z @ slopes, event, weight)
    start = start.copy()
    start[: p + 1] = [scale, *slopes]
    start[p + 1 : p + 2] = log_shape
    return start


def _log_times(rows: Observations) -> tuple[np.ndarray, np.ndarray]:
    """Log time of each row, of the middle of an interval, and 1.0 where it failed."""
    if rows.interval is None:
        return rows.log_lower, rows.event
    inside = rows.interval > 0
    middle = 0.5 * (np.where(inside, rows.lower, 0.0) + np.where(inside, rows.upper, 0.0))
    log_time = np.where(inside, np.log(np.where(inside, middle, 1.0)), rows.log_lower)
    return log_time, np.maximum(rows.event, rows.interval)


def _location(log_time: np.ndarray, event: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Log scale and log shape of a Weibull with such log times."""
    held = weight * (0.05 + event)
    mean = np.sum(held * log_time) / held.sum()
    away = log_time - mean
    spread = np.sqrt(np.sum(held * away**2) / held.sum())
    shape = np.clip(1.28 / max(spread, 1e-9), 0.02, 50.0)
    # The scale that solves its own equation at this shape: no hazard is larger than all failures.
    z = shape * away
    top = np.max(z if weight.all() else z[weight > 0], initial=-np.inf)
    power = np.sum(weight * np.exp(np.minimum(z - top, 0.0)))
    scale = mean + (top + np.log(power / max(np.sum(weight * event), 1e-3))) / shape
    return float(scale), float(np.log(shape))


def faults(found: RegressionMaximum, least: float = 1e-13) -> tuple[str, ...]:
    """Why a point is not a proper maximum; empty where it is one.

    `least` is the smallest eigenvalue of the information, scaled to a diagonal of ones, next to
    the largest.
    """
    if found.code not in ARRIVED:
        return ("the iteration did not converge",)
    information = -found.hessian
    if not np.all(np.isfinite(information)) or np.any(np.diag(information) <= 0):
        return ("the Hessian is not negative definite",)
    unit = 1.0 / np.sqrt(np.diag(information))
    values = np.linalg.eigvalsh(information * np.outer(unit, unit))
    if values[0] <= least * values[-1]:
        return ("the Hessian is singular: parameters cannot be told apart",)
    return ()


def intercepts_of(layout: Layout) -> np.ndarray:
    """Which coefficients are intercepts: their size depends on the unit of time."""
    return np.concatenate([np.array(item.columns) == 0 for item in layout])


def step_units(form: Form, layout: Layout, theta: np.ndarray) -> np.ndarray:
    """What each coefficient (P,) is multiplied by where its size is judged.

    Columns are standardized, and most parameters logarithms; a base of another kind, whose
    parameters may be in the unit of time, says for itself.
    """
    units = np.ones(theta.size)
    if form.modifier is not None and not form.held:
        base = theta[len(layout[0].columns) :]
        own = ravel_parameters(form.template)[1](base)
        units[-base.size :] = np.asarray(_step_units(own))
    return units


@program
def _step_units(lifetime: Lifetime) -> jax.Array:
    return ravel_parameters(lifetime.step_units())[0]


def open_parameters(
    found: RegressionMaximum, intercepts: np.ndarray, units: np.ndarray
) -> np.ndarray:
    """Positions of parameters that the data leave open: they run off to infinity."""
    information = -found.hessian
    if not np.all(np.isfinite(information)) or np.any(np.diag(information) <= 0):
        return np.zeros(0, int)
    unit = 1.0 / np.sqrt(np.diag(information))
    values, vectors = np.linalg.eigh(information * np.outer(unit, unit))
    if values[0] <= 1e-13 * values[-1]:
        # Where the curvature vanishes, the direction says which parameters cannot be told apart.
        flat = vectors[:, 0] * unit
        return np.flatnonzero(np.abs(flat) > 0.3 * np.abs(flat).max())
    # Of the scaled curvature: an inverse of the other one takes small curvatures for rounding.
    errors = unit * np.sqrt(np.sum(vectors**2 / np.maximum(values, 1e-300), axis=1))
    far = (np.abs(found.theta) > FAR) & ~intercepts
    return np.flatnonzero((errors * units > OPEN) | far)


def to_natural(layout: Layout, columns: Columns) -> np.ndarray:
    """The matrix (P, P) from standardized coefficients to those of the columns as given."""
    blocks = []
    for item in layout:
        at = np.array(item.columns)
        full = np.eye(columns.scale.size + 1)
        full[1:, 1:] /= columns.scale[:, None]
        if 0 in item.columns:
            full[0, 1:] = -columns.center / columns.scale
        blocks.append(full[np.ix_(at, at)])
    size = sum(len(b) for b in blocks)
    matrix, start = np.zeros((size, size)), 0
    for block in blocks:
        end = start + len(block)
        matrix[start:end, start:end] = block
        start = end
    return matrix


def collinear(x: np.ndarray, weight: np.ndarray, with_intercept: bool = True) -> list[list[int]]:
    """Groups of columns of which the first depends linearly on the others (and the intercept).

    Columns are orthogonalized in turn: one whose part that the earlier ones leave unexplained is
    below 1e-7 of its length is dependent, as in R's lm. A constant column depends on none.
    """
    n = x.shape[0]
    if n > 4 * SCREEN_ROWS:
        part = sample_rows(weight, SCREEN_ROWS)
        # Columns that some rows tell apart, all rows do.
        if not collinear(x[part], weight[part], with_intercept):
            return []
    z = x[weight > 0]
    # In units of the largest number, so that no square leaves the range of numbers.
    largest = np.abs(z).max(axis=0, initial=0.0)
    z = z / np.where(largest > 0, largest, 1.0)
    size = np.sqrt(np.sum(z * z, axis=0))
    if with_intercept:
        z = z - z.mean(axis=0)
    length = np.sqrt(np.sum(z * z, axis=0))
    constant = length <= 1e-10 * np.maximum(size, 1e-300)
    groups = [[int(j)] for j in np.flatnonzero(constant)]
    others = np.flatnonzero(~constant)
    z = z[:, others] / length[others]
    # Where all correlations leave so much, no column is near to a combination of others.
    if z.shape[1] == 0 or np.linalg.eigvalsh(sum_over_rows(z.T, z))[0] > CLEAR:
        return groups
    left = np.abs(np.diag(np.linalg.qr(z, mode="r")))
    left = np.concatenate([left, np.zeros(z.shape[1] - left.size)])
    kept = np.flatnonzero(left > 1e-7)
    for j in np.flatnonzero(left <= 1e-7):
        share = np.linalg.lstsq(z[:, kept], z[:, j], rcond=None)[0]
        partners = others[kept[np.abs(share) > 1e-5]]
        groups.append([int(others[j]), *(int(k) for k in partners)])
    return groups
