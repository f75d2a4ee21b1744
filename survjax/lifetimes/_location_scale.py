"""Families of one standardized number: log T is a location plus noise times a scale."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from survjax.lifetimes._base import Lifetime
from survjax.lifetimes._derived.noises import Noise
from survjax.lifetimes._limits import (
    inside_life,
    log_hazard_outside,
    outside_life,
    outside_targets,
)

#: Shapes beyond exp of this count as this where the length of a step is taken.
LARGEST_LOG_SHAPE = 10.0


class LocationScale(Noise, Lifetime):
    """A lifetime that depends on a time through z = shape (log t - log scale) only.

    A subclass has the parameters `log_scale` and `log_shape` (or `log_scale` alone, with a shape
    of one) and declares what z is distributed as, its noise, by the hazard: all curves follow. So
    do the derivatives in both parameters, from those in z by the chain rule, which is what makes a
    likelihood fast (Meeker and Escobar 1998, section 4.3).

    Examples
    --------
    A family whose hazard rises like a Weibull's and then levels off in log time, S = 1 / (u +
    sqrt(1 + u^2)) with u = exp(z), in its own words:

    >>> import jax.numpy as jnp
    >>> import numpy as np
    >>> from survjax.lifetimes import LocationScale, parameter, pytree
    >>> @pytree
    ... class Levelling(LocationScale):
    ...     log_scale: float = parameter()
    ...     log_shape: float = parameter()
    ...     @staticmethod
    ...     def standard_log_hazard(z):
    ...         return -0.5 * jnp.logaddexp(0.0, -2.0 * z)
    ...     @staticmethod
    ...     def standard_cumulative_hazard(z):
    ...         return jnp.logaddexp(z, 0.5 * jnp.logaddexp(0.0, 2.0 * z))
    ...     @staticmethod
    ...     def standard_quantile(share):
    ...         return np.log(np.sinh(-np.log1p(-share)))
    >>> round(float(Levelling(np.log(40.0), np.log(2.0)).survival(40.0)), 4)
    0.4142
    """

    log_scale: Any
    log_shape: Any
    #: A formula says where to begin, and takes many at once.
    many_with_quantiles: ClassVar[bool] = True

    is_log_linear: ClassVar[bool] = True

    scale_first: ClassVar[bool] = True
    always_fails: ClassVar[bool] = True

    @property
    def scale(self) -> jax.Array:
        """The time at which z is zero."""
        return jnp.exp(jnp.asarray(self.log_scale))

    @property
    def shape(self) -> jax.Array:
        """What the log of time is multiplied by: one over the scale of the noise."""
        return jnp.exp(self._log_shape)

    @property
    def _log_shape(self) -> jax.Array:
        return jnp.asarray(getattr(self, "log_shape", 0.0))

    def _z(self, t: ArrayLike) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Whether 0 < t < inf, log t made finite, and shape (log t - log scale)."""
        inside, safe = inside_life(jnp.asarray(t))
        log_t = jnp.log(safe)
        return inside, log_t, self.shape * (log_t - self.log_scale)

    def _log_hazard_limit(self, slope: float, rises: float, falls: float) -> jax.Array:
        """Limit of the log hazard where powers of time vanish or explode, from its slope in z."""
        power = slope * self.shape
        # Where it is level, the log of the shape is minus that of the slope.
        level = -np.log(slope if 0.0 < slope < np.inf else 1.0) - jnp.asarray(self.log_scale)
        return jnp.where(power > 1.0, rises, jnp.where(power < 1.0, falls, level))

    def final_log_hazard(self) -> jax.Array:
        return self._log_hazard_limit(self.log_hazard_slopes[1], jnp.inf, -jnp.inf)

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        positive, log_t, z = self._z(t)
        inside = self._log_shape - log_t + self.standard_log_hazard(z)
        at_zero = self._log_hazard_limit(self.log_hazard_slopes[0], -jnp.inf, jnp.inf)
        outside = log_hazard_outside(jnp.asarray(t), at_zero, self.final_log_hazard())
        return jnp.where(positive, inside, outside)

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        positive, _, z = self._z(t)
        inside = self.standard_cumulative_hazard(z)
        return jnp.where(positive, inside, outside_life(jnp.asarray(t)))

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        start, length = jnp.asarray(start), jnp.asarray(length)
        aged, some = start > 0, (length > 0) & (length < jnp.inf)
        safe, begun = jnp.where(some, length, 1.0), jnp.where(aged, start, 1.0)
        growth = jnp.log1p(safe / begun)
        grown = growth > 0
        width = self.shape * jnp.where(aged & grown, growth, 1.0)
        z, top = self._z(begun)[2], self._z(start + safe)[2]
        later = self.standard_log_increment(z, top, width)
        # Where the increment vanishes beside the start, its first order is left: h(start) length.
        later = jnp.where(grown, later, self.log_hazard(begun) + jnp.log(safe))
        gained = jnp.where(aged, later, self.standard_log_cumulative_hazard(top))
        return jnp.where(some, gained, jnp.where(length > 0, jnp.inf, -jnp.inf))

    def inverse_cumulative_hazard(self, target: ArrayLike) -> jax.Array:
        target = jnp.asarray(target)
        inside, safe = inside_life(target)
        life = jnp.exp(self.log_scale + self.standard_inverse(safe) / self.shape)
        return jnp.where(inside, life, outside_targets(target))

    def with_quantiles(self, shares: jax.Array, times: jax.Array) -> Lifetime:
        z, y = type(self).standard_quantile(np.asarray(shares)), np.log(times)
        # Times (m, ...) are those of many members at once.
        z = z.reshape(z.shape + (1,) * (y.ndim - 1))
        family: Any = self
        if not hasattr(self, "log_shape"):
            fitted: Lifetime = dataclasses.replace(family, log_scale=np.mean(y - z, axis=0))
            return fitted
        slope = (z[-1] - z[0]) / np.maximum(y[-1] - y[0], 1e-9)
        log_scale = np.mean(y - z / slope, axis=0)
        fitted = dataclasses.replace(family, log_scale=log_scale, log_shape=np.log(slope))
        return fitted

    def rough_log_quantiles(self, shares: np.ndarray) -> np.ndarray:
        shape = np.exp(getattr(self, "log_shape", 0.0))
        return np.asarray(self.log_scale + type(self).standard_quantile(shares) / shape)

    def step_units(self) -> Lifetime:
        """Log scales count in units of the spread of log time."""
        family: Any = self
        if not hasattr(self, "log_shape"):
            return jax.tree.map(jnp.ones_like, self)
        spread = jnp.exp(jnp.minimum(jnp.asarray(self.log_shape), LARGEST_LOG_SHAPE))
        units: Lifetime = dataclasses.replace(
            family, log_scale=spread, log_shape=jnp.ones_like(spread)
        )
        return units

    def is_steeper(self, log_shape: ArrayLike) -> jax.Array:
        own = getattr(self, "log_shape", None)
        return jnp.zeros((), bool) if own is None else jnp.any(jnp.asarray(own) > log_shape)
