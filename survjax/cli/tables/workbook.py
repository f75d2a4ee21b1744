"""The first sheet of an Excel workbook (.xlsx), as lines of cells."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import datetime

from survjax.cli._text import Refused, printable

#: The part of a workbook that lists its sheets.
LIST_OF_SHEETS = "xl/workbook.xml"


def is_workbook(raw: bytes) -> bool:
    """Whether the content of a file is a workbook."""
    if not raw.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            return LIST_OF_SHEETS in archive.namelist()
    except zipfile.BadZipFile:
        return False


def sheet_rows(name: str, raw: bytes) -> Iterator[tuple[int, list[str]]]:
    """Lines of the first sheet, with their numbers; without empty columns at the right."""
    try:
        import openpyxl  # deferred: the extra `excel`
    except ImportError:
        raise Refused(
            f"{name} is an Excel workbook, and reading it needs openpyxl: python -m pip install "
            "openpyxl, or save the sheet as CSV"
        ) from None
    try:
        book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        width = 0
        for line, row in enumerate(sheet.iter_rows(values_only=True), 1):
            cells = [_text(cell) for cell in row]
            while len(cells) > width and not cells[-1]:
                cells.pop()
            if any(cell.strip() for cell in cells):
                width = width or len(cells)
                yield line, cells + [""] * (width - len(cells))
    except Refused:
        raise
    except Exception as error:  # of many kinds, by what is damaged
        line_of = printable(str(error).splitlines()[0] if str(error) else type(error).__name__, 120)
        raise Refused(f"{name} is a damaged Excel workbook: {line_of}") from None


def _text(cell: object) -> str:
    """A cell as a CSV file would have it."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "1" if cell else "0"
    if isinstance(cell, float):
        return f"{cell:.15g}"
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    return str(cell)
