"""Step curves: what every nonparametric estimate of a lifetime returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from survjax.inference.nonparametric._rows import Floats

__all__ = ["StepCurve"]


@dataclass(frozen=True)
class StepCurve:
    """A right-continuous step curve with pointwise confidence bounds.

    Parameters
    ----------
    times : ndarray of shape (m,)
        Distinct event times, increasing, in the unit of the durations.
    values : ndarray of shape (m,)
        The curve from each time on, up to the next.
    lower, upper : ndarray of shape (m,)
        Pointwise confidence bounds of ``values``.
    at_risk, events : ndarray of shape (m,)
        Weight at risk just before, and weight failing at, each time.
    variance : ndarray of shape (m,)
        Variance of ``values``.
    initial : float
        The curve before the first event: 1 for a survival curve, 0 for a cumulative one.
    starts : ndarray of shape (m,), optional
        Where the mass of each step may begin, if it is known only to lie in an interval
        that ends at the time.
    log_likelihood : float, optional
        The maximized log-likelihood, where the estimate is found by maximizing it.

    Examples
    --------
    >>> from survjax.inference.nonparametric import kaplan_meier
    >>> curve = kaplan_meier([6, 7, 10, 15], [True, False, True, True])
    >>> curve([0, 6, 9, 10]).tolist()
    [1.0, 0.75, 0.75, 0.375]
    >>> float(curve.quantile(0.5))
    10.0
    """

    times: Floats
    values: Floats
    lower: Floats
    upper: Floats
    at_risk: Floats
    events: Floats
    variance: Floats
    initial: float = 1.0
    starts: Floats | None = None
    log_likelihood: float | None = None

    def __call__(self, t: ArrayLike) -> Floats:
        """Return the curve at t (right-continuous: a jump at t is included)."""
        return self._at(self.values, t, "right")

    def before(self, t: ArrayLike) -> Floats:
        """Return the left limit of the curve at t (a jump at t is not included)."""
        return self._at(self.values, t, "left")

    def bounds(self, t: ArrayLike) -> tuple[Floats, Floats]:
        """Return the (lower, upper) pointwise confidence bounds at t."""
        return self._at(self.lower, t, "right"), self._at(self.upper, t, "right")

    def standard_error(self, t: ArrayLike) -> Floats:
        """Return the standard error of the curve at t; 0 before the first event."""
        steps = np.concatenate([[0.0], np.sqrt(self.variance)])
        return steps[np.searchsorted(self.times, np.asarray(t, dtype=np.float64), side="right")]

    @property
    def jumps(self) -> Floats:
        """Size of the step at each time; for a survival curve, the probability there."""
        return np.abs(np.diff(self.values, prepend=self.initial))

    def quantile(self, q: ArrayLike) -> Floats:
        """Return the time by which a share q has failed; inf where the curve stops short.

        Defined for survival curves: the smallest event time with S(t) <= 1 - q.
        """
        return self._crossing(self.values, q)

    def quantile_bounds(self, q: ArrayLike) -> tuple[Floats, Floats]:
        """Return confidence bounds of ``quantile(q)``: where the bounds cross 1 - q.

        Source: Brookmeyer and Crowley (1982), by inversion of the pointwise bounds.
        """
        return self._crossing(self.lower, q), self._crossing(self.upper, q)

    def _at(self, values: Floats, t: ArrayLike, side: Literal["left", "right"]) -> Floats:
        steps = np.concatenate([[self.initial], values])
        index = np.searchsorted(self.times, np.asarray(t, dtype=np.float64), side=side)
        return steps[index]

    def _crossing(self, values: Floats, q: ArrayLike) -> Floats:
        share = np.asarray(q, dtype=np.float64)
        if self.initial != 1.0:
            raise ValueError(
                f"quantile needs a survival curve; this one starts at {self.initial:g}."
            )
        if not np.all((share >= 0) & (share <= 1)):
            raise ValueError(f"q must lie between 0 and 1, got {q!r}.")
        # Products of fractions miss their exact value by some ulp: 0.5 must count as 0.5.
        target = (1.0 - share) + 8 * np.finfo(float).eps
        falling = -np.minimum.accumulate(values) if values.size else values
        index = np.searchsorted(falling, -target, side="left")
        return np.append(self.times, np.inf)[index]
