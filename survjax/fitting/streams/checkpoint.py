"""What the passes of a fit have found, in one file, so that a fit can go on after an interruption.

A fit is a sequence of questions to all rows that follows from the few rows of the first pass and
the answers: with both in a file, another process asks the same questions and finds the answers.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from survjax._core.callers import users_level
from survjax._core.programs import Program
from survjax.data.observations import Observations
from survjax.lifetimes import Lifetime
from survjax.likelihood.all_rows import AllRows

#: What a file begins with that this version can read.
FORMAT = "survjax stream checkpoint 1"
#: Columns of the few rows.
COLUMNS = tuple(f.name for f in dataclasses.fields(Observations))


@dataclasses.dataclass(frozen=True)
class FirstPass:
    """What the first pass found: numbers of rows, units and failures, and the few rows."""

    counted: tuple[int, float, float]
    few: Observations


class Checkpoint:
    """A file of the first pass and of answers.

    Parameters
    ----------
    path : path
        Of a file in a folder that exists.
    about : dict
        What the first pass depends on, such as the source and its columns: a file about anything
        else is refused.
    warn : callable
        Told, once, where the file cannot be written; the fit goes on.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        about: dict[str, Any],
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self.path = Path(path)
        self.about = json.dumps([FORMAT, about], sort_keys=True)
        self.warn = warn or _warn
        self.first: FirstPass | None = None
        self.answers: dict[str, np.ndarray] = {}
        self.is_writable = True
        if not self.path.absolute().parent.is_dir():
            raise ValueError(f"checkpoint {str(path)!r} must be in a folder that exists")
        if self.path.exists():
            self._read()

    def keep(self, first: FirstPass) -> None:
        """Keep what the first pass found."""
        self.first = first
        self._write()

    def add(self, answers: dict[str, np.ndarray]) -> None:
        """Keep the answers of one more pass."""
        self.answers |= answers
        self._write()

    def remove(self) -> None:
        """The fit is done."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> None:
        name = f"checkpoint {str(self.path)!r}"
        try:
            with self.path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                content = {key: file[key] for key in file.files}
            about = str(content["about"])
            counted = content["counted"]
            few = {c: content[f"few.{c}"] for c in COLUMNS if f"few.{c}" in content}
            first = FirstPass(
                (int(counted[0]), float(counted[1]), float(counted[2])), Observations(**few)
            )
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            raise ValueError(f"{name} is none of survjax, or damaged: delete it") from None
        if about != self.about:
            raise ValueError(
                f"{name} is of a fit to other data (other files or columns, or another "
                "resolution): delete it, or name another file"
            )
        self.first = first
        starts = "answer."
        self.answers = {k[len(starts) :]: v for k, v in content.items() if k.startswith(starts)}

    def _write(self) -> None:
        """Put all into a file of another name, and rename it when it is complete."""
        if not self.is_writable or self.first is None:
            return
        few = {f"few.{c}": getattr(self.first.few, c) for c in COLUMNS}
        content = {name: column for name, column in few.items() if column is not None}
        content |= {f"answer.{key}": answer for key, answer in self.answers.items()}
        part = self.path.with_name(self.path.name + ".part")
        try:
            with part.open("wb") as file:
                np.savez(file, about=self.about, counted=np.array(self.first.counted), **content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, self.path)
        except OSError as error:
            part.unlink(missing_ok=True)
            self.is_writable = False
            self.warn(
                f"checkpoint {str(self.path)!r} cannot be written ({error.strerror or error}): the "
                "fit goes on without, and could not be taken up again"
            )


class Remembered:
    """All rows, and what was asked of them before.

    Parameters
    ----------
    rows : AllRows
    checkpoint : Checkpoint
    """

    def __init__(self, rows: AllRows, checkpoint: Checkpoint) -> None:
        self.rows, self.checkpoint = rows, checkpoint
        self.n_units, self.n_events = rows.n_units, rows.n_events

    def sum(self, of_rows: Program, lifetime: Lifetime, points: np.ndarray) -> np.ndarray:
        """Sums (m, q) over all rows: those that are known, and the others by one pass."""
        known = self.checkpoint.answers
        keys = [_key(of_rows, lifetime, x) for x in points]
        new = [i for i, key in enumerate(keys) if key not in known]
        if new:
            found = self.rows.sum(of_rows, lifetime, points[new])
            self.checkpoint.add({keys[i]: answer for i, answer in zip(new, found, strict=True)})
        return np.stack([known[key] for key in keys])


def _key(of_rows: Program, lifetime: Lifetime, x: np.ndarray) -> str:
    """A name of one question."""
    leaves, structure = jax.tree.flatten(lifetime)
    digest = hashlib.sha256(f"{of_rows.__qualname__} {structure}".encode())
    for leaf in (*leaves, x):
        digest.update(np.asarray(leaf, np.float64).tobytes())
    return digest.hexdigest()


def _warn(text: str) -> None:
    """Warn whoever called the fit."""
    warnings.warn(text, UserWarning, stacklevel=users_level())
