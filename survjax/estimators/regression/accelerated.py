"""Accelerated lifetimes: covariates stretch time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.annotations import Covariates
from survjax._core.precision import double_precision
from survjax._core.pytree import ravel_parameters
from survjax._core.validation import check_length, check_offset, check_times
from survjax.data.observations import Observations
from survjax.data.truncation import check_truncation
from survjax.estimators.assets.memberships import FormMemberships
from survjax.estimators.covariates import ChosenColumns, check_covariates, column_names
from survjax.estimators.effects.on import at_intercepts, check_on, layout_of
from survjax.estimators.frames import frame
from survjax.estimators.lifetime.model import template_of
from survjax.estimators.regression.estimator import RegressionEstimator
from survjax.estimators.regression.priors import FIRTH
from survjax.estimators.unnamed_units import COUNTS
from survjax.fitting.modified.curve import off_the_edge
from survjax.fitting.regression.starts import location_start
from survjax.fitting.search import search
from survjax.fitting.settings import Settings
from survjax.lifetimes import Lifetime
from survjax.likelihood.regression.columns import means
from survjax.likelihood.regression.forms import Form, Layout, accelerated
from survjax.likelihood.regression.histories import Histories
from survjax.likelihood.vector.constraints import Bounds, Fixed
from survjax.likelihood.vector.prior_terms import Priors
from survjax.likelihood.vector.template import Template
from survjax.nonparametric.group_tests import label

if TYPE_CHECKING:
    import pandas as pd


class AcceleratedLifetime(FormMemberships, RegressionEstimator):
    r"""Accelerated failure time: T = exp(x'b) T0, with T0 of one family.

    Parameters
    ----------
    family : str or Lifetime, default "weibull"
        Distribution of T0: the name of a family ("weibull", "lognormal", "loglogistic",
        "exponential", "gompertz", "gumbel", "normal", "logistic", "birnbaum_saunders",
        "inverse_gaussian", "exponentiated_weibull"), or any `Lifetime`, such as a mixture or one
        of your own, whose parameters are fitted with the effects.
    on : dict, optional
        Columns (names, or positions counted from zero, or "all") that move a parameter, by the
        parameter's name: `{"cured_share": "all", "shape": ["load"]}` with
        `family=Cured(Weibull(0.0, 0.0), 0.0)`. They move it on its link scale, the log of a shape
        or the logit of a share, beside an intercept. Parameters that are not named are the same for
        all assets, but for the scale (or the factor on time), which all columns move; with
        `{"scale": []}` (or `{"factor": []}`) none does.
    shape_on : None, "all" or sequence, default None
        The same as `on={"shape": shape_on}`.
    penalty : float, "cv" or "firth", default 0
        Subtracts penalty * (l1_ratio * sum |b_j| + (1 - l1_ratio) * sum b_j^2 / 2) per unit
        from the log-likelihood, b being the effects of one standard deviation of each column.
        Intercepts and shared shapes are free. "cv" tries a path of penalties and keeps the one
        with the best held-out log-likelihood over five folds of units. A ridge's bounds are
        those of a normal prior on b; a lasso's take the choice of columns as given. "firth" adds
        half the log determinant of the effects' observed information instead (Firth 1993): effects
        are finite where no unit, or each one, with some value of a column has failed, and elsewhere
        move by less than a standard error, in inverse proportion to the units. It concerns effects
        on the scale alone, no shapes; bounds are those of the penalized likelihood, best by
        "profile" (Heinze and Schemper 2001).
    l1_ratio : float, default 0
        0 is ridge, 1 is the lasso, in between is the elastic net.
    unpenalized : None, "all" or sequence, default None
        Columns (names, or positions counted from zero) that the penalty leaves as they are, such
        as a treatment whose effect must not be shrunk, in whatever parameter depends on them.
    tol : float, default 1e-9
        Newton decrement at which to stop: the distance left, in standard errors.
    max_iter : int, default 100
        Newton iterations.
    fixed : dict, optional
        Values of effects and parameters that are known, by their names in `summary()` and in the
        units of X: `{"log_scale:load": -0.5}`. A parameter that all assets share goes by its name
        on the response scale too: `{"shape": 1.0}`. They have standard errors of zero, bounds that
        say "fixed", and count in no criterion; a penalty leaves them as they are.
    bounds : dict, optional
        Pairs (low, high) between which they must lie, None for no bound:
        `{"log_scale:load": (None, 0.0)}`. What ends at a bound is named in `certificate_` and
        `summary()`, and counts as fixed in errors and bounds.
    priors : dict, optional
        What is known before, by the names of `summary()`: `{"load": survjax.priors.Normal(-0.5,
        0.2)}` of a column's effect, `{"shape": survjax.priors.LogNormal(2.0, 1.5)}`. The answer is
        then the mode of the posterior, in the units of X, and AIC and BIC are NaN.
        `log_posterior_` has the priors in it. Not with a penalty.

    Attributes
    ----------
    coef_ : array of shape (p,)
        Effect of each column on log life: exp(coef) is the factor on every quantile.
    intercept_ : float
        Log scale where all covariates are zero; zero for families without a log scale of the kind
        that covariates add to.
    shape_ : float
        Shape (one over R's scale), where all assets share it.
    baseline_ : Lifetime
        The lifetime of an asset with the covariates `center_`, where they move one parameter only.
    center_ : array of shape (p,)
        Zeros where there is an intercept, else the mean of each column.
    parameters_, parameter_names_, covariance_
        All of them as optimized, in the units of X: coefficients of the log scale, then of the
        log shape; for families without, effects and then the parameters of `baseline_`.
        `summary()` is their table.
    log_likelihood_, aic_, bic_ : float
        At the optimum; BIC counts units.
    n_free_ : int
        Parameters that AIC and BIC count: all that are not fixed.
    penalty_, penalty_path_ : float, DataFrame
        The penalty used, and what was compared (`penalty, score, error`, coefficients) by "cv".
    n_iter_, converged_, certificate_
        How the fit ended, and the evidence.

    Notes
    -----
    log T = x'b + W / shape; W has the extreme-value, normal or logistic distribution, whence
    the Weibull, lognormal and log-logistic family (Kalbfleisch and Prentice 2002, section 2.3).
    For the Weibull, hazards are proportional too: log hazard ratio = -shape * coef.

    Examples
    --------
    >>> import numpy as np
    >>> from survjax import AcceleratedLifetime
    >>> rng = np.random.default_rng(0)
    >>> load = rng.normal(size=(300, 1))
    >>> lives = np.exp(3.0 - 0.5 * load[:, 0]) * rng.weibull(2.0, 300)
    >>> y = np.column_stack([np.minimum(lives, 40.0), lives <= 40.0])
    >>> model = AcceleratedLifetime().fit(load, y)
    >>> bool(abs(model.coef_[0] + 0.5) < 0.1)
    True
    >>> list(model.predict_rul(load[:2], ages=[5.0, 10.0]).columns[:3])
    ['mean', 'mean_lower', 'mean_upper']
    """

    _penalties = ("cv", FIRTH)

    def __init__(
        self,
        family: str | Lifetime = "weibull",
        *,
        on: Mapping[str, ChosenColumns] | None = None,
        shape_on: ChosenColumns | None = None,
        penalty: float | str = 0.0,
        l1_ratio: float = 0.0,
        unpenalized: ChosenColumns | None = None,
        tol: float = 1e-9,
        max_iter: int = 100,
        fixed: Fixed | None = None,
        bounds: Bounds | None = None,
        priors: Priors | None = None,
    ) -> None:
        self.priors = priors
        self.family = family
        self.on = on
        self.shape_on = shape_on
        self.penalty = penalty
        self.l1_ratio = l1_ratio
        self.unpenalized = unpenalized
        self.tol = tol
        self.max_iter = max_iter
        self.fixed = fixed
        self.bounds = bounds

    def _check_parameters(self) -> None:
        super()._check_parameters()
        form = self._whole()
        if self.shape_on is not None:
            if not any("shape" in words for words in form.spoken):
                name = type(form.template).__name__
                raise ValueError(f"{name} has no shape that columns may move: leave shape_on=None")
            if isinstance(self.on, Mapping) and "shape" in self.on:
                raise ValueError("shape_on and on={'shape': ...} say the same: leave one out")
        check_on(form, self.on)

    def _chosen(self) -> dict[str, Any]:
        """The columns of each parameter, however they were given."""
        chosen = {} if self.on is None else dict(self.on)
        form = self._whole()
        if self._leaves_time(form):
            chosen = {name: what for name, what in chosen.items() if name not in form.spoken[0]}
            if not any(name in form.spoken[1] for name in chosen):
                chosen[form.spoken[1][0]] = []
        return chosen if self.shape_on is None else {**chosen, "shape": self.shape_on}

    def _whole(self) -> Form:
        """The family, checked, with all that covariates may move."""
        return accelerated(template_of(self.family, "family").lifetime)

    def _stretched(self) -> Form:
        """The family as covariates move it: without a factor that no column moves."""
        form = self._whole()
        return Form(form.template, form.names[1:]) if self._leaves_time(form) else form

    def _leaves_time(self, form: Form) -> bool:
        """Whether `on` says of a family whose time is stretched as it is that no column does."""
        chosen = self.on if isinstance(self.on, Mapping) else {}
        given = [chosen[name] for name in form.spoken[0] if name in chosen]
        named = form.modifier is not None and given and not isinstance(given[0], str)
        return bool(named) and np.size(given[0]) == 0

    @property
    def _rows_as_units(self) -> str:  # type: ignore[override]
        if self._stretched().template.is_memoryless:  # its hazards are proportional too
            return COUNTS
        return (
            "each is then taken to have lived under its own covariates from age zero on, so that "
            "effects and bounds are wrong"
        )

    def _model(self, rows: Observations, x: np.ndarray) -> tuple[Form, Layout, np.ndarray]:
        p, known = self.n_features_in_, x.shape[1] > self.n_features_in_
        form = self._stretched()
        if known and self._leaves_time(self._whole()):
            raise ValueError("offset is part of the factor on time, which on has without a column")
        said = {} if self.shape_on is None else {"shape": "shape_on"}
        layout = layout_of(form, column_names(self), self._chosen(), known, said)
        if not form.is_log_linear:
            settings = Settings(tol=self.tol, max_iter=self.max_iter)
            found = search(Template(form.template), rows, settings).best
            return form, layout, at_intercepts(layout, off_the_edge(form.template, found.x))
        log_scale, log_shape = location_start(rows)
        log_scale -= float(x[:, p:].mean(axis=0).sum())
        plain = np.array([log_scale, log_shape][: len(layout)])
        return form, layout, at_intercepts(layout, plain)

    def _form(self, n_predictors: int, base: Lifetime) -> Form:
        return self._stretched()

    def _center(self, x: np.ndarray, weight: np.ndarray) -> np.ndarray | None:
        return None if self._stretched().modifier is None else means(x, weight)

    def _derive(self, layout: Layout) -> None:
        form, columns = self._fitted.form, self._fitted.columns
        scale = self._part(layout[0].name)
        self.intercept_ = scale.pop(0, 0.0)
        self.coef_ = np.array([scale.get(j + 1, 0.0) for j in range(columns.center.size)])
        plain = form.modifier is None
        self.center_ = np.zeros_like(columns.center) if plain else columns.center
        self.__dict__.pop("shape_", None)
        self.__dict__.pop("baseline_", None)
        if not all(item.shared for item in layout[1:]):
            return
        shared = [self._part(item.name)[0] for item in layout[1:]]
        values = [self.intercept_, *shared] if plain else shared
        self.baseline_ = ravel_parameters(form.template)[1](np.array(values))
        if form.is_log_linear and shared:
            self.shape_ = float(np.exp(shared[0]))

    @double_precision
    def effective_ages(
        self,
        X: Covariates,
        durations: ArrayLike,
        *,
        unit: ArrayLike,
        entry: ArrayLike,
        offset: ArrayLike | None = None,
    ) -> pd.DataFrame:
        """Age of each unit under its present covariates that has used as much of its life.

        After a varied past, `predict_rul(X_now, ages)` wants this age.

        Parameters
        ----------
        X, durations, unit, entry, offset
            Histories as in `fit`: rows of covariates held from entry to the duration.

        Returns
        -------
        DataFrame
            Column `effective_age`, indexed by unit.
        """
        self._check_fitted()
        x = check_covariates(self, X, reset=False)
        stop = check_times(durations, "durations")
        check_length(stop, x.shape[0], "durations")
        start, _ = check_truncation(entry, None, stop, stop, np.zeros(stop.size, bool))
        start = np.zeros(stop.size) if start is None else start
        rows = Histories.of(unit, start, stop, np.zeros(stop.size), np.ones(stop.size))
        known = 0.0 if offset is None else check_offset(offset, x.shape[0])[rows.order]
        eta = self.intercept_ + (x[rows.order] - self.center_) @ self.coef_ + known
        first = rows.first_rows
        used = np.add.reduceat((rows.stop - rows.start) * np.exp(-eta), first)
        used = used + rows.start[first] * np.exp(-eta[first])
        found = frame({"effective_age": used * np.exp(eta[rows.last_rows])})
        found.index = label(unit, stop.size, "unit")[0]
        return found
