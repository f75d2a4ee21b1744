"""Which units could be seen at all: late entry (left) and exit (right truncation)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.validation import check_length, check_rows, check_times


def check_truncation(
    entry: ArrayLike | None, exit: Any, seen: np.ndarray, last: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Check that each unit was under observation at its time.

    Parameters
    ----------
    entry, exit : array-like of shape (n,) or None
        As users give them.
    seen, last : arrays of shape (n,)
        What is known of the life: it is at least `seen`, and entry must lie before `last`.
    ends : array of shape (n,)
        True where the life may be equal to `seen`, False where it is longer.
    """
    n = seen.shape[0]
    if entry is not None:
        entry = check_times(entry, "entry", zero=True)
        check_length(entry, n, "entry")
        check_rows(
            entry,
            (entry < last) | ((entry == 0) & (last == 0)),
            "entry",
            "below the unit's duration",
            "a unit cannot enter at or after its end",
        )
    if exit is not None:
        exit = check_times(exit, "exit", infinite=True)
        check_length(exit, n, "exit")
        check_rows(
            exit,
            (exit > seen) | (ends & (exit == seen)),
            "exit",
            "at least the unit's duration, and beyond it for a unit still running",
            "a failure after the exit would not have been recorded",
        )
        entry = np.zeros(n) if entry is None else entry
        if np.isinf(exit).all():
            exit = None
    return entry, exit


def trimmed(
    lower: np.ndarray,
    upper: np.ndarray,
    exact: np.ndarray,
    entry: np.ndarray | None,
    exit: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of each row within its truncation bounds: no life outside them was seen.

    A unit still running, of those that failed by `exit`, fails between now and then.
    """
    if entry is None:
        return lower, upper
    nothing = np.isinf(upper) & (lower <= entry)
    lower = np.where(exact, lower, np.maximum(lower, np.minimum(entry, upper)))
    if exit is None:
        return lower, upper
    # What spans all that could be seen says nothing: as a unit running at time zero.
    return np.where(nothing, 0.0, lower), np.where(exact | nothing, upper, np.minimum(upper, exit))
