"""The member of a family whose quantiles are nearest to given ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.programs import program
from survjax._core.pytree import parameter_items, ravel_parameters
from survjax.optimize import newton

if TYPE_CHECKING:
    from survjax.lifetimes._base import Lifetime


def nearest_quantiles(lifetime: Lifetime, shares: jax.Array, times: jax.Array) -> Lifetime:
    """`Lifetime.with_quantiles` by least squares, for any family.

    In log H(times), from the lifetime's parameters, or from the best of those that other units of
    time would make of them: each parameter whose name begins with `log_` stays, or follows the
    unit, or its inverse. A family overrides this where the answer is a formula.
    """
    x, unravel = ravel_parameters(lifetime)
    hazards = -np.log1p(-np.asarray(shares, float))
    given = np.asarray(x) + _unit_changes(lifetime, times), np.log(hazards), np.asarray(times)
    return unravel(_nearest(lifetime, *(np.asarray(part, x.dtype) for part in given)))


@program
def _nearest(lifetime: Lifetime, starts: jax.Array, goal: jax.Array, at: jax.Array) -> jax.Array:
    """Parameters (p,) whose logs of hazards at some times are nearest to a goal, by Newton."""
    unravel = ravel_parameters(lifetime)[1]

    def distance(x: jax.Array) -> jax.Array:
        hazard = unravel(x).cumulative_hazard(at)
        gap = jnp.log(jnp.maximum(hazard, jnp.finfo(hazard.dtype).tiny)) - goal
        return jnp.sum(jnp.log1p(gap**2))

    values = jax.vmap(distance)(starts)
    best = starts[jnp.argmin(jnp.where(jnp.isfinite(values), values, jnp.inf))]
    return newton(distance, best, tol=1e-3, max_iter=50, max_step=2.0).parameters


def _unit_changes(lifetime: Lifetime, times: jax.Array) -> np.ndarray:
    """What other units of time, and signs, may add to the parameters: (m, p)."""
    change = float(np.log(np.median(times)))
    signs: list[np.ndarray] = []
    for name, value in parameter_items(lifetime):
        moves = name.rpartition(".")[2].startswith("log_")
        for _ in range(int(np.size(value))):
            signs.append(np.array([0.0, -1.0, 1.0]) if moves and len(signs) < 4 else np.zeros(1))
    grid = np.stack(np.meshgrid(*signs, indexing="ij"), axis=-1).reshape(-1, len(signs))
    steps = np.concatenate([share * grid for share in (1.0, 0.75, 0.5)])
    return change * np.unique(steps, axis=0)
