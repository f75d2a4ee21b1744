r"""Few weighted rows whose likelihood is that of all to the last digits, where hazards are smooth.

Log time is cut into cells. In each, a smooth function of log time is a polynomial of low degree but
for rounding, given by its values at Chebyshev's nodes, and its sum over the rows of the cell is one
over the nodes, with weights that the sums of Chebyshev's polynomials over the rows tell (Trefethen
2013, chapters 3, 4 and 19). Weights do not depend on the function; some may be negative. Where a
cell has hardly more rows than nodes, its rows stay.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.local_maxima import LocalMaximum
from survjax.likelihood.executors import executor
from survjax.likelihood.vector.template import Template

#: Nodes of a cell, and how many of the last terms tell what is left out.
N_NODES, N_LAST = 10, 2
#: Width of a cell, relative to the spread 1 / shape of log time.
WIDTH = 0.4
#: More cells than this are not worth while, and more rows are not few.
MOST_CELLS, MOST_ROWS = 4096, 2048
#: What the last terms may change: the place of the maximum in standard errors, and its Hessian
#: relative to itself. What is left out is less by two or three orders.
PLACE, CURVATURE = 1e-6, 1e-8
#: Rows that are summed at a time.
BLOCK = 2**15

#: Chebyshev's polynomials (m, m) at the nodes, and what takes sums of them to weights of the nodes.
NODES = np.cos((np.arange(N_NODES) + 0.5) * np.pi / N_NODES)
AT_NODES = np.cos(np.arange(N_NODES)[:, None] * np.arccos(NODES))
TO_WEIGHTS = AT_NODES * np.where(np.arange(N_NODES) > 0, 2.0, 1.0)[:, None] / N_NODES


@dataclasses.dataclass(frozen=True)
class InterpolatedRows:
    """Rows that have the likelihood of all, and the same with weights of the last terms alone.

    The likelihood of these tells what is left out: in a series that falls off quickly, less than
    its last terms.
    """

    rows: Observations
    last: Observations


def interpolates(template: Template, rows: Observations) -> bool:
    """Whether few rows may stand for all of a model to the last digits.

    Where all rows are resident on a device, one program looks at them instead.
    """
    plain = rows.everything is None and rows.interval is None and rows.exit is None
    simple = template.n_components == 1 and not template.is_modified and template.prior is None
    return plain and simple and template.lifetime.is_smooth and not executor().one_program


def are_negligible(
    template: Template, ends: Sequence[LocalMaximum], last: Sequence[LocalMaximum]
) -> bool:
    """Whether the last terms, with their derivatives at maxima, change hardly anything there."""
    free = np.flatnonzero(template.constraints.free)
    block = np.ix_(free, free)
    for end, more in zip(ends, last, strict=True):
        information = -end.hessian[block]
        units = 1.0 / np.sqrt(information.diagonal())
        root = np.linalg.cholesky(information * np.outer(units, units))
        step = np.linalg.solve(root, more.gradient[free] * units)
        bent = np.linalg.solve(root, more.hessian[block] * np.outer(units, units))
        bent = np.linalg.solve(root, bent.T)
        if not (np.abs(step).max() < PLACE and np.abs(bent).max() < CURVATURE):
            return False
    return True


def interpolated(rows: Observations, log_shape: float) -> InterpolatedRows | None:
    """Few rows for all, or None where they would not be few.

    Parameters
    ----------
    rows : Observations
        Without intervals, and without truncation but as rows of negative weight.
    log_shape : float
        Of a Weibull that spreads about as much: it says how wide the cells are.
    """
    low = float(rows.log_lower.min())
    per_cell = np.exp(log_shape) / WIDTH
    n_cells = (float(rows.log_lower.max()) - low) * per_cell + 1.0
    if not n_cells < MOST_CELLS:
        return None
    # Failures and others apart.
    n_cells = int(n_cells)
    position = (rows.log_lower - low) * per_cell
    cell = np.minimum(position.astype(np.intp), n_cells - 1)
    inside = 2.0 * (position - cell) - 1.0
    cell += n_cells * (rows.event == 0)
    count = np.bincount(cell, minlength=2 * n_cells)
    dense = count > N_NODES
    n_rows = int(N_NODES * dense.sum() + count[~dense].sum())
    if n_rows > min(MOST_ROWS, rows.n_rows // 2):
        return None
    sums = _chebyshev_sums(cell, inside, rows.weight, 2 * n_cells)[:, dense]
    used = np.flatnonzero(dense)
    middle = low + (used % n_cells + 0.5) / per_cell
    log_time = (middle[:, None] + 0.5 * NODES / per_cell).ravel()
    event = np.repeat(np.where(used < n_cells, 1.0, 0.0), N_NODES)
    weight = (sums.T @ TO_WEIGHTS).ravel()
    tail = (sums[-N_LAST:].T @ TO_WEIGHTS[-N_LAST:]).ravel()
    nodes = Observations(np.exp(log_time), log_time, event, weight)
    others = rows.take(np.flatnonzero(~dense[cell]))
    found = _joined(nodes, others)
    return InterpolatedRows(found, found.reweighted(np.append(tail, np.zeros(others.n_rows))))


def _joined(one: Observations, other: Observations) -> Observations:
    names = ("lower", "log_lower", "event", "weight")
    return Observations(*(np.append(getattr(one, n), getattr(other, n)) for n in names))


def _chebyshev_sums(
    cell: np.ndarray, inside: np.ndarray, weight: np.ndarray, n_cells: int
) -> np.ndarray:
    """Sums of weights times Chebyshev's polynomials over the rows of each cell: (m, cells)."""
    sums = np.zeros((N_NODES, n_cells))
    for start in range(0, cell.size, BLOCK):
        part = slice(start, start + BLOCK)
        where, before = cell[part], weight[part]
        twice = 2.0 * inside[part]
        now = 0.5 * twice * before
        sums[0] += np.bincount(where, before, n_cells)
        for order in range(1, N_NODES):
            sums[order] += np.bincount(where, now, n_cells)
            before, now = now, twice * now - before
    return sums
