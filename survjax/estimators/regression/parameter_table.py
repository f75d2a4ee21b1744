"""The table of a model's parameters."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from survjax.estimators.frames import frame, parameter_columns
from survjax.estimators.lifetime.predictions import check_level
from survjax.likelihood.vector.constraints import Constraints

if TYPE_CHECKING:
    import pandas as pd


class ParameterTable:
    """`summary` of an estimator that holds natural parameters and their covariance."""

    parameters_: np.ndarray
    covariance_: np.ndarray
    parameter_names_: tuple[str, ...]
    #: What does not move, of estimators that can hold parameters.
    _constraints: Constraints | None = None
    _inside_bounds: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    _prior_words: Callable[[tuple[str, ...]], list[str]]

    def summary(self, level: float = 0.95) -> pd.DataFrame:
        """Every parameter with its standard error, z, p-value and bounds.

        Parameters
        ----------
        level : float, default 0.95
            Of the bounds (Wald).

        Returns
        -------
        DataFrame
            Rows are named as `parameter_names_`; columns `estimate, standard_error, lower, upper,
            bounds, z, p_value, ratio`: the method of the bounds, and in the last the exponential of
            an effect or of the log of a parameter; with priors also `prior`.
        """
        check_is_fitted(self)
        z = NormalDist().inv_cdf(0.5 + check_level(level) / 2)
        estimate, error = self.parameters_, np.sqrt(np.diag(self.covariance_))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            score = estimate / error
            tests: dict[str, Any] = {
                "z": score,
                "p_value": [_two_sided(s) for s in score],
                "ratio": np.where(self._has_ratio(), np.exp(estimate), np.nan),
            }
            bounds = estimate - z * error, estimate + z * error
        words: list[str] = ["delta"] * estimate.size
        if self._constraints is not None:
            bounds = self._inside_bounds(*bounds)
            # What is held is not estimated, and nothing of it is tested.
            words = [word or "delta" for word in self._constraints.words()]
            for name in ("z", "p_value"):
                tests[name] = np.where(np.isnan(self._constraints.values), tests[name], np.nan)
        columns = parameter_columns(estimate, error, *bounds, words, tests)
        found = frame(columns, names=self.parameter_names_)
        if getattr(self, "priors", None):
            found["prior"] = self._prior_words(self.parameter_names_)
        return found

    def _has_ratio(self) -> list[bool]:
        """Which are effects or logs: the exponential of a location means nothing."""
        own = [name.rpartition(".")[2] for name in self.parameter_names_]
        return [":" in name or name.startswith("log") for name in own]


def _two_sided(score: float) -> float:
    """P(|Z| > score)."""
    return 2.0 * NormalDist().cdf(-abs(score)) if np.isfinite(score) else float("nan")
