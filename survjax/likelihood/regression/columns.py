"""Columns of covariates: how they are centered and scaled, and which depend on others."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from survjax._core.numerics import diagonal_blocks
from survjax._core.parallel import sum_over_rows
from survjax.likelihood.regression.forms import Layout

#: Rows from which the mean and the spread of a column are taken.
UNIT_ROWS = 8192
#: Rows on which columns are first looked at for linear dependence, and the smallest eigenvalue
#: of their correlations that settles it.
SCREEN_ROWS, CLEAR = 2048, 1e-6


@dataclasses.dataclass(frozen=True)
class Columns:
    """How columns are centered and scaled inside, so that steps are well conditioned.

    Attributes
    ----------
    center, scale : arrays of shape (p,)
        z = (x - center) / scale.
    """

    center: np.ndarray
    scale: np.ndarray

    def with_offset(self) -> Columns:
        """For tables whose last column is an offset: it is taken as it is."""
        return Columns(np.append(self.center, 0.0), np.append(self.scale, 1.0))

    @classmethod
    def of(cls, x: np.ndarray, weight: np.ndarray, exact: bool = False) -> Columns:
        """Means and standard deviations over the units.

        A sample is enough, since what they change is taken back; a penalty counts in the unit of
        a column, and needs it exact.
        """
        if not exact:
            part = sample_rows(weight, UNIT_ROWS)
            x, weight = x[part], weight[part]
        center = means(x, weight)
        away = x - center
        largest = np.abs(away).max(axis=0, initial=0.0)
        largest = np.where(largest > 0, largest, 1.0)
        square = sum_over_rows(weight, (away / largest) ** 2)
        spread = np.sqrt(square / max(weight.sum(), 1e-300))
        return cls(center, largest * np.where(spread > 0, spread, 1.0))


def sample_rows(weight: np.ndarray, size: int) -> Any:
    """Index at most `size` rows that stand for all: every so many of those that have weight."""
    if weight.all():
        return slice(None, None, max(-(-weight.size // size), 1))
    with_weight = np.flatnonzero(weight)
    return with_weight[:: max(-(-with_weight.size // size), 1)]


def means(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Mean of each column (p,) over the units."""
    return sum_over_rows(weight, x) / weight.sum()


def to_natural(layout: Layout, columns: Columns) -> np.ndarray:
    """The matrix (P, P) from standardized coefficients to those of the columns as given."""
    blocks = []
    for item in layout:
        at = np.array(item.columns)
        full = np.eye(columns.scale.size + 1)
        full[1:, 1:] /= columns.scale[:, None]
        if 0 in item.columns:
            full[0, 1:] = -columns.center / columns.scale
        blocks.append(full[np.ix_(at, at)])
    return diagonal_blocks(blocks)


def collinear(x: np.ndarray, weight: np.ndarray, with_intercept: bool = True) -> list[list[int]]:
    """Groups of columns of which the first depends linearly on the others (and the intercept).

    Columns are orthogonalized in turn: one whose part that the earlier ones leave unexplained is
    below 1e-7 of its length is dependent, as in R's lm. A constant column depends on none.
    """
    n = x.shape[0]
    if n > 4 * SCREEN_ROWS:
        part = sample_rows(weight, SCREEN_ROWS)
        # Columns that some rows tell apart, all rows do.
        if not collinear(x[part], weight[part], with_intercept):
            return []
    z = x[weight > 0]
    # In units of the largest number, so that no square leaves the range of numbers.
    largest = np.abs(z).max(axis=0, initial=0.0)
    z = z / np.where(largest > 0, largest, 1.0)
    size = np.sqrt(np.sum(z * z, axis=0))
    if with_intercept:
        z = z - z.mean(axis=0)
    length = np.sqrt(np.sum(z * z, axis=0))
    constant = length <= 1e-10 * np.maximum(size, 1e-300)
    groups = [[int(j)] for j in np.flatnonzero(constant)]
    others = np.flatnonzero(~constant)
    z = z[:, others] / length[others]
    # Where all correlations leave so much, no column is near to a combination of others.
    if z.shape[1] == 0 or np.linalg.eigvalsh(sum_over_rows(z.T, z))[0] > CLEAR:
        return groups
    left = np.abs(np.diag(np.linalg.qr(z, mode="r")))
    left = np.concatenate([left, np.zeros(z.shape[1] - left.size)])
    kept = np.flatnonzero(left > 1e-7)
    for j in np.flatnonzero(left <= 1e-7):
        share = np.linalg.lstsq(z[:, kept], z[:, j], rcond=None)[0]
        partners = others[kept[np.abs(share) > 1e-5]]
        groups.append([int(others[j]), *(int(k) for k in partners)])
    return groups
