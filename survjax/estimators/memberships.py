"""Memberships of units: those that are known, and tables with bounds between zero and one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from survjax._core.validation import as_floats
from survjax.estimators.frames import frame

if TYPE_CHECKING:
    import pandas as pd


def known_components(component: Any, n_rows: int, n_components: int) -> np.ndarray | None:
    """Known components as whole numbers, -1 where not known; None where none is given."""
    if component is None:
        return None
    given = as_floats(component, "component")
    given = np.where(np.isnan(given), -1.0, given)
    good = (given == np.round(given)) & (given >= -1) & (given < n_components)
    if given.shape != (n_rows,) or not good.all():
        raise ValueError(
            f"component must hold, for each of the {n_rows} rows, a number from 0 to "
            f"{n_components - 1}, or -1 where it is not known"
        )
    return given.astype(np.int32)


def membership_table(
    logits: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray] | None,
    like: Any,
    kinds: tuple[str, ...] = (),
) -> pd.DataFrame:
    """Shares from their logits (K, n) and from those of their bounds, if there are any.

    `kinds` are their names, `component_1`, ... by default.
    """
    columns: dict[str, np.ndarray] = {}
    for k, row in enumerate(logits):
        name = kinds[k] if kinds else f"component_{k + 1}"
        columns[name] = _share(row)
        if bounds is not None:
            columns[f"{name}_lower"] = _share(bounds[0][k])
            columns[f"{name}_upper"] = _share(bounds[1][k])
    return frame(columns, like=like)


def _share(logit: np.ndarray) -> np.ndarray:
    """The share of a logit, with all its digits however small."""
    return np.exp(-np.logaddexp(0.0, -logit))


def around(
    logits: np.ndarray, errors: np.ndarray, critical: float
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds so many standard errors from logits; an infinite one is its own bound."""
    half = np.where(np.isfinite(logits), critical * errors, 0.0)
    return logits - half, logits + half
