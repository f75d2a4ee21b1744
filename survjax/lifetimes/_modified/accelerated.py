"""A lifetime whose time is stretched: what covariates do to it in an accelerated life."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from survjax._core.pytree import data, pytree
from survjax.lifetimes._base import Lifetime
from survjax.lifetimes._limits import inside_life, log_hazard_outside, outside_life, with_age_limits


@pytree
class Accelerated(Lifetime):
    """A base lifetime whose time is stretched: T = T0 exp(log_factor).

    Parameters
    ----------
    base : Lifetime
        The lifetime at a factor of one.
    log_factor : array
        Log of the factor by which a unit lives longer; broadcasts with the times.

    Notes
    -----
    S(t) = S0(t exp(-log_factor)) (Kalbfleisch and Prentice 2002, section 2.3).

    Examples
    --------
    >>> import math
    >>> from survjax.lifetimes import Accelerated, Weibull
    >>> spared = Accelerated(Weibull.of(scale=40.0, shape=3.0), math.log(2.0))
    >>> round(float(spared.survival(80.0)), 4)
    0.3679
    """

    base: Lifetime
    log_factor: ArrayLike = data()

    @property
    def always_fails(self) -> bool:  # type: ignore[override]  # as the base does
        return bool(self.base.always_fails)

    @property
    def factor(self) -> jax.Array:
        """The factor on time."""
        return jnp.exp(jnp.asarray(self.log_factor))

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        started = (t >= 0) & (t < jnp.inf)
        inside = self.base.log_hazard(jnp.where(started, t, 1.0) / self.factor) - self.log_factor
        return jnp.where(started, inside, log_hazard_outside(t, 0.0, self.final_log_hazard()))

    def final_log_hazard(self) -> jax.Array:
        return self.base.final_log_hazard() - jnp.asarray(self.log_factor)

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        inside, safe = inside_life(t)
        return jnp.where(inside, self.base.cumulative_hazard(safe / self.factor), outside_life(t))

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        factor = self.factor
        return self.base.log_increment(jnp.asarray(start) / factor, jnp.asarray(length) / factor)

    def log_interval_hazard(self, lower: ArrayLike, length: ArrayLike) -> jax.Array:
        lower, length = (jnp.asarray(time) / self.factor for time in (lower, length))
        return self.base.log_interval_hazard(lower, length)

    def rough_cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        return self.base.rough_cumulative_hazard(jnp.asarray(t) / self.factor)

    def inverse_cumulative_hazard(self, target: ArrayLike) -> jax.Array:
        return self.factor * self.base.inverse_cumulative_hazard(target)

    def inverse_increment(self, start: ArrayLike, target: ArrayLike) -> jax.Array:
        return self.factor * self.base.inverse_increment(jnp.asarray(start) / self.factor, target)

    @with_age_limits
    def residual_mean(self, age: ArrayLike) -> jax.Array:
        return self.factor * self.base.residual_mean(jnp.asarray(age) / self.factor)
