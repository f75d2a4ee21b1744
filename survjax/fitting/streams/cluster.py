"""The rows of a Dask DataFrame, which the workers of a cluster keep and sum.

Each partition is read by a worker once and stays there as plain columns. A fit asks for sums, and
only those travel. What is lost with a worker is read again from its partition by another.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from survjax._core.precision import double_precision
from survjax._core.programs import Program
from survjax.data.streams.batches import Lives, Roles, in_blocks, joined_lives, lives_of
from survjax.data.streams.sources import source_of
from survjax.fitting.streams.stream import (
    CHECKED_ROWS,
    Progress,
    RowsOf,
    Summary,
    block_size,
    checked,
)
from survjax.lifetimes import Lifetime
from survjax.likelihood.all_rows import TreeSum, over_parts


def is_dask(given: Any) -> bool:
    """Whether something is a DataFrame of Dask."""
    return type(given).__module__.partition(".")[0] in ("dask", "dask_expr") and hasattr(
        given, "to_delayed"
    )


@dataclasses.dataclass
class Cluster:
    """How the partitions of a Dask DataFrame are gone through.

    Attributes
    ----------
    frame : dask.dataframe.DataFrame
    roles, rows_of, progress
        As of a `Reader`.
    """

    frame: Any
    roles: Roles
    rows_of: RowsOf
    progress: Progress

    def __post_init__(self) -> None:
        from distributed import get_client

        try:
            self.client = get_client()
        except ValueError:
            raise ValueError(
                "a Dask DataFrame is fitted by a cluster, and there is none: make a client first, "
                "dask.distributed.Client()"
            ) from None
        missing = [name for name in self.roles.columns if name not in self.frame.columns]
        if missing:
            listed = ", ".join(map(str, self.frame.columns))
            raise ValueError(f"the source has no column {missing[0]!r}: it has {listed}")
        parts = self.client.compute(self.frame[self.roles.columns].to_delayed())
        self.lives = [
            self._submit(_lives, part, self.roles, number) for number, part in enumerate(parts)
        ]

    def first_pass(self, most: int) -> Summary:
        """Have all rows checked, counted and compressed where they are."""
        summary = Summary(self.rows_of, most)
        futures = [
            self._submit(_summary, lives, self.rows_of, most, number)
            for number, lives in enumerate(self.lives)
        ]
        for future in futures:
            summary.merge(future.result())
            self.progress(1, summary.n_rows)
        return summary

    def all_rows(self, counted: tuple[int, float, float]) -> OnWorkers:
        """All rows for sums, as the first pass counted them."""
        return OnWorkers(self, counted)

    def _submit(self, work: Any, *given: Any) -> Any:
        # Names of tasks that are digests of their arguments would cost more than they spare.
        return self.client.submit(work, *given, pure=False)


class OnWorkers:
    """All rows of a cluster, for sums over them."""

    def __init__(self, cluster: Cluster, counted: tuple[int, float, float]) -> None:
        self.cluster = cluster
        self.n_rows, self.n_units, self.n_events = counted
        self.n_passes = 1

    def sum(self, of_rows: Program, lifetime: Lifetime, points: np.ndarray) -> np.ndarray:
        """Sums (m, q) over all rows, added up in the order of the partitions."""
        self.n_passes += 1
        rows_of, submit = self.cluster.rows_of, self.cluster._submit
        futures = [
            submit(_sum, lives, of_rows, lifetime, points, rows_of) for lives in self.cluster.lives
        ]
        total = TreeSum()
        for number, future in enumerate(futures):
            found = future.result()
            if found is not None:
                total.add(found)
            self.cluster.progress(self.n_passes, self.n_rows * (number + 1) // len(futures))
        sums = total.total()
        assert sums is not None
        return sums


def _lives(frame: Any, roles: Roles, number: int) -> Lives | None:
    """The columns of a partition; None of an empty one."""
    parts: list[Lives] = []
    for batch in source_of(frame).read(roles):
        if batch.columns.num_rows:
            try:
                parts.append(lives_of(batch, roles))
            except ValueError as error:
                raise ValueError(f"partition {number}: {error}") from None
    return joined_lives(parts) if parts else None


@double_precision
def _summary(lives: Lives | None, rows_of: RowsOf, most: int, number: int) -> Summary:
    """What the first pass over a partition leaves."""
    summary = Summary(rows_of, most)
    for i, some in enumerate(in_blocks(_some(lives), CHECKED_ROWS)):
        place = f"partition {number} (row 0 here is row {i * CHECKED_ROWS})"
        summary.add(some, checked(some, rows_of, place))
    return summary.finish()


@double_precision
def _sum(
    lives: Lives | None, of_rows: Program, lifetime: Lifetime, points: np.ndarray, rows_of: RowsOf
) -> np.ndarray | None:
    """Sums (m, q) over the rows of a partition, block by block; None of an empty one."""
    total = TreeSum()
    for some in in_blocks(_some(lives), block_size()):
        total.add(over_parts(of_rows, lifetime, points, rows_of(some, True)))
    return total.total()


def _some(lives: Lives | None) -> Sequence[Lives]:
    return [] if lives is None else [lives]
