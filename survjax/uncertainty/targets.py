"""What can be bounded, with its derivatives: natural parameters, and curves at a point."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax._core.programs import program
from survjax._core.pytree import data, pytree, ravel_parameters
from survjax.lifetimes import Lifetime
from survjax.prediction.curves import link_value
from survjax.uncertainty.delta import link_values


@pytree
class Target:
    """What to bound: an entry of `link_values`, or a curve at t, perhaps given an age."""

    index: Any = data(default=None)
    t: Any = data(default=None)
    age: Any = data(default=None)


def _value(
    unravel: Any, x: jax.Array, curve: str, target: Target, log_time: Any = None
) -> jax.Array:
    """A target on its unbounded scale; for a quantile, log H at a log time instead."""
    if curve == "natural":
        return link_values(unravel(x))[target.index]
    rest = unravel(x)
    rest = rest if target.age is None else rest.given(target.age)
    if curve == "quantile":
        return jnp.log(rest.cumulative_hazard(jnp.exp(log_time)))
    return link_value(rest, curve, target.t)


def value_of(unravel: Any, x: jax.Array, curve: str, target: Target) -> jax.Array:
    """A target on its unbounded scale at the vector x (p,)."""
    if curve == "quantile":
        rest = unravel(x)
        rest = rest if target.age is None else rest.given(target.age)
        return jnp.log(rest.quantile(target.t))
    return _value(unravel, x, curve, target)


def expansion(unravel: Any, x: jax.Array, curve: str, target: Target) -> tuple[Any, Any, Any]:
    """A target on its unbounded scale, with gradient and Hessian in the vector x (p,)."""
    if curve != "quantile":
        return _expand(lambda x: _value(unravel, x, curve, target), x)
    # The quantile solves log H(y; x) = goal for y = log t; its derivatives follow from those of
    # log H in (x, y) by the implicit function theorem.
    y = value_of(unravel, lax.stop_gradient(x), curve, target)
    _, first, second = _expand(
        lambda z: _value(unravel, z[:-1], curve, target, z[-1]), jnp.append(x, y)
    )
    slope = -first[:-1] / first[-1]
    mixed = jnp.outer(second[:-1, -1], slope)
    curved = second[:-1, :-1] + mixed + mixed.T + second[-1, -1] * jnp.outer(slope, slope)
    return y, slope, -curved / first[-1]


def _expand(function: Any, at: jax.Array) -> tuple[Any, Any, Any]:
    """Value, gradient and Hessian of a scalar function in one pass."""

    def with_value(at: jax.Array) -> Any:
        both = jax.value_and_grad(function)(at)
        return both[1], both

    curvature, (value, slope) = jax.jacfwd(with_value, has_aux=True)(at)
    return value, slope, curvature


@program(static_argnames=("curve",))
def _linear(lifetime: Lifetime, targets: Target, *, curve: str) -> tuple[jax.Array, jax.Array]:
    """Values (m,) and slopes (m, p) of targets on the link scale."""
    x, unravel = ravel_parameters(lifetime)
    return jax.vmap(lambda target: expansion(unravel, x, curve, target)[:2])(targets)


@program(static_argnames=("curve",))
def target_expansion(
    lifetime: Lifetime, target: Target, *, curve: str
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """A target on the link scale with gradient (p,) and Hessian (p, p) in a lifetime's vector."""
    x, unravel = ravel_parameters(lifetime)
    found: tuple[jax.Array, jax.Array, jax.Array] = expansion(unravel, x, curve, target)
    return found


def target_errors(
    lifetime: Lifetime, covariance: np.ndarray, targets: Target, *, curve: str
) -> tuple[np.ndarray, np.ndarray]:
    """Values and delta-method errors (m,) of targets on the link scale."""
    values, slopes = (np.asarray(part) for part in _linear(lifetime, targets, curve=curve))
    variance = np.einsum("mp,pq,mq->m", slopes, covariance, slopes)
    return values, np.sqrt(np.maximum(variance, 0.0))
