"""Scaled odds: the odds of having failed by any time, multiplied for each asset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from survjax._core.pytree import ravel_parameters
from survjax._core.validation import check_flag
from survjax.data.observations import Observations
from survjax.estimators.covariates import ChosenColumns, column_names
from survjax.estimators.effects.baseline import (
    FitsLifetimes,
    baseline_start,
    check_baseline,
    rounding_of,
)
from survjax.estimators.effects.on import at_intercepts, check_on, layout_of
from survjax.estimators.regression.estimator import RegressionEstimator
from survjax.lifetimes import Lifetime
from survjax.likelihood.regression.columns import means
from survjax.likelihood.regression.forms import Form, Layout, odds
from survjax.likelihood.regression.histories import Histories
from survjax.likelihood.vector.constraints import Bounds, Fixed

HISTORIES = (
    "odds of failure are of whole lives, so that covariates cannot change with time: pass one row "
    "for each unit, or use ScaledHazard or AcceleratedLifetime"
)


class ScaledOdds(RegressionEstimator):
    r"""Scaled odds of failure: F(t | x) / S(t | x) = exp((x - center)'b) F0(t) / S0(t).

    Parameters
    ----------
    baseline : str, estimator or Lifetime, optional
        The base: as in `ScaledHazard`. None is "loglogistic", of which scaled odds are an
        accelerated life too.
    center : bool, default True
        Measure covariates from their means, so that the base is the life of the average asset.
        False measures from zero.
    on : dict, optional
        Columns that move parameters of the base, as in `AcceleratedLifetime`.
    penalty, l1_ratio, unpenalized, tol, max_iter, fixed, bounds
        As in `AcceleratedLifetime`.

    Attributes
    ----------
    coef_ : array of shape (p,)
        Log odds ratio of one unit of each column.
    center_ : array of shape (p,)
        The covariates at which the odds are the base's.
    baseline_ : Lifetime
        The base, where columns move none of its parameters.
    parameters_, parameter_names_, covariance_, log_likelihood_, aic_, bic_, n_iter_, converged_
        As in `AcceleratedLifetime`. `summary()` has the odds ratios in its column `ratio`.

    Notes
    -----
    The effect of a covariate wears off: hazards begin in the odds ratio and become alike with time
    (Bennett 1983).

    Examples
    --------
    >>> import numpy as np
    >>> from survjax import ScaledOdds
    >>> rng = np.random.default_rng(0)
    >>> load, odds = rng.normal(size=(300, 1)), rng.logistic(size=300)
    >>> lives = np.exp(3.0 + 0.5 * (odds - load[:, 0]))
    >>> model = ScaledOdds().fit(load, lives)
    >>> bool(abs(model.coef_[0] - 1.0) < 0.2)
    True
    """

    _rows_as_units = "effects and bounds are wrong: " + HISTORIES

    def __init__(
        self,
        baseline: str | Lifetime | FitsLifetimes | None = None,
        *,
        center: bool = True,
        on: Mapping[str, ChosenColumns] | None = None,
        penalty: float | str = 0.0,
        l1_ratio: float = 0.0,
        unpenalized: ChosenColumns | None = None,
        tol: float = 1e-9,
        max_iter: int = 100,
        fixed: Fixed | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        self.baseline = baseline
        self.center = center
        self.on = on
        self.penalty = penalty
        self.l1_ratio = l1_ratio
        self.unpenalized = unpenalized
        self.tol = tol
        self.max_iter = max_iter
        self.fixed = fixed
        self.bounds = bounds

    @property
    def _family(self) -> Any:
        return "loglogistic" if self.baseline is None else self.baseline

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_flag(self.center, "center")
        check_baseline(self._family)

    def _rounding(self) -> dict[str, Any]:
        return rounding_of(self.baseline)

    def _center(self, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return means(x, weight) if self.center else np.zeros(x.shape[1])

    def _model(self, rows: Observations, x: np.ndarray) -> tuple[Form, Layout, np.ndarray]:
        base, start = baseline_start(self._family, rows)
        form = odds(base)
        check_on(form, self.on)
        known = x.shape[1] > self.n_features_in_
        layout = layout_of(form, column_names(self), self.on, offset=known)
        return form, layout, at_intercepts(layout, start)

    def _form(self, n_predictors: int, base: Lifetime) -> Form:
        if base is None:
            raise ValueError("_base is missing: scaled odds have one")
        return odds(base)

    def _fit_histories(self, histories: Histories, rows: Observations, x: np.ndarray) -> NoReturn:
        raise ValueError(HISTORIES)

    def predict_path(self, *_: object, **__: object) -> NoReturn:
        """No answer: odds are of whole lives, and covariates cannot change with time."""
        raise ValueError(HISTORIES)

    def _derive(self, layout: Layout) -> None:
        fitted, effects = self._fitted, self._part("log_odds_ratio")
        self.coef_ = np.array([effects.get(j + 1, 0.0) for j in range(self.n_features_in_)])
        self.center_ = fitted.columns.center
        self.__dict__.pop("baseline_", None)
        if all(item.shared for item in layout[1:]):
            unravel = ravel_parameters(fitted.form.template)[1]
            self.baseline_ = unravel(fitted.theta[len(layout[0].columns) :])
