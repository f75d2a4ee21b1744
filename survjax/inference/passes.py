"""One compiled pass for any amount of data: lanes of parameters against chunks of rows.

A lane is one parameter vector with one chunk of rows. Many starts on one chunk, a few
candidates on some chunks, and one candidate on many are all calls of the same program, so that
a process compiles it once for each number of components and kind of rows. Only the sums leave
it; gradients and Hessians are put together in NumPy.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax._core.observations import Observations
from survjax.inference.likelihood import assemble, mixture_sums, weight_of_weights
from survjax.lifetimes import Weibull

#: Lanes of a call, and rows of a chunk: their intermediate results fit the second-level cache.
LANES, ROWS = 16, 256
#: Calls that large data run in one go, by a loop inside the program.
GROUPS = 16
#: Log weight of a component that is not there.
NOTHING = -1e300


@jax.jit
def _lane_sums(x: Any, log_weights: Any, rows: Observations) -> Any:
    """`mixture_sums` of each lane; x (L, 2, K) holds log scales and log shapes, rows (L, R)."""

    def lane(x: jax.Array, log_weights: jax.Array, rows: Observations) -> Any:
        return mixture_sums(log_weights, Weibull(x[0], x[1]), rows)

    return jax.vmap(lane)(x, log_weights, rows)


@jax.jit
def _long_sums(x: Any, log_weights: Any, rows: Observations) -> Any:
    """`mixture_sums` of one parameter vector over rows (G, L, R)."""

    def add(total: Any, group: Observations) -> tuple[Any, None]:
        sums = jax.vmap(partial(mixture_sums, log_weights, Weibull(x[0], x[1])))(group)
        return jax.tree.map(lambda t, part: t + part.sum(0), total, sums), None

    first = jax.eval_shape(
        partial(mixture_sums, log_weights, Weibull(x[0], x[1])),
        jax.tree.map(lambda column: column[0, 0], rows),
    )
    zero = jax.tree.map(lambda part: jnp.zeros(part.shape, part.dtype), first)
    return lax.scan(add, zero, rows)[0]


class Passes:
    """Value, gradient and Hessian of Weibull mixtures on one set of rows.

    Mixtures of fewer than `n_components` are filled up to that many, so that they run the
    program that those have.
    """

    def __init__(self, rows: Observations, n_components: int = 1) -> None:
        self.n_components = n_components
        n = rows.n_rows
        self.units = weight_of_weights(rows)
        self.n_chunks = -(-n // ROWS)
        if self.n_chunks <= LANES:
            # Small data: as many copies of the rows as lanes hold, a parameter vector each.
            self.copies = LANES // self.n_chunks
            chunks = rows.padded(self.n_chunks * ROWS)
            lanes = np.arange(LANES) % (self.n_chunks * self.copies) % self.n_chunks
            self.parts = [chunks._map(lambda c: jnp.asarray(c.reshape(-1, ROWS)[lanes]))]
        else:
            self.copies = 1
            size = LANES * ROWS
            big = GROUPS * size
            self.parts = []
            start = 0
            while start < n:
                shape: tuple[int, ...]
                if n - start >= big:
                    part, shape = rows.take(slice(start, start + big)), (GROUPS, LANES, ROWS)
                else:
                    part, shape = rows.take(slice(start, start + size)).padded(size), (LANES, ROWS)
                self.parts.append(part._map(lambda c, s=shape: jnp.asarray(c.reshape(s))))
                start += part.n_rows

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Value (B,), gradient (B, p) and Hessian (B, p, p) of the log-likelihood at x (B, p)."""
        k = (x.shape[-1] + 1) // 3
        logits = np.concatenate([np.zeros((len(x), 1)), x[:, : k - 1]], axis=1)
        log_weights = logits - np.logaddexp.reduce(logits, axis=1)[:, None]
        weights = np.exp(log_weights)
        stack = x[:, k - 1 :].reshape(-1, 2, k)
        missing = max(self.n_components - k, 0)
        if missing:
            stack = np.concatenate([stack, np.repeat(stack[..., :1], missing, axis=2)], axis=2)
            log_weights = np.pad(log_weights, ((0, 0), (0, missing)), constant_values=NOTHING)
        value, once, twice = (
            self._together(stack, log_weights)
            if self.n_chunks <= LANES
            else self._one_by_one(stack, log_weights)
        )
        if missing:
            once, twice = _of_first(once, twice, k, k + missing)
        return value, *assemble(weights, self.units, once, twice)

    def _together(self, x: np.ndarray, log_weights: np.ndarray) -> list[np.ndarray]:
        """Few chunks: several parameter vectors a call."""
        found = []
        for start in range(0, len(x), self.copies):
            some = np.minimum(np.arange(start, start + self.copies), len(x) - 1)
            lanes = np.resize(np.repeat(some, self.n_chunks), LANES)
            sums = _lane_sums(x[lanes], log_weights[lanes], self.parts[0])
            found.append([np.asarray(part) for part in sums])
        used = self.n_chunks * self.copies
        tables = [np.concatenate([f[i][:used] for f in found]) for i in range(3)]
        return [t.reshape(-1, self.n_chunks, *t.shape[1:]).sum(1)[: len(x)] for t in tables]

    def _one_by_one(self, x: np.ndarray, log_weights: np.ndarray) -> list[np.ndarray]:
        """Many chunks: several calls a parameter vector, added in a fixed order."""
        found = []
        for point, weights in zip(x, log_weights, strict=True):
            lanes = np.broadcast_to(point, (LANES, *point.shape))
            lane_weights = np.broadcast_to(weights, (LANES, *weights.shape))
            sums = [
                _long_sums(point, weights, part)
                if part.lower.ndim == 3
                else _lane_sums(lanes, lane_weights, part)
                for part in self.parts
            ]
            total: list[Any] = [0.0, 0.0, 0.0]
            for part, rows in zip(sums, self.parts, strict=True):
                for i in range(3):
                    piece = np.asarray(part[i])
                    total[i] = total[i] + (piece if rows.lower.ndim == 3 else piece.sum(0))
            found.append(total)
        return [np.array([f[i] for f in found]) for i in range(3)]


def _of_first(
    once: np.ndarray, twice: np.ndarray, k: int, n_components: int
) -> tuple[np.ndarray, np.ndarray]:
    """The sums that belong to the first k components."""
    n, size = once.shape[0], twice.shape[-1] // n_components
    once = once.reshape(n, -1, n_components)[..., :k].reshape(n, -1)
    twice = twice.reshape(n, size, n_components, size, n_components)
    return once, twice[:, :, :k, :, :k].reshape(n, size * k, size * k)
