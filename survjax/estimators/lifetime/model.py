"""The estimator of any lifetime."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from survjax._core.callers import users_level
from survjax._core.pytree import parameter_items, rebuilt
from survjax._core.validation import check_count, check_positive, random_generator
from survjax.data.observations import Observations
from survjax.data.recording import check_resolution, check_rounding
from survjax.estimators.lifetime.estimator import LifetimeEstimator
from survjax.estimators.lifetime.no_maximum import at_its_base, no_finite_maximum, warn_below_limit
from survjax.estimators.lifetime.settings import check_is_lifetime, check_max_shape
from survjax.estimators.lifetime.state import FittedState
from survjax.estimators.messages import FitWarning
from survjax.estimators.posterior.method import WithPosterior
from survjax.estimators.saving.fields import Number
from survjax.estimators.saving.kinds import Distribution
from survjax.fitting.edges.bounds import steps_between_bounds
from survjax.fitting.groups.mixtures.search import is_plain_pair
from survjax.fitting.groups.requests import Steps
from survjax.fitting.modified.threshold import AtFirstFailure, at_first_failure, first_failure
from survjax.fitting.search import search
from survjax.fitting.starts import failure_times
from survjax.lifetimes import Lifetime, families, families_for_failures
from survjax.likelihood.vector.constraints import Bounds, Fixed
from survjax.likelihood.vector.prior_terms import Priors
from survjax.likelihood.vector.template import Template
from survjax.uncertainty.delta import normal_quantile


class LifetimeModel(LifetimeEstimator, WithPosterior):
    r"""One lifetime for all units, of any family or of your own, fitted by Newton's method.

    Parameters
    ----------
    lifetime : str or Lifetime, default "weibull"
        A family by name: "birnbaum_saunders", "exponential", "exponentiated_weibull", "gamma",
        "generalized_gamma", "gompertz", "gumbel", "inverse_gaussian", "logistic", "loglogistic",
        "lognormal", "normal", "piecewise_exponential", "royston_parmar", "weibull" (see
        `survjax.lifetimes`); or a
        `Lifetime` of `survjax.lifetimes` or of your own: a family, or a `Mixture` of one or
        several families. The cuts of "piecewise_exponential" share the failures out evenly over
        five pieces; for cuts of your own pass `PiecewiseExponential.with_cuts(cuts)`. So do the
        knots of "royston_parmar" over its spline; for knots, or a scale, of your own pass
        `RoystonParmar.with_knots(knots, scale="odds")`.
        The parameters of a lifetime are no more than first guesses, and only where its family
        does not say itself where to begin.
    resolution : float or "auto", optional
        Width to which durations were rounded: failures then count as the interval they stand
        for. None fits the density of the numbers as they are.
    rounding : {"up", "nearest", "down"}, default "up"
        How they were rounded.
    n_starts : int, default 16
        Starts of a mixture of two; one of more has three times as many.
    max_iter : int, default 100
        Newton iterations from each start.
    tol : float, default 1e-9
        Newton decrement at which an iteration stops: the distance left, in standard errors.
    max_shape : float, default 60
        Components of a mixture that are steeper than a Weibull of this shape are collapses on
        single times, not answers.
    min_component_weight : float, default 1.5
        Expected units that each component of a mixture must hold.
    random_state : int or numpy.random.Generator, default 0
        Seeds the random starts.
    fixed : dict, optional
        Values of parameters that are known, by their names in `summary()`: `{"shape": 2.0}`. They
        have standard errors of zero, bounds that say "fixed", and count in no criterion.
    bounds : dict, optional
        Pairs (low, high) between which parameters must lie, None for no bound:
        `{"shape": (1.0, 3.0)}`. The answer is the highest maximum between them. A parameter that
        ends at a bound, since the likelihood rises beyond it, is named in `certificate_` and
        `summary()`, and counts as fixed in errors and bounds: those of the others are conditional
        on it.
    priors : dict, optional
        What is known of parameters before these units: `{"shape": survjax.priors.LogNormal(2.0,
        1.5)}`. The fit is then the highest point of likelihood times priors (of the posterior, on
        the scales of `parameters_`), and errors and bounds are those of the posterior. It needs no
        more failures than the priors leave open.

    Attributes
    ----------
    lifetime_ : Lifetime
        The fitted lifetime.
    parameters_, parameter_names_ : array of shape (p,), tuple of str
        Unconstrained, such as `log_scale`.
    covariance_ : array of shape (p, p)
        Inverse of the observed information; NaN where there is no interior maximum.
    log_likelihood_, aic_, bic_ : float
        At the optimum; BIC counts units. With priors, which move the fit off the maximum of the
        likelihood, AIC and BIC are NaN.
    log_posterior_ : float
        `log_likelihood_` plus the log densities of the priors, on the scales of `parameters_`.
    n_free_ : int
        Parameters that AIC and BIC count: all that are not fixed.
    n_iter_ : int
        Newton iterations of the answer.
    converged_ : bool
        Whether the answer is an interior maximum.
    certificate_ : Certificate
        What that stands on.
    history_ : DataFrame
        Log-likelihood and parameters along the path to the answer.

    Notes
    -----
    Derivatives of the likelihood are exact: by automatic differentiation in z = shape (log t -
    log scale) for families of location and scale, along each parameter for any other. Whoever
    writes a family of two methods, `log_hazard` and `cumulative_hazard`, or of one of them, gets
    every kind of censoring and truncation, bounds, remaining life and pictures; so does a plain
    function (`survjax.lifetimes.lifetime_from`).

    Examples
    --------
    >>> from survjax import LifetimeModel
    >>> model = LifetimeModel("lognormal").fit([3.0, 5.0, 8.0, 9.0, 12.0], [1, 1, 1, 0, 1])
    >>> model.converged_, model.parameter_names_
    (True, ('log_scale', 'log_shape'))
    >>> list(model.summary().index)
    ['scale', 'shape', 'mean', 'q10', 'q50']
    """

    _at_border: AtFirstFailure | None = None

    #: Of a lifetime with a threshold: the first time by which a unit is known to have failed.
    _first_failure: float | None = None

    _saved: ClassVar[Mapping[str, Any]] = {
        **FittedState._saved,
        "lifetime_": Distribution(),
        "_first_failure": Number(optional=True),
    }

    def __init__(
        self,
        lifetime: str | Lifetime = "weibull",
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
        priors: Priors | None = None,
    ) -> None:
        self.lifetime = lifetime
        self.priors = priors
        self.fixed = fixed
        self.bounds = bounds
        self.resolution = resolution
        self.rounding = rounding
        self.n_starts = n_starts
        self.max_iter = max_iter
        self.tol = tol
        self.max_shape = max_shape
        self.min_component_weight = min_component_weight
        self.random_state = random_state

    @property
    def _has_components(self) -> bool:
        inner = self.lifetime.inner()[1] if isinstance(self.lifetime, Lifetime) else None
        return hasattr(inner, "components")

    @property
    def _fails_at_zero(self) -> bool:
        if not isinstance(self.lifetime, Lifetime):
            return False
        check_is_lifetime(self.lifetime, "lifetime")  # which asks what it is built on
        return bool(self.lifetime.fails_at_zero)

    def _maximize(self, rows: Observations) -> Steps[None]:
        template = self._template_for(rows)
        template = self._held_on(template, rows)
        template, found = yield from steps_between_bounds(template, rows, self._settings())
        self._at_border = None
        plain = not template.constraints.is_any and template.prior is None
        if found.violations and template.n_components == 1 and plain:
            end = at_first_failure(template, rows, self._settings(), search)
            if end is not None and end.found.violations:
                found = end.found
            elif end is not None:
                self._at_border = end
                template, rows, found = end.template, end.rows, end.found
        if found.violations and (template.n_components == 1 or at_its_base(template, found)):
            raise no_finite_maximum(template, rows, found, self._settings())
        self._first_failure = first_failure(rows) if template.lifetime.has_threshold else None
        self._keep(template, rows, found)

    def _parameter_bounds(self, level: float, method: str) -> tuple[np.ndarray, str]:
        """The upper delta bound of a threshold is that of the log of its distance to a failure.

        Beyond the first failure no threshold lies.
        """
        table, method = super()._parameter_bounds(level, method)
        if method == "delta" and self._first_failure is not None:
            names = [q.name for q in self._template.quantities]
            at, place = names.index("threshold"), self._template.read_names.index("threshold")
            distance = self._first_failure - self.parameters_[place]
            error = np.sqrt(self.covariance_[place, place])
            shrunk = np.exp(-normal_quantile(level) * error / distance)
            table[at, 1] = self._first_failure - distance * shrunk
            table = self._template.clipped(table)
        return table, method

    def _warn(self, rows: Observations) -> None:
        super()._warn(rows)
        if self._at_border is not None:
            warnings.warn(self._at_border.message, FitWarning, stacklevel=users_level())
        elif self.converged_:
            warn_below_limit(self._template, rows, float(self.log_likelihood_))

    def _template_for(self, rows: Observations) -> Template:
        """The template of the lifetime; a family that takes cuts from the data gets them here."""
        if _is_for_failures(self.lifetime):
            family = families_for_failures()[str(self.lifetime)]
            return Template(family.for_failures(*failure_times(rows)))
        return template_of(self.lifetime, more=tuple(families_for_failures()))

    def _template_for_groups(self) -> Template | None:
        if _is_for_failures(self.lifetime):
            return None
        template = self._constrained(template_of(self.lifetime))
        alone = template.n_components == 1 and not template.is_modified
        return template if alone or is_plain_pair(template) else None

    def _template_again(self) -> Template | None:
        if _is_for_failures(self.lifetime):
            return None
        template = self._constrained(template_of(self.lifetime))
        again = template.constraints.is_bounded or template.lifetime.has_threshold
        return None if again else template

    def _saved_template(self) -> Template:
        return Template(self.lifetime_)

    def _check_parameters(self) -> None:
        """Check the hyper-parameters."""
        check_family(self.lifetime, "lifetime")
        if not _is_for_failures(self.lifetime):
            self._constrained(template_of(self.lifetime))
        for name in ("n_starts", "max_iter"):
            check_count(getattr(self, name), name)
        check_positive(self.tol, "tol")
        check_positive(self.min_component_weight, "min_component_weight", zero=True)
        check_max_shape(self.max_shape)
        check_rounding(self.rounding)
        if self.resolution is not None:
            check_resolution(self.resolution)
        random_generator(self.random_state)


def _is_for_failures(lifetime: str | Lifetime) -> bool:
    """Whether it is the name of a family that takes cuts or knots from the failures."""
    return isinstance(lifetime, str) and lifetime in families_for_failures()


def check_family(lifetime: str | Lifetime, name: str) -> None:
    """Refuse what is neither a Lifetime nor the name of a family."""
    if not _is_for_failures(lifetime):
        template_of(lifetime, name, more=tuple(families_for_failures()))


def template_of(
    lifetime: str | Lifetime, name: str = "lifetime", more: tuple[str, ...] = ()
) -> Template:
    """The template of a family's name or of a lifetime, whose parameters become numbers.

    `more` are names that the caller knows besides.
    """
    if isinstance(lifetime, str):
        known = families()
        if lifetime not in known:
            names = ", ".join(map(repr, sorted((*known, *more))))
            raise ValueError(f"{name} must be one of {names}, or a Lifetime, got {lifetime!r}")
        family = known[lifetime]
        return Template(family(*np.zeros(len(dataclasses.fields(family)))))
    check_is_lifetime(lifetime, name, "the name of a family or a Lifetime")
    values = [np.asarray(value, np.float64) for _, value in parameter_items(lifetime)]
    if not values:
        raise ValueError(f"{type(lifetime).__name__} has no parameters to fit")
    return Template(rebuilt(lifetime, values))
