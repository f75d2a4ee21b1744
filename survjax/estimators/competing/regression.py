"""Several causes, each with a regression of its own."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone

from survjax._core.precision import double_precision
from survjax.data.causes import allowed_causes, check_labels
from survjax.estimators.atomic import all_or_nothing
from survjax.estimators.competing.incidence import AssetIncidence
from survjax.estimators.covariates import check_covariates
from survjax.estimators.lifetime.model import LifetimeModel
from survjax.estimators.messages import NoFiniteMaximum
from survjax.likelihood.regression.columns import Columns
from survjax.likelihood.regression.competing_form import CompetingForm, side_by_side
from survjax.likelihood.regression.forms import Form, Predictor
from survjax.prediction.regression_curves import FittedForm
from survjax.uncertainty.causes.bounds import blocks

if TYPE_CHECKING:
    import pandas as pd


class CompetingRegression(AssetIncidence, BaseEstimator):
    r"""Units that end of one of several causes, whose hazards depend on covariates.

    Parameters
    ----------
    causes : dict
        The model of each cause: `AcceleratedLifetime(...)`, `ScaledHazard(...)`, `ScaledOdds(...)`
        or `MixtureRegression(...)`, which see the covariates; or the name of a family, a
        `Lifetime` or an estimator of lifetimes alone, which are the same for all units. The keys
        are the labels that `cause` has in `fit`: text, or numbers other than 0.

    Attributes
    ----------
    models_ : dict
        The fitted model of each cause, for which the ends of other causes are censored.
    log_likelihood_, aic_, bic_ : float
        Of durations and causes together; BIC counts units.
    n_free_ : int
        Parameters that AIC and BIC count.
    converged_ : bool
        Whether the fit of each cause is a proper maximum.

    Notes
    -----
    With every cause known the likelihood separates: each cause is fitted alone. Their hazards add
    up again in the predictions, which are those of the time until any cause ends the unit; with
    `cause=` they are the chance that this cause does (Kalbfleisch and Prentice 2002, section 8.2).
    Where causes are known to be among some only, `CompetingRisks` serves units without covariates.

    Examples
    --------
    >>> import numpy as np
    >>> from survjax import AcceleratedLifetime, CompetingRegression
    >>> rng = np.random.default_rng(0)
    >>> load = rng.normal(size=(300, 1))
    >>> wear = 10.0 * np.exp(-0.4 * load[:, 0]) * rng.weibull(3.0, 300)
    >>> removal = rng.exponential(20.0, 300)
    >>> cause = np.where(wear < removal, "wear", "removal")
    >>> model = CompetingRegression({"wear": AcceleratedLifetime(), "removal": "exponential"})
    >>> model = model.fit(load, np.minimum(wear, removal), cause)
    >>> found = model.failure_probability(load[:2], ages=[2.0, 5.0], horizon=3.0, cause="wear")
    >>> list(found.columns)
    ['failure_probability', 'lower', 'upper']
    """

    def __init__(self, causes: Mapping[Any, Any] | None = None) -> None:
        self.causes = causes

    @double_precision
    @all_or_nothing
    def fit(
        self,
        X: Any,
        durations: Any,
        cause: Any = None,
        *,
        entry: Any = None,
        sample_weight: Any = None,
    ) -> Self:
        """Fit to covariates, times and what ended the units, some of them still running.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Covariates of each unit.
        durations : array-like of shape (n,)
            Time to the end, or time survived so far, in any one unit of time.
        cause : array-like of shape (n,)
            What ended each unit: a label of `causes`; None, NaN, NA or the number 0 where the unit
            still runs.
        entry, sample_weight : array-like of shape (n,), optional
            As in `AcceleratedLifetime.fit`.

        Returns
        -------
        self

        Raises
        ------
        NoFiniteMaximum
            Where no unit ended of a cause, or its likelihood rises without end: the message names
            the cause.
        """
        labels = self._labels()
        x = check_covariates(self, X, reset=True)
        allowed = allowed_causes(cause, labels, x.shape[0])
        several = np.flatnonzero(allowed.sum(axis=1) > 1)
        if several.size:
            raise ValueError(
                f"the unit in row {several[0]} ended of one of several causes ({several.size} such "
                "rows): covariates need each cause to be known; CompetingRisks takes such rows, "
                "without covariates"
            )
        given: dict[str, Any] = {"entry": entry, "sample_weight": sample_weight}
        self.models_ = {}
        for k, label in enumerate(labels):
            try:
                self.models_[label] = self._fitted_alone(label, X, durations, allowed[:, k], given)
            except NoFiniteMaximum as error:
                raise NoFiniteMaximum(f"cause {label!r}: {error}") from None
        self._derive()
        return self

    def _labels(self) -> tuple[Hashable, ...]:
        if not isinstance(self.causes, Mapping):
            raise ValueError(
                "causes must be a dict from each cause to its model, such as "
                f'{{"wear": AcceleratedLifetime()}}, got {self.causes!r}'
            )
        return check_labels(list(self.causes))

    def _fitted_alone(
        self, label: Hashable, X: Any, durations: Any, ended: np.ndarray, given: dict[str, Any]
    ) -> Any:
        """The model of one cause, for which the ends of other causes are censored."""
        causes: Mapping[Any, Any] = self.causes or {}
        model = causes[label]
        if hasattr(model, "_form"):
            y = np.column_stack([np.asarray(durations, float), ended])
            return clone(model).fit(X, y, **given)
        if hasattr(model, "fit") and not hasattr(model, "_model_of_cause"):
            if hasattr(model, "predict_survival"):
                raise ValueError(
                    f"the cause {label!r} cannot be a {type(model).__name__}: "
                    "AcceleratedLifetime, ScaledHazard, ScaledOdds and MixtureRegression can"
                )
            return clone(model).fit(durations, ended, **given)
        return LifetimeModel(model).fit(durations, ended, **given)

    def _derive(self) -> None:
        """Join the causes' answers into one, over a table with a copy of the columns for each."""
        p, models = self.n_features_in_, list(self.models_.values())
        parts = [_answer(model, p) for model in models]
        layout, columns = side_by_side(
            [part.layout for part in parts], [part.columns for part in parts]
        )
        form: Any = CompetingForm(
            tuple(part.form for part in parts), tuple(len(part.layout) for part in parts)
        )
        theta = np.concatenate([part.theta for part in parts])
        covariance = blocks([np.asarray(part.covariance) for part in parts])
        self._fitted = FittedForm(form, layout, theta, covariance, columns)
        self.converged_ = all(model.converged_ for model in models)
        self.log_likelihood_ = float(sum(model.log_likelihood_ for model in models))
        self.n_free_ = sum(model.n_free_ for model in models)
        self.n_units_ = models[0].n_units_
        self.aic_ = 2.0 * self.n_free_ - 2.0 * self.log_likelihood_
        self.bic_ = float(self.n_free_ * np.log(self.n_units_) - 2.0 * self.log_likelihood_)

    def _assets(self, X: Any, ages: Any, offset: Any = None) -> tuple[np.ndarray, np.ndarray]:
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


def _answer(model: Any, p: int) -> FittedForm:
    """What was fitted for a cause, of which columns move nothing where it sees none."""
    if hasattr(model, "_form"):
        fitted: FittedForm = model._fitted
        return fitted
    names = model.parameter_names_
    layout = tuple(Predictor(name, (0,)) for name in names)
    columns = Columns(np.zeros(p), np.ones(p))
    form = Form(model.lifetime_, names)
    return FittedForm(form, layout, model.parameters_, model.covariance_, columns)
