"""Errors of predicted survival probabilities at given times: Brier's and the logarithmic."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from survjax.data.labels import rows_by_position
from survjax.metrics._weights import (
    check_survival,
    check_times_of,
    inverse_weights,
    known_curve,
    on_durations,
)
from survjax.nonparametric import StepCurve
from survjax.nonparametric.rows import Floats, check_lifetimes

__all__ = ["brier_score", "integrated_brier_score", "log_score"]


@rows_by_position
def brier_score(
    durations: ArrayLike,
    event_observed: ArrayLike | None,
    survival: ArrayLike,
    times: ArrayLike,
    *,
    censoring: StepCurve | None = None,
    sample_weight: ArrayLike | None = None,
    censoring_at: str = "before",
) -> Floats:
    """Mean squared error of predicted survival probabilities, at each time.

    ``mean of S(t)^2 [failed by t] / G(T-) + (1 - S(t))^2 [running after t] / G(t)`` with G the
    probability of not being censored. 0 is perfect; 0.25 is what 0.5 for everyone gets.

    Parameters
    ----------
    durations : array-like of shape (n,)
        How long each unit has lasted, in any one unit of time.
    event_observed : array-like of shape (n,) or None
        True where the failure was seen; None if all were.
    survival : array-like of shape (n, k)
        Predicted probability that each unit survives each time.
    times : array-like of shape (k,)
        Positive, increasing.
    censoring : StepCurve, optional
        ``censoring_curve`` of the training set. Default: of these rows.
    sample_weight : array-like of shape (n,), optional
        Frequencies.
    censoring_at : {"before", "at"}
        Where G is read for a failure: just before it, which is exact where failures and
        censorings share times, or at it, as in scikit-survival.

    Returns
    -------
    ndarray of shape (k,)

    Raises
    ------
    ValueError
        If a prediction is no probability, if no unit is left uncensored at a time, or if
        ``censoring`` does not reach as far as a weight is needed.

    References
    ----------
    Graf, Schmoor, Sauerbrei and Schumacher (1999), Statistics in Medicine 18.

    Examples
    --------
    >>> brier_score([1, 3, 5], None, [[0.2], [0.5], [0.9]], times=2).round(4).tolist()
    [0.1]
    """
    failed, running, total, table = _parts(
        durations, event_observed, survival, times, censoring, sample_weight, censoring_at
    )
    return np.sum(failed * table**2 + running * (1 - table) ** 2, axis=0) / total


@rows_by_position
def integrated_brier_score(
    durations: ArrayLike,
    event_observed: ArrayLike | None,
    survival: ArrayLike,
    times: ArrayLike,
    *,
    censoring: StepCurve | None = None,
    sample_weight: ArrayLike | None = None,
    censoring_at: str = "before",
) -> float:
    """Mean of the Brier score over the span of the times, by the trapezoid rule.

    Parameters
    ----------
    durations, event_observed, survival, times, censoring, sample_weight, censoring_at
        As in :func:`brier_score`, with two times at least.

    Returns
    -------
    float

    Examples
    --------
    >>> survival = [[0.2, 0.1], [0.5, 0.3], [0.9, 0.8]]
    >>> round(integrated_brier_score([1, 3, 5], None, survival, [2, 4]), 4)
    0.0733
    """
    grid = check_times_of(times)
    if grid.size < 2:
        raise ValueError("integrated_brier_score needs two times at least, got one")
    scores = brier_score(
        durations,
        event_observed,
        survival,
        grid,
        censoring=censoring,
        sample_weight=sample_weight,
        censoring_at=censoring_at,
    )
    return float(np.trapezoid(scores, grid) / (grid[-1] - grid[0]))


@rows_by_position
def log_score(
    durations: ArrayLike,
    event_observed: ArrayLike | None,
    survival: ArrayLike,
    times: ArrayLike,
    *,
    censoring: StepCurve | None = None,
    sample_weight: ArrayLike | None = None,
    censoring_at: str = "before",
) -> Floats:
    """Mean of -log(the probability given to what happened), at each time.

    Failed by t, or running after it, weighted as in :func:`brier_score`. It is infinite where
    something happened that was called impossible; log 2 is what 0.5 for everyone gets.

    Parameters
    ----------
    durations, event_observed, survival, times, censoring, sample_weight, censoring_at
        As in :func:`brier_score`.

    Returns
    -------
    ndarray of shape (k,)

    References
    ----------
    Good (1952), JRSS B 14; Graf, Schmoor, Sauerbrei and Schumacher (1999).

    Examples
    --------
    >>> log_score([1, 3, 5], None, [[0.2], [0.5], [0.9]], times=2).round(4).tolist()
    [0.3406]
    """
    failed, running, total, table = _parts(
        durations, event_observed, survival, times, censoring, sample_weight, censoring_at
    )
    with np.errstate(divide="ignore"):
        lost = np.where(failed > 0, failed * -np.log1p(-np.where(failed > 0, table, 0.0)), 0.0)
        kept = np.where(running > 0, running * -np.log(np.where(running > 0, table, 1.0)), 0.0)
    return np.sum(lost + kept, axis=0) / total


def _parts(
    durations: ArrayLike,
    event_observed: ArrayLike | None,
    survival: ArrayLike,
    times: ArrayLike,
    censoring: StepCurve | None,
    sample_weight: ArrayLike | None,
    censoring_at: str,
) -> tuple[Floats, Floats, float, Floats]:
    """Return weights (n, k) of failed and of running units, the total weight, the predictions."""
    rows = check_lifetimes(durations, event_observed, None, sample_weight)
    grid = on_durations(rows, check_times_of(times))
    table = check_survival(survival, rows.durations.size, grid.size)
    curve, counts = known_curve(rows, censoring), rows.weight > 0
    failed = rows.event_observed & counts & (rows.durations <= grid[-1])
    lost = rows.weight * inverse_weights(curve, rows.durations, failed, censoring_at)
    running: np.ndarray = (rows.durations[:, None] > grid) & counts[:, None]
    # Where all have left, nothing is known of those who left running: also where none runs on.
    needed = running.any(axis=0) | (curve(grid) <= 0)
    kept = inverse_weights(curve, grid, needed, "at")
    by_then = lost[:, None] * (rows.durations[:, None] <= grid)
    return by_then, rows.weight[:, None] * running * kept, float(rows.weight.sum()), table
