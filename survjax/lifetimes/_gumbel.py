"""The Gumbel lifetime, of smallest extreme values, on time itself."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from survjax._core.numerics import bounded_exp, log1mexp
from survjax._core.pytree import parameter, pytree
from survjax.lifetimes._base import Lifetime
from survjax.lifetimes._limits import log_hazard_outside, outside_life


@pytree
class Gumbel(Lifetime):
    """Gumbel lifetime of smallest extreme values, S(t) = exp(-exp((t - location) / scale)).

    Parameters
    ----------
    location : array
        The time by which 63.2 % have failed, in the unit of time.
    log_scale : array
        Log of the scale, in the unit of time.

    Notes
    -----
    Smallest extreme values on the log of time are the Weibull lifetime; here they are on time
    itself, which reaches below zero: a share 1 - exp(-exp(-location / scale)) counts as failed at
    birth, and the mean is that of units that do live (Meeker and Escobar 1998, section 4.6). With
    z = (t - location) / scale, log h = z - log scale and H = exp(z).

    Examples
    --------
    >>> from survjax.lifetimes import Gumbel
    >>> round(float(Gumbel.of(location=40.0, scale=8.0).survival(40.0)), 4)
    0.3679
    """

    location: jax.Array = parameter()
    log_scale: jax.Array = parameter()

    @classmethod
    def of(cls, location: ArrayLike, scale: ArrayLike) -> Gumbel:
        """Make one from a location and a positive scale."""
        return cls(jnp.asarray(location, float), jnp.log(jnp.asarray(scale, float)))

    @property
    def scale(self) -> jax.Array:
        """The scale."""
        return jnp.exp(jnp.asarray(self.log_scale))

    def _z(self, t: ArrayLike) -> jax.Array:
        return (jnp.asarray(t) - self.location) / self.scale

    def final_log_hazard(self) -> jax.Array:
        return jnp.full(jnp.shape(self.scale), jnp.inf)

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        usual = (t >= 0) & (t < jnp.inf)
        inside = self._z(jnp.where(usual, t, 0.0)) - self.log_scale
        return jnp.where(usual, inside, log_hazard_outside(t, 0.0, jnp.inf))

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        usual = (t >= 0) & (t < jnp.inf)
        return jnp.where(usual, bounded_exp(self._z(jnp.where(usual, t, 0.0))), outside_life(t))

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        length = jnp.asarray(length)
        some = length > 0
        step = jnp.where(some, length, 1.0) / self.scale
        return jnp.where(some, self._z(start) + step + log1mexp(step), -jnp.inf)

    def inverse_cumulative_hazard(self, target: ArrayLike) -> jax.Array:
        target = jnp.asarray(target)
        positive = target > 0
        inside = self.location + self.scale * jnp.log(jnp.where(positive, target, 1.0))
        # What is below zero has been lived through by every unit.
        return jnp.where(positive, jnp.maximum(inside, 0.0), jnp.where(target == 0, 0.0, jnp.nan))

    def inverse_increment(self, start: ArrayLike, target: ArrayLike) -> jax.Array:
        """scale log(1 + target / H(start))."""
        target = jnp.asarray(target)
        positive = target > 0
        log_ratio = jnp.log(jnp.where(positive, target, 1.0)) - self._z(start)
        return jnp.where(positive, self.scale * jax.nn.softplus(log_ratio), 0.0)

    def with_quantiles(self, shares: Any, times: Any) -> Lifetime:
        """The one whose first and last quantiles are those."""
        z, t = np.log(-np.log1p(-np.asarray(shares, float))), np.asarray(times, float)
        scale = (t[-1] - t[0]) / (z[-1] - z[0])
        return Gumbel(np.mean(t - scale * z), np.log(scale))

    def step_units(self) -> Lifetime:
        """Locations count in units of the scale."""
        return Gumbel(1.0 / self.scale, jnp.ones_like(jnp.asarray(self.log_scale)))
