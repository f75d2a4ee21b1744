"""Linear regression: Gaussian likelihood, by least squares or by any of the solvers."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from survjax._core.annotations import Covariates
from survjax._core.precision import double_precision
from survjax.baselines import _base, _dependence
from survjax.baselines._ols import BLOCK, LeastSquares
from survjax.baselines._predictor import compiled_derivatives, path_of, solve, squared
from survjax.baselines._rows import Rows, column_scales, make_rows
from survjax.data.labels import rows_by_position

SOLVERS = ("ols", "newton", "cg", "gd")


class LinearRegression(_base.Coefficients, RegressorMixin, BaseEstimator):
    r"""Linear regression with standard errors.

    Parameters
    ----------
    solver : {"ols", "newton", "cg", "gd"} or optax transformation, default "ols"
        "ols" factorizes (orthogonally, and with the least norm where columns depend on each
        other). The others minimize the same squared error step by step, on standardized columns,
        and are there to be watched: Newton's method (one step), conjugate gradients, gradient
        descent, or such as `optax.adam(0.1)`.
    fit_intercept : bool, default True
        Whether there is a constant term.
    learning_rate : float, optional
        Step of "gd"; None chooses each step by backtracking.
    max_iter : int, default 1000
        The most steps of an iterative solver.
    tol : float, default 1e-9
        Newton decrement, or norm of the gradient, at which an iterative solver stops, in
        units of standardized columns and target.

    Attributes
    ----------
    coef_, intercept_ : array of shape (p,), float
        In the units of X and y.
    sigma_ : float
        Standard deviation of the residuals, with the degrees of freedom taken off; NaN where
        none are left.
    parameters_, parameter_names_, covariance_, standard_errors_ : arrays, tuple of str
        The intercept first, then the coefficients; the covariance is sigma^2 (X'X)^-1, NaN
        for columns that are constant or depend on each other.
    log_likelihood_ : float
        Gaussian log-likelihood at its maximum.
    history_ : DataFrame
        Each iteration: parameters (up to 20), sigma, objective (mean negative log-likelihood
        with sigma at its best), and the same for validation data.
    n_iter_, converged_ : int, bool
        Steps taken; whether the solver met its tolerance.

    Notes
    -----
    y = intercept + x'coef + sigma e, with e standard normal. Sample weights count rows: a
    weight of two is the row twice.

    Examples
    --------
    >>> from survjax.baselines import LinearRegression
    >>> model = LinearRegression().fit([[0.0], [1.0], [2.0], [3.0]], [3.1, 4.9, 7.0, 9.0])
    >>> model.summary()["estimate"].round(2).to_dict()
    {'intercept': 3.03, 'x0': 1.98}
    """

    def __init__(
        self,
        solver: Any = "ols",
        *,
        fit_intercept: bool = True,
        learning_rate: float | None = None,
        max_iter: int = 1000,
        tol: float = 1e-9,
    ) -> None:
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
            Target.
        sample_weight : array-like of shape (n,), optional
            How many times each row counts.
        validation_data : pair (X, y), optional
            Rows not fitted, followed in `history_`.

        Returns
        -------
        self
            The fitted model.
        """
        solver = _base.check_solver(self.solver, SOLVERS)
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        y = y.astype(np.float64)
        weight = _base.row_weights(sample_weight, X)
        names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(X.shape[1])])
        self.parameter_names_ = ("intercept", *map(str, names))
        level, spread = (float(part[0]) for part in column_scales(y[:, None], weight, True, "y"))
        if solver == "ols":
            path, inverse, rank, open_ = self._factorize(X, y, weight)
        else:
            target = (level if self.fit_intercept else 0.0), spread
            path, inverse, rank, open_ = self._descend(solver, X, y, weight, *target)
        self.parameters_ = path[-1]
        self._place(path[-1])
        total = float(len(y)) if weight is None else float(weight.sum())
        pair = _base.validation_pair(validation_data)
        square = mean_squares(path, X, y, weight)
        self._set_errors(square[-1] * total, total, inverse, rank)
        self.covariance_ = _dependence.hide(self.covariance_, *open_, self.parameter_names_)
        self.history_ = self._history(path, square, pair)
        return self

    def _factorize(
        self, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, int, tuple[np.ndarray, np.ndarray]]:
        """Solve at once: the path of one point, (Z'Z)^-1, rank, what is not determined."""
        found = LeastSquares(X, y, weight, self.fit_intercept)
        self.n_iter_, self.converged_ = 1, True
        path = np.array([[found.intercept, *found.coefficients]])
        return path, found.inverse, found.rank, (found.dependent, found.constant)

    def _descend(
        self,
        solver: Any,
        X: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray | None,
        level: float,
        spread: float,
    ) -> tuple[np.ndarray, np.ndarray, int, tuple[np.ndarray, np.ndarray]]:
        """Iterate: the path in the given units, (Z'Z)^-1, rank, what is not determined."""
        mean, scale = column_scales(X, weight, self.fit_intercept)
        rate = self.learning_rate
        rate = None if rate is None else _base.check_positive(rate, "learning_rate")
        tol = _base.check_positive(self.tol, "tol", zero=True)
        max_iter = _base.check_count(self.max_iter, "max_iter")
        rows = make_rows(X, (y - level) / spread, weight, mean, scale, self.fit_intercept)
        start, used = np.zeros((1, rows.x.shape[1])), X.shape[1] + self.fit_intercept
        solution = solve(squared, solver, start, rows, 0.0, max_iter, tol, rate)
        self.n_iter_ = int(solution.n_iter)
        self.converged_ = bool(solution.converged)
        _base.warn_unless_converged(solution, "LinearRegression", solver)
        path = path_of(solution)[:, 0, :used]
        hessian = _hessian(solution.parameters, rows)[:used, :used]
        if not self.fit_intercept:
            path = np.pad(path, [(0, 0), (1, 0)])
        path = _base.raw_coordinates(path * spread, mean, scale)
        path[:, 0] += level
        total = float(len(X)) if weight is None else float(weight.sum())
        inverse, flat = _dependence.invert(hessian * total)
        constant = np.diag(hessian)[int(self.fit_intercept) :] == 0
        rank = int(np.sum(~constant)) - flat.shape[1]
        if not self.fit_intercept:
            inverse, flat = np.pad(inverse, [(1, 0), (1, 0)]), np.pad(flat, [(1, 0), (0, 0)])
        back = _base.raw_jacobian(mean, scale)
        open_ = _dependence.moved(back, flat), np.append(False, constant)
        return path, back @ inverse @ back.T, rank, open_

    def _set_errors(self, rss: float, total: float, inverse: np.ndarray, rank: int) -> None:
        """Estimate sigma, the covariance and the log-likelihood."""
        self.degrees_of_freedom_ = total - rank - self.fit_intercept
        free = self.degrees_of_freedom_
        self.sigma_ = float(np.sqrt(rss / free)) if free > 0 else np.nan
        self.covariance_ = self.sigma_**2 * inverse
        with np.errstate(divide="ignore"):
            self.log_likelihood_ = float(-0.5 * total * (np.log(2 * np.pi * rss / total) + 1))

    def _history(self, path: np.ndarray, square: np.ndarray, validation: Any) -> pd.DataFrame:
        """Tabulate the path, with the Gaussian likelihood on both sets."""
        columns = {"sigma": np.sqrt(square), "objective": _objective(square, square)}
        if validation is not None:
            X, y = validate_data(self, *validation, dtype=np.float64, y_numeric=True, reset=False)
            losses = mean_squares(path, X, y.astype(np.float64), None)
            columns["validation_objective"] = _objective(losses, square)
        return _base.history_frame(columns, self.parameter_names_, path)

    def _place(self, parameters: np.ndarray) -> None:
        self.intercept_, self.coef_ = float(parameters[0]), parameters[1:]

    def _reference(self) -> Any:
        return stats.t(max(self.degrees_of_freedom_, np.finfo(float).tiny))

    def predict(self, X: Covariates) -> np.ndarray:
        """Predict the mean of y.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Columns.

        Returns
        -------
        array of shape (n,)
            intercept + x'coef.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return X @ self.coef_ + self.intercept_


def _hessian(theta: Any, rows: Rows) -> np.ndarray:
    """Hessian of the mean half square, X'X over the number of rows."""
    return np.asarray(compiled_derivatives(squared, theta, rows, 0.0)[2])


def _objective(square: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Mean negative Gaussian log-likelihood of residuals with this mean square."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return 0.5 * np.log(2 * np.pi * variance) + 0.5 * square / variance


def mean_squares(
    path: np.ndarray, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None
) -> np.ndarray:
    """Mean squared residual at each point (intercept, slopes) of a path."""
    if len(path) <= 4:
        rest = [y - X @ point[1:] - point[0] for point in path]
        return np.array([np.average(r * r, weights=weight) for r in rest])
    # A long path is walked on the centered moments: one pass over the rows for all points.
    center = np.append(X.mean(axis=0), y.mean())
    weight = np.ones(len(y)) if weight is None else weight
    moments = np.zeros((X.shape[1] + 2, X.shape[1] + 2))
    for start in range(0, len(y), BLOCK):
        part = slice(start, start + BLOCK)
        ones = np.ones(len(y[part]))
        z = np.column_stack([ones, X[part] - center[:-1], y[part] - center[-1]])
        moments += (z.T * weight[part]) @ z
    level = center[-1] - path[:, 0] - path[:, 1:] @ center[:-1]
    residual = np.column_stack([level, -path[:, 1:], np.ones(len(path))])
    square = np.sum((residual @ moments) * residual, axis=1) / weight.sum()
    return np.maximum(square, 0.0)
