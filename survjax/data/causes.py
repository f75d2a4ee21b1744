"""Why each unit ended: one cause, one of several that cannot be told apart, or none yet."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.validation import check_length, missing

#: What ended each unit (n,): a label, several of which one did, or None while it still runs.
CauseColumn: TypeAlias = ArrayLike | Sequence[Hashable | Collection[Hashable]]
#: What stands for several causes of which one ended the unit.
SETS = (set, frozenset, tuple, list, np.ndarray)


def check_labels(labels: Sequence[Any]) -> tuple[Hashable, ...]:
    """Check the names of causes: text or numbers, none that reads as a unit still running."""
    if not labels:
        raise ValueError("causes is empty: name each cause with its lifetime")
    found = tuple(label.item() if isinstance(label, np.generic) else label for label in labels)
    for label in found:
        if not isinstance(label, (str, int, float)) or label != label:
            raise ValueError(f"causes must be named by text or numbers, got {label!r}")
        if label == 0 or (isinstance(label, str) and not label.strip()):
            raise ValueError(
                f"causes has the name {label!r}, which means a unit still running: choose another"
            )
    return found


def allowed_causes(cause: CauseColumn | None, labels: tuple[Hashable, ...], n: int) -> np.ndarray:
    """Which causes each unit may have ended of.

    Parameters
    ----------
    cause : array-like of shape (n,)
        A label, or a set, tuple or list of labels of which one ended the unit; None, NaN, NA or
        the number 0 for a unit still running.
    labels : tuple
        The causes.
    n : int
        Number of units.

    Returns
    -------
    bool array of shape (n, K)
        No cause of a unit that still runs.

    Examples
    --------
    >>> allowed_causes(["wear", None, {"wear", "shock"}], ("wear", "shock"), 3).astype(int).tolist()
    [[1, 0], [0, 0], [1, 1]]
    """
    column = _column(cause, n)
    number = {label: k for k, label in enumerate(labels)}
    allowed = np.zeros((n, len(labels)), bool)
    known: dict[Any, list[int]] = {}
    unknown: list[tuple[int, Any]] = []
    for row in np.flatnonzero(~_running(column)):
        entry = column[row]
        several = isinstance(entry, SETS)
        members = tuple(entry) if several else (entry,)
        if not members:
            raise ValueError(
                f"cause has an empty set in row {row}: pass None for a unit still running, or the "
                "set of all causes where nothing is known of its cause"
            )
        try:
            numbers = known.get(members)
            if numbers is None:
                known[members] = numbers = [number[member] for member in members]
        except TypeError:
            raise ValueError(
                f"cause must hold labels, or sets of labels, got {entry!r} in row {row}"
            ) from None
        except KeyError as error:
            unknown.append((int(row), error.args[0]))
            continue
        allowed[row, numbers] = True
    if unknown:
        raise ValueError(_unknown_label(unknown, labels))
    return allowed


def _column(cause: CauseColumn | None, n: int) -> np.ndarray:
    """A column of causes as Python's objects."""
    if cause is None:
        raise ValueError("cause is missing: pass why each unit ended, None where it still runs")
    if isinstance(cause, (list, tuple)):
        # NumPy would take sets among the labels for a second axis.
        column = np.empty(len(cause), object)
        for row, entry in enumerate(cause):
            column[row] = entry
    else:
        column = np.asarray(cause)
    if column.ndim != 1:
        got = f"shape {column.shape}" if column.ndim else repr(cause)
        raise ValueError(f"cause must have one entry for each of the {n} durations, got {got}")
    check_length(column, n, "cause")
    plain = np.empty(n, object)
    plain[:] = column.tolist() if column.dtype.kind in "iufb" else list(column)
    return plain


def _running(column: np.ndarray) -> np.ndarray:
    """Which units still run: what is missing, and the number 0 (False)."""
    alone = np.array([not isinstance(entry, SETS) for entry in column], bool)
    found = np.zeros(column.shape, bool)
    found[alone] = missing(column[alone])
    zero = [isinstance(x, (int, float, np.number, np.bool_)) and x == 0 for x in column[alone]]
    found[alone] |= np.array(zero, bool)
    return found


def _unknown_label(unknown: list[tuple[int, Any]], labels: tuple[Hashable, ...]) -> str:
    """What to say of labels that are none of the causes."""
    row, label = unknown[0]
    label = label.item() if isinstance(label, np.generic) else label
    size = len(unknown)
    advice = "correct it, or name it in causes with its lifetime"
    text = label.strip().lower() if isinstance(label, str) else "?"
    if text in ("", "0", "0.0", "none", "nan", "na", "null", "censored", "running"):
        advice = "pass None for a unit that still runs"
    return (
        f"cause has the label {label!r} in row {row} ({size} such "
        f"{'row' if size == 1 else 'rows'}), which is none of the causes "
        f"{', '.join(map(repr, labels))}: {advice}"
    )
