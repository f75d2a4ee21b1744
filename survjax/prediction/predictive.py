"""Where a life will fall, the uncertainty of the fit included: one equation for every model.

The chance that a unit fails within s averages 1 - exp(-exp(y)) over y = log H(s | age), taken as
normal around its estimate with its delta-method error. It reaches a share where the estimate
reaches a center that depends on the error alone. The error varies with s, and far from the data
it may grow as fast as y: then no s reaches the share, and the bound is 0 or infinite.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax._core.annotations import Array
from survjax._core.normal import normal_cdf
from survjax._core.numerics import module_of

#: Nodes of the table of centers, even in error / (1 + error).
NODES = 256
#: First step away from the estimate in log time, and how often it doubles: over 200 in all.
STEP, DOUBLINGS = 0.05, 12
#: Gauss's rule for averages over a standard normal variable.
HERMITE_NODES, HERMITE_WEIGHTS = np.polynomial.hermite_e.hermegauss(31)
#: Error at which the average goes from Hermite's nodes to those of the trapezoidal rule.
WIDE = 0.7


@lru_cache(maxsize=64)
def centers(share: float) -> np.ndarray:
    """Centers y for errors from 0 to infinity, over sqrt(1 + error^2): (NODES + 3,).

    With E a unit exponential, 1 - exp(-exp(y)) = P(log E < y), so that the average is the
    distribution function of log E less the normal part. One value more stands at either end, for
    interpolation.
    """
    x = np.arange(1, NODES) / NODES
    error = x / (1.0 - x)
    low, high = -40.0 * (1.0 + error), 10.0 * (1.0 + error)
    for _ in range(60):
        y = 0.5 * (low + high)
        below = average(y, error) < share
        low, high = np.where(below, y, low), np.where(below, high, y)
    inner = 0.5 * (low + high) / np.sqrt(1.0 + error**2)
    ends = np.log(-np.log1p(-share)), NormalDist().inv_cdf(share)
    table = np.concatenate([ends[:1], inner, ends[1:]])
    beyond = (3.0 * (a - b) + c for a, b, c in (table[:3], table[:-4:-1]))
    first, last = beyond
    return np.concatenate([[first], table, [last]])


def average(y: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Average of 1 - exp(-exp(y + error Z)) over a standard normal Z, to 1e-6 of its value."""
    narrow = error < WIDE
    found = np.empty(y.shape)
    hazard = np.exp(np.minimum(y[narrow, None] + error[narrow, None] * HERMITE_NODES, 50.0))
    found[narrow] = -np.expm1(-hazard) @ (HERMITE_WEIGHTS / HERMITE_WEIGHTS.sum())
    g = np.linspace(-36.0, 4.0, 81)
    density = np.exp(g - np.exp(g))
    shares = normal_cdf((y[~narrow, None] - g) / error[~narrow, None])
    found[~narrow] = shares @ (density / density.sum())
    return found


def center(table: Array, error: Array) -> Array:
    """The center at each error, by cubic interpolation in a table of `centers`."""
    xp = module_of(error)
    x = NODES * error / (1.0 + error)
    left = xp.clip(xp.floor(x), 0, NODES - 1)
    r = x - left
    a, b, c, d = (table[left.astype(int) + i] for i in range(4))
    value = b + 0.5 * r * (
        c - a + r * (2.0 * a - 5.0 * b + 4.0 * c - d + r * (3.0 * (b - c) + d - a))
    )
    return value * xp.sqrt(1.0 + error**2)


def where_reached(
    at: Callable[[Any], tuple[Any, Any]], point: jax.Array, table: Array
) -> jax.Array:
    """The life at which the predictive share is reached, the nearest to the point estimate.

    Parameters
    ----------
    at : callable
        From lives (n,) to log H and its standard error.
    point : array of shape (n,)
        Where the estimate alone reaches the share.
    table : array
        `centers` of the share.

    Notes
    -----
    With arrays of NumPy the search runs on the host, and compiles nothing.
    """
    xp = module_of(point)

    def gap(x: jax.Array) -> jax.Array:
        y, error = at(xp.exp(x))
        # Times at which H leaves the range of numbers are too early for an answer.
        seen = xp.isfinite(y) & xp.isfinite(error)
        return xp.where(seen, y, xp.inf) - center(table, xp.where(seen, error, 0.0))

    usable = (point > 0) & xp.isfinite(point)
    start = xp.log(xp.where(usable, point, 1.0))
    first = gap(start)
    # Down in time while more than the share has failed, else up.
    side = xp.where(first > 0, -1.0, 1.0)

    def beyond(carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        near, far, level, other, step, count = carry
        passed = other <= 0
        near, level = xp.where(passed, near, far), xp.where(passed, level, other)
        far = xp.where(passed, far, far + side * step)
        other = xp.where(passed, other, -side * gap(far))
        return near, far, level, other, 2.0 * step, count + 1

    def outside(carry: tuple[jax.Array, ...]) -> jax.Array:
        return xp.any(carry[3] > 0) & (carry[5] < DOUBLINGS)

    level = -side * first
    carry = (start, start, level, level, STEP, 0)
    near, far, level, other, _, _ = _loop(outside, beyond, carry)
    found = other <= 0
    x = _between(lambda x: -side * gap(x), near, far, level, other)
    life = xp.where(found, xp.exp(x), xp.where(side < 0, 0.0, xp.inf))
    return xp.where(usable, life, point)


def _between(
    gap: Callable[[Any], Any],
    near: jax.Array,
    far: jax.Array,
    level: jax.Array,
    other: jax.Array,
) -> jax.Array:
    """Where a gap vanishes that is above zero at one end and not at the other: Illinois' rule."""
    xp = module_of(near)

    def body(carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        near, far, level, other, side, _, count = carry
        secant = (near * other - far * level) / (other - level)
        inside = xp.abs(secant - near) + xp.abs(far - secant) <= 1.001 * xp.abs(far - near)
        # Every third time by halves, so that no shape of the gap makes this slow.
        x = xp.where(inside & (count % 3 < 2), secant, 0.5 * (near + far))
        value = gap(x)
        above = value > 0
        moved = xp.abs(x - xp.where(above, near, far))
        near, far = xp.where(above, x, near), xp.where(above, far, x)
        other = xp.where(above, xp.where(side > 0, 0.5 * other, other), value)
        level = xp.where(above, value, xp.where(side < 0, 0.5 * level, level))
        short = (moved < 1e-9) | (xp.abs(far - near) < 1e-9)
        return near, far, level, other, xp.where(above, 1.0, -1.0), ~short, count + 1

    def running(carry: tuple[jax.Array, ...]) -> jax.Array:
        return xp.any(carry[5]) & (carry[6] < 100)

    carry = (near, far, level, other, xp.zeros_like(near), far != near, 0)
    near, far, level, other, *_ = _loop(running, body, carry)
    return xp.where(xp.abs(level) < xp.abs(other), near, far)


def _loop(
    running: Callable[[Any], Any], body: Callable[[Any], Any], carry: Any
) -> tuple[jax.Array, ...]:
    """A loop inside a program, or, over NumPy's arrays, on the host."""
    if module_of(carry[0]) is jnp:
        return lax.while_loop(running, body, carry)
    while running(carry):
        carry = body(carry)
    return carry
