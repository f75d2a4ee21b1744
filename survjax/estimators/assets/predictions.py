"""Curves and remaining life of each asset, as frames with bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.annotations import Covariates, RandomState
from survjax._core.precision import double_precision
from survjax._core.validation import (
    check_per_unit,
    check_shares,
    check_size,
    check_times,
    random_generator,
)
from survjax.data.labels import rows_by_position
from survjax.estimators.assets.curves import AssetCurves
from survjax.estimators.frames import curve_frame, frame
from survjax.estimators.lifetime.predictions import check_level
from survjax.prediction.curves import bounds, response_value

if TYPE_CHECKING:
    import pandas as pd


class AssetPredictions(AssetCurves):
    """Predictions of an estimator with covariates.

    Ages and times are in the unit of the durations that were fitted. With `ages`, every answer
    is about the remaining life of units that still run at those ages.
    """

    @double_precision
    def predict(
        self, X: Covariates, ages: ArrayLike | None = None, offset: ArrayLike | None = None
    ) -> np.ndarray:
        """Mean life of each asset, or mean remaining life at `ages`.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Covariates.
        ages : array-like of shape (n,) or float, optional
            Time each asset has survived.
        offset : array-like of shape (n,), optional
            Known part of each asset's log scale (log hazard), as in `fit`; 0 by default.

        Returns
        -------
        array of shape (n,)
            In the unit of the durations; infinite where the family has no mean.
        """
        x, ages = self._assets(X, ages, offset)
        values, _ = self._curves(("mean",), np.zeros((1, x.shape[0])), x, ages, None)
        return response_value("mean", values[0])

    @double_precision
    def predict_survival(
        self,
        X: Covariates,
        times: ArrayLike,
        ages: ArrayLike | None = None,
        level: float | None = 0.95,
        offset: ArrayLike | None = None,
    ) -> pd.DataFrame:
        """Chance of each asset to run on, at each of several times.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Covariates. A frame keeps its index.
        times : array-like of shape (m,)
            Times from birth, or from `ages` on.
        ages : array-like of shape (n,), optional
            Time each asset has survived.
        level : float or None, default 0.95
            Of the confidence bounds; None leaves them out.
        offset : array-like of shape (n,), optional
            As in `predict`.

        Returns
        -------
        DataFrame
            One row an asset; columns are pairs (what, time) with `survival`, `lower` and
            `upper`, so that `found["survival"]` is the table of chances. With `level=None`,
            that table itself.
        """
        x, ages = self._assets(X, ages, offset)
        t = check_times(np.atleast_1d(np.asarray(times)), "times", zero=True)
        level = None if level is None else check_level(level)
        wide = np.repeat(t[:, None], x.shape[0], axis=1)
        values, errors = self._curves(("survival",) * t.size, wide, x, ages, level)
        tables = {"survival": response_value("survival", values).T}
        if level is not None:
            low, high = bounds("survival", values, errors, level)
            tables |= {"lower": low.T, "upper": high.T}
        return curve_frame(tables, t, like=X)

    @double_precision
    def predict_quantile(
        self,
        X: Covariates,
        quantiles: ArrayLike = (0.1, 0.5, 0.9),
        ages: ArrayLike | None = None,
        level: float = 0.95,
        offset: ArrayLike | None = None,
    ) -> pd.DataFrame:
        """Times by which given shares of assets like each have failed, with bounds.

        Parameters
        ----------
        X, ages, level, offset
            As in `predict_rul`.
        quantiles : sequence of float, default (0.1, 0.5, 0.9)
            Shares failed.

        Returns
        -------
        DataFrame
            `q10, q10_lower, q10_upper, q50, ...`, one row an asset.
        """
        return self._rul(X, ages, quantiles, level, offset, mean=False)

    @double_precision
    def predict_rul(
        self,
        X: Covariates,
        ages: Any = None,
        quantiles: ArrayLike = (0.1, 0.5, 0.9),
        level: float = 0.95,
        offset: Any = None,
    ) -> pd.DataFrame:
        """Remaining useful life of each asset, with confidence bounds.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Covariates. A frame keeps its index.
        ages : array-like of shape (n,), optional
            Time each asset has survived; zero by default.
        quantiles : sequence of float, default (0.1, 0.5, 0.9)
            Shares failed: `q10` is the remaining life that nine in ten such assets exceed.
        level : float, default 0.95
            Of the bounds, which carry the uncertainty of the fit. They bound the mean and the
            quantiles, not one asset's realized life: `predict_interval` does that.
        offset : array-like of shape (n,), optional
            As in `predict`.

        Returns
        -------
        DataFrame
            One row an asset: `mean, mean_lower, mean_upper, q10, q10_lower, ...`
        """
        return self._rul(X, ages, quantiles, level, offset, mean=True)

    def _rul(
        self, X: Covariates, ages: Any, quantiles: ArrayLike, level: float, offset: Any, mean: bool
    ) -> pd.DataFrame:
        x, ages = self._assets(X, ages, offset)
        check_level(level)
        q, names = check_shares(quantiles)
        curves = (*("mean",) * mean, *("quantile",) * q.size)
        t = np.concatenate([[0.0] * mean, q])[:, None] * np.ones(x.shape[0])
        values, errors = self._curves(curves, t, x, ages, level)
        low, high = bounds("mean", values, errors, level)
        if self._has_components():
            rows = slice(int(mean), None)
            low[rows], high[rows] = self._quantile_bounds(t[rows], values[rows], x, ages, level)
        columns: dict[str, np.ndarray] = {}
        for i, name in enumerate([*["mean"] * mean, *names]):
            columns[name] = response_value(curves[i], values[i])
            columns[f"{name}_lower"], columns[f"{name}_upper"] = low[i], high[i]
        return frame(columns, like=X)

    @double_precision
    def predict_interval(
        self,
        X: Covariates,
        ages: ArrayLike | None = None,
        level: float = 0.95,
        offset: ArrayLike | None = None,
    ) -> pd.DataFrame:
        """Where the realized (remaining) life of each asset will fall.

        Parameters
        ----------
        X, ages, offset
            As in `predict_rul`.
        level : float, default 0.95
            Chance that the interval holds the life that comes true: the spread of lives and the
            uncertainty of the fit are both in it.

        Returns
        -------
        DataFrame
            Columns `lower` and `upper`, one row an asset.
        """
        x, ages = self._assets(X, ages, offset)
        low, high = self._interval(x, ages, check_level(level))
        return frame({"lower": low, "upper": high}, like=X)

    @double_precision
    def sample(
        self,
        X: Covariates,
        n: int = 1,
        *,
        ages: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        random_state: RandomState = None,
    ) -> np.ndarray:
        """Draw random (remaining) lives of each asset, as the fit has them.

        Parameters
        ----------
        X, ages, offset
            As in `predict_rul`.
        n : int, default 1
            How many for each asset.
        random_state : int or numpy.random.Generator, optional
            The estimator's own by default, or 0.

        Returns
        -------
        array of shape (assets, n)
            In the unit of the durations.
        """
        x, ages = self._assets(X, ages, offset)
        check_size(n)
        if random_state is None:
            random_state = getattr(self, "random_state", 0)
        # The cumulative hazard of a lifetime is a unit exponential.
        hazards = random_generator(random_state).exponential(size=(int(n), x.shape[0]))
        if n == 0:
            return hazards.T
        values, _ = self._curves(("time_at_hazard",) * int(n), hazards, x, ages, None)
        return np.exp(values).T

    @double_precision
    @rows_by_position
    def failure_probability(
        self,
        X: Covariates,
        ages: ArrayLike | None = None,
        horizon: ArrayLike = 1.0,
        level: float = 0.95,
        offset: ArrayLike | None = None,
    ) -> pd.DataFrame:
        """P(an asset fails within the horizon, given that it reached its age), with bounds.

        Parameters
        ----------
        X, ages, level, offset
            As in `predict_rul`.
        horizon : float or array-like of shape (n,), default 1
            Time ahead, in the unit of the durations.

        Returns
        -------
        DataFrame
            `failure_probability, lower, upper`, one row an asset.
        """
        x, ages = self._assets(X, ages, offset)
        t = check_per_unit(horizon, ages.size, "horizon", zero=True)
        level = check_level(level)
        values, errors = self._curves(("cdf",), t[None], x, ages, level)
        low, high = bounds("cdf", values[0], errors[0], level)
        columns = {"failure_probability": response_value("cdf", values[0])}
        return frame(columns | {"lower": low, "upper": high}, like=X)
