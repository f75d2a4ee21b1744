"""Cox's model as a plain loop over risk sets: slow, and in sums of exponentials that lose nothing.

Each risk set is listed from the data; sums are taken relative to the largest risk in it, and means
and spreads relative to the mean covariates in it. Nothing is sorted, accumulated or subtracted.
"""

from dataclasses import dataclass

import numpy as np


@dataclass
class RiskSet:
    """One failure time of one stratum: rows at risk, rows that failed, and Efron's terms."""

    time: float
    stratum: int
    rows: np.ndarray
    failed: np.ndarray
    shares: np.ndarray
    term_weight: np.ndarray


def risk_sets(time, event, entry, strata, weight, ties, weights="counts"):
    """List the risk sets, by stratum and time."""
    found = []
    for s in np.unique(strata):
        own = (strata == s) & (weight > 0)
        for t in np.unique(time[own & event]):
            rows = np.flatnonzero(own & (entry < t) & (time >= t))
            failed = np.isin(rows, np.flatnonzero(event & (time == t)))
            total = weight[rows[failed]].sum()
            m = round(total) if weights == "counts" else int(failed.sum())
            if ties == "breslow":
                shares, amounts = np.zeros(1), np.array([total])
            else:
                shares, amounts = np.arange(m) / m, np.full(m, total / m)
            found.append(RiskSet(t, s, rows, failed, shares, amounts))
    return found


class Plain:
    """The log partial likelihood and what follows from it, at given coefficients."""

    def __init__(self, x, event, sets, weight, offset=None):
        self.x, self.event, self.sets, self.weight = x, event, sets, weight
        self.offset = np.zeros(len(x)) if offset is None else offset

    def terms(self, beta):
        """Of each risk set: chances to fail of all at risk for each term (m, r), and log risks."""
        for one in self.sets:
            x = self.x[one.rows] - self.x[one.rows].mean(axis=0)
            eta = x @ beta + self.offset[one.rows]
            top = eta.max()
            risk = self.weight[one.rows] * np.exp(eta - top)
            left = risk * (1.0 - one.shares[:, None] * one.failed)
            below = left.sum(axis=1)
            yield one, x, eta, left / below[:, None], np.log(below) + top

    def derivatives(self, beta):
        """Value, gradient and Hessian."""
        p = self.x.shape[1]
        value, gradient, hessian = 0.0, np.zeros(p), np.zeros((p, p))
        for one, x, eta, chance, log_below in self.terms(beta):
            own = self.weight[one.rows[one.failed]]
            value += own @ eta[one.failed] - one.term_weight @ log_below
            mean = chance @ x
            gradient += own @ x[one.failed] - one.term_weight @ mean
            for w, q, m in zip(one.term_weight, chance, mean, strict=True):
                away = x - m
                hessian -= w * (q * away.T) @ away
        return value, gradient, hessian

    def fit(self):
        """Newton's method with halved steps, in units of each column's information."""
        beta = np.zeros(self.x.shape[1])
        value, gradient, hessian = self.derivatives(beta)
        for _ in range(200):
            unit = 1.0 / np.sqrt(np.diag(-hessian))
            step = unit * np.linalg.solve(-hessian * np.outer(unit, unit), unit * gradient)
            decrement = gradient @ step
            length = 1.0
            while True:
                trial = self.derivatives(beta + length * step)
                if trial[0] >= value - 1e-11 * abs(value) or length < 1e-9:
                    break
                length *= 0.5
            beta = beta + length * step
            value, gradient, hessian = trial
            if decrement < 1e-26:
                break
        return beta, value, hessian

    def log_hazards(self, beta, at):
        """Log steps of the baseline hazard at covariates `at`: by (stratum, time)."""
        found = {}
        for one, _, _, _, log_below in self.terms(beta):
            # Covariates were taken relative to the mean of those at risk.
            shift = (at - self.x[one.rows].mean(axis=0)) @ beta
            logs = np.log(one.term_weight) - log_below + shift
            found[one.stratum, one.time] = np.logaddexp.reduce(logs)
        return found

    def residuals(self, beta):
        """Martingale and score residuals of one unit of weight of each row."""
        martingale = np.zeros(len(self.x))
        score = np.zeros(self.x.shape)
        for one, x, _, chance, _ in self.terms(beta):
            m = one.term_weight.sum()
            mean = chance @ x
            own = one.rows[one.failed]
            martingale[own] += 1.0
            score[own] += x[one.failed] - (one.term_weight @ mean) / m
            for w, q, center in zip(one.term_weight, chance, mean, strict=True):
                passed = w * q / self.weight[one.rows]
                martingale[one.rows] -= passed
                score[one.rows] -= passed[:, None] * (x - center)
        return martingale, score
