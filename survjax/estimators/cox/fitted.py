"""A fitted proportional-hazards model in an estimator: estimates, risks, and hazards by stratum."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from survjax._core.annotations import Covariates
from survjax._core.callers import users_level
from survjax._core.validation import check_length, check_per_unit
from survjax.cox import CoxFit, HazardTable, hazard_table, robust_covariance
from survjax.cox.baseline import step_curve
from survjax.cox.fit import check_offset
from survjax.data.labels import rows_by_position
from survjax.estimators.covariates import check_covariates, column_names, outlying_words
from survjax.estimators.frames import frame
from survjax.estimators.messages import FitWarning


class FittedCox:
    """An estimator that holds `_cox`, the covariance of its coefficients and its hazards."""

    _cox: CoxFit
    _counts: Callable[[int], tuple[np.ndarray, np.ndarray]]
    robust: bool
    max_iter: int
    feature_means_: np.ndarray
    penalty_: float

    def _keep(self, found: CoxFit, groups: dict[str, Any], n_units: float, x: np.ndarray) -> None:
        """Set the fitted attributes."""
        self._cox = found
        self.__dict__.pop("_tables", None)
        self.coef_ = np.where(found.maximum.aliased, 0.0, found.coef)
        self.covariance_ = found.covariance
        self._robust, self._groups = self.robust or bool(groups), groups
        if self._robust:
            self.covariance_ = robust_covariance(found, **groups)
        self.parameters_ = self.coef_
        self.parameter_names_ = tuple(column_names(self))
        self.log_likelihood_ = found.log_likelihood
        self.null_log_likelihood_ = found.null_log_likelihood
        self.n_units_, self.n_events_ = n_units, float(found.failures.weight.sum())
        self.aic_ = 2.0 * np.count_nonzero(self.coef_) - 2.0 * found.log_likelihood
        self.n_iter_ = max(found.n_iter, 1)
        endless = [self.parameter_names_[j] for j in np.flatnonzero(np.isinf(self.coef_))]
        self.converged_ = found.converged and not endless
        path = found.maximum.path
        self.history_ = frame({"log_likelihood": path}).rename_axis(index="iteration")
        if endless:
            remedy = "penalize them" if self.penalty_ else "set penalty > 0"
            words = "; ".join(f"{name!r} runs off to infinity" for name in endless[:5])
            _warn(
                f"no proper maximum: {words}. Drop or merge such columns (no failures, or only "
                f"failures, at some of their values), or {remedy}"
            )
        elif not found.converged:
            short = f"{found.maximum.decrement:.3g} standard errors short of the maximum"
            cut = found.n_iter >= self.max_iter
            advice = "raise max_iter" if cut else "no step raises the likelihood any further"
            far = outlying_words(x, column_names(self))
            _warn(f"stopped after {found.n_iter} Newton steps, {short}{far or ': ' + advice}")

    def _check_fitted(self) -> None:
        check_is_fitted(self)

    def _risk(self, x: np.ndarray) -> np.ndarray:
        """Log relative hazards; coefficients that run away count as far as they were followed."""
        # Column by column, so that equal units have equal risks: a matrix product rounds rows
        # differently by their place, and equal risks count one half in a concordance.
        risk = np.zeros(x.shape[0])
        for column, coefficient in zip(x.T, self._cox.working, strict=True):
            risk += coefficient * column
        return risk

    @rows_by_position
    def _units(self, X: Covariates, ages: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
        """Standardized covariates, and one age for each unit."""
        self._check_fitted()
        x = check_covariates(self, X, reset=False)
        given = 0.0 if ages is None else ages
        found = check_per_unit(given, x.shape[0], "ages", zero=True)
        return (x - self._cox.sets.center) / self._cox.sets.scale, found

    def _by_stratum(self, strata: ArrayLike | None, n: int) -> list[tuple[HazardTable, np.ndarray]]:
        """Each stratum's table, with the rows that belong to it."""
        labels = self._cox.strata
        if labels == (None,):
            if strata is not None:
                raise ValueError("strata were given, but the model was fitted without strata")
            return [(self._table(0), np.arange(n))]
        if strata is None:
            raise ValueError(
                f"the model was fitted with strata {labels[:5]}: pass strata=, one for each row"
            )
        given = np.asarray(strata)
        check_length(given, n, "strata")
        number = {name: i for i, name in enumerate(labels)}
        if not all(name in number for name in given.tolist()):
            given = np.array([str(name) for name in given])  # as labels without an order are kept
        unknown = [name for name in given.tolist() if name not in number]
        if unknown:
            raise ValueError(f"no unit of stratum {unknown[0]!r} was fitted; known: {labels[:10]}")
        code = np.array([number[name] for name in given.tolist()])
        return [(self._table(i), np.flatnonzero(code == i)) for i in np.unique(code)]

    def _table(self, number: int) -> HazardTable:
        """Hazards of a stratum, laid out when they are first asked for."""
        tables = self.__dict__.setdefault("_tables", {})
        if number not in tables:
            tables[number] = hazard_table(self._cox, number, self.covariance_)
        return tables[number]

    @property
    def hazard_ratios_(self) -> np.ndarray:
        """Factor on the hazard for one unit of each column: (p,)."""
        self._check_fitted()
        return np.exp(self.coef_)

    @property
    def baseline_(self) -> Any:
        """Cumulative hazard where all columns have their means; one for each stratum."""
        self._check_fitted()
        z = (self.feature_means_ - self._cox.sets.center) / self._cox.sets.scale
        curves = {
            name: step_curve(self._table(number), z, *self._counts(number))
            for number, name in enumerate(self._cox.strata)
        }
        return curves[None] if self._cox.strata == (None,) else curves


def offsets(offset: ArrayLike | None, n: int) -> np.ndarray:
    """Known parts of n log hazards; zeros by default."""
    return np.zeros(n) if offset is None else check_offset(offset, n)


def _warn(message: str) -> None:
    warnings.warn(message, FitWarning, stacklevel=users_level())
