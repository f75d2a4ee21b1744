"""A coreset of rows that come one batch after the other, in any order, in fixed memory.

Log times are whole numbers of a quantum that no likelihood can tell, and cells of the grid are
runs of them whose width is a power of two: cells merge in pairs where the range grows. With whole
weights all sums are exact, so that the grid depends on neither the order of the rows nor on how
they were cut into batches.
"""

from __future__ import annotations

import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.coreset import GRID

#: Step in which log times are counted, and the most cells that are in use.
QUANTUM, CELLS = 2.0**-24, GRID
#: Failed, running and entered units have cells of their own.
KINDS = 3


class LogTimeGrid:
    """Weights and mean log times of rows by cell and kind."""

    def __init__(self) -> None:
        self.shift, self.low, self.high = 0, 0, -1
        self.weight, self.offset = np.zeros((2, CELLS, KINDS))

    def add(self, rows: Observations) -> None:
        """Rows without intervals, and without truncation but as rows of negative weight."""
        if not rows.weight.all():
            rows = rows.without_padding()
        if rows.n_rows == 0:
            return
        quanta = np.rint(rows.log_lower / QUANTUM).astype(np.int64)
        self._cover(int(quanta.min()), int(quanta.max()))
        cell = quanta >> self.shift
        offset = quanta - (cell << self.shift)
        index = KINDS * (cell - (self.low >> self.shift))
        index += (rows.event == 0).view(np.int8) + (rows.weight < 0)
        for cells, value in ((self.weight, rows.weight), (self.offset, rows.weight * offset)):
            cells += np.bincount(index, value, KINDS * CELLS).reshape(CELLS, KINDS)

    def merge(self, other: LogTimeGrid) -> None:
        """The rows of another grid."""
        if other.high < other.low:
            return
        self._cover(other.low, other.high)
        other._cover(self.low, self.high)
        self.weight += other.weight
        self.offset += other.offset

    def _cover(self, low: int, high: int) -> None:
        """Make room for log times between these quanta: wider cells if there must be."""
        if self.high < self.low:
            self.low, self.high = low, high
        before, base = self.shift, self.low >> self.shift
        low, high = min(low, self.low), max(high, self.high)
        while (high >> self.shift) - (low >> self.shift) >= CELLS:
            self.shift += 1
        grown = self.shift - before
        self.low, self.high = low, high
        if grown == 0 and base == low >> self.shift:
            return
        used = np.flatnonzero(self.weight.any(axis=1))
        cell = used + base
        merged = cell >> grown
        beyond = (cell - (merged << grown)) << before
        weight, offset = np.zeros((2, CELLS, KINDS))
        place = merged - (low >> self.shift)
        np.add.at(weight, place, self.weight[used])
        moved = self.offset[used] + self.weight[used] * beyond[:, None]
        np.add.at(offset, place, moved)
        self.weight, self.offset = weight, offset

    def compressed(self) -> Observations:
        """One row for each cell and kind that holds weight."""
        cell, kind = np.nonzero(self.weight)
        weight = self.weight[cell, kind]
        begin = (cell + (self.low >> self.shift)) << self.shift
        log_time = (begin + self.offset[cell, kind] / weight) * QUANTUM
        return Observations(np.exp(log_time), log_time, (kind == 0).astype(np.float64), weight)
