"""Failures at one time: the terms that Efron's method makes of them.

Efron's method takes m tied failures one after another, without an order: term l = 0 ... m - 1 has
the denominator ``S - l/m D``, with S the risk of all and D that of the failures. A row of weight w
is w failures, so m is the sum of their weights, and may be large.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from survjax.nonparametric.rows import Bools, Floats, Ints

__all__ = ["check_method", "count_terms", "sampling_terms"]

#: The last terms, next to the pole of the denominator, that are taken one by one.
ONE_BY_ONE = 64
#: Points of the Gauss rules for the others: the error of sums of log, 1/x and 1/x^2 is below 1e-16.
POINTS = 14
#: How far a weight may be from a whole number, as a share of it, and be one.
WHOLE = 1e-9


def check_method(ties: str, weights: str) -> None:
    """Refuse names that are none."""
    if ties not in ("efron", "breslow"):
        raise ValueError(f'ties must be "efron" or "breslow", got {ties!r}')
    if weights not in ("counts", "sampling"):
        raise ValueError(f'weights must be "counts" or "sampling", got {weights!r}')


@lru_cache(maxsize=4096)
def terms_of(m: int) -> tuple[Floats, Floats]:
    """Return shares f and weights of terms that stand for ``f = l / m, l = 0 ... m - 1``.

    Up to `ONE_BY_ONE` they are just these. Beyond, ranges of l that are at least as far from m as
    they are long are summed by Gauss's rule for sums over whole numbers, whose polynomials are
    Gram's (Gautschi 2004, Orthogonal Polynomials, section 1.5.2).
    """
    points, weights = [np.arange(max(m - ONE_BY_ONE, 0), m, dtype=float)], []
    weights.append(np.ones(points[0].size))
    end = m - ONE_BY_ONE
    while end > 0:
        begin = max(2 * end - m, 0)
        n = end - begin
        if n <= POINTS:
            points.append(np.arange(begin, end, dtype=float))
            weights.append(np.ones(n))
        else:
            k = np.arange(1.0, POINTS)
            side = 0.5 * k * np.sqrt((n - k) * (n + k) / (4.0 * k**2 - 1.0))
            values, vectors = np.linalg.eigh(np.diag(side, 1) + np.diag(side, -1))
            points.append(values + 0.5 * (begin + end - 1))
            weights.append(n * vectors[0] ** 2)
        end = begin
    return np.concatenate(points) / m, np.concatenate(weights)


def count_terms(at: Ints, weight: Floats, rows: Ints, n_times: int) -> tuple[Ints, Floats, Floats]:
    """Return terms where weights are counts: their failure time, weight and share left out.

    Parameters
    ----------
    at, weight, rows : ndarray of shape (m,)
        Failure time, weight and row of the data of each failure.
    n_times : int

    Raises
    ------
    ValueError
        If weights at a time with several failures are not whole numbers.
    """
    rows_then = np.bincount(at, minlength=n_times)
    total = np.bincount(at, weight, n_times)
    alone = (rows_then == 1) & (total <= 1.0)
    whole = np.abs(weight - np.rint(weight)) <= WHOLE * weight
    wrong = ~whole & ~alone[at]
    if wrong.any():
        first = np.flatnonzero(wrong)[np.argmin(rows[wrong])]
        raise ValueError(
            'sample_weight must be whole numbers where failures are tied and ties="efron", got '
            f"{weight[first]:g} in row {rows[first]} ({np.count_nonzero(wrong)} such "
            f"{'row' if wrong.sum() == 1 else 'rows'}): weights are counts of equal rows. Set "
            'weights="sampling" for weights that are none, or ties="breslow"'
        )
    count = np.where(alone, 1, np.rint(total)).astype(np.int64)
    kinds, kind = np.unique(count, return_inverse=True)
    terms = [terms_of(int(m)) for m in kinds]
    size = np.array([share.size for share, _ in terms])
    begin = np.cumsum(size) - size
    group = np.repeat(np.arange(n_times), size[kind])
    place = np.arange(group.size) - np.repeat(np.cumsum(size[kind]) - size[kind], size[kind])
    where = begin[kind][group] + place
    shares = np.concatenate([share for share, _ in terms])[where]
    amounts = np.concatenate([amount for _, amount in terms])[where]
    return group, np.where(alone[group], total[group], amounts), shares


def sampling_terms(at: Ints, weight: Floats, n_times: int) -> tuple[Ints, Floats, Floats]:
    """Return the same where weights are importances: a term a row, of the mean weight at its time.

    This is what R's survival and lifelines do.
    """
    count = np.bincount(at, minlength=n_times)
    place = np.arange(at.size) - np.searchsorted(at, at)
    mean = np.bincount(at, weight, n_times) / count
    return at, mean[at], place / count[at]


def several(at: Ints, weight: Floats, weights: str, n_times: int) -> Bools:
    """Tell which failure times have several failures: (G,)."""
    count = np.bincount(at, minlength=n_times)
    if weights == "sampling":
        return count > 1
    return (count > 1) | (np.bincount(at, weight, n_times) > 1.0)
