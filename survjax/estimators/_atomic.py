"""A fit that fails changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def all_or_nothing(model: Any) -> Iterator[None]:
    """Give a model back its attributes where what is done inside fails.

    Otherwise the names of columns would be those of the fit that failed, and the coefficients
    those of the one before.
    """
    before = dict(vars(model))
    try:
        yield
    except BaseException:
        vars(model).clear()
        vars(model).update(before)
        raise
