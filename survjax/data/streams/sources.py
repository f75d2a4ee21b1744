"""What a stream may come from, and how it is read once more for each pass.

Record batches of Arrow are the one interface: files are read by pyarrow, and whatever exports
Arrow's stream (`__arrow_c_stream__`: pyarrow, polars, DuckDB, pandas) brings its own.
"""

from __future__ import annotations

import dataclasses
import glob
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from survjax.data.streams.batches import Batch, Roles, ask_for_event, check_schema
from survjax.data.streams.files import check_files, file_batches

#: Rows that are asked for at a time.
BATCH_ROWS = 65_536


@dataclasses.dataclass(frozen=True)
class Source:
    """Batches that can be read more than once, unless the source is an iterator.

    Attributes
    ----------
    read : callable
        Roles to an iterator of batches, from the beginning.
    again : bool
        Whether a second pass is possible.
    identity : tuple
        What tells the source from another: names, sizes and times of its files; empty where
        nothing does.
    files : tuple of str
        Paths of its files.
    check : callable
        Looks at what can be looked at before a pass: the schema of each file.
    """

    read: Callable[[Roles], Iterator[Batch]]
    again: bool = True
    identity: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    check: Callable[[Roles], None] = lambda roles: None


def source_of(given: Any) -> Source:
    """Find out how something is read: `fit_stream` says what may be given."""
    _needs_pyarrow()
    if isinstance(given, Source):
        return given
    if isinstance(given, (str, os.PathLike)):
        return _of_files(_found(given))
    if _is_paths(given):
        return _of_files(sorted(path for each in given for path in _found(each)))
    if callable(given) and not hasattr(given, "__arrow_c_stream__"):
        return Source(lambda roles: _batches(given(), roles))
    one_shot = _is_reader(given) or (hasattr(given, "__next__") and iter(given) is given)
    return Source(
        lambda roles: _batches(given, roles),
        again=not one_shot,
        check=lambda roles: ask_for_event(_names_of(given), roles),
    )


def _needs_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise ImportError(
            "streams are read by pyarrow, which is not installed: pip install 'survjax[parquet]'"
        ) from None


def _is_paths(given: Any) -> bool:
    """Whether something is a list of paths."""
    some = isinstance(given, (list, tuple)) and len(given) > 0
    return some and all(isinstance(each, (str, os.PathLike)) for each in given)


def _is_reader(given: Any) -> bool:
    """Whether something is a reader of record batches, which can be read once."""
    return type(given).__name__ == "RecordBatchReader"


def _names_of(given: Any) -> list[str]:
    """The columns of a table, frame, relation or list of batches, where that is known."""
    if hasattr(given, "collect_schema"):
        return list(given.collect_schema().names())
    if hasattr(getattr(given, "schema", None), "names"):
        return list(given.schema.names)
    if isinstance(given, (list, tuple)):
        return _names_of(given[0]) if given else []
    return [str(name) for name in getattr(given, "columns", ())]


def _found(path: str | os.PathLike[str]) -> list[str]:
    """The files that a path, a folder or a pattern names, in the order of their names."""
    name = os.fspath(path)
    if os.path.isdir(name):
        found = sorted(str(each) for each in Path(name).rglob("*.parquet"))
        if not found:
            raise ValueError(f"there is no file *.parquet in the folder {name!r}")
        return found
    if os.path.exists(name) or not glob.has_magic(name):
        return [name]
    found = sorted(each for each in glob.glob(name, recursive=True) if os.path.isfile(each))
    if not found:
        raise ValueError(f"no file matches {name!r}")
    return found


def _of_files(paths: list[str]) -> Source:
    """A source of Parquet or CSV files, one after the other."""

    def read(roles: Roles) -> Iterator[Batch]:
        for path in paths:
            yield from file_batches(path, roles, BATCH_ROWS)

    def stamp(path: str) -> str:
        try:
            found = os.stat(path)
        except OSError as error:
            raise ValueError(f"{path!r} cannot be read: {error.strerror or error}") from None
        return f"{os.path.abspath(path)} {found.st_size} {found.st_mtime_ns}"

    identity = tuple(stamp(path) for path in paths)
    real = [os.path.realpath(path) for path in paths]
    if len(set(real)) < len(real):
        path = next(path for i, path in enumerate(paths) if real[i] in real[:i])
        raise ValueError(f"{path!r} is given twice: its units would count twice")
    return Source(read, True, identity, tuple(paths), lambda roles: check_files(paths, roles))


def _batches(given: Any, roles: Roles) -> Iterator[Batch]:
    """Number the record batches of anything that has some."""
    first, known = 0, None
    for number, columns in enumerate(_record_batches(given, roles, "the source")):
        if columns.schema != known:
            check_schema(columns.schema, roles, f"the source, batch {number}")
            known = columns.schema
        yield Batch(columns, "the source", number, first)
        first += columns.num_rows


def _record_batches(given: Any, roles: Roles, what: str) -> Iterator[Any]:
    """Record batches of a dataset, a lazy frame, a stream of Arrow, or an iterable of those."""
    import pyarrow as pa

    if isinstance(given, pa.RecordBatch):
        yield given
    elif hasattr(given, "to_batches") and hasattr(given, "get_fragments"):
        check_schema(given.schema, roles, what)
        yield from given.to_batches(columns=roles.columns, batch_size=BATCH_ROWS)
    elif hasattr(given, "collect_batches"):
        yield from _of_lazy_frame(given, roles, what)
    elif hasattr(given, "__arrow_c_stream__"):
        yield from pa.RecordBatchReader.from_stream(given)
    elif hasattr(given, "__arrow_c_array__"):
        yield pa.record_batch(given)
    elif isinstance(given, Iterable) and not isinstance(given, (str, bytes, dict)):
        for number, part in enumerate(given):
            yield from _record_batches(part, roles, f"batch {number} of the source")
    else:
        raise TypeError(
            f"{what} must be files, a dataset, anything with __arrow_c_stream__ (polars, DuckDB, "
            "pandas, pyarrow), a function that gives one, or an iterable of record batches, got "
            f"{type(given).__name__}"
        )


def _of_lazy_frame(frame: Any, roles: Roles, what: str) -> Iterator[Any]:
    """Batches of a LazyFrame of polars, of the needed columns only."""
    names = frame.collect_schema().names()
    missing = [name for name in roles.columns if name not in names]
    chosen = frame if missing else frame.select(roles.columns)
    for part in chosen.collect_batches(chunk_size=BATCH_ROWS):
        yield from part.to_arrow().to_batches()
