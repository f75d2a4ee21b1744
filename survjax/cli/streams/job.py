"""Fit, tell, draw and write for input that is read in batches; remaining lives go to Parquet."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from survjax import WeibullMixture
from survjax._core.validation import check_events, how_many
from survjax.cli._columns import Units
from survjax.cli._job import draw_fit
from survjax.cli._report import (
    SHOWN,
    Remaining,
    certificate_lines,
    comparison,
    components,
    running_table,
)
from survjax.cli._session import DONE, NOT_INTERIOR, Session, writing_to_out
from survjax.cli._text import printable
from survjax.cli.streams.source import Input, refusing, roles_of
from survjax.data.streams.batches import Batch, Roles, lives_of
from survjax.data.streams.sources import source_of
from survjax.estimators.streams.fit_stream import fits_of_stream

#: Ages that the picture of remaining lives marks.
MARKED = 2000


def finish(session: Session, given: Input, unit: str | None) -> int:
    """Fit, tell, write; move everything into place at the end."""
    arguments = session.arguments
    roles = roles_of(given.roles)
    model, single = _fit(session, given, roles)
    for line in (
        *components(model, unit, arguments.level),
        *comparison(model, single),
        *certificate_lines(model),
    ):
        session.say(line)
    folder = session.results.folder
    assert folder is not None
    lives = RemainingLives(model, roles, arguments.level, arguments.horizon)
    with refusing(), writing_to_out():
        lives.write(folder / "rul.parquet", given.source, session)
    for line in ("", *lives.lines(unit)):
        session.say(line)

    def put(folder: Path) -> None:
        model.save(folder / "model.json")
        if arguments.pictures:
            _draw(session, folder, model, single, lives, unit)

    session.write(put)
    return DONE if model.converged_ else NOT_INTERIOR


def _fit(session: Session, given: Input, roles: Roles) -> tuple[WeibullMixture, WeibullMixture]:
    """The fit that was asked for, and the single Weibull, off the same first pass."""
    arguments = session.arguments
    how = {"resolution": arguments.resolution, "rounding": arguments.rounding}
    shown = 0

    def tell(number: int, n_rows: int) -> None:
        nonlocal shown
        if number != shown:
            shown = number
            session.begin(f"reading {given.name}, pass {number}")

    with refusing():
        models = WeibullMixture(arguments.components, **how), WeibullMixture(1, **how)
        fitted, single = fits_of_stream(given.source, models, roles, progress=tell)
    session.pass_on_warnings()
    return fitted, single


def _draw(
    session: Session,
    folder: Path,
    model: WeibullMixture,
    single: WeibullMixture,
    lives: RemainingLives,
    unit: str | None,
) -> None:
    """Draw what `survjax fit` draws of one file."""
    nobody = Units(np.empty(0), np.empty(0), None, None, np.empty(0, bool), [], "row")
    found = Remaining(model, nobody, lives.level, None)
    found.ages = np.array(lives.marked)
    draw_fit(session, folder, model, single, found, unit=unit, truth=None)


class RemainingLives:
    """Remaining lives of the units still running, batch by batch into a file."""

    def __init__(self, model: Any, roles: Roles, level: float, horizon: float | None) -> None:
        self.model, self.roles, self.level, self.horizon = model, roles, level, horizon
        self.n_rows, self.n_units = 0, 0.0
        #: The shortest mean remaining lives: (-mean, row, name, age, columns).
        self.shortest: list[tuple[float, int, str, float, dict[str, float]]] = []
        self.marked: list[float] = []

    def write(self, path: Path, source: Any, session: Session) -> None:
        """One row for each unit still running, in the order of the source."""
        session.begin("computing remaining lives")
        writer, first = None, 0
        try:
            for batch in source_of(source).read(self.roles):
                if batch.columns.num_rows == 0:
                    continue
                table = self._table(batch, first)
                first += batch.columns.num_rows
                writer = writer or pq.ParquetWriter(path, table.schema)
                writer.write_table(table.cast(writer.schema))
        finally:
            if writer is not None:
                writer.close()

    def _table(self, batch: Batch, first: int) -> pa.Table:
        """The running units of a batch; `first` is the number of its first row."""
        lives = lives_of(batch, self.roles)
        running = ~lives.events
        if self.roles.flag is not None:
            flags = batch.columns.column(self.roles.flag).to_numpy(zero_copy_only=False)
            running = check_events(flags, lives.n_rows, self.roles.flag)
            if (running & lives.events).any():
                row = int(np.flatnonzero(running & lives.events)[0])
                raise ValueError(
                    f"{batch.place}: {self.roles.flag} is 1 for a failed unit in row {row}: a unit "
                    "in service has not failed"
                )
        chosen = np.flatnonzero(running)
        ages, which = np.unique(lives.durations[chosen], return_inverse=True)
        numbers = {name: values[which] for name, values in self._by_age(ages).items()}
        title = self.roles.name or "row"
        if self.roles.name is None:
            names = pa.array(first + chosen + 1)
        else:
            names = batch.columns.column(self.roles.name).take(pa.array(chosen))
        weight = np.ones(chosen.size) if lives.weight is None else lives.weight[chosen]
        self._count(names, lives.durations[chosen], weight, numbers)
        columns = {"age": lives.durations[chosen], **numbers}
        while title in columns:
            title += "_id"
        arrays = {name: pa.array(c, from_pandas=True) for name, c in columns.items()}
        return pa.table({title: names, **arrays})

    def _by_age(self, ages: np.ndarray) -> dict[str, np.ndarray]:
        """Columns of remaining life for different ages, equal ones once."""
        some = ages if ages.size else np.zeros(1)
        units = Units(
            some, np.full(some.size, np.inf), None, None, np.ones(some.size, bool),
            [""] * some.size, "row",
        )  # fmt: skip
        found = Remaining(self.model, units, self.level, self.horizon, for_picture=False)
        return {name: values[: ages.size] for name, values in found.columns_of.items()}

    def _count(
        self, names: Any, ages: np.ndarray, weight: np.ndarray, numbers: dict[str, np.ndarray]
    ) -> None:
        """Keep the shortest lives, and some ages."""
        order = np.argsort(numbers["mean"], kind="stable")[:SHOWN]
        for i in order:
            row = {name: float(values[i]) for name, values in numbers.items()}
            item = (-row["mean"], -(self.n_rows + int(i)), str(names[int(i)]), float(ages[i]), row)
            heapq.heappush(self.shortest, item)
        while len(self.shortest) > SHOWN:
            heapq.heappop(self.shortest)
        self.marked += ages[: MARKED - len(self.marked)].tolist()
        self.n_rows += ages.size
        self.n_units += float(weight.sum())

    def lines(self, unit: str | None) -> Iterator[str]:
        """The shortest mean remaining lives."""
        if self.n_rows == 0:
            yield "no unit is still running: rul.parquet has no rows"
            return
        of = f", {printable(unit, 20)}" if unit else ""
        which = f"; the {SHOWN} shortest:" if self.n_rows > SHOWN else ":"
        count = f"{self.n_rows} unit{'s' * (self.n_rows > 1)}"
        if self.roles.weight is not None:
            count = f"{how_many(self.n_units, 'unit')} in {how_many(self.n_rows, 'row')}"
        yield f"remaining life of {count} still running{of}{which}"
        rows = [(name, age, row) for _, _, name, age, row in sorted(self.shortest, reverse=True)]
        yield from running_table(rows, self.level, self.horizon)
