"""Rows as each of several causes sees them, and how an end is shared out among causes."""

from __future__ import annotations

import dataclasses

import numpy as np

from survjax.data.observations import Observations


def coupled(rows: Observations, allowed: np.ndarray) -> bool:
    """Whether the rows, whose causes are among those allowed (n, K), need all causes at once."""
    if allowed.shape[1] == 1:
        return False
    several = (allowed.sum(axis=1) > 1) & (rows.weight != 0)
    return bool(several.any() or rows.interval is not None or rows.exit is not None)


def ended(rows: Observations) -> np.ndarray:
    """Which units have ended, at a time or in an interval."""
    found = rows.event > 0
    return np.asarray(found if rows.interval is None else found | (rows.interval > 0))


def rows_of_cause(rows: Observations, share: np.ndarray) -> Observations:
    """The rows as one cause sees them, which has a share (n,) of each unit's end.

    Where another cause ended a unit it is censored: at that time, or where the interval begins.
    """
    return seen_by_cause(rows, share)[0].compressed()


def seen_by_cause(rows: Observations, share: np.ndarray) -> tuple[Observations, np.ndarray]:
    """`rows_of_cause` before equal rows are one, and which row each was."""
    share = np.where(ended(rows), share, 0.0)
    if rows.exit is not None:
        rows = dataclasses.replace(rows, exit=None)
    other = dataclasses.replace(rows, event=0.0 * rows.event)
    if rows.interval is not None:
        # What may have ended at once says nothing of the other causes.
        other = dataclasses.replace(
            other,
            lower=np.where(rows.lower > 0, rows.lower, 1.0),
            interval=0.0 * rows.interval,
            weight=np.where(rows.lower > 0, rows.weight, 0.0),
        )
    own = rows.reweighted(rows.weight * share)
    other = other.reweighted(other.weight * (1.0 - share))
    index = [np.flatnonzero(part.weight) for part in (own, other)]
    parts = [own.take(index[0]), other.take(index[1])]
    both = Observations(
        *(
            None if column is None else np.concatenate([column, getattr(parts[1], name)])
            for name, column in ((f.name, getattr(parts[0], f.name)) for f in _FIELDS)
        )
    )
    if both.interval is not None and not both.interval.any():
        both = both.without_intervals()
    return both, np.concatenate(index)


_FIELDS = dataclasses.fields(Observations)


def shares(weights: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Weights (n, K) as shares of the causes allowed."""
    found = np.where(allowed, weights, 0.0)
    total = found.sum(axis=1, keepdims=True)
    return found / np.where(total > 0, total, 1.0)


def middles(rows: Observations) -> np.ndarray:
    """A time of each row, the middle of an interval."""
    if rows.interval is None:
        return np.asarray(rows.lower)
    return np.where(rows.interval > 0, 0.5 * (rows.lower + rows.upper), rows.lower)
