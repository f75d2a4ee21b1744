"""Minima that earlier starts of a run came to: a later one that comes near one ends there too."""

from __future__ import annotations

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
