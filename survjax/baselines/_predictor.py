"""Fits of one linear predictor per row: its derivatives from those of a scalar loss.

A model is a loss of (predictor, label), differentiated by JAX in its few predictors only; the
chain rule through `theta @ x` is the same for all: gradient X'l', Hessian X' l'' X.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import ArrayLike

from survjax._core.numerics import bucket_size
from survjax._core.programs import program
from survjax.baselines._rows import Rows
from survjax.optimize import Solution, gradient_descent, newton, optax_minimize

Loss = Callable[[Any, Any], Any]


def squared(eta: jax.Array, y: jax.Array) -> jax.Array:
    """Half the squared residual: a Gaussian's negative log-likelihood in units of sigma."""
    return 0.5 * (y - eta[0]) ** 2


def binary(eta: jax.Array, y: jax.Array) -> jax.Array:
    """Cross-entropy from the logit, finite for every finite logit."""
    return jax.nn.softplus(eta[0]) - y * eta[0]


def multinomial(eta: jax.Array, y: jax.Array) -> jax.Array:
    """Cross-entropy of K classes from K - 1 free coordinates of logits that sum to zero."""
    logits = contrasts(eta.shape[0] + 1) @ eta
    chosen = jnp.arange(logits.shape[0]) == y
    return jax.nn.logsumexp(logits) - jnp.sum(jnp.where(chosen, logits, 0.0))


def contrasts(n_classes: int) -> np.ndarray:
    """Orthonormal columns (K, K - 1) that sum to zero: lengths, and so a ridge, are kept."""
    helmert = np.tril(-np.ones((n_classes - 1, n_classes)))
    helmert[:, 1:] += np.diag(np.arange(1.0, n_classes))
    return (helmert / np.linalg.norm(helmert, axis=1, keepdims=True)).T


def value(loss: Loss, theta: jax.Array, rows: Rows, penalty: jax.Array) -> jax.Array:
    """Mean loss and penalty at theta (k, p)."""

    @jax.checkpoint
    def body(total: jax.Array, chunk: Rows) -> tuple[Any, None]:
        losses = jax.vmap(loss, in_axes=(1, 0))(theta @ chunk.x, chunk.y)
        return total + losses @ chunk.weight, None

    return lax.scan(body, jnp.zeros(()), rows)[0] + 0.5 * jnp.sum(penalty * theta**2)


def derivatives(
    loss: Loss, theta: jax.Array, rows: Rows, penalty: jax.Array
) -> tuple[Any, Any, Any]:
    """Value, gradient (k, p) and Hessian (k p, k p) in one pass over the rows."""
    k, p = theta.shape

    def body(sums: Any, chunk: Rows) -> tuple[Any, None]:
        losses, slopes, curvatures = _row_derivatives(loss)(theta @ chunk.x, chunk.y)
        bent = (curvatures * chunk.weight)[:, :, None, :] * chunk.x
        return (
            sums[0] + losses @ chunk.weight,
            sums[1] + (slopes * chunk.weight) @ chunk.x.T,
            sums[2] + bent @ chunk.x.T,
        ), None

    zeros = jnp.zeros(()), jnp.zeros((k, p)), jnp.zeros((k, k, p, p))
    total, gradient, hessian = lax.scan(body, zeros, rows)[0]
    hessian = jnp.moveaxis(hessian, 1, 2).reshape(k * p, k * p)
    hessian = hessian + jnp.diag(jnp.broadcast_to(penalty, (k, p)).ravel())
    return total + 0.5 * jnp.sum(penalty * theta**2), gradient + penalty * theta, hessian


compiled_derivatives = program(derivatives, static_argnums=0)


def products(loss: Loss, theta: jax.Array, rows: Rows, penalty: jax.Array) -> tuple[Any, Any, Any]:
    """Value, gradient, and the function v -> H v, one pass each."""
    k, p = theta.shape

    def body(sums: Any, chunk: Rows) -> tuple[Any, None]:
        losses, slopes, _ = _row_derivatives(loss)(theta @ chunk.x, chunk.y)
        more = losses @ chunk.weight, (slopes * chunk.weight) @ chunk.x.T
        return (sums[0] + more[0], sums[1] + more[1]), None

    def product(vector: jax.Array) -> jax.Array:
        direction = vector.reshape(k, p)

        def body(total: jax.Array, chunk: Rows) -> tuple[Any, None]:
            curvatures = _row_derivatives(loss)(theta @ chunk.x, chunk.y)[2] * chunk.weight
            return total + jnp.einsum(
                "abr,br,ir->ai", curvatures, direction @ chunk.x, chunk.x
            ), None

        return (lax.scan(body, jnp.zeros((k, p)), rows)[0] + penalty * direction).ravel()

    total, gradient = lax.scan(body, (jnp.zeros(()), jnp.zeros((k, p))), rows)[0]
    total = total + 0.5 * jnp.sum(penalty * theta**2)
    return total, gradient + penalty * theta, product


def _row_derivatives(loss: Loss) -> Callable[..., Any]:
    """Loss, its slopes (k, rows) and its curvatures (k, k, rows) in the predictors of each row."""

    def one(eta: jax.Array, y: ArrayLike) -> tuple[Any, Any, Any]:
        return loss(eta, y), jax.grad(loss)(eta, y), jax.hessian(loss)(eta, y)

    return jax.vmap(one, in_axes=(1, 0), out_axes=(0, 1, 2))


@program(static_argnums=(0, 1, 5), draft=False)
def solve(
    loss: Loss,
    solver: Any,
    start: jax.Array,
    rows: Rows,
    penalty: jax.Array,
    max_iter: int,
    tol: jax.Array,
    rate: Any,
) -> Solution:
    """Minimize the mean loss over theta (k, p), keeping the path.

    `solver` is "newton", "cg", "gd" or an optax transformation; a `rate` of None lets "gd"
    choose each step length.
    """
    limits: dict[str, Any] = {"tol": tol, "max_iter": max_iter, "keep_path": True}
    if solver in ("newton", "cg"):
        derived = functools.partial(derivatives if solver == "newton" else products, loss)
        kind = "dense" if solver == "newton" else "cg"
        given: dict[str, Any] = {"args": (rows, penalty), "derivatives": derived}
        return newton(None, start, solver=kind, **given, **limits)
    fun = functools.partial(value, loss)
    if solver == "gd":
        return gradient_descent(fun, start, args=(rows, penalty), learning_rate=rate, **limits)
    return optax_minimize(fun, start, solver, args=(rows, penalty), **limits)


def path_of(solution: Solution) -> np.ndarray:
    """Take the points (n_iter + 1, k, p) that a solve went through."""
    points = np.asarray(solution.path[1])[: int(solution.n_iter) + 1]
    return points.reshape(len(points), *np.shape(solution.parameters))


def along(summary: Callable[..., Any], path: np.ndarray, rows: Rows) -> dict[str, np.ndarray]:
    """Evaluate weighted row means of `summary` at every point of a path, in one pass.

    `summary(eta, y)` returns a dict of numbers for one row.
    """
    padded = np.concatenate([path, np.repeat(path[-1:], bucket_size(len(path), 8) - len(path), 0)])
    means = _along(summary, padded, rows)
    return {name: np.asarray(column)[: len(path)] for name, column in means.items()}


@program(static_argnums=0)
def _along(summary: Callable[..., Any], path: jax.Array, rows: Rows) -> dict[str, jax.Array]:
    by_row = jax.vmap(jax.vmap(summary, in_axes=(1, 0)), in_axes=(0, None))

    def body(sums: Any, chunk: Rows) -> tuple[Any, None]:
        found = by_row(path @ chunk.x, chunk.y)
        return jax.tree.map(lambda s, f: s + f @ chunk.weight, sums, found), None

    first = jax.tree.map(lambda leaf: leaf[0], rows)
    shapes = jax.eval_shape(by_row, path @ first.x, first.y)
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape[:1]), shapes)
    return lax.scan(body, zeros, rows)[0]
