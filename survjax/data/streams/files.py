"""Parquet and CSV files in batches by pyarrow; whatever goes wrong names the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from survjax.data.streams.batches import Batch, Roles, ask_for_event, check_schema

#: Bytes of a column that are read ahead: a row group need not fit into memory.
BUFFER = 1 << 20


def file_batches(path: str, roles: Roles, size: int) -> Iterator[Batch]:
    """The needed columns of a file, some rows at a time."""
    origin, first = repr(path), 0
    with _named(origin):
        batches = _csv(path, roles) if is_csv(path) else _parquet(path, roles, size)
        for number, columns in enumerate(batches):
            yield Batch(columns, origin, number, first)
            first += columns.num_rows


def check_files(paths: list[str], roles: Roles) -> None:
    """Look at the schema of each file, so that a wrong one does not come up after hours."""
    for i, path in enumerate(paths):
        of = f" (file {i + 1} of {len(paths)})" if len(paths) > 1 else ""
        origin = f"{path!r}{of}"
        with _named(origin):
            schema = _schema(path, roles)
            check_schema(schema, roles, origin)
            if i == 0:
                ask_for_event(schema.names, roles)


def is_csv(path: str) -> bool:
    """Whether a file is text: any that does not begin as Parquet does, by its name or content."""
    with open(path, "rb") as file:
        head = file.read(4)
    return head != b"PAR1" and not path.endswith((".parquet", ".parq", ".pq"))


@contextmanager
def _named(origin: str) -> Iterator[None]:
    """Errors of reading in one line that names the file."""
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        words = getattr(error, "strerror", None) or str(error)
        line = " ".join(words.split())
        raise ValueError(f"{origin} cannot be read: {line}") from None


def _schema(path: str, roles: Roles) -> Any:
    """The columns of a file and their types."""
    import pyarrow.parquet as pq

    if is_csv(path):
        with _csv_reader(path, roles, only=False) as reader:
            return reader.schema
    return pq.read_schema(path)


def _parquet(path: str, roles: Roles, size: int) -> Iterator[Any]:
    """Record batches of a Parquet file, whose row groups are read piece by piece."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER) as file:
        check_schema(file.schema_arrow, roles, repr(path))
        yield from file.iter_batches(batch_size=size, columns=roles.columns)


def _csv(path: str, roles: Roles) -> Iterator[Any]:
    """Record batches of a CSV file."""
    with _csv_reader(path, roles, only=False) as reader:
        check_schema(reader.schema, roles, repr(path))
    with _csv_reader(path, roles, only=True) as reader:
        yield from reader


def _csv_reader(path: str, roles: Roles, only: bool) -> Any:
    """A reader of CSV whose numbers are numbers of 64 bits, whatever the first rows look like."""
    import pyarrow as pa
    from pyarrow import csv

    numbers = [roles.duration, roles.entry, roles.weight]
    types = {name: pa.float64() for name in numbers if name is not None}
    if roles.name is not None:
        types.setdefault(roles.name, pa.string())
    convert = csv.ConvertOptions(
        include_columns=roles.columns if only else None,
        column_types=types,
    )
    return csv.open_csv(path, convert_options=convert)
