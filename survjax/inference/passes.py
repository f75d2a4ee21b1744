"""One compiled pass for any amount of data: lanes of parameters against chunks of rows.

A lane is one parameter vector with one chunk of rows. Many starts on one chunk, a few
candidates on some chunks, and one candidate on many are all calls of the same program, so that
a process compiles it once for each number of components and kind of rows. Value, gradient and
Hessian leave it in one array, and chunks are added up in NumPy.
"""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax._core.observations import Observations
from survjax._core.precision import double_precision
from survjax._core.programs import program
from survjax.inference._parallel import n_threads
from survjax.inference.likelihood import assemble, mixture_sums, weight_of_weights
from survjax.inference.summaries import is_plain
from survjax.lifetimes import Weibull

#: Lanes of a call, and rows of a chunk: their intermediate results fit the second-level cache.
LANES, ROWS = 16, 256
#: Calls that large data run in one go, by a loop inside the program.
GROUPS = 4
#: Log weight of a component that is not there.
NOTHING = -1e300


def _derivatives(x: jax.Array, rows: Observations) -> jax.Array:
    """Value, gradient and Hessian at x (3K - 1,) on one chunk, in one vector."""
    k = (x.shape[0] + 1) // 3
    log_weights = jax.nn.log_softmax(jnp.concatenate([jnp.zeros(1, x.dtype), x[: k - 1]]))
    stack = Weibull(x[k - 1 : 2 * k - 1], x[2 * k - 1 :])
    value, once, twice = mixture_sums(log_weights, stack, rows)
    weights = jnp.exp(log_weights)
    gradient, hessian = assemble(weights, weight_of_weights(rows), once, twice)
    return jnp.concatenate([value[None], gradient, hessian.ravel()])


@program
def _lanes(x: Any, rows: Observations) -> jax.Array:
    """`_derivatives` of each lane; x (L, p), rows (L, R)."""
    return jax.vmap(_derivatives)(x, rows)


@program
def _groups(x: Any, rows: Observations) -> jax.Array:
    """`_derivatives` of one parameter vector, summed over rows (G, L, R)."""

    def add(total: jax.Array, group: Observations) -> tuple[jax.Array, None]:
        return total + jax.vmap(lambda chunk: _derivatives(x, chunk))(group).sum(0), None

    size = 1 + x.shape[0] + x.shape[0] ** 2
    return lax.scan(add, jnp.zeros(size, x.dtype), rows)[0]


@double_precision
def _part(x: np.ndarray, rows: Observations) -> np.ndarray:
    """`_derivatives` of one parameter vector, summed over a part of large data, in any thread."""
    if rows.lower.ndim == 3:
        return np.asarray(_groups(x, rows))
    return np.asarray(_lanes(np.broadcast_to(x, (LANES, x.shape[0])), rows)).sum(0)


class Passes:
    """Value, gradient and Hessian of Weibull mixtures on one set of rows.

    Mixtures of fewer than `n_components` are filled up to that many, so that they run the
    program that those have.
    """

    def __init__(self, rows: Observations, n_components: int = 1) -> None:
        self.n_components = n_components
        n = rows.n_rows
        if is_plain(rows):
            # Plain rows enter the formulas by the logs of their times only.
            rows = dataclasses.replace(rows, lower=rows.log_lower)
        self.n_chunks = -(-n // ROWS)
        self.width = max(LANES // self.n_chunks, 1)
        if self.n_chunks <= LANES:
            # Small data: as many copies of the rows as lanes hold, a parameter vector each.
            chunks = rows.padded(self.n_chunks * ROWS)
            lane = np.arange(LANES)
            self.point = np.minimum(lane // self.n_chunks, self.width - 1)
            self.parts = [
                chunks._map(lambda c: jax.device_put(c.reshape(-1, ROWS)[lane % self.n_chunks]))
            ]
        else:
            size = LANES * ROWS
            big = GROUPS * size
            self.parts = []
            start = 0
            while n - start >= big:
                self.parts.append(
                    _on_device(rows, slice(start, start + big), (GROUPS, LANES, ROWS))
                )
                start += big
            rest = rows.take(slice(start, n)).padded(-(-(n - start) // size) * size)
            for start in range(0, rest.n_rows, size):
                self.parts.append(_on_device(rest, slice(start, start + size), (LANES, ROWS)))

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Value (B,), gradient (B, p) and Hessian (B, p, p) of the log-likelihood at x (B, p)."""
        k = (x.shape[-1] + 1) // 3
        missing = max(self.n_components - k, 0)
        if missing:
            x, used = _filled(x, k, missing)
        p = x.shape[-1]
        packed = self._together(x) if self.n_chunks <= LANES else self._one_by_one(x)
        value, gradient = packed[:, 0], packed[:, 1 : p + 1]
        hessian = packed[:, p + 1 :].reshape(-1, p, p)
        if missing:
            return value, gradient[:, used], hessian[:, used[:, None], used]
        return value, gradient, hessian

    def values(self, x: np.ndarray) -> np.ndarray:
        """The log-likelihood (B,) alone."""
        return self(x)[0]

    def _together(self, x: np.ndarray) -> np.ndarray:
        """Few chunks: several parameter vectors a call."""
        found = []
        for start in range(0, len(x), self.width):
            points = x[np.minimum(self.point + start, len(x) - 1)]
            packed = np.asarray(_lanes(points, self.parts[0]))
            if self.n_chunks > 1:
                packed = packed[: self.width * self.n_chunks]
                packed = packed.reshape(self.width, self.n_chunks, -1).sum(1)
            found.append(packed)
        return (found[0] if len(found) == 1 else np.concatenate(found))[: len(x)]

    def _one_by_one(self, x: np.ndarray) -> np.ndarray:
        """Many chunks: several calls a parameter vector, added in a fixed order."""
        calls = [(point, part) for point in x for part in self.parts]
        # What a call does holds no lock of Python's.
        threads = min(n_threads(), len(calls))
        if threads > 1 and len(calls) > 2:
            with ThreadPoolExecutor(threads) as pool:
                found = list(pool.map(lambda call: _part(*call), calls))
        else:
            found = [_part(*call) for call in calls]
        return np.stack(found).reshape(len(x), len(self.parts), -1).sum(1)


def _on_device(rows: Observations, part: slice, shape: tuple[int, ...]) -> Observations:
    """Some rows in a shape, as arrays of JAX; columns that are one array stay one."""
    made: dict[int, Any] = {}

    def put(column: np.ndarray) -> Any:
        if id(column) not in made:
            made[id(column)] = jax.device_put(column[part].reshape(shape))
        return made[id(column)]

    return rows._map(put)


def _filled(x: np.ndarray, k: int, missing: int) -> tuple[np.ndarray, np.ndarray]:
    """Mixtures (B, p) with components of no weight added, and where the others' parameters are."""
    n = k + missing
    wide = np.empty((len(x), 3 * n - 1))
    wide[:, k - 1 : n - 1] = NOTHING
    wide[:, : k - 1] = x[:, : k - 1]
    for i in (1, 2):
        part = x[:, i * k - 1 : (i + 1) * k - 1]
        wide[:, i * n - 1 : i * n - 1 + k] = part
        wide[:, i * n - 1 + k : (i + 1) * n - 1] = part[:, :1]
    each = np.arange(k)
    used = np.concatenate([each[: k - 1], n - 1 + each, 2 * n - 1 + each])
    return wide, used
