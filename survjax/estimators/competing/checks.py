"""What is said of rows and causes that cannot be fitted, or only with a warning."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from survjax._core.validation import how_many
from survjax.data.observations import Observations
from survjax.estimators.messages import ENDLESS_LIVES, NoFiniteMaximum
from survjax.fitting.causes.rows import ended


def check_agreement(rows: Observations, allowed: np.ndarray) -> None:
    """Refuse units that ended without a cause, and causes of units that still run."""
    failed, caused = ended(rows), allowed.any(axis=1)
    wrong = np.flatnonzero((failed != caused) & (rows.weight != 0))
    if wrong.size:
        row = wrong[0]
        what, advice = (
            ("ended, and has no cause", "pass the set of all causes where nothing is known of it")
            if failed[row]
            else ("still runs, and has a cause", "pass None, or the time of its end")
        )
        raise ValueError(
            f"the unit in row {row} {what} ({wrong.size} such "
            f"{'row' if wrong.size == 1 else 'rows'}): {advice}"
        )


def check_seen(rows: Observations, allowed: np.ndarray, labels: tuple[Hashable, ...]) -> None:
    """Refuse causes of which no unit ended."""
    if not allowed.any():
        raise NoFiniteMaximum(
            f"none of the {how_many(rows.n_units, 'unit')} has ended of any cause, so the data "
            "only say that lives are long: a fit needs units that ended (a label in cause)"
        )
    unseen = [label for k, label in enumerate(labels) if not allowed[:, k].any()]
    if unseen:
        names = ", ".join(map(repr, unseen))
        raise NoFiniteMaximum(
            f"none of the {how_many(rows.n_units, 'unit')} has ended of cause {names}, so that its "
            "hazard would be zero: leave it out of causes, or check its label"
        )


def no_maximum(violations: tuple[str, ...], rows: Observations) -> NoFiniteMaximum:
    """What to say where causes fitted together have no finite maximum."""
    few = (
        "This happens where too few units are known to have ended of a cause: more units with "
        "known causes, or fewer causes, are needed"
    )
    return NoFiniteMaximum(
        f"the likelihood of {how_many(rows.n_units, 'unit')} ({rows.n_events:g} that ended) has no "
        f"finite maximum: {'; '.join(violations)}. {few if rows.exit is None else ENDLESS_LIVES}"
    )


def violation_warning(violations: str) -> str:
    """What to say of a fit that is no interior maximum; nothing where it is one."""
    if not violations:
        return ""
    return (
        f"no interior maximum: {violations}. What is kept instead has no bounds. Try fewer "
        "components for that cause"
    )


def alike_warning(labels: tuple[Hashable, ...], allowed: np.ndarray) -> str:
    """What to say of causes that no row (n, K) tells apart; nothing where there are none."""
    columns = [tuple(column) for column in allowed.T.tolist()]
    alike = [
        repr(label)
        for label, column in zip(labels, columns, strict=True)
        if columns.count(column) > 1
    ]
    if not alike:
        return ""
    return (
        f"no row tells the causes {', '.join(alike)} apart, so that their lifetimes follow from "
        "the shapes of their hazards alone, and which name goes with which is a guess: units "
        "whose cause is known are needed"
    )
