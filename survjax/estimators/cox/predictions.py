"""What a fitted proportional-hazards model says of each unit, as frames with bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from survjax._core.annotations import Covariates
from survjax._core.validation import check_per_unit, check_shares, check_times
from survjax.cox import HazardTable
from survjax.data.labels import rows_by_position
from survjax.estimators.covariates import check_covariates
from survjax.estimators.cox.fitted import FittedCox, offsets
from survjax.estimators.frames import curve_frame, frame
from survjax.estimators.lifetime.predictions import check_level
from survjax.estimators.regression.parameter_table import ParameterTable
from survjax.nonparametric.product_limit import normal_quantile
from survjax.prediction.curves import response_value

if TYPE_CHECKING:
    import pandas as pd


class CoxPredictions(FittedCox, ParameterTable):
    """Predictions of an estimator that holds `_cox` and the covariance of its coefficients.

    Times and ages are in the unit of the durations that were fitted. With `ages`, every answer
    is about the remaining life of units that still run at those ages.
    """

    def _has_ratio(self) -> list[bool]:
        """Every parameter is an effect."""
        return [True] * len(self.parameter_names_)

    @rows_by_position
    def predict(self, X: Covariates, offset: ArrayLike | None = None) -> np.ndarray:
        """Risk score of each unit: the log of its hazard over that where all columns are zero.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Covariates.
        offset : array-like of shape (n,), optional
            Known part of each unit's log hazard, as in `fit`; 0 by default.

        Returns
        -------
        array of shape (n,)
            X @ coef_ + offset; higher is worse.
        """
        self._check_fitted()
        x = check_covariates(self, X, reset=False)
        return self._risk(x) + offsets(offset, x.shape[0])

    @rows_by_position
    def predict_survival(
        self,
        X: Covariates,
        times: ArrayLike,
        ages: ArrayLike | None = None,
        level: float | None = 0.95,
        strata: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> pd.DataFrame:
        """Chance of each unit to run on, at each of several times.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Covariates. A frame keeps its index.
        times : array-like of shape (m,)
            Times from birth, or from `ages` on.
        ages : array-like of shape (n,), optional
            Time each unit has survived.
        level : float or None, default 0.95
            Of the confidence bounds; None leaves them out.
        strata : array-like of shape (n,), optional
            Stratum of each unit, where the model was fitted with strata.
        offset : array-like of shape (n,), optional
            Known part of each unit's log hazard, as in `fit`; 0 by default.

        Returns
        -------
        DataFrame
            One row a unit; columns are pairs (what, time) with `survival`, `lower` and `upper`,
            so that `found["survival"]` is the table of chances. With `level=None`, that table
            itself. NaN where a time lies beyond the last failure (of the unit's stratum), of
            which the model knows nothing.
        """
        z, ages = self._units(X, ages)
        known_part = offsets(offset, z.shape[0])
        t = check_times(np.atleast_1d(np.asarray(times)), "times", zero=True)
        value, error = np.empty((2, z.shape[0], t.size))
        for table, rows in self._by_stratum(strata, z.shape[0]):
            found = self._ahead(table, z[rows], ages[rows], t, known_part[rows])
            value[rows], error[rows] = found
        parts = {"survival": response_value("survival", value)}
        if level is not None:
            critical_value = normal_quantile(check_level(level)) * error
            parts["lower"] = response_value("survival", value + critical_value)
            parts["upper"] = response_value("survival", value - critical_value)
        return curve_frame(parts, t, like=X)

    @rows_by_position
    def predict_quantile(
        self,
        X: Covariates,
        quantiles: ArrayLike = (0.1, 0.5, 0.9),
        ages: ArrayLike | None = None,
        level: float = 0.95,
        strata: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> pd.DataFrame:
        """Times by which given shares of units like each have failed, with bounds.

        Parameters
        ----------
        X, ages, level, strata, offset
            As in `predict_survival`. With `ages`, times are remaining lives.
        quantiles : sequence of float, default (0.1, 0.5, 0.9)
            Shares failed.

        Returns
        -------
        DataFrame
            `q10, q10_lower, q10_upper, q50, ...`, one row a unit; inf where the failures that
            were observed end before that share is reached, NaN where they end before the unit's
            age.
        """
        z, ages = self._units(X, ages)
        known_part = offsets(offset, z.shape[0])
        critical_value = normal_quantile(check_level(level))
        shares, names = check_shares(quantiles)
        columns: dict[str, np.ndarray] = {}
        for share, name in zip(shares, names, strict=True):
            for suffix, side in (
                ("", 0.0),
                ("_lower", critical_value),
                ("_upper", -critical_value),
            ):
                found = np.empty(z.shape[0])
                for table, rows in self._by_stratum(strata, z.shape[0]):
                    since = table.place(ages[rows, None])
                    target = np.log(-np.log1p(-share)) - known_part[rows]
                    place = table.quantile(z[rows], since, target, side)
                    times = np.append(table.times, np.inf)[place - 1] - ages[rows]
                    found[rows] = np.where(ages[rows] < table.last, times, np.nan)
                columns[name + suffix] = found
        return frame(columns, like=X)

    @rows_by_position
    def predict_rul(
        self,
        X: Covariates,
        ages: ArrayLike | None = None,
        quantiles: ArrayLike = (0.1, 0.5, 0.9),
        level: float = 0.95,
        strata: ArrayLike | None = None,
        horizon: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> pd.DataFrame:
        """Remaining useful life of each unit: quantiles with confidence bounds.

        There is no mean: this model knows nothing of the time after the last failure. A model
        with a family, such as AcceleratedLifetime, does. Within a horizon there is one.

        Parameters
        ----------
        X, ages, quantiles, level, strata, offset
            As in `predict_quantile`.
        horizon : float or array-like of shape (n,), optional
            Adds the restricted mean: the mean time that a unit runs within this time ahead.

        Returns
        -------
        DataFrame
            `q10, q10_lower, q10_upper, q50, ...`, one row a unit; with a horizon
            `restricted_mean, restricted_mean_lower, restricted_mean_upper` before them, NaN where
            the horizon reaches beyond the last failure (of the unit's stratum).
        """
        table = self.predict_quantile(X, quantiles, ages, level, strata, offset)
        if horizon is None:
            return table
        z, ages = self._units(X, ages)
        known_part = offsets(offset, z.shape[0])
        ahead = check_per_unit(horizon, ages.size, "horizon")
        mean, error = np.empty((2, z.shape[0]))
        for hazards, rows in self._by_stratum(strata, z.shape[0]):
            mean[rows], error[rows] = hazards.restricted_mean(
                z[rows], ages[rows], ahead[rows], known_part[rows]
            )
        sides = bounds_within(ahead, mean, error, check_level(level))
        parts = zip(("", "_lower", "_upper"), (mean, *sides), strict=True)
        found = {f"restricted_mean{suffix}": part for suffix, part in parts}
        return frame(found | {str(name): table[name].to_numpy() for name in table}, like=X)

    @rows_by_position
    def failure_probability(
        self,
        X: Covariates,
        ages: ArrayLike | None = None,
        horizon: ArrayLike = 1.0,
        level: float = 0.95,
        strata: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> pd.DataFrame:
        """P(a unit fails within the horizon, given that it reached its age), with bounds.

        Parameters
        ----------
        X, ages, level, strata, offset
            As in `predict_survival`.
        horizon : float or array-like of shape (n,), default 1
            Time ahead, in the unit of the durations.

        Returns
        -------
        DataFrame
            `failure_probability, lower, upper`, one row a unit; NaN where the horizon reaches
            beyond the last failure (of the unit's stratum), of which the model knows nothing.
        """
        z, ages = self._units(X, ages)
        known_part = offsets(offset, z.shape[0])
        ahead = check_per_unit(horizon, ages.size, "horizon", zero=True)
        value, error = np.empty((2, z.shape[0]))
        for table, rows in self._by_stratum(strata, z.shape[0]):
            found = self._ahead(table, z[rows], ages[rows], ahead[rows, None], known_part[rows])
            value[rows], error[rows] = (part[:, 0] for part in found)
        critical_value = normal_quantile(check_level(level)) * error
        names = ("failure_probability", "lower", "upper")
        ends = (value, value - critical_value, value + critical_value)
        parts = zip(names, ends, strict=True)
        return frame({name: response_value("cdf", part) for name, part in parts}, like=X)

    def _ahead(
        self,
        table: HazardTable,
        z: np.ndarray,
        ages: np.ndarray,
        ahead: np.ndarray,
        offset: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Log hazards over times ahead, and errors; NaN beyond the last failure: both (n, m)."""
        stop = ages[:, None] + ahead
        found, error = table.log_hazard(z, table.place(stop), table.place(ages[:, None]))
        # In no time nothing happens, at any age.
        known = table.knows(stop) | (ahead == 0.0)
        return np.where(known, found + offset[:, None], np.nan), np.where(known, error, np.nan)


def bounds_within(horizon: ArrayLike, mean: Any, error: Any, level: float) -> tuple[Any, Any]:
    """Bounds of a mean time within a horizon, by the delta method on the logit of its share."""
    mean = np.asarray(mean)
    share = mean / horizon
    with np.errstate(divide="ignore", invalid="ignore"):
        critical_value = normal_quantile(level) * error / (mean * (1.0 - share))
        critical_value = np.where(error > 0, critical_value, 0.0 * error)
        low, high = (
            horizon * special.expit(special.logit(share) + s * critical_value) for s in (-1, 1)
        )
    return low, high
