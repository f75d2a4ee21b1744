"""What a fit of several causes with covariates leaves behind: predictions, bounds, a file."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.annotations import Covariates
from survjax._core.precision import double_precision
from survjax._core.validation import check_times
from survjax.data.observations import Observations
from survjax.estimators.competing.incidence import AssetIncidence
from survjax.estimators.competing.intervals import INCIDENCE
from survjax.estimators.competing.parts import CausePart, joined, part_of
from survjax.estimators.competing.together import LEAST_EIGENVALUE
from survjax.estimators.effects.constraints import ConstrainedEffects
from survjax.estimators.lifetime.predictions import check_level
from survjax.estimators.lifetime.state import CERTIFICATE
from survjax.estimators.plots import Plots
from survjax.estimators.regression.intervals import METHODS, RegressionIntervals
from survjax.estimators.regression.saved import replicates_of
from survjax.estimators.saving.fields import Flag, Floats, Number, Strings
from survjax.estimators.saving.nested import FittedModels
from survjax.estimators.saving.persistence import Persistent
from survjax.likelihood.causes.with_columns import rates_of_rows
from survjax.likelihood.regression.columns import sample_rows, to_natural
from survjax.likelihood.vector.constraints import Constraints
from survjax.prediction.curves import response_value
from survjax.prediction.regression_curves import FittedForm
from survjax.prediction.regression_incidence import asset_incidence, mean_incidences
from survjax.uncertainty.percentiles import replicate_bounds

if TYPE_CHECKING:
    import pandas as pd


#: Units over which a picture takes the mean.
DRAWN_UNITS = 256


class FittedCauseModels(AssetIncidence, RegressionIntervals, Persistent, Plots):
    """The models of all causes as one model."""

    _picture = "incidence"

    causes: Any
    models_: dict[Hashable, Any]
    n_features_in_: int
    _constraints: Any
    _labels: Callable[[], tuple[Hashable, ...]]
    _inside_bounds = ConstrainedEffects._inside_bounds
    #: As in `RegressionAnswer`.
    _least_eigenvalue = LEAST_EIGENVALUE
    priors = None

    _saved: ClassVar[Mapping[str, Any]] = {
        "models_": FittedModels(),
        "n_features_in_": Number(whole=True, least=1),
        "feature_names_in_": Strings("columns", optional=True),
        # For readers of the file that are not survjax; checked against the models.
        "parameter_names_": Strings("p"),
        "_covariance": Floats(("p", "p"), finite=False),
        "log_likelihood_": Number(),
        "n_units_": Number(least=0.0),
        "n_events_": Number(least=0.0),
        "converged_": Flag(),
        "certificate_": CERTIFICATE,
        "bootstrap_": replicates_of("p"),
    }

    @property
    def tol(self) -> float:  # type: ignore[override]
        """The smallest of the causes' models."""
        return min(model.tol for model in self.models_.values())

    @property
    def max_iter(self) -> int:  # type: ignore[override]
        """The largest of the causes' models."""
        return max(model.max_iter for model in self.models_.values())

    def _names(self, parts: list[CausePart]) -> tuple[str, ...]:
        """Names of all coefficients, which begin with the cause."""
        pairs = zip(self.models_, parts, strict=True)
        return tuple(f"{label}.{name}" for label, part in pairs for name in part.names)

    def _derive(self, fitted: FittedForm, converged: bool) -> None:
        """Set what follows from the answer for all causes."""
        self._fitted, self.converged_ = fitted, converged
        parts = [part_of(model, self.n_features_in_) for model in self.models_.values()]
        self._constraints = Constraints.joined([part.constraints for part in parts])
        change = to_natural(fitted.layout, fitted.columns)
        self.parameters_ = change @ fitted.theta
        self.covariance_ = change @ np.asarray(fitted.covariance) @ change.T
        self.parameter_names_ = self._names(parts)
        self.n_free_ = sum(model.n_free_ for model in self.models_.values())
        # Criteria are of maxima of a likelihood, and priors move the answer off it.
        priors = any(getattr(model, "priors", None) for model in self.models_.values())
        top = np.nan if priors else self.log_likelihood_
        self.aic_ = 2.0 * self.n_free_ - 2.0 * top
        self.bic_ = float(self.n_free_ * np.log(self.n_units_) - 2.0 * top)

    def _assets(
        self, X: Covariates, ages: ArrayLike | None, offset: ArrayLike | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        x, ages = super()._assets(X, ages, offset)
        return np.tile(x, (1, len(self.models_))), ages

    def summary(self, level: float = 0.95) -> pd.DataFrame:
        """The tables of all causes, whose rows begin with the cause.

        Parameters
        ----------
        level : float, default 0.95
            Of the bounds.

        Returns
        -------
        DataFrame
            As each model's own `summary`.
        """
        import pandas as pd

        self._check_fitted()
        tables = [model.summary(level) for model in self.models_.values()]
        found = pd.concat(tables)
        names = zip(self.models_, tables, strict=True)
        found.index = pd.Index([f"{label}.{row}" for label, table in names for row in table.index])
        return found

    @double_precision
    def confidence_interval(
        self,
        curve: str,
        X: Covariates | None = None,
        t: Any = None,
        level: float = 0.95,
        method: str = "auto",
        *,
        cause: Hashable = None,
        ages: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Confidence bounds of the parameters of all causes, or of a curve of each unit.

        Parameters
        ----------
        curve : str
            As in `AcceleratedLifetime.confidence_interval`, until any cause ends a unit; or
            "cumulative_incidence" with a cause: what it ends beside the others.
        X, t, level, method, ages, offset
            As there; t may be infinite for "cumulative_incidence". There is no offset.
        cause : label, optional
            For "cumulative_incidence". Bounds of one cause as if no other were at work are those
            of its model in `models_`.

        Returns
        -------
        lower, upper : arrays
            As there.
        """
        if curve != INCIDENCE:
            if cause is not None:
                raise ValueError(
                    f"cause is for curve={INCIDENCE!r}: as if no other cause were at work, ask "
                    f"models_[{cause!r}]"
                )
            return super().confidence_interval(curve, X, t, level, method, ages=ages, offset=offset)
        check_level(level)
        if method not in METHODS or method == "profile":
            raise ValueError(f"method must be 'auto', 'delta' or 'bootstrap', got {method!r}")
        number = self._number(cause)
        x, ages = self._assets(X, ages, offset)
        times = check_times(np.atleast_1d(t), "t", zero=True, infinite=True)
        n, m = x.shape[0], times.size
        wide = np.repeat(times, n), np.tile(x, (m, 1)), np.tile(ages, m)
        if method == "bootstrap":
            low, high = self._incidence_replicated(number, *wide, level)
        else:
            low, high = self._incidence(cause, *wide, level)[1:]
        single = np.ndim(t) == 0
        return (low, high) if single else (low.reshape(m, n).T, high.reshape(m, n).T)

    def _incidence_replicated(
        self, number: int, t: np.ndarray, x: np.ndarray, ages: np.ndarray, level: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bootstrap bounds (n,) of what a cause ends."""
        natural, fitted = self._replicates().parameters, self._fitted
        alone = fitted._replace(covariance=None)
        back = np.linalg.inv(to_natural(fitted.layout, fitted.columns))
        best = asset_incidence(alone, number, t, x, ages)[0]
        found = [
            asset_incidence(alone._replace(theta=back @ point), number, t, x, ages)[0]
            for point in natural
        ]
        low, high = replicate_bounds(np.array(found), best, level)
        return response_value("cdf", low), response_value("cdf", high)

    @property
    def _rows(self) -> Observations:
        """The units that were fitted."""
        return self._training.rows

    @property
    def _allowed(self) -> np.ndarray:
        """The causes that each may have ended of."""
        units: Any = self._training.units
        return np.asarray(units.allowed)

    @double_precision
    def _drawn_incidence(
        self, t: np.ndarray, cause: Hashable, level: float
    ) -> tuple[np.ndarray, ...]:
        """What a cause has ended of units like those fitted by times (m,): their mean."""
        if not hasattr(self, "_training"):
            raise ValueError(
                "the incidence of all units needs those that were fitted, and a model from a file, "
                "or with a base that was fitted before, has none: ask "
                "cumulative_incidence(X, ...) for units of your own"
            )
        rows, x, fitted = self._rows, self._training.x, self._fitted
        form: Any = fitted.form
        some = sample_rows(rows.weight, DRAWN_UNITS)
        wide = np.tile(x[some], (1, len(self.models_)))
        rates = rates_of_rows(form, fitted.layout, fitted.theta, wide, fitted.columns)
        return (mean_incidences(rates, rows.weight[some], t)[self._number(cause)],)

    def _state(self) -> Any:
        state = {name: vars(self).get(name) for name in self._saved}
        return SimpleNamespace(**state | {"_covariance": self._fitted.covariance})

    def _rebuild(self) -> None:
        covariance, names = vars(self).pop("_covariance"), self.parameter_names_
        if tuple(self.models_) != self._labels():
            raise ValueError("models_ are not those of causes")
        parts = [part_of(model, self.n_features_in_) for model in self.models_.values()]
        if any(part.columns.center.size != self.n_features_in_ for part in parts):
            raise ValueError(f"models_ are not of {self.n_features_in_} columns")
        fitted = joined(parts)
        if covariance.shape != (fitted.theta.size, fitted.theta.size):
            raise ValueError(f"_covariance does not fit {fitted.theta.size} coefficients")
        known = vars(self).get("feature_names_in_")
        if known is not None:
            self.feature_names_in_ = np.array(known, dtype=object)
        self._derive(fitted._replace(covariance=covariance), self.converged_)
        if names != self.parameter_names_:
            raise ValueError("parameter_names_ do not agree with models_")
