"""The product-limit estimate of survival, the cumulative hazard, and what follows from them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.callers import users_level
from survjax.nonparametric._step import StepCurve
from survjax.nonparametric.risk_table import (
    RiskTable,
    censoring_table,
    risk_table,
)
from survjax.nonparametric.rows import Floats, Lives, Watched, check_lives

__all__ = [
    "censoring_curve",
    "kaplan_meier",
    "nelson_aalen",
    "normal_quantile",
    "survival_bounds",
    "survival_curve",
    "warn_of_late_entries",
]


def kaplan_meier(
    durations: ArrayLike,
    event_observed: ArrayLike | None = None,
    *,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    level: float = 0.95,
    transform: str = "log-log",
) -> StepCurve:
    """Estimate the survival curve by the product-limit estimator.

    ``S(t) = prod over event times s <= t of (1 - d_s / n_s)`` with ``d_s`` the weight
    failing at s and ``n_s`` the weight at risk just before it; the variance is
    Greenwood's, ``S(t)^2 sum d_s / (n_s (n_s - d_s))``.

    Parameters
    ----------
    durations : array-like of shape (n,)
        How long each unit has lasted, in any one unit of time; at least 0.
    event_observed : array-like of shape (n,), optional
        True where the failure was seen, False where the unit still ran. Default: all seen.
    entry : array-like of shape (n,) or float, optional
        Age at which each unit came under observation; 0 for a unit watched from new.
    sample_weight : array-like of shape (n,), optional
        Frequencies; fractions are fine.
    level : float
        Confidence level of the pointwise bounds.
    transform : {"log-log", "log", "plain"}
        Scale on which the bounds are symmetric; "log-log" stays inside (0, 1), the
        others are cut there.

    Returns
    -------
    StepCurve
        Where the curve has reached 0 the upper bound is the one just before: survival
        cannot rise, and Greenwood's formula says nothing there. Beyond the end of follow-up,
        ``curve.end``, the curve is NaN unless it has reached 0. Where late entry leaves nobody
        under observation for a while it is flat: given survival of that while.

    Warns
    -----
    UserWarning
        If late entry leaves nobody at risk and the curve falls to 0 before others enter.

    Raises
    ------
    ValueError
        If a row is missing, negative or infinite, or entry is not before the duration.

    References
    ----------
    Kaplan and Meier (1958), JASA 53; Greenwood (1926); Kalbfleisch and Prentice (2002),
    section 1.4 (the log-log bounds).

    Examples
    --------
    >>> curve = kaplan_meier([3, 5, 5, 8], [True, True, False, True])
    >>> curve.times.tolist(), curve.values.tolist()
    ([3.0, 5.0, 8.0], [0.75, 0.5, 0.0])
    """
    rows = check_lives(durations, event_observed, entry, sample_weight)
    curve = survival_curve(risk_table(rows), level, transform, rows.watched())
    warn_of_late_entries(rows, curve)
    return curve


def nelson_aalen(
    durations: ArrayLike,
    event_observed: ArrayLike | None = None,
    *,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    level: float = 0.95,
    transform: str = "log",
) -> StepCurve:
    """Estimate the cumulative hazard, ``H(t) = sum over s <= t of d_s / n_s``.

    Parameters
    ----------
    durations, event_observed, entry, sample_weight, level
        As in :func:`kaplan_meier`.
    transform : {"log", "plain"}
        Scale on which the bounds are symmetric; "plain" ones are cut at 0.

    Returns
    -------
    StepCurve
        With ``initial`` 0 and Aalen's variance ``sum d_s / n_s^2``. Beyond the end of
        follow-up it is NaN: a cumulative hazard has no final value.

    References
    ----------
    Nelson (1972), Technometrics 14; Aalen (1978), Annals of Statistics 6.

    Examples
    --------
    >>> nelson_aalen([3, 5, 5, 8], [True, True, False, True]).values.round(4).tolist()
    [0.25, 0.5833, 1.5833]
    """
    rows = check_lives(durations, event_observed, entry, sample_weight)
    table = risk_table(rows)
    times, failing, at_risk = table.times, table.failing, table.at_risk
    values = np.cumsum(failing / at_risk)
    variance = np.cumsum(failing / at_risk**2)
    half = normal_quantile(level) * np.sqrt(variance)
    if transform == "log":
        with np.errstate(over="ignore"):  # a factor of infinity is a bound of infinity
            lower, upper = values * np.exp(-half / values), values * np.exp(half / values)
    elif transform == "plain":
        lower, upper = np.maximum(values - half, 0.0), values + half
    else:
        raise ValueError(f'transform must be "log" or "plain", got {transform!r}.')
    return StepCurve(
        times, values, lower, upper, at_risk, failing, variance, initial=0.0, end=table.end,
        watched=rows.watched(), quantity="cumulative hazard",
    )  # fmt: skip


def censoring_curve(
    durations: ArrayLike,
    event_observed: ArrayLike | None = None,
    *,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    level: float = 0.95,
    transform: str = "log-log",
) -> StepCurve:
    """Estimate P(not yet censored at t) by the reverse Kaplan-Meier estimator.

    A unit that fails at t is out of reach of censoring at t: failures come before
    censorings of the same time, so they leave the risk set first.

    Parameters
    ----------
    durations, event_observed, entry, sample_weight, level, transform
        As in :func:`kaplan_meier`.

    Returns
    -------
    StepCurve
        Survival curve of the censoring time; ``events`` is the weight censored. Beyond the
        end of follow-up it is NaN unless it has reached 0.

    Examples
    --------
    >>> censoring_curve([3, 5, 5, 8], [True, True, False, False]).values.tolist()
    [0.5, 0.0]
    """
    rows = check_lives(durations, event_observed, entry, sample_weight)
    return survival_curve(censoring_table(rows), level, transform)


def survival_curve(
    table: RiskTable, level: float, transform: str, watched: Watched | None = None
) -> StepCurve:
    """Multiply up the conditional survivals; bounds are computed when they are asked for."""
    at_risk = table.at_risk
    values = table.left / at_risk
    np.cumprod(values, out=values)
    spread = Greenwood(values, table, normal_quantile(level), transform)
    check_transform(transform)
    later: Any = spread
    return StepCurve(
        times=table.times,
        values=values,
        lower=later.lower,
        upper=later.upper,
        at_risk=at_risk,
        events=table.failing,
        variance=later.variance,
        end=table.end,
        complete=bool(table.left.min(initial=np.inf) == 0),
        watched=watched,
    )


@dataclass(frozen=True)
class Greenwood:
    """Variance and bounds of a product-limit curve, by Greenwood's formula."""

    values: Floats
    table: RiskTable
    z: float
    transform: str

    @cached_property
    def log_variance(self) -> Floats:
        """Variance of log S; it has no value where the curve is 0."""
        table, alive = self.table, self.values > 0
        terms = table.failing / (table.at_risk * np.where(alive, table.left, 1.0))
        return np.cumsum(np.where(alive, terms, 0.0))

    def variance(self) -> Floats:
        """Variance of S."""
        return self.values**2 * self.log_variance

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        """Lower and upper bounds; where the curve is 0, 0 and the last upper bound."""
        error = np.sqrt(self.log_variance)
        lower, upper = survival_bounds(self.values, error, self.z, self.transform)
        alive = self.values > 0
        ceiling = upper[alive][-1] if np.any(alive) else 1.0
        return np.where(alive, lower, 0.0), np.where(alive, upper, ceiling)

    def lower(self) -> Floats:
        """Lower bounds."""
        return self.bounds[0]

    def upper(self) -> Floats:
        """Upper bounds."""
        return self.bounds[1]


def warn_of_late_entries(rows: Lives, survival: StepCurve) -> None:
    """Say where everyone watched had failed before other units came under observation."""
    if rows.entry is None or not survival.complete:
        return
    entry = rows.entry if rows.weight is None else rows.entry[rows.weight > 0]
    ended = survival.times[np.searchsorted(-survival.values, 0.0)]
    if late := np.sum(entry >= ended):
        warnings.warn(
            f"the curve reaches 0 at {ended:g} although {late} of {entry.size} units came "
            "under observation at that age or later: everyone watched before had failed. Raise "
            "early entries to where more units are watched, and read the curve as given survival "
            "to there.",
            stacklevel=users_level(),
        )


def survival_bounds(
    values: Floats, error: Floats, z: float, transform: str
) -> tuple[Floats, Floats]:
    """Return bounds of S from the standard error of log S, symmetric on one scale."""
    check_transform(transform)
    if transform == "plain":
        return np.maximum(values * (1 - z * error), 0.0), np.minimum(values * (1 + z * error), 1.0)
    if transform == "log":
        with np.errstate(over="ignore"):
            factor = np.exp(z * error)
        upper = np.multiply(values, factor, where=values > 0, out=np.zeros_like(values))
        return values / factor, np.minimum(upper, 1.0)
    inside = (values > 0) & (values < 1)
    logs = np.log(np.where(inside, values, 0.5))
    with np.errstate(over="ignore"):  # a stretch of infinity is a bound of 0 and one of 1
        stretch = np.exp(z * error / -logs)
        lower, upper = np.exp(logs * stretch), np.exp(logs / stretch)
    return np.where(inside, lower, values), np.where(inside, upper, values)


def check_transform(transform: str) -> None:
    """Refuse a scale that bounds are not made on."""
    if transform not in ("log-log", "log", "plain"):
        raise ValueError(f'transform must be "log-log", "log" or "plain", got {transform!r}.')


def normal_quantile(level: float) -> float:
    """Return the two-sided standard normal quantile of a confidence level."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie strictly between 0 and 1, got {level!r}.")
    return NormalDist().inv_cdf(0.5 + level / 2)
