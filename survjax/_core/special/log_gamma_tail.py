"""The tail of the standardized log-gamma law beyond its mode, by Gauss's rule (`log_gamma_law`)."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax._core.special.two_derivatives import TwoDerivatives

#: Where the exponent of a tail has reached this, exp(-37) = 1e-16, the integral ends.
LAST_EXPONENT = 38.0
#: Below this |u|, means of t^k exp(u t) are Taylor series of so many terms.
NEAR, N_TAYLOR = 0.5, 12
N_NODES = 32


def _nodes(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on (0, 1), to the last digit (NumPy's lose two)."""
    x = np.polynomial.legendre.leggauss(n)[0].astype(np.longdouble)
    for _ in range(2):
        before: Any = np.ones_like(x)
        now: Any = x
        for order in range(2, n + 1):
            before, now = now, ((order + order - 1) * x * now - (order - 1) * before) / order
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


def psi(w: jax.Array, q: jax.Array) -> TwoDerivatives:
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


def tail(w: jax.Array, q: jax.Array) -> TwoDerivatives:
    """The tail beyond w >= 0 by Gauss's rule, with its derivatives as moments."""
    at = psi(w, q)
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
