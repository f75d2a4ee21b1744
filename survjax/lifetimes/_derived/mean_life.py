"""The mean of a lifetime: its survival, integrated by quadrature over the half line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax import lax

from survjax._core.quadrature import HALF_LINE_NODES, HALF_LINE_WEIGHTS
from survjax.lifetimes._derived.inverse import hazard_shape

if TYPE_CHECKING:
    from survjax.lifetimes._base import Lifetime

#: A cumulative hazard that no unit lives through.
LAST_HAZARD = 60.0


def mean_life(rest: Lifetime, shape: tuple[int, ...], every: int = 1) -> jax.Array:
    """Mean of a lifetime, or of the lifetimes that its parameters broadcast to: of this shape.

    `every` second node leaves 1e-9 of a mean, at half the time.
    """
    # The median sets the scale; its derivative would cancel, so it is held. No later time is
    # looked at than one that nothing reaches: a hazard may overflow there, and its derivatives
    # with it. Both are found by one search.
    shape = jnp.broadcast_shapes(shape, hazard_shape(rest))
    targets = jnp.array([math.log(2.0), LAST_HAZARD]).reshape(2, *(1,) * len(shape))
    times = rest.inverse_cumulative_hazard(jnp.broadcast_to(targets, (2, *shape)))
    scale, last = lax.stop_gradient(times)
    most = jnp.finfo(last.dtype).max / 4.0
    last = jnp.where(last < most, last, most)

    def term(node: jax.Array, weight: jax.Array) -> jax.Array:
        time = scale * node
        alive = jnp.exp(-rest.cumulative_hazard(jnp.minimum(time, last)))
        return jnp.where(time < last, weight * alive, 0.0)

    # All in the precision that is on, whatever a compiled search was traced in.
    scale = scale.astype(jax.dtypes.canonicalize_dtype(scale.dtype))
    nodes, weights = (
        jnp.asarray(part[::every]).astype(scale.dtype)
        for part in (HALF_LINE_NODES, every * HALF_LINE_WEIGHTS)
    )
    total = lax.scan(lambda s, nw: (s + term(*nw), None), 0.0 * scale, (nodes, weights))[0]
    return scale * total
