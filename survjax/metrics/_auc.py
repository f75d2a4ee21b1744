"""Who fails by t, who outlives it: the area under the curve at each time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.validation import check_rows
from survjax.data.labels import rows_by_position
from survjax.metrics._weights import (
    check_scores,
    check_times_of,
    inverse_weights,
    known_curve,
    on_durations,
)
from survjax.nonparametric import StepCurve, kaplan_meier
from survjax.nonparametric.rows import Floats, check_lifetimes

__all__ = ["DynamicAuc", "cumulative_dynamic_auc"]


@dataclass(frozen=True, repr=False)
class DynamicAuc:
    """Areas under the curve.

    Parameters
    ----------
    times : ndarray of shape (k,)
        The evaluation times.
    auc : ndarray of shape (k,)
        P(a unit that failed by t had a higher risk than one still running after t).
    mean : float
        Mean over the times, weighted by the share of units that fail between them.
    """

    times: Floats
    auc: Floats
    mean: float

    def __repr__(self) -> str:
        ends = " to ".join(f"{t:.6g}" for t in np.unique(self.times[[0, -1]]))
        count = f"{self.times.size} time{'s' if self.times.size > 1 else ''}"
        return f"<DynamicAuc: mean {self.mean:.4g} over {count}, {ends}>"


@rows_by_position
def cumulative_dynamic_auc(
    durations: ArrayLike,
    event_observed: ArrayLike | None,
    risk: ArrayLike,
    times: ArrayLike,
    *,
    censoring: StepCurve | None = None,
    sample_weight: ArrayLike | None = None,
    censoring_at: str = "before",
) -> DynamicAuc:
    """Measure at each time how well risks tell failed units from running ones.

    Parameters
    ----------
    durations : array-like of shape (n,)
        How long each unit has lasted, in any one unit of time.
    event_observed : array-like of shape (n,) or None
        True where the failure was seen; None if all were.
    risk : array-like of shape (n,) or (n, k)
        Higher for units expected to fail earlier; with k columns, one for each time.
    times : array-like of shape (k,)
        Positive, increasing, with a failure before and a unit running after each.
    censoring, sample_weight, censoring_at
        As in :func:`~survjax.metrics.brier_score`.

    Returns
    -------
    DynamicAuc

    References
    ----------
    Uno, Cai, Tian and Wei (2007), JASA 102; Hung and Chiang (2010), Canadian Journal of
    Statistics 38; Lambert and Chevret (2016), Statistical Methods in Medical Research 25, for
    the mean.

    Examples
    --------
    >>> cumulative_dynamic_auc([1, 2, 3, 4], None, [4, 1, 3, 2], [1, 2, 3]).auc.tolist()
    [1.0, 0.5, 0.6666666666666666]
    """
    rows = check_lifetimes(durations, event_observed, None, sample_weight)
    asked = check_times_of(times)
    grid = on_durations(rows, asked)
    table = _check_risks(risk, rows.durations.size, grid.size)
    failed = rows.event_observed & (rows.weight > 0) & (rows.durations <= grid[-1])
    curve = known_curve(rows, censoring)
    weight_of_failure = rows.weight * inverse_weights(curve, rows.durations, failed, censoring_at)
    areas = np.empty(grid.size)
    for i, t in enumerate(grid):
        if i == 0 or table.shape[1] > 1:
            order = np.argsort(table[:, i], kind="stable")
            group = np.cumsum(np.diff(table[order, i], prepend=table[order[0], i]) > 0)
        areas[i] = _area(
            np.where(rows.durations <= t, weight_of_failure, 0.0)[order],
            np.where(rows.durations > t, rows.weight, 0.0)[order],
            group,
            t,
        )
    alive = kaplan_meier(rows.durations, rows.event_observed, sample_weight=rows.weight)
    place = np.searchsorted(grid, alive.times)
    share = np.bincount(place, alive.jumps, grid.size + 1)[:-1]
    return DynamicAuc(asked, areas, float(share @ areas / share.sum()))


def _area(cases: Floats, controls: Floats, group: np.ndarray, t: float) -> float:
    """Return the share of (case, control) pairs in order, rows sorted by risk; ties one half."""
    total = float(cases.sum() * controls.sum())
    if total <= 0:
        missing = "failed by" if cases.sum() <= 0 else "runs after"
        raise ValueError(f"no unit {missing} time {t:g}: choose times in the middle of the data")
    size = int(group[-1]) + 1
    case = np.bincount(group, cases, size)
    control = np.bincount(group, controls, size)
    below = np.concatenate([[0.0], np.cumsum(control)[:-1]])
    return float(case @ (below + 0.5 * control)) / total


def _check_risks(risk: ArrayLike, size: int, n_times: int) -> Floats:
    table = np.asarray(risk)
    if table.ndim == 2:
        if table.shape != (size, n_times):
            raise ValueError(
                f"risk must have shape ({size},) or ({size}, {n_times}), got {table.shape}"
            )
        table = table.astype(np.float64)
        good = np.isfinite(table).all(axis=1)
        check_rows(table[:, 0], good, "risk", "finite", "a unit without one cannot be judged")
        return table
    return check_scores(risk, "risk", size)[:, None]
