"""Logistic regression, binary and multinomial, with a ridge and a word about separation."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from survjax._core.annotations import Covariates
from survjax._core.callers import users_level
from survjax._core.precision import double_precision
from survjax.baselines import _base, _dependence
from survjax.baselines._measures import Classifier, code_labels, encode_classes, measures
from survjax.baselines._predictor import (
    binary,
    compiled_derivatives,
    contrasts,
    multinomial,
    path_of,
    solve,
)
from survjax.baselines._rows import Rows, column_scales, make_rows
from survjax.baselines._separation import MESSAGE, is_separated
from survjax.data.labels import rows_by_position
from survjax.estimators.messages import FitWarning
from survjax.optimize import Solution

SOLVERS = ("newton", "cg", "gd")


class LogisticRegression(_base.Coefficients, Classifier, BaseEstimator):
    r"""Logistic regression of two classes or more.

    Parameters
    ----------
    ridge : float, default 1.0
        Adds ridge/2 * sum(coef^2) to the negative log-likelihood (the 1/C of scikit-learn); the
        intercepts are free. 0 is maximum likelihood, which has no finite answer where the
        columns separate the classes: that is detected and said.
    solver : {"newton", "cg", "gd"} or optax transformation, default "newton"
        Newton's method with the Hessian or with products, gradient descent, or such as
        `optax.adam(0.1)`, all on standardized columns.
    fit_intercept : bool, default True
        Whether there is a constant term.
    learning_rate : float, optional
        Step of "gd"; None chooses each step by backtracking.
    max_iter : int, default 1000
        The most steps.
    tol : float, default 1e-9
        Newton decrement, or norm of the gradient, of the mean loss at which to stop.

    Attributes
    ----------
    classes_ : array of shape (K,)
        The labels, sorted.
    coef_, intercept_ : arrays of shape (1, p) and (1,), or (K, p) and (K,) for K > 2
        Log-odds of the second class, or logits of each class, which sum to zero.
    parameters_, parameter_names_, covariance_, standard_errors_ : arrays, tuple of str
        For each row of `coef_` the intercept, then the coefficients; the covariance is the
        inverse of the observed information, ridge included. NaN where the classes are
        separated, or without a ridge for columns that are constant or depend on each other.
    log_likelihood_ : float
        Without the ridge.
    separated_ : bool
        Whether the maximum likelihood estimate does not exist (looked for if ridge is 0).
    history_ : DataFrame
        Each iteration: parameters (up to 20), objective (mean negative log-likelihood), and for
        two classes accuracy, false_positives, false_negatives and mean_prediction (otherwise
        accuracy and a mean_prediction for each class); the same for validation data.
    n_iter_, converged_ : int, bool
        Steps taken; whether the solver met its tolerance at a finite maximum.

    Examples
    --------
    >>> from survjax.baselines import LogisticRegression
    >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
    >>> model.predict_proba([[1.5]]).round(3).tolist()
    [[0.5, 0.5]]
    """

    def __init__(
        self,
        ridge: float = 1.0,
        *,
        solver: Any = "newton",
        fit_intercept: bool = True,
        learning_rate: float | None = None,
        max_iter: int = 1000,
        tol: float = 1e-9,
    ) -> None:
        self.ridge = ridge
        self.solver = solver
        self.fit_intercept = fit_intercept
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.tol = tol

    @double_precision
    @rows_by_position
    def fit(
        self,
        X: Covariates,
        y: Any,
        sample_weight: ArrayLike | None = None,
        *,
        validation_data: tuple[Covariates, ArrayLike] | None = None,
    ) -> Self:
        """Fit to rows.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Columns.
        y : array-like of shape (n,)
            Labels of two classes or more.
        sample_weight : array-like of shape (n,), optional
            How many times each row counts.
        validation_data : pair (X, y), optional
            Rows not fitted, followed in `history_`.

        Returns
        -------
        self
            The fitted model.
        """
        _base.check_solver(self.solver, SOLVERS)
        ridge = _base.check_positive(self.ridge, "ridge", zero=True)
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        weight = _base.row_weights(sample_weight, X)
        self.classes_, codes = encode_classes(y)
        total = float(len(X)) if weight is None else float(weight.sum())
        scales = column_scales(X, weight, self.fit_intercept)
        mean, scale = scales
        rows = make_rows(X, codes.astype(float), weight, mean, scale, self.fit_intercept)
        solution, path, hessian = self._minimize(rows, ridge / total, scales[1])
        open_ = self._set_parameters(path, hessian * total, scales)
        pair = _base.validation_pair(validation_data)
        values = np.asarray(solution.path[0])[: len(path)]
        roughness = 0.5 * np.sum(self._penalty(ridge / total, scale) * path**2, axis=(1, 2))
        self.history_ = self._history(path, values - roughness, rows, total, pair, scales)
        self.separated_ = ridge == 0.0 and is_separated(self._loss(), path[-1], rows)
        self.n_iter_ = int(solution.n_iter)
        self.converged_ = bool(solution.converged) and not self.separated_
        if self.separated_:
            self.covariance_ = np.full_like(self.covariance_, np.nan)
            warnings.warn(MESSAGE, FitWarning, stacklevel=users_level())
        else:
            _base.warn_unless_converged(solution, "LogisticRegression", self.solver)
            self.covariance_ = _dependence.hide(self.covariance_, *open_, self.parameter_names_)
        return self

    def _minimize(
        self, rows: Rows, ridge: float, scale: np.ndarray
    ) -> tuple[Solution, np.ndarray, np.ndarray]:
        """Solution, path (n_iter + 1, k, p + 1) and Hessian, in standardized columns."""
        rate = self.learning_rate
        rate = None if rate is None else _base.check_positive(rate, "learning_rate")
        tol = _base.check_positive(self.tol, "tol", zero=True)
        max_iter = _base.check_count(self.max_iter, "max_iter")
        loss = self._loss()
        start = np.zeros((max(len(self.classes_) - 1, 1), rows.x.shape[1]))
        penalty = self._penalty(ridge, scale)
        used = len(scale) + self.fit_intercept
        penalty = np.pad(penalty, (0, start.shape[1] - used))
        solution = solve(loss, self.solver, start, rows, penalty, max_iter, tol, rate)
        path, hessian = path_of(solution), solution.hessian
        if hessian is None:
            hessian = compiled_derivatives(loss, solution.parameters, rows, penalty)[2]
        # Columns of padding are dropped here; their parameters never left zero.
        keep = np.tile(np.arange(start.shape[1]) < used, len(start))
        return solution, path[:, :, :used], np.asarray(hessian)[np.ix_(keep, keep)]

    def _loss(self) -> Any:
        return binary if len(self.classes_) == 2 else multinomial

    def _penalty(self, ridge: float, scale: np.ndarray) -> np.ndarray:
        """The ridge is on coefficients of the columns as given; the intercept is free."""
        penalty = ridge / scale**2
        return np.concatenate([[0.0], penalty]) if self.fit_intercept else penalty

    def _raw(self, theta: np.ndarray, scales: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Take standardized parameters (..., k, p) to (..., rows of coef_, p + 1)."""
        if not self.fit_intercept:
            theta = np.concatenate([np.zeros_like(theta[..., :1]), theta], axis=-1)
        theta = _base.raw_coordinates(theta, *scales)
        if len(self.classes_) == 2:
            return theta
        return np.einsum("ka,...ai->...ki", contrasts(len(self.classes_)), theta)

    def _set_parameters(
        self, path: np.ndarray, information: np.ndarray, scales: tuple[np.ndarray, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Write estimate and covariance in the units of the columns; what is not determined."""
        raw = self._raw(path[-1], scales)
        columns = getattr(self, "feature_names_in_", [f"x{i}" for i in range(raw.shape[1] - 1)])
        names = ("intercept", *map(str, columns))
        if len(raw) > 1:
            names = tuple(f"{label}: {name}" for label in self.classes_ for name in names)
        self.parameters_, self.parameter_names_ = raw.ravel(), names
        self._place(self.parameters_)
        size = path[-1].size
        units = np.eye(size).reshape(size, *path[-1].shape)
        back = self._raw(units, scales).reshape(size, -1)
        inverse, flat = _dependence.invert(information)
        self.covariance_ = back.T @ inverse @ back
        constant = np.diag(information)[self.fit_intercept : path.shape[2]] == 0
        return _dependence.moved(back.T, flat), np.tile(np.append(False, constant), len(raw))

    def _place(self, parameters: np.ndarray) -> None:
        table = parameters.reshape(-1, self.n_features_in_ + 1)
        self.intercept_, self.coef_ = table[:, 0].copy(), table[:, 1:].copy()

    def _history(
        self,
        path: np.ndarray,
        losses: np.ndarray,
        rows: Rows,
        total: float,
        validation: Any,
        scales: tuple[np.ndarray, np.ndarray],
    ) -> pd.DataFrame:
        """Measure every point of the path on both sets."""
        columns = measures(len(self.classes_), path, rows, total, losses)
        self.log_likelihood_ = float(-columns["objective"][-1] * total)
        if validation is not None:
            X, y = validate_data(self, *validation, dtype=np.float64, reset=False)
            codes = code_labels(y, self.classes_)
            mean, scale = scales
            rows = make_rows(X, codes.astype(float), None, mean, scale, self.fit_intercept)
            found = measures(len(self.classes_), path, rows, float(len(X)))
            columns |= {f"validation_{name}": column for name, column in found.items()}
        raw = self._raw(path, scales).reshape(len(path), -1)
        return _base.history_frame(columns, self.parameter_names_, raw)

    def decision_function(self, X: Covariates) -> np.ndarray:
        """Log-odds of the second class (n,), or logits of each class (n, K)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        logits = X @ self.coef_.T + self.intercept_
        return logits[:, 0] if len(self.classes_) == 2 else logits
