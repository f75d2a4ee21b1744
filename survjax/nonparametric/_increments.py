"""Maximum likelihood over the increments of a cumulative hazard, by a convex Newton method.

In the increments ``theta_j >= 0`` of the cumulative hazard H over the possible places of
mass, a row under observation from c, known to run at a and failed by b, adds
``-(H(a) - H(c)) + log(1 - exp(-(H(b) - H(a))))``: linear where it survived, concave where it
failed. So the problem is convex for every kind of censoring *with* late entry, and has one
maximum. Right truncation is the same problem with time reversed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from survjax._core.ranges import interval_sums, range_sums
from survjax.nonparametric.rows import Bools, Floats, Ints

__all__ = ["Ranges", "solve_increments"]

#: Up to this many places of mass the Newton system is factorized; beyond, conjugate gradients.
DENSE_LIMIT = 1500
MAX_ITERATIONS = 200
MAX_PIVOTS = 500
#: Stop when the likelihood can rise by no more than this share of the total weight.
TOLERANCE = 1e-15
#: exp of more than this overflows.
LARGEST_SPAN = 700.0


@dataclass(frozen=True)
class Ranges:
    """Rows over m places of mass: under observation from ``begin``, failed in [first, last].

    A right-censored row is known to have outlived the places before ``first`` and no more:
    its ``last`` is ``first - 1``.
    """

    begin: Ints
    first: Ints
    last: Ints
    weight: Floats
    size: int


def solve_increments(rows: Ranges) -> Floats:
    """Maximize the likelihood over the increments of the cumulative hazard.

    Returns the increments (m,), infinite where nobody is known to have outlived a place
    of mass.
    """
    surviving = interval_sums(rows.begin, rows.first, rows.weight, rows.size)
    doomed = surviving == 0
    # A row that may have failed at a doomed place is explained in full by it.
    crossed = np.concatenate([[0], np.cumsum(doomed)])
    free = (rows.last >= rows.first) & (crossed[rows.last + 1] == crossed[rows.first])
    theta = np.where(doomed, np.inf, 0.0)
    if np.any(free):
        first, last = rows.first[free], rows.last[free]
        places = _distinct_places(first, last, surviving)
        first = np.searchsorted(places, first)
        last = np.searchsorted(places, last, side="right") - 1
        found = _solve_places(first, last, rows.weight[free], surviving[places])
        theta[places] = np.where(doomed[places], np.inf, found)
    return theta


def _solve_places(first: Ints, last: Ints, weight: Floats, surviving: Floats) -> Floats:
    """Return the increments at places that rows tell apart.

    A place that lies in no longer range stands alone: with s surviving and f failing there, its
    increment is log(1 + f / s). The others are found together.
    """
    m, wide = surviving.size, last > first
    rise = np.bincount(first[wide], minlength=m + 1) - np.bincount(last[wide] + 1, minlength=m + 1)
    shared = np.cumsum(rise)[:m] > 0
    failing = np.bincount(first[~wide], weight[~wide], m)
    with np.errstate(divide="ignore", invalid="ignore"):  # nobody survives: the place is doomed
        theta = np.log1p(failing / surviving)
    if np.any(shared):
        number = np.cumsum(shared) - 1
        inside = shared[first]
        first, last = number[first[inside]], number[last[inside]]
        size = int(np.count_nonzero(shared))
        key, where = np.unique(first * size + last, return_inverse=True)
        total = np.bincount(where, weight[inside], key.size)
        theta[shared] = _minimize(_Problem(key // size, key % size, total, surviving[shared]))
    return theta


def _distinct_places(first: Ints, last: Ints, surviving: Floats) -> Ints:
    """Keep one place of each run that no row tells apart.

    Among places that the same rows may have failed at, mass costs least where the fewest are
    known to have survived. Where that is a tie the maximum is not unique, and the last is kept.
    """
    cut = np.zeros(surviving.size + 1, dtype=bool)
    cut[first] = cut[last + 1] = True
    run = np.cumsum(cut[:-1])
    order = np.lexsort((-np.arange(run.size), surviving, run))
    return np.sort(order[np.unique(run[order], return_index=True)[1]])


@dataclass(frozen=True)
class _Problem:
    """Minimize ``surviving @ theta - sum w log(1 - exp(-span))``, span a sum over a range."""

    first: Ints
    last: Ints
    weight: Floats
    surviving: Floats

    def spans(self, theta: Floats) -> Floats:
        return range_sums(theta, self.first, self.last + 1)

    def value(self, theta: Floats) -> float:
        spans = self.spans(theta)
        if not np.all(spans > 0):  # also where a span is no number
            return np.inf
        return float(self.surviving @ theta - self.weight @ np.log(-np.expm1(-spans)))

    def derivatives(self, theta: Floats) -> tuple[Floats, Floats]:
        """Return the gradient (m,) and the second derivative of each row by its span."""
        slopes = self.weight / np.expm1(np.minimum(self.spans(theta), LARGEST_SPAN))
        gradient = self.surviving - self.spread(slopes)
        return gradient, slopes * (1.0 + slopes / self.weight)

    def spread(self, values: Floats) -> Floats:
        """Add each row's value to every place of its range."""
        return interval_sums(self.first, self.last + 1, values, self.surviving.size)


def _minimize(problem: _Problem) -> Floats:
    """Take constrained Newton steps on a small, changing set of places (Wang 2007).

    Between any two places in use the one with the steepest descent joins; a quadratic
    program keeps every increment non-negative, and places left at zero drop out.
    """
    theta = _start(problem)
    value = problem.value(theta)
    for _ in range(MAX_ITERATIONS):
        gradient, curvature = problem.derivatives(theta)
        used = _places(theta, gradient, problem.surviving)
        system = _System(problem, used, curvature)
        target = np.zeros_like(theta)
        target[used] = _quadratic_program(system, system.product(theta[used]) - gradient[used])
        step = target - theta
        fall = -float(gradient @ step)
        if fall <= TOLERANCE * problem.weight.sum():
            # Rounding of the value hides a fall this small; the step is still an improvement,
            # unless it leaves a row of tiny weight without any mass.
            return target if np.isfinite(problem.value(target)) else theta
        length, reached = 1.0, problem.value(target)
        while reached > value - 1e-4 * length * fall and length > 1e-10:
            length *= 0.5
            reached = problem.value(theta + length * step)
        if reached >= value:
            return theta
        theta, value = np.maximum(theta + length * step, 0.0), reached
    return theta


def _start(problem: _Problem) -> Floats:
    """Begin with the fewest places that explain every row, each row spread evenly on its own."""
    size = problem.surviving.size
    ends = np.full(size + 1, size)
    np.minimum.at(ends, problem.first, problem.last)
    ends = np.minimum.accumulate(ends[::-1])[::-1]
    used = np.zeros(size, dtype=bool)
    place = int(ends[0])
    while place < size:
        used[place] = True
        place = int(ends[place + 1])
    counted = np.concatenate([[0], np.cumsum(used)])
    share = problem.weight / (counted[problem.last + 1] - counted[problem.first])
    failing = interval_sums(problem.first, problem.last + 1, share, size)
    return np.where(used, failing / np.where(used, problem.surviving + failing, 1.0), 0.0)


def _places(theta: Floats, gradient: Floats, surviving: Floats) -> Ints:
    """Return the places in use and, between each two, the one of steepest descent."""
    used = theta > 0
    segment = np.cumsum(used)
    promising = ~used & (surviving > 0) & (gradient < -1e-12 * surviving)
    candidates = np.flatnonzero(promising)
    order = candidates[np.lexsort((gradient[candidates], segment[candidates]))]
    _, best = np.unique(segment[order], return_index=True)
    return np.union1d(np.flatnonzero(used), order[best])


class _System:
    """The Hessian over the places in use: dense and factorized, or as a product."""

    def __init__(self, problem: _Problem, used: Ints, curvature: Floats) -> None:
        self.size = used.size
        self.begin = np.searchsorted(used, problem.first)
        self.end = np.searchsorted(used, problem.last + 1)
        self.curvature = curvature
        self.dense = self._table() if self.size <= DENSE_LIMIT else None
        self.diagonal = interval_sums(self.begin, self.end, curvature, self.size)

    def _table(self) -> Floats:
        """Entry (j, l), j <= l, adds all rows that begin by j and end at l or later."""
        size = self.size
        table = np.bincount(self.begin * (size + 1) + self.end, self.curvature, (size + 1) ** 2)
        table = table.reshape(size + 1, size + 1)[:size, 1:]
        upper = np.cumsum(np.cumsum(table, axis=0)[:, ::-1], axis=1)[:, ::-1]
        return np.triu(upper) + np.triu(upper, 1).T

    def product(self, vector: Floats) -> Floats:
        if self.dense is not None:
            return self.dense @ vector
        values = self.curvature * range_sums(vector, self.begin, self.end)
        return interval_sums(self.begin, self.end, values, self.size)

    def solve(self, right: Floats, passive: Bools) -> Floats:
        """Solve over the passive places; the others are zero."""
        from scipy import linalg  # slow to load, and no fit needs it

        solution = np.zeros(self.size)
        if self.dense is not None:
            block = self.dense[np.ix_(passive, passive)].copy()
            block[np.diag_indices(block.shape[0])] *= 1 + 1e-13
            factor = linalg.cho_factor(block, overwrite_a=True, check_finite=False)
            solution[passive] = linalg.cho_solve(factor, right[passive], check_finite=False)
            return solution
        scale = np.where(passive, 1.0 / np.sqrt(self.diagonal), 0.0)
        return scale * _conjugate_gradients(
            lambda v: scale * self.product(scale * v), scale * right
        )


def _conjugate_gradients(product: Callable[[Floats], Floats], right: Floats) -> Floats:
    """Solve a positive definite system from products with it."""
    point, residual = np.zeros_like(right), right.copy()
    direction, square = residual.copy(), float(residual @ residual)
    target = 1e-24 * square
    for _ in range(2000):
        if square <= target:
            break
        image = product(direction)
        length = square / float(direction @ image)
        point += length * direction
        residual -= length * image
        previous, square = square, float(residual @ residual)
        direction = residual + (square / previous) * direction
    return point


def _quadratic_program(system: _System, right: Floats) -> Floats:
    """Minimize ``x'Ax/2 - right'x`` over x >= 0 by block pivoting (Portugal et al. 1994)."""
    passive = np.ones(system.size, dtype=bool)
    fewest, patience = system.size + 1, 3
    for _ in range(MAX_PIVOTS):
        x = system.solve(right, passive)
        dual = system.product(x) - right
        tiny = 1e-13 * np.abs(right)
        wrong = (passive & (x < 0)) | (~passive & (dual < -tiny))
        count = int(np.count_nonzero(wrong))
        if count == 0:
            break
        if count < fewest:
            fewest, patience = count, 3
        elif patience > 0:
            patience -= 1
        else:
            # One at a time, from the last: slow, but it cannot cycle (Murty 1974).
            wrong[: np.flatnonzero(wrong)[-1]] = False
        passive ^= wrong
    return np.maximum(x, 0.0)
