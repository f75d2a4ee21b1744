"""How far the lives of units lie from the uniform distribution: three statistics.

Lives are given by the cumulative hazards r that their units have passed under a model: then u = 1 -
exp(-r), the share that has failed by then, is uniform if the model is right. A life that is only
known to lie in an interval, or beyond an age, is evenly anywhere in its part of u. The mean over
units is the curve that the data lead one to expect; where all lives are known it is their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from survjax.data.observations import Observations

#: Gauss-Legendre nodes on a piece whose ends are less than a factor of two apart.
NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)
#: The statistics, in the order of the last axis.
STATISTICS = ("kolmogorov_smirnov", "cramer_von_mises", "anderson_darling")
#: Parts of u narrower than this are one place.
NARROW = 1e-7
#: A hazard passed whose share still running is nearly too small for a number.
FAR = 700.0


class Pieces(NamedTuple):
    """A curve (..., m): pieces between hazards r, linear in u from one share to another.

    Together they reach from zero to one, where r has no end.
    """

    r: tuple[np.ndarray, np.ndarray]
    share: tuple[np.ndarray, np.ndarray]


def expected_pieces(lower: np.ndarray, upper: np.ndarray) -> Pieces:
    """The share of units (..., n) expected to have failed, each by bounds of its hazard passed.

    Units that still run have no upper bound (infinity), exact failures twice the same.
    """
    n = lower.shape[-1]
    width = _width(lower, upper)
    known = width < NARROW
    steep = np.where(known, 0.0, 1.0 / np.where(known, 1.0, width))
    last = np.where(np.isfinite(upper), upper, lower)
    r = np.concatenate([np.where(known, last, lower), np.where(known, last, upper)], axis=-1)
    order = np.argsort(r, axis=-1, kind="stable")
    changes = (np.concatenate(both, axis=-1) for both in ((steep, -steep), (known, 0.0 * steep)))
    r, slope, jump = (np.take_along_axis(part, order, axis=-1) for part in (r, *changes))
    zero = np.zeros_like(lower[..., :1])
    ends = np.concatenate([zero, r, zero + np.inf], axis=-1)
    slope, jump = (
        np.concatenate([zero, np.cumsum(part, axis=-1) / n], axis=-1) for part in (slope, jump)
    )
    rise = np.maximum(slope, 0.0) * _width(ends[..., :-1], ends[..., 1:])
    after = np.cumsum(rise, axis=-1)
    return Pieces((ends[..., :-1], ends[..., 1:]), (jump + after - rise, jump + after))


def _width(r0: np.ndarray, r1: np.ndarray) -> np.ndarray:
    """What lies of u between hazards passed."""
    gap = np.subtract(r1, r0, out=np.zeros_like(r0), where=r1 > r0)
    return np.asarray(np.exp(-r0) * -np.expm1(-gap))


def distances_of(rows: Observations, passed: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The statistics (..., 3) of rows (..., n) of one unit each.

    `passed` takes times to the cumulative hazards that the units have passed by then.
    """
    lower = passed(rows.lower)
    upper = np.where(rows.event > 0, lower, np.inf)
    if rows.interval is not None:
        inside = rows.interval > 0
        upper = np.where(inside, passed(np.where(inside, rows.upper, rows.lower)), upper)
    return distances(expected_pieces(lower, upper), rows.lower.shape[-1])


def distances(pieces: Pieces, n: float) -> np.ndarray:
    r"""Kolmogorov-Smirnov, Cramer-von Mises and Anderson-Darling statistics: (..., 3).

    .. math:: D = \max |F(u) - u|, \quad W^2 = n \int_0^1 (F - u)^2 du, \quad
       A^2 = n \int_0^1 \frac{(F - u)^2}{u (1 - u)} du

    References
    ----------
    D'Agostino and Stephens (1986), chapter 4.
    """
    (r0, r1), (f0, f1) = pieces
    real = r1 > r0
    r0, r1 = np.where(real, r0, 0.0), np.where(real, r1, 1.0)
    u0, u1, width = -np.expm1(-r0), -np.expm1(-r1), _width(r0, r1)
    g0, g1 = f0 - u0, f1 - u1
    largest = np.max(np.where(real, np.maximum(np.abs(g0), np.abs(g1)), 0.0), axis=-1)
    squared = width * (g0**2 + g0 * g1 + g1**2) / 3.0
    weighed = np.zeros_like(squared)
    near = (u1 < 2.0 * u0) & (r1 - r0 < np.log(2.0)) & (r1 < FAR)
    for some, integral in ((real & near, _by_nodes), (real & ~near, _by_parts)):
        weighed[some] = integral(Pieces((r0[some], r1[some]), (f0[some], f1[some])))
    totals = (n * np.sum(np.where(real, part, 0.0), axis=-1) for part in (squared, weighed))
    return np.stack([largest, *totals], axis=-1)


def _by_parts(pieces: Pieces) -> np.ndarray:
    """Integral of (F - u)^2 / (u (1 - u)), F linear: of a^2 / u + b^2 / (1 - u) - (a - b)^2.

    The line F - u meets u = 0 at a and u = 1 at b.
    """
    (r0, r1), (f0, f1) = pieces
    u0, u1, width = -np.expm1(-r0), -np.expm1(-r1), _width(r0, r1)
    slope = (f1 - f0) / np.where(width > 0, width, 1.0)
    a, b = f0 - slope * u0, f1 - 1.0 + slope * np.exp(-r1)
    # A curve that begins at zero and ends at one has nothing to integrate in either corner.
    begins, ends = u0 == 0, np.isinf(r1)
    rise = np.log(u1) - np.log(np.where(begins, u1, u0)) + np.where(begins & (a > 0), np.inf, 0.0)
    b = np.where(ends, 0.0, b)
    fall = np.where(ends, 0.0, r1) - np.where(ends, 0.0, r0)
    return np.asarray(a**2 * rise + b**2 * fall - (a - b) ** 2 * width)


def _by_nodes(pieces: Pieces) -> np.ndarray:
    """The same by Gauss's rule, where the integrand is smooth and lines may be steep."""
    (r0, r1), (f0, f1) = pieces
    u0, width = -np.expm1(-r0), _width(r0, r1)
    total = np.zeros_like(width)
    for node, weight in zip(0.5 * (NODES + 1.0), 0.5 * WEIGHTS, strict=True):
        u, left = u0 + node * width, np.exp(-r0) - node * width
        total += weight * (f0 + node * (f1 - f0) - u) ** 2 / (u * left)
    return total * width
