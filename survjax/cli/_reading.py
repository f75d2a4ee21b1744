"""From a file of a user to the columns that a fit needs, or one line that says what is wrong.

A file is small against the patience of its owner, so every cell that counts is looked at:
nothing is guessed, padded, truncated or dropped in silence.
"""

from __future__ import annotations

import argparse
import array
import codecs
import csv
import difflib
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from survjax.cli._flags import LeftOver, holds_flags
from survjax.cli._text import Refused, printable, quoted
from survjax.cli.tables.workbook import is_workbook, sheet_rows

#: What other files begin with, and what to do with them.
FOREIGN = {
    b"\x1f\x8b": "is compressed (gzip): unpack it first",
    b"BZh": "is compressed (bzip2): unpack it first",
    b"\xfd7zXZ": "is compressed (xz): unpack it first",
    b"(\xb5/\xfd": "is compressed (zstd): unpack it first",
    b"PK\x03\x04": "is a zip archive, or a damaged Excel workbook: save the sheet as CSV first",
    b"\xd0\xcf\x11\xe0": "is an old Excel workbook (.xls): save it as .xlsx or CSV first",
    b"%PDF": "is a PDF document: a table in CSV or Parquet is needed",
}
SEPARATORS = ",;\t|"
#: A first line by which Excel is told what stands between cells.
TOLD_TO_EXCEL = re.compile(r'"?sep=([^\r\n])"?[\r\n]+', re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """The needed columns of a file.

    Attributes
    ----------
    columns : dict
        Name to cells: a list of text, or an array of numbers (NaN where missing).
    places : callable
        Row number, from 0, to words that find it in the file: "line 12".
    n_rows : int
    notes : tuple of str
        What the user should know about how the file was read.
    flags : tuple of str
        Other columns that hold flags and nothing else, if they were asked for.
    names : tuple of str
        Of all columns of the file.
    """

    columns: dict[str, Any]
    places: Callable[[int], str]
    n_rows: int
    notes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def read_table(
    path: Path,
    needed: Sequence[str],
    separator: str | None = None,
    encoding: str = "utf-8",
    flags: bool = False,
) -> Table:
    """Read the needed columns of a CSV or Parquet file, or of the first sheet of a workbook.

    `flags` asks for the names of columns that hold flags.
    """
    raw = _read_bytes(path)
    if raw.startswith(b"PAR1"):
        return _read_parquet(path, needed, flags)
    if is_workbook(raw):
        return table_of(quoted(path), sheet_rows(quoted(path), raw), needed, flags)
    return _read_csv(path, _decode(path, raw, encoding), needed, separator, flags)


def column_names(arguments: argparse.Namespace) -> str:
    """What the columns of the file of a command are called, where it can be read."""
    with suppress(Refused):
        path = Path(arguments.file)
        return f"; {quoted(path)} has {printable(', '.join(read_table(path, ()).names), 200)}"
    return ""


def _read_bytes(path: Path) -> bytes:
    """The content of a file, or why there is none."""
    name = quoted(path)
    try:
        if path.is_dir():
            raise Refused(f"{name} is a folder: name a CSV or Parquet file in it")
        if path.exists() and not path.is_file():
            raise Refused(f"{name} is not an ordinary file")
        raw = path.read_bytes()
    except FileNotFoundError:
        raise Refused(f"there is no file {name}") from None
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or error
        raise Refused(f"{name} cannot be read: {words}") from None
    if not raw.strip():
        raise Refused(f"{name} is empty")
    if is_workbook(raw):
        return raw
    for beginning, advice in FOREIGN.items():
        if raw.startswith(beginning):
            raise Refused(f"{name} {advice}")
    return raw


def _decode(path: Path, raw: bytes, encoding: str) -> str:
    """The text of a file; the marks of Unicode at its beginning count."""
    name = quoted(path)
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-32" if raw.startswith(codecs.BOM_UTF32_LE) else "utf-16"
    elif raw.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except LookupError:
        raise Refused(f"there is no encoding {quoted(encoding)}: try utf-8 or latin-1") from None
    except UnicodeDecodeError as error:
        if b"\0" in raw:
            raise Refused(f"{name} is binary or damaged: no table of text") from None
        line = raw[: error.start].count(b"\n") + 1
        raise Refused(
            f"{name} is not text in {encoding} (byte 0x{raw[error.start]:02x} in line {line}): "
            "save it as CSV in UTF-8, or pass --encoding latin-1"
        ) from None
    except (TypeError, ValueError):  # codecs such as "rot13" or "idna" decode no files
        raise Refused(f"{name} cannot be read as {quoted(encoding)}: try utf-8") from None
    if not isinstance(text, str):
        raise Refused(f"{quoted(encoding)} is not an encoding of text: try utf-8")
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        advice = f" (a NUL byte in line {line})"
        for start, other in ((1, "utf-16-le"), (0, "utf-16-be")):
            if raw[start:200:2].count(0) > 0.9 * len(raw[start:200:2]):
                advice = f", or text in UTF-16: try --encoding {other}"
        raise Refused(f"{name} is binary or damaged{advice}")
    return text


def _read_csv(
    path: Path, text: str, needed: Sequence[str], separator: str | None, flags: bool
) -> Table:
    """Read the needed columns of CSV text."""
    name = quoted(path)
    told = TOLD_TO_EXCEL.match(text)
    before = int(told is not None)
    if told is not None:
        separator, text = separator or told[1], text[told.end() :]
    separator, notes = (separator, ()) if separator else _find_separator(name, text, needed)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        rows = ((reader.line_num + before, row) for row in reader)
        return table_of(name, rows, needed, flags, notes)
    except csv.Error as error:
        reason = "a quote is not closed" if "end of data" in str(error) else error
        raise Refused(f"{name} is not CSV in line {reader.line_num + before}: {reason}") from None


def table_of(
    name: str,
    rows: Iterator[tuple[int, list[str]]],
    needed: Sequence[str],
    flags: bool,
    notes: tuple[str, ...] = (),
) -> Table:
    """The needed columns of lines of cells, each with its number; the first not blank has names."""
    header = next((row for _, row in rows if any(cell.strip() for cell in row)), None)
    if header is None:
        raise Refused(f"{name} is empty")
    lines = array.array("q")
    where = [_position(column, header, name) for column in needed]
    cells: list[list[str]] = [[] for _ in needed]
    width = len(header)
    others = LeftOver(header, where if flags else range(width))
    for line, row in rows:
        if len(row) != width:
            if not row:
                continue
            if len(row) < width or any(row[width:]):
                raise Refused(
                    f"{name} has {len(row)} cells in line {line}, and {width} in "
                    "its first line: correct that line (is the file cut off, or a cell with "
                    "a separator not in quotes?)"
                )
        for column, i in zip(cells, where, strict=True):
            column.append(row[i])
        if others.seen:
            others.see(row)
        lines.append(line)
    if not lines:
        raise Refused(f"{name} has column names and no rows")
    columns = dict(zip(needed, cells, strict=True))
    places: Callable[[int], str] = lambda row: f"line {lines[row]}"  # noqa: E731
    return Table(columns, places, len(lines), notes, others.names(), tuple(header))


def _find_separator(name: str, text: str, needed: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The mark that splits the first line into the needed names; else into the most cells."""
    first = next((line for line in text.splitlines() if line.strip()), "")

    def cells(mark: str) -> list[str]:
        try:
            return [cell.strip() for cell in next(csv.reader([first], delimiter=mark))]
        except csv.Error:
            return []

    best = max(SEPARATORS, key=lambda mark: (len(set(needed) & set(cells(mark))), len(cells(mark))))
    if best == "," or len(cells(best)) < 2:
        return ",", ()
    word = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}[best]
    return best, (f"{name} has {word} between its cells",)


def _position(wanted: str, header: Sequence[str], name: str) -> int:
    """Where a column stands, or what the file has instead."""
    for names in (list(header), [cell.strip() for cell in header]):
        count = names.count(wanted)
        if count == 1:
            return names.index(wanted)
        if count > 1:
            raise Refused(f"{name} has {count} columns {quoted(wanted)}: rename all but one")
    shown = [cell.strip() for cell in header]
    lower = {cell.lower(): cell for cell in shown}
    near = difflib.get_close_matches(wanted.lower(), lower, n=1)
    hint = f"; did you mean {quoted(lower[near[0]])}?" if near else ""
    listed = printable(", ".join(shown), 200)
    if len(shown) == 1 and not near:
        hint = ": its first line must name the columns (does a title stand above?)"
    raise Refused(f"{name} has no column {quoted(wanted)}{hint}; it has {listed}")


def _read_parquet(path: Path, needed: Sequence[str], flags: bool) -> Table:
    """Read the needed columns of a Parquet file."""
    name = quoted(path)
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise Refused(
            f"{name} is a Parquet file, and reading it needs pyarrow: python -m pip install pyarrow"
        ) from None
    try:
        # Not from the bytes in hand: a thread of Arrow's that lets go of them while Python ends
        # would abort the process.
        file = pq.ParquetFile(pa.OSFile(str(path)))
        header = file.schema_arrow.names
        where = [_position(column, header, name) for column in needed]
        columns = {c: file.read(columns=[header[i]]) for c, i in zip(needed, where, strict=True)}
        cells = {c: _arrow_cells(table.column(0), c) for c, table in columns.items()}
        found = _arrow_flags(file, set(where)) if flags else ()
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        line = printable(str(error).splitlines()[0] if str(error) else type(error).__name__, 120)
        raise Refused(f"{name} is a damaged Parquet file: {line}") from None
    n = file.metadata.num_rows
    if n == 0:
        raise Refused(f"{name} has column names and no rows")
    return Table(cells, lambda row: f"row {row + 1}", n, flags=found, names=tuple(header))


def _arrow_flags(file: Any, used: set[int]) -> tuple[str, ...]:
    """Names of columns that no option names and that hold flags."""
    found = []
    for i, name in enumerate(file.schema_arrow.names):
        if i not in used and file.schema_arrow.names.count(name) == 1:
            with suppress(Refused):  # what has no cells to read holds no flags
                if holds_flags(_arrow_cells(file.read(columns=[name]).column(0), name)):
                    found.append(name)
    return tuple(found)


def _arrow_cells(column: Any, name: str) -> Any:
    """A column as an array of numbers (NaN where missing) or a list of text."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        column = column.cast(kind)
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        whole = column.cast(pa.float64(), safe=False)
        if pa.types.is_integer(kind) and column.null_count == 0:
            return column.to_numpy()
        return whole.to_numpy()
    if pa.types.is_decimal(kind):
        return column.cast(pa.float64()).to_numpy()
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise Refused(f"column {quoted(name)} holds {kind}: numbers or text are needed")
    return ["" if value is None else str(value) for value in column.to_pylist()]
