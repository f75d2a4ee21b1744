"""Compiled programs as bytes, and back."""

from __future__ import annotations

import contextlib
import functools
import pickle
from collections.abc import Callable
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


def compile_quickly(lowered: jax.stages.Lowered) -> jax.stages.Compiled:
    """Compile what was lowered, with options that suit programs that run for milliseconds."""
    if jax.default_backend() == "cpu":
        # A version that does not know an option compiles without.
        with contextlib.suppress(Exception):
            return lowered.compile(compiler_options=QUICK)
    return lowered.compile()


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
