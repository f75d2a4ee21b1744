"""Floating-point building blocks: logarithms of differences and sums, and padding sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from survjax._core.annotations import Array

#: exp overflows beyond 709, and second derivatives of a hazard grow with the square of its
#: exponent; a survival of exp(-exp(600)) is zero on every scale that matters.
MAX_EXPONENT = 600.0


def largest_exponent(z: jax.Array) -> float:
    """Where `bounded_exp` goes on linearly, in the precision of z."""
    return MAX_EXPONENT if jnp.finfo(z.dtype).bits == 64 else MAX_EXPONENT / 8.0


def module_of(x: Array) -> Any:
    """NumPy for its own arrays, JAX for all others: a loop on the host compiles nothing."""
    return np if isinstance(x, np.ndarray) else jnp


def bounded_exp(z: ArrayLike) -> jax.Array:
    """Compute exp(z), and go on linearly in z where that would leave the range of numbers.

    So a hazard stays finite and increasing, and two components that have both long died out keep
    their order. The bound suits the precision: 600 in 64 bits, 75 in 32.
    """
    z = jnp.asarray(z)
    most = largest_exponent(z)
    return jnp.exp(jnp.minimum(z, most)) * (1.0 + jnp.maximum(z - most, 0.0))


@jax.custom_jvp
def log1mexp(x: ArrayLike) -> jax.Array:
    """Compute log(1 - exp(-x)) for x > 0, with the digits that the plain formula loses.

    Two branches meet at log 2 (Maechler 2012). The derivative is 1 / (exp(x) - 1) in either.
    """
    x = jnp.asarray(x)
    small = x < math.log(2.0)
    near = jnp.where(small, x, 0.5)
    far = jnp.where(small, 1.0, x)
    return jnp.where(small, jnp.log(-jnp.expm1(-near)), jnp.log1p(-jnp.exp(-far)))


@log1mexp.defjvp
def _log1mexp_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    (x,), (dx,) = primals, tangents
    value = log1mexp(x)
    return value, jnp.exp(-x - value) * dx


@jax.custom_jvp
def log1mexp_of_exp(z: ArrayLike) -> jax.Array:
    """Compute log(1 - exp(-exp(z))), the log of a Weibull's failed share at log hazard z."""
    z = jnp.asarray(z)
    low, high = z < -30.0, z > 4.0
    middle = jnp.where(low | high, 0.0, z)
    top = jnp.where(high, jnp.minimum(z, MAX_EXPONENT), 5.0)
    bottom = jnp.where(low, z, -31.0)
    tail = jnp.where(high, -jnp.exp(-jnp.exp(top)), bottom - 0.5 * jnp.exp(bottom))
    return jnp.where(low | high, tail, log1mexp(jnp.exp(middle)))


@log1mexp_of_exp.defjvp
def _log1mexp_of_exp_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    (z,), (dz,) = primals, tangents
    value = log1mexp_of_exp(z)
    return value, _share_slope(z, value) * dz


@jax.custom_jvp
def _share_slope(z: jax.Array, value: jax.Array) -> jax.Array:
    """w / (exp(w) - 1) at w = exp(z), from the log of 1 - exp(-w): one where nothing is gained."""
    return jnp.exp(jnp.where(value > -jnp.inf, z - bounded_exp(z) - value, 0.0))


@_share_slope.defjvp
def _share_slope_jvp(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Any, Any]:
    """-s (s - 1 + w), whose second factor is w / 2 + w^2 / 12 - ... where it would cancel."""
    z, _ = primals
    slope, w = _share_slope(*primals), bounded_exp(z)
    small = jnp.where(w < 0.1, w, 0.0)
    near = small * (0.5 + small * (1 / 12 - small**2 * (1 / 720 - small**2 / 30240)))
    return slope, -slope * jnp.where(w < 0.1, near, slope - 1.0 + w) * tangents[0]


def log_ended_and_rho(log_grown: jax.Array, grown: jax.Array) -> tuple[jax.Array, jax.Array]:
    """log(1 - exp(-D)) and D / (exp(D) - 1) of D and its log, to the last digits of either."""
    tiny = log_grown < -30.0
    left, ended = jnp.exp(-grown), jnp.where(tiny, 1.0, -jnp.expm1(-grown))
    # Near one, what the difference has lost in rounding is known.
    lost = jnp.where(ended > 0.5, (1.0 - ended) - left, 0.0)
    log_ended = jnp.where(tiny, log_grown - 0.5 * grown, jnp.log(ended) + lost / ended)
    return log_ended, jnp.where(tiny, 1.0 - 0.5 * grown, grown * left / ended)


@jax.custom_jvp
def log_hazard_of_share(log_share: ArrayLike) -> jax.Array:
    """Compute log(-log(1 - p)) from log p: the log cumulative hazard at a failed share p."""
    log_share = jnp.asarray(log_share)
    small = log_share < -18.0
    share = jnp.exp(jnp.where(small, -1.0, log_share))
    first = log_share + 0.5 * jnp.exp(jnp.where(small, log_share, -18.0))
    return jnp.where(small, first, jnp.log(-jnp.log1p(-share)))


@log_hazard_of_share.defjvp
def _log_hazard_of_share_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    (log_share,), (change,) = primals, tangents
    value = log_hazard_of_share(log_share)
    return value, _hazard_slope(log_share, value) * change


@jax.custom_jvp
def _hazard_slope(log_share: jax.Array, value: jax.Array) -> jax.Array:
    """(exp(H) - 1) / H, from the log of the share 1 - exp(-H) and that of H."""
    return jnp.exp(log_share - value + jnp.exp(value))


@_hazard_slope.defjvp
def _hazard_slope_jvp(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Any, Any]:
    """s (1 - s + H s), whose second factor is H / 2 + H^2 / 3 + ... where it would cancel."""
    slope, hazard = _hazard_slope(*primals), jnp.exp(primals[1])
    small, near = jnp.where(hazard < 0.1, hazard, 0.0), jnp.zeros_like(hazard)
    for n in range(9, 0, -1):
        near = small * (n / math.factorial(n + 1) + near)
    other = 1.0 - slope + hazard * slope
    return slope, slope * jnp.where(hazard < 0.1, near, other) * tangents[0]


@jax.custom_jvp
def softplus(z: ArrayLike) -> jax.Array:
    """Compute log(1 + exp(z)); the library's own takes half as long again with its derivatives."""
    z = jnp.asarray(z)
    return jnp.maximum(z, 0.0) + jnp.log1p(jnp.exp(-jnp.abs(z)))


@softplus.defjvp
def _softplus_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    (z,), (dz,) = primals, tangents
    return softplus(z), logistic(z) * dz


@jax.custom_jvp
def logistic(z: ArrayLike) -> jax.Array:
    """Compute 1 / (1 + exp(-z)); its derivative keeps its digits in both tails."""
    return 1.0 / (1.0 + jnp.exp(-jnp.asarray(z)))


@logistic.defjvp
def _logistic_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    (z,), (dz,) = primals, tangents
    share = logistic(z)
    return share, share * logistic(-z) * dz


def log_softplus(z: ArrayLike) -> jax.Array:
    """Compute log(log(1 + exp(z))): the log cumulative hazard at log odds of failure z."""
    z = jnp.asarray(z)
    low = z < -36.0
    middle = jnp.log(softplus(jnp.where(low, 0.0, z)))
    bottom = jnp.where(low, z, -37.0)
    return jnp.where(low, bottom - 0.5 * jnp.exp(bottom), middle)


def log_expm1(x: jax.Array) -> jax.Array:
    """Log of exp(x) - 1 for positive x, without overflow."""
    large = x > 30.0
    return jnp.where(large, x, jnp.log(jnp.expm1(jnp.where(large, 1.0, x))))


def logsumexp(q: jax.Array, axis: int = 0) -> jax.Array:
    """Sum exponentials on the log scale; every q must be finite (or the gradient is NaN)."""
    top = lax.stop_gradient(jnp.max(q, axis=axis, keepdims=True))
    return jnp.squeeze(top, axis) + jnp.log(jnp.sum(jnp.exp(q - top), axis=axis))


def log_sum(logs: jax.Array) -> jax.Array:
    """Log of the sum of exponentials along the first axis, some of which may be 0 or infinite."""
    top = lax.stop_gradient(jnp.max(logs, axis=0))
    usual = jnp.isfinite(top)
    some = usual & (logs > -jnp.inf)
    ratios = jnp.where(some, jnp.exp(jnp.where(some, logs - top, 0.0)), 0.0)
    total = jnp.sum(ratios, axis=0)
    return jnp.where(usual, top + jnp.log(jnp.where(usual, total, 1.0)), top)


def bucket_size(n: int, smallest: int = 64) -> int:
    """Round a row count up to one of 64, 80, 96, 112, 128, 160, ... so that few shapes compile.

    Padding wastes a tenth of the rows on average; a compilation costs some 0.5 s.
    """
    if n <= smallest:
        return smallest
    quarter = 2 ** (math.floor(math.log2(n - 1)) - 2)
    return -(-n // quarter) * quarter


def padded_blocks(array: np.ndarray, units: int) -> np.ndarray:
    """Rows in blocks of `units`, the last one padded with copies of the last row."""
    n = array.shape[0]
    size = bucket_size(n) if n <= units else -(-bucket_size(n) // units) * units
    padding = ((0, size - n),) + ((0, 0),) * (array.ndim - 1)
    return np.pad(array, padding, mode="edge").reshape(-1, min(size, units), *array.shape[1:])


def diagonal_blocks(parts: Sequence[np.ndarray]) -> np.ndarray:
    """A matrix with square parts along its diagonal, zero elsewhere."""
    size = sum(len(part) for part in parts)
    found, begin = np.zeros((size, size)), 0
    for part in parts:
        end = begin + len(part)
        found[begin:end, begin:end] = part
        begin = end
    return found
