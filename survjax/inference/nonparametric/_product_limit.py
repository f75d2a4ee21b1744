"""The product-limit estimate of survival, the cumulative hazard, and what follows from them."""

from __future__ import annotations

import warnings
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.callers import users_level
from survjax.inference.nonparametric._rows import Floats, check_lifetimes, risk_table
from survjax.inference.nonparametric._step import StepCurve

__all__ = [
    "censoring_curve",
    "kaplan_meier",
    "nelson_aalen",
    "normal_quantile",
    "product_limit",
    "restricted_mean",
    "survival_bounds",
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
        cannot rise, and Greenwood's formula says nothing there.

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
    rows = check_lifetimes(durations, event_observed, entry, sample_weight)
    curve = product_limit(*risk_table(rows), level, transform)
    ended = curve.times[curve.values == 0]
    if rows.entry is not None and ended.size and (late := np.sum(rows.entry >= ended[0])):
        warnings.warn(
            f"the curve reaches 0 at {ended[0]:g} although {late} of {rows.entry.size} units came "
            "under observation at that age or later: everyone watched before had failed. Raise "
            "early entries to where more units are watched, and read the curve as given survival "
            "to there.",
            stacklevel=users_level(),
        )
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
        With ``initial`` 0 and Aalen's variance ``sum d_s / n_s^2``.

    References
    ----------
    Nelson (1972), Technometrics 14; Aalen (1978), Annals of Statistics 6.

    Examples
    --------
    >>> nelson_aalen([3, 5, 5, 8], [True, True, False, True]).values.round(4).tolist()
    [0.25, 0.5833, 1.5833]
    """
    rows = check_lifetimes(durations, event_observed, entry, sample_weight)
    times, failing, at_risk = risk_table(rows)
    values = np.cumsum(failing / at_risk)
    variance = np.cumsum(failing / at_risk**2)
    half = normal_quantile(level) * np.sqrt(variance)
    if transform == "log":
        lower, upper = values * np.exp(-half / values), values * np.exp(half / values)
    elif transform == "plain":
        lower, upper = np.maximum(values - half, 0.0), values + half
    else:
        raise ValueError(f'transform must be "log" or "plain", got {transform!r}.')
    return StepCurve(times, values, lower, upper, at_risk, failing, variance, initial=0.0)


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
        Survival curve of the censoring time; ``events`` is the weight censored.

    Examples
    --------
    >>> censoring_curve([3, 5, 5, 8], [True, True, False, False]).values.tolist()
    [0.5, 0.0]
    """
    rows = check_lifetimes(durations, event_observed, entry, sample_weight)
    times, censored, at_risk = risk_table(rows, ~rows.event_observed)
    failed, failing, _ = risk_table(rows)
    # A failure tied with a censoring happens first, so it is no longer at risk of it.
    spot = np.searchsorted(failed, times)
    tied = np.append(failed, np.inf)[spot] == times
    at_risk = at_risk - np.where(tied, np.append(failing, 0.0)[spot], 0.0)
    return product_limit(times, censored, at_risk, level, transform)


def restricted_mean(curve: StepCurve, horizon: float) -> tuple[float, float]:
    """Return the mean of min(lifetime, horizon) and its standard error.

    The area under a survival curve up to ``horizon``; the variance is
    ``sum A_s^2 d_s / (n_s (n_s - d_s))`` with ``A_s`` the area from s to the horizon.

    Parameters
    ----------
    curve : StepCurve
        From :func:`kaplan_meier`.
    horizon : float
        Upper limit, in the unit of the durations; positive and finite.

    Returns
    -------
    mean, standard_error : float

    References
    ----------
    Irwin (1949), Journal of Hygiene 47; Klein and Moeschberger (2003), section 4.5.

    Examples
    --------
    >>> restricted_mean(kaplan_meier([2.0, 4.0]), 3.0)[0]
    2.5
    """
    if not (np.isfinite(horizon) and horizon > 0):
        raise ValueError(f"horizon must be positive and finite, got {horizon!r}.")
    if curve.initial != 1.0:
        raise ValueError("restricted_mean needs a survival curve, such as kaplan_meier's.")
    inside = curve.times < horizon
    edges = np.concatenate([[0.0], curve.times[inside], [horizon]])
    areas = np.diff(edges) * np.concatenate([[1.0], curve.values[inside]])
    beyond = np.cumsum(areas[::-1])[::-1][1:]
    failing, left = curve.events[inside], curve.at_risk[inside] - curve.events[inside]
    # Where everyone at risk fails no area is left, and the term is 0.
    safe = np.where(beyond > 0, left, 1.0)
    variance = np.sum(beyond**2 * failing / (curve.at_risk[inside] * safe))
    return float(np.sum(areas)), float(np.sqrt(variance))


def product_limit(
    times: Floats, failing: Floats, at_risk: Floats, level: float, transform: str
) -> StepCurve:
    """Multiply up the conditional survivals and put bounds around the product."""
    left = np.maximum(at_risk - failing, 0.0)
    left[left <= 1e-12 * at_risk] = 0.0
    values = np.cumprod(left / at_risk)
    alive = values > 0
    # Greenwood's sum is the variance of log S; it has no value where the curve is 0.
    greenwood = np.cumsum(np.where(alive, failing / (at_risk * np.where(alive, left, 1.0)), 0.0))
    lower, upper = survival_bounds(values, np.sqrt(greenwood), normal_quantile(level), transform)
    ceiling = upper[alive][-1] if np.any(alive) else 1.0
    upper = np.where(alive, upper, ceiling)
    lower = np.where(alive, lower, 0.0)
    variance = values**2 * greenwood
    return StepCurve(times, values, lower, upper, at_risk, failing, variance)


def survival_bounds(
    values: Floats, error: Floats, z: float, transform: str
) -> tuple[Floats, Floats]:
    """Return bounds of S from the standard error of log S, symmetric on one scale."""
    if transform == "plain":
        return np.maximum(values * (1 - z * error), 0.0), np.minimum(values * (1 + z * error), 1.0)
    if transform == "log":
        return values * np.exp(-z * error), np.minimum(values * np.exp(z * error), 1.0)
    if transform == "log-log":
        inside = (values > 0) & (values < 1)
        logs = np.log(np.where(inside, values, 0.5))
        stretch = np.exp(z * error / -logs)
        lower, upper = np.exp(logs * stretch), np.exp(logs / stretch)
        return np.where(inside, lower, values), np.where(inside, upper, values)
    raise ValueError(f'transform must be "log-log", "log" or "plain", got {transform!r}.')


def normal_quantile(level: float) -> float:
    """Return the two-sided standard normal quantile of a confidence level."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie strictly between 0 and 1, got {level!r}.")
    return NormalDist().inv_cdf(0.5 + level / 2)
