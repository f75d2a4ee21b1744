"""What every lifetime says at time zero, at infinity, and of what is no time."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from survjax._core.pytree import compiled_method


def inside_life(t: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Whether 0 < t < inf, and times that are so everywhere: the rest is replaced by one.

    A formula gets the second, and its value is kept where the first is true: so that no infinite
    or NaN intermediate value reaches a gradient.
    """
    inside = (t > 0) & (t < jnp.inf)
    return inside, jnp.where(inside, t, 1.0)


def outside_life(t: jax.Array) -> jax.Array:
    """A cumulative hazard outside of 0 < t < inf: 0 up to zero, infinite at the end, NaN of NaN."""
    return lax.stop_gradient(jnp.maximum(t, 0.0))


def outside_targets(target: jax.Array) -> jax.Array:
    """The time at which H is 0 or infinite: 0 or infinity; no time for less than 0, or for NaN."""
    return jnp.where(target == 0, 0.0, jnp.where(target > 0, jnp.inf, jnp.nan))


def log_hazard_outside(t: jax.Array, at_zero: ArrayLike, at_end: ArrayLike = -jnp.inf) -> jax.Array:
    """A log hazard outside of 0 < t < inf: nothing fails before time zero; NaN of NaN."""
    other = jnp.where(t < 0, -jnp.inf, jnp.where(t > 0, at_end, jnp.nan))
    return jnp.where(t == 0, at_zero, other)


def exp_to_infinity(log_value: jax.Array) -> jax.Array:
    """Compute exp(log_value); its gradient is not NaN where it is infinite or NaN and left out."""
    finite = log_value < jnp.inf
    other = lax.stop_gradient(log_value)
    return jnp.where(finite, jnp.exp(jnp.where(finite, log_value, 0.0)), other)


def times_exp(amount: jax.Array, log_factor: jax.Array) -> jax.Array:
    """A positive finite amount times exp(log_factor), which may be 0 or infinite."""
    return exp_to_infinity(jnp.log(amount) + log_factor)


def with_age_limits(
    residual_mean: Callable[[Any, jax.Array], jax.Array],
) -> Callable[[Any, ArrayLike], jax.Array]:
    """Complete a mean remaining life, written for ages 0 <= age < inf.

    As the age grows without bound, the mean remaining life tends to one over the limit of the
    hazard. Of a negative age, which no unit can have reached, and of NaN it is NaN.
    """

    @compiled_method
    @wraps(residual_mean)
    def complete(self: Any, age: ArrayLike) -> jax.Array:
        age = jnp.asarray(age)
        usual = (age >= 0) & (age < jnp.inf)
        value = residual_mean(self, jnp.where(usual, age, 0.0))
        limit = exp_to_infinity(-self.final_log_hazard())
        return jnp.where(usual, value, jnp.where(age > 0, limit, jnp.nan))

    return complete
