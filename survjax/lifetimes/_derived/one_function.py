"""The hazard of a lifetime from its integral, and its limits at both ends of time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from survjax.lifetimes._limits import inside_life, log_hazard_outside

#: A log hazard that moves by more than this where time goes from the root of the smallest (or
#: largest) number to that number has no finite limit.
STILL_MOVING = 1.0


def passed(cumulative_hazard: Callable[[Any], jax.Array], start: jax.Array) -> jax.Array:
    """H at a start, with derivatives in parameters at time zero as well.

    A power of time has none there: they are those just behind it.
    """
    begun = start > 0
    # A little above the smallest number, which is none any more in another unit of time.
    least = float(jnp.finfo(start.dtype).tiny) ** 0.9
    near = cumulative_hazard(jnp.where(begun, start, least))
    at_zero = lax.stop_gradient(cumulative_hazard(jnp.zeros_like(start)) - near)
    return near + jnp.where(begun | jnp.isnan(at_zero), 0.0, at_zero)


def log_slope(cumulative_hazard: Callable[[Any], jax.Array], t: ArrayLike) -> jax.Array:
    """Log of the hazard, the derivative of H, at any time; -inf where H is level."""

    def log_hazard(time: jax.Array) -> jax.Array:
        slope = jax.jvp(cumulative_hazard, (time,), (jnp.ones_like(time),))[1]
        some = slope > 0
        value = jnp.log(jnp.where(some, slope, 1.0))
        return jnp.where(some, value, jnp.where(slope == 0, -jnp.inf, jnp.nan))

    return with_limits(log_hazard, t)


def with_limits(log_hazard: Callable[[Any], jax.Array], t: ArrayLike) -> jax.Array:
    """A log hazard that is written for 0 < t < inf, at any time.

    At zero and at infinity, where a formula may be no number, it is the limit that hazards at the
    smallest and largest times show.
    """
    t = jnp.asarray(t)
    t = t.astype(jnp.result_type(t, float))
    inside, safe = inside_life(t)

    def limit(end: float, near: float) -> jax.Array:
        last, before = (
            lax.stop_gradient(log_hazard(jnp.full_like(t, time))) for time in (end, near)
        )
        moved = jnp.where(last == before, 0.0, last - before)
        runs = jnp.abs(moved) > STILL_MOVING
        return jnp.where(runs, jnp.where(moved > 0, jnp.inf, -jnp.inf), last)

    tiny, most = float(jnp.finfo(t.dtype).tiny), float(jnp.finfo(t.dtype).max) / 4.0
    outside = log_hazard_outside(t, limit(tiny, tiny**0.5), limit(most, most**0.5))
    return jnp.where(inside, log_hazard(safe), outside)
