"""Confidence intervals of a regression's parameters and curves, by three methods."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.annotations import Covariates, RandomState
from survjax._core.callers import users_level
from survjax._core.precision import double_precision
from survjax._core.validation import check_shares, check_times, random_generator
from survjax.estimators.assets.curves import AssetCurves
from survjax.estimators.certificate import Certificate
from survjax.estimators.lifetime.predictions import check_level
from survjax.estimators.messages import FitWarning
from survjax.likelihood.regression.columns import to_natural
from survjax.prediction.curves import CURVES, bounds, response_value
from survjax.uncertainty.delta import normal_quantile, rows_needed
from survjax.uncertainty.percentiles import replicate_bounds
from survjax.uncertainty.regression import (
    Replicates,
    Training,
    profiled_parameters,
    replicates,
)

METHODS = ("auto", "delta", "profile", "bootstrap")


class RegressionIntervals(AssetCurves):
    """`confidence_interval` and `bootstrap` of a regression that holds `parameters_`."""

    parameters_: np.ndarray
    covariance_: np.ndarray
    converged_: bool
    certificate_: Certificate
    n_units_: float
    tol: float
    max_iter: int
    bootstrap_: Replicates
    _inside_bounds: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    priors: Any
    _training: Training
    _least_eigenvalue: float

    @double_precision
    def confidence_interval(
        self,
        curve: str,
        X: Covariates | None = None,
        t: ArrayLike | None = None,
        level: float = 0.95,
        method: str = "auto",
        *,
        ages: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Confidence bounds of the parameters, or of a curve of each asset.

        Parameters
        ----------
        curve : str
            "parameters"; or "survival", "hazard", "cumulative_hazard", "density", "cdf",
            "quantile" or "mean" of assets.
        X : array-like of shape (n, p), optional
            Covariates of the assets, for a curve.
        t : float or array-like of shape (m,), optional
            Where: times for a curve, failed shares for "quantile", nothing for the others.
        level : float, default 0.95
            Chance, over repeated samples, that the bounds hold the truth at one point.
        method : {"auto", "delta", "profile", "bootstrap"}, default "auto"
            "auto" is "delta". "profile" is for the parameters of a fit without a penalty: where
            2 (l_max - l) reaches the chi-squared quantile, l maximized over the other parameters.
        ages, offset
            As in `predict_rul`: bounds for the remaining life.

        Returns
        -------
        lower, upper : arrays
            Of shape (p,) in the order of `parameter_names_`; of a curve (n,), or (n, m) for an
            array t. Infinite where the likelihood sets no bound.
        """
        self._check_fitted()
        check_level(level)
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
        if curve == "parameters":
            if X is not None or t is not None or ages is not None:
                raise ValueError("parameters are numbers, not curves: leave out X, t and ages")
            return self._inside_bounds(*self._parameter_bounds(level, method))
        if curve not in CURVES:
            raise ValueError(f"curve must be one of parameters, {', '.join(CURVES)}, got {curve!r}")
        if X is None:
            raise ValueError(f"{curve} is a curve of assets: pass their covariates as X")
        if method == "profile":
            raise ValueError("profile bounds are of parameters: use method='delta' for curves")
        points = _points(curve, t)
        x, ages = self._assets(X, ages, offset)
        wide = np.repeat(points[:, None], x.shape[0], axis=1)
        curves = (curve,) * points.size
        if method == "bootstrap":
            low, high = self._replicated(curves, wide, x, ages, level)
        else:
            values, errors = self._curves(curves, wide, x, ages, level)
            low, high = bounds(curve, values, errors, level)
            if curve == "quantile" and self._has_components():
                low, high = self._quantile_bounds(wide, values, x, ages, level)
        single = t is None or np.ndim(t) == 0
        return (low[0], high[0]) if single else (low.T, high.T)

    def _parameter_bounds(self, level: float, method: str) -> tuple[np.ndarray, np.ndarray]:
        """Bounds (p,), (p,) of `parameters_`."""
        if method == "profile":
            training = self._trained('method="profile"')
            if training.refit is not None:
                raise ValueError(
                    "profile bounds are of one likelihood, and this was fitted in two steps or, of "
                    "several causes, one with Firth's penalty: use method='bootstrap', or "
                    "joint=True"
                )
            firth = training.penalty is not None and training.penalty.firth is not None
            if training.penalty is not None and not (self.priors or firth):
                raise ValueError(
                    "profile bounds are of a likelihood without such a penalty: use "
                    "method='bootstrap'"
                )
            fitted = self._fitted
            return profiled_parameters(
                training, fitted.theta, np.asarray(fitted.covariance), self.n_units_, level
            )
        if method == "bootstrap":
            found = self._replicates()
            return replicate_bounds(found.parameters, self.parameters_, level)
        half = normal_quantile(level) * np.sqrt(np.diag(self.covariance_))
        return self.parameters_ - half, self.parameters_ + half

    def _trained(self, what: str) -> Training:
        """What the model was fitted to, where bounds by more than the delta method are asked."""
        if not hasattr(self, "_training"):
            if getattr(self, "joint", True):
                raise rows_needed(what)
            raise ValueError(
                f"{what} needs a base that is fitted here: use joint=True, or pass the base as an "
                "estimator that is not fitted yet"
            )
        if not self.converged_:
            raise ValueError(
                f"{what} needs a fit that is a proper maximum, and certificate_ says: "
                f"{self.certificate_.status}"
            )
        return self._training

    def _replicates(self) -> Replicates:
        """The replicates, drawn at the first call."""
        if not hasattr(self, "bootstrap_"):
            self.bootstrap()
        if len(self.bootstrap_.parameters) < 20:
            raise ValueError(
                f"only {len(self.bootstrap_.parameters)} bootstrap replicates have a proper "
                "maximum: use method='profile' or 'delta'"
            )
        return self.bootstrap_

    def _replicated(
        self,
        curves: tuple[str, ...],
        t: np.ndarray,
        x: np.ndarray,
        ages: np.ndarray,
        level: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bootstrap bounds (m, n) of one curve of assets."""
        natural, fitted = self._replicates().parameters, self._fitted
        back = np.linalg.inv(to_natural(fitted.layout, fitted.columns))
        best, found = self._curves(curves, t, x, ages, None)[0], []
        try:
            for point in natural:
                self._fitted = fitted._replace(theta=back @ point)
                found.append(self._curves(curves, t, x, ages, None)[0].ravel())
        finally:
            self._fitted = fitted
        low, high = replicate_bounds(np.array(found), best.ravel(), level)
        ends = [response_value(curves[0], end.reshape(t.shape)) for end in (low, high)]
        return (ends[1], ends[0]) if curves[0] == "survival" else (ends[0], ends[1])

    @double_precision
    def bootstrap(self, n_replicates: int = 500, random_state: RandomState = None) -> Self:
        """Refit units drawn with replacement, for `confidence_interval(..., method="bootstrap")`.

        Each is refitted from the fit, with its penalty.

        Parameters
        ----------
        n_replicates : int, default 500
            How many.
        random_state : int or numpy.random.Generator, optional
            The estimator's own by default, or 0. With one seed, replicates depend on the order
            of the units that were fitted.

        Returns
        -------
        self
            With `bootstrap_`: `parameters` (B, p) of the replicates, `n_failed` of them without
            a proper maximum left out.

        Warns
        -----
        FitWarning
            If more than one replicate in twenty has no proper maximum: the bounds then describe
            the others only.
        """
        self._check_fitted()
        if not (isinstance(n_replicates, (int, np.integer)) and n_replicates >= 20):
            raise ValueError(
                f"n_replicates must be a whole number of at least 20, got {n_replicates!r}"
            )
        training = self._trained("bootstrap")
        if random_state is None:
            random_state = getattr(self, "random_state", 0)
        self.bootstrap_ = replicates(
            training,
            self._fitted.theta,
            int(n_replicates),
            random_generator(random_state),
            least=self._least_eigenvalue,
            tol=max(self.tol, 1e-6),
            max_iter=self.max_iter,
        )
        if self.bootstrap_.n_failed > 0.05 * n_replicates:
            warnings.warn(
                f"{self.bootstrap_.n_failed} of {n_replicates} bootstrap replicates have no proper "
                "maximum and are left out: some effects rest on a few units",
                FitWarning,
                stacklevel=users_level(),
            )
        return self


def _points(curve: str, t: ArrayLike | None) -> np.ndarray:
    """Checked times or shares of a curve, at least one."""
    if curve == "mean":
        if t is not None:
            raise ValueError("the mean takes no t: pass ages= for the mean remaining life")
        return np.zeros(1)
    if t is None:
        raise ValueError(f"{curve} needs t: where to bound it")
    if curve == "quantile":
        return check_shares(np.atleast_1d(t))[0]
    return check_times(np.atleast_1d(np.asarray(t)), "t", zero=True)
