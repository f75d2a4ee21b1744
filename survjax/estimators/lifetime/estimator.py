"""An estimator of one lifetime for all units: what it does whatever the lifetime."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.callers import users_level
from survjax._core.precision import double_precision
from survjax.data.observations import Observations
from survjax.data.recording import has_ties
from survjax.estimators.atomic import shows_the_right_call
from survjax.estimators.certificate import certify
from survjax.estimators.choosing.goodness import LifetimeGoodness
from survjax.estimators.choosing.residuals import LifetimeResiduals
from survjax.estimators.lifetime.intervals import Intervals
from survjax.estimators.lifetime.predictions import FittedLifetime
from survjax.estimators.lifetime.report import Report
from survjax.estimators.lifetime.rows import check_events_of, counted, described
from survjax.estimators.lifetime.state import ordered
from survjax.estimators.memberships import LifetimeMemberships
from survjax.estimators.messages import FitWarning
from survjax.estimators.parameters import Parameters
from survjax.estimators.plots import Films
from survjax.estimators.refits.refit import Refits
from survjax.estimators.unnamed_units import COUNTS, ONE_ROW, warn_of_unnamed_units
from survjax.fitting.coreset import is_plain
from survjax.fitting.groups.requests import Steps, answered
from survjax.fitting.interior import Interior
from survjax.fitting.search import Maximum
from survjax.fitting.settings import Settings
from survjax.likelihood.devices import Devices, Placed, devices_of
from survjax.likelihood.rows import contributions
from survjax.likelihood.vector.template import Template
from survjax.uncertainty.modes import weigh


class LifetimeEstimator(
    Parameters,
    FittedLifetime,
    Intervals,
    LifetimeResiduals,
    LifetimeGoodness,
    LifetimeMemberships,
    Report,
    Refits,
    Films,
):
    """Fit and score of an estimator that says which lifetime it fits, and how."""

    resolution: float | str | None
    rounding: str
    max_shape: float
    min_component_weight: float

    def _settings(self) -> Settings:
        """How the hyper-parameters have a model fitted."""
        return Settings(
            n_starts=self.n_starts,
            rule=Interior(self.max_shape, self.min_component_weight),
            tol=self.tol,
            max_iter=self.max_iter,
            random_state=self.random_state,
        )

    @property
    @abstractmethod
    def _has_components(self) -> bool:
        """Whether the lifetime is a mixture of several."""

    @property
    def _fails_at_zero(self) -> bool:
        """Whether the lifetime gives failures at time zero a chance."""
        return False

    def _template_for_groups(self) -> Template | None:
        """The template of many fits side by side; None where each group must be fitted alone."""
        return None

    def _may_warn(self, x: np.ndarray, covariance: np.ndarray) -> np.ndarray:
        """Which of many answers (m, p) have something to warn of besides their certificate."""
        return np.zeros(len(x), bool)

    @abstractmethod
    def _maximize(self, rows: Observations) -> Steps[None]:
        """Find the answer on checked rows, and keep it (`_keep`)."""

    @shows_the_right_call(
        'Durations and events are columns, as in fit(table["duration"], table["failed"])'
    )
    @double_precision
    def fit(
        self,
        durations: ArrayLike | Observations,
        event_observed: ArrayLike | None = None,
        *,
        entry: ArrayLike | None = None,
        exit: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        devices: Devices | None = None,
    ) -> Self:
        """Fit to lifetimes, some of them still running.

        Parameters
        ----------
        durations : array-like of shape (n,), or Observations
            Time to failure, or time survived so far, in any one unit of time.
        event_observed : array-like of shape (n,), optional
            True (1) where the failure was seen, False (0) where the unit still ran.
        entry : array-like of shape (n,), optional
            Age at which each unit came under observation.
        exit : array-like of shape (n,), optional
            Latest age at which each unit's failure would have been recorded (right truncation: a
            table of failures only); infinite where any would. A unit still running in such a
            table fails between its duration and its exit.
        sample_weight : array-like of shape (n,), optional
            How many units each row stands for; fractions are fine.
        devices : "all" or sequence of jax.Device, optional
            Over which rows are shared out for sums over all of them; JAX's first by default.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input that is not a set of lifetimes.
        NoFiniteMaximum
            Where the likelihood rises without end, so that no Weibull is the answer.
        """
        plain = entry is None and exit is None and sample_weight is None
        if plain and not isinstance(durations, Observations):
            durations, event_observed, sample_weight = counted(durations, event_observed)
        rows = self._rows_of(durations, event_observed, entry, exit, sample_weight)
        if rows is not durations and self._has_components:
            warn_of_unnamed_units(rows, None, COUNTS, ONE_ROW)
        return self._fit(rows, devices=devices)

    def _rows_of(
        self,
        durations: ArrayLike | Observations,
        event_observed: ArrayLike | None,
        entry: ArrayLike | None,
        exit: ArrayLike | None,
        sample_weight: ArrayLike | None,
    ) -> Observations:
        """The rows that the arguments of `fit` and `score` describe."""
        columns = durations, event_observed, entry, exit, sample_weight
        options: dict[str, Any] = {"resolution": self.resolution, "rounding": self.rounding}
        return described(*columns, **options, zeros=self._fails_at_zero)

    @double_precision
    def fit_interval(
        self,
        lower: ArrayLike,
        upper: ArrayLike,
        *,
        entry: ArrayLike | None = None,
        exit: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        devices: Devices | None = None,
    ) -> Self:
        """Fit to bounds: each unit failed in (lower, upper].

        Parameters
        ----------
        lower, upper : array-like of shape (n,)
            lower == upper is an exact failure, upper = inf a unit still running, lower = 0 one
            found failed at its first inspection.
        entry, exit, sample_weight, devices : optional
            As in `fit`.
        """
        rows = Observations.from_intervals(
            lower,
            upper,
            entry=entry,
            exit=exit,
            sample_weight=sample_weight,
            zeros=self._fails_at_zero,
        )
        return self._fit(rows, devices=devices)

    def _fit(self, rows: Observations, warn: bool = True, devices: Devices | None = None) -> Self:
        """Compress, find the maximum, and keep the answer with its certificate."""
        answered(self._fit_steps(rows, warn, devices))
        return self

    def _fit_steps(
        self, rows: Observations, warn: bool = True, devices: Devices | None = None
    ) -> Steps[None]:
        """`_fit`, as what asks for local maxima."""
        self._check_parameters()
        rows = rows.without_padding()
        if rows.n_rows and has_ties(rows.lower):
            rows = rows.compressed()
        check_events_of(rows, self._fails_at_zero, bool(self.priors))
        if devices is not None:
            rows = Placed.on(rows, devices_of(devices))
        yield from self._maximize(rows)
        if warn:
            self._warn(rows)

    def _keep(self, template: Template, rows: Observations, found: Maximum) -> None:
        """Set the fitted attributes, components in the order of their medians."""
        self._forget()
        self._template = template
        x, hessian = ordered(template, found.best)
        x = template.constraints.placed(x)
        self.parameters_ = x
        self.converged_ = not found.violations
        self.covariance_ = (
            template.constraints.covariance(hessian)
            if self.converged_
            else np.full((x.size, x.size), np.nan)
        )
        # The order of components changes neither: priors that tell them apart keep it.
        self.log_likelihood_ = float(found.best.value) - template.log_prior(x)
        self.n_units_, self.n_events_ = rows.n_units, rows.n_events
        self._derive()
        self._maxima = None
        if self.converged_:
            self._maxima = weigh(
                template,
                x,
                hessian,
                found.best.value,
                found.others,
                self._settings().rule,
                rows.n_units,
            )
        self.n_iter_ = found.best.n_iter
        at_bounds = tuple(template.read_names[i] for i in template.constraints.at_bounds)
        self.certificate_ = certify(found, hessian, self.n_units_, at_bounds)
        path = np.empty((0, x.size)) if found.best.path is None else found.best.path
        path = np.concatenate([found.start[None], path, found.best.x[None]])
        self._rows, self._path = rows.few, path

    def _warn(self, rows: Observations) -> None:
        """Tell the user what the numbers alone would hide."""
        if not self.converged_:
            warnings.warn(
                f"no interior maximum with {self._template.n_components} components: "
                f"{'; '.join(self.certificate_.violations)}. What is kept instead is a penalized "
                "fit, without bounds. Try fewer components, or resolution= if durations are "
                "rounded",
                FitWarning,
                stacklevel=users_level(),
            )
        elif self._template.n_components > 1 and rows.entry is None and is_plain(rows):
            tied = float(np.sum(rows.weight[(rows.event > 0) & (rows.weight > 1)]))
            whole = not rows.is_compressed  # else weights above one are no ties
            if whole and tied > 0.5 * self.n_events_ and self.resolution is None:
                warnings.warn(
                    f"{tied:.0f} of {self.n_events_:.0f} failures share their time with another: "
                    "if durations were rounded, pass resolution= (a width or 'auto'), since the "
                    "density of tied times favors components that collapse on one of them",
                    FitWarning,
                    stacklevel=users_level(),
                )

    @double_precision
    def score(
        self,
        durations: ArrayLike | Observations,
        event_observed: ArrayLike | None = None,
        *,
        entry: ArrayLike | None = None,
        exit: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Mean log-likelihood per unit; higher is better. Arguments as in `fit`."""
        self._check_fitted()
        rows = self._rows_of(durations, event_observed, entry, exit, sample_weight)
        if not rows.weight.any():
            raise ValueError("nothing is known of any unit: all still run at age zero")
        terms = contributions(self.lifetime_, rows)
        return float(np.sum(rows.weight * terms) / np.sum(rows.weight))
