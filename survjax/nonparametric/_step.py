"""Step curves: what every nonparametric estimate of a lifetime returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from survjax.nonparametric.rows import Floats, Watched, nearest_equal

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["StepCurve"]


class OnRequest:
    """A field that is an array, or a function that computes it when it is first read."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, curve: Any, owner: type | None = None) -> Any:
        if curve is None:
            return self
        value = curve.__dict__[self.name]
        if callable(value):
            value = curve.__dict__[self.name] = value()
        return value

    def __set__(self, curve: Any, value: Floats | Callable[[], Floats]) -> None:
        curve.__dict__[self.name] = value


@dataclass(frozen=True, repr=False)
class StepCurve:
    """A right-continuous step curve with pointwise confidence bounds.

    Beyond the end of follow-up, when the last unit was seen, nothing is known: the curve, its
    bounds and its standard error are NaN there. A curve that has reached its final value by then
    (survival 0, because all units at risk failed) keeps it. Times that differ from one in the
    data by rounding only, as 0.3 from 0.1 * 3, count as that one.

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
    end : float
        End of follow-up: the last time at which any unit was under observation. The default,
        inf, is for a curve that is known at all times.
    complete : bool
        Whether the curve keeps its last value beyond ``end``.
    watched : Watched, optional
        When units were under observation, for ``number_at_risk``.
    quantity : str
        What the values of a curve from 0 up are, for pictures: "cumulative hazard".

    Examples
    --------
    >>> from survjax.nonparametric import kaplan_meier
    >>> curve = kaplan_meier([6, 7, 10, 15], [True, False, True, True])
    >>> curve([0, 6, 9, 10]).tolist()
    [1.0, 0.75, 0.75, 0.375]
    >>> float(curve.quantile(0.5))
    10.0
    >>> kaplan_meier([6, 7, 10, 15], [True, True, True, False])([15, 16]).tolist()
    [0.25, nan]
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
    end: float = np.inf
    complete: bool = False
    watched: Watched | None = None
    quantity: str = ""

    def __repr__(self) -> str:
        if self.times.size == 0:
            steps = f"no step, {self.initial:g} throughout"
        else:
            count = f"{self.times.size} step{'s' if self.times.size > 1 else ''}"
            times = " to ".join(f"{t:.6g}" for t in np.unique(self.times[[0, -1]]))
            steps = f"{count} at {times}, from {self.initial:g} to {self.values[-1]:.4g}"
        end = f", followed to {self.end:.6g}" if np.isfinite(self.end) else ""
        return f"<{type(self).__name__}: {steps}{end}>"

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
        return self._at(np.sqrt(self.variance), t, "right", 0.0)

    def known_at(self, t: ArrayLike) -> np.ndarray:
        """Return whether the curve is known at t: not beyond the end of follow-up."""
        return self._known(self.nearest(t))

    def nearest(self, t: ArrayLike) -> Floats:
        """Return times, equal to one of the curve's own where only rounding sets them apart."""
        return nearest_equal(np.array([self.end]), nearest_equal(self.times, t))

    def number_at_risk(self, t: ArrayLike) -> Floats:
        """Return the weight at risk just before any times t: under observation and not failed.

        NaN of a curve that does not know when units were under observation.

        Examples
        --------
        >>> from survjax.nonparametric import kaplan_meier
        >>> kaplan_meier([6, 7, 10, 15], [True, False, True, True]).number_at_risk([0, 8]).tolist()
        [4.0, 2.0]
        """
        wanted = np.asarray(t, dtype=np.float64)
        if self.watched is None:
            return np.full(wanted.shape, np.nan)[()]
        return self.watched.at_risk(wanted.ravel()).reshape(wanted.shape)[()]

    def to_frame(self) -> pd.DataFrame:
        """Return the steps as a DataFrame, a row a time.

        Returns
        -------
        DataFrame
            `value`, `lower`, `upper`, `standard_error`, `at_risk` and `events`, with `time` as
            index; the first row is the start, at time 0.

        Examples
        --------
        >>> from survjax.nonparametric import kaplan_meier
        >>> kaplan_meier([3, 5, 5, 8], [1, 1, 0, 1]).to_frame()[["value", "at_risk", "events"]]
              value  at_risk  events
        time
        0.0    1.00      4.0     0.0
        3.0    0.75      4.0     1.0
        5.0    0.50      3.0     1.0
        8.0    0.00      1.0     1.0
        """
        import pandas as pd  # deferred: curves need no frames

        first: dict[str, Any] = {
            "value": self.initial, "lower": self.initial, "upper": self.initial,
            "standard_error": 0.0, "at_risk": self.number_at_risk(0.0), "events": 0.0,
        }  # fmt: skip
        later = {
            "value": self.values, "lower": self.lower, "upper": self.upper,
            "standard_error": np.sqrt(self.variance), "at_risk": self.at_risk,
            "events": self.events,
        }  # fmt: skip
        index = pd.Index(np.append(0.0, self.times), name="time")
        return pd.DataFrame({k: np.append(first[k], later[k]) for k in first}, index=index)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        unit: str | None = None,
        label: str | None = None,
        at_risk: bool = False,
    ) -> Axes:
        """Draw the curve with its bounds, up to the end of follow-up.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; None makes a figure.
        unit : str, optional
            Unit of time, for the label of the axis.
        label : str, optional
            Name of the curve, for the legend.
        at_risk : bool, default False
            Whether to write how many units are at risk below the axis. For several groups see
            `survjax.plotting.plot_steps`.

        Returns
        -------
        matplotlib Axes
        """
        from survjax.plotting import plot_steps

        return plot_steps(self, ax, unit=unit, label=label, at_risk=at_risk)

    @property
    def jumps(self) -> Floats:
        """Size of the step at each time; for a survival curve, the probability there."""
        if self.initial != 1.0 or np.isnan(self.at_risk).any():
            return np.abs(np.diff(self.values, prepend=self.initial))
        # Without a difference of two numbers: small steps keep their digits.
        return np.append(1.0, self.values)[:-1] * (self.events / self.at_risk)

    def quantile(self, q: ArrayLike) -> Floats:
        """Return the time by which a share q has failed.

        Defined for survival curves: the smallest event time with S(t) <= 1 - q. It is inf where
        fewer had failed at the end of follow-up: the time lies beyond it.
        """
        return self._crossing(self.values, q)

    def quantile_bounds(self, q: ArrayLike) -> tuple[Floats, Floats]:
        """Return confidence bounds of ``quantile(q)``: where the bounds cross 1 - q.

        They are NaN where the curve has no bounds. Source: Brookmeyer and Crowley (1982), by
        inversion of the pointwise bounds.
        """
        return self._crossing(self.lower, q), self._crossing(self.upper, q)

    def _at(
        self,
        values: Floats,
        t: ArrayLike,
        side: Literal["left", "right"],
        initial: float | None = None,
    ) -> Floats:
        wanted = self.nearest(t)
        number = np.searchsorted(self.times, wanted, side=side)
        found = np.full(wanted.shape, self.initial if initial is None else initial)
        if values.size:
            found = np.where(number > 0, values[np.maximum(number - 1, 0)], found)
        return np.where(self._known(wanted), found, np.nan)[()]

    def _known(self, t: Floats) -> np.ndarray:
        return (t <= self.end) | (~np.isnan(t) & self.complete)

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
        if np.isnan(values).any():
            return np.full(share.shape, np.nan)[()]
        falling = -np.minimum.accumulate(values) if values.size else values
        index = np.searchsorted(falling, -target, side="left")
        return np.append(self.times, np.inf)[index]


# Bounds take longer than the curve itself: an estimate may leave them until they are asked for.
for _name in ("lower", "upper", "variance"):
    setattr(StepCurve, _name, OnRequest(_name))
