"""The choice of a penalty: a path of fits on each fold, scored on what was held out."""

from __future__ import annotations

from typing import Any

import numpy as np

from survjax._core.observations import Observations
from survjax.estimators._covariates import column_names
from survjax.estimators._frames import frame
from survjax.inference.penalties import Penalty, penalty_grid
from survjax.inference.regression import log_likelihoods
from survjax.inference.regression_fit import climb, likelihood_of

FOLDS = 5


def choose_penalty(
    model: Any, rows: Observations, x: np.ndarray, unit: Any, component: np.ndarray | None = None
) -> None:
    """Set `penalty_` and `penalty_path_` of a model by cross-validation over units.

    A mixture may know some units' `component`; units held out are scored as if it did not.
    """
    if unit is not None and model._histories_bind:
        raise ValueError(
            "penalty='cv' does not know how to split histories whose rows depend on each other: "
            "use GroupKFold over units with GridSearchCV"
        )
    model.penalty_ = 1.0  # so that collinear columns are welcome
    model._check_data(rows, x)
    form, layout, start = model._model(rows, x)
    columns = model._columns(x, rows.weight)
    marks = np.array([float(j > 0) for item in layout for j in item.columns])
    whole = likelihood_of(form, layout, rows, x, columns, component)
    null = climb(whole, start, 1e-6, model.max_iter, Penalty(1e8 * rows.n_units * marks, 0 * marks))
    null_point = np.where(marks > 0, 0.0, null.theta)
    gradient = whole(null_point)[1]
    grid = penalty_grid(gradient, marks, rows.n_units, model.l1_ratio)
    groups = np.arange(rows.n_rows) if unit is None else np.unique(unit, return_inverse=True)[1]
    fold = np.random.default_rng(0).permutation(groups.max() + 1)[groups] % FOLDS
    scores = np.zeros((FOLDS, grid.size))
    for k in range(FOLDS):
        inside, outside = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        known = None if component is None else component[inside]
        likelihood = likelihood_of(form, layout, rows.take(inside), x[inside], columns, known)
        test, x_test = rows.take(outside), x[outside]
        theta = null_point
        for i, amount in enumerate(grid):
            penalty = _penalty(model, marks, amount * likelihood.n_units)
            theta = climb(likelihood, theta, 1e-6, model.max_iter, penalty).theta
            terms = log_likelihoods(form, layout, theta, test, x_test, columns)
            scores[k, i] = test.weight @ terms / test.n_units
    # A climb that collapsed on single times foretells nothing.
    scores = np.where(np.isfinite(scores), scores, -np.inf)
    best = int(np.argmax(scores.mean(axis=0)))
    model.penalty_ = float(grid[best])
    with np.errstate(invalid="ignore"):
        error = scores.std(axis=0, ddof=1) / np.sqrt(FOLDS)
    table = {"penalty": grid, "score": scores.mean(axis=0), "error": error}
    coefficients, theta = [], null_point
    for amount in grid:
        theta = climb(
            whole, theta, 1e-6, model.max_iter, _penalty(model, marks, amount * rows.n_units)
        ).theta
        coefficients.append(theta[marks > 0])
    names = column_names(model)
    labels = [
        names[j - 1] if item is layout[0] else f"{item.name}:{names[j - 1]}"
        for item in layout
        for j in item.columns
        if j > 0
    ]
    model.penalty_path_ = frame(table | dict(zip(labels, np.array(coefficients).T, strict=True)))


def _penalty(model: Any, marks: np.ndarray, amount: float) -> Penalty:
    return Penalty((1.0 - model.l1_ratio) * amount * marks, model.l1_ratio * amount * marks)
