"""The log-logistic lifetime."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from survjax._core.numerics import log_expm1, softplus
from survjax._core.pytree import parameter, pytree
from survjax._core.quadrature import EXPONENTIAL_NODES, EXPONENTIAL_WEIGHTS
from survjax.lifetimes._derived.noises import LogisticNoise
from survjax.lifetimes._limits import inside_life, outside_targets, with_age_limits
from survjax.lifetimes._location_scale import LocationScale
from survjax.lifetimes._natural import log_of


@pytree
class LogLogistic(LogisticNoise, LocationScale):
    """Log-logistic lifetime, S(t) = 1 / (1 + (t / scale)^shape).

    Parameters
    ----------
    log_scale : array
        Log of the scale, which is the median, in the unit of time.
    log_shape : array
        Log of the shape: above one the hazard rises and then falls; the mean is finite only
        above one.

    Notes
    -----
    With z = shape (log t - log scale): H = log(1 + exp z) and log h = log shape - log t + z - H
    (Kalbfleisch and Prentice 2002, section 2.2.6).

    Examples
    --------
    >>> from survjax.lifetimes import LogLogistic
    >>> round(float(LogLogistic.of(scale=40.0, shape=3.0).survival(40.0)), 4)
    0.5
    """

    log_scale: jax.Array = parameter()
    log_shape: jax.Array = parameter()

    @classmethod
    def of(cls, scale: ArrayLike, shape: ArrayLike) -> LogLogistic:
        """Make one from natural values, both positive."""
        return cls(log_of(scale, "scale"), log_of(shape, "shape"))

    def inverse_increment(self, start: ArrayLike, target: ArrayLike) -> jax.Array:
        """start ((1 + (exp(target) - 1) / F(start))^(1/shape) - 1), without cancellation."""
        target = jnp.asarray(target)
        inside, safe = inside_life(target)
        log_life = self._log_remaining(start, safe)
        return jnp.where(inside, jnp.exp(log_life), outside_targets(target))

    def _log_remaining(self, start: ArrayLike, target: jax.Array) -> jax.Array:
        """Log of `inverse_increment` for positive targets: nothing overflows on the way."""
        start = jnp.asarray(start)
        positive, log_start, z = self._z(start)
        # A unit whose hazard so far is below exp(-60) is as new.
        old = positive & (z > -60.0)
        log_odds = log_expm1(target)
        growth = softplus(log_odds + softplus(-jnp.where(old, z, 0.0))) / self.shape
        aged = jnp.where(old, log_start, 0.0) + log_expm1(growth)
        new = self.log_scale + log_odds / self.shape
        share = jnp.where(positive & ~old, jnp.exp(jnp.minimum(log_start - new, 0.0)), 0.0)
        left = share < 1.0
        rest = jnp.where(left, jnp.log1p(-jnp.where(left, share, 0.0)), -jnp.inf)
        return jnp.where(old, aged, new + rest)

    @with_age_limits
    def residual_mean(self, age: ArrayLike) -> jax.Array:
        """E s(U) over a unit exponential U, s the remaining life; infinite for shapes up to one.

        s(u) grows like exp(u / shape), so u is stretched by 1 / (1 - 1/shape) before the
        double-exponential rule.
        """
        age = jnp.asarray(age)
        finite = self.shape > 1.0
        safe = LogLogistic(self.log_scale, jnp.where(finite, self.log_shape, jnp.log(2.0)))
        rate = 1.0 - 1.0 / safe.shape
        depth = (slice(None),) + (None,) * jnp.broadcast_arrays(age, safe.scale, rate)[0].ndim
        v, weights = jnp.asarray(EXPONENTIAL_NODES)[depth], jnp.asarray(EXPONENTIAL_WEIGHTS)[depth]
        u = v / rate
        log_life = safe._log_remaining(age, u)
        mean = jnp.sum(weights * jnp.exp(v - u + log_life) / rate, axis=0)
        return jnp.where(finite, mean, jnp.inf)

    def mean(self) -> jax.Array:
        """scale (pi / shape) / sin(pi / shape), infinite for shapes up to one."""
        finite = self.shape > 1.0
        angle = jnp.pi / jnp.where(finite, self.shape, 2.0)
        return jnp.where(finite, self.scale * angle / jnp.sin(angle), jnp.inf)
