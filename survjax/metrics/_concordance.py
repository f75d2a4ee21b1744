"""Concordance: whether units with a higher risk fail earlier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from survjax.data.labels import rows_by_position
from survjax.metrics._dominance import Failures, Seen, Sums, pair_sums
from survjax.metrics._weights import (
    check_scores,
    check_side,
    inverse_weights,
    known_curve,
    on_durations,
)
from survjax.nonparametric import StepCurve
from survjax.nonparametric.group_tests import label
from survjax.nonparametric.rows import Floats, Ints, Rows, check_lifetimes

__all__ = ["Concordance", "concordance"]


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


@rows_by_position
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
    weight_of_failure = np.where(counted, rows.weight, 0.0)
    if weighting == "uno":
        curve = known_curve(rows, censoring)
        advice = "set an earlier horizon"
        inverse = inverse_weights(curve, rows.durations, counted, censoring_at, advice)
        weight_of_failure = weight_of_failure * inverse**2
    elif weighting != "harrell":
        raise ValueError(f'weighting must be "harrell" or "uno", got {weighting!r}')
    failures, ahead, behind = _pairs(
        rows, scores, counted, weight_of_failure, strata, standard_error
    )
    own, weight = weight_of_failure[failures], rows.weight
    lower, equal, higher = (float(own @ part) for part in (ahead.lower, ahead.equal, ahead.higher))
    comparable = lower + equal + higher
    if comparable <= 0:
        raise ValueError(
            "no two units can be compared: no failure was seen while another unit was running"
        )
    index = (lower + 0.5 * equal) / comparable
    if not standard_error:
        return Concordance(index, float("nan"), lower, higher, equal)
    # Each row's pairs, as a failure and as a comparison; the weight of a row is its own.
    missed = (higher + 0.5 * equal) / comparable
    even = 0.5 * (missed - index)
    share = weight * (missed * behind.higher + even * behind.equal - index * behind.lower)
    share[failures] += own * (missed * ahead.lower + even * ahead.equal - index * ahead.higher)
    error = _spread(share / comparable, weight, cluster)
    return Concordance(index, error, lower, higher, equal)


def _spread(influence: Floats, weight: Floats, cluster: ArrayLike | None) -> float:
    """Standard error from the influence of rows, or of the clusters that they make up."""
    if cluster is not None:
        total = np.bincount(label(cluster, weight.size, "cluster")[1], influence)
        return float(np.sqrt(total @ total))
    counts = weight > 0
    return float(np.sqrt(np.sum(influence[counts] ** 2 / weight[counts])))


def _pairs(
    rows: Rows,
    scores: Floats,
    counted: np.ndarray,
    weight_of_failure: Floats,
    strata: ArrayLike | None,
    behind: bool,
) -> tuple[Ints, Sums, Sums]:
    """Add up comparable pairs: for the failures returned first, and for each row as a partner."""
    group = 0 if strata is None else label(strata, scores.size, "strata")[1]
    time, number = np.unique(rows.durations, return_inverse=True)
    # On the line of failures the strata follow one another, each by time.
    start = group * (time.size + 1)
    key = start + number
    failures = np.flatnonzero(counted)
    failures = failures[np.argsort(key[failures], kind="stable")]
    line, rank = key[failures], np.unique(scores, return_inverse=True)[1]
    # A unit censored at t is compared with a failure at t, one that fails or enters there is not.
    entered = 0 if rows.entry is None else np.searchsorted(time, rows.entry, side="right")
    first = np.searchsorted(line, np.broadcast_to(start + entered, key.shape))
    stop = np.searchsorted(line, key + ~rows.event_observed)
    seen = Seen(first, stop, rank, rows.weight)
    sums = pair_sums(Failures(rank[failures], weight_of_failure[failures]), seen, behind=behind)
    return failures, *sums
