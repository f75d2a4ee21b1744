"""Columns of one table belong together by position: labels in another order are refused."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
#: Arguments that hold no row's value: where curves are asked.
NOT_OF_ROWS = frozenset({"times", "t", "quantiles"})


def rows_by_position(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function refuse pandas arguments with the labels of the first in another order."""
    names = tuple(inspect.signature(function).parameters)

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        given: dict[str, object] = dict(zip(names, args, strict=False)) | kwargs
        _check_same_order({name: given[name] for name in given if name not in NOT_OF_ROWS})
        return function(*args, **kwargs)

    return checked


def _check_same_order(columns: dict[str, object]) -> None:
    """Refuse pandas columns with the labels of the first in another order."""
    first: tuple[str, Any] | None = None
    for name, column in columns.items():
        index: Any = getattr(column, "index", None)
        if not type(index).__module__.startswith("pandas."):
            continue
        if first is None:
            first = name, index
        elif len(index) == len(first[1]) and not index.equals(first[1]) and _same(index, first[1]):
            raise ValueError(
                f"the rows of {name} have the labels of {first[0]} in another order, and rows "
                f"belong together by their position: pass {name}.loc[{first[0]}.index], or, where "
                f"they do belong together as they stand, {name}.to_numpy()"
            )


def _same(index: Any, other: Any) -> bool:
    """Whether two indices, each without a label twice, hold the same labels."""
    return bool(index.is_unique and other.is_unique and index.isin(other).all())
