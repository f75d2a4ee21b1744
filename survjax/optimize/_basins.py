"""Which start ends where: basins of attraction of a map, or of a solver's local minima."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from numpy.typing import ArrayLike

from survjax._core.precision import double_precision
from survjax.optimize._iterate import fixed_point
from survjax.optimize._solution import Solution


@dataclasses.dataclass(frozen=True)
class Basins:
    """The ends of many starts, grouped.

    Attributes
    ----------
    starts, ends : array of shape (n,) or (n, p)
        Where each run began and ended.
    labels : int array of shape (n,)
        The attractor that each start leads to; -1 where the run diverged or did not settle.
    attractors : array of shape (k,) or (k, p)
        The distinct ends: the lowest value first where there are values, else in ascending
        order.
    counts : int array of shape (k,)
        How many starts lead to each.
    values : array of shape (k,) or None
        The function at each attractor, for a minimizer.
    """

    starts: np.ndarray
    ends: np.ndarray
    labels: np.ndarray
    attractors: np.ndarray
    counts: np.ndarray
    values: np.ndarray | None = None

    @classmethod
    def from_ends(
        cls,
        starts: ArrayLike,
        ends: ArrayLike,
        values: ArrayLike | None = None,
        *,
        settled: ArrayLike | None = None,
        tol: float = 1e-5,
    ) -> Basins:
        """Group runs that are already done, such as the starts of a mixture's fit.

        Parameters
        ----------
        starts, ends : array-like of shape (n,) or (n, p)
            Where each run began and ended.
        values : array-like of shape (n,), optional
            The minimized function at each end.
        settled : bool array-like of shape (n,), optional
            False for runs that did not converge; ends that are not finite never count.
        tol : float, default 1e-5
            Ends are one attractor if no coordinate differs by more than tol * (1 + abs).

        Returns
        -------
        Basins
            The groups.

        Examples
        --------
        >>> from survjax.optimize import Basins
        >>> groups = Basins.from_ends([0.0, 1.0, 9.0], [3.0, 3.0 + 1e-9, float("inf")])
        >>> groups.labels.tolist(), groups.counts.tolist()
        ([0, 0, -1], [2])
        """
        starts, ends = np.asarray(starts, float), np.asarray(ends, float)
        table = ends.reshape(len(ends), -1)
        good = np.isfinite(table).all(axis=1)
        if settled is not None:
            good &= np.asarray(settled, bool)
        height = None if values is None else np.asarray(values, float)
        labels, leaders = _group(table, good, height, tol)
        counts = np.bincount(labels[labels >= 0], minlength=len(leaders))
        lowest = None if height is None else height[leaders]
        return cls(starts, ends, labels, ends[leaders], counts, lowest)


def _group(
    table: np.ndarray, good: np.ndarray, values: np.ndarray | None, tol: float
) -> tuple[np.ndarray, np.ndarray]:
    """Label equal rows; return labels and one leading row of each group, in order."""
    keys = table.T[::-1]
    if values is not None:
        # Values that differ by rounding are equal: coordinates then decide the order.
        size = np.max(np.abs(values[good]), initial=1.0)
        keys = np.vstack([keys, np.round(values / size, 10)])
    order = np.lexsort(keys)
    labels = np.full(len(table), -1)
    leaders: list[int] = []
    waiting = order[good[order]]
    while waiting.size:
        leader = table[waiting[0]]
        near = np.all(np.abs(table[waiting] - leader) <= tol * (1 + np.abs(leader)), axis=1)
        labels[waiting[near]] = len(leaders)
        leaders.append(int(waiting[0]))
        waiting = waiting[~near]
    return labels, np.asarray(leaders, dtype=int)


@double_precision
def basins(
    solver: Callable[..., Any],
    starts: ArrayLike,
    *,
    args: tuple[Any, ...] = (),
    tol: float = 1e-5,
    max_iter: int = 10_000,
) -> Basins:
    """Say which start ends where, for a map or for a solver.

    Parameters
    ----------
    solver : callable
        Either a solver, `solver(start, *args)` returning a `Solution`, such as
        `lambda x: newton(fun, x)`; or a map `g(x, *args)`, iterated to its fixed points.
    starts : array-like of shape (n,) or (n, p)
        n numbers, or n vectors of length p. All run at once under `vmap`, in double
        precision.
    args : tuple, default ()
        Passed on.
    tol : float, default 1e-5
        Ends closer than this, relative to 1 + their size, count as one.
    max_iter : int, default 10,000
        The most steps of a map.

    Returns
    -------
    Basins
        Labels, attractors and counts, as NumPy arrays.

    Examples
    --------
    >>> from survjax.optimize import basins
    >>> found = basins(lambda x: (x**2 + 21) / 10, [-7.5, -6.9, 0.0, 6.9, 7.5])
    >>> found.labels.tolist(), [round(float(x), 3) for x in found.attractors]
    ([-1, 0, 0, 0, -1], [3.0])
    """
    points = jnp.asarray(np.asarray(starts, float))
    if points.ndim not in (1, 2) or not points.size:
        raise ValueError(f"starts must have shape (n,) or (n, p), got {points.shape}")
    returns = jax.eval_shape(solver, points[0], *args)
    if isinstance(returns, Solution):
        solution = jax.jit(jax.vmap(lambda x: solver(x, *args)))(points)
        rows = jax.vmap(lambda p: ravel_pytree(p)[0])(solution.parameters)
        ends, values = np.asarray(rows).reshape(points.shape), np.asarray(solution.value)
    else:
        solution = fixed_point(
            solver, points, args=args, max_iter=max_iter, state_ndim=points.ndim - 1
        )
        ends, values = np.asarray(solution.parameters), None
    settled = np.asarray(solution.converged)
    return Basins.from_ends(points, ends, values, settled=settled, tol=tol)
