"""A lifetime whose hazard is multiplied: what covariates do to it in a scaled hazard."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from survjax._core.pytree import data, pytree
from survjax.lifetimes._base import Lifetime
from survjax.lifetimes._derived.mean_life import mean_life
from survjax.lifetimes._limits import inside_life, outside_life, with_age_limits


@pytree
class ProportionalHazards(Lifetime):
    """A base lifetime whose hazard is multiplied: h(t) = h0(t) exp(log_ratio).

    Parameters
    ----------
    base : Lifetime
        The lifetime at a hazard ratio of one.
    log_ratio : array
        Log of the hazard ratio, such as x'b for a unit with covariates x; broadcasts with the
        times at which the curves are evaluated.

    Notes
    -----
    H(t) = exp(log_ratio) H0(t) and S = S0^exp(log_ratio) (Cox 1972).

    Examples
    --------
    >>> import math
    >>> from survjax.lifetimes import ProportionalHazards, Weibull
    >>> strained = ProportionalHazards(Weibull.of(scale=40.0, shape=3.0), math.log(8.0))
    >>> round(float(strained.survival(20.0)), 4)
    0.3679
    """

    base: Lifetime
    log_ratio: ArrayLike = data()

    @property
    def always_fails(self) -> bool:  # type: ignore[override]  # as the base does
        return bool(self.base.always_fails)

    @property
    def ratio(self) -> jax.Array:
        """The hazard ratio."""
        return jnp.exp(jnp.asarray(self.log_ratio))

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        return jnp.asarray(self.log_ratio) + self.base.log_hazard(t)

    def final_log_hazard(self) -> jax.Array:
        return jnp.asarray(self.log_ratio) + self.base.final_log_hazard()

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        inside, safe = inside_life(t)
        return jnp.where(inside, self.ratio * self.base.cumulative_hazard(safe), outside_life(t))

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        return jnp.asarray(self.log_ratio) + self.base.log_increment(start, length)

    def log_interval_hazard(self, lower: ArrayLike, length: ArrayLike) -> jax.Array:
        return jnp.asarray(self.log_ratio) + self.base.log_interval_hazard(lower, length)

    def rough_cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        return self.ratio * self.base.rough_cumulative_hazard(t)

    def inverse_cumulative_hazard(self, target: ArrayLike) -> jax.Array:
        return self.base.inverse_cumulative_hazard(jnp.asarray(target) / self.ratio)

    def inverse_increment(self, start: ArrayLike, target: ArrayLike) -> jax.Array:
        return self.base.inverse_increment(start, jnp.asarray(target) / self.ratio)

    @with_age_limits
    def residual_mean(self, age: ArrayLike) -> jax.Array:
        member = self.base.with_hazard_ratio(self.log_ratio)
        if member is not None:
            return member.residual_mean(age)
        shape = jnp.broadcast_shapes(jnp.shape(age), jnp.shape(self.ratio))
        return mean_life(self.given(age), shape)
