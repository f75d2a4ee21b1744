"""Compiled programs on disk, so that the next process need not compile them again."""

from __future__ import annotations

import os
from pathlib import Path

import jax
import platformdirs
from jax.experimental.compilation_cache import compilation_cache

from survjax._core.program_files import WRITABLE_BY_OTHERS
from survjax._core.program_keys import processor


def enable_compile_cache(folder: str | os.PathLike[str] | None = None) -> Path:
    """Keep compiled programs on disk and take them from there.

    survjax's own programs are kept without this, in a folder that the environment variable
    SURVJAX_CACHE_DIR names. This switches JAX's cache on, for other programs as well: it changes
    JAX's settings of this process, for all code that uses JAX in it; nothing else in survjax does,
    and nothing but this call does it.

    Parameters
    ----------
    folder : path, optional
        Where to keep the programs; made if it is missing, for this user only (mode 0700).
        Default: a folder of survjax's own in the user's cache directory, one for each kind of
        processor.

    Returns
    -------
    pathlib.Path
        The folder in use.

    Raises
    ------
    PermissionError
        If the folder belongs to another user, or others may write to it: what is in it runs
        in this process, so only its owner may have put it there.
    NotADirectoryError
        If the path is a file.

    Notes
    -----
    The environment variable JAX_COMPILATION_CACHE_DIR does the same for JAX without these
    checks; where it is set, it wins over the default folder, and is checked here. The cache
    grows by some 50 kB a program; deleting the folder at any time does no harm.

    Examples
    --------
    >>> import survjax
    >>> folder = survjax.enable_compile_cache()  # doctest: +SKIP
    """
    if folder is None:
        folder = os.environ.get("JAX_COMPILATION_CACHE_DIR") or _default_folder()
    path = Path(folder).expanduser().absolute()
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"the compile cache must be a folder, got the file {str(path)!r}")
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_owner(path)
    jax.config.update("jax_compilation_cache_dir", str(path))
    # Most of our programs compile in less than the second that JAX holds worth keeping.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    # JAX decides once, at the first program, whether there is a cache.
    compilation_cache.reset_cache()
    return path


def _default_folder() -> Path:
    """The user's own folder for programs that suit this processor."""
    return Path(platformdirs.user_cache_dir("survjax")) / f"compiled-{processor()}"


def _check_owner(path: Path) -> None:
    """Refuse a folder that someone else owns or may write to (where the system tells)."""
    if not hasattr(os, "getuid"):
        return
    found = path.stat()
    if found.st_uid != os.getuid():
        raise PermissionError(
            f"the compile cache {str(path)!r} belongs to another user (uid {found.st_uid}): what "
            "is in it would run in this process; pass a folder of your own"
        )
    if found.st_mode & WRITABLE_BY_OTHERS:
        raise PermissionError(
            f"others may write to the compile cache {str(path)!r} (mode "
            f"{found.st_mode & 0o777:o}): what is in it would run in this process; take that "
            "right away (chmod 700) or pass another folder"
        )
