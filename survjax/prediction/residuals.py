"""Residuals of a fit: what each unit has passed of its own cumulative hazard.

Where the model is right, the cumulative hazard that a unit passes until it fails is a unit
exponential, whatever its covariates and its age when it was first seen.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from survjax.data.observations import Observations
from survjax.data.safe_columns import end_of_no_interval

#: Below this x - log(1 + x) is summed as a series: the difference would lose digits.
SMALL = 0.01


def still_running(
    times: np.ndarray, entry: np.ndarray | None, exit: np.ndarray | None
) -> Observations:
    """Rows that say no more than that each unit still ran at a time, given that it was seen.

    Minus their log-likelihood is the cumulative hazard that the unit has passed by then: H(t) -
    H(entry), and with an exit that of the life among those that were seen, given failure by it.

    Parameters
    ----------
    times : array of shape (n,)
        At least the entry; zero, at which nothing has passed, is replaced (`passed` knows).
    entry, exit : array of shape (n,) or None
        Truncation bounds, as in `Observations`.
    """
    safe = np.where((times > 0) & np.isfinite(times), times, 1.0)
    nothing = np.zeros(safe.shape)
    rows = Observations(safe, np.log(safe), nothing, nothing + 1.0, entry=entry, exit=exit)
    if exit is None:
        return rows
    between = np.isfinite(exit) & (safe < exit)
    upper = np.where(between, exit, end_of_no_interval(safe))
    return dataclasses.replace(rows, upper=upper, interval=between.astype(np.float64))


def passed(
    terms: np.ndarray, times: np.ndarray, entry: np.ndarray | None, exit: np.ndarray | None
) -> np.ndarray:
    """Cumulative hazards (..., n) from the log-likelihood of `still_running`.

    Nothing has passed by the entry, and all by the exit.
    """
    # A difference of two hazards may end below zero by rounding.
    found = np.maximum(-terms, 0.0)
    begun = times > (0.0 if entry is None else entry)
    ended = np.isposinf(times) if exit is None else times >= exit
    return np.where(ended, np.inf, np.where(begun, found, 0.0))


@dataclasses.dataclass(frozen=True)
class Residuals:
    """Residuals of units (n,), each per unit of weight.

    Attributes
    ----------
    lower, upper : arrays of shape (n,)
        The cumulative hazards between which each unit failed: equal for an exact failure, inf
        above for a unit still running.
    event : array of shape (n,)
        1.0 where a failure was seen, exactly or in an interval.
    """

    lower: np.ndarray
    upper: np.ndarray
    event: np.ndarray

    @property
    def cox_snell(self) -> np.ndarray:
        """The hazard passed; of an interval (A, B] its mean A + 1 - (B - A) / (exp(B - A) - 1)."""
        exact = ~(self.upper > self.lower)
        width = np.where(exact | (self.event == 0), 1.0, self.upper - self.lower)
        with np.errstate(over="ignore"):
            inside = self.lower + 1.0 - np.where(np.isinf(width), 0.0, width / np.expm1(width))
        return np.where(exact | (self.event == 0), self.lower, inside)

    @property
    def martingale(self) -> np.ndarray:
        """Failures seen minus failures expected."""
        return self.event - self.cox_snell

    @property
    def deviance(self) -> np.ndarray:
        """sign(M) sqrt(2 (l* - l)): l* the most that a row's own multiple of the hazard gives."""
        m = self.martingale
        a = self.lower
        exact = (self.event > 0) & ~(self.upper > a)
        inside = (self.event > 0) & ~exact
        # -log of what an exact failure has passed is infinite where it has passed nothing.
        with np.errstate(divide="ignore", invalid="ignore"):
            half = np.where(exact, _excess(a - 1.0), a)
        some = np.flatnonzero(inside)
        half[some] = _interval_excess(a[some], self.upper[some])
        return np.sign(m) * np.sqrt(2.0 * half)


def _excess(x: np.ndarray) -> np.ndarray:
    """x - log(1 + x), with full relative accuracy near zero."""
    near = np.abs(x) < SMALL
    small = np.where(near, x, 0.0)
    series = sum((-1.0) ** k * small**k / k for k in range(2, 12))
    return np.where(near, series, x - np.log1p(np.where(near, 1.0, x)))


def _interval_excess(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """log(e^{-c a} - e^{-c b}) at the c that makes it largest, less the same at c = 1.

    The largest is at c (b - a) = log(b / a), and 0 where a is 0 or b infinite.
    """
    bounded = (a > 0) & np.isfinite(b)
    width = b - a
    safe = np.where(bounded, a, 1.0), np.where(bounded, width, 1.0)
    ratio = np.log1p(safe[1] / safe[0])
    with np.errstate(divide="ignore"):
        best = -safe[0] * ratio / safe[1] + np.log(-np.expm1(-ratio))
        own = -a + np.log(-np.expm1(-width))
    return np.maximum(np.where(bounded, best, 0.0) - own, 0.0)
