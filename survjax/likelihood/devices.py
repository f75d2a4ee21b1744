"""Rows shared out over several devices: each sums its own, and the sums are added up.

The same program serves the cores of a CPU that JAX takes for devices, GPUs and TPUs, of one
process or, after `jax.distributed.initialize`, of all: each runs the same fit on the same rows, and
holds those of its own devices.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from survjax._core.precision import double_precision
from survjax._core.programs import Program, program
from survjax.data.observations import Observations
from survjax.data.truncation_rows import with_truncation_rows
from survjax.lifetimes import Lifetime
from survjax.likelihood.executors import executor

#: Where rows may lie: on all devices, or some of `jax.devices()`.
Devices: TypeAlias = str | Sequence[jax.Device]
#: The axis of a mesh along which rows are shared out.
ROWS = "rows"


@program(static_argnames=("of_rows", "mesh"))
def sum_on_devices(
    lifetime: Lifetime, points: jax.Array, rows: Observations, *, of_rows: Any, mesh: Mesh
) -> jax.Array:
    """Sums (m, q) of a function over rows that lie on the devices of a mesh, at points (m, p)."""

    def of_own(lifetime: Lifetime, points: jax.Array, own: Observations) -> jax.Array:
        found = jax.lax.map(lambda x: of_rows(lifetime, x, own), points)
        # Gathered and then added, the digits are the same on each device, and in each process.
        return jnp.sum(jax.lax.all_gather(found, ROWS), axis=0)

    alike, shared = PartitionSpec(), PartitionSpec(ROWS)
    # Loops that begin with zeros of no device would fail the check of what varies with them.
    everywhere = jax.shard_map(
        of_own, mesh=mesh, in_specs=(alike, alike, shared), out_specs=alike, check_vma=False
    )
    found: jax.Array = everywhere(lifetime, points, rows)
    return found


class OnDevices:
    """Rows of this process's memory, shared out over devices once.

    Parameters
    ----------
    rows : Observations
        Any number; truncation becomes rows of negative weight.
    devices : sequence of jax.Device
    """

    def __init__(self, rows: Observations, devices: Sequence[Any]) -> None:
        self.n_units, self.n_events = rows.n_units, rows.n_events
        self.mesh = mesh_of(tuple(devices))
        self.rows = shared_out(with_truncation_rows(rows), self.mesh)

    @double_precision
    def sum(self, of_rows: Program, lifetime: Lifetime, points: np.ndarray) -> np.ndarray:
        """Sums (m, q) over all rows."""
        return _summed(of_rows, lifetime, points, self.rows, self.mesh)


class Placed(Observations):
    """Rows that are in memory, and whose sums are computed where they were placed."""

    @classmethod
    def on(cls, rows: Observations, devices: Sequence[Any]) -> Placed:
        """The rows on some devices."""
        found = cls(**vars(rows))
        object.__setattr__(found, "everything", OnDevices(rows, devices))
        return found

    @property
    def few(self) -> Observations:
        """All of them, by themselves."""
        return self._map(lambda column: column)


@double_precision
def over_devices(
    of_rows: Program, lifetime: Lifetime, points: np.ndarray, rows: Observations, mesh: Mesh
) -> np.ndarray:
    """Sums (m, q) over some rows, shared out for this once."""
    placed = shared_out(with_truncation_rows(rows), mesh)
    return _summed(of_rows, lifetime, points, placed, mesh)


def _summed(
    of_rows: Program, lifetime: Lifetime, points: np.ndarray, rows: Observations, mesh: Mesh
) -> np.ndarray:
    return np.asarray(sum_on_devices(lifetime, points, rows, of_rows=of_rows, mesh=mesh))


@cache
def mesh_of(devices: tuple[Any, ...]) -> Mesh:
    """The devices in a row."""
    return Mesh(np.array(devices), (ROWS,))


def shared_out(rows: Observations, mesh: Mesh) -> Observations:
    """Rows on the devices of a mesh, as many on each, filled up with some of no weight."""
    n = int(mesh.devices.size)
    rows = rows.padded(n * executor().size(-(-rows.n_rows // n)))
    sharding = NamedSharding(mesh, PartitionSpec(ROWS))

    def place(column: np.ndarray) -> jax.Array:
        return jax.make_array_from_callback(column.shape, sharding, lambda own: column[own])

    placed: Observations = jax.tree.map(place, rows)
    return placed


def devices_of(given: Devices) -> tuple[Any, ...]:
    """The devices that "all", or a sequence of them, names."""
    if isinstance(given, str):
        if given != "all":
            raise ValueError(f"devices must be 'all' or a list of jax.devices(), got {given!r}")
        return tuple(jax.devices())
    found = tuple(given)
    if not found or not all(hasattr(each, "platform") for each in found):
        raise ValueError(f"devices must be 'all' or a list of jax.devices(), got {given!r}")
    return found
