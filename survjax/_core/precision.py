"""Settings of JAX and NumPy inside public calls, without touching the caller's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax
import numpy as np

P = ParamSpec("P")
R = TypeVar("R")


def double_precision(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function with 64-bit floats on, whatever the caller's settings are.

    Strict promotion, searches for NaN, and errors where NumPy underflows are for the caller's own
    programs: a branch that is masked may hold a NaN here. The settings are local to the thread, so
    a function that does the work in another thread must be decorated itself. Results must leave as
    NumPy arrays: JAX arrays of 64 bits are silently rounded to 32 outside the scope.
    """

    @functools.wraps(function)
    def scoped(*args: P.args, **kwargs: P.kwargs) -> R:
        with (
            np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"),
            jax.enable_x64(True),
            jax.numpy_dtype_promotion("standard"),
            jax.numpy_rank_promotion("allow"),
            jax.debug_nans(False),
            jax.debug_infs(False),
        ):
            return function(*args, **kwargs)

    return scoped
