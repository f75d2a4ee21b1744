r"""The log of a gamma variable, standardized: its density and both tails, through the normal limit.

With G of a gamma law of shape a = 1 / q^2, the variable W = log(G / a) / q is standard in that
its density is exp(-psi(w)) times a constant near that of the normal,

    log f(w) = -log(2 pi) / 2 - remainder(q^2) - psi(w),   psi(w) = (exp(q w) - 1 - q w) / q^2,

with the remainder of Stirling's formula (Prentice 1974). All of it is smooth in q through the
normal law at q = 0, and (w, q) to (-w, -q) turns one tail into the other.

A tail over the density at its start is the integral of exp(-(psi(w + s) - psi(w))) over s > 0,
whose exponent is a sum of positive terms beyond the mode w = 0:

    exp(q w) s^2 phi(q s) + s (exp(q w) - 1) / q,   phi(u) = (exp(u) - 1 - u) / u^2.

Gauss's rule with 32 nodes leaves 1e-14 of it, up to q^2 = 1/3 below the mode and for any q beyond
x = a exp(q w) = max(a, 1). Where q^2 > 1/3 and x < max(a, 1), both tails follow from the series
of the incomplete gamma function in x. Derivatives of the integral are moments of its exponent's.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax._core.numerics import largest_exponent, log1mexp
from survjax._core.special.stirling import log_gamma_1p, stirling_remainder
from survjax._core.special.two_derivatives import (
    TwoDerivatives,
    choose,
    differentiable,
    elementwise,
    of_q,
)

LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)
#: Where the exponent of a tail has reached this, exp(-37) = 1e-16, the integral ends.
LAST_EXPONENT = 38.0
#: Below this |u|, means of t^k exp(u t) are Taylor series of so many terms.
NEAR, N_TAYLOR = 0.5, 12
#: Shapes below this have the series, of so many terms.
LARGEST_SERIES_SHAPE, N_SERIES = 3.0, 30
N_NODES = 32


def _nodes(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on (0, 1), to the last digit (NumPy's lose two)."""
    x = np.polynomial.legendre.leggauss(n)[0].astype(np.longdouble)
    for _ in range(2):
        before: Any = np.ones_like(x)
        now: Any = x
        for k in range(2, n + 1):
            before, now = now, ((2 * k - 1) * x * now - (k - 1) * before) / k
        slope = n * (before - x * now) / (1 - x * x)
        x = x - now / slope
    weights = 1 / ((1 - x * x) * slope**2)
    return np.asarray(0.5 + 0.5 * x, float), np.asarray(weights, float)


NODES, WEIGHTS = _nodes(N_NODES)


def _third_mean(u: jax.Array, grown: jax.Array) -> jax.Array:
    """Mean over (0, 1) of t^3 exp(u t); `grown` is exp(u)."""
    near = jnp.abs(u) < NEAR
    small = jnp.where(near, u, 0.0)
    taylor = jnp.zeros_like(u)
    for k in range(N_TAYLOR, -1, -1):
        taylor = taylor * small + 1.0 / (math.factorial(k) * (k + 4))
    inverse = 1.0 / jnp.where(near, 1.0, u)
    direct = (grown - 1.0) * inverse
    for k in range(1, 4):
        direct = (grown - k * direct) * inverse
    return jnp.where(near, taylor, direct)


def _lower_means(u: Any, grown: Any, third: Any) -> tuple[Any, Any, Any]:
    """Means of t^k exp(u t) for k = 0, 1, 2 from that for k = 3, by parts: for u up to about 4."""
    second = (grown - u * third) / 3.0
    first = (grown - u * second) / 2.0
    return grown - u * first, first, second


def _means(u: jax.Array) -> tuple[jax.Array, ...]:
    """Compute exp(u), and the means over (0, 1) of t^k exp(u t) for k = 0 to 3."""
    grown = jnp.exp(u)
    third = _third_mean(u, grown)
    late = u > 1.0
    inverse = 1.0 / jnp.where(late, u, 1.0)
    zeroth = (grown - 1.0) * inverse
    first = (grown - zeroth) * inverse
    upward = zeroth, first, (grown - 2.0 * first) * inverse
    downward = _lower_means(jnp.where(late, 0.0, u), grown, third)
    return grown, *(jnp.where(late, a, b) for a, b in zip(upward, downward, strict=True)), third


def _psi(w: jax.Array, q: jax.Array) -> TwoDerivatives:
    """(exp(q w) - 1 - q w) / q^2; its second derivative along w is exp(q w)."""
    grown, m0, m1, m2, m3 = _means(q * w)
    square = w * w
    first, second = square * (m0 - m1), square * w * (m1 - m2)
    return TwoDerivatives(first, w * m0, second, grown, square * m1, square * square * (m2 - m3))


def _end(q: jax.Array, at: TwoDerivatives) -> jax.Array:
    """How far beyond w a tail reaches: where the exponent is about `LAST_EXPONENT`, or more."""
    # Left of the mode (q < 0) from e^-u - 1 + u >= u^2 / (2 + u).
    beta = 2.0 * at.w - LAST_EXPONENT * jnp.abs(q)
    left = 4.0 * LAST_EXPONENT / (beta + jnp.sqrt(beta * beta + 8.0 * LAST_EXPONENT))
    # Right of it from the first, second and all further terms, and then by Newton's method, which
    # comes from above since the exponent is convex.
    rises = jnp.where(q > 0, q, 1.0)
    grown = jnp.maximum(at.ww, 1.0)
    last = jnp.log1p(2.0 * LAST_EXPONENT * rises * (rises / grown))
    right = jnp.minimum(jnp.sqrt(2.0 * LAST_EXPONENT / grown), jnp.maximum(last, 1.26) / rises)
    right = jnp.minimum(right, LAST_EXPONENT / jnp.maximum(at.w, 1e-30))
    for _ in range(2):
        u = rises * right
        more = jnp.expm1(u)
        curved = grown * jnp.maximum(more - u, 0.5 * u * u) / rises / rises
        slope = grown * (more / rises) + at.w
        right = right - (curved + at.w * right - LAST_EXPONENT) / slope
    return jnp.where(q > 0, right, left)


def _tail(w: jax.Array, q: jax.Array) -> TwoDerivatives:
    """The tail beyond w >= 0 by Gauss's rule, with its derivatives as moments."""
    at = _psi(w, q)
    length = lax.stop_gradient(_end(q, at))
    grown = at.ww

    # What is costly is computed before the loop: inside, each of its sums would compute it anew.
    depth = (slice(None),) + (None,) * length.ndim
    u = q * length * jnp.asarray(NODES, length.dtype)[depth]
    grown_u = jnp.exp(u)
    third_mean = _third_mean(u, grown_u)

    def add(total: Any, node: Any) -> tuple[Any, None]:
        s, m3 = length * node[0], node[3]
        m0, m1, m2 = _lower_means(q * s, node[2], m3)
        rise, square = grown * s, s * s
        flat, bent = rise * s * (m0 - m1), rise * square * (m1 - m2)
        along_w = rise * m0
        along_q = w * flat + bent + at.wq * s
        twice = w * (w * flat + 2.0 * bent) + rise * square * s * (m2 - m3) + third * s
        mixed = w * along_w + rise * s * m1
        share = node[1] * jnp.exp(-(flat + at.w * s))
        terms = (
            share,
            share * along_w,
            share * along_q,
            share * along_w * along_w,
            share * (along_w * along_q - mixed),
            share * (along_q * along_q - twice),
        )
        return tuple(a + b for a, b in zip(total, terms, strict=True)), None

    # d^2/dq^2 of (exp(q w) - 1) / q is w^3 times the mean of t^2 exp(q w t).
    third = w * w * w * _means(q * w)[3]
    zero = jnp.zeros_like(w * q)
    nodes = jnp.asarray(NODES, zero.dtype), jnp.asarray(WEIGHTS, zero.dtype)
    total = lax.scan(add, (zero,) * 6, (*nodes, grown_u, third_mean))[0]
    whole, *means = total[0], *(part / total[0] for part in total[1:])
    along_w, along_q, square, mixed, twice = means
    return TwoDerivatives(
        jnp.log(length * whole),
        -along_w,
        -along_q,
        square - along_w * along_w - q * along_w,
        mixed - along_w * along_q,
        twice - along_q * along_q,
    )


def _series(log_x: jax.Array, a: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Sum of (-x)^n / (n! (a + n)) from n = 1 on, with its first two derivatives along a."""
    x = jnp.exp(log_x)

    def add(carry: Any, n: jax.Array) -> tuple[Any, None]:
        power, value, once, twice = carry
        inverse = 1.0 / (a + n)
        power = power * (-x / n)
        first = power * inverse
        second = first * inverse
        return (power, value + first, once - second, twice + 2.0 * (second * inverse)), None

    zero = jnp.zeros_like(x * a)
    counts = jnp.arange(1.0, N_SERIES + 1.0, dtype=zero.dtype)
    _, value, once, twice = lax.scan(add, (zero + 1.0, zero, zero, zero), counts)[0]
    return value, once, twice


class Hazard(NamedTuple):
    """Logs of the hazard and the survival."""

    log_hazard: jax.Array
    log_survival: jax.Array


class Tails(NamedTuple):
    """Logs of both tails, each accurate by itself."""

    log_cdf: jax.Array
    log_survival: jax.Array


def log_gamma_hazard(w: jax.Array, q: jax.Array) -> Hazard:
    """Log hazard and log survival of W, for any finite w and q.

    Where exp(q w) leaves the range of numbers the cumulative hazard goes on linearly in w.
    """
    at, beyond = _bounded(w, q)
    found = _hazard_law(at, q)
    log_hazard, log_survival = found["log_hazard"], found["log_survival"]
    # Left of the mode of a mirrored law the hazard follows its density, which vanishes.
    late = (beyond != 0) & (q > 0)
    fall = jnp.exp(jnp.where(late, log_hazard, 0.0)) * jnp.where(late, beyond, 0.0)
    early = (beyond != 0) & (q < 0)
    steep = 1.0 - jnp.exp(jnp.where(early, q * at, 0.0))
    density = jnp.where(early, steep / jnp.where(early, q, 1.0) * beyond, 0.0)
    return Hazard(log_hazard + q * beyond + density, log_survival - fall)


def log_gamma_tails(w: jax.Array, q: jax.Array) -> Tails:
    """Logs of both tails of W, with relative accuracy, for any finite w and q."""
    at, beyond = _bounded(w, q)
    found = _tails_law(at, q)
    far = (beyond != 0) & (q != 0)
    # The slope of the tail away from the mode is the density over it.
    steep = (jnp.exp(jnp.where(far, q * at, 0.0)) - 1.0) / jnp.where(far, q, 1.0)
    fall = steep * jnp.where(far, beyond, 0.0)
    return Tails(
        found["log_cdf"] - jnp.where(q < 0, fall, 0.0),
        found["log_survival"] - jnp.where(q < 0, 0.0, fall),
    )


def _bounded(w: jax.Array, q: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The nearest w at which exp(q w) is a number, and how far w lies beyond it."""
    most = largest_exponent(w)
    far = q * w > most
    last = most / jnp.where(far, q, 1.0)
    return jnp.where(far, last, w), jnp.where(far, w - last, 0.0)


def _law(w: jax.Array, q: jax.Array, names: tuple[str, ...]) -> dict[str, TwoDerivatives]:
    """Logs of the hazard and of tails with their derivatives, where exp(q w) is a number."""
    mirrored = q < 0
    sign = jnp.where(mirrored, -1.0, 1.0).astype(w.dtype)
    v, r = sign * w, sign * q
    small = r * r * LARGEST_SERIES_SHAPE > 1.0
    summed = small & (r * v < jnp.maximum(2.0 * jnp.log(jnp.where(small, r, 1.0)), 0.0))
    # A tail away from the mode is an integral of its own, the other one follows from it.
    right = small | (v >= 0)
    side = jnp.where(right, 1.0, -1.0).astype(w.dtype)
    ratio = _tail(jnp.where(summed, 1.0, side * v), side * r).turned(side)
    log_density = -of_q(lambda r: LOG_SQRT_2PI + stirling_remainder(r * r), r) - _psi(v, r)
    near = log_density + ratio
    inside = jnp.where(summed, -1.0, near.value)
    slope = -1.0 / jnp.expm1(-inside)
    other = near.then(log1mexp(-inside), slope, slope * (1.0 - slope))

    # Mostly no row needs the series.
    needed = jnp.any(summed)
    low, high = _small_shape_tails(v, r, summed, needed)
    lower = choose(summed, low, choose(right, other, near))
    upper = choose(summed, high, choose(right, near, other))
    survival = choose(mirrored, lower, upper)
    by_ratio = ~summed & (right ^ mirrored)
    logs = {"log_hazard": choose(by_ratio, -ratio, log_density - survival)}
    logs["log_survival"], logs["log_cdf"] = survival, choose(mirrored, upper, lower)
    return {name: logs[name].turned(sign).filled() for name in names}


@differentiable
@elementwise
def _hazard_law(w: jax.Array, q: jax.Array) -> dict[str, TwoDerivatives]:
    return _law(w, q, Hazard._fields)


@differentiable
@elementwise
def _tails_law(w: jax.Array, q: jax.Array) -> dict[str, TwoDerivatives]:
    return _law(w, q, Tails._fields)


@differentiable
def _log_density(w: jax.Array, q: jax.Array) -> dict[str, TwoDerivatives]:
    constant = of_q(lambda q: LOG_SQRT_2PI + stirling_remainder(q * q), q)
    return {"log_density": -constant - _psi(w, q)}


def log_gamma_density(w: jax.Array, q: jax.Array) -> jax.Array:
    """Log density of W alone, which needs no tail."""
    at, beyond = _bounded(w, q)
    far = beyond != 0
    value: jax.Array = _log_density(at, q)["log_density"]
    slope = (1.0 - jnp.exp(jnp.where(far, q * at, 0.0))) / jnp.where(far, q, 1.0)
    return value + slope * beyond


def _small_shape_tails(
    v: jax.Array, r: jax.Array, inside: jax.Array, needed: jax.Array
) -> tuple[TwoDerivatives, TwoDerivatives]:
    """Logs of the lower and upper tail by the series, where it is `inside` its range.

    All that is costly is computed where it is `needed` only, and once for all derivatives.
    """
    # Elsewhere x = a = 1.
    r, v = jnp.where(inside, r, 1.0), jnp.where(inside, v, 0.0)
    log_r, one_over = jnp.log(r), 1.0 / r
    log_x = TwoDerivatives(r * v - 2.0 * log_r, r, v - 2.0 * one_over, 0.0, 1.0, 2.0 * one_over**2)
    a = TwoDerivatives(one_over**2, q=-2.0 * one_over**3, qq=6.0 * one_over**4)

    def costly() -> list[jax.Array]:
        value, once, twice = _series(log_x.value, a.value)
        x = jnp.exp(log_x.value)
        log_gamma = of_q(lambda a: log_gamma_1p(a), a.value)
        leading = a.value * log_x.value - log_gamma.value
        rest, missing = a.value * value, -jnp.expm1(leading)
        upper = missing - jnp.exp(leading) * rest
        lower = leading + jnp.log1p(rest)
        early = lower < -1.0
        failed = jnp.exp(jnp.where(early, lower, -1.0))
        log_upper = jnp.where(early, jnp.log1p(-failed), jnp.log(upper))
        logs = lower, log_upper, upper, jnp.exp(leading), log_gamma.q, log_gamma.qq
        return [*logs, value, once, twice, jnp.expm1(-x), -x * jnp.exp(-x)]

    shapes = jax.eval_shape(costly)
    found = lax.cond(needed, costly, lambda: [jnp.ones(s.shape, s.dtype) for s in shapes])
    lower, upper, left, grown, slope, curvature, value, once, twice, fallen, bent = found
    # Along log x the sum follows from its differential equation.
    along_x = fallen - a.value * value
    along = TwoDerivatives(
        value, along_x, once, bent - a.value * along_x, -value - a.value * once, twice
    )
    rest = a * along.along(log_x, a)
    leading = log_x * a - a.then(0.0, slope, curvature)
    whole = 1.0 + rest.value
    under = leading + rest.then(0.0, 1.0 / whole, -1.0 / whole**2)
    over = leading.then(0.0, -grown, -grown) - leading.then(grown, grown, grown) * rest
    over = over.then(upper, 1.0 / left, -1.0 / left**2)
    return dataclasses.replace(under, value=lower), over
