"""Residuals of a fitted regression, as a frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.annotations import Covariates
from survjax._core.precision import double_precision
from survjax._core.validation import check_weights
from survjax.data.observations import Observations
from survjax.estimators.choosing.residuals import residual_frame, residuals_of
from survjax.estimators.target import checked_rows
from survjax.likelihood.regression.histories import Histories
from survjax.likelihood.regression.history_likelihood import HistoryLikelihood
from survjax.likelihood.regression.likelihood import log_likelihoods
from survjax.nonparametric.group_tests import label
from survjax.prediction.regression_curves import FittedForm
from survjax.prediction.residuals import Residuals
from survjax.uncertainty.delta import rows_needed
from survjax.uncertainty.regression import Training

if TYPE_CHECKING:
    import pandas as pd


class RegressionResiduals:
    """`residuals` of an estimator with covariates."""

    _histories_bind: bool
    _fitted: FittedForm
    _training: Training
    _check_fitted: Callable[[], None]
    _rounding: Callable[[], dict[str, Any]]
    _with_offset: Callable[[np.ndarray, Any], np.ndarray]

    @double_precision
    def residuals(
        self,
        X: Covariates | None = None,
        y: ArrayLike | None = None,
        *,
        entry: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        unit: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> pd.DataFrame:
        """Cox-Snell, martingale and deviance residuals of units.

        Parameters
        ----------
        X, y, entry, sample_weight, unit, offset
            As in `fit`. X None: the rows that were fitted.

        Returns
        -------
        DataFrame
            With the index of X, or one row a unit, by its name, with `unit`; columns as in
            `LifetimeModel.residuals`: `cox_snell`, `cox_snell_lower`, `cox_snell_upper`,
            `martingale`, `deviance`, `event` and `weight`. Against a covariate left out, the
            martingale residuals show how it should enter.

        Examples
        --------
        >>> import numpy as np
        >>> from survjax import AcceleratedLifetime
        >>> load, lives = np.array([[1.0], [2.0], [3.0], [4.0]]), [9.0, 7.0, 4.0, 3.0]
        >>> model = AcceleratedLifetime("weibull").fit(load, lives)
        >>> round(float(model.residuals(load, lives)["cox_snell"].mean()), 6)
        1.0
        """
        self._check_fitted()
        if X is None:
            training = getattr(self, "_training", None)
            if training is None:
                raise rows_needed("residuals without data")
            rows, x, histories = training.rows, training.x, training.histories
            return self._residual_frame(rows, x, histories, rows.weight, None)
        rows, x = checked_rows(self, X, y, entry, None, False, **self._rounding())
        weight = check_weights(sample_weight, rows.n_rows)
        x = self._with_offset(x, offset)
        if unit is None:
            return self._residual_frame(rows, x, None, weight, X)
        histories = Histories.from_rows(rows.reweighted(weight), unit)
        found = self._residual_frame(rows, x, histories, weight, None)
        found.index = label(unit, rows.n_rows, "unit")[0]
        return found

    def _residual_frame(
        self, rows: Observations, x: np.ndarray, histories: Any, weight: np.ndarray, like: object
    ) -> pd.DataFrame:
        if histories is None:
            return residual_frame(self._residuals_of_rows(rows, x), weight, like)
        return residual_frame(self._residuals_of_units(histories, rows, x), histories.weight, None)

    def _residuals_of_rows(self, rows: Observations, x: np.ndarray) -> Residuals:
        """Residuals where each row is a unit, or hazards of rows add up."""
        fitted = self._fitted.reading(x)
        model = fitted.form, fitted.layout, fitted.theta
        return residuals_of(rows, lambda run: log_likelihoods(*model, run, x, fitted.columns))

    def _residuals_of_units(
        self, histories: Histories, rows: Observations, x: np.ndarray
    ) -> Residuals:
        """Residuals of units of several rows: what all of a unit's rows have passed."""
        event = histories.event[histories.last_rows]
        if self._histories_bind:
            fitted = self._fitted.reading(x)
            running = dataclasses.replace(histories, event=np.zeros_like(histories.event))
            model = fitted.form, fitted.layout, running, x, fitted.columns
            total = np.maximum(-HistoryLikelihood(*model).terms(fitted.theta), 0.0)
        else:
            each = self._residuals_of_rows(rows, x).lower[histories.order]
            total = np.bincount(histories.unit, each)
        return Residuals(total, np.where(event > 0, total, np.inf), event)

    def _residual_table(self) -> pd.DataFrame:
        """What the picture of residuals shows unasked."""
        return self.residuals()
