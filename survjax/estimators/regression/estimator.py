"""What every regression estimator shares: fit, certificate, tables, predictions for each asset."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from survjax._core.callers import users_level
from survjax._core.precision import double_precision
from survjax._core.validation import check_count, check_fraction, check_penalty, check_positive
from survjax.data.observations import Observations
from survjax.estimators.atomic import all_or_nothing
from survjax.estimators.certificate import certify_regression
from survjax.estimators.covariates import (
    check_covariates,
    chosen_columns,
    collinear_message,
    column_names,
    outlying_words,
)
from survjax.estimators.messages import (
    FitWarning,
    NoFiniteMaximum,
    likely_cause,
    shape_direction,
)
from survjax.estimators.plots import Plots
from survjax.estimators.regression.intervals import RegressionIntervals
from survjax.estimators.regression.parameter_table import ParameterTable
from survjax.estimators.regression.paths import PathPredictions
from survjax.estimators.regression.penalty_path import choose_penalty
from survjax.estimators.regression.saved import SavedRegression
from survjax.estimators.target import SurvivalRegressor, check_survival_y, warn_of_events_in_x
from survjax.estimators.unnamed_units import warn_of_unnamed_units
from survjax.fitting.regression_fit import (
    climb,
    collinear,
    faults,
    fit,
    intercepts_of,
    open_parameters,
    step_units,
    to_natural,
)
from survjax.likelihood.forms import Form, Layout, without_offset
from survjax.likelihood.histories import Histories, HistoryLikelihood, count, row_weights
from survjax.likelihood.penalties import Penalty, RegressionMaximum
from survjax.likelihood.regression import Columns, log_likelihoods, weighted_total
from survjax.optimize import ResultCode
from survjax.prediction.regression_curves import FittedForm
from survjax.uncertainty.regression import Training


class RegressionEstimator(
    PathPredictions,
    RegressionIntervals,
    ParameterTable,
    SavedRegression,
    Plots,
    SurvivalRegressor,
    BaseEstimator,
):
    """Base of the estimators with covariates; a model says its form, layout and start."""

    #: Whether rows of one unit depend on each other (accelerated life, mixtures).
    _histories_bind = True
    #: What becomes of a fit that takes each row of a history for a unit.
    _rows_as_units = "effects and bounds are wrong"
    _takes_offset = True
    #: Smallest eigenvalue of a proper maximum's information (`inference.regression_fit.faults`).
    _least_eigenvalue = 1e-13

    penalty: Any
    penalty_: float
    l1_ratio: float
    unpenalized: Any
    tol: float
    max_iter: int

    def _model(self, rows: Observations, x: np.ndarray) -> tuple[Form, Layout, np.ndarray]:
        """The form, its layout, and where to begin (standardized coefficients)."""
        raise NotImplementedError

    def _check_parameters(self) -> None:
        """Check the hyper-parameters."""
        check_penalty(self.penalty)
        check_fraction(self.l1_ratio, "l1_ratio")
        check_positive(self.tol, "tol")
        check_count(self.max_iter, "max_iter")

    @double_precision
    @all_or_nothing
    def fit(
        self,
        X: Any,
        y: Any,
        *,
        entry: Any = None,
        sample_weight: Any = None,
        unit: Any = None,
        offset: Any = None,
    ) -> Self:
        """Fit to lifetimes with covariates.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Covariates of each unit: numbers, none missing.
        y : array-like
            Durations of shape (n,), all failed; columns (duration, event) of shape (n, 2); a
            structured array or frame whose boolean field is the event; or
            `survival_target(lower, upper)` for intervals.
        entry : array-like of shape (n,), optional
            Age at which each unit came under observation.
        sample_weight : array-like of shape (n,), optional
            How many units each row stands for.
        unit : array-like of shape (n,), optional
            Which unit each row belongs to, where covariates change with time: a row then says
            that the unit had them from its `entry` to its duration, and the event marks its
            failure at the end of its last row. Without it each row is a unit; a `FitWarning`
            says so where many rows end exactly where others enter.
        offset : array-like of shape (n,), optional
            Known part of each row's log scale (of its log hazard, for `ScaledHazard`): it is added
            to x'b as it is. Predictions have an `offset` of their own, 0 by default.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For columns that are not numbers, have missing values or are collinear (named), and
            for rows that are not lifetimes.
        NoFiniteMaximum
            Where nothing failed.
        """
        self._check_parameters()
        rows, x = self._checked(X, y, entry, sample_weight)
        if unit is None:
            warn_of_unnamed_units(rows, x, self._rows_as_units)
        x = self._with_offset(x, offset)
        self._unpenalized_columns()
        if self.penalty == "cv":
            choose_penalty(self, rows, x, unit)
        else:
            self.penalty_ = float(self.penalty)
        if unit is None:
            self._fit_rows(rows, x)
        else:
            self._fit_histories(Histories.from_rows(rows, unit), rows, x)
        return self

    def _checked(
        self, X: Any, y: Any, entry: Any, sample_weight: Any, reset: bool = True
    ) -> tuple[Observations, np.ndarray]:
        """Covariates and rows of one length."""
        x = check_covariates(self, X, reset=reset)
        target = check_survival_y(y)
        rows = target.observations(entry, sample_weight, **self._rounding())
        if rows.n_rows != x.shape[0]:
            raise ValueError(f"X has {x.shape[0]} rows but y has {rows.n_rows}")
        if reset:
            warn_of_events_in_x(getattr(self, "feature_names_in_", None), x, target)
        return rows, x

    def _rounding(self) -> dict[str, Any]:
        """How the durations of y were rounded, if this estimator is told."""
        return {}

    def _fit_rows(
        self, rows: Observations, x: np.ndarray, histories: Histories | None = None
    ) -> None:
        """Check what the data can tell, climb, and keep the answer.

        `histories` say which rows are of one unit, where they add up all the same.
        """
        self._check_data(rows, x)
        form, layout, start = self._model(rows, x)
        columns, n_units = self._columns(x, row_weights(rows, histories)), count(rows, histories)
        penalty = self._penalty(layout, n_units)
        settings: dict[str, Any] = {"penalty": penalty, "tol": self.tol, "max_iter": self.max_iter}
        found, _ = fit(form, layout, rows, x, columns, start, **settings)
        self._keep(form, layout, columns, found, rows, x, n_units=n_units)
        self._training = Training(
            form, layout, columns, rows, x, histories, None, penalty, bound=False
        )

    def _fit_histories(self, histories: Histories, rows: Observations, x: np.ndarray) -> None:
        """As `_fit_rows`, for units with several rows that depend on each other."""
        self._check_data(rows, x)
        form, layout, start = self._model(rows, x)
        columns = self._columns(x, histories.row_weight)
        penalty = self._penalty(layout, histories.n_units)
        near, _ = fit(form, layout, rows, x, columns, start, penalty=penalty, tol=1e-3)
        likelihood = HistoryLikelihood(form, layout, histories, x, columns)
        found = climb(likelihood, near.theta, self.tol, self.max_iter, penalty)
        self._keep(form, layout, columns, found, rows, x, n_units=histories.n_units)
        self._training = Training(form, layout, columns, rows, x, histories, None, penalty)

    def _columns(self, x: np.ndarray, weight: np.ndarray) -> Columns:
        """How columns are centered and scaled inside."""
        own = x[:, : self.n_features_in_]
        found = Columns.of(own, weight, exact=self.penalty_ > 0)
        center = self._center(own, weight)
        if center is not None:
            found = dataclasses.replace(found, center=center)
        return found.with_offset() if x.shape[1] > self.n_features_in_ else found

    def _center(self, x: np.ndarray, weight: np.ndarray) -> np.ndarray | None:
        """Where parameters are those of an asset at the center: that center, of no sample."""
        return None

    def _check_data(self, rows: Observations, x: np.ndarray) -> None:
        """Refuse data without failures, and columns that say the same."""
        if rows.n_events == 0:
            raise NoFiniteMaximum(
                f"none of the {rows.n_units:g} units has failed: a fit needs failures in y"
            )
        if rows.n_rows == 1:
            raise ValueError("Found 1 sample: a regression needs several units")
        # What a penalty counts may depend on other columns.
        every = np.arange(self.n_features_in_)
        free = every if self.penalty_ == 0 else self._unpenalized_columns()
        groups = [free[group].tolist() for group in collinear(x[:, free], rows.weight)]
        if groups:
            remedy = "penalize them" if self.penalty_ else "set penalty > 0"
            raise ValueError(collinear_message(groups, column_names(self), remedy=remedy))

    def _unpenalized_columns(self) -> np.ndarray:
        """Positions of the columns that the penalty leaves as they are."""
        found = chosen_columns(self.unpenalized, column_names(self), "unpenalized")
        return np.array(found, int) - 1

    def _penalized(self, layout: Layout) -> np.ndarray:
        """1.0 for each coefficient (P,) that the penalty counts: no intercept, no shared shape."""
        free = set((self._unpenalized_columns() + 1).tolist())
        every = (j for item in layout for j in item.columns)
        return np.array([float(j > 0 and j not in free) for j in every])

    def _penalty(self, layout: Layout, n_units: float) -> Penalty | None:
        """The penalty on the coefficients of covariates, as `penalty_` says."""
        if not self.penalty_:
            return None
        amount = self.penalty_ * n_units * self._penalized(layout)
        return Penalty((1.0 - self.l1_ratio) * amount, self.l1_ratio * amount)

    def _keep(
        self,
        form: Form,
        layout: Layout,
        columns: Columns,
        found: RegressionMaximum,
        rows: Observations,
        x: np.ndarray,
        theta: np.ndarray | None = None,
        n_units: float | None = None,
    ) -> None:
        """Set the fitted attributes, on the scale of the columns as given.

        `theta` holds all parameters, where some were not free in the last climb.
        """
        for name in ("_training", "bootstrap_"):
            self.__dict__.pop(name, None)
        full = found.theta if theta is None else theta
        p = full.size
        kept = np.arange(found.theta.size)
        if self.penalty_ and self.l1_ratio > 0:
            # A lasso's bounds are those of the columns that it kept.
            kept = np.flatnonzero(found.theta != 0)
        some = found.restricted(kept)
        words = self._model_faults(layout, found) or faults(some, self._least_eigenvalue)
        inside = np.full((p, p), np.nan)
        if not words and theta is None:
            inside = np.zeros((p, p))
            inside[np.ix_(kept, kept)] = np.linalg.inv(-some.hessian)
        self._set(form, layout, columns, full, inside)
        self.log_likelihood_ = found.value
        self.n_units_, self.n_events_ = n_units or rows.n_units, rows.n_events
        self.aic_ = 2.0 * p - 2.0 * found.value
        self.bic_ = p * np.log(self.n_units_) - 2.0 * found.value
        self.n_iter_ = max(found.n_iter, 1)
        if not words or "singular" in words[0]:
            intercepts = intercepts_of(layout)[: found.theta.size]
            units = step_units(form, layout, full)[: found.theta.size]
            open_ = kept[open_parameters(some, intercepts[kept], units[kept])][:5]
            names = [self.parameter_names_[i] for i in open_]
            words = tuple(f"the data leave {name} open" for name in names) or words
        self.converged_ = not words
        self.certificate_ = certify_regression(some, words, rows.n_units)
        if words:
            far = outlying_words(x[:, : self.n_features_in_], column_names(self))
            warnings.warn(
                f"no proper maximum: {'; '.join(words)}{far}. {self._advice(found, rows)}",
                FitWarning,
                stacklevel=users_level(),
            )

    def _advice(self, found: RegressionMaximum, rows: Observations) -> str:
        """What to do where there is no proper maximum."""
        if found.n_iter >= self.max_iter and found.code != ResultCode.CONVERGED:
            return f"It ended after {found.n_iter} iterations: raise max_iter"
        if any(word == "the data leave log_shape open" for word in self.certificate_.faults):
            # Then no column is to blame: lives without covariates have no maximum either.
            log_shape = self._part("log_shape")[0]
            direction = shape_direction(log_shape)
            return f"{direction[0].upper()}{direction[1:]}. {likely_cause(rows, log_shape)}"
        return self._drop_columns()

    def _drop_columns(self) -> str:
        """The advice where a column is to blame."""
        drop = "Drop or merge such columns (no failures, or only failures, at some of their values)"
        if not self.penalty_:
            return f"{drop}, or set penalty > 0"
        return f"{drop}, or penalize them" if self._unpenalized_columns().size else drop

    def _set(
        self, form: Form, layout: Layout, columns: Columns, theta: np.ndarray, inside: np.ndarray
    ) -> None:
        """Keep the standardized answer for predictions, and the natural one for people."""
        if layout[0].offset:
            layout = without_offset(layout)
            columns = Columns(columns.center[:-1], columns.scale[:-1])
        self._fitted = FittedForm(form, layout, theta, inside, columns)
        change = to_natural(layout, columns)
        self.parameters_ = change @ theta
        self.covariance_ = change @ inside @ change.T
        names = ["intercept", *column_names(self)]
        self.parameter_names_ = tuple(
            item.name if item.shared else f"{item.name}:{names[j]}"
            for item in layout
            for j in item.columns
        )
        self._derive(layout)

    def _model_faults(self, layout: Layout, found: RegressionMaximum) -> tuple[str, ...]:
        """Why an answer is none, by the model's own rules."""
        start = 0
        for item in layout:
            if start >= found.theta.size:
                break
            steep = found.theta[start] > np.log(1e4)
            if item.name.startswith("log_shape") and item.shared and steep:
                return ("the covariates explain the lives exactly, and the shape runs off",)
            start += len(item.columns)
        return ()

    def _derive(self, layout: Layout) -> None:
        """Set the attributes that a model names in its own way."""

    def _part(self, name: str) -> dict[int, float]:
        """Natural coefficients of one predictor by column (0: intercept)."""
        start = 0
        for item in self._fitted.layout:
            size = len(item.columns)
            if item.name == name:
                values = self.parameters_[start : start + size]
                return dict(zip(item.columns, values.tolist(), strict=True))
            start += size
        raise KeyError(name)

    def _score_histories(self, histories: Histories, rows: Observations, x: np.ndarray) -> float:
        """Mean log-likelihood per unit."""
        fitted = self._fitted.reading(x)
        likelihood = HistoryLikelihood(fitted.form, fitted.layout, histories, x, fitted.columns)
        return likelihood.mean(fitted.theta)

    @double_precision
    def score(
        self,
        X: Any,
        y: Any,
        *,
        entry: Any = None,
        sample_weight: Any = None,
        unit: Any = None,
        offset: Any = None,
    ) -> float:
        """Mean log-likelihood per unit; higher is better. Arguments as in `fit`."""
        self._check_fitted()
        rows, x = self._checked(X, y, entry, sample_weight, reset=False)
        x = self._with_offset(x, offset)
        if unit is not None:
            return self._score_histories(Histories.from_rows(rows, unit), rows, x)
        fitted = self._fitted.reading(x)
        terms = log_likelihoods(fitted.form, fitted.layout, fitted.theta, rows, x, fitted.columns)
        return weighted_total(terms, rows.weight) / float(rows.weight.sum())
