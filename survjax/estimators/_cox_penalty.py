"""The choice of a penalty for proportional hazards, by the partial likelihood of held-out units."""

from __future__ import annotations

from typing import Any

import numpy as np

from survjax._core.content import content_folds
from survjax.estimators._frames import frame
from survjax.estimators._messages import NoFiniteMaximum
from survjax.estimators._target import SurvivalTarget
from survjax.inference.partial_likelihood import CoxFit, Penalty, fit_cox
from survjax.inference.partial_likelihood._derivatives import value
from survjax.inference.penalties import penalty_grid

FOLDS = 5


def choose_penalty(
    target: SurvivalTarget,
    x: np.ndarray,
    spread: np.ndarray,
    rows: dict[str, Any],
    weight: np.ndarray,
    l1_ratio: float,
    groups: Any,
) -> tuple[float, dict[str, np.ndarray]]:
    """The best penalty per unit, and what was compared.

    A fold's score is what its units add to the log partial likelihood of all, at coefficients
    fitted without them (Verweij and van Houwelingen 1993, Statistics in Medicine 12): held-out
    units alone are too few to make risk sets of. Rows of one group stay together.

    Parameters
    ----------
    target, x : SurvivalTarget, array of shape (n, p)
        The rows.
    spread : array of shape (p,)
        Standard deviations of the columns, which penalties count in.
    rows : dict
        More arguments of `fit_cox`.
    weight : array of shape (n,)
        What each row counts: together, the rows of a unit as one.
    l1_ratio : float
        0 is ridge, 1 the lasso.
    groups : array-like of shape (n,), optional
        Units or clusters, which must not be split.

    Returns
    -------
    float, dict of arrays
        The penalty; and `penalty`, `score` (mean over folds, per unit), `error`, with
        `coef` (grid, p).
    """

    def fit(part: np.ndarray, amount: float) -> CoxFit:
        some = {name: v[part] if isinstance(v, np.ndarray) else v for name, v in rows.items()}
        penalty = Penalty(amount * weight[part].sum(), l1_ratio, unit=spread)
        return fit_cox(target.durations[part], target.event[part], x[part], penalty=penalty, **some)

    everyone = np.arange(x.shape[0])
    null = fit(everyone, 1e8)
    varies = spread > 0
    slope = null.climb.start_gradient * null.sets.scale / np.where(varies, spread, 1.0)
    grid = penalty_grid(slope, varies.astype(float), weight.sum(), l1_ratio)
    fold = _folds(target, x, rows, groups)
    scores = np.zeros((FOLDS, grid.size))
    for k in range(FOLDS):
        inside = np.flatnonzero(fold != k)
        if not np.any(target.event[inside] & (weight[inside] > 0)):
            raise NoFiniteMaximum(
                f"the penalty cannot be chosen: all failures are in one of {FOLDS} parts of the "
                "units. Give penalty a number"
            )
        out = max(weight[fold == k].sum(), 1e-300)
        for i, amount in enumerate(grid):
            found = fit(inside, amount)
            there = value(null.sets, null.failures, found.working * null.sets.scale)
            scores[k, i] = (there - found.log_likelihood) / out
    mean = scores.mean(axis=0)
    coefficients = np.array([fit(everyone, amount).working for amount in grid])
    error = scores.std(axis=0, ddof=1) / np.sqrt(FOLDS)
    table = {"penalty": grid, "score": mean, "error": error, "coef": coefficients}
    return float(grid[int(np.argmax(mean))]), table


def _folds(target: SurvivalTarget, x: np.ndarray, rows: dict[str, Any], groups: Any) -> np.ndarray:
    """A fold for each row by what it holds, the same for all rows of a group and for equal ones."""
    others = list(x.T)
    if rows["strata"] is not None:
        others.append(np.unique(rows["strata"], return_inverse=True)[1])
    stop, event, weight = target.durations, target.event * 1.0, rows["sample_weight"]
    start = np.zeros(stop.size) if rows["entry"] is None else rows["entry"]
    return content_folds(start, stop, event, others, weight, groups, FOLDS)


def path_table(table: dict[str, np.ndarray], names: list[str]) -> Any:
    """What was compared, as a frame: `penalty, score, error` and a column for each coefficient."""
    coefficients = table.pop("coef")
    return frame(table | dict(zip(names, coefficients.T, strict=True)))
