"""The lognormal lifetime."""

from __future__ import annotations

from statistics import NormalDist

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import ndtri
from jax.typing import ArrayLike

from survjax._core.normal_tail import (
    log_long_increment,
    log_normal_cumulative_hazard,
    log_normal_hazard,
    log_normal_increment,
    log_upper_tail,
)
from survjax._core.pytree import parameter, pytree
from survjax.lifetimes._derived.inverse import invert
from survjax.lifetimes._limits import inside_life, log_hazard_outside, outside_life, with_age_limits
from survjax.lifetimes._location_scale import LocationScale
from survjax.lifetimes._natural import log_of


@pytree
class LogNormal(LocationScale):
    """Lognormal lifetime: log T is normal.

    Parameters
    ----------
    log_scale : array
        Mean of log T; its exponential is the median, in the unit of time.
    log_shape : array
        Minus the log of the standard deviation sigma of log T: shape = 1 / sigma, so that the
        shape of every family is a power of time.

    Notes
    -----
    With z = shape (log t - log scale): S = P(Z > z) and log f = log shape - log t - z^2 / 2
    - log sqrt(2 pi) (Meeker and Escobar 1998, section 4.6).

    Examples
    --------
    >>> from survjax.lifetimes import LogNormal
    >>> round(float(LogNormal.of(median=40.0, sigma=0.5).survival(40.0)), 4)
    0.5
    """

    log_scale: jax.Array = parameter()
    log_shape: jax.Array = parameter()

    @classmethod
    def of(cls, median: ArrayLike, sigma: ArrayLike) -> LogNormal:
        """Make one from its median and the standard deviation of log T, both positive."""
        return cls(log_of(median, "median"), -log_of(sigma, "sigma"))

    @property
    def scale(self) -> jax.Array:
        """The median life."""
        return jnp.exp(jnp.asarray(self.log_scale))

    @property
    def shape(self) -> jax.Array:
        """One over sigma."""
        return jnp.exp(jnp.asarray(self.log_shape))

    @property
    def sigma(self) -> jax.Array:
        """Standard deviation of log T."""
        return jnp.exp(-jnp.asarray(self.log_shape))

    @staticmethod
    def standard_log_hazard(z: jax.Array) -> jax.Array:
        return log_normal_hazard(z)

    @staticmethod
    def standard_cumulative_hazard(z: jax.Array) -> jax.Array:
        return -log_upper_tail(z)

    @classmethod
    def standard_log_cumulative_hazard(cls, z: jax.Array) -> jax.Array:
        return log_normal_cumulative_hazard(z)

    @classmethod
    def standard_log_increment(cls, z: jax.Array, top: jax.Array, width: jax.Array) -> jax.Array:
        return log_long_increment(z, top, width)

    @staticmethod
    def standard_quantile(share: np.ndarray) -> np.ndarray:
        found = [NormalDist().inv_cdf(float(q)) for q in np.ravel(share)]
        return np.array(found).reshape(np.shape(share))

    def _z(self, t: ArrayLike) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Whether 0 < t < inf, log t made finite, and (log t - log scale) / sigma."""
        inside, safe = inside_life(jnp.asarray(t))
        log_t = jnp.log(safe)
        return inside, log_t, self.shape * (log_t - self.log_scale)

    def final_log_hazard(self) -> jax.Array:
        return jnp.full(jnp.broadcast_shapes(self.scale.shape, self.shape.shape), -jnp.inf)

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        positive, log_t, z = self._z(t)
        inside = self.log_shape - log_t + log_normal_hazard(z)
        return jnp.where(positive, inside, log_hazard_outside(jnp.asarray(t), -jnp.inf))

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        positive, _, z = self._z(t)
        return jnp.where(positive, -log_upper_tail(z), outside_life(jnp.asarray(t)))

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        start, length = jnp.asarray(start), jnp.asarray(length)
        some, aged = (length > 0) & (length < jnp.inf), start > 0
        safe = jnp.where(some, length, 1.0)
        # Of a new unit, the hazard from so early on that it is none.
        _, _, z = self._z(jnp.where(aged, start, 1.0))
        growth = self.shape * jnp.log1p(safe / jnp.where(aged, start, 1.0))
        inside = log_normal_increment(z, jnp.where(aged, growth, 1.0))
        _, _, z_stop = self._z(jnp.where(aged, 1.0, safe))
        new = log_normal_cumulative_hazard(z_stop)
        whole = jnp.where(aged, inside, new)
        return jnp.where(some, whole, jnp.where(length > 0, jnp.inf, -jnp.inf))

    def inverse_cumulative_hazard(self, target: ArrayLike) -> jax.Array:
        target = jnp.asarray(target)
        goal = lax.stop_gradient(inside_life(target)[1])
        late = goal > 0.5
        tail = jnp.exp(-jnp.clip(goal, 0.5, 650.0))
        z = jnp.where(late, -ndtri(tail), ndtri(-jnp.expm1(-jnp.minimum(goal, 0.5))))
        z = jnp.where(goal > 650.0, jnp.sqrt(2.0 * goal), z)
        point = jnp.exp(lax.stop_gradient(self.log_scale + z / self.shape))
        return invert(self, target, 0.999 * point, 1.001 * point)

    @with_age_limits
    def residual_mean(self, age: ArrayLike) -> jax.Array:
        """age (exp(...) - 1) from the partial expectation, on the log scale."""
        age = jnp.asarray(age)
        positive, log_age, z = self._z(age)
        partial = self.log_scale + 0.5 * self.sigma**2 + log_upper_tail(z - self.sigma)
        log_end = partial - log_upper_tail(z)
        # Far above the age the difference loses nothing, and the quotient could overflow.
        near = log_end - log_age < 1.0
        start = jnp.where(positive, age, 1.0)
        aged = start * jnp.expm1(jnp.where(near, log_end - log_age, 0.0))
        aged = jnp.where(near, aged, jnp.exp(log_end) - start)
        return jnp.where(positive, aged, self.mean())

    def mean(self) -> jax.Array:
        """exp(log scale + sigma^2 / 2)."""
        return jnp.exp(self.log_scale + 0.5 * self.sigma**2)
