"""The groups of a table: which rows belong together, by one column or several."""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from survjax._core.validation import missing
from survjax.data.tables import Columns

if TYPE_CHECKING:
    import pandas as pd

#: Unknown groups that an error names.
LISTED = 5


def key_names(by: str | Iterable[str]) -> list[str]:
    """The columns of the keys as a list."""
    names = [by] if isinstance(by, str) or not isinstance(by, Iterable) else list(by)
    if not names:
        raise ValueError("by must name at least one column")
    if len(set(names)) < len(names):
        raise ValueError(f"by names a column twice: {names}")
    return names


def key_columns(column: Columns, names: list[str]) -> list[np.ndarray]:
    """The columns of the keys, none of whose entries may be missing."""
    found = []
    for name in names:
        values = column(name)
        assert values is not None
        values = _with_zone(column, name, values)
        gone = missing(values)
        if gone.any():
            row = int(np.flatnonzero(gone)[0])
            raise ValueError(
                f"{name} must say the group of every row, got {int(gone.sum())} without one, the "
                f"first in row {row}: drop these rows or give them a group"
            )
        found.append(values)
    return found


def _with_zone(column: Columns, name: str, values: np.ndarray) -> np.ndarray:
    """Times as they were given where they have a time zone, of which NumPy knows none."""
    series = column.table.get_column(name)
    zone = getattr(series.dtype, "time_zone", None)
    return values if zone is None else np.array([*series.to_list(), None], dtype=object)[:-1]


def grouped(columns: list[np.ndarray], names: list[str]) -> tuple[pd.Index, np.ndarray]:
    """The distinct keys, in rising order where they have one, and the group of each row (n,)."""
    import pandas as pd

    found = [_factorized(*column) for column in zip(columns, names, strict=True)]
    code = found[0][0]
    for more, levels in found[1:]:
        code = code * len(levels) + more
    if len(found) == 1:
        keys: pd.Index = pd.Index(found[0][1], name=names[0])
        return keys, code
    used, code = np.unique(code, return_inverse=True)
    parts = []
    for _, levels in reversed(found):
        used, place = np.divmod(used, len(levels))
        parts.append(pd.Index(levels).take(place))
    return pd.MultiIndex.from_arrays(parts[::-1], names=names), code


def _factorized(values: np.ndarray, name: str) -> tuple[np.ndarray, Any]:
    """Codes of one column and its distinct entries, sorted where they can be compared."""
    import pandas as pd

    if values.dtype.kind in "iuf" and values.size and not (values[1:] < values[:-1]).any():
        # Rows that are in order need no table of hashes.
        new = np.append(True, values[1:] != values[:-1])
        return np.cumsum(new) - 1, values[new]
    try:
        codes, levels = pd.factorize(values, sort=True)
    except TypeError:
        codes, levels = _unsorted(values, name)
    if values.dtype == object:
        same = [i for i, level in enumerate(levels) if _is_zero_or_one(level)]
        some = np.isin(codes, same)
        if (_are_flags(values[some]) != _are_flags(levels)[codes[some]]).any():
            raise ValueError(
                f"{name} must not hold flags beside the numbers that they equal, as True and 1 or "
                "False and 0: write one of both as text"
            )
    return codes.astype(np.int64, copy=False), levels


def _is_zero_or_one(key: object) -> bool:
    """Whether a key is a number or flag that another type's may equal."""
    return isinstance(key, (numbers.Number, np.bool_)) and key in (0, 1)


def _are_flags(keys: Any) -> np.ndarray:
    """Which of some keys (n,) are True or False rather than numbers that equal these."""
    if keys.dtype == object:
        return np.array([isinstance(key, (bool, np.bool_)) for key in keys], bool)
    return np.full(len(keys), keys.dtype in (bool, "boolean"))


def _unsorted(values: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray | pd.Index]:
    """The same of entries that cannot be compared."""
    import pandas as pd

    try:
        return pd.factorize(values)
    except TypeError as error:
        raise ValueError(f"{name} must hold keys such as names or numbers: {error}") from None


def places(keys: pd.Index, columns: list[np.ndarray], names: list[str]) -> np.ndarray:
    """The group (n,) of each row among known ones, or one error that names those that are not."""
    import pandas as pd

    asked, code = grouped(columns, names)
    if isinstance(keys, pd.MultiIndex) and len(asked):
        place = keys.get_indexer(pd.MultiIndex.from_tuples(list(asked), names=names))
    else:
        place = keys.get_indexer(asked)
    for level in range(keys.nlevels if len(asked) else 0):
        own, other = (_are_flags(index.get_level_values(level)) for index in (keys, asked))
        place = np.where((place < 0) | (own[place] == other), place, -1)
    unknown = np.flatnonzero(place < 0)
    if unknown.size:
        listed = ", ".join(map(repr, asked[unknown[:LISTED]].tolist()))
        more = ", ..." if unknown.size > LISTED else ""
        raise ValueError(
            f"{unknown.size} of {len(asked)} groups were not among those that were fitted: "
            f"{listed}{more}. Drop their rows, or fit again with them"
        )
    return np.asarray(place)[code]
