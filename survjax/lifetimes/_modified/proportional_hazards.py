"""A lifetime whose hazard is multiplied: what covariates do to it in a scaled hazard."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from survjax._core.pytree import data, pytree
from survjax._core.quadrature import HALF_LINE_NODES, HALF_LINE_WEIGHTS
from survjax.lifetimes._base import Lifetime
from survjax.lifetimes._limits import inside_life, outside_life, with_age_limits
from survjax.lifetimes._weibull import Weibull

#: Every second node leaves 1e-9 of a mean remaining life, at half the time.
NODES, WEIGHTS = HALF_LINE_NODES[::2], 2.0 * HALF_LINE_WEIGHTS[::2]


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
        if isinstance(self.base, Weibull):
            # A Weibull with its hazard scaled is a Weibull, whose mean is cheap.
            log_scale = self.base.log_scale - self.log_ratio / self.base.shape
            return Weibull(log_scale, self.base.log_shape).residual_mean(age)
        age = jnp.asarray(age)
        rest = self.base.given(age)
        ratio = self.ratio
        target = jnp.broadcast_to(
            jnp.log(2.0) / ratio, jnp.broadcast_shapes(age.shape, ratio.shape)
        )
        scale = jax.lax.stop_gradient(rest.inverse_cumulative_hazard(target))

        def add(total: jax.Array, node: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
            hazard = ratio * rest.cumulative_hazard(scale * node[0])
            return total + node[1] * jnp.exp(-hazard), None

        nodes = jnp.asarray(NODES), jnp.asarray(WEIGHTS)
        return scale * jax.lax.scan(add, 0.0 * scale, nodes)[0]
