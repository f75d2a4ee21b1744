"""Families of one standardized number: log T is a location plus noise times a scale."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from survjax.lifetimes._base import Lifetime

#: Shapes beyond exp of this count as this where the length of a step is taken.
LARGEST_LOG_SHAPE = 10.0


class LocationScale(Lifetime):
    """A lifetime that depends on a time through z = shape (log t - log scale) only.

    A subclass has the parameters `log_scale` and `log_shape` (or `log_scale` alone, with a shape
    of one) and declares its noise by the two methods below. Its derivatives in both parameters
    then follow from those in z by the chain rule, which is what makes a likelihood fast
    (Meeker and Escobar 1998, section 4.3).
    """

    log_scale: Any
    log_shape: Any
    #: A formula says where to begin, and takes many at once.
    many_with_quantiles: ClassVar[bool] = True

    is_log_linear: ClassVar[bool] = True

    scale_first: ClassVar[bool] = True
    always_fails: ClassVar[bool] = True

    @staticmethod
    @abstractmethod
    def standard_log_hazard(z: jax.Array) -> jax.Array:
        """Log hazard of the noise, d/dz of the cumulative hazard: log h(t) + log t - log shape."""

    @staticmethod
    @abstractmethod
    def standard_cumulative_hazard(z: jax.Array) -> jax.Array:
        """Cumulative hazard of the noise, H(t)."""

    @staticmethod
    @abstractmethod
    def standard_quantile(share: np.ndarray) -> np.ndarray:
        """The z by which a share of units has failed, by NumPy."""

    @classmethod
    def standard_log_cumulative_hazard(cls, z: jax.Array) -> jax.Array:
        """Log of H(z); a family whose H vanishes early says it without its H."""
        return jnp.log(cls.standard_cumulative_hazard(z))

    @classmethod
    def standard_log_increment(cls, z: jax.Array, top: jax.Array, width: jax.Array) -> jax.Array:
        """Log of H(top) - H(z) of the noise, for width = top - z > 0 known to the last digit.

        A family overrides this where the difference would lose digits that a formula keeps.
        """
        difference = cls.standard_cumulative_hazard(top) - cls.standard_cumulative_hazard(z)
        some = difference > 0
        first_order = cls.standard_log_hazard(z) + jnp.log(width)
        return jnp.where(some, jnp.log(jnp.where(some, difference, 1.0)), first_order)

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
