"""The last step of an iteration, taken without a pass over the rows at its end.

Near a maximum each Newton step squares the decrement, times what bends the path. Where two steps
have shown at what rate, the error after the next one is known well enough to stop there.
Everything has any leading axes: those of searches that run side by side, or none.
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: How far below the tolerance the decrement that is expected must stay.
SAFETY = 10.0
EPS = float(np.finfo(float).eps)


def predict_decrement(
    before: Any, decrement: Any, n_units: float, tol: float, hessian_drift: float
) -> tuple[Any, Any]:
    """The decrement after the next whole step, and whether that may go without a look.

    `before` is the decrement one whole step ago. What bends a path, in standard errors, is at
    least of the order of one over the root of the units, whatever the last step showed. The step
    must not move the Hessian, which stays that of the point before, by more than `hessian_drift`,
    relative to itself.
    """
    curvature = np.maximum(
        decrement / np.maximum(before, 1e-300) ** 2, 1.0 / np.sqrt(max(n_units, 1.0))
    )
    expected = np.maximum(curvature * decrement**2, EPS)
    sure = (before < 1.0) & (SAFETY * expected <= tol) & (curvature * decrement <= hessian_drift)
    return expected, sure


def extrapolated_step(
    value: Any, gradient: np.ndarray, hessian: np.ndarray, step: np.ndarray, share: Any
) -> tuple[Any, np.ndarray]:
    """Value and gradient after a step (..., P) of a quadratic model, exact within the tolerance.

    The gradient shrinks by the share by which the decrement does: the model's own, zero, would
    claim too much.
    """
    bent = (hessian @ step[..., None])[..., 0]
    risen = np.add.reduce((gradient + 0.5 * bent) * step, axis=-1)
    return value + risen, gradient * np.asarray(share)[..., None]
