"""What follows from several causes: who ends of what, and when."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.annotations import RandomState
from survjax._core.precision import double_precision
from survjax._core.validation import (
    as_floats,
    check_per_unit,
    check_size,
    check_times,
    random_generator,
)
from survjax.data.labels import rows_by_position
from survjax.estimators.competing.state import CausesState
from survjax.estimators.frames import frame
from survjax.estimators.lifetime.predictions import FittedLifetime, check_level
from survjax.prediction.curves import response_value, times_at
from survjax.prediction.incidence import incidence
from survjax.uncertainty.causes.bounds import bounded_incidence

if TYPE_CHECKING:
    import pandas as pd

    from survjax.estimators.lifetime.model import LifetimeModel


class FittedCauses(FittedLifetime, CausesState):
    """Methods of an estimator that holds `lifetime_`, whose hazard is the sum of its causes'.

    Without `cause`, a method is about the end of units of any cause.
    """

    _check_fitted: Callable[[], None]

    def _number(self, cause: Hashable) -> int:
        """The place of a cause among all, or one clear error."""
        self._check_fitted()
        labels = self._template.labels
        if isinstance(cause, Hashable) and cause in labels:
            return labels.index(cause)
        known = ", ".join(map(repr, labels))
        raise ValueError(f"cause must be one of {known}, got {cause!r}")

    def _alone(self, cause: Hashable) -> LifetimeModel:
        """A cause as if no other were at work."""
        return self._models[self._template.labels[self._number(cause)]]

    def hazard(self, t: ArrayLike, cause: Hashable = None, *, ages: ArrayLike | None = None) -> Any:
        """Rate at which running units end at t (or at ages + t), of one cause or of any.

        Parameters
        ----------
        t : float or array-like
            Times.
        cause : label, optional
            The cause-specific hazard of one cause; None adds all up.
        ages : array-like, optional
            Ages reached; broadcasts with t.

        Returns
        -------
        float or array of the shape of t
            Per unit of time.
        """
        if cause is None:
            return super().hazard(t, ages=ages)
        return self._alone(cause).hazard(t, ages=ages)

    def cumulative_hazard(
        self, t: ArrayLike, cause: Hashable = None, *, ages: ArrayLike | None = None
    ) -> Any:
        """Hazard of one cause, or of all, integrated over (0, t) or over (ages, ages + t).

        Parameters
        ----------
        t : float or array-like
            Times.
        cause : label, optional
            One cause; None adds all up.
        ages : array-like, optional
            Ages reached; broadcasts with t.

        Returns
        -------
        float or array of the shape of t
        """
        if cause is None:
            return super().cumulative_hazard(t, ages=ages)
        return self._alone(cause).cumulative_hazard(t, ages=ages)

    def cumulative_incidence(
        self, times: ArrayLike, cause: Hashable, level: float | None = 0.95
    ) -> pd.DataFrame | Any:
        r"""P(a new unit has ended of a cause by each time), with bounds.

        Parameters
        ----------
        times : float or array-like of shape (n,)
            In the unit of the durations.
        cause : label
            The cause.
        level : float or None, default 0.95
            Of the confidence bounds, by the delta method on the log(-log(1 - F)) scale. None
            gives the numbers alone.

        Returns
        -------
        DataFrame, or array of the shape of times
            `cumulative_incidence, lower, upper`, one row a time, which is its index; with
            `level=None` an array (a float for one time).

        Notes
        -----
        F_k(t) = \int_0^t h_k(s) S(s) ds with S the survival of all causes together, by quadrature:
        other causes take units away. These shares and the survival add up to one.

        Examples
        --------
        >>> from survjax import CompetingRisks
        >>> model = CompetingRisks({"wear": "weibull", "shock": "exponential"})
        >>> model = model.fit([3.0, 5.0, 6.0, 8.0], ["wear", "shock", None, "wear"])
        >>> round(model.cumulative_incidence(6.0, "wear", level=None), 3)
        0.317
        """
        shape = np.shape(times)
        t = check_times(as_floats(np.ravel(times), "times"), "times", zero=True)
        values, lower, upper = self._incidence(cause, t, np.zeros(t.size), level)
        if level is None:
            return values.reshape(shape) if shape else float(values[0])
        columns = {"cumulative_incidence": values, "lower": lower, "upper": upper}
        return frame(columns, names=t)

    def _drawn_incidence(
        self, t: np.ndarray, cause: Hashable, level: float
    ) -> tuple[np.ndarray, ...]:
        """What a cause has ended of new units by times (m,), and the band where there is one."""
        found = self._incidence(cause, t, np.zeros(t.size), level)
        return found if self.converged_ else found[:1]

    @double_precision
    def _incidence(
        self, cause: Hashable, t: np.ndarray, ages: np.ndarray, level: float | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """P(ended of a cause within t, given the age), and its bounds."""
        number = self._number(cause)
        if level is not None:
            check_level(level)
        # Units of one age and time have one answer.
        distinct, back = np.unique(np.stack([t, ages]), axis=1, return_inverse=True)
        t, ages, back = *distinct, np.ravel(back)
        if level is None:
            values, _ = incidence(self.lifetime_, None, number, t, ages)
            share = response_value("cdf", values)[back]
            return share, share, share
        share, lower, upper = bounded_incidence(
            self.lifetime_, self.covariance_, self._maxima, number, t, ages, level
        )
        return share[back], lower[back], upper[back]

    @double_precision
    def probability_of(
        self, cause: Hashable, ages: ArrayLike = 0.0, level: float = 0.95
    ) -> pd.DataFrame:
        """P(the cause is what ends a unit, sooner or later, given that it reached its age).

        Parameters
        ----------
        cause : label
            The cause.
        ages : float or array-like of shape (n,), default 0
            Time each unit has survived. A Series keeps its index.
        level : float, default 0.95
            Of the confidence bounds, by the delta method on the log(-log(1 - p)) scale.

        Returns
        -------
        DataFrame
            `probability, lower, upper`, one row a unit. Over all causes the probabilities add up
            to one, unless some units never end.
        """
        given, ages = ages, check_times(np.atleast_1d(ages), "ages", zero=True)
        found = self._incidence(cause, np.full(ages.size, np.inf), ages, level)
        return frame(dict(zip(("probability", "lower", "upper"), found, strict=True)), like=given)

    @double_precision
    @rows_by_position
    def failure_probability(
        self, ages: ArrayLike, horizon: Any = 1.0, level: float = 0.95, *, cause: Hashable = None
    ) -> pd.DataFrame:
        """P(a unit ends within the horizon, given that it reached its age), with bounds.

        Parameters
        ----------
        ages : array-like of shape (n,)
            Time each unit has survived. A Series keeps its index.
        horizon : float or array-like of shape (n,), default 1.0
            Length of the period ahead.
        level : float, default 0.95
            Of the confidence bounds, which carry the uncertainty of the fit.
        cause : label, optional
            P(this cause ends the unit within the horizon): the chances of all causes add up to
            that of any.

        Returns
        -------
        DataFrame
            `failure_probability, lower, upper`, one row a unit.
        """
        if cause is None:
            return super().failure_probability(ages, horizon, level)
        given, ages = ages, check_times(np.atleast_1d(ages), "ages", zero=True)
        t = check_per_unit(horizon, ages.size, "horizon", zero=True)
        found = self._incidence(cause, t, ages, level)
        names = ("failure_probability", "lower", "upper")
        return frame(dict(zip(names, found, strict=True)), like=given)

    def predict_rul(
        self,
        ages: ArrayLike,
        quantiles: ArrayLike = (0.1, 0.5, 0.9),
        level: float = 0.95,
        *,
        cause: Hashable = None,
    ) -> pd.DataFrame:
        """Remaining useful life of units still running, with confidence bounds.

        Parameters
        ----------
        ages : array-like of shape (n,)
            Time each unit has survived. A Series keeps its index.
        quantiles : sequence of float, default (0.1, 0.5, 0.9)
            Shares ended: `q10` is the remaining life that nine units in ten exceed.
        level : float, default 0.95
            Of the confidence bounds, which carry the uncertainty of the fit.
        cause : label, optional
            None: the time until any cause ends the unit. A cause: the time until it would end the
            unit if no other cause did so first, given that the unit reached its age (the latent
            lifetime of that cause). It answers "when would this part wear out", not "when does
            this unit fail", and takes the causes to be independent, which data cannot tell. The
            chance that the cause ends the unit at all is `failure_probability(..., cause=)`.

        Returns
        -------
        DataFrame
            One row a unit: `mean, mean_lower, mean_upper, q10, q10_lower, q10_upper, ...`
        """
        if cause is None:
            return super().predict_rul(ages, quantiles, level)
        return self._alone(cause).predict_rul(ages, quantiles, level)

    @double_precision
    def sample(self, n: int, *, random_state: RandomState = None) -> pd.DataFrame:
        """Draw random lifetimes with what ended them.

        Parameters
        ----------
        n : int
            How many.
        random_state : int or numpy.random.Generator, optional
            The estimator's own by default.

        Returns
        -------
        DataFrame
            `duration` and `cause`, one row a unit; an infinite duration and no cause where the
            unit never ends.
        """
        self._check_fitted()
        check_size(n)
        rng = random_generator(self.random_state if random_state is None else random_state)
        times = np.stack(
            [times_at(part, rng.exponential(size=int(n))) for part in self.lifetimes_.values()]
        )
        labels = np.array([*self.lifetimes_, None], object)
        first = np.min(times, axis=0)
        chosen = np.where(np.isfinite(first), np.argmin(times, axis=0), len(labels) - 1)
        return frame({"duration": first, "cause": labels[chosen]})

    random_state: RandomState
