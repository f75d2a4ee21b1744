"""Rows that come one batch after the other, in fixed memory: a coreset, and sums of any likelihood.

Cells of the grid are even in log time, and their width is a power of two: they merge in pairs where
the range grows. Of the rows of each cell there are sums of Chebyshev's polynomials. Weight and mean
make one row of a coreset. All of them say more: a likelihood that is smooth in log time is a
polynomial on a cell but for rounding, and its sum over all rows is one over few nodes of each
cell, whose weights the sums tell, whatever the parameters are (`survjax.fitting.interpolation`).
Rows are summed in blocks of one size: how they were cut into batches changes no digit.
"""

from __future__ import annotations

import copy

import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.coreset import GRID
from survjax.fitting.interpolation.rows import Chebyshev

#: The finest width of cells in log time, and the most cells that are in use.
FINEST, CELLS = 2.0**-24, GRID
#: Failed, running and entered units have cells of their own.
KINDS = 3
#: Rows that are summed at a time, whatever the batches were.
BLOCK = 2**16
#: Six nodes in cells of 1/256, as thirty e-foldings of time have, place the maximum of a
#: hundred million rows within some 1e-11 standard errors where shapes are below ten.
CHEBYSHEV = Chebyshev(6)


class LogTimeGrid:
    """Sums of polynomials over rows by cell and kind; `low` and `high` are in the finest cells."""

    def __init__(self) -> None:
        self.shift, self.low, self.high = 0, 0, -1
        self.sums = np.zeros((CHEBYSHEV.n, CELLS, KINDS))
        self._make_room()

    def _make_room(self) -> None:
        #: Log times, weights and kinds of rows that wait for a block to be full.
        self._kept = np.empty((3, BLOCK))
        self._waiting = 0
        self._scratch, self._index = np.empty((4, BLOCK)), np.empty(BLOCK, np.intp)

    def __getstate__(self) -> tuple[int, int, int, np.ndarray | None]:
        """What travels between processes: sums, where there are any."""
        self._sum_waiting()
        return self.shift, self.low, self.high, self.sums if self.low <= self.high else None

    def __setstate__(self, state: tuple[int, int, int, np.ndarray | None]) -> None:
        self.shift, self.low, self.high, sums = state
        self.sums = np.zeros((CHEBYSHEV.n, CELLS, KINDS)) if sums is None else sums
        self._make_room()

    def add(self, rows: Observations) -> None:
        """Rows without intervals, and without truncation but as rows of negative weight."""
        if not rows.weight.all():
            rows = rows.without_padding()
        kind = 1.0 - rows.event
        if rows.n_rows and rows.weight.min() < 0:
            kind += rows.weight < 0
        start = 0
        while start < rows.n_rows:
            n = min(BLOCK - self._waiting, rows.n_rows - start)
            there = slice(start, start + n)
            columns = rows.log_lower[there], rows.weight[there], kind[there]
            start += n
            if n == BLOCK:
                self._sum(*columns)
                continue
            for kept, column in zip(self._kept, columns, strict=True):
                kept[self._waiting : self._waiting + n] = column
            self._waiting += n
            if self._waiting == BLOCK:
                self._sum_waiting()

    def merge(self, other: LogTimeGrid) -> None:
        """The rows of another grid."""
        self._sum_waiting()
        other._sum_waiting()
        if other.high < other.low:
            return
        self._cover(other.low, other.high)
        other._cover(self.low, self.high)
        self.sums += other.sums

    def compressed(self) -> Observations:
        """One row for each cell and kind that holds weight."""
        self._sum_waiting()
        cell, kind = np.nonzero(self.sums[0])
        weight, beside = self.sums[:2, cell, kind]
        log_time = self._width() * (self._middle(cell) + 0.5 * beside / weight)
        return Observations(np.exp(log_time), log_time, (kind == 0).astype(np.float64), weight)

    def nodes(self) -> Observations:
        """Rows that have the likelihood of all where it is smooth; some weights are negative."""
        self._sum_waiting()
        cell, kind = np.nonzero(self.sums[0])
        middle = self._middle(cell)[:, None]
        log_time = (self._width() * (middle + 0.5 * CHEBYSHEV.nodes)).ravel()
        event = np.repeat((kind == 0).astype(np.float64), CHEBYSHEV.n)
        weight = (self.sums[:, cell, kind].T @ CHEBYSHEV.to_weights).ravel()
        return Observations(np.exp(log_time), log_time, event, weight)

    def coarser(self) -> LogTimeGrid:
        """The same rows in cells of twice the width."""
        self._sum_waiting()
        found = copy.copy(self)
        found._widen()
        return found

    def _width(self) -> float:
        return FINEST * 2.0**self.shift

    def _middle(self, cell: np.ndarray) -> np.ndarray:
        """Log times of the middles of cells, in widths of a cell."""
        found: np.ndarray = cell + (self.low >> self.shift) + 0.5
        return found

    def _sum_waiting(self) -> None:
        """Sum the rows that wait: always as many at a time, but for the last."""
        n, self._waiting = self._waiting, 0
        if n:
            self._sum(*self._kept[:, :n])

    def _sum(self, log_time: np.ndarray, weight: np.ndarray, kind: np.ndarray) -> None:
        """Sum the polynomials over one block."""
        low, high = float(log_time.min()), float(log_time.max())
        self._cover(int(np.floor(low / FINEST)), int(np.floor(high / FINEST)))
        width = self._width()
        first = int(np.floor(low / width))
        size = KINDS * (int(np.floor(high / width)) - first + 1)
        begin = first - (self.low >> self.shift)
        place = self.sums[:, begin : begin + size // KINDS]
        # New arrays of this size would be new pages, which cost more than the arithmetic.
        twice, one, two, three = self._scratch[:, : log_time.size]
        index = self._index[: log_time.size]
        np.divide(log_time, width, out=twice)
        twice -= first
        np.floor(twice, out=one)
        twice -= one
        one *= KINDS
        one += kind
        np.copyto(index, one, casting="unsafe")

        def add(term: int, value: np.ndarray) -> None:
            place[term] += np.bincount(index, value, size).reshape(-1, KINDS)

        add(0, weight)
        twice *= 4.0
        twice -= 2.0
        before, now = weight, np.multiply(weight, twice, out=one)
        now *= 0.5
        add(1, now)
        spare = [two, three]
        for term in range(2, CHEBYSHEV.n):
            following = np.multiply(twice, now, out=spare.pop())
            following -= before
            if before is not weight:
                spare.append(before)
            before, now = now, following
            add(term, now)

    def _cover(self, low: int, high: int) -> None:
        """Make room between two of the finest cells: wider cells if there must be."""
        if self.high < self.low:
            self.low, self.high = low, high
        base = self.low >> self.shift
        low, high = min(low, self.low), max(high, self.high)
        while (high >> self.shift) - (low >> self.shift) >= CELLS:
            self._widen()
            base = self.low >> self.shift
        moved = base - (low >> self.shift)
        self.low, self.high = low, high
        if moved:
            # What is beyond the last cell is empty.
            self.sums = np.roll(self.sums, moved, axis=1)

    def _widen(self) -> None:
        """Merge cells in pairs."""
        used = np.flatnonzero(self.sums[0].any(axis=1))
        base = self.low >> self.shift
        cell = used + base
        sums = self.sums[:, used]
        for side in (0, 1):
            there = (cell & 1) == side
            sums[:, there] = np.tensordot(CHEBYSHEV.of_half(side), sums[:, there], 1)
        self.shift += 1
        merged = (cell >> 1) - (self.low >> self.shift)
        self.sums = np.zeros((CHEBYSHEV.n, CELLS, KINDS))
        for total, some in zip(self.sums, sums, strict=True):
            np.add.at(total, merged, some)
