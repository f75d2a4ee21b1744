"""Coefficients that the data cannot tell: columns that repeat others, and those that run away."""

from __future__ import annotations

import numpy as np

from survjax.cox.risk_sets.sets import RiskSets
from survjax.nonparametric.rows import Bools, Floats, Ints

__all__ = ["independent_columns", "largest_at_risk", "runs_away"]

#: A column is a combination of earlier ones if this share of its information or less is its own.
COLLINEAR = 1e-11
#: How far, in shares of its range, a failed unit may lie below the largest at risk with it:
#: along several columns, whose mix is known from a step only, and along a single one.
SLACK, SLACK_OF_ONE = 1e-3, 1e-12


def independent_columns(information: Floats, size: Floats) -> Bools:
    """Tell which columns carry information of their own, given the columns before them.

    `size` is the largest each diagonal entry could be: an entry of rounding errors next to it
    belongs to a column that is constant within every risk set.
    """
    p = information.shape[0]
    keep = np.zeros(p, dtype=bool)
    left = information.copy()
    for j in range(p):
        keep[j] = left[j, j] > COLLINEAR * max(information[j, j], 1e-3 * size[j])
        if keep[j]:
            left -= np.outer(left[:, j], left[j]) / left[j, j]
    return keep


def combination(information: Floats, keep: Bools, j: int) -> Ints:
    """Return the kept columns that column j repeats."""
    kept = np.flatnonzero(keep)
    scale = np.sqrt(np.maximum(np.diag(information), 1e-300))
    if kept.size == 0 or information[j, j] <= COLLINEAR:
        return kept[:0]
    weights = np.linalg.lstsq(information[np.ix_(kept, kept)], information[kept, j])[0]
    return kept[np.abs(weights) * scale[kept] > 1e-6 * scale[j]]


def runs_away(sets: RiskSets, failed: Ints, direction: Floats) -> bool:
    """Certify that the likelihood rises for ever along a direction.

    That is so where each failed unit has the largest value of ``direction'x`` of all units at
    risk with it, and somewhere one is larger: then every factor of the likelihood rises to its
    limit, and none falls.
    """
    values = direction @ sets.x
    top = largest_at_risk(sets, values)
    gap = top[sets.join[failed]] - values[failed]
    low = -largest_at_risk(sets, -values)
    spread = top - low
    room = float(spread.max(initial=0.0))
    if np.count_nonzero(direction) == 1:
        return room > 0 and bool(np.all(gap <= SLACK_OF_ONE * room))
    # Of the range without its ends: one value far outside must not make all others alike.
    low_end, high_end = np.quantile(values, (0.05, 0.95))
    inner = high_end - low_end
    return room > 0 and bool(np.all(gap <= SLACK * (inner if inner > 0 else room)))


def largest_at_risk(sets: RiskSets, values: Floats) -> Floats:
    """Return the largest value in each risk set: (G,)."""
    if sets.leave is None and sets.first.size == 1:
        return np.maximum.accumulate(np.maximum.reduceat(values, sets.start[:-1]))
    # Cover each row's range by two overlapping ranges of a power of two, then halve downward.
    until = sets.until
    length = until - sets.join
    power = np.frexp(length)[1] - 1
    table = np.full(sets.n_times, -np.inf)
    for k in range(int(power.max(initial=0)), -1, -1):
        here = power == k
        np.maximum.at(table, sets.join[here], values[here])
        np.maximum.at(table, until[here] - 2**k, values[here])
        if k > 0:
            half = 2**k // 2
            shifted = np.concatenate([np.full(min(half, table.size), -np.inf), table[:-half]])
            table = np.maximum(table, shifted[: table.size])
    return table
