"""The gamma function beside Stirling's formula, with relative accuracy at both ends."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

#: Stirling's series holds double precision from this argument on; smaller ones are shifted there.
SHIFT = 16
#: Coefficients of 1/a, 1/a^3, ... (Abramowitz and Stegun 1964, 6.1.41).
SERIES = np.array([1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360])
#: Below this, log Gamma(1 + a) is a series around zero, of so many terms.
NEAR_ZERO, N_TERMS = 0.5, 27


def _zeta_minus_one(s: int, n: int = 64) -> float:
    """Compute zeta(s) - 1 for s >= 2, by Euler and Maclaurin's formula."""
    head = math.fsum(j**-s for j in range(2, n))
    tail = n ** (1 - s) / (s - 1) + 0.5 * n**-s + s * n ** (-s - 1) / 12
    tail -= s * (s + 1) * (s + 2) * n ** (-s - 3) / 720
    tail += s * (s + 1) * (s + 2) * (s + 3) * (s + 4) * n ** (-s - 5) / 30240
    return head + tail


#: Of log Gamma(1 + a) + log(1 + a) - (1 - Euler's constant) a: its series in -a, from a^2 on.
LOG_GAMMA_SERIES = np.array([_zeta_minus_one(k) / k for k in range(2, N_TERMS)])


#: Of ((1 + e) log(1 + e) - e) / e^2, in e.
ENTROPY_SERIES = np.array([(-1.0) ** n / (n * (n - 1)) for n in range(2, 18)])


def _polynomial(coefficients: np.ndarray, x: jax.Array) -> jax.Array:
    """Horner's rule as a loop: terms written one by one take seconds to compile, differentiated."""

    def add(value: jax.Array, coefficient: jax.Array) -> tuple[jax.Array, None]:
        return value * x + coefficient, None

    falling = jnp.asarray(coefficients[::-1], x.dtype)
    return lax.scan(add, jnp.zeros_like(x), falling)[0]


def stirling_remainder(b: jax.Array) -> jax.Array:
    """Compute log Gamma(a) less (a - 1/2) log a - a + log(2 pi) / 2 at a = 1 / b, for b >= 0.

    It vanishes with b like b / 12, smoothly.
    """
    near = b < 1.0 / SHIFT
    a = 1.0 / jnp.where(near, 1.0, b)
    # Gamma(a + 1) = a Gamma(a): each step adds (a + 1/2) log(1 + 1/a) - 1.
    shifted = a[..., None] + np.arange(SHIFT)
    total = jnp.sum((shifted + 0.5) * jnp.log1p(1.0 / shifted) - 1.0, axis=-1)
    far = jnp.where(near, b, 1.0 / (a + SHIFT))
    return _polynomial(SERIES, far * far) * far + jnp.where(near, 0.0, total)


def entropy_ratio(e: jax.Array) -> jax.Array:
    """Compute ((1 + e) log(1 + e) - e) / e^2 for e > -1, a half at zero."""
    small = jnp.abs(e) < 0.1
    near = _polynomial(ENTROPY_SERIES, jnp.where(small, e, 0.0))
    far = jnp.where(small, 1.0, e)
    return jnp.where(small, near, ((1.0 + far) * jnp.log1p(far) - far) / far**2)


def log_gamma_1p(a: jax.Array) -> jax.Array:
    """Compute log Gamma(1 + a) for a > 0, with relative accuracy toward zero."""
    near = a < NEAR_ZERO
    small = jnp.where(near, a, 0.0)
    series = _polynomial(LOG_GAMMA_SERIES, -small)
    below = small * (1.0 - float(np.euler_gamma) + small * series) - jnp.log1p(small)
    large = jnp.where(near, 1.0, a)
    above = (large + 0.5) * jnp.log(large) - large + 0.5 * math.log(2.0 * math.pi)
    return jnp.where(near, below, above + stirling_remainder(1.0 / large))
