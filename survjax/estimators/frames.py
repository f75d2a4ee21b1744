"""Tables for users. pandas is loaded with the first one: a fit alone should not pay for it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def frame(
    columns: dict[Any, Any], like: object = None, names: Iterable[Hashable] | None = None
) -> pd.DataFrame:
    """Build a DataFrame, with the index of `like` if that is a Series or a frame, or with names."""
    import pandas as pd  # deferred, here and below

    index = getattr(like, "index", None)
    if names is not None:
        index = pd.Index(names)
    return pd.DataFrame(columns, index=index if isinstance(index, pd.Index) else None)


def curve_frame(
    tables: dict[str, np.ndarray], times: np.ndarray, like: object = None
) -> pd.DataFrame:
    """Curves (n, m) by name, a column for each pair (name, time), or for each time if it is one.

    A time that is asked for twice has two columns.
    """
    columns = [(name, time) for name in tables for time in times.tolist()]
    values = np.concatenate(list(tables.values()), axis=1)
    found = frame(dict(enumerate(values.T)), like)
    if len(tables) == 1:
        found.columns = times.tolist()
    else:
        import pandas as pd

        found.columns = pd.MultiIndex.from_tuples(columns)
    return found


def parameter_frame(
    names: Iterable[str],
    estimate: np.ndarray,
    error: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    bounds: str | Sequence[str],
    tests: dict[str, Any] | None = None,
) -> pd.DataFrame:
    """The table of a model's parameters (m,): `summary` of every estimator has these columns.

    `tests` may hold `z`, `p_value` and `ratio`; each is NaN where nothing is tested.
    """
    columns = {
        "estimate": estimate,
        "standard_error": error,
        "lower": lower,
        "upper": upper,
        "bounds": bounds,
        **dict.fromkeys(("z", "p_value", "ratio"), np.nan),
        **(tests or {}),
    }
    return frame(columns, names=list(names))
