"""Confidence intervals of the curves of several causes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.precision import double_precision
from survjax.estimators.competing.state import CausesState
from survjax.estimators.lifetime.intervals import CURVES, METHODS
from survjax.estimators.lifetime.predictions import check_level
from survjax.uncertainty.modes import bounded, parameter_bounds

if TYPE_CHECKING:
    from survjax.estimators.lifetime.model import LifetimeModel


class CausesIntervals(CausesState):
    """`confidence_interval` of a fit of several causes, and the bounds of its summary."""

    _check_fitted: Callable[[], None]
    _arguments: Callable[..., tuple[np.ndarray, np.ndarray, tuple[int, ...]]]
    _alone: Callable[[Hashable], LifetimeModel]

    @double_precision
    def confidence_interval(
        self,
        curve: str,
        t: Any = None,
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
            a cause also the name of its parameters, such as "scale" or "shapes".
        t : array-like, optional
            Where: times for a curve, shares for "quantile", nothing for the others.
        level : float, default 0.95
            Chance, over repeated samples, that the bounds hold the truth at one point.
        method : {"auto", "delta", "profile", "bootstrap"}, default "auto"
            As in `LifetimeModel`. Of all causes together, and of causes that were fitted together,
            there are delta bounds only.
        cause : label, optional
            Bounds for the lifetime of one cause, as if no other were at work.
        ages : array-like, optional
            Ages reached: bounds for the remaining life. Broadcasts with t.

        Returns
        -------
        lower, upper : floats or arrays of t's shape
            Bounds stay inside the range of what they bound. Those of cumulative incidences are in
            the frames of `cumulative_incidence` and `failure_probability`.
        """
        self._check_fitted()
        check_level(level)
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
        if cause is not None:
            alone = self._alone(cause)
            if method in ("profile", "bootstrap") and not hasattr(alone, "_rows"):
                raise ValueError(
                    f"method={method!r} needs causes that were fitted each on its own, and rows: "
                    "these were fitted together or come from a file, so that there are delta bounds"
                )
            return alone.confidence_interval(curve, t, level, method, ages=ages)
        if method in ("profile", "bootstrap"):
            raise ValueError(f"method={method!r} is for one cause: pass cause=, or method='delta'")
        if curve not in CURVES:
            raise ValueError(
                f"curve must be one of {', '.join(CURVES)}, got {curve!r}: pass cause= for the "
                "parameters of a cause"
            )
        if (t is None) != (curve == "mean"):
            raise ValueError("pass t, where to bound the curve; the mean takes none")
        t, ages, shape = self._arguments(curve, 0.0 if t is None else t, ages)
        found = bounded(
            self.lifetime_, self.covariance_, self._maxima, (curve,), t[None], ages, level
        )
        low, high = (part[0].reshape(shape) if shape else float(part[0, 0]) for part in found[2:])
        return low, high

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
