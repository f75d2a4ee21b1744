"""Several causes of failure: the Aalen-Johansen estimate of each cause's share."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.validation import check_length
from survjax.inference.nonparametric._product_limit import (
    normal_quantile,
    product_limit,
    survival_bounds,
)
from survjax.inference.nonparametric._rows import Floats, check_lifetimes, risk_table
from survjax.inference.nonparametric._step import StepCurve

__all__ = ["CumulativeIncidence", "aalen_johansen"]


@dataclass(frozen=True)
class CumulativeIncidence:
    """One cumulative incidence curve for each cause, and the survival of all.

    Parameters
    ----------
    curves : mapping
        Cause -> StepCurve of P(failed of that cause by t). All share the times at which
        any cause struck; ``events`` counts the cause's own.
    survival : StepCurve
        P(no failure of any cause by t); with the curves it adds up to 1.

    Examples
    --------
    >>> shares = aalen_johansen([3, 5, 6, 8], ["wear", None, "shock", "wear"])
    >>> shares.causes, float(shares["shock"](7)), float(shares.survival(7))
    (('shock', 'wear'), 0.375, 0.375)
    """

    curves: Mapping[Hashable, StepCurve]
    survival: StepCurve

    @property
    def causes(self) -> tuple[Hashable, ...]:
        """The causes, sorted."""
        return tuple(self.curves)

    def __getitem__(self, cause: Hashable) -> StepCurve:
        """Return the curve of one cause."""
        return self.curves[cause]


def aalen_johansen(
    durations: ArrayLike,
    causes: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    level: float = 0.95,
    transform: str = "log-log",
) -> CumulativeIncidence:
    """Estimate the probability of having failed of each cause by each time.

    ``F_k(t) = sum over s <= t of S(s-) d_ks / n_s`` with S the Kaplan-Meier curve of all
    causes together. One minus a Kaplan-Meier curve that treats other causes as censoring
    overstates this share.

    Parameters
    ----------
    durations : array-like of shape (n,)
        How long each unit has lasted, in any one unit of time.
    causes : array-like of shape (n,)
        Why each unit failed: whole numbers or labels. 0, False, None, NaN and "" mean
        that it still ran.
    entry, sample_weight
        As in :func:`~survjax.inference.nonparametric.kaplan_meier`.
    level : float
        Confidence level of the pointwise bounds.
    transform : {"log-log", "log", "plain"}
        Scale on which the bounds are symmetric.

    Returns
    -------
    CumulativeIncidence
        ``result[cause]`` is the curve of one cause. Its variance is the delta method's for
        multinomial steps, which is Greenwood's where there is one cause.

    References
    ----------
    Aalen and Johansen (1978), Scandinavian Journal of Statistics 5; Marubini and Valsecchi
    (1995), section 10.2, for the variance.

    Examples
    --------
    >>> aalen_johansen([1, 2, 2, 4], [1, 2, 0, 1])[1].values.round(4).tolist()
    [0.25, 0.25, 0.75]
    """
    labels, code = _check_causes(causes, np.size(durations))
    rows = check_lifetimes(durations, code > 0, entry, sample_weight)
    times, failing, at_risk = risk_table(rows)
    survival = product_limit(times, failing, at_risk, level, transform)
    before = survival.before(times)
    z = normal_quantile(level)
    curves: dict[Hashable, StepCurve] = {}
    for number, label in enumerate(labels, start=1):
        spot, own, _ = risk_table(rows, code == number)
        events = np.zeros_like(failing)
        events[np.searchsorted(times, spot)] = own
        values = np.cumsum(before * events / at_risk)
        variance = _variance(values, before, events, failing, at_risk)
        error = np.sqrt(variance) / np.where(values > 0, values, 1.0)
        lower, upper = survival_bounds(values, error, z, transform)
        curves[label] = StepCurve(
            times, values, lower, upper, at_risk, events, variance, initial=0.0
        )
    return CumulativeIncidence(curves, survival)


def _variance(
    values: Floats, before: Floats, events: Floats, failing: Floats, at_risk: Floats
) -> Floats:
    """Return the variance of a cumulative incidence at each time, by cumulative sums.

    With F(t) - F(s) what is still to come after s, it is the sum over s <= t of

        (F(t) - F(s))^2 d / (n (n - d)) + S(s-)^2 d_k (n - d_k) / n^3
            - 2 (F(t) - F(s)) S(s-) d_k / n^2.
    """
    left = at_risk - failing
    ended = left <= 0
    # After the last unit has failed nothing is still to come, and the first term is 0.
    spread = np.where(ended, 0.0, failing / (at_risk * np.where(ended, 1.0, left)))
    cross = before * events / at_risk**2
    own = before**2 * events * (at_risk - events) / at_risk**3
    first = values**2 * np.cumsum(spread) - 2 * values * np.cumsum(spread * values)
    first += np.cumsum(spread * values**2)
    second = 2 * (values * np.cumsum(cross) - np.cumsum(cross * values))
    return np.maximum(first + np.cumsum(own) - second, 0.0)


def _check_causes(causes: ArrayLike, size: int) -> tuple[list[Hashable], np.ndarray]:
    """Return the sorted causes and each row's number of its cause, 0 for none."""
    array = np.asarray(causes, dtype=object)
    check_length(array, size, "causes")
    plain = [value.item() if isinstance(value, np.generic) else value for value in array]
    running = [not value or value != value for value in plain]
    found = {value for value, none in zip(plain, running, strict=True) if not none}
    try:
        labels: list[Hashable] = sorted(found)
    except TypeError:
        labels = sorted(found, key=str)
    number = {label: i for i, label in enumerate(labels, start=1)}
    code = [0 if none else number[value] for value, none in zip(plain, running, strict=True)]
    return labels, np.array(code, dtype=np.int64)
