r"""The maximum of the log partial likelihood plus half the log determinant of its information.

Firth (1993), Biometrika 80: the bias of first order goes, and the maximum is finite where the
likelihood rises for ever along some column (Heinze and Schemper 2001, Biometrics 57). With M the
inverse of the information, the penalty's gradient is

    1/2 sum over failures of E[(d'M d) d],     d = x - E x,

expectations being those of the covariates among the units at risk, weighted by their risks: third
central moments, since a derivative of a risk's share is d times that share.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from survjax.cox._degenerate import independent_columns
from survjax.cox._maximize import CoxMaximum
from survjax.cox.partial_likelihood.derivatives import derivatives
from survjax.cox.partial_likelihood.failures import Failures
from survjax.cox.risk_sets.sets import RiskSets
from survjax.nonparametric.rows import Bools, Floats, Ints

__all__ = ["firth_maximum", "penalty_gradient"]

#: Numbers that are held at once, halvings of a step, and the longest step of a standard deviation.
IN_MEMORY, MAX_HALVINGS, MAX_STEP = 2_000_000, 40, 5.0
#: Step of the differences that give the curvature, in standard deviations of a column.
DIFFERENCE = 1e-4

Derivatives = tuple[float, Floats, Floats]


def firth_maximum(
    sets: RiskSets, failures: Failures, *, max_iter: int = 100, tol: float = 1e-9
) -> CoxMaximum:
    """Maximize the penalized log partial likelihood, from zero.

    Newton's steps, halved until the penalized function rises; its curvature is by differences of
    the exact gradient, which the answer rests on. Value, gradient and Hessian of the answer are
    without the penalty.
    """
    p = sets.x.shape[0]
    null = derivatives(sets, failures, np.zeros(p))
    keep = independent_columns(-null[2], np.full(p, failures.weight.sum()))
    theta, current = np.zeros(p), null
    height, path = _height(null, keep), [null[0]]
    while True:
        step, decrement = _step(sets, failures, theta, current, keep)
        if decrement <= tol or len(path) > max_iter:
            break
        moved = _risen(sets, failures, theta, step, keep, height, decrement)
        if moved is None:
            break
        theta, current, height = moved
        path.append(current[0])
    converged = decrement <= max(tol, 1e-6)
    return CoxMaximum(
        theta=theta + step if converged else theta,
        value=current[0],
        start_value=null[0],
        start_gradient=null[1],
        start_hessian=null[2],
        gradient=current[1],
        hessian=current[2],
        decrement=decrement,
        n_iter=len(path) - 1,
        converged=converged,
        aliased=~keep,
        infinite=np.zeros(p),
        path=np.array(path),
    )


def _height(found: Derivatives, keep: Bools) -> float:
    """The penalized value; -inf where the information is not definite."""
    sign, log_det = np.linalg.slogdet(-found[2][np.ix_(keep, keep)])
    return found[0] + 0.5 * float(log_det) if sign > 0 else -np.inf


def _step(
    sets: RiskSets, failures: Failures, theta: Floats, current: Derivatives, keep: Bools
) -> tuple[Floats, float]:
    """The next step, and its length in standard errors."""
    step, kept = np.zeros_like(theta), np.flatnonzero(keep)
    if not kept.size:
        return step, 0.0
    slope = _slope(sets, failures, theta, current, kept)
    curvature = np.empty((kept.size, kept.size))
    for row, k in zip(curvature, kept, strict=True):
        ends = []
        for side in (-DIFFERENCE, DIFFERENCE):
            moved = theta.copy()
            moved[k] += side
            found = derivatives(sets, failures, moved)
            ends.append(_slope(sets, failures, moved, found, kept))
        row[:] = (ends[0] - ends[1]) / (2.0 * DIFFERENCE)
    curvature = 0.5 * (curvature + curvature.T)
    if not np.linalg.eigvalsh(curvature)[0] > 0.0:
        curvature = -current[2][np.ix_(kept, kept)]
    step[kept] = np.linalg.solve(curvature, slope)
    return step, float(np.sqrt(max(slope @ step[kept], 0.0)))


def _slope(
    sets: RiskSets, failures: Failures, theta: Floats, found: Derivatives, kept: Ints
) -> Floats:
    """Gradient of the penalized function in the coefficients that are kept."""
    inverse = np.zeros((theta.size, theta.size))
    inverse[np.ix_(kept, kept)] = np.linalg.inv(-found[2][np.ix_(kept, kept)])
    return (found[1] + penalty_gradient(sets, failures, theta, inverse))[kept]


def _risen(
    sets: RiskSets,
    failures: Failures,
    theta: Floats,
    step: Floats,
    keep: Bools,
    height: float,
    decrement: float,
) -> tuple[Floats, Derivatives, float] | None:
    """The first point along a step, halved, at which the function is higher; None without one."""
    share = min(1.0, MAX_STEP / float(np.abs(step).max()))
    for _ in range(MAX_HALVINGS):
        trial = theta + share * step
        found = derivatives(sets, failures, trial)
        there = _height(found, keep)
        # Near the top, what a step gains is lost in rounding.
        if there > height or (decrement < 1e-5 and there >= height - 1e-12 * abs(height)):
            return trial, found, there
        share *= 0.5
    return None


def penalty_gradient(sets: RiskSets, failures: Failures, theta: Floats, inverse: Floats) -> Floats:
    """Half the gradient (p,) of the log determinant of the information, whose inverse is given."""
    found = np.zeros(theta.size)
    for weights, risk in _terms(sets, failures, theta):
        away = sets.x.T - (risk @ sets.x.T)[:, None]
        squares = np.einsum("uip,pq,uiq->ui", away, inverse, away)
        found += 0.5 * np.einsum("u,ui,ui,uip->p", weights, risk, squares, away)
    return found


def _terms(sets: RiskSets, failures: Failures, theta: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Blocks of terms of the likelihood: weights (u,), and shares of all risk (u, n) at each."""
    n_times, n = sets.n_times, sets.order.size
    group = np.arange(n_times) if failures.group is None else failures.group
    share = np.zeros(n_times) if failures.share is None else failures.share
    log_risk = theta @ sets.x + (0.0 if sets.offset is None else sets.offset)
    failed_at = np.full(n, -1)
    failed_at[failures.rows] = failures.at
    size = max(IN_MEMORY // (n * max(theta.size, 1)), 1)
    for begin in range(0, group.size, size):
        at = group[begin : begin + size, None]
        inside = (sets.join <= at) & (at < sets.until)
        left_out = np.where(failed_at == at, share[begin : begin + size, None], 0.0)
        top = np.max(np.where(inside, log_risk, -np.inf), axis=1, keepdims=True)
        risk = np.exp(np.where(inside, log_risk - top, -np.inf)) * sets.weight * (1.0 - left_out)
        yield failures.weight[begin : begin + size], risk / risk.sum(axis=1, keepdims=True)
