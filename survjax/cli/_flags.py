"""Columns of flags that no option names: one of them may be the event that was forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from survjax.cli._text import printable

#: What stands in cells without a value.
MISSING = frozenset(("", "na", "n/a", "nan", "null", "none", "nat", "#n/a", "-", ".", "?"))
FLAGS = {"1": True, "0": False, "true": True, "false": False, "1.0": True, "0.0": False}
#: Words that an event column may hold instead.
WORDS = {"yes": True, "no": False, "y": True, "n": False}
#: Parts of names that tell an event from other flags, and from its opposite.
EVENTS = ("event", "fail", "death", "dead", "died", "broke", "observed", "status")
OPPOSITES = ("service", "running", "alive", "cens")
#: Columns that a note lists.
LISTED = 3


class LeftOver:
    """Watches the columns of a file that no option names, row by row."""

    def __init__(self, header: Sequence[str], used: Iterable[int]) -> None:
        named = set(used)
        self.seen: dict[int, set[str]] = {
            i: set() for i in range(len(header)) if i not in named and header[i].strip()
        }
        self.header = header

    def see(self, row: Sequence[str]) -> None:
        """Note the cells of a row; a column that holds anything but flags is watched no longer."""
        other = []
        for i, seen in self.seen.items():
            cell = row[i].strip().lower()
            if cell in FLAGS or cell in WORDS:
                seen.add(cell)
            else:
                other.append(i)
        for i in other:
            del self.seen[i]

    def names(self) -> tuple[str, ...]:
        """Columns in which both yes and no occur, and nothing else."""
        both = (i for i, seen in self.seen.items() if len({(FLAGS | WORDS)[c] for c in seen}) == 2)
        return tuple(self.header[i].strip() for i in both)


def holds_flags(cells: Sequence[Any]) -> bool:
    """The same of a whole column: numbers as an array, or a list of text."""
    if isinstance(cells, np.ndarray):
        return bool(np.any(cells == 0) and np.any(cells == 1) and np.isin(cells, (0, 1)).all())
    watched = LeftOver(["column"], ())
    for cell in cells:
        watched.see([cell])
        if not watched.seen:
            return False
    return bool(watched.names())


def all_failed(n_rows: int, flags: Sequence[str]) -> str:
    """The note that every row counts as a failure, and which column may say otherwise."""
    counted = f"every one of the {n_rows} rows" if n_rows > 1 else "the only row"
    note = f"{counted} was counted as a failure, since --event is not given"

    def rank(name: str) -> int:
        low = name.lower()
        return 2 * any(part in low for part in OPPOSITES) - any(part in low for part in EVENTS)

    likely = sorted(flags, key=rank)[:LISTED]
    if not likely:
        return note
    if rank(likely[0]) > 0:  # its 1 means that the unit runs
        return f"{note}; column '{printable(likely[0], 30)}' holds flags: --event needs 1 = failed"
    first, *others = (f"--event {printable(name, 30)}" for name in likely if rank(name) < 1)
    more = f" (or {', or '.join(others)})" if others else ""
    return f"{note}; did you mean {first}?{more}"
