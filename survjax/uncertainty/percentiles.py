"""Bounds from replicates: percentiles, corrected for bias and acceleration.

Efron (1987); Efron and Tibshirani (1993), chapter 14.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from survjax.uncertainty.delta import normal_quantile


def bounds_around(
    found: np.ndarray,
    values: np.ndarray,
    slopes: np.ndarray,
    skewness: np.ndarray,
    covariance: np.ndarray,
    level: float,
    corrected: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (m,) from replicates (B, m) of estimates (m,), as `bootstrap_bounds` has them.

    `slopes` (m, p) are those of the estimates in the parameters.
    """
    if not corrected:
        nothing = np.zeros_like(values)
        low, high = (percentile(found, nothing, nothing, z) for z in _ends(level))
        return np.fmin(low, values), np.fmax(high, values)
    influence = slopes @ covariance
    third = np.einsum("abc,ma,mb,mc->m", skewness, influence, influence, influence)
    variance = np.einsum("mp,mp->m", influence, slopes)
    moving = variance > 0
    acceleration = np.where(moving, third / np.where(moving, variance, 1.0) ** 1.5 / 6.0, 0.0)
    return replicate_bounds(found, values, level, acceleration)


def replicate_bounds(
    found: np.ndarray, values: np.ndarray, level: float, acceleration: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles (m,) of replicates (B, m) around estimates (m,), corrected for their bias.

    The bias is read off the share of replicates below the estimate (Efron 1987); without an
    acceleration (m,) there is none.
    """
    below = np.mean(found < values, axis=0) + 0.5 * np.mean(found == values, axis=0)
    n = len(found)
    z0 = np.array([NormalDist().inv_cdf(float(np.clip(b, 0.5 / n, 1.0 - 0.5 / n))) for b in below])
    a = np.zeros_like(z0) if acceleration is None else acceleration
    low, high = (percentile(found, z0, a, z) for z in _ends(level))
    return low, high


def _ends(level: float) -> tuple[float, float]:
    """Normal quantiles of both ends of an interval."""
    z = normal_quantile(level)
    return -z, z


def percentile(found: np.ndarray, z0: np.ndarray, a: np.ndarray, z: float) -> np.ndarray:
    """The replicate (each column by itself) at the corrected normal quantile z."""
    corrected = z0 + (z0 + z) / np.maximum(1.0 - a * (z0 + z), 0.05)
    share = np.array([NormalDist().cdf(float(c)) for c in corrected])
    # A bound between two replicates is the one further out: infinite ones cannot be averaged.
    place = share * (len(found) + 1) - 1.0
    place = np.floor(place) if z < 0 else np.ceil(place)
    place = np.clip(place, 0, len(found) - 1).astype(int)
    return np.sort(found, axis=0)[place, np.arange(found.shape[1])]
