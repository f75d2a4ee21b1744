"""What the linear models share: checked settings, tables of the path, standard errors."""

from __future__ import annotations

import copy
import warnings
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from survjax._core.annotations import Covariates
from survjax._core.callers import users_level
from survjax._core.validation import check_count as check_count
from survjax._core.validation import check_positive as check_positive
from survjax.estimators.frames import frame, parameter_columns
from survjax.estimators.messages import FitWarning
from survjax.networks.training import FEW as FEW
from survjax.optimize import Solution


def check_solver(solver: Any, named: tuple[str, ...]) -> Any:
    """Accept one of the named solvers or an optax transformation."""
    if isinstance(solver, str) and solver in named:
        return solver
    if callable(getattr(solver, "init", None)) and callable(getattr(solver, "update", None)):
        return solver
    choices = ", ".join(repr(name) for name in named)
    raise ValueError(f"solver must be {choices} or an optax transformation, got {solver!r}")


def row_weights(sample_weight: ArrayLike | None, X: np.ndarray) -> np.ndarray | None:
    """Check weights: one a row, none negative, not all zero; None where all rows count once."""
    if sample_weight is None:
        return None
    weight = _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True, allow_all_zero_weights=False
    )
    return np.asarray(weight)


def validation_pair(validation_data: tuple[Covariates, ArrayLike] | None) -> tuple[Any, Any] | None:
    """Take `validation_data=(X, y)` apart."""
    if validation_data is None:
        return None
    if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
        raise ValueError(f"validation_data must be a pair (X, y), got {validation_data!r:.80}")
    return validation_data[0], validation_data[1]


def warn_unless_converged(solution: Solution, name: str, solver: Any) -> None:
    """Say why a fit stopped early, and what to do."""
    if not solution.converged:
        other = (
            "" if isinstance(solver, str) and solver == "newton" else ", or take solver='newton'"
        )
        warnings.warn(
            f"{name} {solution.message} ({int(solution.n_iter)} iterations, stopping measure "
            f"{float(solution.decrement):.3g}): raise max_iter or tol{other}",
            FitWarning,
            stacklevel=users_level(),
        )


def history_frame(
    columns: dict[str, np.ndarray], names: tuple[str, ...], parameters: np.ndarray
) -> pd.DataFrame:
    """Build the table of a path: parameters where they are few, then what was measured."""
    few = dict(zip(names, parameters.T, strict=True)) if len(names) <= FEW else {}
    frame = pd.DataFrame({**few, **columns})
    return frame.rename_axis(index="iteration")


def row_of_history(model: Any, iteration: int) -> pd.Series:
    """Take the row of `history_` that holds all parameters at one iteration."""
    check_is_fitted(model)
    history = model.history_
    if not -len(history) <= iteration < len(history):
        raise ValueError(
            f"iteration must be one of the {len(history)} in history_, got {iteration}"
        )
    return history.iloc[iteration]


def no_parameters(n: int) -> ValueError:
    """Say why a model cannot be taken back to an earlier iteration."""
    return ValueError(
        f"history_ holds the parameters of models with at most {FEW}, this one has {n}"
    )


class Coefficients:
    """Estimates with errors: for models that keep parameters_, names and a covariance."""

    history_: pd.DataFrame
    parameters_: np.ndarray
    parameter_names_: tuple[str, ...]
    covariance_: np.ndarray

    @property
    def standard_errors_(self) -> np.ndarray:
        """Standard error of each of `parameters_`."""
        return np.sqrt(np.diag(self.covariance_))

    def summary(self, level: float = 0.95) -> pd.DataFrame:
        """Tabulate the parameters with standard errors and Wald bounds.

        Parameters
        ----------
        level : float, default 0.95
            Confidence level of the bounds.

        Returns
        -------
        DataFrame
            One row a parameter; columns estimate, standard_error, lower, upper, bounds, z (the
            estimate over its error), p_value (of zero, by the normal distribution, or Student's
            for a linear regression) and ratio, the exponential of the estimate.
        """
        check_is_fitted(self)
        if not 0.0 < level < 1.0:
            raise ValueError(f"level must lie between 0 and 1, such as 0.95, got {level!r}")
        reference = self._reference()
        error = self.standard_errors_
        with np.errstate(divide="ignore", invalid="ignore"):
            score = self.parameters_ / error
        width = reference.ppf(0.5 + level / 2) * error
        with np.errstate(over="ignore"):
            ratio = np.exp(self.parameters_)
        tests = {"z": score, "p_value": 2 * reference.sf(np.abs(score)), "ratio": ratio}
        bounds = self.parameters_ - width, self.parameters_ + width
        columns = parameter_columns(self.parameters_, error, *bounds, "delta", tests)
        return frame(columns, names=self.parameter_names_).rename_axis("parameter")

    def at_iteration(self, iteration: int) -> Self:
        """Give the model as it was at one iteration of its fit.

        Parameters
        ----------
        iteration : int
            Row of `history_`; negative ones count from the end.

        Returns
        -------
        estimator
            A copy that predicts with the parameters of that moment; the errors are the end's.
        """
        row = row_of_history(self, iteration)
        if len(self.parameters_) > FEW:
            raise no_parameters(len(self.parameters_))
        then = copy.copy(self)
        then.parameters_ = row[list(self.parameter_names_)].to_numpy(float)
        then._place(then.parameters_)
        return then

    def _place(self, parameters: np.ndarray) -> None:
        """Set intercept and coefficients from the vector of all parameters."""
        raise NotImplementedError

    def _reference(self) -> Any:
        """Distribution that an estimate over its standard error follows."""
        return stats.norm


def raw_coordinates(theta: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Take (..., p + 1) parameters of standardized columns to those of the columns as given."""
    slopes = theta[..., 1:] / scale
    level = theta[..., :1] - (slopes @ mean)[..., None]
    return np.concatenate([level, slopes], axis=-1)


def raw_jacobian(mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Matrix of `raw_coordinates`, which is linear."""
    return raw_coordinates(np.eye(len(mean) + 1), mean, scale).T
