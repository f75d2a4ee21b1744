"""Curves that follow from the log hazard and the cumulative hazard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from survjax._core.pytree import compiled_method
from survjax.lifetimes._limits import exp_to_infinity, inside_life


class Curves:
    """Survival, density, distribution function, hazard and quantile of a lifetime."""

    if TYPE_CHECKING:

        def log_hazard(self, t: ArrayLike) -> jax.Array:
            """Log hazard rate."""

        def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
            """H(t)."""

        def inverse_cumulative_hazard(self, target: ArrayLike) -> jax.Array:
            """The time at which H reaches a target."""

    def log_survival(self, t: ArrayLike) -> jax.Array:
        """Log of P(T > t)."""
        return -self.cumulative_hazard(t)

    @compiled_method
    def log_density(self, t: ArrayLike) -> jax.Array:
        """Log of the probability density f(t) = h(t) S(t)."""
        # Nothing has failed by time zero, whatever the parameters: where the density begins at
        # infinity, its derivatives must not multiply that by the zero slope of H. And where no unit
        # is left none fails, however large the hazard.
        t = jnp.asarray(t)
        started, safe = inside_life(t)
        ended = jnp.isposinf(t)
        passed = jnp.where(started, self.cumulative_hazard(safe), 0.0)
        none_left = jnp.isposinf(passed)
        rate = self.log_hazard(jnp.where(ended, 1.0, t))
        inside = jnp.where(none_left, 0.0, rate) - jnp.where(none_left, 0.0, passed)
        value = jnp.where(none_left, -jnp.inf, inside)
        return jnp.where(ended & ~jnp.isnan(value), -jnp.inf, value)

    @compiled_method
    def hazard(self, t: ArrayLike) -> jax.Array:
        """Hazard rate h(t), per unit of time: the rate of failure of units that reached t."""
        return exp_to_infinity(self.log_hazard(t))

    @compiled_method
    def survival(self, t: ArrayLike) -> jax.Array:
        """P(T > t)."""
        return jnp.exp(-self.cumulative_hazard(t))

    @compiled_method
    def cdf(self, t: ArrayLike) -> jax.Array:
        """P(T <= t), with full relative accuracy at early times."""
        return -jnp.expm1(-self.cumulative_hazard(t))

    @compiled_method
    def density(self, t: ArrayLike) -> jax.Array:
        """Probability density f(t), per unit of time."""
        return exp_to_infinity(self.log_density(t))

    @compiled_method
    def quantile(self, q: ArrayLike) -> jax.Array:
        """The time by which a share q of units has failed, 0 <= q <= 1; NaN for other q."""
        q = jnp.asarray(q)
        share = (q >= 0) & (q < 1)
        life = self.inverse_cumulative_hazard(-jnp.log1p(-jnp.where(share, q, 0.5)))
        return jnp.where(share | jnp.isnan(life), life, jnp.where(q == 1, jnp.inf, jnp.nan))
