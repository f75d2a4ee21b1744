"""Confidence intervals of the curves of several causes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.precision import double_precision
from survjax._core.validation import check_times
from survjax.estimators.competing.state import CausesState
from survjax.estimators.lifetime.intervals import CURVES, METHODS, Bootstrapped, shaped
from survjax.estimators.lifetime.predictions import check_level
from survjax.prediction.curves import SAME, response_value
from survjax.uncertainty.bootstrap import Bootstrap, bootstrap_bounds
from survjax.uncertainty.causes.bootstrap import bootstrap_causes, incidence_bounds
from survjax.uncertainty.causes.bounds import bounded_incidence
from survjax.uncertainty.causes.profile import CausesProfile
from survjax.uncertainty.delta import rows_needed
from survjax.uncertainty.modes import bounded, parameter_bounds
from survjax.uncertainty.targets import Target

if TYPE_CHECKING:
    from survjax.estimators.lifetime.model import LifetimeModel

#: What a cause ends, beside the curves of a lifetime.
INCIDENCE = "cumulative_incidence"


class CausesIntervals(CausesState, Bootstrapped):
    """`confidence_interval` of a fit of several causes, and the bounds of its summary."""

    _arguments: Callable[..., tuple[np.ndarray, np.ndarray, tuple[int, ...]]]
    _alone: Callable[[Hashable], LifetimeModel]
    _number: Callable[[Hashable], int]

    @double_precision
    def confidence_interval(
        self,
        curve: str,
        t: ArrayLike | None = None,
        level: float = 0.95,
        method: str = "auto",
        *,
        cause: Hashable = None,
        ages: ArrayLike | None = None,
    ) -> tuple[Any, Any]:
        """Confidence bounds of a curve, or of the parameters of one cause.

        Parameters
        ----------
        curve : str
            "survival", "hazard", "cumulative_hazard", "density", "cdf", "quantile" or "mean"; with
            a cause also "cumulative_incidence", or the name of its parameters, such as "scale" or
            "shapes".
        t : array-like, optional
            Where: times for a curve, shares for "quantile", nothing for the others. Of
            "cumulative_incidence" it may be infinite: what the cause ends sooner or later.
        level : float, default 0.95
            Chance, over repeated samples, that the bounds hold the truth at one point.
        method : {"auto", "delta", "profile", "bootstrap"}, default "auto"
            As in `LifetimeModel`; "auto" is "delta" for curves. What a cause ends beside the others
            has no profile bounds.
        cause : label, optional
            Bounds for the lifetime of one cause, as if no other were at work; for
            "cumulative_incidence", of what it ends beside the others.
        ages : array-like, optional
            Ages reached: bounds for the remaining life. Broadcasts with t.

        Returns
        -------
        lower, upper : floats or arrays of t's shape
            Bounds stay inside the range of what they bound. Delta bounds of what a cause ends are
            in the frames of `cumulative_incidence` and `failure_probability` as well.
        """
        self._check_fitted()
        check_level(level)
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
        if method == "bootstrap" and not hasattr(self, "bootstrap_"):
            self.bootstrap()
        if curve == INCIDENCE:
            return self._incidence_interval(t, level, method, cause, ages)
        if cause is not None:
            alone = self._alone(cause)
            if method == "profile" and not hasattr(alone, "_rows"):
                number = self._number(cause)
                alone._joint_profile = partial(self._profiled, number)
            return alone.confidence_interval(curve, t, level, method, ages=ages)
        if curve not in CURVES:
            raise ValueError(
                f"curve must be one of {', '.join((*CURVES, INCIDENCE))}, got {curve!r}: pass "
                "cause= for the parameters of a cause"
            )
        if (t is None) != (curve == "mean"):
            raise ValueError("pass t, where to bound the curve; the mean takes none")
        t, ages, shape = self._arguments(curve, 0.0 if t is None else t, ages)
        if method == "profile":
            target = Target(t=t, age=ages if ages.any() else None)
            safe = self._profiled(None, SAME.get(curve, curve), target, level)
            low, high = _rising(curve, safe)
        elif method == "bootstrap":
            low, high = self._replicated(curve, t, ages, level)
        else:
            found = bounded(
                self.lifetime_, self.covariance_, self._maxima, (curve,), t[None], ages, level
            )
            low, high = found[2][0], found[3][0]
        return shaped(low, shape), shaped(high, shape)

    def _replicated(
        self, curve: str, t: np.ndarray, ages: np.ndarray, level: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bootstrap bounds (n,) of a curve until any cause."""
        same = SAME.get(curve, curve)
        target = Target(t=t, age=ages if ages.any() else None)
        fitted = self.lifetime_, self.covariance_, self.bootstrap_
        safe = bootstrap_bounds(*fitted, same, target, level, corrected=self._maxima is None)
        return _rising(curve, safe)

    def _profiled(
        self, cause: int | None, curve: str, target: Target, level: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Profile bounds (n,) on the link scale, of the likelihood of all causes."""
        if not hasattr(self, "_rows"):
            raise rows_needed('method="profile"')
        known = self.parameters_, self.covariance_, self._rows, self._allowed
        return CausesProfile(self._template, *known).bounds(cause, curve, target, level)

    def _incidence_interval(
        self, t: Any, level: float, method: str, cause: Hashable, ages: ArrayLike | None
    ) -> tuple[Any, Any]:
        """Bounds of what a cause ends within t after ages."""
        number = self._number(cause)
        if t is None:
            raise ValueError("cumulative_incidence needs t: by when")
        if method == "profile":
            raise ValueError("what a cause ends has no profile bounds: use 'delta' or 'bootstrap'")
        shape = np.broadcast_shapes(np.shape(t), np.shape(0.0 if ages is None else ages))
        wide = np.broadcast_to(np.asarray(t, float), shape).ravel()
        aged = np.broadcast_to(np.asarray(0.0 if ages is None else ages, float), shape).ravel()
        wide, aged = (
            check_times(wide, "t", zero=True, infinite=True),
            check_times(aged, "ages", zero=True),
        )
        if method == "bootstrap":
            fitted = self._template, self.parameters_, self.covariance_, self.bootstrap_
            safe = incidence_bounds(
                *fitted, number, wide, aged, level, corrected=self._maxima is None
            )
            low, high = (response_value("cdf", part) for part in safe)
        else:
            fitted_once = self.lifetime_, self.covariance_, self._maxima
            low, high = bounded_incidence(*fitted_once, number, wide, aged, level)[1:]
        return shaped(low, shape), shaped(high, shape)

    def _drawn_again(self, **how: Any) -> Bootstrap:
        """Replicates of all causes together, and each cause's part of them."""
        fitted = self._template, self.parameters_, self.covariance_
        settings = next(iter(self._models.values()))._settings()
        found = bootstrap_causes(*fitted, self._rows, self._allowed, settings, **how)
        self._share_replicates(found)
        return found

    def _parameter_bounds(self, level: float, method: str) -> tuple[np.ndarray, list[str]]:
        """Bounds (m, 2) of the parameters of all causes, and the method that gave each."""
        if not any(hasattr(model, "_rows") for model in self._models.values()):
            return self._known_bounds(level)
        found = [model._parameter_bounds(level, method) for model in self._models.values()]
        words = [word for table, word in found for _ in table]
        return np.concatenate([table for table, _ in found]), words

    def _known_bounds(self, level: float) -> tuple[np.ndarray, list[str]]:
        """Bounds that cost nothing."""
        table = parameter_bounds(
            self._template, self.parameters_, self.covariance_, self._maxima, level
        )
        return table, ["delta"] * len(table)


def _rising(curve: str, safe: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of a curve from those on its link scale, the lower one first."""
    low, high = (response_value(curve, part) for part in safe)
    return (high, low) if curve == "survival" else (low, high)
