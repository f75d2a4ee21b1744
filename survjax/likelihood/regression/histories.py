"""Units whose covariates change: rows that each say what a unit lived through, in order."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from survjax.data.observations import Observations
from survjax.data.times import tolerance
from survjax.nonparametric.group_tests import label


@dataclasses.dataclass(frozen=True)
class Histories:
    """Rows sorted by unit and start; `unit` counts from zero without gaps.

    Attributes
    ----------
    unit, start, stop, event : arrays of shape (n,)
        event is 1.0 in the last row of a unit that failed at its stop.
    weight : array of shape (U,)
        How many units each stands for.
    order : array of shape (n,)
        Where each row stood before sorting.
    """

    unit: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    event: np.ndarray
    weight: np.ndarray
    order: np.ndarray

    @classmethod
    def of(
        cls,
        unit: Any,
        start: np.ndarray,
        stop: np.ndarray,
        event: np.ndarray,
        weight: np.ndarray,
        *,
        gaps: bool = False,
    ) -> Histories:
        """Sort rows and check that each unit's follow one another; `gaps` may be allowed.

        Raises
        ------
        ValueError
            Where rows of a unit overlap or leave a gap, or a failure is not in its last row.
        """
        names, code = label(unit, stop.size, "unit")
        order = np.lexsort((start, code))
        code, start, stop = code[order], start[order], stop[order]
        event, weight = event[order], weight[order]
        same = code[1:] == code[:-1]
        between = start[1:] - stop[:-1]
        slack = tolerance(stop[:-1], float(stop.max() - start.min()), stop - start)
        wrong = same & ((-between if gaps else np.abs(between)) > slack)
        if wrong.any():
            i = int(np.flatnonzero(wrong)[0])
            fill = "" if gaps else "fill gaps with a row of the covariates held then, and "
            raise ValueError(
                f"rows of unit {names[code[i]]!r} must follow one another, but one ends at "
                f"{stop[i]:g} and the next starts at {start[i + 1]:g} ({wrong.sum()} such "
                f"places): {fill}remove overlaps"
            )
        early = same & (event[:-1] > 0)
        if early.any():
            i = int(np.flatnonzero(early)[0])
            raise ValueError(
                f"unit {names[code[i]]!r} fails at {stop[i]:g} but has rows after that: "
                "give repeated lives of one machine different unit names"
            )
        uneven = same & (weight[1:] != weight[:-1])
        if uneven.any():
            raise ValueError("sample_weight must be the same in all rows of a unit")
        first = np.concatenate([[True], ~same])
        return cls(code, start, stop, event, weight[first], order)

    @classmethod
    def from_rows(cls, rows: Observations, unit: Any) -> Histories:
        """Rows of units, sorted and checked; ValueError also for intervals and other lengths."""
        if rows.exit is not None:
            raise ValueError("units with several rows cannot be right truncated: leave out exit")
        if rows.interval is not None:
            raise ValueError("units with several rows need exact failures, not intervals")
        start = np.zeros(rows.n_rows) if rows.entry is None else rows.entry
        return cls.of(unit, start, rows.lower, rows.event, rows.weight)

    @property
    def row_weight(self) -> np.ndarray:
        """Weight of each row as it was given: its share of the time its unit was followed."""
        length = self.stop - self.start
        total = np.bincount(self.unit, length)[self.unit]
        share = np.divide(length, total, out=np.ones_like(length), where=total > 0)
        weight = np.empty_like(share)
        weight[self.order] = self.weight[self.unit] * share
        return weight

    @property
    def first_rows(self) -> np.ndarray:
        """Positions of each unit's first row."""
        return np.flatnonzero(np.diff(self.unit, prepend=-1))

    @property
    def last_rows(self) -> np.ndarray:
        """Positions of each unit's last row."""
        return np.flatnonzero(np.diff(self.unit, append=-1))

    @property
    def n_units(self) -> float:
        """Number of units: the sum of their weights."""
        return float(self.weight.sum())


def whole_lives(rows: Histories) -> Observations:
    """One row a unit: from its first start to its last stop."""
    last, first = rows.last_rows, rows.first_rows
    return Observations.from_durations(
        rows.stop[last],
        rows.event[last],
        entry=rows.start[first],
        sample_weight=rows.weight,
    )


def count(rows: Observations, histories: Histories | None) -> float:
    """Number of units: of rows, or of what histories make of them."""
    return rows.n_units if histories is None else histories.n_units


def row_weights(rows: Observations, histories: Histories | None) -> np.ndarray:
    """What each row counts where columns are averaged: splitting a unit's rows changes nothing."""
    return rows.weight if histories is None else histories.row_weight
