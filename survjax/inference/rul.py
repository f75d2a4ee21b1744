"""Prediction intervals: where the realized remaining life of a unit will fall."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax._core.numerics import bucket_size
from survjax._core.pytree import ravel_parameters
from survjax.inference.curves import UNITS
from survjax.lifetimes import Lifetime

#: Gauss-Hermite nodes for the average over the uncertainty of the fit.
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


@partial(jax.jit, static_argnames=("n_rounds",))
def _solve(
    lifetime: Lifetime, covariance: Any, ages: Any, share: Any, n_rounds: int = 6
) -> jax.Array:
    """Remaining life at which the predictive failed share reaches `share`, for blocks of ages.

    The predictive share averages 1 - exp(-exp(y)) over y = log H(s | age), taken as normal
    around its estimate with its delta-method error. That error varies slowly with s: each round
    solves for y with the error held, finds the s that has it, and takes the error there.
    """
    vector, unravel = ravel_parameters(lifetime)
    per_unit = jax.vmap(unravel, in_axes=1, out_axes=-1)

    def block(ages: jax.Array) -> jax.Array:
        wide = jnp.broadcast_to(vector[:, None], (vector.size, ages.size))
        rest = per_unit(wide).given(ages)

        def error_at(s: jax.Array) -> jax.Array:
            def total(wide: jax.Array) -> jax.Array:
                return jnp.sum(jnp.log(per_unit(wide).given(ages).cumulative_hazard(s)))

            slope = jax.grad(total)(wide)
            return jnp.sqrt(jnp.sum((covariance @ slope) * slope, axis=0))

        def again(_: int, s: jax.Array) -> jax.Array:
            y = _log_hazard_with_share(share, error_at(s))
            return rest.inverse_cumulative_hazard(jnp.exp(y))

        point = rest.inverse_cumulative_hazard(jnp.full(ages.shape, -jnp.log1p(-share)))
        return lax.fori_loop(0, n_rounds, again, point)

    return lax.map(block, ages)


def _log_hazard_with_share(share: jax.Array, error: jax.Array) -> jax.Array:
    """The center y for which 1 - exp(-exp(y + error Z)) averages to `share`, Z normal."""
    nodes, weights = jnp.asarray(NODES)[:, None], jnp.asarray(WEIGHTS)[:, None]
    error = jnp.minimum(jnp.where(jnp.isfinite(error), error, 0.0), 30.0)

    def average(y: jax.Array) -> jax.Array:
        return jnp.sum(weights * -jnp.expm1(-jnp.exp(jnp.minimum(y + error * nodes, 50.0))), 0)

    def halve(_: int, bracket: Any) -> Any:
        low, high = bracket
        middle = 0.5 * (low + high)
        below = average(middle) < share
        return jnp.where(below, middle, low), jnp.where(below, high, middle)

    center = jnp.log(-jnp.log1p(-share)) + 0.0 * error
    width = 1.0 + 8.0 * error
    low, high = lax.fori_loop(0, 40, halve, (center - width, center + width))
    return 0.5 * (low + high)


def prediction_interval(
    lifetime: Lifetime, covariance: np.ndarray, ages: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (n,), (n,) that hold the realized remaining life with probability `level`."""
    n = ages.shape[0]
    size = bucket_size(n) if n <= UNITS else -(-bucket_size(n) // UNITS) * UNITS
    blocks = np.pad(ages, (0, size - n), mode="edge").reshape(-1, min(size, UNITS))
    tail = 0.5 - level / 2
    low, high = (
        np.asarray(_solve(lifetime, covariance, blocks, share)).ravel()[:n]
        for share in (tail, 1.0 - tail)
    )
    return low, high
