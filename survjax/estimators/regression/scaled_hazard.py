"""Scaled hazards: one base hazard, multiplied for each asset by what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from survjax._core.pytree import parameter_names, ravel_parameters
from survjax._core.validation import check_flag
from survjax.data.observations import Observations
from survjax.estimators.covariates import ChosenColumns, column_names
from survjax.estimators.effects.baseline import (
    FitsLifetimes,
    baseline_start,
    check_baseline,
    fitted_baseline,
    rounding_of,
)
from survjax.estimators.effects.on import at_intercepts, check_on, layout_of
from survjax.estimators.regression.answer import placed
from survjax.estimators.regression.estimator import RegressionEstimator
from survjax.estimators.regression.priors import FIRTH
from survjax.estimators.unnamed_units import COUNTS
from survjax.fitting.local_maxima import LocalMaximum
from survjax.fitting.regression.fit import fit
from survjax.fitting.regression.penalties import Penalty
from survjax.fitting.regression.violations import violations
from survjax.lifetimes import Lifetime
from survjax.likelihood.regression.columns import Columns, means
from survjax.likelihood.regression.forms import Form, Layout, Predictor, scaled
from survjax.likelihood.regression.histories import Histories, count, row_weights
from survjax.likelihood.regression.likelihood import Likelihood, log_likelihoods, weighted_total
from survjax.likelihood.vector.constraints import Bounds, Fixed
from survjax.likelihood.vector.prior_terms import Priors
from survjax.uncertainty.regression import Training
from survjax.uncertainty.two_stage import known_base_covariance, stacked_covariance


class ScaledHazard(RegressionEstimator):
    r"""Scaled base hazard: h(t | x) = h0(t) exp((x - center)'b).

    Parameters
    ----------
    baseline : str, estimator or Lifetime, optional
        The base hazard's family: its name, as in `LifetimeModel`; `WeibullMixture(...)` or any
        estimator that fits `Observations` and holds a `lifetime_`; or a `Lifetime`. None is one
        Weibull. An estimator that is
        already fitted, or a `Lifetime`, is the starting point if `joint`, and held as it is if
        not.
    joint : bool, default True
        Fit base and effects together: consistent. False is the classic two-step way: the base
        is fitted to the lifetimes without covariates and then held, and the effects and an
        intercept solve a convex problem. It is approximate, since a base that ignores the
        covariates averages over them: effects are drawn towards zero, the more the larger they
        are. Its bounds count the errors of both steps.
    center : bool, default True
        Measure covariates from their means, so that the base is the hazard of the average
        asset. False measures from zero. With one Weibull both are the same model; a mixture
        times a constant is not a mixture, so there they differ.
    on : dict, optional
        Columns that move parameters of the base, as in `AcceleratedLifetime`:
        `{"shape": ["load"]}`.
    penalty, l1_ratio, unpenalized, tol, max_iter, fixed, bounds, priors
        As in `AcceleratedLifetime`; a lasso, "firth", what is held, and priors need the joint fit.

    Attributes
    ----------
    coef_ : array of shape (p,)
        Log hazard ratio of one unit of each column.
    intercept_ : float
        Of the two-step fit; zero for the joint one.
    center_ : array of shape (p,)
        The covariates at which the hazard is the base's.
    baseline_ : Lifetime
        The base, where columns move none of its parameters.
    parameters_, parameter_names_, covariance_, log_likelihood_, aic_, bic_, n_iter_, converged_
        As in `AcceleratedLifetime`. `summary()` has the hazard ratios in its column `ratio`.

    Notes
    -----
    The two-step problem is a Poisson regression of the events with offset log H0(t) (Aitkin
    and Clayton 1980).

    Examples
    --------
    >>> import numpy as np
    >>> from survjax import ScaledHazard, WeibullMixture
    >>> rng = np.random.default_rng(0)
    >>> load = rng.normal(size=(300, 1))
    >>> lives = 20.0 * (rng.exponential(size=300) * np.exp(-0.8 * load[:, 0])) ** 0.5
    >>> model = ScaledHazard(WeibullMixture(1)).fit(load, lives)
    >>> bool(abs(model.coef_[0] - 0.8) < 0.2)
    True
    """

    _histories_bind = False
    _rows_as_units = COUNTS

    _penalties = ("cv", FIRTH)

    def __init__(
        self,
        baseline: str | Lifetime | FitsLifetimes | None = None,
        *,
        joint: bool = True,
        center: bool = True,
        on: Mapping[str, ChosenColumns] | None = None,
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
        self.baseline = baseline
        self.joint = joint
        self.center = center
        self.on = on
        self.penalty = penalty
        self.l1_ratio = l1_ratio
        self.unpenalized = unpenalized
        self.tol = tol
        self.max_iter = max_iter
        self.fixed = fixed
        self.bounds = bounds

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_flag(self.joint, "joint")
        check_flag(self.center, "center")
        if not self.joint and self.l1_ratio > 0 and self.penalty != 0:
            raise ValueError("l1_ratio > 0 needs joint=True: two steps have no bounds for a lasso")
        if not self.joint and not (self.fixed is None and self.bounds is None):
            raise ValueError("fixed and bounds need joint=True: two steps move all parameters")
        if not self.joint and self.priors:
            raise ValueError("priors need joint=True: two steps have no posterior of both")
        if not self.joint and self.on is not None:
            raise ValueError("on needs joint=True: two steps have one base for all assets")
        check_baseline(self.baseline)

    def _rounding(self) -> dict[str, Any]:
        return rounding_of(self.baseline)

    def _center(self, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return means(x, weight) if self.center else np.zeros(x.shape[1])

    def _model(self, rows: Observations, x: np.ndarray) -> tuple[Form, Layout, np.ndarray]:
        base, start = baseline_start(self.baseline, rows)
        form = scaled(base)
        check_on(form, self.on)
        known = x.shape[1] > self.n_features_in_
        layout = layout_of(form, column_names(self), self.on, offset=known)
        return form, layout, at_intercepts(layout, start)

    def _form(self, n_predictors: int, base: Lifetime) -> Form:
        if base is None:
            raise ValueError("_base is missing: a scaled hazard has one")
        return scaled(base)

    def _fit_rows(
        self, rows: Observations, x: np.ndarray, histories: Histories | None = None
    ) -> None:
        if self.joint:
            super()._fit_rows(rows, x, histories)
        else:
            self._fit_two_steps(rows, x, histories)

    def _fit_histories(self, histories: Histories, rows: Observations, x: np.ndarray) -> None:
        # Hazards that are proportional add up over rows; only the count of units differs.
        self._fit_rows(rows, x, histories)

    def _score_histories(self, histories: Histories, rows: Observations, x: np.ndarray) -> float:
        fitted = self._fitted.reading(x)
        terms = log_likelihoods(fitted.form, fitted.layout, fitted.theta, rows, x, fitted.columns)
        return weighted_total(terms, rows.weight) / histories.n_units

    def _fit_two_steps(
        self, rows: Observations, x: np.ndarray, histories: Histories | None
    ) -> None:
        """The effects and an intercept, given the base; then the errors of both."""
        self._check_data(rows, x)
        p, columns = self.n_features_in_, self._columns(x, row_weights(rows, histories))
        base, origin, own = fitted_baseline(self.baseline, rows)
        layout = _with_intercept(base, p, offset=x.shape[1] > p)
        n_units = count(rows, histories)
        penalty = self._penalty(layout[:1], n_units)
        found = self._second_step(base, layout, rows, x, columns, penalty)
        theta = np.concatenate([found.x, np.asarray(ravel_parameters(base)[0])])
        form = scaled(base)
        _, _, hessian = Likelihood(form, layout, rows, x, columns)(theta)
        hessian[: p + 1, : p + 1] = found.hessian
        self._keep(form, layout, columns, found, rows, x, theta=theta, n_units=n_units)
        if not violations(found):
            if origin == "fitted":
                inside = stacked_covariance(base, layout, theta, hessian, rows, x, columns)
            else:
                inside = known_base_covariance(hessian, p + 1, own)
            self._set(form, layout, columns, theta, inside)

        if origin == "fitted":
            refit = partial(self._both_steps, layout, x, columns, penalty)
            training = (form, layout, columns, rows, x, histories, None, penalty, False, refit)
            self._training = Training(*training)

    def _both_steps(
        self,
        layout: Layout,
        x: np.ndarray,
        columns: Columns,
        penalty: Penalty | None,
        rows: Observations,
    ) -> np.ndarray | None:
        """Effects, intercept and base (P,) of other rows; None where there is no maximum."""
        base, _, _ = fitted_baseline(self.baseline, rows)
        found = self._second_step(base, layout, rows, x, columns, penalty)
        own = np.asarray(ravel_parameters(base)[0])
        return None if violations(found) else np.concatenate([found.x, own])

    def _second_step(
        self,
        base: Lifetime,
        layout: Layout,
        rows: Observations,
        x: np.ndarray,
        columns: Columns,
        penalty: Penalty | None,
    ) -> LocalMaximum:
        """The maximum in the effects and an intercept, the first of the layout, given the base."""
        start = np.zeros(len(layout[0].columns))
        settings: dict[str, Any] = {"penalty": penalty, "tol": self.tol, "max_iter": self.max_iter}
        return fit(scaled(base, base_fixed=True), layout[:1], rows, x, columns, start, **settings)

    def _model_violations(self, layout: Layout, found: LocalMaximum) -> tuple[str, ...]:
        words = super()._model_violations(layout, found)
        if not words and self.joint:
            steep = [
                item.name
                for item, where in placed(layout)
                if "log_shape[" in item.name and found.x[where.start] > np.log(60.0)
            ]
            if steep:
                return (f"a component of the base collapses on one time ({steep[0]})",)
        return words

    def _derive(self, layout: Layout) -> None:
        effects = self._part("log_ratio")
        self.intercept_ = effects.pop(0, 0.0)
        self.coef_ = np.array([effects.get(j + 1, 0.0) for j in range(self.n_features_in_)])
        self.center_ = self._fitted.columns.center
        if not self.center:
            self.center_ = np.zeros_like(self.center_)
        fitted = self._fitted
        self.__dict__.pop("baseline_", None)
        if all(item.shared for item in layout[1:]):
            unravel = ravel_parameters(fitted.form.template)[1]
            self.baseline_ = unravel(fitted.theta[len(layout[0].columns) :])


def _with_intercept(base: Lifetime, p: int, offset: bool) -> Layout:
    """Effects and an intercept first, then every parameter of the base."""
    shared = (Predictor(name, (0,)) for name in parameter_names(base))
    return (Predictor("log_ratio", tuple(range(p + 1)), offset), *shared)
