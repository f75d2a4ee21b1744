"""Lasso and elastic net: proximal Newton steps, and paths of penalties.

The penalized log-likelihood is l(theta) - sum_j (ridge_j theta_j^2 / 2 + lasso_j |theta_j|). Each
step minimizes the quadratic model plus the penalty by coordinate descent (Friedman, Hastie and
Tibshirani 2010), and is halved until the objective falls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from survjax._core.numerics import diagonal_blocks
from survjax.data.observations import Observations
from survjax.fitting.local_maxima import LocalMaximum
from survjax.fitting.regression.firth import FirthPenalty
from survjax.likelihood.objective import Derivatives
from survjax.likelihood.vector.prior_terms import PriorTerms
from survjax.optimize import ResultCode

#: The longest step: no parameter of a standardized model moves farther at once.
MAX_STEP = 10.0


class NaturalPriors(NamedTuple):
    """Priors of coefficients of the columns as given, `change` (P, P) of the standardized ones."""

    terms: PriorTerms
    change: np.ndarray
    #: Ones where a coefficient moves; None where all do.
    free: np.ndarray | None = None

    def derivatives(self, theta: np.ndarray) -> Derivatives:
        """Log density at standardized coefficients (P,), with gradient and Hessian."""
        value, gradient, hessian = self.terms.derivatives(self.change @ theta)
        change = self.change if self.free is None else self.change * self.free
        return value, gradient @ change, change.T @ hessian @ change


class Penalty(NamedTuple):
    """What is subtracted from a log-likelihood, for each of its P coefficients.

    Attributes
    ----------
    ridge, lasso : arrays of shape (P,)
        sum_j ridge_j theta_j^2 / 2 + lasso_j |theta_j|.
    priors : NaturalPriors, optional
        Whose log density is added.
    firth : FirthPenalty, optional
        Which is added.
    """

    ridge: np.ndarray
    lasso: np.ndarray
    priors: NaturalPriors | None = None
    firth: FirthPenalty | None = None

    @classmethod
    def nothing(cls, size: int) -> Penalty:
        """None of size P."""
        return cls(np.zeros(size), np.zeros(size))

    @classmethod
    def joined(cls, parts: Sequence[Penalty | None], sizes: Sequence[int]) -> Penalty | None:
        """Those of coefficients end to end, so many each; None where there are none."""
        if all(part is None for part in parts):
            return None
        whole = [cls.nothing(n) if p is None else p for p, n in zip(parts, sizes, strict=True)]
        ridge, lasso = (
            np.concatenate([getattr(p, name) for p in whole]) for name in cls._fields[:2]
        )
        if all(part.priors is None for part in whole):
            return cls(ridge, lasso)
        each = [
            NaturalPriors(PriorTerms.nothing(n), np.eye(n)) if p.priors is None else p.priors
            for p, n in zip(whole, sizes, strict=True)
        ]
        terms = PriorTerms.joined([known.terms for known in each])
        return cls(ridge, lasso, NaturalPriors(terms, diagonal_blocks([k.change for k in each])))

    def scaled(self, share: float) -> Penalty:
        """The same penalty per unit, on a share of the units; what was known before stays."""
        return self._replace(ridge=self.ridge * share, lasso=self.lasso * share)

    def smooth(self, theta: np.ndarray) -> Derivatives:
        """Value, gradient and Hessian of all but the lasso."""
        ridge = self.ridge
        found = 0.5 * float(theta @ (ridge * theta)), ridge * theta, np.diag(ridge)
        for added in (self.priors, self.firth):
            if added is not None:
                less = added.derivatives(theta)
                found = found[0] - float(less[0]), found[1] - less[1], found[2] - less[2]
        return found

    def on(self, free: np.ndarray) -> Penalty:
        """The same on those coefficients alone that are free: ones in (P,)."""
        priors = None if self.priors is None else self.priors._replace(free=free)
        # Nothing is held where there is Firth's, which is of all effects together.
        return Penalty(self.ridge * free, self.lasso * free, priors, self.firth)

    def of(self, rows: Observations) -> Penalty:
        """The same of rows with other weights."""
        return self if self.firth is None else self._replace(firth=self.firth.of(rows))


def proximal_maximize(
    likelihood: Any,
    start: np.ndarray,
    tol: float,
    max_iter: int,
    penalty: Penalty,
) -> LocalMaximum:
    """The maximum of a log-likelihood with ridge and lasso penalties on its coefficients."""
    ridge, lasso = penalty.ridge, penalty.lasso

    def cost(theta: np.ndarray, value: float) -> float:
        return -value + 0.5 * theta @ (ridge * theta) + lasso @ np.abs(theta)

    theta = np.asarray(start, float)
    value, gradient, hessian = likelihood(theta)
    best, code, n_iter, decrement = cost(theta, value), ResultCode.MAX_ITERATIONS, 0, np.inf
    while n_iter < max_iter:
        n_iter += 1
        slope = -gradient + ridge * theta
        curvature = _positive(-hessian + np.diag(ridge))
        aim = _minimum(theta, slope, curvature, lasso)
        step = aim - theta
        length = float(np.linalg.norm(step))
        step = step * min(1.0, MAX_STEP / max(length, 1e-300))
        # The fall that the convex model promises; at the optimum there is none.
        promised = slope @ step + lasso @ (np.abs(theta + step) - np.abs(theta))
        decrement = float(np.sqrt(max(-promised, 0.0)))
        if decrement <= max(tol, 1e-8):
            code = ResultCode.CONVERGED
            break
        share, moved = 1.0, False
        for _ in range(40):
            trial = theta + share * step
            found = likelihood(trial)
            worth = cost(trial, found[0])
            if np.isfinite(worth) and worth <= best + 1e-4 * share * promised:
                moved = True
                break
            share *= 0.5
        # A promise below rounding is kept where nothing falls any more.
        hidden = -promised <= 1e-13 * max(abs(best), 1.0) * 64
        if not moved or (hidden and worth >= best):
            code = ResultCode.ROUNDING if hidden else ResultCode.STALLED
            break
        theta, best = trial, worth
        value, gradient, hessian = found
    gradient = gradient - ridge * theta - lasso * np.sign(theta)
    gradient = np.where((theta == 0) & (lasso > 0), 0.0, gradient)
    return LocalMaximum(
        theta, float(value), gradient, hessian - np.diag(ridge), decrement, n_iter, int(code)
    )


def _positive(matrix: np.ndarray) -> np.ndarray:
    """A matrix with the absolute eigenvalues of another: the model is then convex."""
    values, vectors = np.linalg.eigh(matrix)
    size = np.maximum(np.abs(values), 1e-10 * np.abs(values).max())
    return (vectors * size) @ vectors.T


def _minimum(
    theta: np.ndarray, slope: np.ndarray, curvature: np.ndarray, lasso: np.ndarray
) -> np.ndarray:
    """Where the quadratic model plus the lasso is least.

    Coefficients without a lasso follow from the others by a linear system, whatever their
    correlations: one coordinate after the other, an intercept and an unpenalized column would
    creep along the valley between them.
    """
    free, penalized = np.flatnonzero(lasso == 0), np.flatnonzero(lasso > 0)
    cross = curvature[np.ix_(free, penalized)]
    # One system for the slopes and for what a step of the held ones asks of the free ones.
    sides = np.column_stack([slope[free], cross])
    answer = np.linalg.solve(curvature[np.ix_(free, free)], sides)
    left = curvature[np.ix_(penalized, penalized)] - cross.T @ answer[:, 1:]
    point = theta.copy()
    point[penalized] = _coordinate_descent(
        theta[penalized], slope[penalized] - cross.T @ answer[:, 0], left, lasso[penalized]
    )
    point[free] -= answer[:, 0] + answer[:, 1:] @ (point[penalized] - theta[penalized])
    return point


def _coordinate_descent(
    theta: np.ndarray, slope: np.ndarray, curvature: np.ndarray, lasso: np.ndarray
) -> np.ndarray:
    """The same for coefficients that all have a lasso, one after the other."""
    point = theta.copy()
    gradient = slope.copy()
    diagonal = np.diag(curvature)
    for _ in range(2000):
        largest = 0.0
        for j in range(point.size):
            target = diagonal[j] * point[j] - gradient[j]
            new = np.sign(target) * max(abs(target) - lasso[j], 0.0) / diagonal[j]
            change = new - point[j]
            if change != 0.0:
                point[j] = new
                gradient = gradient + change * curvature[j]
                largest = max(largest, abs(change) * np.sqrt(diagonal[j]))
        if largest < 1e-11:
            break
    return point


def penalty_grid(
    gradient: np.ndarray, marks: np.ndarray, n_units: float, l1_ratio: float
) -> np.ndarray:
    """Twenty penalties, falling from one that lets no covariate in (or shrinks all to little)."""
    if l1_ratio > 0:
        top = float(np.max(np.abs(gradient) * marks)) / n_units / l1_ratio
        return top * np.logspace(0.0, -3.0, 20)
    return np.logspace(2.0, -4.0, 20)
