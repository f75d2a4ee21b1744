"""Compiled programs in the user's cache directory: written whole, read only where they are ours.

Whoever can write to the folder can run code in this process, as with Python's own byte code. So
the folder is made for its user only, and a folder or file that another user owns or may write to
is as good as none. Nothing here raises: a program that cannot be kept is compiled once more.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

import platformdirs

#: Names the user's choice of a folder; an empty value keeps nothing on disk.
VARIABLE = "SURVJAX_CACHE_DIR"
#: Bits of a mode by which others may change what a folder or file holds.
WRITABLE_BY_OTHERS = 0o022
#: The most that the folder holds in bytes, and the share of it that is left after a cleaning.
MOST_BYTES, LEFT = 256 * 2**20, 0.75
#: Files written by one process between two looks at the size of the folder.
WRITTEN_BETWEEN = 32
#: First bytes of each file, and the length of the digest that follows.
MAGIC, DIGEST = b"survjax program 1\n", 32

_written = 0


def folder() -> Path | None:
    """Where programs are kept, or None where the user wants none kept.

    Asked at each look-up, so that the variable may change while a process runs.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen is not None:
        return Path(chosen).expanduser() if chosen.strip() else None
    return Path(platformdirs.user_cache_dir("survjax")) / "programs"


def read(place: Path, name: str) -> bytes | None:
    """The content of a file that is whole and ours, else None."""
    try:
        if not _is_ours(place.stat()):
            return None
        with open(place / name, "rb") as file:
            if not _is_ours(os.fstat(file.fileno())):
                return None
            found = file.read()
    except OSError:
        return None
    start = len(MAGIC) + DIGEST
    content = found[start:]
    whole = hashlib.sha256(content).digest()
    return content if found[:start] == MAGIC + whole else None


def write(place: Path, name: str, content: bytes) -> bool:
    """Put a file into the folder in one step; whether that worked."""
    global _written
    temporary = None
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours(place.stat()):
            return False
        # mkstemp makes a file of mode 0600, under a name that no other process has.
        handle, temporary = tempfile.mkstemp(dir=place, prefix=".new-")
        with os.fdopen(handle, "wb") as file:
            file.write(MAGIC + hashlib.sha256(content).digest() + content)
        os.replace(temporary, place / name)
    except OSError:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        return False
    if _written % WRITTEN_BETWEEN == 0:
        prune(place)
    _written += 1
    return True


def prune(place: Path, most: int = MOST_BYTES) -> None:
    """Delete the oldest files of a folder that holds too much."""
    found = []
    with contextlib.suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                found.append((status.st_mtime, status.st_size, entry.path))
    total = sum(size for _, size, _ in found)
    if total <= most:
        return
    for _, size, path in sorted(found):
        if total <= LEFT * most:
            break
        with contextlib.suppress(OSError):
            os.unlink(path)
        total -= size


def _is_ours(status: os.stat_result) -> bool:
    """Whether only this user can have written it (where the system tells)."""
    if not hasattr(os, "getuid"):
        return True
    return status.st_uid == os.getuid() and not status.st_mode & WRITABLE_BY_OTHERS
