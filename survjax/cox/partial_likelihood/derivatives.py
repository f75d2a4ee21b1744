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
from itertools import count
from typing import NamedTuple

import numpy as np

from survjax._core.parallel import BLOCK, LIGHT, blocks, dot, in_parts, one_thread_rows
from survjax._core.ranges import restarted_cumsum
from survjax.cox.partial_likelihood.failures import Failures, number_failures, tied_sums
from survjax.cox.risk_sets.segments import Risks, cut, lost_digits, places_to_cut, risk_sums
from survjax.cox.risk_sets.sets import RiskSets
from survjax.nonparametric.rows import Floats, Ints

__all__ = [
    "EventWeights",
    "as_divided",
    "curvature",
    "denominate",
    "derivatives",
    "evaluate",
    "sum_event_weights",
    "risks",
    "value",
]

#: Rounds of cutting at the places found, before segments are halved as well.
ROUNDS = 24


def risks(sets: RiskSets, beta: Floats) -> Risks:
    """Return the log risk of each row next to the largest of its segment, and weighted risks."""
    eta = np.empty(sets.order.size)
    for start in range(0, eta.size, BLOCK):
        part = slice(start, start + BLOCK)
        np.matmul(beta, sets.x[:, part], out=eta[part])
    if sets.offset is not None:
        eta += sets.offset
    if sets.first.size == 1:
        top = np.array([eta.max()])
        eta -= top
    else:
        top = np.maximum.reduceat(eta, sets.start[sets.first])
        eta -= sets.by_row(top)
    return Risks(eta, sets.weight * np.exp(eta), top)


@dataclass(frozen=True)
class EventWeights:
    """Sums over the terms of each failure time, all of shape (G,).

    ``a, b``: of w / D times 1 and f; ``alpha, beta, gamma``: of w / D^2 times 1, f and f^2.
    Where no term leaves anything out, b, beta and gamma are empty.
    """

    a: Floats
    alpha: Floats
    b: Floats
    beta: Floats
    gamma: Floats


def denominate(
    sets: RiskSets, failures: Failures, risk: Floats, total: Floats | None = None
) -> Floats:
    """Return the denominator of each term (u,); `total` is the risk of each risk set, if known."""
    s0 = sets.at_risk(risk) if total is None else total
    if failures.group is None:
        return s0
    d0 = np.bincount(failures.at, risk[failures.rows], sets.n_times)
    return s0[failures.group] - failures.share * d0[failures.group]


def sum_event_weights(
    failures: Failures, below: Floats, n_times: int, factor: Floats | None = None
) -> EventWeights:
    """Add up the terms of each failure time, times a factor of that time."""
    weight, group = failures.weight, failures.group
    if group is None or failures.share is None:
        weight = weight if factor is None else weight * factor
        none = np.zeros(0)
        return EventWeights(weight / below, weight / below**2, none, none, none)
    weight = weight if factor is None else weight * factor[group]
    share, first, second = failures.share, weight / below, weight / below**2

    def add(values: Floats) -> Floats:
        return np.bincount(group, values, n_times)

    return EventWeights(
        add(first), add(second), add(share * first), add(share * second), add(share**2 * second)
    )


class Evaluation(NamedTuple):
    """What one pass over the rows gives, in a division of segments whose sums keep their digits."""

    sets: RiskSets
    failures: Failures
    risk: Risks
    below: Floats
    event_weights: EventWeights


def as_divided(sets: RiskSets, failures: Failures) -> tuple[RiskSets, Failures]:
    """Return risk sets and failures in the segments that the last sums needed."""
    if sets.finer and sets.finer[0][1].method == failures.method:
        return sets.finer[0]
    return sets, failures


def evaluate(sets: RiskSets, failures: Failures, beta: Floats) -> Evaluation:
    """Sum risks over risk sets, in as many segments as exact sums need.

    The division is kept in ``sets.finer`` for the next call.
    """
    coarse = sets
    sets, failures = as_divided(sets, failures)
    for n_cut in count():
        found = risks(sets, beta)
        total, lost = risk_sums(sets, found.risk)
        at = places_to_cut(sets, total, lost, n_cut > ROUNDS)
        if at.size == 0:
            below = denominate(sets, failures, found.risk, total)
            event_weights = sum_event_weights(failures, below, sets.n_times)
            at = np.flatnonzero(lost_digits(sets, found, event_weights.a))
        if at.size == 0:
            break
        sets = cut(sets, at)
        failures = number_failures(sets, *failures.method)
    if sets is not coarse:
        coarse.finer[:] = [(sets, failures)]
    return Evaluation(sets, failures, found, below, event_weights)


def _value(found: Evaluation) -> float:
    """Return the log partial likelihood."""
    sets, rows = found.sets, found.failures.rows
    gain = dot(sets.weight[rows], found.risk.log[rows])
    return gain - dot(found.failures.weight, np.log(found.below))


def derivatives(sets: RiskSets, failures: Failures, beta: Floats) -> tuple[float, Floats, Floats]:
    """Return the log partial likelihood, its gradient (p,) and its Hessian (p, p)."""
    found = evaluate(sets, failures, beta)
    slope, information = curvature(found.sets, found.failures, found.risk.risk, found.event_weights)
    return _value(found), found.failures.total - slope, -information


def value(sets: RiskSets, failures: Failures, beta: Floats) -> float:
    """Return the log partial likelihood alone."""
    return _value(evaluate(sets, failures, beta))


def curvature(
    sets: RiskSets, failures: Failures, risk: Floats, event_weights: EventWeights
) -> tuple[Floats, Floats]:
    """Return the expected covariates (p,) and their covariance (p, p), summed over failures."""
    at_risk_weight = risk * sets.passed(event_weights.a)
    tied = failures.tied
    if tied is None:
        return _sweep(sets, risk, at_risk_weight, event_weights, np.zeros(0, dtype=np.int64))[:2]
    at_risk_weight[failures.rows] -= risk[failures.rows] * event_weights.b[failures.at]
    slope, information, s1 = _sweep(sets, risk, at_risk_weight, event_weights, tied.at)
    d1 = tied_sums(tied, risk)
    slope -= d1 @ event_weights.b[tied.at]
    cross = (s1 * event_weights.beta[tied.at]) @ d1.T
    return slope, information + cross + cross.T - (d1 * event_weights.gamma[tied.at]) @ d1.T


def _sweep(
    sets: RiskSets, risk: Floats, at_risk_weight: Floats, event_weights: EventWeights, wanted: Ints
) -> tuple[Floats, Floats, Floats]:
    """Walk backward in time with S1 running along: sums of a S1, of the covariance, S1 `wanted`.

    Parts of the rows run side by side, each as if S1 were 0 at its start; what that leaves out
    is added afterwards.
    """
    p = sets.x.shape[0]
    leaving, size = _leaving(sets, risk), one_thread_rows(p * p)
    kept = np.empty((p, wanted.size))

    def part(begin: int, end: int) -> tuple[Floats, ...]:
        carry, rows_part, times_part = np.zeros((p, 1)), np.zeros((p, p)), np.zeros((p, p))
        slope, tilt = np.zeros(p), np.zeros(p)
        # The times before the first segment that begins in this part lack what earlier parts hold.
        since, until = np.searchsorted(sets.start, [begin, end])
        head = np.append(sets.first, until)[np.searchsorted(sets.first, since)]
        for start, stop, g, h in blocks(begin, end, sets.start, size):
            x = sets.x[:, start:stop]
            rows_part += (x * at_risk_weight[start:stop]) @ x.T
            low, high = np.searchsorted(sets.first, [g, h])
            if low == high:
                s1 = _cumulate(x * risk[start:stop], sets.start[g:h] - start)
                if leaving is not None:
                    s1 -= np.cumsum(leaving[:, g:h], axis=1)
                s1 += carry
            else:
                s1 = np.add.reduceat(x * risk[start:stop], sets.start[g:h] - start, axis=1)
                if leaving is not None:
                    s1 -= leaving[:, g:h]
                if sets.first[low] > g:
                    s1[:, :1] += carry
                s1 = restarted_cumsum(s1, np.union1d(0, sets.first[low:high] - g))
            carry = s1[:, -1:].copy()
            weighted = s1 * event_weights.alpha[g:h]
            times_part += weighted @ s1.T
            tilt += weighted[:, : max(head - g, 0)].sum(axis=1)
            slope += s1 @ event_weights.a[g:h]
            low, high = np.searchsorted(wanted, [g, h])
            kept[:, low:high] = s1[:, wanted[low:high] - g]
        return carry[:, 0], slope, tilt, rows_part, times_part, np.array([since, head, until])

    slope, information, before = np.zeros(p), np.zeros((p, p)), np.zeros(p)
    parts = in_parts(part, risk.size, sets.start, LIGHT)
    for carry, own, tilt, rows_part, times_part, (g, h, until) in parts:
        slope += own + before * event_weights.a[g:h].sum()
        cross = np.outer(tilt, before)
        information += rows_part - times_part - cross - cross.T
        information -= np.outer(before, before) * event_weights.alpha[g:h].sum()
        kept[:, slice(*np.searchsorted(wanted, [g, h]))] += before[:, None]
        before = before + carry if h == until else carry
    return slope, information, kept


def _leaving(sets: RiskSets, risk: Floats) -> Floats | None:
    """Sum r x over the rows that leave at each failure time: (p, G)."""
    if sets.leaving is None:
        return None
    return np.stack([np.asarray(sets.left(risk * line)) for line in sets.x])


def _cumulate(terms: Floats, start: Ints) -> Floats:
    """Cumulative sums (p, h) of terms (p, n) at the end of each run of rows."""
    n, h = terms.shape[1], start.size
    if n == h:
        return np.cumsum(terms, axis=1)
    if n > 4 * h:
        return np.cumsum(np.add.reduceat(terms, start, axis=1), axis=1)
    return np.cumsum(terms, axis=1)[:, np.append(start[1:], n) - 1]
