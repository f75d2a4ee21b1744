"""Remaining lives of units of many groups, with bounds."""

from __future__ import annotations

import numpy as np

from survjax.estimators.groups.answers import Answers
from survjax.prediction.curves import by_inversion, response_interval, response_value
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
        t = np.repeat(np.concatenate([[0.0] * mean, shares])[:, None], side.size, axis=1)
        values, low, high = _bounded(answers, whose[side], at[side], curves, t, level)
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


def _bounded(
    answers: Answers,
    group: np.ndarray,
    ages: np.ndarray,
    curves: tuple[str, ...],
    t: np.ndarray,
    level: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Curves of units (n,) of groups in the arrays with bounds, (c, n) each, on the link scale.

    As `survjax.uncertainty.modes.bounded` gives them for units of one model.
    """
    assert answers.template is not None
    lifetime = answers.template.lifetime
    there, maxima = answers.maxima_that_count()
    own = np.searchsorted(there, group)
    unit, which = maxima.each_of(own)
    first = np.searchsorted(unit, np.arange(own.size))

    def at_maxima(curves: tuple[str, ...], t: np.ndarray) -> tuple[np.ndarray, ...]:
        values, errors = evaluate_each(
            lifetime, maxima.parameters, maxima.covariances, which, curves, t[:, unit], ages[unit]
        )
        low, high = maxima.bounds(own, unit, values, errors, level)
        values = values[:, first]
        # What every parameter shares, such as an infinite life, has no error.
        low, high = (np.where(np.isfinite(values), end, values) for end in (low, high))
        return values, low, high

    def at_answers(curves: tuple[str, ...], t: np.ndarray) -> np.ndarray:
        held = maxima.parameters, maxima.covariances, which[first]
        return evaluate_each(lifetime, *held, curves, t, ages)[0]

    rows = [i for i, curve in enumerate(curves) if curve == "quantile" and lifetime.levels_off]
    rest = [i for i in range(len(curves)) if i not in rows]
    values, low, high = (np.empty(t.shape) for _ in range(3))
    if rest:
        found = at_maxima(tuple(curves[i] for i in rest), t[rest])
        values[rest], low[rest], high[rest] = found
    if rows:
        n = len(rows)
        values[rows] = at_answers(n * ("quantile",), t[rows])
        low[rows], high[rows] = by_inversion(
            t[rows],
            values[rows],
            lambda times: at_maxima(n * ("cumulative_hazard",), times),  # type: ignore[arg-type,return-value]
            lambda hazards: at_answers(n * ("time_at_hazard",), hazards),
        )
    return values, low, high


def _distinct(group: np.ndarray, ages: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Units of which each pair of group and age has one, and which of them each unit is."""
    order = np.lexsort((ages, group))
    new = np.ones(order.size, bool)
    new[1:] = (np.diff(group[order]) != 0) | (np.diff(ages[order]) != 0)
    back = np.empty(order.size, int)
    back[order] = np.cumsum(new) - 1
    return order[new], back
