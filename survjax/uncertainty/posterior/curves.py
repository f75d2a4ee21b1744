"""Curves at posterior draws, and the law of a life that averages over them."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax._core.numerics import bucket_size
from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.lifetimes import Lifetime
from survjax.prediction.curves import SAME
from survjax.uncertainty.targets import Target, value_of

#: Draws that go side by side, and the largest log time that is one.
SIDE_BY_SIDE, LAST = 32, 690.0


@program(static_argnames=("curve",))
def _at_draws(lifetime: Lifetime, points: jax.Array, targets: Target, *, curve: str) -> jax.Array:
    """Targets (m,) on the link scale at each point (B, p): (B, m)."""
    _, unravel = ravel_parameters(lifetime)

    def one(x: jax.Array) -> jax.Array:
        return jax.vmap(partial(value_of, unravel, x, curve))(targets)

    return lax.map(one, points, batch_size=SIDE_BY_SIDE)


@program
def _mean_survival(
    lifetime: Lifetime, points: jax.Array, lives: jax.Array, ages: jax.Array
) -> jax.Array:
    """Survival (m,) of lives (m,) beyond ages, averaged over the points (B, p)."""
    _, unravel = ravel_parameters(lifetime)

    def add(total: jax.Array, x: jax.Array) -> tuple[jax.Array, None]:
        return total + unravel(x).given(ages).survival(lives), None

    return lax.scan(add, jnp.zeros_like(lives), points)[0] / points.shape[0]


def at_draws(
    lifetime: Lifetime, points: np.ndarray, curve: str, t: np.ndarray, ages: np.ndarray
) -> np.ndarray:
    """A curve of the remaining life on its link scale, (B, m), at draws (B, p).

    Parameters
    ----------
    lifetime : Lifetime
        Any member of the family.
    points : array of shape (B, p)
        Unconstrained parameters.
    curve : str
        As in `survjax.prediction.curves`.
    t, ages : arrays of shape (m,)
        Where, and the ages reached.
    """
    m = t.size
    targets = Target(t=_wide(t), age=_wide(ages) if ages.any() else None)
    found = _at_draws(lifetime, points, targets, curve=SAME.get(curve, curve))
    return np.asarray(found)[:, :m]


def predictive_quantile(
    lifetime: Lifetime, points: np.ndarray, share: float, ages: np.ndarray
) -> np.ndarray:
    """Remaining lives (m,) by which a share of units of those ages fails, over all draws.

    It lies between the least and the greatest of the draws' own quantiles, and is found by halves
    in log time.
    """
    each = at_draws(lifetime, points, "quantile", np.full(ages.shape, share), ages)
    low = np.clip(each.min(axis=0), -LAST, LAST)
    high = np.clip(each.max(axis=0), -LAST, LAST)
    wide = _wide(ages)
    for _ in range(60):
        middle = 0.5 * (low + high)
        alive = np.asarray(_mean_survival(lifetime, points, _wide(np.exp(middle)), wide))
        early = alive[: ages.size] > 1.0 - share
        low, high = np.where(early, middle, low), np.where(early, high, middle)
    middle = 0.5 * (low + high)
    return np.where(middle > LAST - 1.0, np.inf, np.exp(middle))


def _wide(values: np.ndarray) -> np.ndarray:
    """Values filled up to a size that others share."""
    return np.pad(values, (0, bucket_size(values.size) - values.size), mode="edge")
