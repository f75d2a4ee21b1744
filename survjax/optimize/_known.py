"""Minima that earlier starts of a run came to: a later one that comes near one ends there too."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from survjax._core.pytree import data, pytree
from survjax.optimize._solution import ResultCode
from survjax.optimize._trust import NewtonState

#: How near a start must be, in units of the minimum's curvature (standard errors of a likelihood).
NEAR = 2.0
#: What its next step may leave of the way, for it to be one of Newton's that lead there.
LEFT = 0.2
#: By how much of itself the fall to the minimum may differ from that of a quadratic function.
CURVED = 0.5


@pytree
class Known:
    """Minima that the starts so far came to, each at the place of its start.

    Attributes
    ----------
    x, value, hessian : arrays of shape (S, p), (S,), (S, p, p)
        Where they are, and the function there.
    is_minimum : array of shape (S,)
        Whether there is one.
    """

    x: jax.Array = data()
    value: jax.Array = data()
    hessian: jax.Array = data()
    is_minimum: jax.Array = data()

    @classmethod
    def nothing(cls, starts: jax.Array) -> Known:
        """None yet, of starts (S, p)."""
        n, p = starts.shape
        hessian = jnp.zeros((n, p, p), starts.dtype)
        return cls(jnp.zeros_like(starts), hessian[:, 0, 0], hessian, jnp.zeros(n, bool))

    def with_ends(self, ends: NewtonState, is_new: jax.Array, begin: jax.Array) -> Known:
        """The same with the ends of the starts from `begin` on, of which some are new."""
        converged, rounding = int(ResultCode.CONVERGED), int(ResultCode.ROUNDING)
        arrived = is_new & ((ends.code == converged) | (ends.code == rounding))
        own = Known(ends.x, ends.value, ends.hessian, arrived)
        found: Known = jax.tree.map(
            lambda all_, some: lax.dynamic_update_slice_in_dim(all_, some, begin, axis=0), self, own
        )
        return found

    def reached(self, state: NewtonState) -> jax.Array:
        """Which of the minima a start leads to from where it is, or -1.

        Its next step must leave little of the way to a near one, and the function fall toward that
        as a quadratic one does.
        """
        gaps = jnp.stack([state.x, state.trial])[:, None] - self.x
        curved = jnp.sum((gaps[..., None, :] * self.hessian).sum(-1) * gaps, axis=-1)
        plain = jnp.sum(gaps * gaps, axis=-1)
        fall = state.value - self.value
        near = self.is_minimum & (curved[0] <= NEAR**2)
        near &= (curved[1] <= LEFT**2 * curved[0]) & (plain[1] <= LEFT**2 * plain[0])
        near &= jnp.abs(fall - 0.5 * curved[0]) <= CURVED * 0.5 * curved[0]
        return jnp.where(jnp.any(near), jnp.argmax(near), -1)


def in_turn(
    from_start: Callable[[jax.Array, Known], tuple[NewtonState, Any, Any]],
    starts: jax.Array,
    width: int,
) -> tuple[NewtonState, Any]:
    """Iterations from each start (S, p), so many at a time, and their paths.

    `from_start` takes a start and what is known to where it ended, its path, and which of the known
    minima it came near, or -1.
    """
    n = len(starts)
    filled = jnp.pad(starts, ((0, -n % width), (0, 0)), constant_values=jnp.nan)

    def of_group(known: Known, i: jax.Array) -> tuple[Known, Any]:
        if width == 1:
            found = jax.tree.map(lambda a: a[None], from_start(filled[i], known))
        else:
            group = lax.dynamic_slice_in_dim(filled, i, width)
            found = jax.vmap(from_start, (0, None))(group, known)
        return known.with_ends(found[0], found[2] < 0, i), found

    groups = lax.scan(of_group, Known.nothing(filled), jnp.arange(0, len(filled), width))[1]
    state, path, reached = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[:n], groups)
    # Whoever came near another's end goes there with a last step.
    where = jnp.where(reached >= 0, reached, jnp.arange(n))
    n_iter = state.n_iter + (reached >= 0)
    state = dataclasses.replace(jax.tree.map(lambda a: a[where], state), n_iter=n_iter)
    if path is not None:
        path = path.at[jnp.arange(n), jnp.minimum(n_iter, path.shape[1] - 1)].set(state.x)
    return state, path
