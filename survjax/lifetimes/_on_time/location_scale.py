"""Families of location and scale on time itself, whose lower tail reaches below time zero."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from survjax.lifetimes._base import Lifetime
from survjax.lifetimes._derived.noises import Noise
from survjax.lifetimes._limits import log_hazard_outside, outside_life

#: Times farther from the location than this many scales count as this far, by precision: squares
#: of them are numbers yet.
FARTHEST = {64: 1e100, 32: 1e12}


class LocationScaleOnTime(Noise, Lifetime):
    """A lifetime that depends on a time through z = (t - location) / scale only.

    A share of the units counts as failed at birth: what the distribution has below time zero. For
    t > 0 survival and density are those of the distribution on the whole line, so that a fit is
    the one that programs without that limit make; a unit that failed somewhere in (0, t] may have
    failed at birth. Quantiles below that share are zero, and the mean counts its lives as zero. A
    unit of age zero is a new one, which may be among them; one of any later age is not.

    A subclass has the parameters `location` and `log_scale` and declares what z is distributed as,
    its noise, as a `LocationScale` does.
    """

    always_fails: ClassVar[bool] = True
    location: Any
    log_scale: Any

    @property
    def fails_before_zero(self) -> bool:
        return True

    @property
    def scale(self) -> jax.Array:
        """The scale."""
        return jnp.exp(jnp.asarray(self.log_scale))

    def _z(self, t: ArrayLike) -> jax.Array:
        z = (jnp.asarray(t) - self.location) / self.scale
        most = FARTHEST[jnp.finfo(z.dtype).bits]
        return jnp.clip(z, -most, most)

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        usual = (t >= 0) & (t < jnp.inf)
        inside = self.standard_log_hazard(self._z(jnp.where(usual, t, 0.0))) - self.log_scale
        return jnp.where(usual, inside, log_hazard_outside(t, 0.0, self.final_log_hazard()))

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        usual = (t >= 0) & (t < jnp.inf)
        inside = self.standard_cumulative_hazard(self._z(jnp.where(usual, t, 0.0)))
        return jnp.where(usual, inside, outside_life(t))

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        length = jnp.asarray(length)
        some = (length > 0) & (length < jnp.inf)
        step = jnp.where(some, length, 1.0) / self.scale
        step = jnp.minimum(step, FARTHEST[jnp.finfo(step.dtype).bits])
        z = self._z(start)
        inside = self.standard_log_increment(z, z + step, step)
        return jnp.where(some, inside, jnp.where(length > 0, jnp.inf, -jnp.inf))

    def log_interval_hazard(self, lower: ArrayLike, length: ArrayLike) -> jax.Array:
        """As `log_increment`; an interval from zero holds what failed at birth."""
        lower = jnp.asarray(lower)
        whole = self.standard_log_cumulative_hazard(self._z(length))
        return jnp.where(lower <= 0, whole, self.log_increment(lower, length))

    def inverse_cumulative_hazard(self, target: ArrayLike) -> jax.Array:
        target = jnp.asarray(target)
        positive = (target > 0) & (target < jnp.inf)
        z = self.standard_inverse(jnp.where(positive, target, 1.0))
        # What is below zero has been lived through by every unit.
        inside = jnp.maximum(self.location + self.scale * z, 0.0)
        outside = jnp.where(target == 0, 0.0, jnp.where(target > 0, jnp.inf, jnp.nan))
        return jnp.where(positive, inside, outside)

    def lived(self, age: ArrayLike) -> jax.Array:
        """Share of units that has not failed before time zero, of new units; one of others."""
        born = jnp.exp(-self.standard_cumulative_hazard(self._z(0.0)))
        return jnp.where(jnp.asarray(age) > 0, 1.0, born)

    def with_quantiles(self, shares: jax.Array, times: jax.Array) -> Lifetime:
        """The one whose first and last quantiles are those."""
        z = self.standard_quantile(np.asarray(shares, float))
        t = np.asarray(times, float)
        scale = (t[-1] - t[0]) / (z[-1] - z[0])
        family: Any = self
        found: Lifetime = dataclasses.replace(
            family, location=np.mean(t - scale * z), log_scale=np.log(scale)
        )
        return found

    def step_units(self) -> Lifetime:
        """Locations count in units of the scale."""
        family: Any = self
        units: Lifetime = dataclasses.replace(
            family, location=1.0 / self.scale, log_scale=jnp.ones_like(jnp.asarray(self.log_scale))
        )
        return units
