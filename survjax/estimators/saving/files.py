"""Text in files: read with suspicion, written whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any, NoReturn

LARGEST_FILE = 64 * 2**20


def read_text(path: Path) -> str:
    """The text of a file of acceptable size."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ValueError("it is no ordinary file")  # opening it might wait for ever
    with path.open("rb") as file:
        raw = file.read(LARGEST_FILE + 1)
    if len(raw) > LARGEST_FILE:
        raise ValueError(f"it is larger than {LARGEST_FILE // 2**20} MiB")
    if not raw.strip():
        raise ValueError("it is empty")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("it is not text in UTF-8 (a pickle, or some other binary?)") from None


def parsed(text: str) -> Any:
    """JSON without its loopholes: no NaN, no infinities, no key twice."""

    def number(text: str) -> float:
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise ValueError(f"the number {text[:30]} is too large")
        return value

    def constant(text: str) -> NoReturn:
        raise ValueError(f"{text} is not JSON")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("an entry appears twice")
        return found

    try:
        return json.loads(
            text, parse_float=number, parse_constant=constant, object_pairs_hook=unique
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({error})") from None


def write_whole(path: Path, text: str) -> None:
    """Write beside the file, then take its place in one step."""
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "no ordinary file"
        raise ValueError(f"{str(path)!r} is {kind}: name the file to write")
    if not path.parent.is_dir():
        folder = str(path.parent)
        raise FileNotFoundError(f"there is no folder {folder!r} to write {path.name!r} to: make it")
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    # Created anew (never through a link that lies there), with the rights a new file gets.
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
