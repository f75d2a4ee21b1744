"""What is subtracted from a log partial likelihood to keep coefficients small."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from survjax.nonparametric.rows import Floats

__all__ = ["Penalty", "Scaled"]


@dataclass(frozen=True)
class Penalty:
    """``strength * sum of factor (l1_ratio |c| + (1 - l1_ratio) c^2 / 2)`` with c = unit b.

    Parameters
    ----------
    strength : float
        Next to the log partial likelihood as it is, not per unit.
    l1_ratio : float
        0 is ridge, 1 the lasso.
    factor : ndarray of shape (p,), optional
        Each column's share; 0 leaves a column free. 1 by default.
    unit : ndarray of shape (p,), optional
        What counts as one step of a column; 1 by default, its own unit.
    """

    strength: float = 0.0
    l1_ratio: float = 0.0
    factor: Floats | None = None
    unit: Floats | None = None

    def parts(self, scale: Floats) -> tuple[Floats, Floats]:
        """Return the weights of |theta| and of theta^2 / 2 for standardized coefficients."""
        each = self.strength * (np.ones_like(scale) if self.factor is None else self.factor)
        step = (1.0 if self.unit is None else self.unit) / scale
        return each * self.l1_ratio * step, each * (1.0 - self.l1_ratio) * step**2


@dataclass(frozen=True)
class Scaled:
    """A penalty whose weights are known for standardized coefficients."""

    l1: Floats
    l2: Floats

    def parts(self, scale: Floats) -> tuple[Floats, Floats]:
        """Return the weights of |theta| and of theta^2 / 2."""
        return self.l1, self.l2
