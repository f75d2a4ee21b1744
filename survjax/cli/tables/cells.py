"""Numbers and lengths of time in the cells of a column of text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from survjax.cli._flags import MISSING
from survjax.cli._text import quoted

if TYPE_CHECKING:
    from survjax.cli._columns import Checker

#: Roles of columns that hold ages: numbers, or lengths of time.
AGES = ("duration", "lower", "upper", "entry")
#: A length of time as Python, pandas and Excel write it: 3 days, 4:05:06 or 76:05:06.
LENGTH = re.compile(r"(?:(-?\d+) days?,?[ T]+)?\+?(\d+):(\d\d):(\d\d(?:\.\d+)?)|(-?\d+) days?")


def lengths_in_days(cells: Sequence[str]) -> np.ndarray | None:
    """Lengths of time (n,) in days, NaN where there is none; None where a cell is no length."""
    found = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        text = cell.strip()
        if text.lower() in MISSING:
            continue
        length = LENGTH.fullmatch(text)
        if length is None:
            return None
        days, hours, minutes, seconds, whole = length.groups(default="0")
        clock = int(hours) * 3_600 + int(minutes) * 60 + float(seconds)
        found[row] = int(days) + int(whole) + clock / 86_400
    return None if np.isnan(found).all() else found


def numbers_in(cells: Sequence[str], decimal: str) -> tuple[np.ndarray, list[int], str]:
    """Numbers in text (n,), NaN where there is none; rows that hold something else, and advice."""
    values, bad = np.empty(len(cells)), []
    # Python reads 1_000 as a number; a table does not mean that. With decimal commas, points
    # would be marks for thousands.
    marks = str.maketrans("_" if decimal == "." else "_.,", "x" if decimal == "." else "xx.")
    for row, cell in enumerate(cells):
        try:
            values[row] = float(cell.translate(marks))
        except ValueError:
            values[row] = np.nan
            if cell.strip().lower() not in MISSING:
                bad.append(row)
    advice = "numbers are needed"
    if bad and "," in cells[bad[0]]:
        known = decimal == ","
        advice += "" if known else ", with --decimal , if commas are decimal marks"
        advice += ", without marks for thousands" if known else "; no marks for thousands"
    return values, bad, advice


def note_of_lengths(check: Checker) -> tuple[str, ...]:
    """A note where ages are lengths of time; numbers beside them have no unit, and are refused."""
    if not check.lengths:
        return ()
    for role in AGES:
        if role in check.roles and role not in check.lengths:
            rest = np.flatnonzero(np.isfinite(check.numbers(role, missing=np.nan)))
            check.fail(role, rest, "holds a number, {cell},", "other ages are lengths of time")
    names = " and ".join(quoted(check.roles[role]) for role in check.lengths)
    return (f"lengths of time in {names} are read in {check.per}: choose others with --per",)
