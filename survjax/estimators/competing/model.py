"""The estimator of several causes, each with a lifetime of its own."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.callers import users_level
from survjax._core.precision import double_precision
from survjax._core.validation import as_column
from survjax.data.causes import CauseColumn, allowed_causes
from survjax.data.labels import rows_by_position
from survjax.data.observations import Observations
from survjax.data.recording import refuse_failed_at_zero
from survjax.estimators.atomic import shows_the_right_call
from survjax.estimators.competing.checks import (
    alike_warning,
    check_agreement,
    check_seen,
    no_maximum,
    violation_warning,
)
from survjax.estimators.competing.intervals import CausesIntervals
from survjax.estimators.competing.predictions import FittedCauses
from survjax.estimators.competing.settings import CausesSettings
from survjax.estimators.lifetime.model import LifetimeModel
from survjax.estimators.lifetime.report import Summary
from survjax.estimators.messages import FitWarning, NoFiniteMaximum
from survjax.estimators.parameters import Parameters
from survjax.estimators.plots import Plots
from survjax.fitting.causes.rows import coupled, rows_of_cause
from survjax.fitting.causes.search import search_causes
from survjax.likelihood.causes.rows import cause_data
from survjax.likelihood.causes.terms import cause_log_likelihood
from survjax.likelihood.causes_template import CausesTemplate
from survjax.likelihood.vector.constraints import Bounds, Fixed


class CompetingRisks(Parameters, CausesSettings, FittedCauses, CausesIntervals, Summary, Plots):
    r"""Units that end of one of several causes, each cause with a lifetime of its own.

    Parameters
    ----------
    causes : dict
        The lifetime of each cause: the name of a family, or any `Lifetime` of
        `survjax.lifetimes` or of your own, as in `LifetimeModel`. The keys are the labels that
        `cause` has in `fit`: text, or numbers other than 0.
    resolution, rounding
        As in `LifetimeModel`: failures count as the interval that a rounded duration stands for.
    n_starts, max_iter, tol, max_shape, min_component_weight, random_state
        As in `LifetimeModel`, for each cause.
    fixed, bounds : dict, optional
        As in `LifetimeModel`, by the names of `summary()`, which begin with the cause:
        `{"wear.shape": 3.0}`.
    shared : dict, optional
        Parameters that are one for several causes, by their names without the cause:
        `{"shape": ["wear", "shock"]}`. Such a parameter counts once. Of a cause that is a mixture
        none is shared.

    Attributes
    ----------
    lifetime_ : Competing
        The lifetime until any cause ends the unit: the hazards of the causes add up.
    lifetimes_ : dict of Lifetime
        That of each cause, as if no other were at work.
    parameters_, parameter_names_ : array of shape (p,), tuple of str
        Unconstrained, of one cause after the other, such as `wear.log_scale`.
    covariance_ : array of shape (p, p)
        Inverse of the observed information; NaN where there is no interior maximum.
    log_likelihood_, aic_, bic_ : float
        Of durations and causes together, at the optimum; BIC counts units.
    n_iter_ : int
        Newton iterations of the answer.
    converged_ : bool
        Whether the answer is an interior maximum.
    certificate_ : Certificate
        What that stands on; its violations name the cause.

    Notes
    -----
    A unit that ended of cause k at t adds log h_k(t) - H(t) to the log-likelihood, one whose cause
    is known to be among some adds the log of the sum of their hazards, one that ended in an
    interval the log of the integral of h_k S over it, and one that still runs -H(t), with H the
    sum of all cumulative hazards (Kalbfleisch and Prentice 2002, chapter 8; Dinse 1982 for causes
    that are not known). Where every cause and every time is known this separates into one fit for
    each cause, in which the other causes' ends are censored.

    Hazards of causes are what data tell. That the causes' latent lifetimes are independent is an
    assumption that no such data can refute (Tsiatis 1975); it matters only for answers to what
    would be if one cause were gone: `lifetimes_` and `predict_rul(..., cause=)`.

    Examples
    --------
    >>> from survjax import CompetingRisks
    >>> durations = [3.0, 5.0, 6.0, 8.0, 9.0, 9.5, 12.0]
    >>> cause = ["wear", "shock", None, "wear", {"wear", "shock"}, "shock", "wear"]
    >>> model = CompetingRisks({"wear": "weibull", "shock": "exponential"}).fit(durations, cause)
    >>> model.parameter_names_
    ('wear.log_scale', 'wear.log_shape', 'shock.log_scale')
    >>> list(model.failure_probability([4.0, 9.0], horizon=2.0, cause="wear").columns)
    ['failure_probability', 'lower', 'upper']
    """

    _picture = "incidence"

    def __init__(
        self,
        causes: Mapping[Any, Any] | None = None,
        *,
        resolution: float | str | None = None,
        rounding: str = "up",
        n_starts: int = 16,
        max_iter: int = 100,
        tol: float = 1e-9,
        max_shape: float = 60.0,
        min_component_weight: float = 1.5,
        random_state: Any = 0,
        fixed: Fixed | None = None,
        bounds: Bounds | None = None,
        shared: Mapping[str, Any] | None = None,
    ) -> None:
        self.causes = causes
        self.fixed = fixed
        self.bounds = bounds
        self.shared = shared
        self.resolution = resolution
        self.rounding = rounding
        self.n_starts = n_starts
        self.max_iter = max_iter
        self.tol = tol
        self.max_shape = max_shape
        self.min_component_weight = min_component_weight
        self.random_state = random_state

    @shows_the_right_call(
        'Durations and causes are columns, as in fit(table["duration"], table["cause"])'
    )
    @double_precision
    def fit(
        self,
        durations: ArrayLike | Observations,
        cause: CauseColumn | None = None,
        *,
        entry: ArrayLike | None = None,
        exit: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit to times with what ended the units, some of them still running.

        Parameters
        ----------
        durations : array-like of shape (n,), or Observations
            Time to the end, or time survived so far, in any one unit of time.
        cause : array-like of shape (n,)
            What ended each unit: a label of `causes`; a set, frozenset, tuple or list of labels
            where it is one of these and no more is known; None, NaN, NA or the number 0 where the
            unit still runs.
        entry : array-like of shape (n,), optional
            Age at which each unit came under observation.
        exit : array-like of shape (n,), optional
            Latest age at which each unit's end would have been recorded, as in
            `LifetimeModel.fit`.
        sample_weight : array-like of shape (n,), optional
            How many units each row stands for; fractions are fine.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input that is not a set of lifetimes, or a label that is none of the causes.
        NoFiniteMaximum
            Where no unit ended of a cause, or its likelihood rises without end: the message
            names the cause.
        """
        return self._fit(*self._rows_of(durations, cause, entry, exit, sample_weight))

    @double_precision
    def fit_interval(
        self,
        lower: ArrayLike,
        upper: ArrayLike,
        cause: CauseColumn | None = None,
        *,
        entry: ArrayLike | None = None,
        exit: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit to bounds: each unit ended in (lower, upper].

        Parameters
        ----------
        lower, upper : array-like of shape (n,)
            lower == upper is an exact time, upper = inf a unit still running, lower = 0 one
            found ended at its first inspection.
        cause, entry, exit, sample_weight : array-like of shape (n,)
            As in `fit`.

        """
        rows = Observations.from_intervals(
            lower, upper, entry=entry, exit=exit, sample_weight=sample_weight
        )
        return self._fit(*self._rows_of(rows, cause, None, None, None))

    @rows_by_position
    def _rows_of(
        self, durations: Any, cause: Any, entry: Any, exit: Any, sample_weight: Any
    ) -> tuple[Observations, np.ndarray]:
        """The rows that the arguments of `fit` and `score` describe, and their causes (n, K)."""
        self._check_parameters()
        labels = self._labels()
        if isinstance(durations, Observations):
            if any(given is not None for given in (entry, exit, sample_weight)):
                raise ValueError("Observations hold entry, exit and weights: pass only cause")
            allowed = allowed_causes(cause, labels, durations.n_rows)
            check_agreement(durations, allowed)
            return durations, allowed
        allowed = allowed_causes(cause, labels, as_column(durations, "durations").size)
        rows = Observations.from_durations(
            durations,
            allowed.any(axis=1),
            entry=entry,
            exit=exit,
            sample_weight=sample_weight,
            resolution=self.resolution,
            rounding=self.rounding,
        )
        return rows, allowed

    def _fit(self, rows: Observations, allowed: np.ndarray) -> Self:
        """Fit each cause alone where the likelihood separates, and all together where not."""
        labels = self._labels()
        kept = np.flatnonzero(rows.weight)
        if not kept.size:
            raise NoFiniteMaximum("nothing is known of any unit: all still run at age zero")
        refuse_failed_at_zero(rows)
        # Rows in an order of their own, so that answers do not depend on the table's.
        rows, places = rows.take(kept).merged(*allowed[kept].T)
        allowed = allowed[kept][places]
        check_seen(rows, allowed, labels)
        if coupled(rows, allowed) or self.shared:
            models = [self._model_of_cause(label) for label in labels]
            parts = [
                model._constrained(model._template_for(rows_of_cause(rows, own)))
                for model, own in zip(models, allowed.T.astype(float), strict=True)
            ]
            template = CausesTemplate(labels, parts)
            template = template.sharing(self._groups(template))
            template, found = search_causes(template, rows, allowed, models[0]._settings())
            if found.violations and not any(part.is_mixture for part in parts):
                raise no_maximum(found.violations, rows)
            self._keep_together(template, found, rows)
        else:
            alone = {
                label: self._fit_alone(label, rows_of_cause(rows, allowed[:, k].astype(float)))
                for k, label in enumerate(labels)
            }
            self._keep_separate(alone, rows)
        self._rows, self._allowed = rows, allowed
        self._warn(labels)
        return self

    def _fit_alone(self, label: Hashable, rows: Observations) -> LifetimeModel:
        """One cause, for which the ends of other causes are censored."""
        try:
            return self._model_of_cause(label)._fit(rows, warn=False)
        except NoFiniteMaximum as error:
            raise NoFiniteMaximum(f"cause {label!r}: {error}") from None

    def _warn(self, labels: tuple[Hashable, ...]) -> None:
        """Tell the user what the numbers alone would hide."""
        violations = "" if self.converged_ else "; ".join(self.certificate_.violations)
        for words in (violation_warning(violations), alike_warning(labels, self._allowed)):
            if words:
                warnings.warn(words, FitWarning, stacklevel=users_level())

    @double_precision
    def score(
        self,
        durations: ArrayLike | Observations,
        cause: CauseColumn | None = None,
        *,
        entry: ArrayLike | None = None,
        exit: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Mean log-likelihood per unit, of time and cause; higher is better. Called as `fit` is."""
        self._check_fitted()
        rows, allowed = self._rows_of(durations, cause, entry, exit, sample_weight)
        if not rows.weight.any():
            raise ValueError("nothing is known of any unit: all still run at age zero")
        total = cause_log_likelihood(self.lifetime_, cause_data(rows, allowed, self.lifetime_))
        return total / float(np.sum(rows.weight))
