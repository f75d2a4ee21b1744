"""Rows of one unit in a proportional-hazards fit: they add up, but they are one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.validation import check_length
from survjax.data.observations import Observations
from survjax.data.truncation import check_truncation
from survjax.estimators.target import SurvivalTarget
from survjax.estimators.unnamed_units import warn_of_unnamed_units
from survjax.likelihood.regression.histories import Histories


def cox_histories(
    unit: ArrayLike, target: SurvivalTarget, entry: ArrayLike | None, weight: np.ndarray
) -> Histories:
    """Rows by unit, checked; a unit may be out of sight for a while."""
    stop = target.durations
    start, _ = check_truncation(entry, None, stop, stop, target.event)
    start = np.zeros(stop.size) if start is None else start
    return Histories.of(unit, start, stop, target.event * 1.0, weight, gaps=True)


def units_of_cox(
    unit: ArrayLike,
    target: SurvivalTarget,
    entry: ArrayLike | None,
    weight: np.ndarray,
    cluster: ArrayLike | None,
    robust: bool,
) -> tuple[Histories, dict[str, Any]]:
    """Rows by unit, and the `cluster` or `unit` labels of robust errors, if there are any.

    Units are the clusters of robust errors, where there are no others. Other errors need none:
    what the rows of one unit add to the slope is a martingale along its life.
    """
    histories = cox_histories(unit, target, entry, weight)
    if cluster is None:
        return histories, {"unit": np.asarray(unit)} if robust else {}
    check_length(np.asarray(cluster), weight.size, "cluster")
    labels = np.unique(np.asarray(cluster), return_inverse=True)[1][histories.order]
    split = (np.diff(labels) != 0) & (np.diff(histories.unit) == 0)
    if split.any():
        name = np.asarray(unit)[histories.order].tolist()[int(np.flatnonzero(split)[0])]
        raise ValueError(
            f"rows of unit {name!r} lie in several clusters: a cluster must hold whole units"
        )
    return histories, {"cluster": cluster}


def warn_of_rows_as_units(
    target: SurvivalTarget, x: np.ndarray, entry: ArrayLike | None, robust: bool
) -> None:
    """Warn where rows look like histories, and the sandwich or a penalty takes them for units."""
    if entry is None:
        return
    rows = Observations.from_durations(target.durations, target.event, entry=entry)
    consequence = "the penalty counts, and its folds split, rows instead of units"
    if robust:
        consequence = "robust standard errors take rows for independent"
    warn_of_unnamed_units(rows, x, consequence)
