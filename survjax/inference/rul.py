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
from survjax.lifetimes import Lifetime

#: Gauss-Hermite nodes for the average over the uncertainty of the fit.
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


@partial(jax.jit, static_argnames=("n_steps",))
def _solve(
    lifetime: Lifetime, covariance: Any, ages: Any, target: Any, n_steps: int = 60
) -> jax.Array:
    """Remaining life at which the predictive failed share reaches a target, for each age.

    The predictive share averages 1 - exp(-exp(y)) over y = log H(s | age), taken as normal
    around its estimate with its delta-method error.
    """
    vector, unravel = ravel_parameters(lifetime)
    nodes, weights = jnp.asarray(NODES), jnp.asarray(WEIGHTS)

    def failed(x: jax.Array) -> jax.Array:
        def log_hazard_of(vector: jax.Array) -> jax.Array:
            return jnp.log(unravel(vector).given(ages).cumulative_hazard(jnp.exp(x)))

        y, push = jax.linearize(log_hazard_of, vector)
        jacobian = jax.vmap(push)(jnp.eye(vector.size))
        error = jnp.sqrt(jnp.einsum("pn,pq,qn->n", jacobian, covariance, jacobian))
        spread = y + nodes[:, None] * error
        return jnp.sum(weights[:, None] * -jnp.expm1(-jnp.exp(jnp.minimum(spread, 600.0))), axis=0)

    point = jnp.log(lifetime.given(ages).quantile(target))

    def halve(_: int, bracket: Any) -> Any:
        low, high = bracket
        middle = 0.5 * (low + high)
        below = failed(middle) < target
        return jnp.where(below, middle, low), jnp.where(below, high, middle)

    low, high = lax.fori_loop(0, n_steps, halve, (point - 8.0, point + 8.0))
    return jnp.exp(0.5 * (low + high))


def prediction_interval(
    lifetime: Lifetime, covariance: np.ndarray, ages: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (n,), (n,) that hold the realized remaining life with probability `level`."""
    n = ages.shape[0]
    wide = np.pad(ages, (0, bucket_size(n) - n), mode="edge")
    tail = 0.5 - level / 2
    low, high = (
        np.asarray(_solve(lifetime, covariance, wide, share, n_steps=48))[:n]
        for share in (tail, 1.0 - tail)
    )
    return low, high
