"""Which input is read in batches, and checks of it before anything slow is loaded."""

from __future__ import annotations

import argparse
import dataclasses
import glob
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from survjax.cli._columns import needed_columns
from survjax.cli._text import Refused, printable, quoted

#: A Parquet file of this many bytes is read in batches unasked.
LARGE = 256 * 2**20
#: Options that need the whole of one file.
WHOLE = {
    "cause": "--cause",
    "covariates": "--covariates",
    "lower": "--lower and --upper",
    "failed_value": "--failed-value",
    "separator": "--separator",
    "start": "--start and --end",
}


@dataclasses.dataclass(frozen=True)
class Input:
    """What is read in batches.

    Attributes
    ----------
    source
        As `fit_stream` takes it.
    name : str
        For messages.
    roles : dict
        Role to column.
    files : tuple of str
        That are read, and must not be written to.
    """

    source: Any
    name: str
    roles: dict[str, str]
    files: tuple[str, ...] = ()


def is_stream(arguments: argparse.Namespace) -> bool:
    """Whether input is a query, a pattern, several files, or one large Parquet file."""
    files = arguments.file
    if arguments.query is not None or arguments.database is not None or len(files) > 1:
        return True
    if not files:
        return False
    path = Path(files[0])
    try:
        if not path.exists():
            return glob.has_magic(files[0])
        if not path.is_file() or path.stat().st_size < LARGE:
            return False
        with path.open("rb") as file:
            return file.read(4) == b"PAR1"
    except (OSError, ValueError):
        return False


def stream_input(arguments: argparse.Namespace) -> Input:
    """Check the options and what can be looked at before a pass."""
    for name, option in WHOLE.items():
        if getattr(arguments, name):
            raise Refused(f"{option} needs one file that fits into memory, and no --query")
    if arguments.sort != "file":
        raise Refused("--sort risk needs one file that fits into memory, and no --query")
    roles = needed_columns(arguments)
    if arguments.query is not None:
        return _query(arguments, roles)
    if arguments.database is not None:
        raise Refused("--database goes with --query SQL, which says what to read from it")
    from survjax.data.streams.sources import source_of

    files = arguments.file[0] if len(arguments.file) == 1 else arguments.file
    with refusing():
        found = source_of(files)
        found.check(roles_of(roles))
    count = len(found.files)
    name = f"{count} file{'s' * (count > 1)}"
    return Input(found, name, roles, found.files)


def roles_of(roles: dict[str, str]) -> Any:
    """The columns of a stream."""
    from survjax.data.streams.batches import Roles

    names = ("event", "entry", "weight", "in_service", "id")
    return Roles(roles["duration"], *(roles.get(name) for name in names))


def _query(arguments: argparse.Namespace, roles: dict[str, str]) -> Input:
    """The answer to a query, asked anew for each pass."""
    if arguments.file:
        raise Refused("--query says what to read: name no file besides")
    try:
        import duckdb
    except ImportError:
        raise Refused("--query needs DuckDB: python -m pip install 'survjax[sql]'") from None
    if arguments.database is not None and not os.path.isfile(arguments.database):
        raise Refused(f"there is no file {quoted(arguments.database)}")
    try:
        if arguments.database is None:
            database = duckdb.connect()
        else:
            database = duckdb.connect(arguments.database, read_only=True)
        columns = database.sql(arguments.query).columns
    except (duckdb.Error, AttributeError) as error:
        words = "it gives no rows" if isinstance(error, AttributeError) else _first_line(error)
        raise Refused(f"--query cannot be answered: {words}") from None
    missing = [column for column in roles.values() if column not in columns]
    if missing:
        listed = printable(", ".join(columns), 200)
        raise Refused(f"the query gives no column {quoted(missing[0])}; it gives {listed}")
    ask: Callable[[], Any] = lambda: database.sql(arguments.query)  # noqa: E731
    return Input(ask, "the query", roles)


@contextmanager
def refusing() -> Iterator[None]:
    """Turn errors of reading and fitting into one line."""
    from survjax.cli._session import in_words_of_options

    try:
        yield
    except (ValueError, TypeError, ImportError) as error:
        raise Refused(in_words_of_options(str(error))) from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("duckdb", "_duckdb", "pyarrow"):
            raise
        raise Refused(f"the source cannot be read: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    """What a library says, in one line."""
    return printable(str(error).strip().splitlines()[0] if str(error).strip() else error, 200)
