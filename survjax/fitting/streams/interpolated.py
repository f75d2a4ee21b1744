"""Sums over all rows of a stream that one pass has left, and whether they are exact enough."""

from __future__ import annotations

import numpy as np

from survjax._core.programs import Program
from survjax.data.observations import Observations
from survjax.fitting.interpolation.rows import change_of_maximum
from survjax.fitting.streams.grid import LogTimeGrid
from survjax.lifetimes import Lifetime
from survjax.likelihood.all_rows import Compressed, InMemory
from survjax.likelihood.objective import Objective
from survjax.likelihood.vector.template import Template

#: What cells of twice the width may change: the place of the maximum in standard errors, and its
#: Hessian relative to itself. With six nodes, these cells' error is some sixtieth of that.
PLACE, CURVATURE = 1e-9, 1e-8


class Interpolated:
    """All rows by the nodes of a grid in log time.

    Parameters
    ----------
    grid : LogTimeGrid
        Of all rows.
    counted : tuple
        Numbers of rows, units and failures.
    """

    def __init__(self, grid: LogTimeGrid, counted: tuple[int, float, float]) -> None:
        _, self.n_units, self.n_events = counted
        self.grid = grid
        self.nodes = InMemory(grid.nodes())

    def sum(self, of_rows: Program, lifetime: Lifetime, points: np.ndarray) -> np.ndarray:
        """Sums (m, q) over the nodes."""
        return self.nodes.sum(of_rows, lifetime, points)

    def is_exact(self, template: Template, x: np.ndarray, few: Observations) -> bool:
        """Whether at a maximum x (p,) the likelihood is that of all rows, seen by wider cells."""
        if template.is_modified or not template.lifetime.is_smooth:
            return False
        wider = Interpolated(self.grid.coarser(), (0, self.n_units, self.n_events))
        _, gradient, hessian = Objective(template, Compressed.of(few, self))(x)
        _, other_gradient, other = Objective(template, Compressed.of(few, wider))(x)
        try:
            place, curvature = change_of_maximum(
                template, hessian, other_gradient - gradient, other - hessian
            )
        except np.linalg.LinAlgError:
            return False
        return place < PLACE and curvature < CURVATURE
