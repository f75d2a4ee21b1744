"""Compiled programs that outlive the process: `program` stands where `jax.jit` would.

A first call traces, lowers and compiles a program, which takes up to seconds; the program is then
kept in the user's cache directory, and the next process loads it in some hundredths of a second.
No setting of JAX is touched: only survjax's own programs are kept. Where anything is odd (a folder
that is not ours, a damaged file, another version) the program is compiled once more; where it has
no lasting name (an argument of the user's own class) nothing is kept, and inside another trace, on
another device or with a static argument of the user's own, the call is that of `jax.jit`.
SURVJAX_CACHE_DIR="" keeps nothing.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from survjax._core.programs import executables
from survjax._core.programs import files as program_files
from survjax._core.programs.executables import (
    Draft,
    compile_quickly,
    kept_by_jax,
    may_be_draft,
    pack,
    seconds_to_compile,
    unpack,
)
from survjax._core.programs.keys import (
    Unnamed,
    clean,
    lasting,
    name_of,
    name_of_structure,
    own_path,
    settings,
    surroundings,
)

#: What tells the text of a draft from that of the program that takes its place.
DRAFT_MARK = "\ndraft"

_programs: weakref.WeakSet[Program] = weakref.WeakSet()


def program(
    function: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: Sequence[str] = (),
    draft: bool | Callable[..., float] = True,
) -> Any:
    """Compile a function at the top of a module, and keep what was compiled on disk.

    Parameters
    ----------
    function : callable
        Pure, as for `jax.jit`.
    static_argnums, static_argnames : optional
        As for `jax.jit`. Arguments named here must be hashable.
    draft : bool or callable, default True
        Whether a program for few numbers may begin as one that was compiled in a hurry (`Draft`);
        not where a single call may run for seconds. A function of the arguments says about how
        many seconds a process will run it: where they are many, a draft would soon be replaced.

    Returns
    -------
    Program
        Called as the function is.

    Examples
    --------
    >>> from survjax._core.programs import program
    >>> @program
    ... def double(x):
    ...     return 2.0 * x
    >>> float(double(1.5))
    3.0
    """
    if function is None:
        return functools.partial(
            program, static_argnums=static_argnums, static_argnames=static_argnames, draft=draft
        )
    return Program(function, static_argnums, static_argnames, draft)


class Program:
    """A compiled function, one program for each kind of arguments."""

    def __init__(
        self,
        function: Callable[..., Any],
        static_argnums: int | Sequence[int] = (),
        static_argnames: Sequence[str] = (),
        draft: bool | Callable[..., float] = True,
    ) -> None:
        functools.update_wrapper(self, function)
        self._draft = draft
        self.__qualname__: str = function.__qualname__
        numbers = (static_argnums,) if isinstance(static_argnums, int) else static_argnums
        parameters = inspect.signature(function).parameters.values()
        # Arguments that are given by name alone have no place.
        names = [p.name for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY]
        self._static_names = frozenset(static_argnames) | {names[i] for i in numbers}
        self._static_numbers = frozenset(i for i, n in enumerate(names) if n in self._static_names)
        #: What JAX makes of the function: serves inside other traces, and where nothing is kept.
        self.jitted: Any = jax.jit(
            function,
            static_argnums=tuple(sorted(self._static_numbers)),
            static_argnames=tuple(sorted(self._static_names)),
        )
        self._found: dict[Any, Callable[..., Any]] = {}
        self._lock = threading.Lock()
        _programs.add(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not clean():
            return self.jitted(*args, **kwargs)
        static: tuple[Any, ...] = ()
        given, named = args, kwargs
        if self._static_names:
            numbers = self._static_numbers
            static = (
                tuple([a for i, a in enumerate(args) if i in numbers]),
                tuple([(k, v) for k, v in kwargs.items() if k in self._static_names]),
            )
            given = tuple([a for i, a in enumerate(args) if i not in numbers])
            named = {k: v for k, v in kwargs.items() if k not in self._static_names}
        leaves, structure = jax.tree.flatten((given, named))
        kinds = tuple([_kind(leaf) for leaf in leaves])
        if None in kinds:
            return self.jitted(*args, **kwargs)
        key = (structure, kinds, static, settings())
        found = self._found.get(key)
        if found is None:
            with self._lock:
                found = self._found.get(key)
                if found is None:
                    found = self._make(key, args, kwargs)
                    if found is not self.jitted or not static:
                        # A static argument without a name, such as a function of the user's, and
                        # all that it holds would stay in memory.
                        self._found[key] = found
        if type(found) is Draft and found.is_worn:
            with self._lock:
                if self._found.get(key) is found:
                    self._found[key] = self._make(key, args, kwargs, draft=False)
                found = self._found.get(key, found)
        if found is self.jitted:
            return found(*args, **kwargs)
        return found(*given, **named)

    def _make(
        self, key: Any, args: Any, kwargs: Any, draft: bool | None = None
    ) -> Callable[..., Any]:
        """The program for such arguments: from disk, or compiled and put there."""
        _, kinds, static, _ = key
        if getattr(jax.config, "jax_default_device", None) is not None:
            return self.jitted
        try:
            names = [name_of(part) for part in static]
        except Unnamed:
            return self.jitted
        if draft is None:
            shapes = [kind[0] for kind in kinds if isinstance(kind, tuple)]
            draft = bool(self._draft) and may_be_draft(shapes)
            if draft and callable(self._draft):
                draft = self._draft(*args, **kwargs) <= executables.WORTH
        text = self._text(key, names)
        place = None if text is None or kept_by_jax() else program_files.folder()
        if text is None or place is None:
            begin = time.perf_counter()
            compiled = compile_quickly(self.jitted.lower(*args, **kwargs), draft)
            return Draft(compiled, time.perf_counter() - begin) if draft else compiled
        for version in (text, text + DRAFT_MARK)[: 1 + draft]:
            content = program_files.read(place, _digest(version))
            loaded = None if content is None else unpack(content, version)
            if loaded is not None:
                return loaded if version is text else Draft(loaded, seconds_to_compile(content))
        compiled = compile_quickly(self.jitted.lower(*args, **kwargs), draft)
        version = text + DRAFT_MARK if draft else text
        content = pack(compiled, version)
        if content is not None:
            program_files.write(place, _digest(version), content)
        return Draft(compiled, seconds_to_compile(content)) if draft else compiled

    def _text(self, key: Any, names: list[str]) -> str | None:
        """All that the program depends on; None where other processes could not know it."""
        structure, kinds, _, context = key
        try:
            parts = (
                own_path(self),
                *names,
                name_of_structure(structure),
                repr(kinds),
                lasting(context),
                surroundings(),
            )
        except (Unnamed, OSError):
            return None
        return "\n".join(parts)

    def clear_cache(self) -> None:
        """Forget the programs of this process; those on disk stay."""
        with self._lock:
            self._found.clear()
        self.jitted.clear_cache()

    def _cache_size(self) -> int:
        """How many programs this process has of the function."""
        return len(self._found) + int(self.jitted._cache_size())

    def trace(self, *args: Any, **kwargs: Any) -> Any:
        """As of a function compiled by `jax.jit`."""
        return self.jitted.trace(*args, **kwargs)

    def lower(self, *args: Any, **kwargs: Any) -> Any:
        """As of a function compiled by `jax.jit`."""
        return self.jitted.lower(*args, **kwargs)

    def eval_shape(self, *args: Any, **kwargs: Any) -> Any:
        """As of a function compiled by `jax.jit`."""
        return self.jitted.eval_shape(*args, **kwargs)

    def __reduce__(self) -> str:
        return self.__qualname__


def _digest(text: str) -> str:
    """The name of the file of a program."""
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def _kind(leaf: Any) -> Any:
    """Shape and type of an argument, or None of one that only `jax.jit` knows how to take."""
    if type(leaf) is np.ndarray or isinstance(leaf, np.generic):
        return leaf.shape, leaf.dtype
    if isinstance(leaf, jax.Array) and not isinstance(leaf, jax.core.Tracer):
        if not isinstance(leaf.dtype, np.dtype) or leaf.devices() != _first_device():
            return None
        return leaf.shape, leaf.dtype, leaf.weak_type
    return type(leaf).__name__ if type(leaf) in (float, int, bool) else None


@functools.cache
def _first_device() -> set[Any]:
    # Of several processes, each has a first one.
    return set(jax.local_devices()[:1])


def clear_programs() -> None:
    """Forget every compiled program of this process; those on disk stay."""
    for each in list(_programs):
        each.clear_cache()
