"""Climbs of a mixture's likelihood inside a compiled program, for many data sets side by side."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from survjax._core.numerics import bucket_size
from survjax._core.observations import Observations
from survjax._core.programs import program
from survjax.inference.likelihood import BLOCK, derivatives
from survjax.lifetimes import Mixture, Weibull
from survjax.optimize import ResultCode
from survjax.optimize.newton import NewtonState, advance, init


def weibulls(x: Any) -> Mixture:
    """The mixture whose raveled parameters are x (3K - 1,): logits, log scales, log shapes."""
    k = (x.shape[-1] + 1) // 3
    return Mixture(x[: k - 1], Weibull(x[k - 1 : 2 * k - 1], x[2 * k - 1 :]))


def penalized_derivatives(
    x: jax.Array, rows: Observations, amount: jax.Array, reference: jax.Array
) -> tuple[Any, Any, Any]:
    """Minus the log-likelihood plus `amount` times the penalty, with gradient and Hessian.

    The penalty on each shape is r - 1 - log r, r = (shape / reference)^2, `reference` on the log
    scale.
    """
    k = (x.shape[-1] + 1) // 3
    value, gradient, hessian = derivatives(weibulls(x), rows)
    log_ratio = 2.0 * (x[2 * k - 1 :] - reference)
    ratio = jnp.exp(jnp.minimum(log_ratio, 600.0))
    value = -value + amount * jnp.sum(ratio - 1.0 - log_ratio)
    gradient = -gradient.at[2 * k - 1 :].add(-2.0 * amount * (ratio - 1.0))
    at = jnp.arange(2 * k - 1, 3 * k - 1)
    return value, gradient, -hessian.at[at, at].add(-4.0 * amount * ratio)


@program(static_argnames=("max_iter",))
def climb(
    starts: jax.Array, rows: Observations, max_shape: jax.Array, tol: Any, max_iter: int
) -> NewtonState:
    """Newton iterations from each start (B, p); a climb toward a collapse ends as stalled."""
    k = (starts.shape[-1] + 1) // 3

    def lane(start: jax.Array) -> NewtonState:
        def body(state: NewtonState) -> NewtonState:
            value, gradient, hessian = derivatives(weibulls(state.trial), rows)
            found = -value, -gradient, -hessian
            state = advance(state, *found, tol=tol, max_iter=max_iter, max_step=3.0)
            steep = jnp.max(state.x[2 * k - 1 :]) > jnp.log(max_shape) + 1.0
            code = jnp.where(steep, int(ResultCode.STALLED), state.code)
            return dataclasses.replace(state, code=code)

        return lax.while_loop(lambda s: s.code == int(ResultCode.RUNNING), body, init(start, 1.0))

    return jax.vmap(lane)(starts)


def padded(rows: Observations) -> Observations:
    """Rows filled up to a size that others share, whole blocks where there are several."""
    size = bucket_size(rows.n_rows)
    return rows.padded(size if size <= BLOCK else -(-size // BLOCK) * BLOCK)
