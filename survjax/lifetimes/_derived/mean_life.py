"""The mean of a lifetime: its survival, integrated by quadrature over the half line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax._core.quadrature import (
    HALF_LINE_NODES,
    HALF_LINE_WEIGHTS,
    LOG_UNIT_NODES,
    LOG_UNIT_WEIGHTS,
)
from survjax.lifetimes._derived.inverse import hazard_shape

if TYPE_CHECKING:
    from survjax.lifetimes._base import Lifetime

#: A cumulative hazard that no unit lives through.
LAST_HAZARD = 60.0
#: Nodes up to the median, in units of it, every second of those for steep integrands; and beyond.
EARLY = np.repeat([True, False], [LOG_UNIT_NODES[::2].size, HALF_LINE_NODES.size])
NODES = np.concatenate([np.exp(LOG_UNIT_NODES[::2]), HALF_LINE_NODES])
WEIGHTS = np.concatenate([2.0 * np.exp(LOG_UNIT_WEIGHTS[::2]), HALF_LINE_WEIGHTS])


def mean_life(rest: Lifetime, shape: tuple[int, ...], every: int = 1) -> jax.Array:
    """Mean of a lifetime, or of the lifetimes that its parameters broadcast to: of this shape.

    `every` second node leaves 1e-9 of a mean, at half the time.
    """
    # The median parts the time, so that however steeply units fail there, the nodes of both parts
    # are close together; how long another unit of hazard takes is the scale beyond it. Derivatives
    # of both would cancel, so they are held. No later time is looked at than one that nothing
    # reaches: a hazard may overflow there, and its derivatives with it. One search finds all.
    shape = jnp.broadcast_shapes(shape, hazard_shape(rest))
    targets = jnp.array([math.log(2.0), 1.0 + math.log(2.0), LAST_HAZARD])
    targets = jnp.broadcast_to(targets.reshape(3, *(1,) * len(shape)), (3, *shape))
    median, beyond, last = lax.stop_gradient(rest.inverse_cumulative_hazard(targets))
    # All in the precision that is on, whatever a compiled search was traced in.
    median = median.astype(jax.dtypes.canonicalize_dtype(median.dtype))
    scale = (beyond - median).astype(median.dtype)
    most = jnp.finfo(last.dtype).max / 4.0
    last = jnp.where(last < most, last, most)

    def add(sums: jax.Array, part: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        early, node, weight = part
        time = jnp.where(early, median * node, median + scale * node)
        alive = jnp.exp(-rest.cumulative_hazard(jnp.minimum(time, last)))
        term = jnp.where(time < last, weight * alive, 0.0)
        return sums + jnp.stack([jnp.where(early, term, 0.0), jnp.where(early, 0.0, term)]), None

    parts = [jnp.asarray(part[::every]) for part in (EARLY, NODES, every * WEIGHTS)]
    nodes = (parts[0], *(part.astype(median.dtype) for part in parts[1:]))
    sums = lax.scan(add, jnp.stack([0.0 * median, 0.0 * median]), nodes)[0]
    return median * sums[0] + scale * sums[1]
