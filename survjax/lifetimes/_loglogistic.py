"""The log-logistic lifetime."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from survjax._core.pytree import parameter, pytree
from survjax._core.quadrature import EXPONENTIAL_NODES, EXPONENTIAL_WEIGHTS
from survjax.lifetimes._limits import (
    inside_life,
    log_hazard_outside,
    outside_life,
    outside_targets,
    with_age_limits,
)
from survjax.lifetimes._location_scale import LocationScale
from survjax.lifetimes._natural import log_of


@jax.custom_jvp
def softplus(z: jax.Array) -> jax.Array:
    """Log of 1 + exp(z). The library's own takes twice as long with its two derivatives."""
    z = jnp.asarray(z)
    return jnp.maximum(z, 0.0) + jnp.log1p(jnp.exp(-jnp.abs(z)))


@softplus.defjvp
def _softplus_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    (z,), (dz,) = primals, tangents
    return softplus(z), jax.nn.sigmoid(z) * dz


def log_expm1(x: jax.Array) -> jax.Array:
    """Log of exp(x) - 1 for positive x, without overflow."""
    large = x > 30.0
    return jnp.where(large, x, jnp.log(jnp.expm1(jnp.where(large, 1.0, x))))


@pytree
class LogLogistic(LocationScale):
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

    @property
    def scale(self) -> jax.Array:
        """The median life."""
        return jnp.exp(jnp.asarray(self.log_scale))

    @property
    def shape(self) -> jax.Array:
        """The power of time in the odds of failure."""
        return jnp.exp(jnp.asarray(self.log_shape))

    @staticmethod
    def standard_log_hazard(z: jax.Array) -> jax.Array:
        return -softplus(-z)

    @staticmethod
    def standard_cumulative_hazard(z: jax.Array) -> jax.Array:
        return softplus(z)

    @classmethod
    def standard_log_cumulative_hazard(cls, z: jax.Array) -> jax.Array:
        early = z < -30.0
        return jnp.where(early, z, jnp.log(softplus(jnp.where(early, 0.0, z))))

    @classmethod
    def standard_log_increment(cls, z: jax.Array, top: jax.Array, width: jax.Array) -> jax.Array:
        """Log of log(1 + F(z) (exp(width) - 1)): no difference of large numbers."""
        far = width > 30.0
        near = jnp.log1p(jax.nn.sigmoid(z) * jnp.expm1(jnp.where(far, 1.0, width)))
        # Past exp's range the growth is what is left of log(1 + F exp(width)).
        grown = jnp.where(far, softplus(jax.nn.log_sigmoid(z) + width), near)
        some = grown > 0
        return jnp.where(some, jnp.log(jnp.where(some, grown, 1.0)), top)

    @staticmethod
    def standard_quantile(share: np.ndarray) -> np.ndarray:
        return np.log(share) - np.log1p(-share)

    def _z(self, t: ArrayLike) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Whether 0 < t < inf, log t made finite, and shape (log t - log scale)."""
        inside, safe = inside_life(jnp.asarray(t))
        log_t = jnp.log(safe)
        return inside, log_t, self.shape * (log_t - self.log_scale)

    def final_log_hazard(self) -> jax.Array:
        return jnp.full(jnp.broadcast_shapes(self.scale.shape, self.shape.shape), -jnp.inf)

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        positive, log_t, z = self._z(t)
        inside = self.log_shape - log_t - softplus(-z)
        at_zero = jnp.where(
            self.shape < 1.0, jnp.inf, jnp.where(self.shape > 1.0, -jnp.inf, -self.log_scale)
        )
        return jnp.where(positive, inside, log_hazard_outside(jnp.asarray(t), at_zero))

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        positive, _, z = self._z(t)
        return jnp.where(positive, softplus(z), outside_life(jnp.asarray(t)))

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        start, length = jnp.asarray(start), jnp.asarray(length)
        aged = start > 0
        safe = jnp.where(aged, start, 1.0)
        _, _, z = self._z(safe)
        _, _, z_stop = self._z(start + length)
        width = self.shape * jnp.log1p(jnp.where(length > 0, length, 1.0) / safe)
        log_inside = self.standard_log_increment(z, z_stop, width)
        new = self.standard_log_cumulative_hazard(z_stop)
        return jnp.where(length > 0, jnp.where(aged, log_inside, new), -jnp.inf)

    def inverse_cumulative_hazard(self, target: ArrayLike) -> jax.Array:
        target = jnp.asarray(target)
        inside, safe = inside_life(target)
        z = log_expm1(safe)
        return jnp.where(inside, jnp.exp(self.log_scale + z / self.shape), outside_targets(target))

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
        growth = softplus(log_odds - jax.nn.log_sigmoid(jnp.where(old, z, 0.0))) / self.shape
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
