"""What a standardized number z is distributed as: three noises that six families share."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from statistics import NormalDist
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax._core.normal_tail import (
    log_long_increment,
    log_normal_cumulative_hazard,
    log_normal_hazard,
    log_normal_increment,
    log_upper_tail,
    normal_inverse,
)
from survjax._core.numerics import bounded_exp, log1mexp, log_expm1, log_softplus, softplus

#: Halvings that take a bracket of any width that a noise needs to the last digit.
HALVINGS = 70


class Noise(ABC):
    """A distribution on the whole line, by its hazard.

    A family of location and scale, on time or on its log, inherits from a noise and has all its
    functions from it. The first three have no default; the others have one that a noise
    overrides where it would lose digits.
    """

    #: Slopes of the log hazard in z, far below and far above: they say the hazard at time zero and
    #: at infinity.
    log_hazard_slopes: ClassVar[tuple[float, float]] = (math.inf, 0.0)

    @staticmethod
    @abstractmethod
    def standard_log_hazard(z: jax.Array) -> jax.Array:
        """Log hazard of the noise, d/dz of its cumulative hazard."""

    @staticmethod
    @abstractmethod
    def standard_cumulative_hazard(z: jax.Array) -> jax.Array:
        """Cumulative hazard of the noise, -log P(Z > z)."""

    @staticmethod
    @abstractmethod
    def standard_quantile(share: np.ndarray) -> np.ndarray:
        """The z by which a share of units has failed, by NumPy."""

    @classmethod
    def standard_log_cumulative_hazard(cls, z: jax.Array) -> jax.Array:
        """Log of H(z); a noise whose H vanishes early says it without its H."""
        return jnp.log(cls.standard_cumulative_hazard(z))

    @classmethod
    def standard_log_increment(cls, z: jax.Array, top: jax.Array, width: jax.Array) -> jax.Array:
        """Log of H(top) - H(z), for width = top - z > 0 known to the last digit."""
        difference = cls.standard_cumulative_hazard(top) - cls.standard_cumulative_hazard(z)
        some = difference > 0
        first_order = cls.standard_log_hazard(z) + jnp.log(width)
        return jnp.where(some, jnp.log(jnp.where(some, difference, 1.0)), first_order)

    @classmethod
    def standard_inverse(cls, target: jax.Array) -> jax.Array:
        """The z at which the cumulative hazard is a positive target: by default by bisection."""
        goal = jnp.log(target)
        log_hazard = cls.standard_log_cumulative_hazard
        z = lax.stop_gradient(_bisection(lambda z: log_hazard(z) - goal, goal.shape, goal.dtype))
        # One more step, which carries the derivative in the target.
        per_slope = lax.stop_gradient(jnp.exp(log_hazard(z) - cls.standard_log_hazard(z)))
        return z - (lax.stop_gradient(log_hazard(z)) - goal) * per_slope

    @classmethod
    def standard_log_long_increment(
        cls, z: jax.Array, top: jax.Array, width: jax.Array
    ) -> jax.Array:
        """As `standard_log_increment`, where the width is not small: it may cost less."""
        return cls.standard_log_increment(z, top, width)


def _bisection(
    rising: Callable[[jax.Array], jax.Array], shape: tuple[int, ...], dtype: Any
) -> jax.Array:
    """Where a rising function is zero: ends that move out until it lies between them, then in."""

    def apart(ends: jax.Array) -> jax.Array:
        outside = jnp.stack([rising(ends[0]) > 0, rising(ends[1]) < 0])
        return jnp.where(outside, 2.0 * ends, ends)

    def halve(_: int, ends: jax.Array) -> jax.Array:
        middle = ends.mean(axis=0)
        return jnp.where(jnp.stack([rising(middle) <= 0, rising(middle) > 0]), middle, ends)

    ends = jnp.stack([jnp.full(shape, -1.0, dtype), jnp.full(shape, 1.0, dtype)])
    most = jnp.finfo(dtype).max ** 0.5
    ends = lax.while_loop(
        lambda ends: jnp.any(jnp.abs(apart(ends)) > jnp.abs(ends)) & jnp.all(ends[1] < most),
        apart,
        ends,
    )
    return lax.fori_loop(0, HALVINGS, halve, ends).mean(axis=0)


class SmallestExtremeNoise(Noise):
    """Smallest extreme values, H(z) = exp(z): Weibull and exponential in log time, Gumbel."""

    log_hazard_slopes = (1.0, 1.0)

    @staticmethod
    def standard_log_hazard(z: jax.Array) -> jax.Array:
        return z

    @staticmethod
    def standard_cumulative_hazard(z: jax.Array) -> jax.Array:
        return bounded_exp(z)

    @staticmethod
    def standard_quantile(share: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(-np.log1p(-share)))

    @classmethod
    def standard_log_cumulative_hazard(cls, z: jax.Array) -> jax.Array:
        return z

    @classmethod
    def standard_log_increment(cls, z: jax.Array, top: jax.Array, width: jax.Array) -> jax.Array:
        return top + log1mexp(width)

    @staticmethod
    def standard_inverse(target: jax.Array) -> jax.Array:
        return jnp.log(target)


class LogisticNoise(Noise):
    """The logistic distribution, H(z) = log(1 + exp z): log-logistic in log time, logistic."""

    log_hazard_slopes = (1.0, 0.0)

    @staticmethod
    def standard_log_hazard(z: jax.Array) -> jax.Array:
        return -softplus(-z)

    @staticmethod
    def standard_cumulative_hazard(z: jax.Array) -> jax.Array:
        return softplus(z)

    @staticmethod
    def standard_quantile(share: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(share) - np.log1p(-share))

    @classmethod
    def standard_log_cumulative_hazard(cls, z: jax.Array) -> jax.Array:
        return log_softplus(z)

    @classmethod
    def standard_log_increment(cls, z: jax.Array, top: jax.Array, width: jax.Array) -> jax.Array:
        """Log of log(1 + F(z) (exp(width) - 1)): no difference of large numbers."""
        return log_softplus(log_expm1(width) - softplus(-z))

    @staticmethod
    def standard_inverse(target: jax.Array) -> jax.Array:
        return log_expm1(target)


class NormalNoise(Noise):
    """The normal distribution: lognormal in log time, normal."""

    @staticmethod
    def standard_log_hazard(z: jax.Array) -> jax.Array:
        return log_normal_hazard(z)

    @staticmethod
    def standard_cumulative_hazard(z: jax.Array) -> jax.Array:
        return -log_upper_tail(z)

    @staticmethod
    def standard_quantile(share: np.ndarray) -> np.ndarray:
        found = [NormalDist().inv_cdf(float(q)) for q in np.ravel(share)]
        return np.array(found).reshape(np.shape(share))

    @classmethod
    def standard_log_cumulative_hazard(cls, z: jax.Array) -> jax.Array:
        return log_normal_cumulative_hazard(z)

    @classmethod
    def standard_log_increment(cls, z: jax.Array, top: jax.Array, width: jax.Array) -> jax.Array:
        return log_normal_increment(z, width)

    @classmethod
    def standard_log_long_increment(
        cls, z: jax.Array, top: jax.Array, width: jax.Array
    ) -> jax.Array:
        return log_long_increment(z, top, width)

    @staticmethod
    def standard_inverse(target: jax.Array) -> jax.Array:
        return normal_inverse(target)
