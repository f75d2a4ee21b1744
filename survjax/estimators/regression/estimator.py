"""What every regression estimator shares: hyper-parameters, checks of the data, fit and score."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from survjax._core.annotations import Covariates
from survjax._core.precision import double_precision
from survjax._core.validation import check_count, check_fraction, check_penalty, check_positive
from survjax.data.labels import rows_by_position
from survjax.data.observations import Observations
from survjax.estimators.assets.paths import PathPredictions
from survjax.estimators.atomic import all_or_nothing
from survjax.estimators.choosing.goodness import RegressionGoodness
from survjax.estimators.covariates import (
    ChosenColumns,
    chosen_columns,
    collinear_message,
    column_names,
)
from survjax.estimators.plots import Plots
from survjax.estimators.refits.regressions import RegressionRefits
from survjax.estimators.regression.answer import RegressionAnswer
from survjax.estimators.regression.intervals import RegressionIntervals
from survjax.estimators.regression.penalty_path import choose_penalty
from survjax.estimators.regression.priors import WithPriors
from survjax.estimators.regression.residuals import RegressionResiduals
from survjax.estimators.target import SurvivalRegressor, check_failures, checked_rows
from survjax.estimators.unnamed_units import warn_of_unnamed_units
from survjax.fitting.local_maxima import LocalMaximum
from survjax.fitting.regression.fit import fit, fit_from, likelihood_of, maximize
from survjax.fitting.regression.penalties import Penalty
from survjax.likelihood.regression.columns import Columns, collinear
from survjax.likelihood.regression.constraints import constrained
from survjax.likelihood.regression.forms import Form, Layout
from survjax.likelihood.regression.histories import Histories, count, row_weights
from survjax.likelihood.regression.history_likelihood import HistoryLikelihood
from survjax.likelihood.regression.likelihood import log_likelihoods, weighted_total
from survjax.likelihood.vector.constraints import Constraints
from survjax.uncertainty.regression import Training


class RegressionEstimator(
    WithPriors,
    PathPredictions,
    RegressionIntervals,
    RegressionResiduals,
    RegressionGoodness,
    RegressionAnswer,
    RegressionRefits,
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
    #: Names of penalties that it knows.
    _penalties: tuple[str, ...] = ("cv",)

    penalty: Any
    unpenalized: ChosenColumns | None
    tol: float

    def _model(self, rows: Observations, x: np.ndarray) -> tuple[Form, Layout, np.ndarray]:
        """The form, its layout, and one or more points to begin at (standardized coefficients)."""
        raise NotImplementedError

    def _check_parameters(self) -> None:
        """Check the hyper-parameters."""
        check_penalty(self.penalty, self._penalties)
        check_fraction(self.l1_ratio, "l1_ratio")
        check_positive(self.tol, "tol")
        check_count(self.max_iter, "max_iter")
        self._check_constraints()
        self._check_firth()

    @double_precision
    @all_or_nothing
    @rows_by_position
    def fit(
        self,
        X: Covariates,
        y: ArrayLike,
        *,
        entry: ArrayLike | None = None,
        exit: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        unit: ArrayLike | None = None,
        offset: ArrayLike | None = None,
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
        exit : array-like of shape (n,), optional
            Latest age at which each unit's failure would have been recorded (right truncation: a
            table of failures only); infinite where any would. Not with `unit`.
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
        rows, x = self._prepared(X, y, entry, exit, sample_weight, unit, offset)
        if self.penalty == "cv":
            choose_penalty(self, rows, x, unit)
        else:
            self.penalty_ = 0.5 if self._is_firth else float(self.penalty)
        if unit is None:
            self._fit_rows(rows, x)
        else:
            self._fit_histories(Histories.from_rows(rows, unit), rows, x)
        return self

    def _prepared(
        self,
        X: Covariates,
        y: ArrayLike,
        entry: ArrayLike | None,
        exit: ArrayLike | None,
        sample_weight: ArrayLike | None,
        unit: ArrayLike | None,
        offset: ArrayLike | None,
    ) -> tuple[Observations, np.ndarray]:
        """Rows and covariates with their offset, once all that `fit` was given is checked."""
        self._check_parameters()
        rows, x = checked_rows(self, X, y, entry, sample_weight, exit=exit, **self._rounding())
        if unit is None:
            warn_of_unnamed_units(rows, x, self._rows_as_units)
        self._unpenalized_columns()
        return rows, self._with_offset(x, offset)

    def _rounding(self) -> dict[str, Any]:
        """How the durations of y were rounded, if this estimator is told."""
        return {}

    def _fit_rows(
        self, rows: Observations, x: np.ndarray, histories: Histories | None = None
    ) -> None:
        """Check what the data can tell, maximize, and keep the answer.

        `histories` say which rows are of one unit, where they add up all the same.
        """
        self._check_data(rows, x)
        form, layout, starts = self._model(rows, x)
        columns, n_units = self._columns(x, row_weights(rows, histories)), count(rows, histories)
        constraints = self._constraints_in(layout, columns)
        movable = lambda: self._center(x, rows.weight) is None  # noqa: E731
        columns = self._columns_for(constraints, layout, columns, movable)
        penalty = self._with_priors(self._penalty(layout, n_units), layout, columns, rows)
        if self._is_firth:
            penalty = self._with_firth(form, layout, columns, rows, x)
        starts, near = self._begun(starts, layout, columns)
        settings: dict[str, Any] = {"penalty": penalty, "tol": self.tol, "max_iter": self.max_iter}

        def maximum(constraints: Constraints) -> LocalMaximum:
            own: dict[str, Any] = {**settings, "is_near": near, "constraints": constraints}
            given = form, layout, rows, x, columns
            return fit_from(starts, layout, lambda start: fit(*given, start, **own))

        whole = lambda: likelihood_of(form, layout, rows, x, columns)  # noqa: E731
        constraints, found = self._between_bounds(constraints, maximum, whole, penalty)
        self._keep(form, layout, columns, found, rows, x, n_units=n_units, constraints=constraints)
        self._keep_priors(penalty, found)
        kept = (form, layout, columns, rows, x, histories, None, penalty)
        self._training = Training(*kept, bound=False, constraints=constraints)

    def _fit_histories(self, histories: Histories, rows: Observations, x: np.ndarray) -> None:
        """As `_fit_rows`, for units with several rows that depend on each other."""
        if self._is_firth:
            raise ValueError("penalty='firth' takes no unit= here: use ScaledHazard or CoxPH")
        self._check_data(rows, x)
        form, layout, starts = self._model(rows, x)
        columns, n_units = self._columns(x, histories.row_weight), histories.n_units
        constraints = self._constraints_in(layout, columns)
        movable = lambda: self._center(x, rows.weight) is None  # noqa: E731
        columns = self._columns_for(constraints, layout, columns, movable)
        penalty = self._with_priors(self._penalty(layout, n_units), layout, columns, rows)
        likelihood = HistoryLikelihood(form, layout, histories, x, columns)

        def maximum(constraints: Constraints) -> LocalMaximum:
            rough: dict[str, Any] = {"penalty": penalty, "tol": 1e-3, "constraints": constraints}
            near = fit_from(
                starts, layout, lambda start: fit(form, layout, rows, x, columns, start, **rough)
            )
            own = None if penalty is None else penalty.on(constraints.free)
            run = constrained(likelihood, constraints)
            return maximize(run, near.x, self.tol, self.max_iter, own)

        constraints, found = self._between_bounds(constraints, maximum, lambda: likelihood, penalty)
        self._keep(form, layout, columns, found, rows, x, n_units=n_units, constraints=constraints)
        self._keep_priors(penalty, found)
        kept = (form, layout, columns, rows, x, histories, None, penalty)
        self._training = Training(*kept, constraints=constraints)

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
        check_failures(rows)
        # What a penalty counts may depend on other columns.
        every = np.arange(self.n_features_in_)
        free = every if self.penalty_ == 0 or self._is_firth else self._unpenalized_columns()
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
        return np.array([float(j > 0 and j not in free) for item in layout for j in item.columns])

    def _penalty(self, layout: Layout, n_units: float) -> Penalty | None:
        """The penalty on the coefficients of covariates, as `penalty_` says."""
        if not self.penalty_ or self._is_firth:
            return None
        amount = self.penalty_ * n_units * self._penalized(layout)
        return Penalty((1.0 - self.l1_ratio) * amount, self.l1_ratio * amount)

    def _score_histories(self, histories: Histories, rows: Observations, x: np.ndarray) -> float:
        """Mean log-likelihood per unit."""
        fitted = self._fitted.reading(x)
        likelihood = HistoryLikelihood(fitted.form, fitted.layout, histories, x, fitted.columns)
        return likelihood.mean(fitted.theta)

    @double_precision
    @rows_by_position
    def score(
        self,
        X: Covariates,
        y: ArrayLike,
        *,
        entry: ArrayLike | None = None,
        exit: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        unit: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> float:
        """Mean log-likelihood per unit; higher is better. Arguments as in `fit`."""
        self._check_fitted()
        ending = {"exit": exit, **self._rounding()}
        rows, x = checked_rows(self, X, y, entry, sample_weight, False, **ending)
        x = self._with_offset(x, offset)
        if unit is not None:
            return self._score_histories(Histories.from_rows(rows, unit), rows, x)
        fitted = self._fitted.reading(x)
        terms = log_likelihoods(fitted.form, fitted.layout, fitted.theta, rows, x, fitted.columns)
        return weighted_total(terms, rows.weight) / float(rows.weight.sum())
