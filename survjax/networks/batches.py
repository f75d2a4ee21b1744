"""What networks are trained on: rows, or rows that belong to units, and how batches are drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.numerics import bucket_size
from survjax._core.pytree import data, fixed, pytree


@pytree
class Table:
    """Rows of x (n, p), what is known of each, and their weights, 0 for padding.

    `y` is any pytree whose arrays have rows first. Weights are (n,), or (restarts, n) where each
    restart has its own; `held_out` are those of the rows that are watched instead of trained on, in
    place of a second table.
    """

    x: Any = data()
    y: Any = data()
    weight: Any = data()
    held_out: Any = data(default=None)

    def values(self, function: Callable[..., Any], network: Any, parameters: Any) -> Any:
        """What `function(outputs, y)` says of each row under one network."""
        return jax.vmap(lambda x, y: function(network.apply(parameters, x), y))(self.x, self.y)

    def batches(self, key: jax.Array, batch: int) -> tuple[int, Callable[[Any], Table]]:
        """How many batches an epoch has, and a function that gives the i-th of them."""
        n = self.x.shape[0]
        order = jax.random.permutation(key, n)[: n // batch * batch].reshape(-1, batch)

        def part(i: jax.Array) -> Table:
            rows = order[i]
            x, y = jax.tree.map(lambda a: a[rows], (self.x, self.y))
            return Table(x, y, self.weight[..., rows])

        return n // batch, part


@pytree
class UnitTable:
    """Rows that belong to units, of which batches take whole ones.

    x and y are those of rows, sorted by unit; weights are (units,), or (restarts, units). What
    is asked for each unit is a function of (outputs, y) of all rows at once, where y has two more
    entries: `unit`, the unit of each row counted within the batch (beyond the last one for rows
    of none), and `first`, where the rows of each unit begin.

    Attributes
    ----------
    unit : array of shape (n,)
    first, length : arrays of shape (units,)
        Where the rows of each unit begin, and how many they are; padding has none.
    room : int
        Rows that a batch has room for: those of its longest units.
    """

    x: Any = data()
    y: dict[str, Any] = data()
    weight: Any = data()
    held_out: Any = data()
    unit: Any = data()
    first: Any = data()
    length: Any = data()
    room: int = fixed()

    def values(self, function: Callable[..., Any], network: Any, parameters: Any) -> Any:
        """What `function(outputs, y)` says of each unit under one network."""
        outputs = jax.vmap(lambda x: network.apply(parameters, x))(self.x)
        return function(outputs, self.y | {"unit": self.unit, "first": self.first})

    def batches(self, key: jax.Array, batch: int) -> tuple[int, Callable[[Any], UnitTable]]:
        """How many batches an epoch has, and a function that gives the i-th of them."""
        n = self.length.shape[0]
        order = jax.random.permutation(key, n)[: n // batch * batch].reshape(-1, batch)

        def part(i: jax.Array) -> UnitTable:
            units = order[i]
            length = self.length[units]
            end = jnp.cumsum(length)
            place = jnp.arange(self.room)
            # Beyond the last unit's rows this is the number of units: rows of none.
            unit = jnp.searchsorted(end, place, side="right")
            inside = jnp.minimum(unit, batch - 1)
            first = end - length
            rows = self.first[units][inside] + place - first[inside]
            x, y = jax.tree.map(lambda a: a[jnp.minimum(rows, a.shape[0] - 1)], (self.x, self.y))
            weight = self.weight[..., units]
            return UnitTable(x, y, weight, None, unit, first, length, self.room)

        return n // batch, part


def make_table(x: np.ndarray, y: np.ndarray) -> Table:
    """Pad rows so that few shapes compile."""
    extra = bucket_size(len(x)) - len(x)
    return Table(
        np.pad(x, [(0, extra), (0, 0)]), np.pad(y, (0, extra)), np.pad(np.ones(len(x)), (0, extra))
    )
