"""Newton's method on the log partial likelihood, plain or penalized."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from survjax.cox._degenerate import independent_columns, runs_away
from survjax.cox._newton_step import newton_step
from survjax.cox.partial_likelihood.derivatives import derivatives, value
from survjax.cox.partial_likelihood.failures import Failures, number_failures
from survjax.cox.partial_likelihood.penalty import Penalty, Scaled
from survjax.cox.risk_sets.sets import RiskSets, subset
from survjax.nonparametric.rows import Bools, Floats
from survjax.optimize.last_step import extrapolated_step, predict_decrement

__all__ = ["CoxMaximum", "maximize"]

#: Halvings of a step before the iteration is called stalled.
MAX_HALVINGS = 30
#: Newton's steps toward a limit at infinity shrink what is left by e; so many leave nothing.
STEPS_TO_THE_LIMIT = 40.0
#: Rows of the first, rough iteration on a part of large data.
ROUGH_ROWS = 40_000
#: Relative change of the Hessian that a last step may bring unseen where there are more rows.
HESSIAN_DRIFT = 1e-6


@dataclass(frozen=True)
class CoxMaximum:
    """Where an iteration ended, in standardized coefficients.

    Attributes
    ----------
    theta : ndarray of shape (p,)
    value, start_value : float
        The log partial likelihood there and at zero, without the penalty.
    gradient, hessian : ndarray of shapes (p,), (p, p)
        Of the log partial likelihood, without the penalty.
    decrement : float
        Newton decrement of the penalized function over the active coefficients.
    n_iter : int
        Newton steps over all rows.
    converged : bool
    aliased, infinite : ndarray of shape (p,)
        Columns that repeat others; sign of the coefficients that run to infinity, else 0.
    path : ndarray of shape (n_iter + 1,)
        The log partial likelihood on the way.
    """

    theta: Floats
    value: float
    start_value: float
    start_gradient: Floats
    start_hessian: Floats
    gradient: Floats
    hessian: Floats
    decrement: float
    n_iter: int
    converged: bool
    aliased: Bools
    infinite: Floats
    path: Floats


def maximize(
    sets: RiskSets,
    failures: Failures,
    penalty: Penalty | Scaled,
    *,
    max_iter: int = 100,
    tol: float = 1e-9,
) -> CoxMaximum:
    """Maximize the log partial likelihood minus the penalty, from zero.

    Newton steps, halved until the function rises; with an absolute-value penalty each step
    solves its quadratic model by coordinate descent. Large data are first maximized on a part of
    the rows, so that few steps need all of them.
    """
    p = sets.x.shape[0]
    l1, l2 = penalty.parts(sets.scale)
    null = derivatives(sets, failures, np.zeros(p))
    size = np.full(p, failures.weight.sum())
    keep = independent_columns(-null[2] + np.diag(l2 + (l1 > 0)), size)
    theta, current = np.zeros(p), null
    if sets.order.size > 4 * ROUGH_ROWS and np.any(keep):
        theta = _rough_start(sets, failures.method, keep, l1, l2)
        current = derivatives(sets, failures, theta)
        if not _penalized(current[0], theta, l1, l2) >= null[0]:
            theta, current = np.zeros(p), null
    path, infinite = [current[0]], np.zeros(p)
    while True:
        ascent = _Ascent(sets, failures, keep & (infinite == 0), l1, l2, path)
        end = ascent.run(theta, current, max_iter, tol)
        if end.away is None:
            break
        # The limit lies along the way: go far, then settle the others.
        infinite += np.sign(end.away)
        # So far that nothing is left to gain but what rounding hides.
        theta = end.theta + STEPS_TO_THE_LIMIT * end.away
        current = derivatives(sets, failures, theta)
    return CoxMaximum(
        theta=end.theta,
        value=end.current[0],
        start_value=null[0],
        start_gradient=null[1],
        start_hessian=null[2],
        gradient=end.current[1],
        hessian=end.current[2],
        decrement=end.decrement,
        n_iter=len(path) - 1,
        converged=end.converged,
        aliased=~keep,
        infinite=infinite,
        path=np.array(path),
    )


@dataclass(frozen=True)
class _End:
    """Where a run of Newton steps ended, and the direction in which it would go on for ever."""

    theta: Floats
    current: tuple[float, Floats, Floats]
    decrement: float
    converged: bool
    away: Floats | None = None


@dataclass(frozen=True)
class _Ascent:
    """Newton steps over some of the coefficients; `path` collects the values."""

    sets: RiskSets
    failures: Failures
    active: Bools
    l1: Floats
    l2: Floats
    path: list[float]

    def run(
        self, theta: Floats, current: tuple[float, Floats, Floats], max_iter: int, tol: float
    ) -> _End:
        """Step until the Newton decrement is at most `tol`, or the iteration proves endless."""
        decrements: list[float] = []
        while True:
            step, decrement = newton_step(theta, *current[1:], self.active, self.l1, self.l2)
            decrements.append(decrement)
            if decrement <= tol or _at_rounding(decrements):
                # The last step is known, and leaves the square of the decrement to go.
                return _End(theta + step, current, decrement, True)
            expected, sure = self._predict_decrement(decrements, tol)
            if sure:
                value, gradient = extrapolated_step(*current, step, expected / decrement)
                return _End(theta + step, (value, gradient, current[2]), expected, True)
            if _lingers(decrements):
                away = self._away(step)
                if away is not None:
                    return _End(theta, current, decrement, False, away)
            if len(self.path) > max_iter:
                return _End(theta, current, decrement, False, self._away(step))
            moved = self._rise(theta, step, current[0], decrement)
            if moved is None:
                close = decrement <= 1e-6
                return _End(theta, current, decrement, close, None if close else self._away(step))
            theta, current = moved
            self.path.append(current[0])

    def _predict_decrement(self, decrements: list[float], tol: float) -> tuple[float, bool]:
        """The decrement after the next step, and whether it may go without a pass over many rows.

        Small data are looked at all the same; so are fits with a penalty, or of some coefficients.
        """
        plain = self.active.all() and not np.any(self.l1 + self.l2)
        if self.sets.order.size <= ROUGH_ROWS or len(decrements) < 2 or not plain:
            return np.inf, False
        before, decrement = decrements[-2:]
        return predict_decrement(before, decrement, self.failures.rows.size, tol, HESSIAN_DRIFT)

    def _away(self, step: Floats) -> Floats | None:
        """Return the direction of a step if the likelihood rises along it for ever."""
        if np.any(self.l2[self.active] > 0):
            return None
        largest = np.max(np.abs(step))
        for share in (1e-2, 1e-3, 1e-4):
            direction = np.where(np.abs(step) > share * largest, step, 0.0)
            if runs_away(self.sets, self.failures.rows, direction):
                return direction
        return None

    def _rise(
        self, theta: Floats, step: Floats, before: float, decrement: float
    ) -> tuple[Floats, tuple[float, Floats, Floats]] | None:
        """Halve the step until the penalized function rises; None if it cannot."""
        reference = _penalized(before, theta, self.l1, self.l2)
        # Near the maximum rounding hides the rise: the full step is right by its own measure.
        hidden = decrement**2 <= 64 * np.finfo(float).eps * abs(before)
        current = derivatives(self.sets, self.failures, theta + step)
        reached, length = current[0], 1.0
        for _ in range(MAX_HALVINGS):
            trial = theta + length * step
            rise = _penalized(reached, trial, self.l1, self.l2) - reference
            if np.isfinite(rise) and (hidden or rise >= 1e-4 * length * decrement**2):
                if length < 1.0:
                    current = derivatives(self.sets, self.failures, trial)
                return trial, current
            length *= 0.5
            reached = value(self.sets, self.failures, theta + length * step)
        return None


def _penalized(value: float, theta: Floats, l1: Floats, l2: Floats) -> float:
    return value - float(l1 @ np.abs(theta) + 0.5 * l2 @ theta**2)


def _rough_start(
    sets: RiskSets, method: tuple[str, str], keep: Bools, l1: Floats, l2: Floats
) -> Floats:
    """CoxMaximum on every k-th row; the rest of the way is a step or two."""
    every = slice(None, None, -(-sets.order.size // ROUGH_ROWS))
    event = sets.event[every]
    share = sets.weight[every].sum() / sets.weight.sum()
    if event.sum() < 10 * keep.sum():
        return np.zeros(keep.size)
    part = subset(sets, every)
    found = maximize(
        part,
        number_failures(part, *method),
        Scaled(share * l1, share * l2),
        max_iter=25,
        tol=1e-3,
    )
    usable = found.converged and not found.infinite.any()
    return found.theta if usable else np.zeros(keep.size)


def _at_rounding(decrements: list[float]) -> bool:
    """Tell whether an iteration that was closing in has stopped doing so: rounding holds it up."""
    last = np.array(decrements[-4:])
    if last.size < 3 or last[-1] > 1e-6:
        return False
    ratios = last[1:] / np.maximum(last[:-1], 1e-300)
    return bool(ratios[-1] > 0.3 and ratios[:-1].min() < 0.1)


def _lingers(decrements: list[float]) -> bool:
    """Tell whether the iteration ended in steps of even length instead of closing in.

    Where the maximum lies at infinity, the squared decrement falls by a factor e a step; near a
    proper maximum it is squared.
    """
    if len(decrements) < 6 or decrements[-1] > 1.0:
        return False
    last = np.array(decrements[-4:])
    return bool(np.all(last[1:] > 0.3 * last[:-1]))
