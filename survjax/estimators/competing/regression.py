"""Several causes, each with a regression of its own."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Hashable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone

from survjax._core.annotations import Covariates
from survjax._core.callers import users_level
from survjax._core.precision import double_precision
from survjax.data.causes import CauseColumn, allowed_causes, check_labels
from survjax.data.labels import rows_by_position
from survjax.data.observations import Observations
from survjax.estimators.atomic import all_or_nothing
from survjax.estimators.competing.checks import alike_warning, check_agreement, check_seen
from survjax.estimators.competing.fitted import FittedCauseModels
from survjax.estimators.competing.parts import joined, part_of, sees_columns
from survjax.estimators.competing.state import joined_certificate
from survjax.estimators.competing.together import (
    fit_together,
    settle,
    target_of,
    training_apart,
    training_of,
)
from survjax.estimators.covariates import check_covariates
from survjax.estimators.lifetime.model import LifetimeModel
from survjax.estimators.messages import FitWarning, NoFiniteMaximum
from survjax.fitting.causes.rows import coupled
from survjax.likelihood.causes.with_columns import CauseUnits


class CompetingRegression(FittedCauseModels, BaseEstimator):
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
        The fitted model of each cause, as if no other were at work. Log-likelihoods of their own
        are NaN where the causes were fitted together.
    log_likelihood_, aic_, bic_ : float
        Of durations and causes together; BIC counts units.
    n_free_ : int
        Parameters that AIC and BIC count.
    parameters_, parameter_names_, covariance_
        Of all causes, one after the other, such as `wear.log_scale:load`.
    converged_ : bool
        Whether the fit of each cause is a proper maximum.
    certificate_ : Certificate
        What that stands on.

    Notes
    -----
    With every cause known the likelihood separates: each cause is fitted alone. Their hazards add
    up again in the predictions, which are those of the time until any cause ends the unit; with
    `cause=` they are the chance that this cause does (Kalbfleisch and Prentice 2002, section 8.2).
    Where a cause is known to be among some only, a time to lie in an interval, or units to be seen
    only if they ended in time (`exit=`), the coefficients of all causes are maximized together,
    over the likelihood of `CompetingRisks` with a lifetime for each unit.

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

    causes: Any

    def __init__(self, causes: Mapping[Any, Any] | None = None) -> None:
        self.causes = causes

    @double_precision
    @all_or_nothing
    @rows_by_position
    def fit(
        self,
        X: Covariates,
        durations: ArrayLike,
        cause: CauseColumn | None = None,
        *,
        entry: ArrayLike | None = None,
        exit: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit to covariates, times and what ended the units, some of them still running.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Covariates of each unit.
        durations : array-like of shape (n,)
            Time to the end, or time survived so far, in any one unit of time.
        cause : array-like of shape (n,)
            What ended each unit: a label of `causes`; a set, frozenset, tuple or list of labels
            where it is one of these and no more is known; None, NaN, NA or the number 0 where the
            unit still runs.
        entry, exit, sample_weight : array-like of shape (n,), optional
            As in `CompetingRisks.fit`.

        Returns
        -------
        self

        Raises
        ------
        NoFiniteMaximum
            Where no unit ended of a cause, or its likelihood rises without end: the message names
            the cause.
        """
        x = check_covariates(self, X, reset=True)
        allowed = allowed_causes(cause, self._labels(), x.shape[0])
        rows = Observations.from_durations(
            durations, allowed.any(axis=1), entry=entry, exit=exit, sample_weight=sample_weight
        )
        return self._fit(X, x, rows, allowed)

    @double_precision
    @all_or_nothing
    @rows_by_position
    def fit_interval(
        self,
        X: Covariates,
        lower: ArrayLike,
        upper: ArrayLike,
        cause: CauseColumn | None = None,
        *,
        entry: ArrayLike | None = None,
        exit: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit to covariates and bounds: each unit ended in (lower, upper].

        Parameters
        ----------
        X : array-like of shape (n, p)
            Covariates of each unit.
        lower, upper : array-like of shape (n,)
            lower == upper is an exact time, upper = inf a unit still running, lower = 0 one
            found ended at its first inspection.
        cause, entry, exit, sample_weight : array-like of shape (n,)
            As in `fit`.

        Returns
        -------
        self
        """
        x = check_covariates(self, X, reset=True)
        allowed = allowed_causes(cause, self._labels(), x.shape[0])
        rows = Observations.from_intervals(
            lower, upper, entry=entry, exit=exit, sample_weight=sample_weight
        )
        return self._fit(X, x, rows, allowed)

    def _fit(self, X: Covariates, x: np.ndarray, rows: Observations, allowed: np.ndarray) -> Self:
        """Fit each cause alone where the likelihood separates, and all together where not."""
        check_agreement(rows, allowed)
        check_seen(rows, allowed & (rows.weight != 0)[:, None], self._labels())
        for name in ("bootstrap_", "_training"):
            self.__dict__.pop(name, None)
        self.n_units_, self.n_events_ = rows.n_units, rows.n_events
        if coupled(rows, allowed):
            kept = np.flatnonzero(rows.weight)
            self._fit_together(rows.take(kept), allowed[kept], x[kept])
        else:
            self._fit_apart(X, x, rows, allowed)
        if not any(map(sees_columns, self.causes.values())):
            words = "no cause sees the covariates: give one a regression, as AcceleratedLifetime()"
            warnings.warn(words, FitWarning, stacklevel=users_level())
        return self

    def _fit_apart(
        self, X: Covariates, x: np.ndarray, rows: Observations, allowed: np.ndarray
    ) -> None:
        """Fit each cause alone."""
        self.models_ = {}
        for k, label in enumerate(self._labels()):
            one = dataclasses.replace(rows, event=rows.event * allowed[:, k])
            self.models_[label] = self._fit_alone(label, X, one)
        parts = [part_of(model, self.n_features_in_) for model in self.models_.values()]
        self.certificate_ = joined_certificate(self.models_)
        self.log_likelihood_ = float(sum(m.log_likelihood_ for m in self.models_.values()))
        self._derive(joined(parts), all(m.converged_ for m in self.models_.values()))
        whole = all(part.in_one_step for part in parts)
        training = (training_of if whole else training_apart)(parts, rows, allowed, x)
        if training is not None:
            self._training = training

    def _fit_together(self, rows: Observations, allowed: np.ndarray, x: np.ndarray) -> None:
        """Fit all causes at once."""
        labels = self._labels()
        for label in labels:
            penalty = getattr(self.causes[label], "penalty", None)
            if isinstance(penalty, str):
                raise ValueError(
                    f"cause {label!r}: penalty={penalty!r} needs every cause known, and every "
                    "time exactly: pass a number"
                )
        together = fit_together(self._fit_alone, labels, rows, allowed, x)
        self.models_ = {
            label: part.model for label, part in zip(labels, together.parts, strict=True)
        }
        for model in self.models_.values():
            if sees_columns(model) and hasattr(self, "feature_names_in_"):
                model.feature_names_in_ = self.feature_names_in_
        fitted, self.certificate_ = settle(together, self._names(together.parts), rows.n_units)
        self.log_likelihood_ = float(together.found.value)
        self._derive(fitted, not self.certificate_.violations)
        self._training = together.training
        bad = "; ".join(self.certificate_.violations)
        kept = f"no proper maximum: {bad}. What is kept instead has no bounds" if bad else ""
        for words in (kept, alike_warning(labels, allowed)):
            if words:
                warnings.warn(words, FitWarning, stacklevel=users_level())

    def _labels(self) -> tuple[Hashable, ...]:
        if not isinstance(self.causes, Mapping):
            raise ValueError(
                "causes must be a dict from each cause to its model, such as "
                f'{{"wear": AcceleratedLifetime()}}, got {self.causes!r}'
            )
        return check_labels(list(self.causes))

    def _fit_alone(self, label: Hashable, X: Covariates, rows: Observations) -> Any:
        """The model of one cause, for which the ends of other causes are censored."""
        causes: Mapping[Any, Any] = self.causes or {}
        model = causes[label]
        given = {"entry": rows.entry, "sample_weight": rows.weight}
        if not sees_columns(model):
            if hasattr(model, "predict_survival"):
                raise ValueError(
                    f"the cause {label!r} cannot be a {type(model).__name__}: "
                    "AcceleratedLifetime, ScaledHazard, ScaledOdds and MixtureRegression can"
                )
            if not hasattr(model, "_fit_steps"):
                model = LifetimeModel(model)
            if model.resolution is not None:
                raise ValueError(
                    f"the cause {label!r} cannot have a resolution of its own: pass the intervals "
                    "that durations stand for to fit_interval"
                )
        try:
            if sees_columns(model):
                return clone(model).fit(X, target_of(rows), **given)
            return clone(model)._fit(rows)
        except NoFiniteMaximum as error:
            raise NoFiniteMaximum(f"cause {label!r}: {error}") from None

    @double_precision
    @rows_by_position
    def score(
        self,
        X: Covariates,
        durations: ArrayLike,
        cause: CauseColumn | None = None,
        *,
        entry: ArrayLike | None = None,
        exit: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Mean log-likelihood per unit, of its time and cause; higher is better.

        Arguments as in `fit`.
        """
        self._check_fitted()
        x = check_covariates(self, X, reset=False)
        allowed = allowed_causes(cause, tuple(self.models_), x.shape[0])
        rows = Observations.from_durations(
            durations, allowed.any(axis=1), entry=entry, exit=exit, sample_weight=sample_weight
        )
        fitted: Any = self._fitted
        model = fitted.form, fitted.layout, fitted.columns
        units = CauseUnits(*model, rows, allowed, x, fitted.theta)
        return units.likelihood(fitted.theta)[0] / float(rows.weight.sum())
