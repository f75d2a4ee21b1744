"""Curves of units that each have parameters of their own, with delta-method errors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax._core.parallel import n_threads
from survjax._core.precision import double_precision
from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.lifetimes import Lifetime
from survjax.prediction.curves import SAME, link_value

#: Units worked on at once, and of one call.
UNITS, MOST = 1024, 2**16


@program(static_argnames=("curve",))
def _evaluate_each(
    lifetime: Lifetime, x: Any, covariance: jax.Array, t: jax.Array, ages: jax.Array, *, curve: str
) -> tuple[jax.Array, jax.Array]:
    """Safe values and standard errors (blocks, units) at parameters (blocks, p, units)."""
    _, unravel = ravel_parameters(lifetime)
    per_unit = jax.vmap(unravel, in_axes=1, out_axes=-1)

    def block(
        part: tuple[jax.Array, jax.Array, jax.Array, jax.Array],
    ) -> tuple[jax.Array, jax.Array]:
        x, covariance, t, ages = part

        def total(x: jax.Array) -> tuple[jax.Array, jax.Array]:
            values = link_value(per_unit(x).given(ages), curve, t)
            return jnp.sum(values), values

        (_, values), slope = jax.value_and_grad(total, has_aux=True)(x)
        size = jnp.max(jnp.abs(slope), axis=0)
        size = jnp.where((size > 0) & jnp.isfinite(size), size, 1.0)
        unit = slope / size
        variance = jnp.sum(jnp.sum(covariance * unit, axis=1) * unit, axis=0)
        return values, size * jnp.sqrt(jnp.maximum(variance, 0.0))

    return lax.map(block, (x, covariance, t, ages))


def evaluate_each(
    lifetime: Lifetime,
    x: np.ndarray,
    covariance: np.ndarray,
    group: np.ndarray,
    curves: tuple[str, ...],
    t: np.ndarray,
    ages: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Safe values and standard errors of curves of the remaining life of units of many groups.

    Parameters
    ----------
    lifetime : Lifetime
        The family; its parameters are not used.
    x, covariance : arrays of shape (g, p) and (g, p, p)
        Of each group.
    group : array of shape (n,)
        That of each unit.
    curves : tuple of str
        Which curves.
    t : array of shape (len(curves), n)
        Arguments of each curve, as in `survjax.prediction.curves.evaluate`.
    ages : array of shape (n,)
        Ages reached.

    Returns
    -------
    values, errors : arrays of shape (len(curves), n)
        On the link scale.
    """
    n = ages.size
    values, errors = np.empty(t.shape), np.empty(t.shape)
    if not n:
        return values, errors
    size = min(MOST, UNITS * -(-n // UNITS)) if n > UNITS else max(64, 1 << (n - 1).bit_length())
    width = min(size, UNITS)
    by_parameter, by_pair = x.T, np.moveaxis(covariance, 0, -1)

    def blocks(a: np.ndarray) -> np.ndarray:
        """Units (..., m) as (blocks, ..., width)."""
        padded = np.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, size - a.shape[-1])], mode="edge")
        return np.moveaxis(padded.reshape(*a.shape[:-1], -1, width), -2, 0)

    @double_precision
    def one(task: tuple[int, int]) -> None:
        i, begin = task
        some = slice(begin, begin + size)
        parts = (
            by_parameter[:, group[some]], by_pair[..., group[some]], t[i, some], ages[some]
        )  # fmt: skip
        curve = SAME.get(curves[i], curves[i])
        found = _evaluate_each(lifetime, *(blocks(part) for part in parts), curve=curve)
        for whole, part in zip((values, errors), found, strict=True):
            whole[i, some] = np.asarray(part).ravel()[: min(size, n - begin)]

    tasks = [(i, begin) for i in range(len(curves)) for begin in range(0, n, size)]
    with ThreadPoolExecutor(min(n_threads(), len(tasks))) as pool:
        list(pool.map(one, tasks))
    return values, errors
