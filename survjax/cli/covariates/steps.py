"""Kaplan-Meier curves of the units that have the values of a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from survjax.cli._columns import Units
from survjax.cli.covariates.columns import Covariates
from survjax.nonparametric import StepCurve, kaplan_meier

#: Failures below which the curve of some units says nothing.
FEWEST_FAILURES = 5


def rows_of(
    X: pd.DataFrame, names: Sequence[str], values: np.ndarray, covariates: Covariates
) -> Iterator[np.ndarray]:
    """Which rows (n,) have each of the values of some covariates.

    A text that became columns of zeros and ones has its most frequent value where all are zero,
    those that are not drawn as well.
    """
    for row in values:
        same = (X[list(names)].to_numpy() == row).all(axis=1)
        for text, levels in covariates.levels.items():
            columns = [f"{text}={level}" for level in levels[1:]]
            if names[0] in columns:
                same &= X[columns].to_numpy().sum(axis=1) == row.sum()
        yield same


def steps_of(units: Units, rows: np.ndarray) -> StepCurve | None:
    """The curve of some units; None where too few failed, or it is not known when."""
    failed = np.isfinite(units.upper)
    if not units.exact or np.sum(failed & rows) < FEWEST_FAILURES:
        return None
    entry, weight = (
        None if column is None else column[rows] for column in (units.entry, units.weight)
    )
    return kaplan_meier(units.lower[rows], failed[rows], entry=entry, sample_weight=weight)
