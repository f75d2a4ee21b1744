"""Whether predicted probabilities and intervals hold what they promise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.validation import as_floats, check_length, check_rows
from survjax.data.labels import rows_by_position
from survjax.metrics._weights import (
    check_scores,
    inverse_weights,
    known_curve,
    on_durations,
)
from survjax.nonparametric import StepCurve, kaplan_meier
from survjax.nonparametric.rows import Floats, check_lifetimes, merge_rounding

__all__ = ["Calibration", "Coverage", "calibration", "interval_coverage"]


@dataclass(frozen=True, repr=False)
class Calibration:
    """Predicted and observed shares of failures, in groups of like predictions.

    Parameters
    ----------
    time : float
        By when the failures were counted.
    predicted : ndarray of shape (g,)
        Mean predicted failure probability of each group, increasing.
    observed, lower, upper : ndarray of shape (g,)
        One minus the group's Kaplan-Meier curve at the time, and its bounds; NaN for a group
        of which no unit was followed to the time, unless all of it had failed.
    n_units : ndarray of shape (g,)
        Weight of each group.
    """

    time: float
    predicted: Floats
    observed: Floats
    lower: Floats
    upper: Floats
    n_units: Floats

    def __repr__(self) -> str:
        pairs = zip(self.predicted, self.observed, strict=True)
        shown = ", ".join(f"{p:.3g} -> {o:.3g}" for p, o in list(pairs)[:10])
        shown += ", ..." if self.predicted.size > 10 else ""
        return f"<Calibration: by {self.time:.6g}, predicted -> observed: {shown}>"

    @property
    def mean_error(self) -> float:
        """Mean distance between predicted and observed, over units; NaN where some is unknown."""
        return float(self.n_units @ np.abs(self.predicted - self.observed) / self.n_units.sum())


@rows_by_position
def calibration(
    durations: ArrayLike,
    event_observed: ArrayLike | None,
    failure_probability: ArrayLike,
    time: float,
    *,
    n_groups: int = 10,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    level: float = 0.95,
) -> Calibration:
    """Compare predicted failure probabilities with Kaplan-Meier's, group by group.

    Parameters
    ----------
    durations : array-like of shape (n,)
        How long each unit has lasted, in any one unit of time.
    event_observed : array-like of shape (n,) or None
        True where the failure was seen; None if all were.
    failure_probability : array-like of shape (n,)
        Predicted probability of each unit to have failed by ``time``.
    time : float
        Positive, in the unit of the durations.
    n_groups : int
        Into how many groups of equal weight to sort the units by their prediction. Equal
        predictions stay together, so that there may be fewer.
    entry, sample_weight
        As in :func:`~survjax.nonparametric.kaplan_meier`.
    level : float
        Confidence level of the bounds.

    Returns
    -------
    Calibration

    Raises
    ------
    ValueError
        If a prediction is no probability, or no group is followed to ``time``.

    References
    ----------
    Harrell (2015), Regression Modeling Strategies, section 20.11.

    Examples
    --------
    >>> table = calibration([1, 4, 2, 6], None, [0.6, 0.4, 0.6, 0.4], time=3, n_groups=2)
    >>> table.predicted.tolist(), table.observed.tolist()
    ([0.4, 0.6], [0.0, 1.0])
    """
    rows = check_lifetimes(durations, event_observed, entry, sample_weight)
    chance = check_scores(failure_probability, "failure_probability", rows.durations.size)
    good = (chance >= 0) & (chance <= 1)
    check_rows(chance, good, "failure_probability", "between 0 and 1", "pass probabilities")
    if not (np.isfinite(time) and time > 0):
        raise ValueError(f"time must be positive and finite, got {time!r}")
    if n_groups < 1:
        raise ValueError(f"n_groups must be at least 1, got {n_groups!r}")
    columns = []
    for part in _groups(chance, rows.weight, int(n_groups)):
        weight = rows.weight[part]
        curve = kaplan_meier(
            rows.durations[part],
            rows.event_observed[part],
            entry=None if rows.entry is None else np.maximum(rows.entry[part], 0.0),
            sample_weight=weight,
            level=level,
        )
        low, high = curve.bounds(time)
        mean = weight @ chance[part] / weight.sum()
        columns.append((mean, 1 - curve(time), 1 - high, 1 - low, weight.sum()))
    table = np.array(columns, dtype=np.float64).T
    if np.isnan(table[1]).all():
        last = rows.durations[rows.weight > 0].max()
        raise ValueError(
            f"no unit is followed to time {time:g}, the last one to {last:g}: choose an earlier one"
        )
    return Calibration(float(time), *table)


def _groups(chance: Floats, weight: Floats, n_groups: int) -> list[np.ndarray]:
    """Sort rows into groups of about equal weight, equal predictions together."""
    levels, rank = np.unique(chance, return_inverse=True)
    mass = np.bincount(rank, weight, levels.size)
    # A level belongs to the group in which the middle of its weight lies.
    middle = (np.cumsum(mass) - 0.5 * mass) / mass.sum()
    group = np.minimum((middle * n_groups).astype(int), n_groups - 1)[rank]
    order = np.argsort(group, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    return [part for part in parts if weight[part].any()]


@dataclass(frozen=True)
class Coverage:
    """How often the truth fell inside a predicted interval.

    Parameters
    ----------
    share : float
        Share of lifetimes inside [lower, upper].
    below, above : float
        Shares below and above; the three add up to 1.
    standard_error : float
        Of the share, given the censoring weights.
    """

    share: float
    below: float
    above: float
    standard_error: float

    def __float__(self) -> float:
        return self.share


@rows_by_position
def interval_coverage(
    durations: ArrayLike,
    event_observed: ArrayLike | None,
    lower: ArrayLike,
    upper: ArrayLike,
    *,
    censoring: StepCurve | None = None,
    sample_weight: ArrayLike | None = None,
) -> Coverage:
    """Measure the share of (remaining) lives that fell inside their predicted intervals.

    A unit is judged once its life or the end of its interval is reached, whichever comes
    first, with weight 1 / P(not censored until then); units censored before are represented
    by the others.

    Parameters
    ----------
    durations : array-like of shape (n,)
        Life since the prediction was made: remaining life, if it was made at an age.
    event_observed : array-like of shape (n,) or None
        True where the failure was seen; None if all were.
    lower, upper : array-like of shape (n,)
        The predicted interval of each unit; upper may be inf.
    censoring : StepCurve, optional
        ``censoring_curve`` of these durations, if it is known better than from these rows.
    sample_weight : array-like of shape (n,), optional
        Frequencies.

    Returns
    -------
    Coverage

    Examples
    --------
    >>> result = interval_coverage([2, 5, 9], [1, 1, 0], [1, 6, 1], [4, 8, 7])
    >>> round(result.share, 4), round(result.below, 4), round(result.above, 4)
    (0.3333, 0.3333, 0.3333)
    """
    rows = check_lifetimes(durations, event_observed, None, sample_weight)
    low, high = as_floats(lower, "lower"), as_floats(upper, "upper")
    check_length(low, rows.durations.size, "lower")
    check_length(high, rows.durations.size, "upper")
    low, high = on_durations(rows, low), on_durations(rows, high)
    low, high = np.split(merge_rounding(np.concatenate([low, high])), 2)
    check_rows(low, low <= high, "lower", "at most upper", "swap or repair these bounds")
    curve = known_curve(rows, censoring)
    counts = rows.weight > 0
    above = counts & (rows.durations > high)
    failed = counts & rows.event_observed & ~above
    inverse = inverse_weights(curve, rows.durations, failed, "before")
    inverse += inverse_weights(curve, high, above, "at")
    weight = rows.weight * inverse
    if not weight.any():
        raise ValueError("every unit is censored inside its interval: nothing can be judged")
    share = weight / weight.sum()
    inside = failed & (rows.durations >= low)
    covered = float(share @ inside)
    error = np.sqrt(np.sum((share * (inside - covered)) ** 2 / np.maximum(rows.weight, 1e-300)))
    below = float(share @ (failed & (rows.durations < low)))
    return Coverage(covered, below, float(share @ above), float(error))
