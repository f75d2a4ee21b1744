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


class Chebyshev:
    """Polynomials on [-1, 1] by their values at n nodes.

    Attributes
    ----------
    nodes : array of shape (n,)
    to_weights : array of shape (n, n)
        Takes sums of Chebyshev's polynomials over rows to weights of the nodes.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self.nodes = np.cos((np.arange(n) + 0.5) * np.pi / n)
        self.to_weights = self.at(self.nodes) * np.where(np.arange(n) > 0, 2.0, 1.0)[:, None] / n

    def at(self, x: np.ndarray) -> np.ndarray:
        """The polynomials at some places (m,): (n, m)."""
        values: np.ndarray = np.cos(np.arange(self.n)[:, None] * np.arccos(x))
        return values

    def shares(self, x: np.ndarray) -> np.ndarray:
        """How rows at some places (m,) are shared out among the nodes: (m, n)."""
        found: np.ndarray = self.at(x).T @ self.to_weights
        return found

    def of_half(self, side: int) -> np.ndarray:
        """What takes sums over the left half (0) or the right (1) to sums on the whole: (n, n)."""
        there: np.ndarray = self.at(0.5 * (self.nodes + (1.0 if side else -1.0)))
        return there @ self.to_weights.T


OF_CELLS = Chebyshev(N_NODES)


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
    changes = (
        change_of_maximum(template, end.hessian, more.gradient, more.hessian)
        for end, more in zip(ends, last, strict=True)
    )
    return all(place < PLACE and curvature < CURVATURE for place, curvature in changes)


def change_of_maximum(
    template: Template, hessian: np.ndarray, gradient: np.ndarray, bent: np.ndarray
) -> tuple[float, float]:
    """How far a maximum moves, in standard errors, and how much its Hessian changes, by more terms.

    Parameters
    ----------
    template : Template
    hessian : array of shape (p, p)
        At the maximum.
    gradient, bent : arrays of shapes (p,) and (p, p)
        Of the further terms, there.
    """
    free = np.flatnonzero(template.constraints.free)
    block = np.ix_(free, free)
    information = -hessian[block]
    units = 1.0 / np.sqrt(information.diagonal())
    root = np.linalg.cholesky(information * np.outer(units, units))
    step = np.linalg.solve(root, gradient[free] * units)
    change = np.linalg.solve(root, bent[block] * np.outer(units, units))
    change = np.linalg.solve(root, change.T)
    return float(np.abs(step).max()), float(np.abs(change).max())


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
    n_cells = int(n_cells)
    cell, inside, count = _in_cells(rows, low, per_cell, n_cells)
    dense = count > N_NODES
    n_rows = int(N_NODES * dense.sum() + count[~dense].sum())
    if n_rows > min(MOST_ROWS, rows.n_rows // 2):
        return None
    sums = _chebyshev_sums(cell, inside, rows.weight, 2 * n_cells)[:, dense]
    used = np.flatnonzero(dense)
    middle = low + (used % n_cells + 0.5) / per_cell
    log_time = (middle[:, None] + 0.5 * OF_CELLS.nodes / per_cell).ravel()
    event = np.repeat(np.where(used < n_cells, 1.0, 0.0), N_NODES)
    weight = (sums.T @ OF_CELLS.to_weights).ravel()
    tail = (sums[-N_LAST:].T @ OF_CELLS.to_weights[-N_LAST:]).ravel()
    nodes = Observations(np.exp(log_time), log_time, event, weight)
    others = rows.take(np.flatnonzero(~dense[cell]))
    found = _joined(nodes, others)
    return InterpolatedRows(found, found.reweighted(np.append(tail, np.zeros(others.n_rows))))


def _in_cells(
    rows: Observations, low: float, per_cell: float, n_cells: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cell of each row, failures and others apart, its place in it, and rows of each cell."""
    cell, inside = np.empty(rows.n_rows, np.intp), np.empty(rows.n_rows)
    count = np.zeros(2 * n_cells, np.intp)
    for start in range(0, rows.n_rows, BLOCK):
        part = slice(start, start + BLOCK)
        position = (rows.log_lower[part] - low) * per_cell
        own = np.minimum(position.astype(np.intp), n_cells - 1)
        position -= own
        inside[part] = 2.0 * position - 1.0
        own += n_cells * (rows.event[part] == 0)
        cell[part] = own
        count += np.bincount(own, minlength=2 * n_cells)
    return cell, inside, count


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
