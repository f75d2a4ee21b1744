"""Double precision inside public calls, without touching the caller's JAX settings."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax

P = ParamSpec("P")
R = TypeVar("R")


def double_precision(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function with 64-bit floats on, whatever the caller's setting is.

    The setting is local to the thread, so a function that does the work in another thread
    must be decorated itself. Results must leave as NumPy arrays: JAX arrays of 64 bits are
    silently rounded to 32 outside the scope.
    """

    @functools.wraps(function)
    def scoped(*args: P.args, **kwargs: P.kwargs) -> R:
        with jax.enable_x64(True):
            return function(*args, **kwargs)

    return scoped
