"""Accelerated lifetimes: covariates stretch time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from survjax._core.precision import double_precision
from survjax._core.pytree import ravel_parameters
from survjax._core.validation import check_length, check_offset, check_times
from survjax.data.observations import Observations
from survjax.data.truncation import check_truncation
from survjax.estimators.covariates import check_covariates, chosen_columns, column_names
from survjax.estimators.frames import frame
from survjax.estimators.lifetime.model import template_of
from survjax.estimators.regression.estimator import RegressionEstimator
from survjax.estimators.unnamed_units import COUNTS
from survjax.fitting.regression.starts import location_start
from survjax.fitting.search import search
from survjax.fitting.settings import Settings
from survjax.lifetimes import Exponential, Lifetime
from survjax.likelihood.regression.columns import means
from survjax.likelihood.regression.forms import Form, Layout, Predictor, accelerated
from survjax.likelihood.regression.histories import Histories
from survjax.likelihood.vector.prior_terms import Priors
from survjax.likelihood.vector.template import Template
from survjax.nonparametric.group_tests import label

if TYPE_CHECKING:
    import pandas as pd


class AcceleratedLifetime(RegressionEstimator):
    r"""Accelerated failure time: T = exp(x'b) T0, with T0 of one family.

    Parameters
    ----------
    family : str or Lifetime, default "weibull"
        Distribution of T0: the name of a family ("weibull", "lognormal", "loglogistic",
        "exponential", "gompertz", "gumbel", "normal", "logistic", "birnbaum_saunders",
        "inverse_gaussian", "exponentiated_weibull"), or any `Lifetime`, such as a mixture or one
        of your own, whose parameters are fitted with the effects.
    shape_on : None, "all" or sequence, default None
        Columns (names, or positions counted from zero) that the log of the shape depends on,
        besides an intercept. None: one shape for all assets. Families of location and scale
        alone (the first three) have such a shape.
    penalty : float or "cv", default 0
        Subtracts penalty * (l1_ratio * sum |b_j| + (1 - l1_ratio) * sum b_j^2 / 2) per unit
        from the log-likelihood, b being the effects of one standard deviation of each column.
        Intercepts and shared shapes are free. "cv" tries a path of penalties and keeps the one
        with the best held-out log-likelihood over five folds of units. A ridge's bounds are
        those of a normal prior on b; a lasso's take the choice of columns as given.
    l1_ratio : float, default 0
        0 is ridge, 1 is the lasso, in between is the elastic net.
    unpenalized : None, "all" or sequence, default None
        Columns (names, or positions counted from zero) that the penalty leaves as they are, such
        as a treatment whose effect must not be shrunk, in whatever parameter depends on them.
    tol : float, default 1e-9
        Newton decrement at which to stop: the distance left, in standard errors.
    max_iter : int, default 100
        Newton iterations.
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
        The lifetime of an asset with the covariates `center_`.
    center_ : array of shape (p,)
        Zeros where there is an intercept, else the mean of each column.
    parameters_, parameter_names_, covariance_
        All of them as optimized, in the units of X: coefficients of the log scale, then of the
        log shape; for families without, effects and then the parameters of `baseline_`.
        `summary()` is their table.
    log_likelihood_, aic_, bic_ : float
        At the optimum; BIC counts units.
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

    def __init__(
        self,
        family: str | Lifetime = "weibull",
        *,
        shape_on: Any = None,
        penalty: float | str = 0.0,
        l1_ratio: float = 0.0,
        unpenalized: Any = None,
        tol: float = 1e-9,
        max_iter: int = 100,
        priors: Priors | None = None,
    ) -> None:
        self.priors = priors
        self.family = family
        self.shape_on = shape_on
        self.penalty = penalty
        self.l1_ratio = l1_ratio
        self.unpenalized = unpenalized
        self.tol = tol
        self.max_iter = max_iter

    def _check_parameters(self) -> None:
        super()._check_parameters()
        form = self._stretched()
        if self.shape_on is not None and form.names != ("log_scale", "log_shape"):
            name = type(form.template).__name__
            raise ValueError(f"{name} has no shape that columns may move: leave shape_on=None")

    def _stretched(self) -> Form:
        """The family, checked, as covariates move it."""
        return accelerated(template_of(self.family, "family").lifetime)

    @property
    def _rows_as_units(self) -> str:  # type: ignore[override]
        if isinstance(self._stretched().template, Exponential):  # its hazards are proportional too
            return COUNTS
        return (
            "each is then taken to have lived under its own covariates from age zero on, so that "
            "effects and bounds are wrong"
        )

    def _model(self, rows: Observations, x: np.ndarray) -> tuple[Form, Layout, np.ndarray]:
        p, known = self.n_features_in_, x.shape[1] > self.n_features_in_
        form = self._stretched()
        if not form.is_log_linear:
            settings = Settings(tol=self.tol, max_iter=self.max_iter)
            found = search(Template(form.template), rows, settings).best
            effects = Predictor("log_factor", tuple(range(1, p + 1)), offset=known)
            shared = (Predictor(name, (0,)) for name in form.names[1:])
            return form, (effects, *shared), np.concatenate([np.zeros(p), found.x])
        layout = [Predictor("log_scale", tuple(range(p + 1)), offset=known)]
        log_scale, log_shape = location_start(rows)
        log_scale -= float(x[:, p:].mean(axis=0).sum())
        start = [log_scale, *[0.0] * p]
        if len(form.names) > 1:
            more = chosen_columns(self.shape_on, column_names(self), "shape_on")
            layout.append(Predictor("log_shape", (0, *more)))
            start += [log_shape, *[0.0] * len(more)]
        return form, tuple(layout), np.array(start)

    def _form(self, n_predictors: int, base: Any) -> Form:
        return self._stretched()

    def _center(self, x: np.ndarray, weight: np.ndarray) -> np.ndarray | None:
        return None if self._stretched().is_log_linear else means(x, weight)

    def _derive(self, layout: Layout) -> None:
        form, columns = self._fitted.form, self._fitted.columns
        scale = self._part(layout[0].name)
        self.intercept_ = scale.pop(0, 0.0)
        self.coef_ = np.array(list(scale.values()))
        self.center_ = np.zeros_like(columns.center) if form.is_log_linear else columns.center
        self.__dict__.pop("shape_", None)
        self.__dict__.pop("baseline_", None)
        if not form.is_log_linear:
            unravel = ravel_parameters(form.template)[1]
            self.baseline_ = unravel(self._fitted.theta[len(layout[0].columns) :])
        elif len(layout) == 1 or layout[1].shared:
            shared = [self._part(item.name)[0] for item in layout[1:]]
            self.baseline_ = form.lifetime([self.intercept_, *shared])
            if shared:
                self.shape_ = float(np.exp(shared[0]))

    @double_precision
    def effective_ages(
        self, X: Any, durations: Any, *, unit: Any, entry: Any, offset: Any = None
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
