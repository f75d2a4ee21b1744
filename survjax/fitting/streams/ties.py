"""Different rows and how many units share each, as long as they are few enough for memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from survjax.data.observations import Observations
from survjax.data.recording import equal_rows, has_ties, tabulate
from survjax.data.streams.batches import Lives, joined_lives

#: Different rows that are held and fitted in memory, up to twice as many before they are merged.
MOST_ROWS = 2**20
#: Different intervals that a coreset holds as they are.
MOST_INTERVALS = 2**17


class DifferentLives:
    """Lives that came so far, equal ones as one with the sum of their weights."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.parts: list[Lives] = []
        self.n_kept = 0

    def add(self, lives: Lives) -> bool:
        """Some more; False where they have become too many."""
        if has_ties(lives.durations):
            lives = _merged(lives)
        self.parts.append(lives)
        self.n_kept += lives.n_rows
        if self.n_kept <= 2 * self.most:
            return True
        if not has_ties(np.concatenate([part.durations for part in self.parts]), 0.05, 2**16):
            return False
        self.parts = [_merged(self._all())]
        self.n_kept = self.parts[0].n_rows
        return self.n_kept <= self.most

    def total(self) -> Lives:
        """All of them, in the order in which they came unless some were merged."""
        found = self._all()
        return found if found.weight is None else _merged(found)

    def _all(self) -> Lives:
        """All parts as one, with weights if any has some."""
        if all(part.weight is None for part in self.parts):
            return joined_lives(self.parts)
        ones = (
            part if part.weight is not None else part._replace(weight=np.ones(part.n_rows))
            for part in self.parts
        )
        return joined_lives(ones)


def _merged(lives: Lives) -> Lives:
    """Equal rows as one."""
    if lives.entry is None and lives.weight is None and lives.durations.min() >= 0:
        counted = tabulate(lives.durations, lives.events)
        if counted is not None:
            times, events, counts = counted
            return Lives(times, events, None, counts.astype(np.float64))
    columns = [c for c in (lives.durations, lives.events, lives.entry) if c is not None]
    order, first = equal_rows(columns)
    weight = np.ones(lives.n_rows) if lives.weight is None else lives.weight[order]
    return lives.rows(order[first])._replace(weight=np.add.reduceat(weight, first))


class DifferentIntervals:
    """Rows that are intervals: rounded durations have few different ones."""

    def __init__(self) -> None:
        self.kept: list[Observations] = []
        self.n_kept = 0

    def add(self, rows: Observations) -> None:
        """Some more.

        Raises
        ------
        ValueError
            Where there are too many different ones.
        """
        self.kept.append(rows)
        self.n_kept += rows.n_rows
        if self.n_kept > 2 * MOST_INTERVALS:
            self.kept = [self.total()]
            self.n_kept = self.kept[0].n_rows
            if self.n_kept > MOST_INTERVALS:
                raise ValueError(
                    f"failures lie in more than {MOST_INTERVALS} different intervals, which a "
                    "stream cannot be compressed from: leave resolution= out where durations are "
                    "not rounded, or round them to it"
                )

    def total(self) -> Observations:
        """The different ones, with the sum of their weights."""
        return _end_to_end(self.kept).compressed()


def _end_to_end(parts: Sequence[Observations]) -> Observations:
    """Sets of rows that have the same columns, one after the other."""
    if len(parts) == 1:
        return parts[0]
    columns = {}
    for field in dataclasses.fields(Observations):
        some = [getattr(part, field.name) for part in parts]
        columns[field.name] = None if some[0] is None else np.concatenate(some)
    return Observations(**columns)
