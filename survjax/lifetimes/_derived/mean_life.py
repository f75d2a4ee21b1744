"""The mean of a lifetime: its survival, integrated by quadrature over the half line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax import lax

from survjax._core.quadrature import LOG_UNIT_NODES, LOG_UNIT_WEIGHTS
from survjax.lifetimes._derived.inverse import hazard_shape

if TYPE_CHECKING:
    from survjax.lifetimes._base import Lifetime

#: A cumulative hazard that no unit lives through; beyond it survival is as good as a power of time.
LAST_HAZARD = 80.0
#: A power of time beyond the first by which survivals must die out for means to be finite.
LEAST_POWER = 1e-8


def mean_life(rest: Lifetime, shape: tuple[int, ...]) -> jax.Array:
    """Mean of a lifetime, or of the lifetimes that its parameters broadcast to: of this shape."""
    # The median parts the time, so that however steeply units fail there, the nodes of both parts
    # are close together; how long another unit of hazard takes is the scale beyond it, where nodes
    # are in log time: no tail is too long. Derivatives of both would cancel, so they are held. No
    # later time is looked at than one that nothing reaches: a hazard may overflow there, and its
    # derivatives with it. One search finds all.
    shape = jnp.broadcast_shapes(shape, hazard_shape(rest))
    spread = (3, *(1,) * len(shape))
    numbers = jnp.finfo(jnp.result_type(float))
    last_hazard = min(LAST_HAZARD, -0.99 * math.log(float(numbers.tiny)))
    targets = jnp.array([math.log(2.0), 1.0 + math.log(2.0), last_hazard]).reshape(spread)
    ends = rest.inverse_cumulative_hazard(jnp.broadcast_to(targets, (3, *shape)))
    # Of units of which a share never fails any finite times serve: the mean is infinite.
    latest = float(numbers.max) * jnp.array([0.0625, 0.125, 0.25]).reshape(spread)
    ends = lax.stop_gradient(jnp.minimum(ends, latest))
    # All in the precision that is on, whatever a compiled search was traced in.
    median, beyond, last = ends.astype(jax.dtypes.canonicalize_dtype(ends.dtype))
    scale = beyond - median
    span = jnp.log1p((last - median) / scale)

    def add(sums: jax.Array, part: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        log_node, log_weight = part
        node, weight = jnp.exp(log_node), jnp.exp(log_weight)
        times = jnp.stack([median * node, median + scale * jnp.expm1(span * node)])
        widths = jnp.stack([median, scale * span * jnp.exp(span * node)])
        return sums + weight * widths * jnp.exp(-rest.cumulative_hazard(times)), None

    # Every second node leaves 1e-13.
    parts = LOG_UNIT_NODES[::2], LOG_UNIT_WEIGHTS[::2] + math.log(2.0)
    nodes = tuple(jnp.asarray(part, span.dtype) for part in parts)
    mean = jnp.sum(lax.scan(add, jnp.zeros((2, *shape), span.dtype), nodes)[0], axis=0)
    return mean + _beyond(rest, last, mean)


def _beyond(rest: Lifetime, last: jax.Array, mean: jax.Array) -> jax.Array:
    """What the mean gains after a time: t S / (t h - 1), as if survival were a power of time."""
    hazards = rest.log_hazard(last), rest.cumulative_hazard(last)
    left = last * jnp.exp(-hazards[1])
    some = left > jnp.finfo(mean.dtype).eps * mean
    power = jnp.exp(jnp.where(some, hazards[0] + jnp.log(last), 1.0)) - 1.0
    finite = power > LEAST_POWER
    tail = jnp.where(finite, left / jnp.where(finite, power, 1.0), jnp.inf)
    return jnp.where(some, tail, 0.0)
