"""Ages from columns of dates: when units went into service, and when they failed."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from survjax._core.time_units import DAYS
from survjax.cli._flags import MISSING
from survjax.cli._text import Refused, quoted

if TYPE_CHECKING:
    from survjax.cli._columns import Checker

#: Seconds in a day.
DAY = 86_400.0
#: Forms of dates that tables hold, besides those of ISO 8601.
FORMS = (
    "%d.%m.%Y", "%d.%m.%y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y", "%d/%m/%Y",
    "%m/%d/%y", "%d/%m/%y", "%d-%m-%Y", "%Y/%m/%d", "%d %b %Y", "%b %d, %Y", "%d-%b-%Y", "%d-%b-%y",
)  # fmt: skip
#: A day of the last 60 years in the count of a spreadsheet.
SERIAL = re.compile(r"[2-5]\d{4}(\.\d+)?")
SAME_DAY = "a failure needs an age above 0; if only days are known, add half a day"


def ages_from_dates(
    check: Checker, arguments: argparse.Namespace, causes: list[Any] | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Ages at the end, whether that was a failure, and ages at entry: (n,) each."""
    reader = DateReader(check, arguments.date_format)
    start, end = reader.column("start"), reader.column("end")
    check.fail(
        "start", np.flatnonzero(np.isnan(start)), "has no value", "fill in or drop such rows"
    )
    ended = ~np.isnan(end)
    stop = np.where(ended, end, reader.last_day(arguments.as_of, end))
    what = "is {cell}, before the unit's start,"
    check.rule("end", ~ended | (end >= start), what, "correct or drop such rows")
    what = "is {cell}, after --as-of,"
    check.rule("start", ended | (stop >= start), what, "correct it, or pass a later day")
    unit = DAY * DAYS[arguments.per]
    entry = None
    if "entry" in check.roles:
        seen = reader.column("entry")
        entry = np.where(np.isnan(seen), 0.0, np.maximum(seen - start, 0.0) / unit)
    failed = _failed(check, ended, arguments.failed_value, causes)
    check.rule("end", ~failed | (stop > start), "is the start of a failed unit", SAME_DAY)
    return (stop - start) / unit, failed, entry


def _failed(
    check: Checker, ended: np.ndarray, words: list[str], causes: list[Any] | None
) -> np.ndarray:
    """Which units failed, of those that have an end."""
    what = "is {cell} for a unit without an end"
    if "event" in check.roles:
        failed = check.failed(words, ~ended)
        check.rule("event", ended | ~failed, what, "fill in its end")
        return failed
    if causes is None:
        return ended
    named = np.array([cause is not None for cause in causes])
    check.rule("cause", ended | ~named, what, "fill in its end")
    return named


def likely_forms(cells: Iterable[str]) -> str:
    """The forms in which all of the cells are dates, joined by "or"."""
    cells = list(cells)
    fits = []
    for form in FORMS:
        with suppress(ValueError):
            for cell in cells:
                datetime.strptime(cell.strip(), form)
            fits.append(form)
    return " or ".join(fits)


class DateReader:
    """Dates in the columns of a table, as seconds since 1970; NaN where there is none."""

    def __init__(self, check: Checker, form: str | None) -> None:
        self.check, self.form = check, form

    def column(self, role: str) -> np.ndarray:
        """One column (n,); what is no date is refused."""
        cells = self.check.cells(role)
        if isinstance(cells, np.ndarray):
            if not np.isnan(cells.astype(float)).all():
                bad = np.flatnonzero(~np.isnan(cells.astype(float)))
                self.check.fail(role, bad, "holds a number, {cell},", "a date is needed")
            return np.full(len(cells), np.nan)
        known: dict[str, float] = {}
        found = np.empty(len(cells))
        for row, cell in enumerate(cells):
            if cell not in known:
                known[cell] = self._seconds(cell)
            found[row] = known[cell]
        bad = np.flatnonzero(np.isinf(found))
        forms = likely_forms(cell for cell in known if cell.strip().lower() not in MISSING)
        correct = "correct it (empty: still running)" if role == "end" else "correct it"
        if self.form:
            advice = f"no date of the form {self.form}: {correct}"
        elif np.isfinite(found).any() and not forms:
            advice = f"no date such as 2024-01-31, as others are: {correct}, or give all one form, "
            advice += "named by --date-format"
        else:
            form = forms or FORMS[0]
            advice = f"no date such as 2024-01-31: name the form, as in --date-format {form}"
        if bad.size and all(SERIAL.fullmatch(cells[row].strip()) for row in bad):
            advice = "days as Excel counts them? Give the column a format of dates, and save again"
        self.check.fail(role, bad, "holds {cell}", advice)
        return found

    def _seconds(self, cell: str) -> float:
        """Seconds since 1970, NaN for an empty cell, infinity for what is no date."""
        text = cell.strip()
        if text.lower() in MISSING:
            return np.nan
        try:
            form = self.form
            moment = datetime.strptime(text, form) if form else datetime.fromisoformat(text)
        except ValueError:
            return np.inf
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()

    def last_day(self, as_of: str | None, end: np.ndarray) -> float:
        """The day of the extract; needed where a unit has no end."""
        if as_of is None:
            self.check.fail(
                "end", np.flatnonzero(np.isnan(end)), "has no value",
                "such units still run: pass --as-of DATE, the day on which that was known",
            )  # fmt: skip
            return np.nan
        last = self._seconds(as_of)
        if not np.isfinite(last):
            form = self.form or "2024-01-31"
            raise Refused(f"--as-of must be a date of the form {form}, got {quoted(as_of)}")
        # A day without a time of day is over when the next one begins.
        until = last if ":" in as_of else last + DAY
        what = "is {cell}, after --as-of,"
        late = np.flatnonzero((end > last) & (end >= until))
        self.check.fail("end", late, what, "correct it, or pass a later day")
        return last
