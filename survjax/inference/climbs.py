"""Climbs of a likelihood: what is known of each, and what lies where two of them may meet."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from survjax.optimize import ResultCode

#: Plain numbers: an array takes long to be compared with a member of an enumeration.
RUNNING, CONVERGED, ROUNDING, STALLED, MAX_ITERATIONS, NOT_FINITE = (
    int(ResultCode[name])
    for name in ("RUNNING", "CONVERGED", "ROUNDING", "STALLED", "MAX_ITERATIONS", "NOT_FINITE")
)

#: Value, gradient and Hessian at several points, and what works them out.
Derivatives = tuple[np.ndarray, np.ndarray, np.ndarray]
Evaluate = Callable[[np.ndarray], Derivatives]


@dataclasses.dataclass(frozen=True)
class Climb:
    """One maximum reached: point, value, derivatives and how the iteration ended."""

    x: np.ndarray
    value: float
    gradient: np.ndarray
    hessian: np.ndarray
    decrement: float
    n_iter: int
    code: int
    penalized: np.ndarray
    start: int = 0
    n_merged: int = 1


@dataclasses.dataclass(frozen=True)
class Rules:
    """When a climb stops, and what pulls on it."""

    penalty: float
    reference: float
    max_shape: float
    min_units: float
    n_units: float
    tol: float
    max_iter: int
    merge: bool = True
    #: Relative change of the Hessian that a last step may bring without a look at where it leads;
    #: zero, and every step is looked at.
    steady: float = 1e-7
    #: Log-likelihood by which a start may lie below the best and still be climbed from, if enough
    #: others lie higher.
    margin: float = np.inf


def canonical(x: np.ndarray) -> np.ndarray:
    """Points (B, 3K - 1) with components in the order of their medians, as (B, 3K) to compare.

    Log shares, log scales and log shapes; a logit of a share is compared as such.
    """
    k = (x.shape[1] + 1) // 3
    parts = np.zeros((len(x), 3, k))
    parts[:, 0, 1:] = x[:, : k - 1]
    parts[:, 0] -= np.logaddexp.reduce(parts[:, 0], axis=1)[:, None]
    parts[:, 1:] = x[:, k - 1 :].reshape(-1, 2, k)
    order = np.argsort(parts[:, 1] - 0.3665 / np.exp(parts[:, 2]), axis=1)
    return parts[np.arange(len(x))[:, None], :, order].swapaxes(1, 2).reshape(len(x), -1)


def different(starts: np.ndarray, reach: float = 0.25) -> np.ndarray:
    """Those of the starts (B, 3K - 1) that no earlier one is close to.

    Scales are compared in units of the component's own spread.
    """
    points = canonical(starts)
    k = points.shape[1] // 3
    gaps = np.abs(points[:, None] - points)
    shapes = np.exp(points[:, 2 * k :])
    gaps[:, :, k : 2 * k] *= np.maximum(shapes[:, None], shapes)
    far = gaps.max(2) >= reach
    kept: list[int] = []
    for i, others in enumerate(far):
        if others[kept].all():
            kept.append(i)
    return starts[kept]
