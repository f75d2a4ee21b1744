"""Results on disk: all of them or none, and no cell that a spreadsheet would run."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from survjax.cli._text import Refused, quoted

#: A cell of text that begins so is a formula to some spreadsheet; the wide forms too.
FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
#: Names of tables and pictures that commands write.
OURS = re.compile(
    r"(survival|paper|hazard|rul|history|incidence|comparison|(effects|partial)(_\w+)?)\.(png|svg)"
    r"|newton\.gif|rul\.(csv|parquet)|comparison\.csv"
)
MARKS = re.compile(r"[,;\t|\"\r\n]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def escaped(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe goes before what looks so."""
    return f"'{text}" if FORMULA.match(text) else text


def escaped_column(cells: Sequence[str]) -> Sequence[str]:
    """A column of text, escaped; a column of numbers as it is, minus signs and all."""
    if all(cell == "" or NUMBER.fullmatch(cell) for cell in cells):
        return cells
    return [escaped(cell) for cell in cells]


def write_csv(path: Path, columns: Mapping[str, Iterable[str]]) -> None:
    """Write columns of text, whose names are escaped here."""
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(_line(escaped(name) for name in columns))
        file.writelines(_line(row) for row in zip(*columns.values(), strict=True))


def _line(cells: Iterable[str]) -> str:
    """Cells with commas between. Any mark that separates cells somewhere is put in quotes.

    Where commas are decimal marks, spreadsheets split at semicolons, and would find a formula in
    the middle of a cell.
    """
    return (
        ",".join(
            '"' + cell.replace('"', '""') + '"' if MARKS.search(cell) else cell for cell in cells
        )
        + "\n"
    )


class Results:
    """A folder that appears when everything in it is complete.

    Files are first written to a hidden folder beside the target (inside it, where it exists),
    on the same disk, so that the last step only renames.
    """

    def __init__(self, target: Path, sources: Sequence[Path] = ()) -> None:
        self.target, self.sources = target, list(sources)
        self.lock = threading.Lock()
        self.done = False
        self.folder: Path | None = None

    def open(self) -> Path:
        """Make the hidden folder; refuse a target that cannot be."""
        name = quoted(self.target)
        try:
            if self.target.exists() and not self.target.is_dir():
                raise Refused(f"--out {name} is a file: name a folder")
            base = self.target.absolute()
            while not base.is_dir():
                if base.exists() or base.is_symlink():
                    raise Refused(f"--out {name} cannot be a folder: {quoted(base)} is a file")
                base = base.parent
            with suppress(FileNotFoundError):
                self.target.lstat()  # raises for names that no disk takes
            self.folder = base / f".survjax-{secrets.token_hex(4)}"
            self.folder.mkdir()
        except (OSError, ValueError) as error:
            words = getattr(error, "strerror", None) or error
            raise Refused(f"cannot write to --out {name}: {words}") from None
        return self.folder

    def close(self) -> None:
        """Leave nothing half-written, whatever happened."""
        if self.folder is not None:
            for _ in range(2):  # a writer that is still busy may add a file meanwhile
                shutil.rmtree(self.folder, ignore_errors=True)

    def commit(self) -> list[Path]:
        """Move everything into place: the folder as a whole, or file by file."""
        assert self.folder is not None
        with self.lock:
            names = sorted(path.name for path in self.folder.iterdir())
            if not self.target.exists():
                self.target.parent.mkdir(parents=True, exist_ok=True)
                os.rename(self.folder, self.target)
            else:
                self._check(names)
                self._replace(names)
            self.done = True
        return [self.target / name for name in names]

    def older(self, written: Iterable[Path]) -> list[str]:
        """What an earlier run has left beside what was written now."""
        new = {path.name for path in written}
        return sorted(
            path.name for path in self.target.iterdir()
            if path.name not in new and OURS.fullmatch(path.name)
        )  # fmt: skip

    def _check(self, names: Iterable[str]) -> None:
        """Refuse to replace a folder, or the file that was read."""
        for place in (self.target / name for name in names):
            if place.is_dir():
                raise Refused(f"{quoted(place)} is a folder: choose another --out")
            if place.exists() and any(s.exists() and place.samefile(s) for s in self.sources):
                raise Refused(f"{quoted(place)} is the file to fit: choose another --out")

    def _replace(self, names: Sequence[str]) -> None:
        """Replace files; where one fails, those before it come back."""
        assert self.folder is not None
        old = self.folder / "old"
        old.mkdir()
        moved: list[str] = []
        try:
            for name in names:
                if (self.target / name).exists():
                    os.rename(self.target / name, old / name)
                moved.append(name)
                os.rename(self.folder / name, self.target / name)
        except OSError:
            for name in moved:
                (self.target / name).unlink(missing_ok=True)
                if (old / name).exists():
                    os.rename(old / name, self.target / name)
            raise
