"""All rows of a source as a fit asks for them: one reading for each look.

The first pass checks every row. Where different rows are few they are fitted in memory, and no
other pass is needed; else it leaves few rows that stand for all, and each look of the fit at all
rows reads the source once more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from survjax._core.parallel import in_order
from survjax._core.precision import double_precision
from survjax._core.programs import Program
from survjax.data.observations import Observations
from survjax.data.streams.batches import Batch, Lives, Roles, in_blocks, lives_of
from survjax.data.streams.sources import Source
from survjax.data.truncation_rows import with_truncation_rows
from survjax.fitting.coreset import joined
from survjax.fitting.streams.grid import LogTimeGrid
from survjax.fitting.streams.ties import DifferentIntervals, DifferentLives
from survjax.lifetimes import Lifetime
from survjax.likelihood.all_rows import TreeSum, over_parts
from survjax.likelihood.executors import executor

#: Rows that are checked at a time: fewer, and threads hand over more than they check.
CHECKED_ROWS = 65_536

#: Why a source that is read once does not serve, and what to do.
READ_ONCE = (
    "the rows have too many different durations to be held in memory, so that a fit must read them "
    "several times, and the source is an iterator or a reader, which is read once: pass files, a "
    "table, a list of batches, or a function that gives a new reader at each call, such as "
    "lambda: con.sql(query)"
)

#: How lives become rows of a likelihood: with every check, or as they were checked before.
RowsOf = Callable[[Lives, bool], Observations]
#: Sums (m, q) over some rows of a function of lifetime, point and rows.
Over = Callable[[Program, Lifetime, np.ndarray, Observations], np.ndarray]
#: Told of each pass: its number, and rows that were read.
Progress = Callable[[int, int], None]


class Summary:
    """What the first pass leaves: counts, and the different rows or a coreset of them."""

    def __init__(self, rows_of: RowsOf, most: int) -> None:
        self.rows_of = rows_of
        self.n_rows, self.n_units, self.n_events = 0, 0.0, 0.0
        self.different: DifferentLives | None = DifferentLives(most)
        self._waiting: list[Lives] = []
        self._n_waiting = 0
        self.grid, self.intervals = LogTimeGrid(), DifferentIntervals()

    def add(self, lives: Lives, rows: Observations) -> Summary:
        """A batch, as lives and as rows with those of truncation."""
        self.n_rows += lives.n_rows
        self.n_units += rows.n_units
        self.n_events += rows.n_events
        if self.different is None:
            self._compress(rows)
            return self
        self._waiting.append(lives)
        self._n_waiting += lives.n_rows
        if self._n_waiting >= CHECKED_ROWS:
            self._count(CHECKED_ROWS)
        return self

    def finish(self) -> Summary:
        """No rows follow."""
        self._count(1)
        return self

    def _count(self, fewest: int) -> None:
        """Count the rows that wait in blocks of one size: batches must not change their order."""
        waiting, self._waiting, self._n_waiting = self._waiting, [], 0
        for block in in_blocks(waiting, CHECKED_ROWS):
            if self.different is None:
                self._compress_lives(block)
            elif block.n_rows < fewest:
                self._waiting, self._n_waiting = [block], block.n_rows
            elif not self.different.add(block):
                self._give_up()

    def merge(self, other: Summary) -> None:
        """What another pass over other rows has left."""
        self.n_rows += other.n_rows
        self.n_units += other.n_units
        self.n_events += other.n_events
        if other.different is None:
            self._give_up()
            self.grid.merge(other.grid)
            for rows in other.intervals.kept:
                self.intervals.add(rows)
            return
        for lives in other.different.parts:
            if self.different is None:
                self._compress_lives(lives)
            elif not self.different.add(lives):
                self._give_up()

    def _give_up(self) -> None:
        """Different rows are too many to be held: they are compressed from now on."""
        if self.different is not None:
            kept, self.different = self.different.parts, None
            for part in kept:
                self._compress_lives(part)

    def _compress_lives(self, lives: Lives) -> None:
        for some in in_blocks([lives], CHECKED_ROWS):
            self._compress(with_truncation_rows(self.rows_of(some, True)))

    def _compress(self, rows: Observations) -> None:
        if rows.interval is not None:
            self.intervals.add(rows.take(rows.interval > 0))
        self.grid.add(rows.without_intervals())

    def few(self) -> Observations:
        """Few rows that stand for all."""
        plain = self.grid.compressed()
        return joined(plain, self.intervals.total()) if self.intervals.kept else plain


class Stream:
    """All rows of a source, read anew for each sum.

    Parameters
    ----------
    source : Source
    roles : Roles
        Which column holds what.
    rows_of : callable
        Lives to rows, with the checks of the estimator.
    n_rows, n_units, n_events
        As the first pass counted them.
    progress : callable
        Told of each pass and of the rows that were read.
    over : callable
        What sums over the rows of one block.
    """

    def __init__(
        self,
        source: Source,
        roles: Roles,
        rows_of: RowsOf,
        counted: tuple[int, float, float],
        progress: Progress,
        over: Over = over_parts,
    ) -> None:
        self.source, self.roles, self.rows_of, self.progress = source, roles, rows_of, progress
        self.over = over
        self.n_rows, self.n_units, self.n_events = counted
        self.n_passes = 1

    def sum(self, of_rows: Program, lifetime: Lifetime, points: np.ndarray) -> np.ndarray:
        """Sums (m, q) over all rows, by one pass.

        Rows are cut into blocks of one size, whatever the batches were, and the blocks are added
        up in a tree of their order: neither batches nor threads change a digit.
        """
        self.n_passes += 1

        @double_precision
        def of_block(lives: Lives) -> np.ndarray:
            return self.over(of_rows, lifetime, points, self.rows_of(lives, True))

        total = TreeSum()
        for found in in_order(of_block, in_blocks(self._lives(), block_size())):
            total.add(found)
        sums = total.total()
        assert sums is not None
        return sums

    def _lives(self) -> Iterator[Lives]:
        """The rows once more, as many as there were in the first pass."""
        n = 0
        for batch in self.source.read(self.roles):
            if batch.columns.num_rows:
                n += batch.columns.num_rows
                self.progress(self.n_passes, n)
                yield lives_of(batch, self.roles)
        if n != self.n_rows:
            raise ValueError(
                f"the source had {self.n_rows} rows in the first pass and {n} in pass "
                f"{self.n_passes}: it must give the same rows each time (an iterator gives them "
                "once: pass a list, or a function that makes a new one)"
            )


def block_size() -> int:
    """Rows of a stream that are summed at a time."""
    chosen = executor()
    return chosen.block if chosen.parts is None else max(chosen.parts)


def checked(lives: Lives, rows_of: RowsOf, place: str) -> Observations:
    """Rows with those of truncation; what is wrong with them is said with their place."""
    try:
        return with_truncation_rows(rows_of(lives, False))
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


@dataclasses.dataclass(frozen=True)
class Reader:
    """How the rows of a source are gone through: once, and then for sums.

    Attributes
    ----------
    source : Source
    roles : Roles
        Which column holds what.
    rows_of : callable
        Lives to rows, with the checks of the estimator.
    progress : callable
        Told of each pass and of the rows that were read.
    over : callable
        What sums over the rows of one block.
    """

    source: Source
    roles: Roles
    rows_of: RowsOf
    progress: Progress
    over: Over = over_parts

    def first_pass(self, most: int) -> Summary:
        """Read, check and count all rows, and compress them where they are many."""
        summary = Summary(self.rows_of, most)

        @double_precision
        def of_piece(piece: Batch) -> tuple[Lives, Observations]:
            try:
                lives = lives_of(piece, self.roles)
            except ValueError as error:
                raise ValueError(f"{piece.place}: {error}") from None
            return lives, checked(lives, self.rows_of, piece.place)

        batches = self.source.read(self.roles)
        pieces = (piece for batch in batches for piece in batch.pieces(CHECKED_ROWS))
        for lives, rows in in_order(of_piece, pieces):
            self._again_if_needed(summary.add(lives, rows))
            self.progress(1, summary.n_rows)
        return self._again_if_needed(summary.finish())

    def _again_if_needed(self, summary: Summary) -> Summary:
        """Refuse a source that is read once where its rows are too many to be held."""
        if summary.different is None and not self.source.again:
            raise ValueError(READ_ONCE)
        return summary

    def all_rows(self, counted: tuple[int, float, float]) -> Stream:
        """All rows for sums, as the first pass counted them."""
        how = self.source, self.roles, self.rows_of, counted, self.progress, self.over
        return Stream(*how)
