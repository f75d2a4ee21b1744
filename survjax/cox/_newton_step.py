"""One Newton step; where a penalty has absolute values, by coordinate descent."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from survjax.nonparametric.rows import Bools, Floats

__all__ = ["newton_step"]


def newton_step(
    theta: Floats, gradient: Floats, hessian: Floats, keep: Bools, l1: Floats, l2: Floats
) -> tuple[Floats, float]:
    """Return the step to the maximum of the quadratic model, and the Newton decrement."""
    slope, curvature = gradient - l2 * theta, np.diag(l2) - hessian
    step = np.zeros_like(theta)
    if not np.any(keep):
        return step, 0.0
    if np.any(l1 > 0):
        step[keep] = _coordinate_descent(
            theta[keep], slope[keep], curvature[np.ix_(keep, keep)], l1[keep]
        )
        return step, float(np.sqrt(max(step @ curvature @ step, 0.0)))
    step[keep] = _solve(curvature[np.ix_(keep, keep)], slope[keep])
    return step, float(np.sqrt(max(slope @ step, 0.0)))


def _solve(curvature: Floats, slope: Floats) -> Floats:
    """Solve a positive definite system; a direction lost to rounding gets no step."""
    scale = 1.0 / np.sqrt(np.maximum(np.diag(curvature), 1e-300))
    values, vectors = linalg.eigh(curvature * np.outer(scale, scale), check_finite=False)
    inverse = np.where(values > 1e-14 * values[-1], 1.0 / np.maximum(values, 1e-300), 0.0)
    return scale * (vectors @ (inverse * (vectors.T @ (scale * slope))))


def _coordinate_descent(theta: Floats, slope: Floats, curvature: Floats, l1: Floats) -> Floats:
    """Minimize ``-slope'd + d'curvature d/2 + l1 |theta + d|`` over d, one coordinate at a time."""
    step = np.zeros_like(theta)
    rest = slope.copy()  # slope - curvature @ step
    diagonal = np.maximum(np.diag(curvature), 1e-300)
    for _ in range(10_000):
        largest = 0.0
        for j in range(theta.size):
            target = rest[j] + diagonal[j] * (theta[j] + step[j])
            new = np.sign(target) * max(abs(target) - l1[j], 0.0) / diagonal[j] - theta[j]
            change = new - step[j]
            if change != 0.0:
                rest -= curvature[:, j] * change
                step[j] = new
                largest = max(largest, abs(change) * float(np.sqrt(diagonal[j])))
        if largest <= 1e-12:
            break
    return step
