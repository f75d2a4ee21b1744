"""Compiled programs as bytes, and back."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import math
import pickle
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import numpy as np
from jax._src import compilation_cache
from jax.experimental import serialize_executable
from jaxlib import lapack

#: On a CPU these make compiling quicker, and leave the time of runs as it is.
QUICK: dict[str, str | bool] = {
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": "2",
}
#: A draft compiles in less than a third of the time, and its runs take up to four times as long
#: (`python -m tests.benchmarks.drafts`).
DRAFT: dict[str, str | bool] = {**QUICK, "xla_backend_optimization_level": "0"}
#: Arguments of more numbers than this make runs that are too long for a draft.
SMALL = 2**14
#: Seconds of runs after which a draft is compiled anew, or as many as it took to compile if those
#: are more: by then others of its kind will follow.
WORTH = 0.3
#: Bytes of a draft that are compiled in a second (x86_64: 0.5 to 0.7 million).
BYTES_A_SECOND = 600_000


_without_drafts = contextvars.ContextVar("without_drafts", default=False)


@contextlib.contextmanager
def without_drafts() -> Iterator[None]:
    """Run well compiled programs only, so that no digit depends on what has run before.

    For what makes differences of rounding large, such as the training of networks.
    """
    token = _without_drafts.set(True)
    try:
        yield
    finally:
        _without_drafts.reset(token)


class Draft:
    """A program compiled in a hurry, how long that took, and how long it has run.

    Most programs of a process run a few times only, for milliseconds, and take seconds to compile
    well: what has not run for as long as it took to compile is not compiled again.
    """

    def __init__(self, compiled: Callable[..., Any], cost: float = 0.0) -> None:
        self._compiled, self._cost = compiled, cost
        self._spent = 0.0

    @property
    def is_worn(self) -> bool:
        """Whether a well compiled program should take its place."""
        return self._spent > max(WORTH, self._cost) or _without_drafts.get()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        begin, used = time.perf_counter(), time.process_time()
        found = jax.block_until_ready(self._compiled(*args, **kwargs))
        # Neither what other processes take counts, nor what other threads of this one do.
        self._spent += min(time.perf_counter() - begin, time.process_time() - used)
        return found


def seconds_to_compile(content: bytes | None) -> float:
    """About how long a draft took to compile, from its bytes."""
    return 0.0 if content is None else len(content) / BYTES_A_SECOND


def may_be_draft(shapes: Iterable[tuple[int, ...]]) -> bool:
    """Whether a program for arguments of such shapes begins as a draft."""
    small = sum(map(math.prod, shapes)) <= SMALL
    return small and jax.default_backend() == "cpu" and not _without_drafts.get()


def compile_quickly(lowered: jax.stages.Lowered, draft: bool = False) -> jax.stages.Compiled:
    """Compile what was lowered, with options that suit programs that run for milliseconds."""
    if jax.default_backend() == "cpu":
        with contextlib.suppress(Exception):
            chosen = _known(tuple((DRAFT if draft else QUICK).items()))
            return lowered.compile(compiler_options=chosen)
    return lowered.compile()


@functools.cache
def _known(options: tuple[tuple[str, str | bool], ...]) -> dict[str, str | bool]:
    """Those of the options that this version of the compiler has, found with a program of one step.

    All of them are refused where one is not known.
    """
    step = jax.jit(lambda x: -x).lower(np.float32(1.0))

    def takes(chosen: dict[str, str | bool]) -> bool:
        try:
            step.compile(compiler_options=chosen)
        except Exception:
            return False
        return True

    every = dict(options)
    if takes(every):
        return every
    return {name: value for name, value in options if takes({name: value})}


def kept_by_jax() -> bool:
    """Whether JAX's own cache of programs is on.

    A program that came from there cannot be packed once more: it loads, and fails when it is run,
    because its functions are missing.
    """
    chosen = getattr(jax.config, "jax_compilation_cache_dir", None)
    # A folder that was taken back stays in use once a program has gone there.
    return bool(chosen) or getattr(compilation_cache, "_cache", None) is not None


def pack(compiled: Any, text: str) -> bytes | None:
    """A compiled program as bytes, with the text of all that it depends on; None if it has none."""
    try:
        # A program whose code is not known may call anything.
        code = compiled.as_text() or "custom-call"
        executable, inputs, outputs = serialize_executable.serialize(compiled)
        return pickle.dumps((text, "custom-call" in code, executable, inputs, outputs))
    except Exception:
        return None


def unpack(content: bytes, text: str) -> Callable[..., Any] | None:
    """The program that was packed with this very text, ready to run; else None."""
    try:
        found, calls, executable, inputs, outputs = pickle.loads(content)
        if found != text:
            return None
        if calls:
            initialize_kernels()
        loaded: Callable[..., Any] = serialize_executable.deserialize_and_load(
            executable, inputs, outputs, execution_devices=jax.devices()[:1]
        )
    except Exception:
        return None
    return loaded


@functools.cache
def initialize_kernels() -> None:
    """Fill the table of LAPACK's functions, as tracing does; without it a call of one crashes."""
    lapack.prepare_lapack_call("potrf_ffi", np.dtype(np.float64))
