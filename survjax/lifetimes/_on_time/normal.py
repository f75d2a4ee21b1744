"""The normal lifetime: the normal distribution on time itself."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from survjax._core.normal_tail import (
    log_normal_hazard,
)
from survjax._core.pytree import parameter, pytree
from survjax.lifetimes._derived.noises import NormalNoise
from survjax.lifetimes._limits import with_age_limits
from survjax.lifetimes._natural import any_number, log_of
from survjax.lifetimes._on_time.location_scale import LocationScaleOnTime


@pytree
class Normal(NormalNoise, LocationScaleOnTime):
    """Normal lifetime, S(t) = P(Z > (t - location) / scale) for a standard normal Z.

    Parameters
    ----------
    location : array
        Mean of the distribution on the whole line, and its median, in the unit of time.
    log_scale : array
        Log of its standard deviation, in the unit of time.

    Notes
    -----
    For wear-out whose lives are far from zero. The distribution reaches below time zero: a share
    P(Z < -location / scale) counts as failed at birth, and the mean is that of units that do live
    (Meeker and Escobar 1998, section 4.5).

    Examples
    --------
    >>> from survjax.lifetimes import Normal
    >>> round(float(Normal.of(mean=40.0, sd=8.0).survival(48.0)), 4)
    0.1587
    """

    location: jax.Array = parameter()
    log_scale: jax.Array = parameter()

    @classmethod
    def of(cls, mean: ArrayLike, sd: ArrayLike) -> Normal:
        """Make one from mean and positive standard deviation of the whole distribution."""
        return cls(any_number(mean, "mean"), log_of(sd, "sd"))

    def final_log_hazard(self) -> jax.Array:
        return jnp.full(jnp.shape(self.scale), jnp.inf)

    @with_age_limits
    def residual_mean(self, age: ArrayLike) -> jax.Array:
        """scale (h(z) - z), h the hazard of a standard normal; far out a series."""
        z = self._z(age)
        far = z > 40.0
        near = jnp.where(far, 1.0, z)
        inverse = 1.0 / jnp.where(far, z, 40.0)
        share = jnp.ones_like(inverse)
        # 1/z - 2/z^3 + 10/z^5 - 74/z^7 + 706/z^9, as a nest of ratios of neighbors.
        for ratio in (706.0 / 74.0, 7.4, 5.0, 2.0):
            share = 1.0 - ratio * inverse**2 * share
        excess = jnp.where(far, inverse * share, jnp.exp(log_normal_hazard(near)) - near)
        return self.lived(age) * self.scale * excess
