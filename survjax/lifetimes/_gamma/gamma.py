"""The gamma lifetime."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from survjax._core.pytree import parameter, pytree
from survjax.lifetimes._base import Lifetime
from survjax.lifetimes._gamma.log_gamma import LogGamma, standard_quantile
from survjax.lifetimes._natural import log_of


@pytree
class Gamma(LogGamma):
    """Gamma lifetime, S(t) = Q(shape, t / scale) with the incomplete gamma function Q.

    Parameters
    ----------
    log_scale : array
        Log of the scale, in the unit of time: the mean life is shape times scale.
    log_shape : array
        Log of the shape: below one the hazard falls, above one it rises, to 1 / scale.

    Notes
    -----
    f(t) = t^(shape - 1) exp(-t / scale) / (scale^shape Gamma(shape)) (Kalbfleisch and Prentice
    2002, section 2.2). Tails and their derivatives in the shape, which JAX does not have to second
    order, are those of the standardized log: log T is log(shape scale) + W / sqrt(shape) with W of
    `GeneralizedGamma` at q = 1 / sqrt(shape).

    Examples
    --------
    >>> from survjax.lifetimes import Gamma
    >>> pump = Gamma.of(scale=10.0, shape=4.0)
    >>> round(float(pump.survival(40.0)), 4)
    0.4335
    """

    log_scale: jax.Array = parameter()
    log_shape: jax.Array = parameter()

    @classmethod
    def of(cls, scale: ArrayLike, shape: ArrayLike) -> Gamma:
        """Make one from natural values, both positive."""
        return cls(log_of(scale, "scale"), log_of(shape, "shape"))

    @property
    def scale(self) -> jax.Array:
        """The mean life over the shape."""
        return jnp.exp(jnp.asarray(self.log_scale))

    @property
    def shape(self) -> jax.Array:
        """The power of time in the density, plus one."""
        return jnp.exp(jnp.asarray(self.log_shape))

    def _standard(self) -> tuple[jax.Array, jax.Array, jax.Array]:
        half = 0.5 * jnp.asarray(self.log_shape)
        return jnp.asarray(self.log_scale) + 2.0 * half, half, jnp.exp(-half)

    def _log_hazard_at_zero(self) -> jax.Array:
        log_shape, level = jnp.asarray(self.log_shape), -jnp.asarray(self.log_scale)
        return jnp.where(log_shape > 0, -jnp.inf, jnp.where(log_shape < 0, jnp.inf, level))

    def final_log_hazard(self) -> jax.Array:
        return -jnp.asarray(self.log_scale) + 0.0 * jnp.asarray(self.log_shape)

    def mean(self) -> jax.Array:
        """Shape times scale."""
        return jnp.exp(self.log_scale + jnp.asarray(self.log_shape))

    def with_quantiles(self, shares: jax.Array, times: jax.Array) -> Lifetime:
        """The one with about the same first and last quantile."""
        y = np.log(np.asarray(times, float))
        low, high = -14.0, 40.0
        for _ in range(50):
            middle = 0.5 * (low + high)
            q = np.exp(-0.5 * middle)
            wide = q * np.ptp(standard_quantile(np.asarray(shares)[[0, -1]], q)) > y[-1] - y[0]
            low, high = (middle, high) if wide else (low, middle)
        location = np.mean(y - np.exp(-0.5 * low) * standard_quantile(shares, np.exp(-0.5 * low)))
        found: Any = (location - low, np.asarray(low))
        return Gamma(*found)

    def rough_log_quantiles(self, shares: np.ndarray) -> np.ndarray:
        q = float(np.exp(-0.5 * np.asarray(self.log_shape)))
        return np.asarray(self.log_scale + self.log_shape + q * standard_quantile(shares, q))

    def is_steeper(self, log_shape: ArrayLike) -> jax.Array:
        # Log times spread over 1.28 / k for a Weibull of shape k, here over 1 / sqrt(shape).
        return jnp.any(0.25 + 0.5 * jnp.asarray(self.log_shape) > log_shape)
