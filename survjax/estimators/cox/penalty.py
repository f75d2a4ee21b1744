"""Penalties of proportional hazards: their choice by held-out units, and columns without one."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from survjax.cox import CoxFit, Penalty, fit_cox
from survjax.cox.fit import _coefficients, _covariance
from survjax.cox.partial_likelihood.derivatives import value
from survjax.data.content import content_folds
from survjax.estimators.covariates import (
    ChosenColumns,
    chosen_columns,
    collinear_message,
    column_names,
)
from survjax.estimators.frames import frame
from survjax.estimators.messages import NoFiniteMaximum
from survjax.estimators.regression.penalty_path import NOTHING_TO_CHOOSE
from survjax.estimators.regression.priors import FIRTH
from survjax.estimators.target import SurvivalTarget
from survjax.fitting.regression.penalties import penalty_grid

FOLDS = 5


class PenalizedCox:
    """An estimator with the settings `penalty`, `l1_ratio` and `unpenalized`."""

    penalty: Any
    l1_ratio: float
    unpenalized: ChosenColumns | None
    robust: bool
    feature_means_: np.ndarray

    def _penalty(
        self,
        target: SurvivalTarget,
        x: np.ndarray,
        rows: dict[str, Any],
        weight: np.ndarray,
        groups: ArrayLike | None,
    ) -> Penalty | None:
        """Per unit, and on effects of one standard deviation; `weight` is what rows count."""
        self.__dict__.pop("penalty_path_", None)
        factor = penalty_factor(self.unpenalized, column_names(self))
        if self.penalty in (0, FIRTH):
            self.penalty_ = 0.5 if self.penalty == FIRTH else 0.0
            return None
        # In units of the largest number, so that no square leaves the range of numbers.
        away = x - self.feature_means_
        largest = np.abs(away).max(axis=0)
        away = away / np.where(largest > 0, largest, 1.0)
        spread = largest * np.sqrt(weight @ away**2 / weight.sum())
        if self.penalty == "cv":
            each = Penalty(1.0, self.l1_ratio, factor, spread)
            self.penalty_, table = choose_penalty(target, x, each, rows, weight, groups)
            self.penalty_path_ = path_table(table, column_names(self))
        else:
            self.penalty_ = float(self.penalty)
        return Penalty(self.penalty_ * weight.sum(), self.l1_ratio, factor, spread)

    def _is_firth(self, clustered: bool) -> bool:
        """Whether the penalty is Firth's, which is of units that are independent."""
        chosen = isinstance(self.penalty, str) and self.penalty == FIRTH
        if chosen and (clustered or self.robust):
            raise ValueError("penalty='firth' has no robust errors: leave out robust and cluster")
        if chosen and self.unpenalized is not None:
            raise ValueError("penalty='firth' is of all columns together: leave out unpenalized")
        return chosen


def choose_penalty(
    target: SurvivalTarget,
    x: np.ndarray,
    each: Penalty,
    rows: dict[str, Any],
    weight: np.ndarray,
    groups: ArrayLike | None,
) -> tuple[float, dict[str, np.ndarray]]:
    """The best penalty per unit, and what was compared.

    A fold's score is what its units add to the log partial likelihood of all, at coefficients
    fitted without them (Verweij and van Houwelingen 1993, Statistics in Medicine 12): held-out
    units alone are too few to make risk sets of. Rows of one group stay together.

    Parameters
    ----------
    target, x : SurvivalTarget, array of shape (n, p)
        The rows.
    each : Penalty
        Of strength one: the share that it counts of each column (`factor`), and the standard
        deviations that it counts in (`unit`).
    rows : dict
        More arguments of `fit_cox`.
    weight : array of shape (n,)
        What each row counts: together, the rows of a unit as one.
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
        penalty = dataclasses.replace(each, strength=amount * weight[part].sum())
        durations, event = target.durations[part], target.event[part]
        return _fit(durations, event, x[part], penalty=penalty, **some)

    spread, factor = np.asarray(each.unit), np.asarray(each.factor)
    if not factor.any():
        raise ValueError(NOTHING_TO_CHOOSE)
    counted = (spread > 0) & (factor > 0)
    everyone = np.arange(x.shape[0])
    null = fit(everyone, 1e8)
    slope = null.maximum.gradient * null.sets.scale / np.where(counted, spread, 1.0)
    grid = penalty_grid(slope, counted.astype(float), weight.sum(), each.l1_ratio)
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


def _folds(
    target: SurvivalTarget, x: np.ndarray, rows: dict[str, Any], groups: ArrayLike | None
) -> np.ndarray:
    """A fold for each row by what it holds, the same for all rows of a group and for equal ones."""
    others = list(x.T)
    if rows["strata"] is not None:
        others.append(np.unique(rows["strata"], return_inverse=True)[1])
    stop, event, weight = target.durations, target.event * 1.0, rows["sample_weight"]
    start = np.zeros(stop.size) if rows["entry"] is None else rows["entry"]
    return content_folds(start, stop, event, others, weight, groups, FOLDS)


def penalty_factor(unpenalized: ChosenColumns | None, names: list[str]) -> np.ndarray:
    """1.0 for each column (p,) that the penalty counts, and 0.0 for the `unpenalized` ones."""
    factor = np.ones(len(names))
    factor[np.array(chosen_columns(unpenalized, names, "unpenalized"), int) - 1] = 0.0
    return factor


def refuse_collinear(
    found: CoxFit,
    x: np.ndarray,
    names: list[str],
    remedy: str = "set penalty > 0",
) -> None:
    """Refuse columns that repeat each other, with their names and what to do."""
    repeated = np.flatnonzero(found.maximum.aliased)
    if repeated.size:
        groups = [[j, *found.repeats(j).tolist()] for j in repeated.tolist()]
        varying = np.flatnonzero(np.ptp(x, axis=0) > 0).tolist()
        raise ValueError(collinear_message(groups, names, varying, remedy))


def fit_penalized(
    target: SurvivalTarget,
    x: np.ndarray,
    penalty: Penalty,
    rows: dict[str, Any],
    names: list[str],
) -> CoxFit:
    """Fit with a penalty; effects of unpenalized columns are infinite where they run off.

    The penalty holds back all other effects, so an unpenalized one runs off where it does in a fit
    of these columns alone: whether the likelihood rises for ever along some of them does not
    depend on the rest. Unpenalized columns that repeat each other are refused.

    Parameters
    ----------
    target, x, rows
        As in `choose_penalty`.
    penalty : Penalty
        With a `factor` of 0 for unpenalized columns.
    names : list of str
        Names of the columns.
    """
    free, endless = np.flatnonzero(np.asarray(penalty.factor) == 0), np.zeros(x.shape[1])
    if free.size:
        alone = fit_cox(target.durations, target.event, x[:, free], **rows)
        refuse_collinear(alone, x[:, free], [names[j] for j in free], "penalize them")
        endless[free] = alone.maximum.infinite
    found = _fit(target.durations, target.event, x, penalty=penalty, **rows)
    if not endless.any():
        return found
    end, scale = dataclasses.replace(found.maximum, infinite=endless), found.sets.scale
    covariance = _covariance(end, scale, penalty)
    return dataclasses.replace(
        found, maximum=end, coef=_coefficients(end, scale), covariance=covariance
    )


@np.errstate(all="ignore")
def _fit(*args: Any, **kwargs: Any) -> CoxFit:
    """As `fit_cox`: where an unpenalized effect runs off, steps overflow and are taken back."""
    return fit_cox(*args, **kwargs)


def path_table(table: dict[str, np.ndarray], names: list[str]) -> Any:
    """What was compared, as a frame: `penalty, score, error` and a column for each coefficient."""
    coefficients = table.pop("coef")
    return frame(table | dict(zip(names, coefficients.T, strict=True)))
