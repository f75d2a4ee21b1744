"""Curves of a Weibull mixture in plain NumPy, for pictures that draw many of them.

A moving picture evaluates a mixture in every frame; compiling that would take longer than all
the drawing. Tests hold these formulas against `survjax.lifetimes`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Weibulls:
    """Weights, scales and shapes, each of shape (K,)."""

    weights: np.ndarray
    scales: np.ndarray
    shapes: np.ndarray

    @classmethod
    def of(cls, weights: object, scales: object, shapes: object) -> Weibulls:
        """From anything array-like."""
        return cls(*(np.asarray(part, float) for part in (weights, scales, shapes)))

    def survival(self, t: np.ndarray) -> np.ndarray:
        """P(T > t), shape (n,)."""
        return self.weights @ np.exp(-self._cumulative(t))

    def log_density_parts(self, t: np.ndarray) -> np.ndarray:
        """Log of weight times density of each component, shape (K, n), for t > 0."""
        log_ratio = np.log(t / self.scales[:, None])
        constant = np.log(self.weights * self.shapes / self.scales)[:, None]
        return constant + (self.shapes[:, None] - 1.0) * log_ratio - self._cumulative(t)

    def shares(self, t: np.ndarray) -> np.ndarray:
        """P(component | failed at t), shape (K, n): the estimators' `membership`."""
        parts = self.log_density_parts(t)
        return np.exp(parts - np.logaddexp.reduce(parts, axis=0))

    def _cumulative(self, t: np.ndarray) -> np.ndarray:
        """Cumulative hazard of each component, shape (K, n)."""
        log_ratio = np.log(t / self.scales[:, None])
        return np.exp(np.minimum(self.shapes[:, None] * log_ratio, 700.0))

    def toward(self, other: Weibulls, part: float) -> Weibulls:
        """Part of the way to another mixture of as many, straight in logs."""

        def between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            return np.exp((1.0 - part) * np.log(a) + part * np.log(b))

        weights = between(self.weights, other.weights)
        return Weibulls(
            weights / weights.sum(),
            between(self.scales, other.scales),
            between(self.shapes, other.shapes),
        )
