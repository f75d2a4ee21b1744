"""The Birnbaum-Saunders lifetime: cracks that grow by small steps to a critical length."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from survjax._core.normal_tail import (
    LOG_SQRT_2PI,
    log_normal_cumulative_hazard,
    log_normal_hazard,
    log_normal_increment,
    log_upper_tail,
    normal_inverse,
)
from survjax._core.pytree import parameter, pytree
from survjax.lifetimes._base import Lifetime
from survjax.lifetimes._limits import (
    inside_life,
    log_hazard_outside,
    outside_life,
    outside_targets,
)
from survjax.lifetimes._natural import log_of

#: Logs of ratios of a time to the scale beyond this count as this: squares of exp are numbers yet.
FARTHEST = 200.0


@pytree
class BirnbaumSaunders(Lifetime):
    """Birnbaum-Saunders (fatigue life) lifetime.

    Parameters
    ----------
    log_scale : array
        Log of the scale, which is the median, in the unit of time.
    log_alpha : array
        Log of alpha, the spread: about the standard deviation of log T where it is small.

    Notes
    -----
    S(t) = P(Z > z) with z = (sqrt(t / scale) - sqrt(scale / t)) / alpha = 2 sinh(y / 2) / alpha and
    y = log(t / scale): damage adds up in independent steps until it reaches a limit (Birnbaum and
    Saunders 1969). The hazard rises and then levels off at 1 / (2 alpha^2 scale); the mean is
    scale (1 + alpha^2 / 2).

    Examples
    --------
    >>> from survjax.lifetimes import BirnbaumSaunders
    >>> round(float(BirnbaumSaunders.of(scale=40.0, alpha=0.5).survival(40.0)), 4)
    0.5
    """

    always_fails: ClassVar[bool] = True
    has_own_density: ClassVar[bool] = True
    log_scale: jax.Array = parameter()
    log_alpha: jax.Array = parameter()

    @classmethod
    def of(cls, scale: ArrayLike, alpha: ArrayLike) -> BirnbaumSaunders:
        """Make one from natural values, both positive."""
        return cls(log_of(scale, "scale"), log_of(alpha, "alpha"))

    @property
    def scale(self) -> jax.Array:
        """The median life."""
        return jnp.exp(jnp.asarray(self.log_scale))

    @property
    def alpha(self) -> jax.Array:
        """The spread."""
        return jnp.exp(jnp.asarray(self.log_alpha))

    def _half(self, safe: jax.Array) -> jax.Array:
        """Half of log(t / scale), for 0 < t < inf."""
        y = 0.5 * (jnp.log(safe) - self.log_scale)
        return jnp.clip(y, -0.5 * FARTHEST, 0.5 * FARTHEST)

    def _z(self, half: jax.Array) -> jax.Array:
        return 2.0 * jnp.sinh(half) / self.alpha

    def final_log_hazard(self) -> jax.Array:
        return -jnp.asarray(self.log_scale) - 2.0 * jnp.asarray(self.log_alpha) - math.log(2.0)

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        inside, safe = inside_life(t)
        value = log_normal_hazard(self._z(self._half(safe))) + self._log_slope(safe)
        return jnp.where(inside, value, log_hazard_outside(t, -jnp.inf, self.final_log_hazard()))

    def _log_slope(self, safe: jax.Array) -> jax.Array:
        """Log of dz/dt = cosh(y / 2) / (alpha t)."""
        size = jnp.abs(self._half(safe))
        log_cosh = size + jnp.log1p(jnp.exp(-2.0 * size)) - math.log(2.0)
        return log_cosh - self.log_alpha - jnp.log(safe)

    def log_density(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        inside, safe = inside_life(t)
        z = self._z(self._half(safe))
        value = self._log_slope(safe) - 0.5 * z * z - LOG_SQRT_2PI
        return jnp.where(inside, value, log_hazard_outside(t, -jnp.inf))

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        inside, safe = inside_life(t)
        return jnp.where(inside, -log_upper_tail(self._z(self._half(safe))), outside_life(t))

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        start, length = jnp.asarray(start), jnp.asarray(length)
        some, aged = (length > 0) & (length < jnp.inf), start > 0
        safe = jnp.where(some, length, 1.0)
        born = jnp.where(aged, start, 1.0)
        half = self._half(born)
        growth = jnp.minimum(0.25 * jnp.log1p(safe / born), 0.5 * FARTHEST)
        # sinh(a + 2 b) - sinh(a) = 2 cosh(a + b) sinh(b).
        step = 4.0 * jnp.cosh(half + growth) * jnp.sinh(growth) / self.alpha
        inside = log_normal_increment(self._z(half), jnp.where(aged & (step > 0), step, 1.0))
        new = log_normal_cumulative_hazard(self._z(self._half(jnp.where(aged, 1.0, safe))))
        whole = jnp.where(aged, jnp.where(step > 0, inside, -jnp.inf), new)
        return jnp.where(some, whole, jnp.where(length > 0, jnp.inf, -jnp.inf))

    def inverse_cumulative_hazard(self, target: ArrayLike) -> jax.Array:
        """log(t / scale) = 2 asinh(alpha z / 2)."""
        target = jnp.asarray(target)
        inside, safe = inside_life(target)
        log_ratio = 2.0 * jnp.arcsinh(0.5 * self.alpha * normal_inverse(safe))
        return jnp.where(inside, jnp.exp(self.log_scale + log_ratio), outside_targets(target))

    def mean(self) -> jax.Array:
        """scale (1 + alpha^2 / 2)."""
        return self.scale * (1.0 + 0.5 * self.alpha**2)

    def with_quantiles(self, shares: jax.Array, times: jax.Array) -> Lifetime:
        """The median of the nearest, and the spread between its first and last quantile."""
        z = np.array([NormalDist().inv_cdf(float(q)) for q in np.ravel(shares)])
        y = np.log(np.asarray(times, float))
        log_scale = np.mean(y - z * (y[-1] - y[0]) / (z[-1] - z[0]))
        spread = 2.0 * np.diff(np.sinh(0.5 * np.clip(y[[0, -1]] - log_scale, -1e2, 1e2)))[0]
        alpha: Any = spread / (z[-1] - z[0])
        return BirnbaumSaunders(log_scale, np.log(np.maximum(alpha, 1e-9)))

    def nearby_limit(self) -> str:
        """Where alpha runs to infinity, P(T <= t) = P(Z > sqrt(c / t)) with c = scale / alpha^2."""
        if self.log_alpha < 8.0:
            return ""
        return "a limit in which half of the units fail at once, or never"

    def step_units(self) -> Lifetime:
        """Log scales count in units of the spread of log time."""
        alpha = jnp.maximum(self.alpha, 1e-4)
        return BirnbaumSaunders(jnp.maximum(1.0 / alpha, 1.0), jnp.ones_like(alpha))
