"""What a plan does to one asset: survival along it, remaining life, and what to change."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.annotations import Covariates
from survjax._core.precision import double_precision
from survjax._core.validation import check_positive, check_rows, check_times
from survjax.estimators.assets.predictions import AssetPredictions
from survjax.estimators.covariates import check_covariates, column_names
from survjax.estimators.frames import frame
from survjax.estimators.lifetime.predictions import check_level
from survjax.prediction.curves import bounds, response_value
from survjax.prediction.paths import along

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class PathPrediction:
    """The answer of `predict_path`.

    Attributes
    ----------
    survival : DataFrame
        `survival, lower, upper` at the end of each stretch of the plan, indexed by time.
    mean, mean_lower, mean_upper : float
        Mean remaining life from the plan's beginning, its last stretch going on, with bounds.
        With a horizon, the mean time that the asset runs within it.
    gradient : DataFrame
        Change of that mean per unit of each covariate in each stretch.
    horizon : float
        Infinite, but for `CoxPH`, which knows nothing beyond the last failure: the length of
        the plan.
    """

    survival: pd.DataFrame
    mean: float
    mean_lower: float
    mean_upper: float
    gradient: pd.DataFrame
    horizon: float = np.inf


def check_plan(edges: ArrayLike, n_stretches: int, age: float | None) -> tuple[np.ndarray, float]:
    """Ages at which stretches begin and end, increasing; and the age at the first."""
    times = check_times(edges, "edges", zero=True)
    if times.shape[0] != n_stretches + 1:
        raise ValueError(
            f"edges must have one entry more than X has rows, got {times.shape[0]} for "
            f"{n_stretches} rows"
        )
    rising = np.concatenate([[True], np.diff(times) > 0])
    check_rows(times, rising, "edges", "increasing", "sort them and drop repetitions")
    return times, float(times[0]) if age is None else check_positive(age, "age", zero=True)


def path_tables(
    names: list[str],
    times: np.ndarray,
    log_hazard: np.ndarray,
    errors: np.ndarray,
    gradient: np.ndarray,
    level: float,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The frames of a `PathPrediction`: survival with bounds, and the gradient."""
    low, high = bounds("survival", log_hazard, errors, level)
    survival = frame(
        {"survival": response_value("survival", log_hazard), "lower": low, "upper": high}
    )
    survival.index = times[1:]
    table = frame(dict(zip(names, gradient.T, strict=True)))
    table.index = times[:-1]
    return survival, table


class PathPredictions(AssetPredictions):
    """Predictions where covariates change with time."""

    def _along(
        self, x: np.ndarray, times: np.ndarray, age: float, level: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Log hazards at the later edges and the log mean, errors for `level`, and a gradient."""
        values, errors, gradient = along(self._fitted.reading(x), x, times, age)
        return values, errors, gradient[:, : self._fitted.columns.center.size]

    @double_precision
    def predict_path(
        self,
        X: Covariates,
        edges: ArrayLike,
        *,
        age: float | None = None,
        level: float = 0.95,
        offset: ArrayLike | None = None,
    ) -> PathPrediction:
        """Remaining life of one asset along a plan of covariates, such as load A or load B.

        Parameters
        ----------
        X : array-like of shape (m, p)
            Planned covariates, one row for each stretch of time.
        edges : array-like of shape (m + 1,)
            Ages at which stretches begin and end; the asset still runs at the first.
        age : float, optional
            Age at the first edge, that edge by default. For accelerated life after a varied
            past: its `effective_ages`.
        level : float, default 0.95
            Of the bounds.
        offset : array-like of shape (m,), optional
            Known part of the log scale (log hazard) in each stretch, as in `predict`.

        Returns
        -------
        PathPrediction
            Survival at each edge, the mean remaining life, and its gradient in the plan.
        """
        self._check_fitted()
        x = self._with_offset(check_covariates(self, X, reset=False), offset)
        times, begin = check_plan(edges, x.shape[0], age)
        values, errors, gradient = self._along(x, times, begin, check_level(level))
        names, curve = column_names(self), (values[:-1], errors[:-1])
        survival, table = path_tables(names, times, *curve, gradient, level)
        below, above = bounds("mean", values[-1:], errors[-1:], level)
        mean = float(np.exp(values[-1]))
        return PathPrediction(survival, mean, float(below[0]), float(above[0]), table)
