"""Remaining lives of units of many groups, with bounds."""

from __future__ import annotations

import numpy as np

from survjax.estimators.groups.answers import Answers
from survjax.prediction.curves import response_interval, response_value
from survjax.prediction.each_unit import evaluate_each


def remaining_lives(
    answers: Answers,
    group: np.ndarray,
    ages: np.ndarray,
    shares: np.ndarray,
    names: list[str],
    level: float,
    mean: bool = True,
) -> dict[str, np.ndarray]:
    """Columns `mean, mean_lower, mean_upper, q10, ...` (n,) of units of groups (n,).

    NaN for units of groups that have no fit.
    """
    n, labels = ages.size, [*["mean"] * mean, *names]
    columns = {
        f"{label}{end}": np.full(n, np.nan) for label in labels for end in ("", "_lower", "_upper")
    }
    # Units of one group and age have one answer.
    distinct, back = _distinct(group, ages)
    whose, at = group[distinct], ages[distinct]
    found = {name: np.full(at.size, np.nan) for name in columns}
    curves = (*("mean",) * mean, *("quantile",) * shares.size)
    side = np.flatnonzero(answers.side_by_side[whose])
    if side.size and answers.template is not None:
        there, maxima = answers.maxima_that_count()
        own = np.searchsorted(there, whose[side])
        unit, which = maxima.each_of(own)
        t = np.repeat(np.concatenate([[0.0] * mean, shares])[:, None], unit.size, axis=1)
        values, errors = evaluate_each(
            answers.template.lifetime,
            maxima.parameters,
            maxima.covariances,
            which,
            curves,
            t,
            at[side][unit],
        )
        low, high = maxima.bounds(own, unit, values, errors, level)
        values = values[:, np.searchsorted(unit, np.arange(side.size))]
        # What every parameter shares, such as an infinite life, has no error.
        low, high = (np.where(np.isfinite(values), end, values) for end in (low, high))
        for i, label in enumerate(labels):
            ends = response_interval(curves[i], low[i], high[i])
            found[label][side] = response_value(curves[i], values[i])
            found[f"{label}_lower"][side], found[f"{label}_upper"][side] = ends
    order = np.argsort(whose, kind="stable")
    first, last = (
        np.searchsorted(whose[order], list(answers.alone), side=s) for s in ("left", "right")
    )
    for model, i, j in zip(answers.alone.values(), first, last, strict=True):
        if j > i:
            some = order[i:j]
            table = model.predict_rul(at[some], shares, level)
            for name in found:
                found[name][some] = table[name].to_numpy()
    return {name: found[name][back] for name in columns}


def _distinct(group: np.ndarray, ages: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Units of which each pair of group and age has one, and which of them each unit is."""
    order = np.lexsort((ages, group))
    new = np.ones(order.size, bool)
    new[1:] = (np.diff(group[order]) != 0) | (np.diff(ages[order]) != 0)
    back = np.empty(order.size, int)
    back[order] = np.cumsum(new) - 1
    return order[new], back
