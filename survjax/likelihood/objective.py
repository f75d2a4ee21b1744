"""The log-likelihood of a model on any number of rows: value, gradient and Hessian.

Large data are cut into parts of two sizes, which threads share; a part runs through the compiled
program in blocks that stay in cache. The parts are added in a fixed order, so that the number of
threads changes no digit.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

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
from survjax.likelihood.held import only_free
from survjax.likelihood.rows import derivatives, padded
from survjax.likelihood.template import Template

#: Rows of a part of large data: as many of the first size as there are, the rest in the second.
LARGE_PART, SMALL_PART = 65_536, 16_384

#: Value, gradient and Hessian.
Derivatives = tuple[float, np.ndarray, np.ndarray]


@program
def _packed(lifetime: Lifetime, x: Any, rows: Observations) -> jax.Array:
    """Value, gradient and Hessian at x (p,) in one vector."""
    value, gradient, hessian = derivatives(ravel_parameters(lifetime)[1](x), rows)
    return jnp.concatenate([value[None], gradient, hessian.ravel()])


class Objective:
    """Value, gradient and Hessian of the log-likelihood of one set of rows.

    Parameters
    ----------
    template : Template
        The model.
    rows : Observations
        Any number; truncation becomes rows of negative weight.
    """

    def __init__(self, template: Template, rows: Observations) -> None:
        self.template = template
        self.parts = [_on_device(part) for part in _parts(with_truncation_rows(rows))]

    def __call__(self, x: np.ndarray) -> Derivatives:
        """At x (p,)."""
        lifetime = self.template.lifetime

        @double_precision
        def one(part: Observations) -> np.ndarray:
            return np.asarray(_packed(lifetime, x, part))

        threads = min(n_threads(), len(self.parts))
        if threads > 1:
            # What a call does holds no lock of Python's.
            with ThreadPoolExecutor(threads) as pool:
                found = list(pool.map(one, self.parts))
        else:
            found = [one(part) for part in self.parts]
        total, p = np.sum(found, axis=0), x.size
        parts = float(total[0]), total[1 : p + 1], total[p + 1 :].reshape(p, p)
        return only_free(parts, self.template.held.free, -1.0)


def _parts(rows: Observations) -> Iterator[Observations]:
    """Rows in parts, all of one of two sizes unless they are few."""
    if rows.n_rows <= SMALL_PART // 2:
        yield padded(rows)
        return
    inside = np.zeros(rows.n_rows, bool) if rows.interval is None else rows.interval > 0
    if inside.any() and not inside.all():
        # Rows that are no intervals need not pay for those that are.
        yield from _parts(rows.without_intervals())
        yield from _parts(rows.take(inside))
        return
    start = 0
    while start < rows.n_rows:
        size = LARGE_PART if rows.n_rows - start >= LARGE_PART else SMALL_PART
        yield rows.take(slice(start, start + size)).padded(size)
        start += size


def _on_device(rows: Observations) -> Observations:
    """Copies: on a CPU a device array may otherwise be the caller's own memory."""
    placed: Observations = jax.tree.map(jnp.array, rows)
    return placed
