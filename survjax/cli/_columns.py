"""From cells to checked numbers: each error names the column, the line and what stands there."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from survjax._core.time_units import DAYS
from survjax._core.validation import how_many
from survjax.cli._flags import FLAGS, MISSING, WORDS
from survjax.cli._reading import Table, column_names
from survjax.cli._text import Refused, printable, quoted
from survjax.cli.tables.arguments import check_dates
from survjax.cli.tables.cells import AGES, lengths_in_days, note_of_lengths, numbers_in
from survjax.cli.tables.dates import ages_from_dates
from survjax.cli.tables.roles import one_role_each


@dataclass(frozen=True)
class Units:
    """What a file says of its units, checked.

    Attributes
    ----------
    lower, upper : arrays of shape (n,)
        Equal for an exact failure; upper is inf where the unit was last seen running.
    entry, weight : array of shape (n,) or None
    running : array of shape (n,)
        True where the unit gets a row of remaining life.
    names : list of str
        Of the units; their row numbers where the file has none.
    title : str
        Name of the column of names.
    causes : list or None
        What ended each unit: a tuple of the causes that it may be, None where it still runs.
    unit : str or None
        Of time, for what is printed and drawn.
    """

    lower: np.ndarray
    upper: np.ndarray
    entry: np.ndarray | None
    weight: np.ndarray | None
    running: np.ndarray
    names: list[str]
    title: str
    notes: tuple[str, ...] = ()
    causes: list[tuple[str, ...] | None] | None = None
    unit: str | None = None

    @property
    def exact(self) -> bool:
        """Whether no row is an interval."""
        return bool(np.all((self.lower == self.upper) | np.isinf(self.upper)))


def needed_columns(arguments: argparse.Namespace) -> dict[str, str]:
    """Role to column name, for the roles that were given."""
    bounds = [arguments.lower, arguments.upper]
    dated = check_dates(arguments)
    if arguments.duration is None and not dated:
        if None in bounds:
            raise Refused(
                "name the columns: --duration COL, or --start COL and --end COL with dates, or "
                f"--lower COL and --upper COL{column_names(arguments)}"
            )
        if arguments.event is not None:
            raise Refused(
                "--event goes with --duration: with --lower and --upper, an empty upper bound "
                "means that the unit still runs"
            )
        if arguments.resolution is not None:
            raise Refused("--resolution goes with --duration: bounds already say how wide they are")
    elif any(bound is not None for bound in bounds):
        raise Refused("name either --duration, or --lower and --upper, not both")
    if arguments.cause is not None and arguments.event is not None:
        raise Refused("--cause says what ended a unit, or that it still runs: leave out --event")
    if arguments.failed_value and arguments.event is None:
        raise Refused("--failed-value goes with --event COL, whose value for a failure it is")
    roles = (
        "duration", "start", "end", "event", "cause", "lower", "upper", "entry", "weight",
        "in_service", "id",
    )  # fmt: skip
    found = {role: getattr(arguments, role) for role in roles}
    return one_role_each({role: name for role, name in found.items() if name is not None})


def check_units(table: Table, roles: dict[str, str], arguments: argparse.Namespace) -> Units:
    """Check every needed cell, and return what they say."""
    check = Checker(table, roles, arguments)
    causes = check.causes() if "cause" in roles else None
    entry = None
    if "start" in roles:
        lower, failed, entry = ages_from_dates(check, arguments, causes)
        upper = np.where(failed, lower, np.inf)
    elif "duration" in roles:
        lower = check.numbers("duration")
        failed = check.failed(arguments.failed_value)
        if causes is not None:
            failed = np.array([cause is not None for cause in causes])
        check.rule("duration", lower >= 0, "is negative, {cell},", "durations start at 0")
        if arguments.resolution is None or arguments.rounding == "up":
            why = "a failed unit needs a positive duration"
            if arguments.resolution is None:
                why += "; if failures were rounded to 0, pass --resolution with --rounding down"
            check.rule("duration", (lower > 0) | ~failed, "is 0 for a failed unit", why)
        upper = np.where(failed, lower, np.inf)
    else:
        lower, upper = check.numbers("lower", missing=0.0), check.numbers("upper", missing=np.inf)
        check.rule("lower", lower >= 0, "is negative, {cell},", "ages start at 0")
        check.rule("upper", upper >= lower, "is {cell}, below the lower bound,", "swap or correct")
        check.rule("upper", upper > 0, "is 0", "a failure at age 0 has no place in a fit")
        failed = np.isfinite(upper)
        if causes is not None:
            named = np.array([cause is not None for cause in causes])
            check.rule(
                "cause", named | ~failed, "has no value for a unit that ended", "a|b names several"
            )
            check.rule(
                "cause", failed | ~named, "is {cell} for a unit that still runs", "leave it empty"
            )
    # A failure that was not rounded up is later than its number, so entry may be that number.
    later = failed & (arguments.resolution is not None and arguments.rounding != "up")
    if "entry" in roles:
        entry = check.entry(np.where(failed, upper, lower), later, entry)
    weight = check.weight() if "weight" in roles else None
    running = ~failed
    if "in_service" in roles:
        running = check.flags("in_service")
        both = "is {cell} for a failed unit"
        check.rule("in_service", ~(running & failed), both, "a unit in service has not failed")
    names, notes = check.names()
    title, lengths = roles.get("id", "row"), note_of_lengths(check)
    unit = arguments.unit or (arguments.per if lengths or "start" in roles else None)
    notes += lengths
    return Units(lower, upper, entry, weight, running, names, title, notes, causes, unit)


class Checker:
    """Cells of one table to numbers, flags and names."""

    def __init__(self, table: Table, roles: dict[str, str], arguments: argparse.Namespace) -> None:
        self.table, self.roles = table, roles
        self.decimal, self.per = arguments.decimal, arguments.per
        #: Roles whose columns hold lengths of time, not numbers.
        self.lengths: list[str] = []

    def cells(self, role: str) -> Any:
        """The cells of a column."""
        return self.table.columns[self.roles[role]]

    def words(self, role: str) -> list[str]:
        """The cells of a column as text, numbers without a point where they are whole."""
        cells = self.cells(role)
        if isinstance(cells, np.ndarray):
            return ["" if cell != cell else f"{cell:.15g}" for cell in cells.tolist()]
        return list(cells)

    def fail(self, role: str, rows: np.ndarray, what: str, advice: str) -> None:
        """Refuse the rows in which something is wrong, if there are any."""
        if len(rows):
            cell = self.cells(role)[int(rows[0])]
            more = f" ({len(rows)} such rows)" if len(rows) > 1 else ""
            raise Refused(
                f"column {quoted(self.roles[role])} {what.format(cell=quoted(cell))} in "
                f"{self.table.places(int(rows[0]))}{more}: {advice}"
            )

    def rule(self, role: str, good: np.ndarray, what: str, advice: str) -> None:
        """Refuse the rows that break a rule."""
        self.fail(role, np.flatnonzero(~good), what, advice)

    def numbers(self, role: str, missing: float | None = None) -> np.ndarray:
        """A column of finite numbers; missing cells are refused or take the given value."""
        cells = self.cells(role)
        if isinstance(cells, np.ndarray):
            values = cells.astype(np.float64)
        else:
            values = self._parse(role, cells)
        empty = np.isnan(values)
        if missing is None:
            self.fail(role, np.flatnonzero(empty), "has no value", "fill or drop rows without one")
        else:
            values = np.where(empty, missing, values)
        if role != "upper":
            infinite = np.flatnonzero(np.isinf(values))
            self.fail(role, infinite, "is not finite, {cell},", "correct or drop such rows")
        return values

    def _parse(self, role: str, cells: Sequence[str]) -> np.ndarray:
        """Numbers in text, or lengths of time in the unit of --per; NaN where there are none."""
        values, bad, advice = numbers_in(cells, self.decimal)
        lengths = lengths_in_days(cells) if bad and role in AGES else None
        if lengths is not None:
            self.lengths.append(role)
            return lengths / DAYS[self.per]
        self.fail(role, np.array(bad, int), "holds text, {cell},", advice)
        return values

    def flags(self, role: str, optional: np.ndarray | None = None) -> np.ndarray:
        """A column of 1 and 0, or true and false; False for no value where it is `optional`."""
        cells = self.cells(role)
        if isinstance(cells, np.ndarray):
            empty = np.isnan(cells.astype(np.float64))
            good = (cells == 0) | (cells == 1)
            values = cells == 1
        else:
            read = [(FLAGS | WORDS).get(cell.strip().lower()) for cell in cells]
            empty = np.array([cell.strip().lower() in MISSING for cell in cells])
            good = np.array([flag is not None for flag in read])
            values = np.array([bool(flag) for flag in read])
        meaning = "failed, 0 = not" if role == "event" else "still runs, 0 = not"
        advice = f"write 1 = {meaning} (or true, false, yes, no)"
        if optional is not None:
            empty, good = empty & ~optional, good | (empty & optional)
        self.fail(role, np.flatnonzero(empty), "has no value", advice)
        if role == "event":
            advice += ", or pass the word for a failure as --failed-value"
        self.fail(role, np.flatnonzero(~good), "holds {cell}", advice)
        return values

    def failed(self, words: Sequence[str], optional: np.ndarray | None = None) -> np.ndarray:
        """Which units failed: those whose event is one of the words, if any; all without events.

        Where it is `optional`, no value means that the unit did not fail.
        """
        if "event" not in self.roles:
            return np.ones(self.table.n_rows, bool)
        if not words:
            return self.flags("event", optional)
        cells = [cell.strip() for cell in self.words("event")]
        empty = np.array([cell.lower() in MISSING and cell not in words for cell in cells])
        optional = np.zeros(len(cells), bool) if optional is None else optional
        self.rule("event", ~empty | optional, "has no value", "fill or drop such rows")
        there = Counter(cells)
        for word in words:
            if word not in there:
                listed = ", ".join(printable(cell, 20) for cell, _ in there.most_common(5))
                raise Refused(
                    f"column {quoted(self.roles['event'])} nowhere holds --failed-value "
                    f"{quoted(word)}: it holds {listed}{', ...' if len(there) > 5 else ''}"
                )
        return np.array([cell in words for cell in cells])

    def causes(self) -> list[tuple[str, ...] | None]:
        """The causes that each unit may have ended of; None where it still runs."""
        cells = self.words("cause")
        found: list[tuple[str, ...] | None] = []
        for cell in cells:
            names = tuple(name.strip() for name in cell.split("|"))
            running = cell.strip().lower() in MISSING or cell.strip() == "0"
            found.append(None if running else names)
        bad = np.array([row for row, names in enumerate(found) if names and "" in names], int)
        self.fail("cause", bad, "holds {cell}", "write a|b for one of several causes")
        return found

    def entry(
        self, age: np.ndarray, later: np.ndarray, values: np.ndarray | None = None
    ) -> np.ndarray:
        """Entry ages, below the ages they lead to; an empty cell is a unit watched from new.

        Where the unit ended `later` than its age says, it may have entered at that age. `values`
        are those that dates gave.
        """
        values = self.numbers("entry", missing=0.0) if values is None else values
        self.rule("entry", values >= 0, "is negative, {cell},", "ages start at 0")
        early = (values < age) | ((values == age) & (later | (age == 0)))
        what = "is {cell}, not below the unit's age,"
        self.rule("entry", early, what, "a unit cannot come under observation at its end")
        return values

    def weight(self) -> np.ndarray:
        """Weights, at least zero and not all zero."""
        values = self.numbers("weight")
        self.rule("weight", values >= 0, "is negative, {cell},", "weights count units")
        if not values.any():
            raise Refused(f"column {quoted(self.roles['weight'])} is 0 in every row")
        return values

    def names(self) -> tuple[list[str], tuple[str, ...]]:
        """Names of the units, and a note where some repeat."""
        if "id" not in self.roles:
            return [str(row + 1) for row in range(self.table.n_rows)], ()
        cells = self.cells("id")
        if isinstance(cells, np.ndarray):
            cells = ["" if cell != cell else f"{cell}" for cell in cells.tolist()]
        twice = [cell for cell, count in Counter(cells).items() if count > 1]
        if not twice:
            return cells, ()
        first = printable(twice[0], 30)
        note = f"column {quoted(self.roles['id'])} repeats '{first}'"
        note += f" and {how_many(len(twice) - 1, 'other name')}" if len(twice) > 1 else ""
        return cells, (f"{note}: each row counts as a unit of its own",)
