"""Prediction intervals: where the realized remaining life of a unit will fall."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax._core.numerics import bucket_size
from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.lifetimes import Lifetime
from survjax.prediction.curves import UNITS
from survjax.prediction.points import FEW, log_hazards, log_times_at
from survjax.prediction.predictive import centers, where_reached


@program
def _solve(
    lifetime: Lifetime, covariance: jax.Array, ages: jax.Array, share: jax.Array, table: jax.Array
) -> jax.Array:
    """Remaining life at which the predictive failed share reaches `share`, for blocks of ages."""
    vector, unravel = ravel_parameters(lifetime)
    per_unit = jax.vmap(unravel, in_axes=1, out_axes=-1)

    def block(ages: jax.Array) -> jax.Array:
        wide = jnp.broadcast_to(vector[:, None], (vector.size, ages.size))
        rest = per_unit(wide).given(ages)

        def at(life: jax.Array) -> tuple[jax.Array, jax.Array]:
            def total(wide: jax.Array) -> tuple[jax.Array, jax.Array]:
                y = jnp.log(per_unit(wide).given(ages).cumulative_hazard(life))
                return jnp.sum(y), y

            (_, y), slope = jax.value_and_grad(total, has_aux=True)(wide)
            return y, jnp.sqrt(jnp.sum((covariance @ slope) * slope, axis=0))

        point = rest.inverse_cumulative_hazard(jnp.full(ages.shape, -jnp.log1p(-share)))
        return where_reached(at, point, table)

    return lax.map(block, ages)


def prediction_interval(
    lifetime: Lifetime, covariance: np.ndarray, ages: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (n,), (n,) that hold the realized remaining life with probability `level`."""
    if ages.size <= FEW:
        return _few(lifetime, covariance, ages, level)
    n = ages.shape[0]
    size = -(-bucket_size(n) // UNITS) * UNITS
    blocks = np.pad(ages, (0, size - n), mode="edge").reshape(-1, UNITS)
    tail = 0.5 - level / 2
    low, high = (
        np.asarray(_solve(lifetime, covariance, blocks, share, centers(share))).ravel()[:n]
        for share in (tail, 1.0 - tail)
    )
    return low, high


def _few(
    lifetime: Lifetime, covariance: np.ndarray, ages: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """The same for few units, by the search on the host."""

    def at(life: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y, slope, _ = log_hazards(lifetime, life, ages)
        return y, np.sqrt(np.sum((covariance @ slope) * slope, axis=0))

    def bound(share: float) -> np.ndarray:
        goal = np.full(ages.shape, np.log(-np.log1p(-share)))
        point = np.exp(log_times_at(lifetime, goal, ages))
        return np.asarray(where_reached(at, point, centers(share)))

    tail = 0.5 - level / 2
    # Lives so long or short that H leaves the range of numbers are seen, and taken out.
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        return bound(tail), bound(1.0 - tail)
