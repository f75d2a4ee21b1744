"""Rows of two sets one after the other, whatever columns each has."""

from __future__ import annotations

import dataclasses

import numpy as np

from survjax.data.observations import Observations
from survjax.data.safe_columns import end_of_no_interval


def joined_rows(first: Observations, second: Observations) -> Observations:
    """The rows of both: a column that one of them lacks says there that nothing is so."""
    both = [_with_columns_of(*pair) for pair in ((first, second), (second, first))]
    names = [f.name for f in dataclasses.fields(Observations)]
    columns = {name: [getattr(rows, name) for rows in both] for name in names}
    return Observations(
        **{n: None if parts[0] is None else np.concatenate(parts) for n, parts in columns.items()}
    )


def _with_columns_of(rows: Observations, other: Observations) -> Observations:
    """The same rows with all columns that the others have."""
    more: dict[str, np.ndarray] = {}
    if rows.interval is None and other.interval is not None:
        more |= {"upper": end_of_no_interval(rows.lower), "interval": np.zeros(rows.n_rows)}
    if rows.entry is None and (other.entry is not None or other.exit is not None):
        more["entry"] = np.zeros(rows.n_rows)
    if rows.exit is None and other.exit is not None:
        more["exit"] = np.full(rows.n_rows, np.inf)
    return dataclasses.replace(rows, **more) if more else rows
