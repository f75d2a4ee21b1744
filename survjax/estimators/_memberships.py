"""Memberships of assets as tables, with bounds that stay between zero and one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from survjax.estimators._frames import frame

if TYPE_CHECKING:
    import pandas as pd


def membership_table(
    logits: np.ndarray, errors: np.ndarray | None, reach: float, like: Any
) -> pd.DataFrame:
    """Shares from logits (K, n), with bounds `reach` standard errors away, if there are any."""
    columns: dict[str, np.ndarray] = {}
    for k, row in enumerate(logits):
        columns[f"component_{k + 1}"] = special.expit(row)
        if errors is not None:
            half = np.where(np.isfinite(row), reach * errors[k], 0.0)
            columns[f"component_{k + 1}_lower"] = special.expit(row - half)
            columns[f"component_{k + 1}_upper"] = special.expit(row + half)
    return frame(columns, like=like)
