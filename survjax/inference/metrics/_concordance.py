"""Concordance: whether units with a higher risk fail earlier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from survjax.inference.metrics._dominance import earlier_weight
from survjax.inference.metrics._weights import (
    check_scores,
    check_side,
    inverse_weights,
    known_curve,
    on_durations,
)
from survjax.inference.nonparametric import StepCurve
from survjax.inference.nonparametric._log_rank import label
from survjax.inference.nonparametric._rows import Floats, Rows, check_lifetimes

__all__ = ["Concordance", "concordance"]

#: Marks on the line of time: the time, the place among marks of that time, and the row.
Marks = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Concordance:
    """Share of comparable pairs in which the unit with the higher risk failed first.

    Parameters
    ----------
    index : float
        (concordant + tied_risk / 2) / comparable; 0.5 for guesses, 1 for a perfect order.
    standard_error : float
        By the infinitesimal jackknife.
    concordant, discordant, tied_risk : float
        (Weighted) comparable pairs in the right order, the wrong one, and with equal risks.
    """

    index: float
    standard_error: float
    concordant: float
    discordant: float
    tied_risk: float

    @property
    def comparable(self) -> float:
        """All comparable pairs."""
        return self.concordant + self.discordant + self.tied_risk

    def __float__(self) -> float:
        return self.index


def concordance(
    durations: ArrayLike,
    event_observed: ArrayLike | None,
    risk: ArrayLike,
    *,
    weighting: str = "harrell",
    censoring: StepCurve | None = None,
    horizon: float | None = None,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    censoring_at: str = "before",
    standard_error: bool = True,
) -> Concordance:
    """Measure how well risks put units in the order of their failures.

    A pair is comparable if one unit was seen to fail at t while the other was still under
    observation: running beyond t, or censored at t. Two failures at one time are not
    comparable. Pairs with equal risks count one half.

    Parameters
    ----------
    durations : array-like of shape (n,)
        How long each unit has lasted, in any one unit of time.
    event_observed : array-like of shape (n,) or None
        True where the failure was seen; None if all were.
    risk : array-like of shape (n,)
        Higher for units expected to fail earlier. For a predicted life, pass its negative.
    weighting : {"harrell", "uno"}
        "harrell" counts pairs as they are, and depends on how units were censored. "uno" gives
        the pairs of a failure at t the weight 1 / P(not censored before t)^2, and does not.
    censoring : StepCurve, optional
        For "uno": ``censoring_curve`` of the training set. Default: of these rows.
    horizon : float, optional
        Failures from this time on are left out.
    entry : array-like of shape (n,), optional
        Ages at entry: a unit is compared only with failures after it came under observation.
    sample_weight : array-like of shape (n,), optional
        Frequencies.
    strata : array-like of shape (n,), optional
        Groups within which units are compared, and not with others: where each has a baseline of
        its own, risks of different groups say nothing of each other.
    cluster : array-like of shape (n,), optional
        Groups of rows that depend on each other, such as the rows of one unit: the standard
        error allows for it.
    censoring_at : {"before", "at"}
        Whether Uno's weight is P(not censored before t), which is exact where failures and
        censorings share times, or P(not censored by t), as in scikit-survival.
    standard_error : bool
        False leaves it out (NaN), in half the time.

    Returns
    -------
    Concordance

    References
    ----------
    Harrell, Califf, Pryor, Lee and Rosati (1982), JAMA 247; Uno, Cai, Pencina, D'Agostino and
    Wei (2011), Statistics in Medicine 30; Therneau (2020), survival, for the standard error.

    Examples
    --------
    >>> result = concordance([2, 4, 6, 8], [1, 1, 0, 1], risk=[3.0, 4.0, 1.0, 2.0])
    >>> result.concordant, result.discordant, result.index
    (4.0, 1.0, 0.8)
    """
    rows = check_lifetimes(durations, event_observed, entry, sample_weight)
    scores = check_scores(risk, "risk", rows.durations.size)
    check_side(censoring_at)
    counted = rows.event_observed & (rows.weight > 0)
    if horizon is not None:
        if not horizon > 0:  # NaN is refused too
            raise ValueError(f"horizon must be a positive number, got {horizon!r}")
        counted &= rows.durations < on_durations(rows, np.array(horizon))
    pull = np.where(counted, rows.weight, 0.0)
    if weighting == "uno":
        curve = known_curve(rows, censoring)
        advice = "set an earlier horizon"
        inverse = inverse_weights(curve, rows.durations, counted, censoring_at, advice)
        pull = pull * inverse**2
    elif weighting != "harrell":
        raise ValueError(f'weighting must be "harrell" or "uno", got {weighting!r}')
    parts = _parts(strata, rows.durations.size)
    ahead = _by_stratum(rows, scores, counted, rows.weight, parts, from_failures=True)
    lower, equal, higher = (float(pull @ part) for part in ahead)
    comparable = lower + equal + higher
    if comparable <= 0:
        raise ValueError(
            "no two units can be compared: no failure was seen while another unit was running"
        )
    index = (lower + 0.5 * equal) / comparable
    if not standard_error:
        return Concordance(index, float("nan"), lower, higher, equal)
    behind = _by_stratum(rows, scores, counted, pull, parts, from_failures=False)
    # Each row's pairs, as a failure and as a comparison; the weight of a row is its own.
    share = pull * (ahead[0] + 0.5 * ahead[1] - index * sum(ahead))
    share += rows.weight * (behind[2] + 0.5 * behind[1] - index * sum(behind))
    error = _spread(share / comparable, rows.weight, cluster)
    return Concordance(index, error, lower, higher, equal)


def _spread(influence: Floats, weight: Floats, cluster: ArrayLike | None) -> float:
    """Standard error from the influence of rows, or of the clusters that they make up."""
    if cluster is not None:
        total = np.bincount(label(cluster, weight.size, "cluster")[1], influence)
        return float(np.sqrt(total @ total))
    counts = weight > 0
    return float(np.sqrt(np.sum(influence[counts] ** 2 / weight[counts])))


def _parts(strata: ArrayLike | None, size: int) -> list[np.ndarray]:
    """The rows of each stratum."""
    if strata is None:
        return [np.arange(size)]
    number = label(strata, size, "strata")[1]
    order = np.argsort(number, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(number[order])) + 1)


def _by_stratum(
    rows: Rows,
    scores: Floats,
    counted: np.ndarray,
    weight: Floats,
    parts: list[np.ndarray],
    *,
    from_failures: bool,
) -> list[Floats]:
    """Count pairs from one end: as the unit that failed, or as the one compared with it."""
    found = [np.zeros(scores.size) for _ in range(3)]
    for part in parts:
        some = Rows(
            rows.durations[part],
            rows.event_observed[part],
            None if rows.entry is None else rows.entry[part],
            rows.weight[part],
        )
        rank = np.unique(scores[part], return_inverse=True)[1]
        pairs = _pairs(some, rank, counted[part], weight[part], from_failures=from_failures)
        for total, own in zip(found, pairs, strict=True):
            total[part] = own
    return found


def _pairs(
    rows: Rows, rank: np.ndarray, counted: np.ndarray, weight: Floats, *, from_failures: bool
) -> tuple[Floats, Floats, Floats]:
    """For each row, add up the weight of its comparable partners of lower, equal, higher rank.

    From failures: partners are the units still under observation. Otherwise the partners are
    the failures, and a late entry takes back those before it.
    """
    failures = np.flatnonzero(counted)
    # At one time failures come first, then what compares with them, then censorings and entries:
    # a unit censored at t is compared with a failure at t, one that fails or enters there is not.
    fail = rows.durations[failures], np.full(failures.size, 1), failures
    leave = rows.durations, np.where(rows.event_observed, 0, 2), np.arange(rank.size)
    lower, equal, higher = _sweep(fail, leave, rank, weight, from_failures)
    if rows.entry is None:
        return lower, equal, higher
    late = np.flatnonzero(np.isfinite(rows.entry))
    enter = rows.entry[late], np.full(late.size, 2), late
    unseen = _sweep(fail, enter, rank, weight, from_failures)
    return lower - unseen[0], equal - unseen[1], higher - unseen[2]


def _sweep(
    failures: Marks, others: Marks, rank: np.ndarray, weight: Floats, from_failures: bool
) -> list[Floats]:
    """Pair each failure with the others that come later: backward in time, or forward."""
    asking, giving = (failures, others) if from_failures else (others, failures)
    time, place, index = (np.concatenate(pair) for pair in zip(asking, giving, strict=True))
    gives = np.concatenate([np.zeros(asking[0].size), weight[giving[2]]])
    order = np.lexsort((place, time))
    order = order[::-1] if from_failures else order
    asks = order < asking[0].size
    target = index[order[asks]]
    results = []
    for part in earlier_weight(rank[index[order]], gives[order]):
        total = np.zeros(rank.size)
        total[target] = part[asks]
        results.append(total)
    return results
