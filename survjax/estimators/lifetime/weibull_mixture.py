"""The Weibull mixture: a fleet that hides several sub-populations."""

from __future__ import annotations

from typing import Any

import numpy as np

from survjax._core.validation import check_flag, how_many
from survjax.data.observations import Observations
from survjax.estimators.frames import FrameOfColumns
from survjax.estimators.lifetime.estimator import LifetimeEstimator
from survjax.estimators.lifetime.no_maximum import at_its_base, no_finite_maximum, warn_undetermined
from survjax.estimators.lifetime.selection import select
from survjax.estimators.lifetime.settings import check_settings
from survjax.estimators.lifetime.state import MixtureState
from survjax.estimators.messages import NoFiniteMaximum, likely_cause, shape_direction
from survjax.estimators.posterior.method import WithPosterior
from survjax.fitting.edges.bounds import steps_between_bounds
from survjax.fitting.groups.mixtures.search import is_plain_pair
from survjax.fitting.groups.requests import Steps
from survjax.fitting.search import Maximum
from survjax.likelihood.vector.constraints import Bounds, Fixed
from survjax.likelihood.vector.prior_terms import Priors
from survjax.likelihood.vector.template import Template
from survjax.likelihood.weibulls import weibull_template, weibulls
from survjax.uncertainty.determined import UNDETERMINED, component_errors, log_errors


class WeibullMixture(MixtureState, LifetimeEstimator, WithPosterior):
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
        Starts read off the data for two components; three and more have three times as many. Others
        begin at concentrations of failures.
    max_iter : int, default 100
        Newton iterations of each start.
    tol : float, default 1e-9
        Newton decrement at which an iteration stops: the distance left, in standard errors.
    max_shape : float, default 60
        Steeper components are collapses on single times, not answers.
    min_component_weight : float, default 1.5
        Expected units that each component must hold.
    random_state : int or numpy.random.Generator, default 0
        Seeds the random starts.
    cured : bool, default False
        Whether a share of the units never fails, beside the K components of those that do.
    fixed, bounds : dict, optional
        Values of known parameters, and pairs between which others must lie, as for `LifetimeModel`:
        `{"shape_1": 1.0}` of one component, `{"shape": 1.0}` of all. Components of which different
        things are known keep their numbers, whatever their medians.
    priors : dict, optional
        What is known before these units, as for `LifetimeModel`: `{"shape":
        survjax.priors.LogNormal(2.0, 1.5)}` of all components, `{"weights":
        survjax.priors.Dirichlet([2, 8])}` of the weights together. Not with a criterion, which
        compares maxima of likelihoods.

    Attributes
    ----------
    weights_, shapes_, scales_ : arrays of shape (K,)
        Components in the order of their medians; weights are shares of the units that can fail.
    cured_share_ : float
        Share of the units that never fail; 0 without `cured`.
    log_likelihood_, aic_, bic_ : float
        At the optimum; BIC counts units. NaN with priors, but for `log_likelihood_`.
    log_posterior_ : float
        `log_likelihood_` plus the log densities of the priors.
    n_iter_ : int
        Newton iterations of the last iteration.
    converged_ : bool
        Whether the answer is an interior maximum: gradient zero, Hessian negative definite,
        components within the rules above.
    certificate_ : Certificate
        What that stands on.
    lifetime_ : Mixture, or Cured with a Mixture as its base
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
    maximum. No penalty is added to what is maximized. Only where no interior maximum is found, the
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

    selection_ = FrameOfColumns()

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
        cured: bool = False,
        fixed: Fixed | None = None,
        bounds: Bounds | None = None,
        priors: Priors | None = None,
    ) -> None:
        self.fixed = fixed
        self.priors = priors
        self.bounds = bounds
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
        self.cured = cured

    @property
    def _has_components(self) -> bool:
        return self.n_components != 1

    def _maximize(self, rows: Observations) -> Steps[None]:
        if isinstance(self.n_components, str):
            yield from select(self, rows)
        else:
            yield from self._fit_components(rows, self.n_components)

    def _template_for_groups(self) -> Template | None:
        if self.cured or isinstance(self.n_components, str) or self.n_components > 2:
            return None
        template = self._constrained(weibull_template(self.n_components))
        return template if self.n_components == 1 or is_plain_pair(template) else None

    def _template_again(self) -> Template | None:
        if isinstance(self.n_components, str):
            return None
        template = self._constrained(weibulls(self.n_components, self.cured))
        return None if template.constraints.is_bounded else template

    def _fit_components(self, rows: Observations, k: int) -> Steps[None]:
        """Fit K components."""
        if k > rows.n_rows:
            # Data that admit no single Weibull deserve to hear that instead.
            yield from self._single(rows)
            raise NoFiniteMaximum(
                f"{k} components cannot be told apart by {rows.n_rows} different rows: ask for "
                "far fewer, or for n_components='bic'"
            )
        if k == 1 and not self.cured:
            template, found = yield from self._single(rows)
        else:
            template = self._held_on(weibulls(k, self.cured), rows)
            template, found = yield from steps_between_bounds(template, rows, self._settings())
            if found.violations:
                # Data that admit no single Weibull deserve to hear that instead.
                yield from self._single(rows)
            if found.violations and (at_its_base(template, found) or template.n_components == 1):
                raise no_finite_maximum(template, rows, found, self._settings())
        self._keep(template, rows, found)

    def _single(self, rows: Observations) -> Steps[tuple[Template, Maximum]]:
        """The single Weibull's maximum: data without one admit no mixture either."""
        template = weibull_template(1)
        if self.n_components == 1 or isinstance(self.n_components, str):
            template = self._constrained(template)
        template, found = yield from steps_between_bounds(template, rows, self._settings())
        if found.violations:
            log_shape = float(found.best.x[template.log_shapes][0])
            raise NoFiniteMaximum(
                f"the likelihood of {how_many(rows.n_units, 'unit')} "
                f"({how_many(rows.n_events, 'failure')}) has no finite maximum: "
                f"{found.violations[0]}, and {shape_direction(log_shape)}. "
                f"{likely_cause(rows, log_shape)}"
            )
        return template, found

    def _check_parameters(self) -> None:
        """Check the hyper-parameters."""
        check_settings(self)
        check_flag(self.cured, "cured")
        if isinstance(self.n_components, str) and self.priors:
            raise ValueError(
                f"n_components={self.n_components!r} compares maxima of likelihoods, and priors "
                "move a fit off its own: give a number of components"
            )
        if not isinstance(self.n_components, str):
            self._constrained(weibulls(self.n_components, self.cured))

    @property
    def undetermined_(self) -> tuple[str, ...]:
        """Means and percentiles that the data do not determine; empty for most fits.

        `mean_1`, ... are the components' mean lives, `mean` and `q01` to `q99` those of the fleet.
        One is listed where its 95 % bounds lie a factor of more than 100 to either side, by the
        standard error of its logarithm (delta method): then it is an extrapolation that says
        next to nothing. All are listed where a fit has no bounds. Beside a cured share they are
        those of the units that can fail.
        """
        self._check_fitted()
        return log_errors(*self._of_those_that_fail()).undetermined()

    def _of_those_that_fail(self) -> tuple[np.ndarray, np.ndarray]:
        """Parameters (3K - 1,) of the mixture alone, and their covariance."""
        inside = self._template.unmodified
        return self.parameters_[inside], self.covariance_[np.ix_(inside, inside)]

    def _may_warn(self, x: np.ndarray, covariance: np.ndarray) -> np.ndarray:
        return np.any(component_errors(x, covariance) > UNDETERMINED, axis=1)

    def _warn(self, rows: Observations) -> None:
        super()._warn(rows)
        if self.converged_:
            warn_undetermined(*self._of_those_that_fail(), self.weights_, rows)
