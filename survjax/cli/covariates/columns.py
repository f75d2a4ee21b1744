"""Columns that effects are fitted to: numbers as they are, text as one column for each level."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from survjax.cli._columns import Checker
from survjax.cli._flags import FLAGS, MISSING
from survjax.cli._text import Refused, printable, quoted

#: Text with more different values than this is no group that an effect can be fitted to.
MOST_LEVELS = 12
#: The effect of one unit has digits to read up to this standard deviation, and down to its inverse.
READABLE = 1000.0
DATE = re.compile(r"\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.]\d{2,4}")


@dataclass(frozen=True)
class Covariates:
    """What a file says of each unit besides its life, as numbers.

    Attributes
    ----------
    names : list of str
        Of the columns; `maker=Borel` is 1 where the text in `maker` is Borel.
    values : array of shape (n, p)
    levels : dict
        For each column of text its levels, the one that effects are against first.
    notes : tuple of str
        How columns were read.
    """

    names: list[str]
    values: np.ndarray
    levels: dict[str, list[str]]
    notes: tuple[str, ...]


def named_covariates(given: Sequence[str], roles: dict[str, str]) -> list[str]:
    """The columns of `--covariates`, given in one list or several; commas in a name need quotes."""
    cells = csv.reader(given, skipinitialspace=True)
    names = [name.strip() for row in cells for name in row or [""]]
    if not all(names):
        raise Refused("--covariates has an empty name: write --covariates load,maker")
    if "intercept" in names:
        raise Refused("a covariate cannot be called 'intercept', as a parameter is: rename it")
    used = {column: role for role, column in roles.items()}
    for name in names:
        if names.count(name) > 1:
            raise Refused(f"--covariates names column {quoted(name)} twice")
        if name in used:
            option = used[name].replace("_", "-")
            raise Refused(f"column {quoted(name)} is --{option}, and cannot be a covariate too")
    return names


def read_covariates(check: Checker, names: Sequence[str]) -> Covariates:
    """Check every cell of the named columns, and make numbers of them."""
    found: list[str] = []
    columns: list[np.ndarray] = []
    levels: dict[str, list[str]] = {}
    notes: list[str] = []
    for name in names:
        check.roles[name] = name  # its own role: no option names this column alone
        cells = check.cells(name)
        if isinstance(cells, np.ndarray) or not _is_text(check, cells):
            values = check.numbers(name) if isinstance(cells, np.ndarray) else _plain(check, name)
            if np.all(values == values[0]):
                raise Refused(
                    f"column {quoted(name)} is {values[0]:g} in every row: it has no effect"
                )
            found.append(name)
            columns.append(values)
            notes.extend(_note_on_spread(name, values))
            continue
        groups = _levels(check, name, cells)
        levels[name] = groups
        words = [cell.strip() for cell in cells]
        for group in groups[1:]:
            found.append(f"{name}={group}")
            columns.append(np.array([float(word == group) for word in words]))
        notes.append(
            f"column {quoted(name)} holds text, {len(groups)} values: effects are against "
            f"'{printable(groups[0], 30)}', the most frequent"
        )
    twice = next((name for name in found if found.count(name) > 1), None)
    if twice is not None:
        raise Refused(
            f"column {quoted(twice)} has the name of a value of {quoted(twice.split('=')[0])}: "
            "leave one of them out of --covariates, or rename it"
        )
    return Covariates(found, np.column_stack(columns), levels, tuple(notes))


def _note_on_spread(name: str, values: np.ndarray) -> Iterator[str]:
    """Say where one unit of a column is so little, or so much, that its effect cannot be read."""
    spread = float(np.std(values))
    if not 1.0 / READABLE <= spread <= READABLE:
        yield (
            f"column {quoted(name)} has a standard deviation of {spread:.2g}: the effect of one "
            f"unit will be hard to read; divide it by {10.0 ** round(np.log10(spread)):g}, say"
        )


def _is_text(check: Checker, cells: Sequence[str]) -> bool:
    """Whether a column is of words: less than half of its cells are numbers or flags."""
    counts = Counter(cell.strip() for cell in cells)
    there = {cell: count for cell, count in counts.items() if cell.lower() not in MISSING}
    numbers = sum(count for cell, count in there.items() if _is_number(cell, check.decimal))
    return 2 * numbers < sum(there.values())


def _is_number(cell: str, decimal: str) -> bool:
    if cell.lower() in FLAGS:
        return True
    try:
        float(cell.replace(decimal, ".").replace("_", "x"))
    except ValueError:
        return False
    return True


def _plain(check: Checker, name: str) -> np.ndarray:
    """A column of numbers in text; true and false are 1 and 0."""
    cells = check.cells(name)
    flags = {cell.strip().lower() for cell in cells} <= {"true", "false"}
    return check.flags(name).astype(float) if flags else check.numbers(name)


def _levels(check: Checker, name: str, cells: Sequence[str]) -> list[str]:
    """Different words of a column, the most frequent first, the rest in their order."""
    words = [cell.strip() for cell in cells]
    empty = np.flatnonzero([word.lower() in MISSING for word in words])
    check.fail(name, empty, "has no value", "fill or drop rows without one")
    counts = Counter(words)
    commas = [word for word in counts if "," in word]
    if check.decimal == "." and commas and all(_is_number(word, ",") for word in counts):
        raise Refused(
            f"column {quoted(name)} holds text, {quoted(commas[0])}: pass --decimal , if commas "
            "are decimal marks"
        )
    if len(counts) > MOST_LEVELS and all(DATE.match(word) for word in counts):
        raise Refused(
            f"column {quoted(name)} holds dates, such as {quoted(words[0])}: an effect needs "
            "numbers; write years since some day, or leave it out"
        )
    if len(counts) > MOST_LEVELS:
        raise Refused(
            f"column {quoted(name)} holds text with {len(counts)} different values, such as "
            f"{quoted(words[0])}: at most {MOST_LEVELS} can have effects; group them, or leave "
            "it out"
        )
    if len(counts) == 1:
        raise Refused(f"column {quoted(name)} is {quoted(words[0])} in every row: no effect")
    first = max(sorted(counts), key=lambda word: counts[word])
    return [first, *sorted(set(counts) - {first})]


def refusal_of_fit(message: object) -> str:
    """An error of a fit in the words of the command line."""
    text = str(message)
    if text.startswith("collinear columns: "):
        return f"{text.split('. Their')[0]}: leave one of them out of --covariates"
    return text.replace("n_components", "--components").replace(" in y", "")
