"""The Weibull mixture: a fleet that hides several sub-populations."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np

from survjax._core.callers import users_level
from survjax._core.observations import Observations
from survjax._core.precision import double_precision
from survjax._core.recording import has_ties, tabulate
from survjax._core.validation import as_column, check_events, check_failed, check_times
from survjax.estimators._certificate import certify
from survjax.estimators._components import ordered
from survjax.estimators._determined import warn_undetermined
from survjax.estimators._fitted import FittedLifetime
from survjax.estimators._intervals import Intervals
from survjax.estimators._messages import FitWarning, NoFiniteMaximum, likely_cause, shape_direction
from survjax.estimators._parameters import Parameters
from survjax.estimators._plots import Plots
from survjax.estimators._report import Report
from survjax.estimators._selection import select
from survjax.estimators._settings import check_settings
from survjax.estimators._unnamed_units import COUNTS, ONE_ROW, warn_of_unnamed_units
from survjax.inference.curves import memberships
from survjax.inference.determined import log_errors
from survjax.inference.likelihood import contributions
from survjax.inference.maxima import weigh
from survjax.inference.maximize import Climb, Interior, Maximum, faults, search, single_weibull
from survjax.inference.summaries import is_plain


class WeibullMixture(Parameters, FittedLifetime, Intervals, Report, Plots):
    r"""Mixture of Weibull lifetimes, fitted by Newton's method from many starts.

    Parameters
    ----------
    n_components : int or {"bic", "aic", "icl"}, default 2
        Number of sub-populations K. 1 is the plain Weibull; a criterion tries 1 to
        `max_components` and keeps the table of what it compared in `selection_`.
    max_components : int, default 4
        The most that a criterion tries.
    resolution : float or "auto", optional
        Width to which durations were rounded: failures then count as the interval they stand
        for. None fits the density of the numbers as they are.
    rounding : {"up", "nearest", "down"}, default "up"
        How they were rounded.
    n_starts : int, default 16
        Starts for each component beyond the first.
    max_iter : int, default 100
        Newton iterations of each climb.
    tol : float, default 1e-9
        Newton decrement at which a climb stops: the distance left, in standard errors.
    max_shape : float, default 60
        Steeper components are collapses on single times, not answers.
    min_component_weight : float, default 1.5
        Expected units that each component must hold.
    random_state : int or numpy.random.Generator, default 0
        Seeds the random starts.

    Attributes
    ----------
    weights_, shapes_, scales_ : arrays of shape (K,)
        Components in the order of their medians.
    log_likelihood_, aic_, bic_ : float
        At the optimum; BIC counts units.
    n_iter_ : int
        Newton iterations of the last climb.
    converged_ : bool
        Whether the answer is an interior maximum: gradient zero, Hessian negative definite,
        components within the rules above.
    certificate_ : Certificate
        What that verdict stands on.
    lifetime_ : Mixture
        The fitted lifetime.
    parameters_, parameter_names_ : array of shape (p,), tuple of str
        Unconstrained: logits of the weights, log scales, log shapes.
    covariance_ : array of shape (p, p)
        Inverse of the observed information; NaN where there is no interior maximum.
    history_ : DataFrame
        Log-likelihood and natural parameters along the way from the start.
    selection_ : DataFrame
        Criteria of each number of components, where one was asked to choose.

    Notes
    -----
    S(t) = \sum_k w_k exp(-(t / scale_k)^{shape_k}). The likelihood of a mixture is unbounded (a
    component can collapse on one failure time), so the estimate is the highest interior local
    maximum. No penalty is added to what is climbed. Only where no interior maximum is found, the
    one with the vanishing penalty of Chen, Tan and Zhang (2008) stands in: `converged_` is False,
    a warning says why, and there are no bounds.

    Examples
    --------
    >>> import numpy as np
    >>> from survjax import WeibullMixture
    >>> rng = np.random.default_rng(0)
    >>> early, late = 5 * rng.weibull(0.8, 80), 40 * rng.weibull(3.0, 120)
    >>> lives = np.concatenate([early, late])
    >>> model = WeibullMixture(2).fit(np.minimum(lives, 50.0), lives <= 50.0)
    >>> model.converged_
    True
    >>> table = model.predict_rul([10.0, 30.0])
    >>> list(table.columns[:3])
    ['mean', 'mean_lower', 'mean_upper']
    """

    def __init__(
        self,
        n_components: int | str = 2,
        *,
        max_components: int = 4,
        resolution: float | str | None = None,
        rounding: str = "up",
        n_starts: int = 16,
        max_iter: int = 100,
        tol: float = 1e-9,
        max_shape: float = 60.0,
        min_component_weight: float = 1.5,
        random_state: Any = 0,
    ) -> None:
        self.n_components = n_components
        self.max_components = max_components
        self.resolution = resolution
        self.rounding = rounding
        self.n_starts = n_starts
        self.max_iter = max_iter
        self.tol = tol
        self.max_shape = max_shape
        self.min_component_weight = min_component_weight
        self.random_state = random_state

    @double_precision
    def fit(
        self,
        durations: Any,
        event_observed: Any = None,
        *,
        entry: Any = None,
        sample_weight: Any = None,
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
        sample_weight : array-like of shape (n,), optional
            How many units each row stands for; fractions are fine.

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
        if entry is None and sample_weight is None and not isinstance(durations, Observations):
            durations, event_observed, sample_weight = _counted(durations, event_observed)
        rows = self._rows_of(durations, event_observed, entry, sample_weight)
        if rows is not durations and self.n_components != 1:
            warn_of_unnamed_units(rows, None, COUNTS, ONE_ROW)
        return self._fit(rows)

    def _rows_of(
        self, durations: Any, event_observed: Any, entry: Any, sample_weight: Any
    ) -> Observations:
        """The rows that the arguments of `fit` and `score` describe."""
        if isinstance(durations, Observations):
            if any(given is not None for given in (event_observed, entry, sample_weight)):
                raise ValueError("Observations hold events, entry and weights: pass them alone")
            return durations
        return Observations.from_durations(
            durations,
            event_observed,
            entry=entry,
            sample_weight=sample_weight,
            resolution=self.resolution,
            rounding=self.rounding,
        )

    @double_precision
    def fit_interval(
        self, lower: Any, upper: Any, *, entry: Any = None, sample_weight: Any = None
    ) -> Self:
        """Fit to bounds: each unit failed in (lower, upper].

        Parameters
        ----------
        lower, upper : array-like of shape (n,)
            lower == upper is an exact failure, upper = inf a unit still running, lower = 0 one
            found failed at its first inspection.
        entry, sample_weight : array-like of shape (n,), optional
            As in `fit`.
        """
        rows = Observations.from_intervals(lower, upper, entry=entry, sample_weight=sample_weight)
        return self._fit(rows)

    def _fit(self, rows: Observations, warn: bool = True) -> Self:
        """Compress, climb, and keep the answer with its certificate."""
        self._check_parameters()
        rows = rows.without_padding()
        if rows.n_rows and has_ties(rows.lower):
            rows = rows.compressed()
        self._check_events(rows)
        if isinstance(self.n_components, str):
            select(self, rows, self._reference(rows))
        else:
            self._fit_components(rows, None, self.n_components)
        if warn:
            self._warn(rows)
        return self

    def _fit_components(self, rows: Observations, reference: Climb | None, k: int) -> None:
        """Fit K components, given the single Weibull's maximum where it is known."""
        if k > rows.n_rows:
            self._reference(rows)  # data that admit no single Weibull deserve to hear that instead
            raise NoFiniteMaximum(
                f"{k} components cannot be told apart by {rows.n_rows} different rows: ask for "
                "far fewer, or for n_components='bic'"
            )
        if k == 1:
            reference = self._reference(rows) if reference is None else reference
            found = Maximum(
                reference, faults(reference, self._rule(), rows.n_units), 1, 1, (), reference.x
            )
        else:
            found = search(
                rows,
                k,
                n_starts=self.n_starts,
                rule=self._rule(),
                tol=self.tol,
                max_iter=self.max_iter,
                random_state=self.random_state,
            )
            if found.faults and reference is None:
                # Data that admit no single Weibull deserve to hear that instead.
                self._reference(rows)
        self._keep(rows, found)

    def _rule(self) -> Interior:
        return Interior(self.max_shape, self.min_component_weight)

    def _check_events(self, rows: Observations) -> None:
        """Refuse data in which nothing has failed."""
        if rows.n_events == 0:
            raise NoFiniteMaximum(
                f"none of the {rows.n_units:g} units has failed, so the data only say that lives "
                "are long: a fit needs failures (event_observed = 1)"
            )

    def _reference(self, rows: Observations) -> Climb:
        """The single Weibull's maximum: data without one admit no mixture either."""
        found = single_weibull(rows, self.tol, self.max_iter)
        words = faults(found, self._rule(), rows.n_units)
        if words:
            raise NoFiniteMaximum(
                f"the likelihood of these {rows.n_units:g} units ({rows.n_events:g} failures) has "
                f"no finite maximum: {words[0]}, and {shape_direction(found.x[-1])}. "
                f"{likely_cause(rows, found.x[-1])}"
            )
        return found

    def _keep(self, rows: Observations, found: Maximum) -> None:
        """Set the fitted attributes, components in the order of their medians."""
        self._forget()
        x, hessian = ordered(found.best)
        self.parameters_ = x
        self.converged_ = not found.faults
        self.covariance_ = (
            np.linalg.inv(-hessian) if self.converged_ else np.full((x.size, x.size), np.nan)
        )
        self.log_likelihood_ = float(found.best.value)
        self.n_units_, self.n_events_ = rows.n_units, rows.n_events
        self._derive()
        self._maxima = None
        if self.converged_:
            self._maxima = weigh(
                x, hessian, found.best.value, found.others, self._rule(), rows.n_units
            )
        self.n_iter_ = found.best.n_iter
        self.certificate_ = certify(found, hessian, self.n_units_)
        self._rows, self._start = rows, found.start

    def _warn(self, rows: Observations) -> None:
        """Tell the user what the numbers alone would hide."""
        if not self.converged_:
            warnings.warn(
                f"no interior maximum with {self.weights_.size} components: "
                f"{'; '.join(self.certificate_.faults)}. What is kept instead is a penalized fit, "
                "without bounds. Try fewer components, or resolution= if durations are rounded",
                FitWarning,
                stacklevel=users_level(),
            )
            return
        warn_undetermined(self.parameters_, self.covariance_, self.weights_, rows)
        if self.weights_.size > 1 and rows.interval is None and is_plain(rows):
            tied = float(np.sum(rows.weight[(rows.event > 0) & (rows.weight > 1)]))
            if tied > 0.5 * self.n_events_ and self.resolution is None:
                warnings.warn(
                    f"{tied:.0f} of {self.n_events_:.0f} failures share their time with another: "
                    "if durations were rounded, pass resolution= (a width or 'auto'), since the "
                    "density of tied times favors components that collapse on one of them",
                    FitWarning,
                    stacklevel=users_level(),
                )

    def _check_parameters(self) -> None:
        """Check the hyper-parameters."""
        check_settings(self)

    @property
    def undetermined_(self) -> tuple[str, ...]:
        """Means and percentiles that the data do not determine; empty for most fits.

        `mean_1`, ... are the components' mean lives, `mean` and `q01` to `q99` those of the fleet.
        One is listed where its 95 % bounds lie a factor of more than 100 to either side, by the
        standard error of its logarithm (delta method): then it is an extrapolation that says
        next to nothing. All are listed where a fit has no bounds.
        """
        self._check_fitted()
        return log_errors(self.parameters_, self.covariance_).undetermined()

    @double_precision
    def membership(self, ages: Any, event_observed: Any = None) -> np.ndarray:
        """P(unit belongs to each component), given what is known of it.

        Parameters
        ----------
        ages : array-like of shape (n,)
            Age of each unit: still running then, or failed then.
        event_observed : array-like of shape (n,), optional
            True where the unit failed at its age. None: all still run.

        Returns
        -------
        array of shape (n, K)
            Rows add up to one. Among survivors the frail are rarer than at birth.
        """
        self._check_fitted()
        ages = check_times(ages, "ages", zero=True)
        failed = check_failed(event_observed, ages)
        return memberships(self.lifetime_, ages, failed).T

    @double_precision
    def score(
        self,
        durations: Any,
        event_observed: Any = None,
        *,
        entry: Any = None,
        sample_weight: Any = None,
    ) -> float:
        """Mean log-likelihood per unit; higher is better. Arguments as in `fit`."""
        self._check_fitted()
        rows = self._rows_of(durations, event_observed, entry, sample_weight)
        if not rows.weight.any():
            raise ValueError("nothing is known of any unit: all still run at age zero")
        terms = contributions(self.lifetime_, rows)
        return float(np.sum(rows.weight * terms) / np.sum(rows.weight))


def _counted(durations: Any, event_observed: Any) -> tuple[Any, Any, Any]:
    """Merge equal rows by counting, where many durations lie on a grid; else change nothing."""
    array = as_column(durations, "durations")
    if array.dtype.kind not in "iuf" or array.shape[0] < 20_000:
        return durations, event_observed, None
    if not has_ties(array):
        return durations, event_observed, None
    if array.dtype.kind == "f" and not (array.min() > 0 and array.max() < np.inf):
        return durations, event_observed, None
    events = check_events(event_observed, array.shape[0])
    table = tabulate(array, events)
    return (durations, event_observed, None) if table is None else table
