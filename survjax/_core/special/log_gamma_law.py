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
from jax import lax

from survjax._core.numerics import largest_exponent, log1mexp
from survjax._core.special.log_gamma_tail import psi, tail
from survjax._core.special.stirling import log_gamma_1p, stirling_remainder
from survjax._core.special.two_derivatives import (
    TwoDerivatives,
    choose,
    differentiable,
    elementwise,
    of_q,
)

LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)
#: Shapes below this have the series, of so many terms.
LARGEST_SERIES_SHAPE, N_SERIES = 3.0, 30


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
    ratio = tail(jnp.where(summed, 1.0, side * v), side * r).turned(side)
    log_density = -of_q(lambda r: LOG_SQRT_2PI + stirling_remainder(r * r), r) - psi(v, r)
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
    return {"log_density": -constant - psi(w, q)}


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
