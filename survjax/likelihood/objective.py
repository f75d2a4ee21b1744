"""The log-likelihood of a model on any number of rows: value, gradient and Hessian.

On a CPU large data are cut into parts of two sizes, which threads share; a part runs through the
compiled program in blocks that stay in cache. The parts are added in a fixed order, so that the
number of threads changes no digit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.parallel import n_threads
from survjax._core.precision import double_precision
from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.data.observations import Observations
from survjax.data.truncation_rows import with_truncation_rows
from survjax.lifetimes import Lifetime
from survjax.likelihood.executors import executor
from survjax.likelihood.rows import derivatives, padded
from survjax.likelihood.vector.held import only_free
from survjax.likelihood.vector.template import Template

T = TypeVar("T")
#: Value, gradient and Hessian.
Derivatives = tuple[float, np.ndarray, np.ndarray]


@program
def _packed(lifetime: Lifetime, x: jax.Array, rows: Observations) -> jax.Array:
    """Value, gradient and Hessian at x (p,) in one vector."""
    value, gradient, hessian = derivatives(ravel_parameters(lifetime)[1](x), rows)
    return jnp.concatenate([value[None], gradient, hessian.ravel()])


class Objective:
    """Value, gradient and Hessian of the log-likelihood of one set of rows, with the priors.

    Parameters
    ----------
    template : Template
        The model.
    rows : Observations
        Any number; truncation becomes rows of negative weight.
    """

    def __init__(self, template: Template, rows: Observations) -> None:
        self.template, self.rows = template, with_truncation_rows(rows)
        self.parts = _in_threads(_on_device, list(_parts(self.rows)))

    def __call__(self, x: np.ndarray) -> Derivatives:
        """At x (p,)."""
        lifetime = self.template.lifetime

        @double_precision
        def one(part: Observations) -> np.ndarray:
            return np.asarray(_packed(lifetime, x, part))

        total, p = np.sum(_in_threads(one, self.parts), axis=0), x.size
        parts = float(total[0]), total[1 : p + 1], total[p + 1 :].reshape(p, p)
        prior = self.template.prior
        if prior is not None:
            more = prior.derivatives(x)
            parts = parts[0] + float(more[0]), parts[1] + more[1], parts[2] + more[2]
        return only_free(parts, self.template.held.free, -1.0)


def _in_threads(work: Callable[[Observations], T], parts: list[Observations]) -> list[T]:
    """What a function gives for each part; it holds no lock of Python's while it runs."""
    threads = min(n_threads(), len(parts))
    if threads <= 1:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, parts))


def _parts(rows: Observations) -> Iterator[Observations]:
    """Rows in parts, all of one of two sizes unless they are few."""
    parts = executor().parts
    if parts is None or rows.n_rows <= parts[1] // 2:
        yield padded(rows)
        return
    # As many of the first size as there are, the rest in the second.
    large, small = parts
    inside = np.zeros(rows.n_rows, bool) if rows.interval is None else rows.interval > 0
    if inside.any() and not inside.all():
        # Rows that are no intervals need not pay for those that are.
        yield from _parts(rows.without_intervals())
        yield from _parts(rows.take(inside))
        return
    start = 0
    while start < rows.n_rows:
        size = large if rows.n_rows - start >= large else small
        yield rows.take(slice(start, start + size)).padded(size)
        start += size


@double_precision
def _on_device(rows: Observations) -> Observations:
    """Copies: on a CPU a device array may otherwise be the caller's own memory."""
    placed: Observations = jax.device_put(jax.tree.map(np.array, rows))
    return placed
