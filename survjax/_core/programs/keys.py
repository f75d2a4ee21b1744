"""What a compiled program depends on, as text: two programs of one text are the same.

The text names the function, its static arguments, the shapes and types of the others, JAX's
settings, the versions of all that took part, the processor, and the source of survjax. What cannot
be named for good, such as a function of the user's own, has no text: `Unnamed`.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax._src import config, core
from jaxlib import version

#: The package whose classes and functions the digest of the source covers.
PACKAGE = __name__.partition(".")[0]
SOURCE = Path(__file__).parents[2]
#: What JAX does not promise to keep; a version without one of these keeps no programs.
TRACE_IS_CLEAN = getattr(core, "trace_state_clean", None)
SETTINGS = getattr(config, "trace_context", None)
AXES = getattr(core, "AxisEnv", ())
#: Settings under which JAX itself must run a program.
CHECKS = ("jax_disable_jit", "jax_debug_nans", "jax_debug_infs")


class Unnamed(Exception):
    """Something that takes part in a program has no name that other processes would know."""


def name_of(value: Any) -> str:
    """A static argument as text.

    Raises
    ------
    Unnamed
        If it is neither plain data nor a class, function or frozen object of survjax.
    """
    if type(value) in (type(None), bool, int, float, str):
        return repr(value)
    if type(value) is tuple:
        return f"({', '.join(map(name_of, value))})"
    if type(value) is frozenset:
        return f"{{{', '.join(sorted(map(name_of, value)))}}}"
    if callable(value) and hasattr(value, "__qualname__"):
        return _path(value)
    if isinstance(value, enum.Enum):
        return f"{_path(type(value))}.{value.name}"
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return f"{_path(type(value))}({', '.join(name_of(part) for part in value)})"
    if dataclasses.is_dataclass(value):
        fields = (f"{f.name}={name_of(getattr(value, f.name))}" for f in dataclasses.fields(value))
        return f"{_path(type(value))}({', '.join(fields)})"
    raise Unnamed(type(value).__qualname__)


def _path(value: Any) -> str:
    """Module and name of a class or function of survjax that stands at the top of its module."""
    path = own_path(value)
    if getattr(sys.modules[value.__module__], value.__qualname__, None) is not value:
        raise Unnamed(path)
    return path


def own_path(value: Any) -> str:
    """Module and name of what is defined in survjax, and not inside of a function."""
    module, name = getattr(value, "__module__", None) or "", value.__qualname__
    if module.partition(".")[0] != PACKAGE or "<" in name:
        raise Unnamed(f"{module}.{name}")
    return f"{module}.{name}"


def name_of_structure(structure: Any) -> str:
    """The structure of a pytree as text; only containers and classes of survjax have one."""
    node = structure.node_data()
    if node is None:
        return "*"
    kind, extra = node
    if kind is type(None):
        return "None"
    inside = ", ".join(name_of_structure(child) for child in structure.children())
    if kind in (tuple, list):
        return f"{kind.__name__}({inside})"
    if kind is dict:
        return f"dict[{name_of(tuple(extra))}]({inside})"
    extra = "" if isinstance(extra, type) else name_of(_plain(extra))
    return f"{_path(kind)}[{extra}]({inside})"


def _plain(extra: Any) -> Any:
    """What a pytree class keeps beside its leaves, lists as tuples."""
    return tuple(_plain(part) for part in extra) if isinstance(extra, (list, tuple)) else extra


def clean() -> bool:
    """Whether a call in this thread may be that of a kept program.

    It may not while a trace is under way, nor where the caller asked JAX to check or not to compile
    what it runs.
    """
    return (
        TRACE_IS_CLEAN is not None
        and SETTINGS is not None
        and bool(TRACE_IS_CLEAN())
        and not any(getattr(jax.config, name, True) for name in CHECKS)
    )


def settings() -> Any:
    """The settings of JAX on which a trace depends, in this thread; hashable."""
    return None if SETTINGS is None else SETTINGS()


def lasting(context: Any) -> str:
    """What `settings` gives, as text; outside of all traces the axes in it have no names."""
    return ", ".join("" if isinstance(part, AXES) else _setting(part) for part in context)


def _setting(part: Any) -> str:
    if getattr(part, "empty", False) is True:
        # A mesh of no devices.
        return f"{type(part).__qualname__}()"
    return repr(part) if isinstance(part, enum.Enum) else name_of(part)


@functools.cache
def surroundings() -> str:
    """Versions, platform, processor and source of survjax: the same in every call of a process."""
    device = jax.devices()[0]
    flags = {k: v for k, v in os.environ.items() if k in ("XLA_FLAGS", "LIBTPU_INIT_ARGS")}
    parts = (
        sys.version,
        jax.__version__,
        version.__version__,
        np.__version__,
        device.platform,
        device.device_kind,
        device.client.platform_version,
        str(jax.device_count()),
        processor(),
        repr(sorted(flags.items())),
        digest_of_source(SOURCE),
    )
    return "\n".join(parts)


def digest_of_source(folder: Path) -> str:
    """A digest of all Python files of a package, by their contents."""
    digest = hashlib.sha256()
    for path in sorted(_files(str(folder))):
        with open(path, "rb") as file:
            content = file.read()
        digest.update(f"{os.path.relpath(path, folder)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _files(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            elif entry.name.endswith(".py"):
                yield entry.path


def processor() -> str:
    """A short name of what this processor can do: programs for another may not run here."""
    text = platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            text += next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        # Where there is no such file; it may start a process of its own to find out.
        text += platform.processor()
    return hashlib.sha256(text.encode()).hexdigest()[:12]
