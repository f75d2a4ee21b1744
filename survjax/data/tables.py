"""Columns of a pandas, polars or arrow table as NumPy arrays, or what is wrong with the table."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, Union, overload

import numpy as np

from survjax._core.callers import users_level
from survjax.data.event_names import is_event_column

if TYPE_CHECKING:
    import pandas as pd
    from narwhals.stable.v1.typing import IntoDataFrame

#: Names of columns that an error message lists.
LISTED = 30


class ArrowStream(Protocol):
    """Rows that any library hands over as Arrow data, such as a query of DuckDB."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A capsule that holds the stream."""


#: A table in memory, of pandas, polars or pyarrow, or what becomes one.
Frame: TypeAlias = Union["pd.DataFrame", "IntoDataFrame", ArrowStream]


class Columns:
    """The columns of a table by name; None has no column."""

    def __init__(self, frame: Frame) -> None:
        # Slow to load, and no fit of arrays needs it.
        from narwhals.exceptions import NarwhalsError

        try:
            self.table = _read(frame)
            self.names = list(self.table.columns)
        except (TypeError, NarwhalsError) as error:
            words = f"got {type(frame).__name__}"
            if isinstance(error, NarwhalsError):
                words += f" ({' '.join(str(error).split())})"
            elif hasattr(frame, "collect"):
                words += ": call collect() first"
            elif hasattr(frame, "compute"):
                words += ": call compute() first"
            else:
                words += ": make one of it, or pass its columns to from_durations"
            kind = ValueError if isinstance(error, NarwhalsError) else TypeError
            raise kind(
                f"frame must be a table in memory, of pandas, polars or pyarrow, {words}"
            ) from None

    @overload
    def __call__(self, name: None) -> None: ...

    @overload
    def __call__(self, name: str) -> np.ndarray: ...

    def __call__(self, name: str | None) -> np.ndarray | None:
        """A column, with missing values as NaN and numbers of any width as they are."""
        if name is None:
            return None
        if name not in self.names:
            more = ", ..." if len(self.names) > LISTED else ""
            listed = ", ".join(map(str, self.names[:LISTED])) + more
            raise ValueError(f"no column {name!r}: the table has {listed}")
        import narwhals.stable.v1 as nw

        series = self.table.get_column(name)
        if series.dtype.is_numeric():
            if series.null_count() or series.dtype in (nw.Int128, nw.UInt128):
                return series.cast(nw.Float64).to_numpy()
            return series.to_numpy()
        if series.null_count():
            return np.asarray(series.to_list(), dtype=object)
        return series.to_numpy()


def _read(frame: Frame) -> Any:
    """A table in memory; what only streams Arrow data, such as a query of DuckDB, becomes one."""
    import narwhals.stable.v1 as nw

    try:
        return nw.from_native(frame, eager_only=True)
    except TypeError:
        if not hasattr(frame, "__arrow_c_stream__"):
            raise
        try:
            import pyarrow
        except ImportError:
            pyarrow = None
        if pyarrow is None:
            raise
    return nw.from_native(pyarrow.table(frame), eager_only=True)


def ask_for_event(column: Columns, used: list[str | None]) -> None:
    """Warn where a column that nobody named looks like the events."""
    for name in column.names:
        values = None if name in used else column(name)
        if values is not None and is_event_column(name, values):
            warnings.warn(
                f"every one of the {values.size} rows counts as a failure, since event= is not "
                f"given: did you mean event={name!r}?",
                UserWarning,
                stacklevel=users_level(),
            )
            return
