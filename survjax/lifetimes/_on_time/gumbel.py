"""The Gumbel lifetime: smallest extreme values on time itself."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from survjax._core.numerics import softplus
from survjax._core.pytree import parameter, pytree
from survjax.lifetimes._derived.noises import SmallestExtremeNoise
from survjax.lifetimes._natural import any_number, log_of
from survjax.lifetimes._on_time.location_scale import LocationScaleOnTime


@pytree
class Gumbel(SmallestExtremeNoise, LocationScaleOnTime):
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
        return cls(any_number(location, "location"), log_of(scale, "scale"))

    def final_log_hazard(self) -> jax.Array:
        return jnp.full(jnp.shape(self.scale), jnp.inf)

    def inverse_increment(self, start: ArrayLike, target: ArrayLike) -> jax.Array:
        """scale log(1 + target / H(start))."""
        target = jnp.asarray(target)
        positive = target > 0
        log_ratio = jnp.log(jnp.where(positive, target, 1.0)) - self._z(start)
        return jnp.where(positive, self.scale * softplus(log_ratio), 0.0)
