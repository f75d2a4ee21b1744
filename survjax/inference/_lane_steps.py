"""One round of the lanes: which trial points to accept, and where each lane looks next."""

from __future__ import annotations

import numpy as np

from survjax.inference._lane_state import Lanes
from survjax.inference.climbs import (
    CONVERGED,
    MAX_ITERATIONS,
    NOT_FINITE,
    ROUNDING,
    RUNNING,
    STALLED,
    Derivatives,
)
from survjax.inference.last_step import EPS, foretell, step_unseen

#: Longest step, and the radius with which a climb goes on without the penalty.
MAX_STEP, SECOND_RADIUS = 3.0, 0.5
#: The penalty goes once the decrement is below this.
NEAR = 0.3
#: Shares of the largest eigenvalue: rounding noise, and a flat direction.
FLOOR, FLAT = 1e-13, 1e-10
#: Pivots of a scaled Hessian above which it is far from singular.
CLEAR = 1e-4


def judge(s: Lanes, raw: Derivatives) -> None:
    """Accept each trial point or not, and resize the trust regions."""
    goal = s.objective(s.trial, raw)
    value, gradient, hessian = goal
    before = s.goal[0]
    finite = np.isfinite(value + np.add.reduce(gradient, axis=1) + hessian.sum((1, 2)))
    steepness = np.maximum.reduce(np.abs(gradient), axis=1)
    first = s.n_iter < 0
    fell = before - value
    ratio = fell / np.maximum(s.predicted, 1e-300)
    noise = 8 * EPS * np.maximum(np.abs(value), np.abs(before))
    level = (np.abs(fell) <= noise) & (steepness < s.steepness)
    s.accept = a = finite & (first | (ratio > 1e-4) | level)
    good = (ratio > 0.75) | level
    radius = np.where(
        good & (s.length > 0.99 * s.radius), np.minimum(2 * s.radius, MAX_STEP), s.radius
    )
    radius = np.where(~good & (ratio < 0.25), 0.5 * s.length, radius)
    s.n_iter += 1
    if a.all():
        s.radius = np.where(first, s.radius, radius)
        s.x, s.steepness, s.raw, s.goal = s.trial, steepness, raw, goal
        return
    radius = np.where(a, radius, 0.25 * s.length)
    s.radius = np.where(first, s.radius, radius)
    s.code[first & ~finite] = NOT_FINITE
    s.whole &= a
    s.x = np.where(a[:, None], s.trial, s.x)
    s.steepness = np.where(a, steepness, s.steepness)
    s.raw, s.goal = _chosen(a, raw, s.raw), _chosen(a, goal, s.goal)


def _chosen(which: np.ndarray, new: Derivatives, old: Derivatives) -> Derivatives:
    """The new derivatives in some lanes, the old ones in the others."""
    value, gradient, hessian = zip(new, old, strict=True)
    return (
        np.where(which, *value),
        np.where(which[:, None], *gradient),
        np.where(which[:, None, None], *hessian),
    )


def advance(s: Lanes) -> None:
    """Choose the next point of each lane, and let go of the penalty where it has served."""
    _propose(s)
    if not (s.rules.penalty and s.amount.any()):
        return
    arrived = (s.code != RUNNING) & (s.code != NOT_FINITE)
    # With the penalty, near is near enough.
    arrived |= s.convex & (s.decrement < NEAR)
    switch = (s.amount > 0) & arrived & (s.who >= 0)
    if switch.any():
        s.penalized[switch] = s.x[switch]
        s.amount[switch] = 0.0
        s.radius[switch] = np.maximum(s.radius[switch], SECOND_RADIUS)
        s.code[switch] = RUNNING
        s.goal = s.objective(s.x, s.raw)
        s.steepness = np.where(switch, np.abs(s.raw[1]).max(1), s.steepness)
        s.accept, s.whole = s.accept | switch, s.whole & ~switch
        _propose(s)


def _propose(s: Lanes) -> None:
    """The safeguarded Newton step of every lane."""
    _, gradient, hessian = s.goal
    size = np.abs(hessian)
    square = np.maximum(size.diagonal(0, 1, 2), EPS * np.maximum.reduce(size, axis=2))
    units = np.sqrt(np.where(square > 0, square, 1.0))
    scaled, pull = hessian / (units[:, :, None] * units[:, None, :]), gradient / units
    # Log times count in units of a component's own spread: what is a small step for a wide
    # component would carry a narrow one past everything it lives on.
    k = s.k
    metric = np.ones(s.x.shape)
    metric[:, k - 1 : 2 * k - 1] = np.exp(np.minimum(s.x[:, 2 * k - 1 :], 10.0))
    metric /= units
    before, was_convex = s.decrement, s.convex.all()
    step = _newton_steps(s, scaled, pull, metric) if was_convex else None
    if step is None:
        step, whole = _guarded_steps(s, scaled, pull, metric)
    else:
        whole = np.ones(s.x.shape[0], bool)
    step /= units
    s.trial = s.x + step
    _stop(s, step)
    if s.rules.steady:
        _foresee(s, step, before, whole)
    s.whole = whole


def _newton_steps(
    s: Lanes, scaled: np.ndarray, pull: np.ndarray, metric: np.ndarray
) -> np.ndarray | None:
    """Newton's steps, if every lane has a clear minimum ahead and within its trust region."""
    try:
        root = np.linalg.cholesky(scaled)
    except np.linalg.LinAlgError:
        return None
    if not root.diagonal(0, 1, 2).min() > CLEAR:
        return None
    step = -np.linalg.solve(scaled, pull[:, :, None])[:, :, 0]
    length = np.sqrt(np.add.reduce((metric * step) ** 2, axis=1))
    if not (length <= s.radius).all():
        return None
    s.convex = np.ones(s.x.shape[0], bool)
    s.length = length
    s.predicted = -0.5 * np.add.reduce(step * pull, axis=1)
    s.decrement = np.sqrt(2.0 * s.predicted)
    return step


def _guarded_steps(
    s: Lanes, scaled: np.ndarray, pull: np.ndarray, metric: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Steps with absolute eigenvalues inside the trust region, and which are Newton's whole."""
    if not np.isfinite(scaled).all():
        scaled = np.where(np.isfinite(scaled), scaled, 0.0)
    eigenvalues, vectors = np.linalg.eigh(scaled)
    magnitude = np.abs(eigenvalues)
    largest = np.maximum(magnitude[:, 0], magnitude[:, -1])
    curvature = np.maximum(magnitude, np.maximum(FLOOR * largest, 1e-300)[:, None])
    slope = (pull[:, None, :] @ vectors)[:, 0]
    s.convex = eigenvalues[:, 0] >= -FLAT * largest
    along = -slope / curvature
    s.decrement = np.sqrt(-np.add.reduce(slope * along, axis=1))
    if not s.convex.all():
        stuck = ~s.convex & (slope[:, 0] ** 2 <= 1e-12 * curvature[:, 0])
        along[:, 0] += np.where(stuck, np.where(slope[:, 0] > 0, -0.1, 0.1), 0.0)
    stretched = metric[:, :, None] * vectors
    lengths = np.abs(along) * np.sqrt(np.add.reduce(stretched * stretched, axis=1))
    whole = np.maximum.reduce(lengths, axis=1) <= MAX_STEP
    if not whole.all():
        along = along * np.minimum(1.0, MAX_STEP / np.maximum(lengths, 1e-300))
    length = np.sqrt(np.add.reduce((stretched @ along[:, :, None])[:, :, 0] ** 2, axis=1))
    share = np.minimum(1.0, s.radius / np.maximum(length, 1e-300))
    along *= share[:, None]
    s.length = length * share
    s.predicted = -np.add.reduce((slope + 0.5 * eigenvalues * along) * along, axis=1)
    whole &= s.convex & (share == 1.0)
    return (vectors @ along[:, :, None])[:, :, 0], whole


def _stop(s: Lanes, step: np.ndarray) -> None:
    """Say which lanes have arrived, or get no further."""
    rules, level = s.rules, 128 * EPS * np.maximum(np.abs(s.goal[0]), 1.0)
    near = max(rules.tol, float(np.sqrt(level.max())))
    if s.accept.all() and s.decrement.min() > near and s.n_iter.max() < rules.max_iter:
        return
    hidden, arrived = s.decrement**2 <= level, s.convex & (s.decrement <= rules.tol)
    tiny = np.add.reduce(step * step, axis=1) <= (8 * EPS) ** 2 * (
        1 + np.add.reduce(s.x * s.x, axis=1)
    )
    code = np.where(s.n_iter >= rules.max_iter, MAX_ITERATIONS, s.code)
    code = np.where(~s.accept & tiny, STALLED, code)
    code = np.where(s.convex & hidden & (~s.accept | tiny), ROUNDING, code)
    code = np.where(arrived, CONVERGED, code)
    s.code = np.where(s.code == NOT_FINITE, s.code, code)


def _foresee(s: Lanes, step: np.ndarray, before: np.ndarray, whole: np.ndarray) -> None:
    """Take last steps by the quadratic model, where it is exact there within the tolerance."""
    rules = s.rules
    foretold, sure = foretell(before, s.decrement, rules.n_units, rules.tol, rules.steady)
    sure &= s.whole & whole & (s.code == RUNNING) & (s.amount == 0)
    if sure.any():
        _step_unseen(s, sure, step, foretold)


def _step_unseen(s: Lanes, sure: np.ndarray, step: np.ndarray, foretold: np.ndarray) -> None:
    """Let some lanes arrive by a last step."""
    value, gradient, hessian = s.raw
    share = np.where(sure, foretold / np.maximum(s.decrement, 1e-300), 1.0)
    step = np.where(sure[:, None], step, 0.0)
    s.raw = (*step_unseen(value, gradient, hessian, step, share), hessian)
    s.x = np.where(sure[:, None], s.trial, s.x)
    s.decrement = np.where(sure, foretold, s.decrement)
    s.code[sure] = CONVERGED
