"""The exponential lifetime: a constant hazard."""

from __future__ import annotations

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from survjax._core.pytree import parameter, pytree
from survjax.lifetimes._derived.noises import SmallestExtremeNoise
from survjax.lifetimes._limits import (
    inside_life,
    log_hazard_outside,
    outside_life,
    outside_targets,
    with_age_limits,
)
from survjax.lifetimes._location_scale import LocationScale
from survjax.lifetimes._natural import log_of


@pytree
class Exponential(SmallestExtremeNoise, LocationScale):
    """Exponential lifetime, S(t) = exp(-t / scale): a unit does not age.

    Parameters
    ----------
    log_scale : array
        Log of the mean life, in the unit of time.

    Examples
    --------
    >>> from survjax.lifetimes import Exponential
    >>> round(float(Exponential.of(scale=10.0).hazard(3.0)), 3)
    0.1
    """

    log_scale: jax.Array = parameter()

    has_power_hazard: ClassVar[bool] = True
    is_memoryless: ClassVar[bool] = True

    @classmethod
    def of(cls, scale: ArrayLike) -> Exponential:
        """Make one from its mean life, which is positive."""
        return cls(log_of(scale, "scale"))

    def final_log_hazard(self) -> jax.Array:
        return -jnp.asarray(self.log_scale)

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        rate = -jnp.asarray(self.log_scale)
        return jnp.where(t >= 0, rate, log_hazard_outside(t, rate))

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        inside, safe = inside_life(t)
        return jnp.where(inside, safe / self.scale, outside_life(t))

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        return jnp.log(jnp.asarray(length)) - self.log_scale + 0.0 * jnp.asarray(start)

    def inverse_cumulative_hazard(self, target: ArrayLike) -> jax.Array:
        target = jnp.asarray(target)
        inside, safe = inside_life(target)
        return jnp.where(inside, safe * self.scale, outside_targets(target))

    def with_hazard_ratio(self, log_ratio: ArrayLike) -> Exponential:
        return Exponential(self.log_scale - jnp.asarray(log_ratio))

    @with_age_limits
    def residual_mean(self, age: ArrayLike) -> jax.Array:
        return self.scale + 0.0 * jnp.asarray(age)
