"""All rows of a fit, wherever they live: what a sum over them is, and few that stand for them.

An `Objective` asks for sums of one function over all rows. Rows in memory are parts that threads
share; rows of a stream, of several devices or of a cluster answer the same question elsewhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import jax
import numpy as np

from survjax._core.parallel import n_threads
from survjax._core.precision import double_precision
from survjax._core.programs import Program
from survjax.data.observations import Observations
from survjax.data.truncation_rows import with_truncation_rows
from survjax.lifetimes import Lifetime
from survjax.likelihood.executors import executor
from survjax.likelihood.rows import padded

T = TypeVar("T")


class AllRows(Protocol):
    """Rows that know where they live.

    Attributes
    ----------
    n_units, n_events : float
        The sum of their weights, and of those that failed.
    """

    n_units: float
    n_events: float

    def sum(self, of_rows: Program, lifetime: Lifetime, points: np.ndarray) -> np.ndarray:
        """Sums (m, q) over all rows of a function of lifetime, point and rows, at points (m, p).

        `of_rows` is compiled, gives a vector (q,) and takes rows in parts of any size; rows of no
        weight add nothing to it.
        """


class InMemory:
    """Rows that are arrays of this process: parts of few sizes, which threads share.

    Parameters
    ----------
    rows : Observations
        Any number; truncation becomes rows of negative weight.
    """

    def __init__(self, rows: Observations) -> None:
        self.rows = with_truncation_rows(rows)
        self.parts = _in_threads(_on_device, list(parts_of(self.rows)))

    def sum(self, of_rows: Program, lifetime: Lifetime, points: np.ndarray) -> np.ndarray:
        """Sums (m, q) over all rows, parts in a fixed order."""
        found = _in_threads(lambda part: at_points(of_rows, lifetime, points, part), self.parts)
        total: np.ndarray = np.sum(found, axis=0)
        return total


class Compressed(Observations):
    """Few weighted rows that stand for all, and where all are.

    Whatever looks at rows sees the few; numbers of units and failures are those of all, and an
    `Objective` of these rows is that of all. Rows that are made of these stand for themselves only.
    """

    is_compressed = True

    @classmethod
    def of(cls, few: Observations, everything: AllRows) -> Compressed:
        """Few rows, without truncation but as rows of negative weight, for all of them."""
        found = cls(**{f.name: getattr(few, f.name) for f in dataclasses.fields(few)})
        object.__setattr__(found, "everything", everything)
        return found

    @property
    def few(self) -> Observations:
        """The few rows by themselves."""
        return self._map(lambda column: column)

    @property
    def n_units(self) -> float:
        """Number of units of all rows."""
        return super().n_units if self.everything is None else float(self.everything.n_units)

    @property
    def n_events(self) -> float:
        """Number of failures of all rows."""
        return super().n_events if self.everything is None else float(self.everything.n_events)

    def without_padding(self) -> Observations:
        """The same: each has weight."""
        return self

    def compressed(self) -> Observations:
        """The same: they are few."""
        return self


class TreeSum:
    """Adds arrays up in pairs, pairs of pairs and so on: the tree depends on their order only.

    Rounding grows with the logarithm of their number, and few are held at once.
    """

    def __init__(self) -> None:
        self._pending: list[tuple[int, np.ndarray]] = []

    def add(self, term: np.ndarray) -> None:
        """One more array."""
        level = 0
        while self._pending and self._pending[-1][0] == level:
            term = self._pending.pop()[1] + term
            level += 1
        self._pending.append((level, term))

    def total(self) -> np.ndarray | None:
        """The sum so far; None of nothing."""
        total = None
        for _, term in reversed(self._pending):
            total = term if total is None else term + total
        return total


@double_precision
def at_points(
    of_rows: Program, lifetime: Lifetime, points: np.ndarray, part: Observations
) -> np.ndarray:
    """What a function gives for one part of the rows at each point: (m, q)."""
    return np.stack([np.asarray(of_rows(lifetime, x, part)) for x in points])


def over_parts(
    of_rows: Program, lifetime: Lifetime, points: np.ndarray, rows: Observations
) -> np.ndarray:
    """Sums (m, q) over some rows in this thread alone."""
    total = TreeSum()
    for part in parts_of(with_truncation_rows(rows)):
        total.add(at_points(of_rows, lifetime, points, part))
    found = total.total()
    assert found is not None
    return found


def _in_threads(work: Callable[[Observations], T], parts: Sequence[Observations]) -> list[T]:
    """What a function gives for each part; it holds no lock of Python's while it runs."""
    threads = min(n_threads(), len(parts))
    if threads <= 1:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, parts))


def parts_of(rows: Observations) -> Iterator[Observations]:
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
        yield from parts_of(rows.without_intervals())
        yield from parts_of(rows.take(np.flatnonzero(inside)))
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
