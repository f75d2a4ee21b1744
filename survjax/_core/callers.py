"""Which line of the user's a warning is about."""

from __future__ import annotations

import sys


def users_level() -> int:
    """The `stacklevel` of `warnings.warn`, for its caller, that names the first line outside."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and _ours(frame.f_globals.get("__name__") or ""):
        level, frame = level + 1, frame.f_back
    return level


def _ours(module: str) -> bool:
    """Whether a module is survjax's, or the one that calls what a context manager decorates."""
    return module.partition(".")[0] in {"survjax", "contextlib"}
