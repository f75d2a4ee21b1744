"""One record batch of Arrow as the columns of a fit, and words that find it in its source."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from survjax._core.callers import users_level
from survjax._core.validation import as_floats, check_events, check_length, check_rows
from survjax.data.event_names import is_event_column

#: Names of columns that an error message lists.
LISTED = 20


@dataclasses.dataclass(frozen=True)
class Roles:
    """Which column holds what; None where no column does.

    Besides what a fit needs, `flag` may be one more column of flags, and `name` that of names.
    """

    duration: str
    event: str | None = None
    entry: str | None = None
    weight: str | None = None
    flag: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            name = getattr(self, field.name)
            if not isinstance(name, str) and (name is not None or field.name == "duration"):
                raise ValueError(f"{field.name} must name a column, got {name!r}")

    @cached_property
    def columns(self) -> list[str]:
        """The columns that are read, each once."""
        return list(dict.fromkeys(name for name in dataclasses.astuple(self) if name is not None))


class Batch(NamedTuple):
    """A record batch and where it comes from: a file or the source, its number, its first row."""

    columns: Any
    origin: str
    number: int
    first: int

    @property
    def place(self) -> str:
        """Words that find the batch, and its rows by their numbers in a message."""
        if self.first == 0:
            return f"{self.origin}, batch {self.number}"
        return f"{self.origin}, batch {self.number} (row 0 here is row {self.first})"

    def pieces(self, size: int) -> Iterator[Batch]:
        """The batch in pieces of so many rows."""
        for i in range(0, self.columns.num_rows, size):
            yield self._replace(columns=self.columns.slice(i, size), first=self.first + i)


class Lives(NamedTuple):
    """Durations of units, whether they failed, and perhaps entries and weights: all of shape (n,).

    `entry` and `weight` are None where no column holds them.
    """

    durations: np.ndarray
    events: np.ndarray
    entry: np.ndarray | None = None
    weight: np.ndarray | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.durations.shape[0])

    def rows(self, chosen: Any) -> Lives:
        """The chosen rows."""
        return Lives._make(None if column is None else column[chosen] for column in self)


def joined_lives(parts: Iterable[Lives]) -> Lives:
    """Rows of several parts, one after the other."""
    columns = zip(*parts, strict=True)
    return Lives._make(None if c[0] is None else np.concatenate(c) for c in columns)


def ask_for_event(names: Iterable[str], roles: Roles) -> None:
    """Warn where no column is the event, and one that nobody named is called like one."""
    if roles.event is not None:
        return
    for name in names:
        if name not in roles.columns and is_event_column(name, np.array([0, 1])):
            warnings.warn(
                f"every row counts as a failure, since event= is not given: did you mean "
                f"event={name!r}?",
                UserWarning,
                stacklevel=users_level(),
            )
            return


def check_schema(schema: Any, roles: Roles, origin: str) -> None:
    """Refuse a schema of Arrow that lacks a column, or holds text where numbers are needed."""
    import pyarrow.types as kinds

    for name in roles.columns:
        if name not in schema.names:
            more = ", ..." if len(schema.names) > LISTED else ""
            listed = ", ".join(map(str, schema.names[:LISTED])) + more
            raise ValueError(f"{origin} has no column {name!r}: it has {listed}")
        n = schema.names.count(name)
        if n > 1:
            raise ValueError(f"{origin} has {n} columns {name!r}: give each a name of its own")
        if name == roles.name:
            continue
        kind = schema.field(name).type
        kind = kind.value_type if kinds.is_dictionary(kind) else kind
        number = kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind)
        flag = kinds.is_boolean(kind) and name in (roles.event, roles.weight, roles.flag)
        if not (number or flag or kinds.is_null(kind)):
            advice = "1 = failed, 0 = still running" if name == roles.event else "numbers"
            raise ValueError(
                f"{origin}: column {name!r} must hold {advice}, got the type {kind}: convert it "
                "first"
            )


def lives_of(batch: Batch, roles: Roles) -> Lives:
    """The columns of a batch as arrays; whether they are lifetimes is checked where they are used.

    Its schema is known to be good (`check_schema`).

    Raises
    ------
    ValueError
        For events other than 0 and 1, and weights that are negative or no numbers.
    """
    columns, n = batch.columns, batch.columns.num_rows
    durations = as_floats(_array(columns, roles.duration), roles.duration)
    events = None if roles.event is None else _array(columns, roles.event)
    events = check_events(events, n, roles.event or "event")
    entry = None
    if roles.entry is not None:
        entry = as_floats(_array(columns, roles.entry), roles.entry)
    weight = None
    if roles.weight is not None:
        weight = _weights(_array(columns, roles.weight), n, roles.weight)
    return Lives(durations, events, entry, weight)


def _array(columns: Any, name: str) -> np.ndarray:
    """A column as NumPy has it; missing numbers are NaN."""
    column = columns.column(name)
    if hasattr(column, "dictionary_decode"):
        column = column.dictionary_decode()
    array: np.ndarray = column.to_numpy(zero_copy_only=False)
    return array


def _weights(array: np.ndarray, n: int, name: str) -> np.ndarray:
    """Weights of one batch, which may all be zero."""
    weights = array.astype(np.float64) if array.dtype.kind == "b" else as_floats(array, name)
    check_length(weights, n, name)
    good = np.isfinite(weights) & (weights >= 0)
    check_rows(weights, good, name, "finite and at least zero", "drop or correct these rows")
    return weights


def in_blocks(parts: Iterable[Lives], size: int) -> Iterator[Lives]:
    """The same rows in blocks of one size (the last may be shorter), whatever the batches were."""
    waiting: list[Lives] = []
    n_waiting = 0
    for part in parts:
        start = 0
        while n_waiting + part.n_rows - start >= size:
            stop = start + size - n_waiting
            waiting.append(part.rows(slice(start, stop)))
            yield waiting[0] if len(waiting) == 1 else joined_lives(waiting)
            waiting, n_waiting, start = [], 0, stop
        if start < part.n_rows:
            waiting.append(part.rows(slice(start, None)))
            n_waiting += part.n_rows - start
    if waiting:
        yield joined_lives(waiting)
