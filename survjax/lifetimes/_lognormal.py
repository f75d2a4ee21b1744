"""The lognormal lifetime."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from survjax._core.normal_tail import log_upper_tail
from survjax._core.pytree import parameter, pytree
from survjax.lifetimes._derived.noises import NormalNoise
from survjax.lifetimes._limits import with_age_limits
from survjax.lifetimes._location_scale import LocationScale
from survjax.lifetimes._natural import log_of


@pytree
class LogNormal(NormalNoise, LocationScale):
    """Lognormal lifetime: log T is normal.

    Parameters
    ----------
    log_scale : array
        Mean of log T; its exponential is the median, in the unit of time.
    log_shape : array
        Minus the log of the standard deviation sigma of log T: shape = 1 / sigma, so that the
        shape of every family is a power of time.

    Notes
    -----
    With z = shape (log t - log scale): S = P(Z > z) and log f = log shape - log t - z^2 / 2
    - log sqrt(2 pi) (Meeker and Escobar 1998, section 4.6).

    Examples
    --------
    >>> from survjax.lifetimes import LogNormal
    >>> round(float(LogNormal.of(median=40.0, sigma=0.5).survival(40.0)), 4)
    0.5
    """

    log_scale: jax.Array = parameter()
    log_shape: jax.Array = parameter()

    @classmethod
    def of(cls, median: ArrayLike, sigma: ArrayLike) -> LogNormal:
        """Make one from its median and the standard deviation of log T, both positive."""
        return cls(log_of(median, "median"), -log_of(sigma, "sigma"))

    @property
    def sigma(self) -> jax.Array:
        """Standard deviation of log T."""
        return jnp.exp(-jnp.asarray(self.log_shape))

    @with_age_limits
    def residual_mean(self, age: ArrayLike) -> jax.Array:
        """age (exp(...) - 1) from the partial expectation, on the log scale."""
        age = jnp.asarray(age)
        positive, log_age, z = self._z(age)
        partial = self.log_scale + 0.5 * self.sigma**2 + log_upper_tail(z - self.sigma)
        log_end = partial - log_upper_tail(z)
        # Far above the age the difference loses nothing, and the quotient could overflow.
        near = log_end - log_age < 1.0
        start = jnp.where(positive, age, 1.0)
        aged = start * jnp.expm1(jnp.where(near, log_end - log_age, 0.0))
        aged = jnp.where(near, aged, jnp.exp(log_end) - start)
        return jnp.where(positive, aged, self.mean())

    def mean(self) -> jax.Array:
        """exp(log scale + sigma^2 / 2)."""
        return jnp.exp(self.log_scale + 0.5 * self.sigma**2)
