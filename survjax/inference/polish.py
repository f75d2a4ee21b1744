r"""The last climb on all rows of large data, with hardly more than one look at them.

Few rows that stand for all have nearly their likelihood, and what little they lack varies slowly.
Near a point where value, gradient and Hessian on all rows are known, the likelihood on few rows
plus what it lacks there, to second order, is that on all rows but for third derivatives that the
few rows misjudge. How much, the Hessians at that point tell.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from survjax.inference.climbs import CONVERGED, ROUNDING, Climb, Derivatives, Evaluate, Rules
from survjax.inference.lanes import ascend
from survjax.inference.last_step import SAFETY

__all__ = ["polish"]

#: A square that divides without overflow.
TINY = 1e-200
#: What may be wrong with the Hessian, relative to itself.
STEADY = 1e-6
#: Looks at all rows before a climb goes on without the few.
MOST_LOOKS = 8


class _Corrected:
    """The log-likelihood on few rows plus what it lacks around a point, to second order."""

    def __init__(self, few: Evaluate, point: np.ndarray, exact: Derivatives) -> None:
        self.few, self.point = few, point
        seen = few(point[None])
        self.value, self.gradient, self.hessian = (
            e[0] - s[0] for e, s in zip(exact, seen, strict=True)
        )

    def __call__(self, x: np.ndarray) -> Derivatives:
        value, gradient, hessian = self.few(x)
        step = x - self.point
        bent = step @ self.hessian
        value = value + self.value + np.sum((self.gradient + 0.5 * bent) * step, axis=1)
        return value, gradient + self.gradient + bent, hessian + self.hessian


def polish(every: Evaluate, few: Evaluate, start: np.ndarray, rules: Rules) -> Climb:
    """Climb on all rows from a start (p,) near a maximum, with the help of few rows.

    The decrement of the answer is what the few rows may have misjudged, if that is more.
    """
    x, best, n_looks = start, -np.inf, 0
    # A round on few rows costs little: none is spared.
    patient = dataclasses.replace(rules, steady=0.0)
    while n_looks < MOST_LOOKS:
        exact = every(x[None])
        n_looks += 1
        if not (np.isfinite(exact[2]).all() and exact[0][0] > best):
            break
        start, best = x, exact[0][0]
        corrected = _Corrected(few, x, exact)
        end = ascend(corrected, x[None], 1, patient)[0]
        if end.code not in (CONVERGED, ROUNDING):
            break
        left, amiss = _misjudged(corrected, exact, end, rules.n_units)
        if SAFETY * left <= rules.tol and SAFETY * amiss <= STEADY:
            return dataclasses.replace(
                end, decrement=max(end.decrement, left), n_iter=n_looks + end.n_iter
            )
        x = end.x
    return ascend(every, start[None], 1, rules)[0]


def _misjudged(
    corrected: _Corrected, exact: Derivatives, end: Climb, n_units: float
) -> tuple[float, float]:
    """What may be left of the way, in standard errors, and the relative error of the Hessian.

    What bends a Newton path comes from third derivatives. The few rows see them as well as they
    see the second ones, and the bend is at least of the order of one standard error in sqrt(n).
    """
    _, gradient, hessian = (table[0] for table in exact)
    information = -hessian
    if not (information.diagonal() > 0).all():
        return np.inf, np.inf
    units = np.sqrt(information.diagonal())
    try:
        root = np.linalg.cholesky(information / np.outer(units, units))
    except np.linalg.LinAlgError:
        return np.inf, np.inf
    lacks = np.linalg.solve(root, corrected.hessian / np.outer(units, units))
    share = float(np.abs(np.linalg.eigvalsh(np.linalg.solve(root, lacks.T))).max())
    step = np.linalg.solve(root, gradient / units)
    way = root.T @ (units * (end.x - corrected.point))
    length = float(np.sqrt(way @ way))
    bent = way - step
    bend = max(float(np.sqrt(bent @ bent)) / max(length**2, TINY), 1.0 / np.sqrt(n_units))
    return share * bend * length**2, share * bend * length
