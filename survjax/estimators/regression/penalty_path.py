"""The choice of a penalty: a path of fits on each fold, scored on what was held out."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from survjax.data.content import content_folds
from survjax.data.observations import Observations
from survjax.estimators.covariates import column_names
from survjax.estimators.frames import frame
from survjax.fitting.regression.fit import likelihood_of, maximize
from survjax.fitting.regression.penalties import Penalty, penalty_grid
from survjax.fitting.regression.violations import intercepts_of
from survjax.likelihood.regression.columns import Columns
from survjax.likelihood.regression.forms import Form, Layout
from survjax.likelihood.regression.histories import Histories, count, row_weights, whole_lives
from survjax.likelihood.regression.history_likelihood import HistoryLikelihood
from survjax.likelihood.regression.likelihood import log_likelihoods, weighted_total

FOLDS = 5
#: Where every column with an effect is left as it is.
NOTHING_TO_CHOOSE = (
    "penalty='cv' has nothing to choose: no column is penalized. Leave some out of unpenalized, or "
    "set penalty=0"
)


@dataclasses.dataclass(frozen=True)
class _Problem:
    """A model and its data, of which some units can be taken.

    Units are whole: all rows of one are inside a fold, or all are outside.
    """

    model: Any
    form: Form
    layout: Layout
    columns: Columns
    rows: Observations
    x: np.ndarray
    unit: np.ndarray | None
    component: np.ndarray | None

    def take(self, part: np.ndarray) -> _Problem:
        """The same for some rows."""
        unit, component = (None if a is None else a[part] for a in (self.unit, self.component))
        return dataclasses.replace(
            self, rows=self.rows.take(part), x=self.x[part], unit=unit, component=component
        )

    @functools.cached_property
    def histories(self) -> Histories | None:
        """The rows by unit, where units have several."""
        return None if self.unit is None else Histories.from_rows(self.rows, self.unit)

    @property
    def n_units(self) -> float:
        """Number of units."""
        return count(self.rows, self.histories)

    @property
    def _binding(self) -> Histories | None:
        """The histories, where rows of one unit depend on each other."""
        return self.histories if self.model._histories_bind else None

    @functools.cached_property
    def likelihood(self) -> Any:
        """The log-likelihood, unit by unit where rows of one depend on each other."""
        parts = self.form, self.layout
        if (histories := self._binding) is not None:
            return HistoryLikelihood(*parts, histories, self.x, self.columns, self.component)
        return likelihood_of(*parts, self.rows, self.x, self.columns, self.component)

    def score(self, theta: np.ndarray) -> float:
        """Mean log-likelihood per unit."""
        if self._binding is not None:
            return self.likelihood.mean(theta)
        terms = log_likelihoods(self.form, self.layout, theta, self.rows, self.x, self.columns)
        return weighted_total(terms, self.rows.weight) / self.n_units

    def path(self, grid: np.ndarray, marks: np.ndarray, theta: np.ndarray) -> Iterator[np.ndarray]:
        """The coefficients at each penalty, from the last one on."""
        ratio = self.model.l1_ratio
        for amount in grid * self.n_units:
            penalty = Penalty((1.0 - ratio) * amount * marks, ratio * amount * marks)
            theta = maximize(self.likelihood, theta, 1e-6, self.model.max_iter, penalty).x
            yield theta


def choose_penalty(
    model: Any, rows: Observations, x: np.ndarray, unit: Any, component: np.ndarray | None = None
) -> None:
    """Set `penalty_` and `penalty_path_` of a model by cross-validation over units.

    A mixture may know some units' `component`; units held out are scored as if it did not.
    """
    model.penalty_ = 1.0  # so that collinear columns are welcome
    model._check_data(rows, x)
    histories = None if unit is None else Histories.from_rows(rows, unit)
    form, layout, starts = model._model(rows if histories is None else whole_lives(histories), x)
    columns = model._columns(x, row_weights(rows, histories))
    names = None if unit is None else np.asarray(unit)
    whole = _Problem(model, form, layout, columns, rows, x, names, component)
    marks = model._penalized(layout)
    if not marks.any() and model._unpenalized_columns().size:
        raise ValueError(NOTHING_TO_CHOOSE)
    immense = Penalty(1e8 * whole.n_units * marks, 0 * marks)
    null = maximize(whole.likelihood, np.atleast_2d(starts)[0], 1e-6, model.max_iter, immense)
    null_point = np.where(marks > 0, 0.0, null.x)
    gradient = whole.likelihood(null_point)[1]
    grid = penalty_grid(gradient, marks, whole.n_units, model.l1_ratio)
    scores = np.zeros((FOLDS, grid.size))
    fold = folds(rows, x, unit)
    for k in range(FOLDS):
        inside = whole.take(np.flatnonzero(fold != k))
        outside = dataclasses.replace(whole.take(np.flatnonzero(fold == k)), component=None)
        scores[k] = [outside.score(theta) for theta in inside.path(grid, marks, null_point)]
    # An iteration that collapsed on single times predicts nothing.
    scores = np.where(np.isfinite(scores), scores, -np.inf)
    best = int(np.argmax(scores.mean(axis=0)))
    model.penalty_ = float(grid[best])
    with np.errstate(invalid="ignore"):
        error = scores.std(axis=0, ddof=1) / np.sqrt(FOLDS)
    table = {"penalty": grid, "score": scores.mean(axis=0), "error": error}
    slopes = ~intercepts_of(layout)
    effects = np.array([theta[slopes] for theta in whole.path(grid, marks, null_point)])
    columns_of = column_names(model)
    labels = [
        columns_of[j - 1] if item is layout[0] else f"{item.name}:{columns_of[j - 1]}"
        for item in layout
        for j in item.columns
        if j > 0
    ]
    model.penalty_path_ = frame(table | dict(zip(labels, effects.T, strict=True)))


def folds(rows: Observations, x: np.ndarray, unit: ArrayLike | None) -> np.ndarray:
    """A fold for each row by what it holds, the same for all rows of a unit and for equal ones."""
    n = rows.n_rows
    names = ("upper", "interval", "exit")
    others = [v for v in (getattr(rows, name) for name in names) if v is not None]
    start = np.zeros(n) if rows.entry is None else rows.entry
    failed = rows.event if rows.interval is None else rows.event + rows.interval
    return content_folds(start, rows.lower, failed, [*others, *x.T], rows.weight, unit, FOLDS)
