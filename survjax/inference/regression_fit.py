"""Maximize a likelihood with covariates: Newton on the host, all rows only for the polish."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np

from survjax._core.observations import Observations
from survjax.inference.forms import Form, Layout
from survjax.inference.penalties import MAX_STEP, Penalty, RegressionMaximum, proximal_climb
from survjax.inference.regression import Columns, Likelihood
from survjax.optimize import ResultCode
from survjax.optimize.newton import NewtonState, advance, init

#: Rows on which the first climb runs where there are many more.
START_ROWS = 16384
#: Rows on which columns are first looked at for linear dependence.
SCREEN_ROWS = 2048
#: A coefficient with a standard error above this, per standard deviation of its column, is open.
OPEN = 30.0


@partial(jax.jit, static_argnames=("max_iter",))
def _advance(
    state: NewtonState, value: Any, gradient: Any, hessian: Any, tol: Any, max_iter: int
) -> Any:
    return advance(state, value, gradient, hessian, tol=tol, max_iter=max_iter, max_step=MAX_STEP)


def climb(
    likelihood: Any,
    start: np.ndarray,
    tol: float,
    max_iter: int,
    penalty: Penalty | None = None,
) -> RegressionMaximum:
    """Newton's iterations on the host from a start, with whatever penalty there is."""
    if penalty is not None and penalty.lasso.any():
        return proximal_climb(likelihood, start, tol, max_iter, penalty)
    ridge = np.zeros(start.size) if penalty is None else penalty.ridge
    state = init(jax.numpy.asarray(start, float), MAX_STEP)
    while int(state.code) == ResultCode.RUNNING:
        point = np.asarray(state.trial)
        value, gradient, hessian = likelihood(point)
        value = value - 0.5 * point @ (ridge * point)
        gradient = gradient - ridge * point
        hessian = hessian - np.diag(ridge)
        state = _advance(state, -value, -gradient, -hessian, tol, max_iter)
    theta = np.asarray(state.x)
    return RegressionMaximum(
        theta,
        float(-state.value + 0.5 * theta @ (ridge * theta)),
        -np.asarray(state.gradient),
        -np.asarray(state.hessian),
        float(state.decrement),
        int(state.n_iter),
        int(state.code),
    )


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
) -> tuple[RegressionMaximum, Likelihood]:
    """Climb on a part of many rows first, then on all."""
    if rows.n_rows > 4 * START_ROWS:
        part = slice(None, None, rows.n_rows // START_ROWS)
        known = None if component is None else component[part]
        few = Likelihood(form, layout, rows.take(part), x[part], columns, known)
        share = few.n_units / rows.n_units
        near = climb(few, start, 1e-4, max_iter, penalty and penalty.scaled(share))
        # A rare kind of unit may be missing among the few, so that they leave its effect open.
        if not faults(near) and not open_parameters(near).size:
            start = near.theta
    likelihood = Likelihood(form, layout, rows, x, columns, component)
    return climb(likelihood, start, tol, max_iter, penalty), likelihood


def location_start(rows: Observations) -> tuple[float, float]:
    """Log scale and log shape of a Weibull without covariates, from moments of log time."""
    event, log_time = rows.event, rows.log_lower
    if rows.interval is not None:
        inside = rows.interval > 0
        middle = 0.5 * (np.where(inside, rows.lower, 0.0) + np.where(inside, rows.upper, 0.0))
        log_time = np.where(inside, np.log(np.where(inside, middle, 1.0)), log_time)
        event = np.maximum(event, rows.interval)
    held = rows.weight * (0.05 + event)
    mean = np.sum(held * log_time) / held.sum()
    spread = np.sqrt(np.sum(held * (log_time - mean) ** 2) / held.sum())
    shape = np.clip(1.28 / max(spread, 1e-9), 0.02, 50.0)
    # The scale that solves its own equation at this shape.
    power = rows.weight @ np.exp(np.clip(shape * (log_time - mean), -300.0, 300.0))
    scale = mean + np.log(power / max(rows.n_events, 1e-3)) / shape
    return float(scale), float(np.log(shape))


def faults(found: RegressionMaximum) -> tuple[str, ...]:
    """Why a point is not a proper maximum; empty where it is one."""
    if found.code not in (ResultCode.CONVERGED, ResultCode.ROUNDING):
        return ("the iteration did not converge",)
    information = -found.hessian
    if not np.all(np.isfinite(information)) or np.any(np.diag(information) <= 0):
        return ("the Hessian is not negative definite",)
    unit = 1.0 / np.sqrt(np.diag(information))
    values = np.linalg.eigvalsh(information * np.outer(unit, unit))
    if values[0] <= 1e-13 * values[-1]:
        return ("the Hessian is singular: parameters cannot be told apart",)
    return ()


def open_parameters(found: RegressionMaximum) -> np.ndarray:
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
    variance = np.diag(np.linalg.pinv(information, hermitian=True))
    return np.flatnonzero((np.sqrt(np.maximum(variance, 0.0)) > OPEN) | (np.abs(found.theta) > 200))


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
        part = slice(None, None, n // SCREEN_ROWS)
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
    if z.shape[1] == 0:
        return groups
    left = np.abs(np.diag(np.linalg.qr(z, mode="r")))
    left = np.concatenate([left, np.zeros(z.shape[1] - left.size)])
    kept = np.flatnonzero(left > 1e-7)
    for j in np.flatnonzero(left <= 1e-7):
        share = np.linalg.lstsq(z[:, kept], z[:, j], rcond=None)[0]
        partners = others[kept[np.abs(share) > 1e-5]]
        groups.append([int(others[j]), *(int(k) for k in partners)])
    return groups
