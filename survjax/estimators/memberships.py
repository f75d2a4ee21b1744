"""Memberships of units as tables, with bounds that stay between zero and one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from survjax.estimators.frames import frame

if TYPE_CHECKING:
    import pandas as pd


def membership_table(
    logits: np.ndarray, bounds: tuple[np.ndarray, np.ndarray] | None, like: Any
) -> pd.DataFrame:
    """Shares from their logits (K, n) and from those of their bounds, if there are any."""
    columns: dict[str, np.ndarray] = {}
    for k, row in enumerate(logits):
        columns[f"component_{k + 1}"] = _share(row)
        if bounds is not None:
            columns[f"component_{k + 1}_lower"] = _share(bounds[0][k])
            columns[f"component_{k + 1}_upper"] = _share(bounds[1][k])
    return frame(columns, like=like)


def _share(logit: np.ndarray) -> np.ndarray:
    """The share of a logit, with all its digits however small."""
    return np.exp(-np.logaddexp(0.0, -logit))


def around(logits: np.ndarray, errors: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Bounds so many standard errors from logits; an infinite one is its own bound."""
    half = np.where(np.isfinite(logits), reach * errors, 0.0)
    return logits - half, logits + half
