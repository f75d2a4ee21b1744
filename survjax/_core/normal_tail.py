"""The tails of the normal distribution on the log scale, with derivatives to all orders."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import erfcx, ndtri

from survjax._core.numerics import log1mexp, log_hazard_of_share
from survjax._core.quadrature import mean_over

LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


@jax.custom_jvp
def log_mills(z: jax.Array) -> jax.Array:
    """Log of exp(z^2 / 2) P(Z > z) for a standard normal Z and z >= 0: it varies slowly.

    In the far tail it is that of its asymptotic series, 1/z - 1/z^3 + 3/z^5 - ...
    """
    # The library's erfcx is zero where exp(z^2 / 2) leaves the range of numbers.
    edge = 30.0 if jnp.finfo(z.dtype).bits == 64 else 12.0
    beyond = z > edge
    near = jnp.log(0.5 * erfcx(jnp.where(beyond, edge, z) / math.sqrt(2.0)))
    last = jnp.where(beyond, z, edge)
    share = jnp.ones_like(last)
    for odd in (13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0):
        share = 1.0 - odd / last**2 * share
    return jnp.where(beyond, jnp.log(share / last) - LOG_SQRT_2PI, near)


@log_mills.defjvp
def _log_mills_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    (z,), (dz,) = primals, tangents
    value = log_mills(z)
    return value, (z - jnp.exp(-LOG_SQRT_2PI - value)) * dz


@jax.custom_jvp
def log_mills_slope(z: jax.Array) -> jax.Array:
    """Log of minus the derivative of exp(z^2 / 2) P(Z > z), for z >= 0."""
    far = z > 30.0
    near = jnp.where(far, 1.0, z)
    difference = math.exp(-LOG_SQRT_2PI) - near * jnp.exp(log_mills(near))
    i = 1.0 / jnp.where(far, z, 30.0) ** 2
    share = jnp.ones_like(i)
    for odd in (13.0, 11.0, 9.0, 7.0, 5.0, 3.0):
        share = 1.0 - odd * i * share
    return jnp.where(far, jnp.log(i * share) - LOG_SQRT_2PI, jnp.log(difference))


@log_mills_slope.defjvp
def _log_mills_slope_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    (z,), (dz,) = primals, tangents
    value = log_mills_slope(z)
    return value, (z - jnp.exp(log_mills(z) - value)) * dz


@jax.custom_jvp
def log_upper_tail(z: jax.Array) -> jax.Array:
    """Log of P(Z > z) for a standard normal Z.

    The library's own derivatives lose up to ten digits in the tail; here the derivative is
    minus the hazard of the normal, exp(log density - log tail), to which the rule applies again.
    """
    return _log_left(z, log_mills(jnp.abs(z)))


@log_upper_tail.defjvp
def _log_upper_tail_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    (z,), (dz,) = primals, tangents
    value = log_upper_tail(z)
    return value, -jnp.exp(-0.5 * z * z - LOG_SQRT_2PI - value) * dz


def log_normal_hazard(z: jax.Array) -> jax.Array:
    """Log of the hazard of a standard normal, density over upper tail."""
    return -0.5 * z * z - LOG_SQRT_2PI - log_upper_tail(z)


def log_normal_cumulative_hazard(z: jax.Array) -> jax.Array:
    """Log of -log P(Z > z): far below, where almost nothing has failed, that of P(Z <= z)."""
    early = z < -1.0
    failed = log_upper_tail(jnp.where(early, -z, 1.0))
    passed = -log_upper_tail(jnp.where(early, 0.0, z))
    return jnp.where(early, log_hazard_of_share(failed), jnp.log(passed))


def log_long_increment(z: jax.Array, end: jax.Array, step: jax.Array) -> jax.Array:
    """Log of H(end) - H(z) with H = -log P(Z > z), for a step that is not small: end = z + step.

    A difference of logs of tails, on the side where those are small.
    """
    begin, final = log_mills(jnp.abs(z)), log_mills(jnp.abs(end))
    quadratic = step * (z + 0.5 * step)
    early = end < 0.0
    grown = jnp.where(early, final - begin - quadratic, 1.0)
    log_failed = final - 0.5 * end * end + log1mexp(grown) - _log_left(z, begin)
    from_share = log_hazard_of_share(jnp.where(early, log_failed, -1.0))
    left = _log_left(z, begin) - (final - 0.5 * end * end)
    fallen = jnp.where(z < 0.0, left, begin - final + quadratic)
    return jnp.where(early, from_share, jnp.log(jnp.where(early, 1.0, fallen)))


def _log_left(z: jax.Array, mills: jax.Array) -> jax.Array:
    """Log of P(Z > z), from `log_mills(|z|)`."""
    small = mills - 0.5 * z * z
    below = z < 0.0
    return jnp.where(below, jnp.log1p(-jnp.exp(jnp.where(below, small, -1.0))), small)


@jax.custom_jvp
def log_normal_increment(z: jax.Array, step: jax.Array) -> jax.Array:
    """Log of H(z + step) - H(z) with H = -log P(Z > z), for a positive step.

    A short step is the integral of the density by Gauss's rule, over what is left at z.
    """
    z_size = jnp.abs(z)
    short = step * (1.0 + z_size) < 1.0
    at = jnp.where(short, z, 0.0)
    width = jnp.where(short, step, 0.5)
    log_mean = jnp.log(mean_over(lambda part: jnp.exp(-part * (at + 0.5 * part)), 0.0 * at, width))
    log_density = -0.5 * z * z - LOG_SQRT_2PI
    share = log_density + log_mean + jnp.log(step) - _log_left(z, log_mills(z_size))
    near = log_hazard_of_share(jnp.where(short, share, -1.0))
    step = jnp.where(short, 1.0, step)
    return jnp.where(short, near, log_long_increment(z, z + step, step))


@log_normal_increment.defjvp
def _log_normal_increment_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    """By hazards at both ends: the log of their ratio is the increment, less that of z^2 / 2."""
    z, step = primals
    value = log_normal_increment(z, step)
    ratio = jnp.exp(value) - step * (z + 0.5 * step)
    first = log_normal_hazard(z) - value
    last = jnp.exp(first + ratio)
    alike = ratio < 1.0
    gap = jnp.exp(first) * jnp.expm1(jnp.where(alike, ratio, 0.0))
    along = jnp.where(alike, gap, last - jnp.exp(first))
    return value, along * tangents[0] + last * tangents[1]


@jax.custom_jvp
def normal_inverse(target: jax.Array) -> jax.Array:
    """The z at which -log P(Z > z) is a positive target.

    The library's inverse of a tail, and beyond its range that of the tail's first terms, which is
    exact before the hazard's own terms cancel; until then one of Newton's steps on log H.
    """
    most = 650.0 if jnp.finfo(target.dtype).bits == 64 else 80.0
    late = target > 0.5
    tail = jnp.exp(-jnp.clip(target, 0.5, most))
    z = jnp.where(late, -ndtri(tail), ndtri(-jnp.expm1(-jnp.minimum(target, 0.5))))
    square = 2.0 * jnp.maximum(target, most) - 2.0 * LOG_SQRT_2PI
    beyond = jnp.sqrt(square - jnp.log(square - jnp.log(square)) - 2.0 / square)
    z = jnp.where(target > most, beyond, z)
    log_hazard = log_normal_cumulative_hazard(z)
    step = (log_hazard - jnp.log(target)) * jnp.exp(log_hazard - log_normal_hazard(z))
    return z - jnp.where(jnp.isfinite(step) & (target < most**3), step, 0.0)


@normal_inverse.defjvp
def _normal_inverse_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    (target,), (change,) = primals, tangents
    z = normal_inverse(target)
    return z, jnp.exp(-log_normal_hazard(z)) * change
