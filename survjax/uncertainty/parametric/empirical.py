"""How far an empirical curve lies from the uniform distribution: three statistics.

Lives are given by the cumulative hazards r that their units have passed under a model: then u = 1 -
exp(-r), the share that has failed by then, is uniform if the model is right. The empirical curve F
of the u is Kaplan-Meier's, and Turnbull's where they are only known to lie in intervals.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from survjax.nonparametric import StepCurve, turnbull

#: Gauss-Legendre nodes on a piece on which the curve rises.
NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)
#: The statistics, in the order of the last axis.
STATISTICS = ("kolmogorov_smirnov", "cramer_von_mises", "anderson_darling")


class Pieces(NamedTuple):
    """An empirical curve (..., m): pieces between hazards r, linear in u from one share to another.

    Together they reach from zero to the end of what is known.
    """

    r: tuple[np.ndarray, np.ndarray]
    share: tuple[np.ndarray, np.ndarray]


def kaplan_meier_pieces(passed: np.ndarray, event: np.ndarray) -> Pieces:
    """The product-limit estimate of units (..., n) that count one each.

    It ends with the last unit, if that still runs, and else holds for good.
    """
    n = passed.shape[-1]
    # At one time failures come before units still running.
    order = np.lexsort((-event, passed), axis=-1)
    r, failed = (np.take_along_axis(part, order, axis=-1) for part in (passed, event))
    left = n - np.arange(n)
    survival = np.cumprod(1.0 - failed / left, axis=-1)
    share = np.concatenate([np.zeros_like(r[..., :1]), 1.0 - survival], axis=-1)
    end = np.where(failed[..., -1:] > 0, np.inf, r[..., -1:])
    ends = np.concatenate([np.zeros_like(end), r, end], axis=-1)
    return Pieces((ends[..., :-1], ends[..., 1:]), (share, share))


def turnbull_pieces(lower: np.ndarray, upper: np.ndarray) -> Pieces:
    """Turnbull's estimate of units (n,) known by bounds, its mass even in u where it may lie.

    It ends where mass may lie anywhere beyond.
    """
    curve = turnbull(lower, upper)
    ends = curve.times
    starts = ends if curve.starts is None else curve.starts
    share = np.concatenate([[0.0], 1.0 - curve.values])
    bounded = np.isfinite(ends)
    rising = np.stack([starts, ends])[:, bounded]
    # Between two rises, and before the first, the curve is flat.
    flat = np.stack([np.append(0.0, rising[1]), np.append(rising[0], _end(curve, bounded))])
    m = int(bounded.sum())
    low, high = share[:-1][:m], share[1:][:m]
    level = share[: m + 1]
    r = tuple(np.concatenate([flat[i], rising[i]]) for i in (0, 1))
    return Pieces((r[0], r[1]), (np.concatenate([level, low]), np.concatenate([level, high])))


def _end(curve: StepCurve, bounded: np.ndarray) -> float:
    """Where knowledge ends: where mass without an end begins, or the end of follow-up."""
    if not bounded.all():
        starts = curve.times if curve.starts is None else curve.starts
        return float(starts[~bounded][0])
    last = float(curve.values[-1]) if bounded.size else 1.0
    return np.inf if last <= 0 else float(curve.end)


def distances(pieces: Pieces, n: float) -> np.ndarray:
    r"""Kolmogorov-Smirnov, Cramer-von Mises and Anderson-Darling statistics: (..., 3).

    With c the share by which the curve is known,

        D = max |F(u) - u|,    W2 = n \int_0^c (F - u)^2 du,
        A2 = n \int_0^c (F - u)^2 / (u (1 - u)) du

    which are the usual ones where nothing is censored (c = 1).

    References
    ----------
    Koziol and Green (1976), Biometrika 63; D'Agostino and Stephens (1986), chapter 4.
    """
    (r0, r1), (f0, f1) = pieces
    real = r1 > r0
    r0, r1 = np.where(real, r0, 0.0), np.where(real, r1, 1.0)
    u0, u1 = -np.expm1(-r0), -np.expm1(-r1)
    width = np.exp(-r0) * -np.expm1(-(r1 - r0))
    g0, g1 = f0 - u0, f1 - u1
    largest = np.max(np.where(real, np.maximum(np.abs(g0), np.abs(g1)), 0.0), axis=-1)
    squared = width * (g0**2 + g0 * g1 + g1**2) / 3.0
    weighed = np.where(f0 == f1, _flat(r0, r1, u0, u1, f0), 0.0)
    if np.any(f0 != f1):
        weighed = np.where(f0 == f1, weighed, _rising(u0, width, g0, g1))
    totals = (n * np.sum(np.where(real, part, 0.0), axis=-1) for part in (squared, weighed))
    return np.stack([largest, *totals], axis=-1)


def _flat(
    r0: np.ndarray, r1: np.ndarray, u0: np.ndarray, u1: np.ndarray, f: np.ndarray
) -> np.ndarray:
    """Integral of (f - u)^2 / (u (1 - u)): of f^2 / u + (1 - f)^2 / (1 - u) - 1."""
    some, short = f > 0, f < 1
    # A curve at zero may begin where u does, one at one may end where u does.
    with np.errstate(divide="ignore"):
        rise = np.log(np.where(some, u1, 1.0)) - np.log(np.where(some, u0, 1.0))
    fall = np.where(short, r1, 0.0) - np.where(short, r0, 0.0)
    return f**2 * rise + (1.0 - f) ** 2 * fall - (u1 - u0)


def _rising(u0: np.ndarray, width: np.ndarray, g0: np.ndarray, g1: np.ndarray) -> np.ndarray:
    """The same where f - u goes linearly from one value to another, by Gauss's rule."""
    along = 0.5 * (NODES + 1.0)
    u = u0[..., None] + width[..., None] * along
    g = g0[..., None] + (g1 - g0)[..., None] * along
    inside = (u > 0) & (u < 1)
    value = np.where(inside, g**2 / np.where(inside, u * (1.0 - u), 1.0), 0.0)
    return 0.5 * width * (value @ WEIGHTS)
