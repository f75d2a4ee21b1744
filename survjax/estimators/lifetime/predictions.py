"""What follows from a fitted lifetime: curves, remaining life and their bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.annotations import RandomState
from survjax._core.precision import double_precision
from survjax._core.validation import (
    as_floats,
    check_per_unit,
    check_rows,
    check_shares,
    check_size,
    check_times,
    random_generator,
)
from survjax.data.labels import rows_by_position
from survjax.estimators.frames import frame
from survjax.estimators.messages import NotFittedError
from survjax.prediction.curves import evaluate, response_value, times_at
from survjax.prediction.remaining_life import prediction_interval
from survjax.uncertainty.modes import Maxima, bounded

if TYPE_CHECKING:
    import pandas as pd


#: A level nearer to one leaves nothing of the tails in 64 bits.
HIGHEST_LEVEL = 1.0 - 2.0**-50


def check_level(level: object) -> float:
    """Check a confidence level."""
    if not isinstance(level, (int, float, np.number)) or not 0.0 < float(level) < 1.0:
        raise ValueError(f"level must lie between 0 and 1, such as 0.95, got {level!r}")
    if float(level) > HIGHEST_LEVEL:
        raise ValueError(f"level must be at most {HIGHEST_LEVEL:.16g}, got {float(level)!r}")
    return float(level)


class FittedLifetime:
    """Methods of an estimator that holds `lifetime_` and `covariance_`.

    Times and ages are in the unit of the durations that were fitted. With `ages`, a curve is
    that of the remaining life: `survival(t, ages=a)` is the chance to run t longer, having
    reached a. Arguments broadcast.
    """

    lifetime_: Any
    covariance_: np.ndarray
    #: Other maxima of the likelihood that bounds take into account, where there are any.
    _maxima: Maxima | None = None

    def _check_fitted(self) -> None:
        if not hasattr(self, "lifetime_"):
            name = type(self).__name__
            raise NotFittedError(f"this {name} is not fitted yet: call fit first")

    def _arguments(
        self, curve: str, t: ArrayLike, ages: ArrayLike | None
    ) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
        """Checked times and ages of a curve, flat, and the shape that the answer should have."""
        self._check_fitted()
        t = _array(t, "q" if curve == "quantile" else "ages" if curve == "mean" else "t")
        if curve == "quantile":
            q = t.ravel()
            check_rows(
                q, (q >= 0) & (q < 1), "q", "at least 0 and below 1", "pass shares of failed units"
            )
        else:
            check_times(t.ravel(), "t", zero=True)
        ages = np.zeros(()) if ages is None else _array(ages, "ages")
        check_times(ages.ravel(), "ages", zero=True)
        if t.size == 0:
            raise ValueError(f"{curve} needs at least one point, got an empty array")
        try:
            t, ages = np.broadcast_arrays(t, ages)
        except ValueError:
            raise ValueError(
                f"points and ages must broadcast, got shapes {t.shape} and {ages.shape}"
            ) from None
        return t.ravel(), ages.ravel(), t.shape

    @double_precision
    def _curve(self, curve: str, t: ArrayLike, ages: ArrayLike | None) -> float | np.ndarray:
        t, ages, shape = self._arguments(curve, t, ages)
        values, _ = evaluate(self.lifetime_, None, (curve,), t[None], ages)
        return _shaped(response_value(curve, values[0]), shape)

    def survival(self, t: ArrayLike, *, ages: ArrayLike | None = None) -> Any:
        """P(T > t), or the chance to run t longer having reached `ages`."""
        return self._curve("survival", t, ages)

    def hazard(self, t: ArrayLike, *, ages: ArrayLike | None = None) -> Any:
        """Hazard rate at t (or at ages + t), per unit of time."""
        return self._curve("hazard", t, ages)

    def cumulative_hazard(self, t: ArrayLike, *, ages: ArrayLike | None = None) -> Any:
        """Hazard integrated over (0, t), or over (ages, ages + t)."""
        return self._curve("cumulative_hazard", t, ages)

    def density(self, t: ArrayLike, *, ages: ArrayLike | None = None) -> Any:
        """Probability density of the (remaining) life at t, per unit of time."""
        return self._curve("density", t, ages)

    def quantile(self, q: ArrayLike, *, ages: ArrayLike | None = None) -> Any:
        """The (remaining) life by which a share q of the units has failed, 0 <= q < 1."""
        return self._curve("quantile", q, ages)

    @double_precision
    def mean(self, *, ages: ArrayLike | None = None) -> Any:
        """Mean life, or mean remaining life at `ages`."""
        ages = np.zeros(()) if ages is None else _array(ages, "ages")
        check_times(ages.ravel(), "ages", zero=True)
        return self._curve("mean", np.zeros(ages.shape), ages)

    def predict(self, ages: ArrayLike) -> np.ndarray:
        """Mean remaining life of units that have reached `ages`, shape (n,)."""
        self._check_fitted()
        return np.atleast_1d(self.mean(ages=_array(ages, "ages")))

    def predict_rul(
        self, ages: ArrayLike, quantiles: ArrayLike = (0.1, 0.5, 0.9), level: float = 0.95
    ) -> pd.DataFrame:
        """Remaining useful life of units still running, with confidence bounds.

        Parameters
        ----------
        ages : array-like of shape (n,)
            Time each unit has survived. A Series keeps its index.
        quantiles : sequence of float, default (0.1, 0.5, 0.9)
            Shares failed: `q10` is the remaining life that nine units in ten exceed.
        level : float, default 0.95
            Of the confidence bounds, which carry the uncertainty of the fit (delta
            method on the log scale; for quantiles of several components, where the band of the
            curve reaches them). They bound the mean and the quantiles, not the life of one unit:
            `predict_interval` does that.

        Returns
        -------
        DataFrame
            One row a unit: `mean, mean_lower, mean_upper, q10, q10_lower, q10_upper, ...`
        """
        return frame(rul_columns(self, ages, quantiles, level), like=ages)

    def predict_interval(self, ages: ArrayLike, level: float = 0.95) -> pd.DataFrame:
        """Where the realized remaining life of each unit will fall.

        Parameters
        ----------
        ages : array-like of shape (n,)
            Time each unit has survived. A Series keeps its index.
        level : float, default 0.95
            Chance that the interval holds the life that comes true; both the spread of lives
            and the uncertainty of the fit are in it.

        Returns
        -------
        DataFrame
            Columns `lower` and `upper`, one row a unit; 0 or infinite where so few failures
            are behind the fit that they leave that end open.
        """
        return frame(interval_columns(self, ages, level), like=ages)

    def failure_probability(
        self, ages: ArrayLike, horizon: ArrayLike = 1.0, level: float = 0.95
    ) -> pd.DataFrame:
        """P(a unit fails within the horizon, given that it reached its age), with bounds.

        The discrete hazard: with ages in months and `horizon=1`, the chance to fail in the
        next month having lived until now.

        Parameters
        ----------
        ages : array-like of shape (n,)
            Time each unit has survived. A Series keeps its index.
        horizon : float or array-like of shape (n,), default 1.0
            Length of the period ahead.
        level : float, default 0.95
            Of the confidence bounds, which carry the uncertainty of the fit.

        Returns
        -------
        DataFrame
            `failure_probability, lower, upper`, one row a unit.
        """
        return frame(failure_columns(self, ages, horizon, level), like=ages)

    @double_precision
    def sample(self, n: int, *, random_state: RandomState = None) -> np.ndarray:
        """Draw n random lifetimes, shape (n,).

        Parameters
        ----------
        n : int
            How many.
        random_state : int or numpy.random.Generator, optional
            The estimator's own by default.
        """
        self._check_fitted()
        check_size(n)
        if random_state is None:
            random_state = getattr(self, "random_state", 0)
        rng = random_generator(random_state)
        # The cumulative hazard of a lifetime is a unit exponential.
        return times_at(self.lifetime_, rng.exponential(size=int(n)))


@double_precision
def rul_columns(
    model: FittedLifetime, ages: ArrayLike, quantiles: ArrayLike, level: float
) -> dict[str, np.ndarray]:
    """Columns of `predict_rul`, for those who need no frame and no pandas."""
    ages = _checked_ages(model, ages, level)
    q, names = check_shares(quantiles)
    # Units of one age have one answer: whole-number ages repeat.
    distinct, back = np.unique(ages, return_inverse=True)
    curves = ("mean", *("quantile",) * q.size)
    t = np.concatenate([[0.0], q])[:, None] * np.ones(distinct.size)
    values, _, lower, upper = bounded(
        model.lifetime_, model.covariance_, model._maxima, curves, t, distinct, level
    )
    columns: dict[str, np.ndarray] = {}
    for i, name in enumerate(["mean", *names]):
        columns[name] = response_value(curves[i], values[i])[back]
        columns[f"{name}_lower"], columns[f"{name}_upper"] = lower[i][back], upper[i][back]
    return columns


@double_precision
def interval_columns(model: FittedLifetime, ages: ArrayLike, level: float) -> dict[str, np.ndarray]:
    """Columns of `predict_interval`."""
    ages = _checked_ages(model, ages, level)
    distinct, back = np.unique(ages, return_inverse=True)
    low, high = prediction_interval(model.lifetime_, model.covariance_, distinct, level)
    return {"lower": low[back], "upper": high[back]}


@double_precision
@rows_by_position
def failure_columns(
    model: FittedLifetime, ages: ArrayLike, horizon: ArrayLike, level: float
) -> dict[str, np.ndarray]:
    """Columns of `failure_probability`."""
    ages = _checked_ages(model, ages, level)
    t = check_per_unit(horizon, ages.size, "horizon", zero=True)
    values, _, lower, upper = bounded(
        model.lifetime_, model.covariance_, model._maxima, ("cdf",), t[None], ages, level
    )
    chance = response_value("cdf", values[0])
    return {"failure_probability": chance, "lower": lower[0], "upper": upper[0]}


def _checked_ages(model: FittedLifetime, ages: ArrayLike, level: float) -> np.ndarray:
    """Ages in one row, once the model is fitted and the level is one."""
    model._check_fitted()
    check_level(level)
    return check_times(_array(ages, "ages").ravel(), "ages", zero=True)


def _array(values: ArrayLike, name: str) -> np.ndarray:
    """Numbers of any shape as float64."""
    array = values if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
    return as_floats(array.ravel(), name).reshape(array.shape)


def _shaped(values: np.ndarray, shape: tuple[int, ...]) -> float | np.ndarray:
    """An array of the asked shape; a plain float for a scalar."""
    return values.reshape(shape) if shape else float(values[0])
