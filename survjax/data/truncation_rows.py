"""Truncation as rows of negative weight, so that a likelihood is a plain sum over rows.

A unit that was only seen because it outlived its entry adds `w log f(t) - w log S(entry)`: the
second part is a row censored at its entry with weight -w. Right truncation likewise adds a row for
the interval (entry, exit] with weight -w. This is exact for every lifetime, mixtures included.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from survjax.data.observations import Observations


def truncation_rows(rows: Observations) -> Observations:
    """Give for each row what its unit had to do to be seen at all, as a row of its own.

    Parameters
    ----------
    rows : Observations
        With an entry or an exit; arrays of NumPy or JAX, with any leading axes.

    Returns
    -------
    Observations
        As many rows, censored at `entry` or, with a finite exit, failed in (entry, exit]. Weights
        are those of the rows, zero where every unit is seen.
    """
    known = isinstance(rows.entry, np.ndarray) and isinstance(rows.weight, np.ndarray)
    xp = np if known else jnp
    late = rows.entry > 0
    if rows.exit is None:
        lower = xp.where(late, rows.entry, 1.0)
        weight = xp.where(late, rows.weight, 0.0)
        return Observations(lower, xp.log(lower), 0.0 * lower, weight)
    bounded = xp.isfinite(rows.exit)
    lower = xp.where(late, rows.entry, xp.where(bounded, 0.0, 1.0))
    positive = xp.where(late, lower, 1.0)
    upper = xp.where(bounded, rows.exit, 2.0 * positive)
    weight = xp.where(late | bounded, rows.weight, 0.0)
    return Observations(lower, xp.log(positive), 0.0 * positive, weight, upper, 1.0 * bounded)


def with_truncation_rows(rows: Observations) -> Observations:
    """Rows without entry and exit whose weighted sum of terms is the same log-likelihood.

    Parameters
    ----------
    rows : Observations
        Arrays of NumPy, with any leading axes (replicates of weights or of rows).

    Returns
    -------
    Observations
        The rows, then one of negative weight for each that is truncated.
    """
    if rows.entry is None and rows.exit is None:
        return rows
    needed = rows.entry > 0
    if rows.exit is not None:
        needed = needed | np.isfinite(rows.exit)
    # A row that any replicate needs stands in all of them, with no weight where it is not needed.
    needed = needed & (rows.weight != 0)
    needed = needed.any(axis=tuple(range(needed.ndim - 1)))
    seen = truncation_rows(rows)._map(lambda column: column[..., needed])
    return _joined(_untruncated(rows), seen.reweighted(-seen.weight))


def expansion_index(rows: Observations) -> np.ndarray:
    """Which of the original rows each of `with_truncation_rows` belongs to."""
    each = np.arange(rows.n_rows)
    if rows.entry is None and rows.exit is None:
        return each
    needed = rows.entry > 0
    if rows.exit is not None:
        needed = needed | np.isfinite(rows.exit)
    return np.concatenate([each, each[needed & (rows.weight != 0)]])


def observed_rows(rows: Observations) -> Observations:
    """Only the rows of positive weight: what was observed of units, without truncation."""
    return rows.take(np.flatnonzero(rows.weight > 0)) if (rows.weight <= 0).any() else rows


def _untruncated(rows: Observations) -> Observations:
    """The rows as if every unit could be seen."""
    return Observations(
        rows.lower, rows.log_lower, rows.event, rows.weight, rows.upper, rows.interval
    )


def _joined(rows: Observations, more: Observations) -> Observations:
    """Two sets of rows, one after the other."""
    if rows.interval is None and more.interval is not None:
        rows = _as_intervals(rows)
    elif more.interval is None and rows.interval is not None:
        more = _as_intervals(more)
    return Observations(
        *(
            _end_to_end(getattr(rows, name), getattr(more, name))
            for name in ("lower", "log_lower", "event", "weight", "upper", "interval")
        )
    )


def _as_intervals(rows: Observations) -> Observations:
    """Rows none of which is an interval, with the columns that intervals need."""
    lower = rows.lower
    return Observations(
        lower, rows.log_lower, rows.event, rows.weight, 2.0 * np.minimum(lower, 1e300), 0.0 * lower
    )


def _end_to_end(first: Any, second: Any) -> Any:
    """Concatenate along rows; leading axes broadcast."""
    if first is None:
        return None
    lead = np.broadcast_shapes(first.shape[:-1], second.shape[:-1])
    parts = [np.broadcast_to(part, (*lead, part.shape[-1])) for part in (first, second)]
    return np.concatenate(parts, axis=-1)
