"""The logistic lifetime: the logistic distribution on time itself."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from survjax._core.numerics import log_expm1, log_softplus, softplus
from survjax._core.pytree import parameter, pytree
from survjax.lifetimes._derived.noises import LogisticNoise
from survjax.lifetimes._limits import inside_life, outside_targets, with_age_limits
from survjax.lifetimes._natural import any_number, log_of
from survjax.lifetimes._on_time.location_scale import LocationScaleOnTime


@pytree
class Logistic(LogisticNoise, LocationScaleOnTime):
    """Logistic lifetime, S(t) = 1 / (1 + exp((t - location) / scale)).

    Parameters
    ----------
    location : array
        Mean of the distribution on the whole line, and its median, in the unit of time.
    log_scale : array
        Log of the scale, in the unit of time; the standard deviation is pi / sqrt(3) scales.

    Notes
    -----
    Like the normal with heavier tails: the hazard levels off at 1 / scale. The distribution reaches
    below time zero: a share 1 / (1 + exp(location / scale)) counts as failed at birth, and the mean
    is that of units that do live. With z = (t - location) / scale, H = log(1 + exp z) and
    log h = z - H - log scale (Meeker and Escobar 1998, section 4.8).

    Examples
    --------
    >>> from survjax.lifetimes import Logistic
    >>> round(float(Logistic.of(location=40.0, scale=5.0).survival(40.0)), 4)
    0.5
    """

    location: jax.Array = parameter()
    log_scale: jax.Array = parameter()

    @classmethod
    def of(cls, location: ArrayLike, scale: ArrayLike) -> Logistic:
        """Make one from a location and a positive scale."""
        return cls(any_number(location, "location"), log_of(scale, "scale"))

    def final_log_hazard(self) -> jax.Array:
        return -jnp.asarray(self.log_scale)

    def inverse_increment(self, start: ArrayLike, target: ArrayLike) -> jax.Array:
        """scale log(1 + (exp(target) - 1) / F(start)), without cancellation."""
        target = jnp.asarray(target)
        inside, safe = inside_life(target)
        life = self.scale * softplus(log_expm1(safe) + softplus(-self._z(start)))
        return jnp.where(inside, life, outside_targets(target))

    @with_age_limits
    def residual_mean(self, age: ArrayLike) -> jax.Array:
        """-scale log F(z) / S(z), which is one scale far out."""
        z = self._z(age)
        return self.lived(age) * self.scale * jnp.exp(log_softplus(-z) + softplus(z))
