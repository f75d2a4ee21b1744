"""Curves of assets with their errors, for given covariates, offsets and ages."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from survjax._core.annotations import Covariates
from survjax._core.validation import check_offset, check_per_unit
from survjax.data.labels import rows_by_position
from survjax.estimators.covariates import check_covariates
from survjax.prediction.curves import by_inversion, response_value
from survjax.prediction.regression_curves import FittedForm, evaluate, prediction_interval
from survjax.uncertainty.delta import normal_quantile


class AssetCurves:
    """Curves of an estimator that holds `_fitted`, or says itself how they are computed."""

    _fitted: FittedForm
    #: Whether a known part may be added to the first predictor.
    _takes_offset = False

    def _check_fitted(self) -> None:
        check_is_fitted(self)

    @rows_by_position
    def _assets(
        self, X: Covariates, ages: ArrayLike | None, offset: ArrayLike | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Checked covariates (and the offset as a last column), and one age for each asset."""
        self._check_fitted()
        x = self._with_offset(check_covariates(self, X, reset=False), offset)
        given = 0.0 if ages is None else ages
        return x, check_per_unit(given, x.shape[0], "ages", zero=True)

    def _with_offset(self, x: np.ndarray, offset: ArrayLike | None) -> np.ndarray:
        """Covariates with a checked offset as their last column, if one is given."""
        if offset is None:
            return x
        if not self._takes_offset:
            raise ValueError(
                f"{type(self).__name__} takes no offset: AcceleratedLifetime and ScaledHazard do"
            )
        return np.column_stack([x, check_offset(offset, x.shape[0])])

    def _curves(
        self, curves: tuple[str, ...], t: Any, x: np.ndarray, ages: np.ndarray, level: float | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Safe values and standard errors (len(curves), n); none are asked for without a level."""
        fitted = self._fitted.reading(x)
        if level is None:
            fitted = fitted._replace(covariance=None)
        return evaluate(fitted, curves, t, x, ages)

    def _interval(
        self, x: np.ndarray, ages: np.ndarray, level: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Where realized remaining lives fall with chance `level`: (n,), (n,)."""
        return prediction_interval(self._fitted.reading(x), x, ages, level)

    def _has_components(self) -> bool:
        """Whether lives are of several kinds."""
        return self._fitted.form.has_components

    def _quantile_bounds(
        self,
        shares: np.ndarray,
        log_times: np.ndarray,
        x: np.ndarray,
        ages: np.ndarray,
        level: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of quantiles from the band of the cumulative hazard, each (m, n)."""

        def band(times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            values, errors = self._curves(
                ("cumulative_hazard",) * len(times), times, x, ages, level
            )
            half = normal_quantile(level) * errors
            return values, values - half, values + half

        def times_at(hazards: np.ndarray) -> np.ndarray:
            return self._curves(("time_at_hazard",) * len(hazards), hazards, x, ages, None)[0]

        low, high = by_inversion(shares, log_times, band, times_at)
        return response_value("quantile", low), response_value("quantile", high)
