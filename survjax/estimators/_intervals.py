"""Confidence intervals of curves and of natural parameters, by three methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from survjax._core.observations import Observations
from survjax._core.precision import double_precision
from survjax.estimators._components import MixtureState
from survjax.estimators._fitted import check_level
from survjax.inference.curves import bounds
from survjax.inference.uncertainty import (
    NATURAL,
    natural_delta,
    natural_slice,
)

CURVES = ("survival", "hazard", "cumulative_hazard", "density", "cdf", "quantile", "mean")
METHODS = ("auto", "delta", "profile", "bootstrap")


class Intervals(MixtureState):
    """`confidence_interval` of a fitted mixture."""

    _check_fitted: Callable[[], None]
    _safe: Callable[..., tuple[np.ndarray, np.ndarray, tuple[int, ...]]]
    _rows: Observations

    @double_precision
    def confidence_interval(
        self,
        curve: str,
        t: Any = None,
        level: float = 0.95,
        method: str = "auto",
        *,
        ages: Any = None,
    ) -> tuple[Any, Any]:
        """Confidence bounds of a curve, or of the components' parameters.

        Parameters
        ----------
        curve : str
            "survival", "hazard", "cumulative_hazard", "density", "cdf", "quantile" or "mean"; or
            "weights", "scales", "shapes".
        t : array-like, optional
            Where: times for a curve, failed shares for "quantile", nothing for the others.
        level : float, default 0.95
            Chance, over repeated samples, that the bounds hold the truth at one point.
        method : {"auto", "delta", "profile", "bootstrap"}, default "auto"
            "auto" is "delta" for curves and for a single Weibull, "profile" for the parameters
            of several components.
        ages : array-like, optional
            Ages reached: bounds for the remaining life. Broadcasts with t.

        Returns
        -------
        lower, upper : floats or arrays of t's shape
            Of shape (K,) for parameters. Bounds stay inside the range of what they bound.
        """
        self._check_fitted()
        check_level(level)
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
        if curve in NATURAL:
            if t is not None or ages is not None:
                raise ValueError(f"{curve} are numbers, not curves: leave out t and ages")
            table, _ = self._natural_bounds(level, method)
            part = table[natural_slice(curve, self.weights_.size)]
            return part[:, 0].copy(), part[:, 1].copy()
        if curve not in CURVES:
            known = ", ".join((*CURVES, *NATURAL))
            raise ValueError(f"curve must be one of {known}, got {curve!r}")
        if curve == "mean":
            if t is not None:
                raise ValueError("the mean takes no t: pass ages= for the mean remaining life")
            t = 0.0
        elif t is None:
            raise ValueError(f"{curve} needs t: where to bound it")
        values, errors, shape = self._safe(curve, t, ages, errors=True)
        low, high = bounds(curve, values, errors, level)
        return (
            (low.reshape(shape), high.reshape(shape)) if shape else (float(low[0]), float(high[0]))
        )

    def _natural_bounds(self, level: float, method: str) -> tuple[np.ndarray, str]:
        """Bounds (3K, 2) of weights, scales and shapes, and the method that gave them."""
        return natural_delta(self.parameters_, self.covariance_, level), "delta"

    def _known_bounds(self, level: float) -> tuple[np.ndarray, str]:
        """Bounds of the natural parameters that cost nothing: unknown is NaN."""
        return natural_delta(self.parameters_, self.covariance_, level), "delta"
