"""What each of several causes ends of units with covariates, as frames with bounds."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.annotations import Covariates
from survjax._core.precision import double_precision
from survjax._core.validation import check_per_unit, check_times
from survjax.data.labels import rows_by_position
from survjax.estimators.assets.predictions import AssetPredictions
from survjax.estimators.frames import curve_frame, frame
from survjax.estimators.lifetime.predictions import check_level
from survjax.prediction.curves import bounds, response_value
from survjax.prediction.regression_incidence import asset_incidence

if TYPE_CHECKING:
    import pandas as pd


class AssetIncidence(AssetPredictions):
    """Predictions of an estimator of several causes with covariates."""

    models_: dict[Hashable, Any]

    def _number(self, cause: Hashable) -> int:
        """Which of the causes."""
        self._check_fitted()
        labels = list(self.models_)
        if cause not in labels:
            raise ValueError(f"cause must be one of {', '.join(map(repr, labels))}, got {cause!r}")
        return labels.index(cause)

    @double_precision
    def cumulative_incidence(
        self,
        X: Covariates,
        times: ArrayLike,
        cause: Hashable,
        ages: ArrayLike | None = None,
        level: float | None = 0.95,
    ) -> pd.DataFrame:
        """P(a cause has ended each unit by each of several times), with bounds.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Covariates. A frame keeps its index.
        times : array-like of shape (m,)
            Times from birth, or from `ages` on.
        cause : label
            The cause.
        ages : array-like of shape (n,), optional
            Time each unit has survived.
        level : float or None, default 0.95
            Of the bounds, by the delta method on the log(-log(1 - F)) scale; None leaves them out.

        Returns
        -------
        DataFrame
            One row a unit; columns are pairs (what, time) with `cumulative_incidence`, `lower` and
            `upper`. Over all causes the shares and the survival add up to one.
        """
        x, ages = self._assets(X, ages)
        t = check_times(np.atleast_1d(np.asarray(times)), "times", zero=True)
        n = x.shape[0]
        wide = np.repeat(t, n), np.tile(x, (t.size, 1)), np.tile(ages, t.size)
        found = [part.reshape(t.size, n).T for part in self._incidence(cause, *wide, level)]
        names = ("cumulative_incidence", "lower", "upper")[: len(found)]
        return curve_frame(dict(zip(names, found, strict=True)), t, like=X)

    def _incidence(
        self, cause: Hashable, t: np.ndarray, x: np.ndarray, ages: np.ndarray, level: float | None
    ) -> tuple[np.ndarray, ...]:
        """Shares (n,) that a cause ends, and bounds if a level is given."""
        number, fitted = self._number(cause), self._fitted
        if level is None:
            values, _ = asset_incidence(fitted._replace(covariance=None), number, t, x, ages)
            return (response_value("cdf", values),)
        values, errors = asset_incidence(fitted, number, t, x, ages)
        return response_value("cdf", values), *bounds("cdf", values, errors, check_level(level))

    @double_precision
    def probability_of(
        self, X: Covariates, cause: Hashable, ages: ArrayLike | None = None, level: float = 0.95
    ) -> pd.DataFrame:
        """P(the cause is what ends a unit, sooner or later, given that it reached its age).

        Parameters
        ----------
        X, cause, ages, level
            As in `cumulative_incidence`.

        Returns
        -------
        DataFrame
            `probability, lower, upper`, one row a unit.
        """
        x, ages = self._assets(X, ages)
        found = self._incidence(cause, np.full(ages.size, np.inf), x, ages, level)
        return frame(dict(zip(("probability", "lower", "upper"), found, strict=True)), like=X)

    @double_precision
    @rows_by_position
    def failure_probability(
        self,
        X: Covariates,
        ages: ArrayLike | None = None,
        horizon: Any = 1.0,
        level: float = 0.95,
        offset: ArrayLike | None = None,
        *,
        cause: Hashable = None,
    ) -> pd.DataFrame:
        """P(a unit ends within the horizon, given that it reached its age), with bounds.

        Parameters
        ----------
        X, ages, horizon, level, offset
            As in `AcceleratedLifetime`; there is no offset.
        cause : label, optional
            P(this cause ends the unit within the horizon): the chances of all causes add up to
            that of any.

        Returns
        -------
        DataFrame
            `failure_probability, lower, upper`, one row a unit.
        """
        if cause is None:
            return super().failure_probability(X, ages, horizon, level, offset)
        x, ages = self._assets(X, ages, offset)
        t = check_per_unit(horizon, ages.size, "horizon", zero=True)
        found = self._incidence(cause, t, x, ages, level)
        names = ("failure_probability", "lower", "upper")
        return frame(dict(zip(names, found, strict=True)), like=X)
