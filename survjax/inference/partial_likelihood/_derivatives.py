"""The log partial likelihood with its gradient and Hessian, in one pass over sorted rows.

With r = weight * exp(x'b), S0 and S1 the sums of r and r x over a risk set, and a denominator D
for each failure (Efron's leaves out a share f of the tied ones: D = S0 - f D0), the value is
``sum of w x'b - w log D`` and

    -Hessian = sum over rows of r A x x'  -  sum over failures of w (S1 - f D1)(S1 - f D1)' / D^2

where A adds up w / D over the failures a row is at risk at. So no p-by-p table is formed per
failure time, and nothing is stored per row but r and A.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from survjax.inference._parallel import (
    BLOCK,
    LIGHT,
    blocks,
    dot,
    in_parts,
    one_thread_rows,
    sum_over_rows,
)
from survjax.inference.nonparametric._rows import Floats, Ints
from survjax.inference.partial_likelihood._risk_sets import RiskSets

__all__ = ["Failures", "Pulls", "curvature", "derivatives", "number_failures", "pulls", "risks"]

#: A denominator this much smaller than the largest risk has a square that underflows.
VANISHED = 1e-150


@dataclass(frozen=True)
class Tied:
    """Failure times with several failures.

    Attributes
    ----------
    at : ndarray of shape (k,)
        Their numbers.
    rows, start, x : ndarray of shape (t,), (k,), (p, t)
        The rows that failed then, where each time's begin, and their covariates.
    """

    at: Ints
    rows: Ints
    start: Ints
    x: Floats


@dataclass(frozen=True)
class Failures:
    """Terms of the likelihood: one a failure time, or one a failure where Efron takes ties apart.

    Attributes
    ----------
    rows, at : ndarray of shape (m,)
        Sorted rows that failed, and the number of their failure time.
    group : ndarray of shape (u,) or None
        The failure time of each term; None where terms are failure times.
    weight : ndarray of shape (u,)
        Weight of each term.
    share : ndarray of shape (u,) or None
        The share of the tied failures that the term's denominator leaves out.
    tied : Tied or None
        Failure times with several failures, where Efron's method is used.
    total : ndarray of shape (p,)
        Sum of w x over failures.
    """

    rows: Ints
    at: Ints
    group: Ints | None
    weight: Floats
    share: Floats | None
    total: Floats
    tied: Tied | None = None


def number_failures(sets: RiskSets, ties: str) -> Failures:
    """Prepare the failures for Efron's or Breslow's treatment of ties."""
    if ties not in ("efron", "breslow"):
        raise ValueError(f'ties must be "efron" or "breslow", got {ties!r}')
    rows = np.flatnonzero(sets.event)
    at = sets.join[rows]
    weight = np.bincount(at, sets.weight[rows], sets.n_times)
    total = sum_over_rows(np.where(sets.event, sets.weight, 0.0), sets.x.T)
    if ties == "breslow" or rows.size == sets.n_times:
        return Failures(rows, at, None, weight, None, total)
    count = np.bincount(at, minlength=sets.n_times)
    place = np.arange(rows.size) - np.searchsorted(at, at)
    share = place / count[at]
    several = count[at] > 1
    tied = Tied(
        at=np.flatnonzero(count > 1),
        rows=rows[several],
        start=np.flatnonzero(np.diff(at[several], prepend=-1)),
        x=sets.x[:, rows[several]],
    )
    return Failures(rows, at, at, (weight / count)[at], share, total, tied)


def risks(sets: RiskSets, beta: Floats) -> tuple[Floats, Floats, float]:
    """Return the linear predictor, the weighted risk of each row, and the shift inside exp."""
    eta = np.empty(sets.order.size)
    for start in range(0, eta.size, BLOCK):
        part = slice(start, start + BLOCK)
        np.matmul(beta, sets.x[:, part], out=eta[part])
    shift = float(eta.max())
    return eta, sets.weight * np.exp(eta - shift), shift


@dataclass(frozen=True)
class Pulls:
    """Sums over the terms of each failure time, all of shape (G,).

    ``a, b``: of w / D times 1 and f; ``alpha, beta, gamma``: of w / D^2 times 1, f and f^2.
    Where no term leaves anything out, b, beta and gamma are empty.
    """

    a: Floats
    alpha: Floats
    b: Floats
    beta: Floats
    gamma: Floats


def denominate(sets: RiskSets, failures: Failures, risk: Floats) -> Floats:
    """Return the denominator of each term (u,)."""
    s0 = sets.at_risk(risk)
    if failures.group is None:
        return s0
    d0 = np.bincount(failures.at, risk[failures.rows], sets.n_times)
    return s0[failures.group] - failures.share * d0[failures.group]


def pulls(failures: Failures, below: Floats, n_times: int, factor: Floats | None = None) -> Pulls:
    """Add up the terms of each failure time, times a factor of that time."""
    weight, group = failures.weight, failures.group
    if group is None or failures.share is None:
        weight = weight if factor is None else weight * factor
        none = np.zeros(0)
        return Pulls(weight / below, weight / below**2, none, none, none)
    weight = weight if factor is None else weight * factor[group]
    share, first, second = failures.share, weight / below, weight / below**2

    def add(values: Floats) -> Floats:
        return np.bincount(group, values, n_times)

    return Pulls(
        add(first), add(second), add(share * first), add(share * second), add(share**2 * second)
    )


def value_of(failures: Failures, sets: RiskSets, eta: Floats, below: Floats, shift: float) -> float:
    """Return the log partial likelihood; -inf where a denominator is lost to underflow."""
    if np.any(below <= VANISHED):
        return -np.inf
    gain = dot(sets.weight[failures.rows], eta[failures.rows] - shift)
    return gain - dot(failures.weight, np.log(below))


def derivatives(sets: RiskSets, failures: Failures, beta: Floats) -> tuple[float, Floats, Floats]:
    """Return the log partial likelihood, its gradient (p,) and its Hessian (p, p)."""
    eta, risk, shift = risks(sets, beta)
    below = denominate(sets, failures, risk)
    result = value_of(failures, sets, eta, below, shift)
    if not np.isfinite(result):
        return result, np.full(beta.size, np.nan), np.full((beta.size, beta.size), np.nan)
    slope, bend = curvature(sets, failures, risk, pulls(failures, below, sets.n_times))
    return result, failures.total - slope, -bend


def value(sets: RiskSets, failures: Failures, beta: Floats) -> float:
    """Return the log partial likelihood alone."""
    eta, risk, shift = risks(sets, beta)
    return value_of(failures, sets, eta, denominate(sets, failures, risk), shift)


def curvature(
    sets: RiskSets, failures: Failures, risk: Floats, pull: Pulls
) -> tuple[Floats, Floats]:
    """Return the expected covariates (p,) and their covariance (p, p), summed over failures."""
    held = risk * sets.passed(pull.a)
    tied = failures.tied
    if tied is None:
        return _sweep(sets, risk, held, pull, np.zeros(0, dtype=np.int64))[:2]
    held[failures.rows] -= risk[failures.rows] * pull.b[failures.at]
    slope, bend, s1 = _sweep(sets, risk, held, pull, tied.at)
    d1 = tied_sums(tied, risk)
    slope -= d1 @ pull.b[tied.at]
    cross = (s1 * pull.beta[tied.at]) @ d1.T
    return slope, bend + cross + cross.T - (d1 * pull.gamma[tied.at]) @ d1.T


def tied_sums(tied: Tied, risk: Floats) -> Floats:
    """Sum r x over the failures of each tied time: (p, k)."""
    return np.add.reduceat(tied.x * risk[tied.rows], tied.start, axis=1)


def _sweep(
    sets: RiskSets, risk: Floats, held: Floats, pull: Pulls, wanted: Ints
) -> tuple[Floats, Floats, Floats]:
    """Walk backward in time with S1 running along: sums of a S1, of the covariance, S1 `wanted`.

    Parts of the rows run side by side, each as if S1 were 0 at its start; what that leaves out
    is added afterwards.
    """
    p = sets.x.shape[0]
    leaving, size = _leaving(sets, risk), one_thread_rows(p * p)
    kept = np.empty((p, wanted.size))

    def part(begin: int, end: int) -> tuple[Floats, ...]:
        carry, rows_bend, times_bend = np.zeros((p, 1)), np.zeros((p, p)), np.zeros((p, p))
        slope, tilt = np.zeros(p), np.zeros(p)
        for start, stop, g, h in blocks(begin, end, sets.start, size):
            x = sets.x[:, start:stop]
            rows_bend += (x * held[start:stop]) @ x.T
            s1 = _cumulate(x * risk[start:stop], sets.start[g:h] - start)
            if leaving is not None:
                s1 -= np.cumsum(leaving[:, g:h], axis=1)
            s1 += carry
            carry = s1[:, -1:].copy()
            pulled = s1 * pull.alpha[g:h]
            times_bend += pulled @ s1.T
            tilt += pulled.sum(axis=1)
            slope += s1 @ pull.a[g:h]
            low, high = np.searchsorted(wanted, [g, h])
            kept[:, low:high] = s1[:, wanted[low:high] - g]
        g, h = np.searchsorted(sets.start, [begin, end])
        return carry[:, 0], slope, tilt, rows_bend, times_bend, np.array([g, h])

    slope, bend, before = np.zeros(p), np.zeros((p, p)), np.zeros(p)
    parts = in_parts(part, risk.size, sets.start, LIGHT)
    for carry, own, tilt, rows_bend, times_bend, (g, h) in parts:
        slope += own + before * pull.a[g:h].sum()
        cross = np.outer(tilt, before)
        bend += rows_bend - times_bend - cross - cross.T
        bend -= np.outer(before, before) * pull.alpha[g:h].sum()
        kept[:, slice(*np.searchsorted(wanted, [g, h]))] += before[:, None]
        before = before + carry
    return slope, bend, kept


def _leaving(sets: RiskSets, risk: Floats) -> Floats | None:
    """Sum r x over the rows that leave at each failure time: (p, G)."""
    if sets.leave is None:
        return None
    rows = [np.bincount(sets.leave, risk * x, sets.n_times + 1)[:-1] for x in sets.x]
    return np.stack(rows)


def _cumulate(terms: Floats, start: Ints) -> Floats:
    """Cumulative sums (p, h) of terms (p, n) at the end of each run of rows."""
    n, h = terms.shape[1], start.size
    if n == h:
        return np.cumsum(terms, axis=1)
    if n > 4 * h:
        return np.cumsum(np.add.reduceat(terms, start, axis=1), axis=1)
    return np.cumsum(terms, axis=1)[:, np.append(start[1:], n) - 1]
