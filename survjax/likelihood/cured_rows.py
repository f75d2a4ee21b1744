"""Derivatives of the likelihood beside a share of cured units: one more component, without a life.

A cured unit still runs with certainty, and has not failed. As the last of the components it enters
Louis's identity as they do; its logit over all that can fail is then one over the first component.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.numerics import softplus
from survjax.data.observations import Observations
from survjax.likelihood.row_derivatives import RowDerivatives

#: The log of a probability of zero, as a number.
NEVER = -1e300


def never_fails(rows: Observations) -> RowDerivatives:
    """Terms (1, n) of units that never fail, which have no parameter."""
    seen = rows.event if rows.interval is None else rows.event + rows.interval
    value = jnp.where(seen > 0, NEVER, 0.0)[None]
    nothing = jnp.zeros((0, *value.shape))
    return RowDerivatives(value, nothing, nothing)


def log_weights_beside(log_weights: jax.Array, logit: jax.Array) -> jax.Array:
    """Logs of the weights (K + 1, ...) of components, (K, ...) among themselves, and of the cured.

    Weights, and the cured share's logit, may have rows last.
    """
    can_fail = log_weights - softplus(logit)
    cured = jnp.broadcast_to(-softplus(-logit), can_fail.shape[1:])
    return jnp.concatenate([can_fail, cured[None]])


def over_all_that_can_fail(
    gradient: jax.Array, hessian: jax.Array, log_weights: jax.Array
) -> tuple[Any, Any]:
    """Gradient and Hessian in the logits, the parameters, and the cured share's logit a, the last.

    They are given in the logits l of the components, c, the cured share's over the first component,
    and the parameters; all may have rows last. c = a + log sum exp(l), whose slopes in l are the
    weights.
    """
    n_logits, size = log_weights.shape[0] - 1, gradient.shape[0]
    rows = gradient.shape[1:]
    weights = jnp.broadcast_to(jnp.exp(log_weights)[1:], (n_logits, *rows))
    # Rows of the Jacobian: the given entries; columns: those asked for, the last of which is a.
    order = jnp.concatenate([jnp.arange(n_logits), jnp.arange(n_logits, size)[1:]])
    jacobian = jnp.zeros_like(hessian).at[order, jnp.arange(order.shape[0])].set(1.0)
    jacobian = jacobian.at[n_logits, :n_logits].set(weights).at[n_logits, -1].set(1.0)
    own = np.eye(n_logits).reshape(n_logits, n_logits, *(1 for _ in rows)) * weights[:, None]
    curvature = jnp.zeros_like(hessian)
    curvature = curvature.at[:n_logits, :n_logits].set(own - weights[:, None] * weights[None])
    found = jnp.einsum("ca...,cd...->ad...", jacobian, hessian)
    found = jnp.einsum("ad...,db...->ab...", found, jacobian) + gradient[n_logits] * curvature
    return jnp.einsum("ca...,c...->a...", jacobian, gradient), found
