"""A fitted proportional-hazards model, in the units of the data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from survjax.cox._chi_squared import Test, chi_squared, quadratic_test
from survjax.cox._degenerate import combination
from survjax.cox._maximize import CoxMaximum
from survjax.cox.partial_likelihood.derivatives import (
    EventWeights,
    denominate,
    evaluate,
    risks,
    sum_event_weights,
)
from survjax.cox.partial_likelihood.failures import Failures
from survjax.cox.partial_likelihood.penalty import Penalty
from survjax.cox.risk_sets.segments import Risks
from survjax.cox.risk_sets.sets import RiskSets
from survjax.nonparametric.rows import Floats, Ints

__all__ = ["CoxFit"]


@dataclass(frozen=True)
class CoxFit:
    """What maximizing the partial likelihood found.

    Attributes
    ----------
    coef : ndarray of shape (p,)
        Log hazard ratio for each unit of a covariate. NaN for a column that repeats others,
        plus or minus inf for one whose estimate runs away.
    covariance : ndarray of shape (p, p)
        Inverse of the observed information (plus the ridge penalty); NaN where there is no
        estimate, and throughout under an absolute-value penalty.
    log_likelihood, null_log_likelihood : float
        Log partial likelihood at the estimate and at zero.
    n, n_events : int
        Rows and failures with a positive weight.
    converged : bool
    n_iter : int
    strata : tuple
        The labels of the strata; one label None without strata.
    sets, failures, maximum, penalty, durations
        The sorted rows, in segments whose sums keep their digits at the estimate, and how the
        iteration ended, from which baselines, residuals and tests are made.
    """

    coef: Floats
    covariance: Floats
    log_likelihood: float
    null_log_likelihood: float
    n: int
    n_events: int
    strata: tuple
    sets: RiskSets
    failures: Failures
    maximum: CoxMaximum
    penalty: Penalty
    durations: Floats

    @property
    def converged(self) -> bool:
        """Whether the Newton decrement fell below the tolerance."""
        return self.maximum.converged

    @property
    def n_iter(self) -> int:
        """Newton steps over all rows."""
        return self.maximum.n_iter

    @property
    def standard_error(self) -> Floats:
        """Standard errors of the coefficients: (p,)."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def working(self) -> Floats:
        """Finite coefficients for predictions: 0 for repeated columns, far out for endless ones."""
        return self.maximum.theta / self.sets.scale

    @property
    def weights(self) -> str:
        """What the weights of rows are: "counts" or "sampling"."""
        return self.failures.method[1]

    @cached_property
    def risks(self) -> Risks:
        """Risks of the sorted rows, next to the largest of each segment."""
        return risks(self.sets, self.maximum.theta)

    @property
    def risk(self) -> Floats:
        """Weight times relative hazard of each sorted row, 1 for the riskiest of its segment."""
        return self.risks.risk

    @cached_property
    def event_weights(self) -> EventWeights:
        """Sums over the terms of each failure time, in the scale of `risk`."""
        below = denominate(self.sets, self.failures, self.risk)
        return sum_event_weights(self.failures, below, self.sets.n_times)

    def at(self, theta: Floats) -> CoxFit:
        """Return the same fit with other standardized coefficients."""
        found = evaluate(self.sets, self.failures, theta)
        moved = replace(self.maximum, theta=theta)
        return replace(self, sets=found.sets, failures=found.failures, maximum=moved)

    def likelihood_ratio_test(self) -> Test:
        """Test all coefficients at once, by the rise of the log partial likelihood."""
        return chi_squared(2 * (self.log_likelihood - self.null_log_likelihood), self._df)

    def score_test(self) -> Test:
        """Test all coefficients at once, by the slope at zero (the log-rank test if one group)."""
        keep = ~self.maximum.aliased
        slope, curvature = self.maximum.start_gradient[keep], -self.maximum.start_hessian
        unit = np.sqrt(np.diag(curvature)[keep])
        return quadratic_test(slope / unit, curvature[np.ix_(keep, keep)] / np.outer(unit, unit))

    def wald_test(self, covariance: Floats | None = None) -> Test:
        """Test all finite coefficients at once, by their distance from zero.

        With the robust covariance, if one is given, it is a robust test.
        """
        spread = self.covariance if covariance is None else covariance
        known = np.isfinite(self.coef) & (np.diag(spread) > 0)
        error = np.sqrt(np.diag(spread)[known])
        z = self.coef[known] / error
        return quadratic_test(z, spread[np.ix_(known, known)] / np.outer(error, error))

    @property
    def _df(self) -> int:
        return int(np.count_nonzero(~self.maximum.aliased))

    def repeats(self, column: int) -> Ints:
        """Return the columns of which an aliased column is a combination; none if constant."""
        information = -self.maximum.start_hessian
        return combination(information, ~self.maximum.aliased, column)
