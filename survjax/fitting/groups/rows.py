"""Rows of many groups side by side: buckets of groups of similar size, padded to one size."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import jax
import numpy as np

from survjax._core.numerics import bucket_size
from survjax.data.observations import Observations
from survjax.data.truncation_rows import expansion_index, with_truncation_rows

#: Groups of more rows than this are compressed one by one, as any large data are.
MOST_ROWS = 2048
#: Sizes of few groups, and rows in all from which on groups of a size have one of their own.
COARSE, WORTH_A_SIZE = (64, 256, 1024, 2048), 2**18
#: The fewest rows that a group is filled up to, and the steps up to 64.
FEWEST_ROWS = 8


@dataclasses.dataclass(frozen=True)
class GroupedRows:
    """Rows sorted by group.

    Attributes
    ----------
    rows : Observations
        Of all groups, one after the other.
    begins : array of shape (n_groups + 1,)
        Where each begins, and the last one ends.
    n_units, n_events : arrays of shape (n_groups,)
        Units and failures of each.
    source : Observations
        The rows as they were given, also sorted by group, and where each group begins.
    """

    rows: Observations
    begins: np.ndarray
    n_units: np.ndarray
    n_events: np.ndarray
    source: tuple[Observations, np.ndarray]

    @classmethod
    def of(cls, rows: Observations, group: np.ndarray, n_groups: int) -> GroupedRows:
        """Sort rows by the group (n,) of each, 0 to n_groups - 1, and add those of truncation."""
        seen = rows.event if rows.interval is None else rows.event + rows.interval
        if not rows.weight.all():
            some = np.flatnonzero(rows.weight)
            rows, group, seen = rows.take(some), group[some], seen[some]
        n_units = np.bincount(group, rows.weight, n_groups)
        n_events = np.bincount(group, rows.weight * seen, n_groups)
        if (group[1:] < group[:-1]).any():
            order = np.argsort(group, kind="stable")
            rows, group = rows.take(order), group[order]
        edges = np.arange(n_groups + 1)
        source = rows, np.searchsorted(group, edges)
        if rows.entry is None and rows.exit is None:
            return cls(*source, n_units, n_events, source)
        index = expansion_index(rows)
        group = group[index]
        order = np.argsort(group, kind="stable")
        rows = with_truncation_rows(rows).take(order)
        return cls(rows, np.searchsorted(group[order], edges), n_units, n_events, source)

    @classmethod
    def joined(cls, parts: list[Observations]) -> GroupedRows:
        """The rows of each group, which have the same columns, one after the other."""
        rows: Observations = jax.tree.map(lambda *columns: np.concatenate(columns), *parts)
        group = np.repeat(np.arange(len(parts)), [part.n_rows for part in parts])
        return cls.of(rows, group, len(parts))

    def merged(self) -> GroupedRows:
        """The same with equal rows of a group as one, in the order that an estimator has them."""
        rows, begins = self.source
        group = np.repeat(np.arange(begins.size - 1), np.diff(begins))
        rows, first = rows.merged(group)
        return self.of(rows, group[first], begins.size - 1)

    def observed(self, i: int) -> Observations:
        """The rows of one group, as they were given."""
        rows, begins = self.source
        return rows.take(slice(begins[i], begins[i + 1]))

    def part(self, first: int, stop: int) -> GroupedRows:
        """The groups from the first on, up to another."""
        cut = slice(first, stop)

        def rows_of(rows: Observations, begins: np.ndarray) -> tuple[Observations, np.ndarray]:
            own = begins[first : stop + 1]
            return rows.take(slice(own[0], own[-1])), own - own[0]

        source = rows_of(*self.source)
        rows, begins = source if self.rows is self.source[0] else rows_of(self.rows, self.begins)
        return GroupedRows(rows, begins, self.n_units[cut], self.n_events[cut], source)

    @property
    def sizes(self) -> np.ndarray:
        """Rows of each group."""
        return np.diff(self.begins)

    def batch(self, which: np.ndarray, size: int) -> Observations:
        """The rows of some groups (m, size), filled up with copies of no weight."""
        count = self.sizes[which][:, None]
        place = np.arange(size)
        index = self.begins[which][:, None] + np.minimum(place, count - 1)
        batch = self.rows.take(index)
        return batch.reweighted(np.where(place < count, batch.weight, 0.0))

    def rows_of(self, which: np.ndarray, size: int) -> Callable[[np.ndarray], Observations]:
        """What gives the rows of some of many runs, each on the group `which` (m,) says."""
        return lambda some: self.batch(which[some], size)

    def buckets(self, chosen: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Sizes that groups are filled up to, and which of the chosen ones are of each."""
        counts, place = np.unique(self.sizes[chosen], return_inverse=True)
        sizes = np.array([bucket(int(n)) for n in counts], int)[place]
        # To compile for one more size takes longer than it spares where groups are few.
        few = np.bincount(sizes, minlength=1)[sizes] * sizes < WORTH_A_SIZE
        sizes[few] = np.array([coarse_bucket(int(n)) for n in counts], int)[place][few]
        for size in np.unique(sizes):
            yield int(size), chosen[sizes == size]


def bucket(n: int) -> int:
    """The number of rows that n are filled up to."""
    return bucket_size(n) if n > 64 else max(FEWEST_ROWS, -(-n // FEWEST_ROWS) * FEWEST_ROWS)


def coarse_bucket(n: int) -> int:
    """The same for few groups, or for models that take long to compile."""
    return next((size for size in COARSE if size >= n), bucket_size(n))
