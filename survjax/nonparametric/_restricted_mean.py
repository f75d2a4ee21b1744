"""The mean life within a horizon, from a survival curve."""

from __future__ import annotations

import numpy as np

from survjax.nonparametric._step import StepCurve

__all__ = ["restricted_mean"]


def restricted_mean(curve: StepCurve, horizon: float) -> tuple[float, float]:
    """Return the mean of min(lifetime, horizon) and its standard error.

    The area under a survival curve up to ``horizon``; the variance is
    ``sum A_s^2 d_s / (n_s (n_s - d_s))`` with ``A_s`` the area from s to the horizon.

    Parameters
    ----------
    curve : StepCurve
        From :func:`~survjax.nonparametric.kaplan_meier`.
    horizon : float
        Upper limit, in the unit of the durations; positive and finite.

    Returns
    -------
    mean, standard_error : float
        NaN where the horizon lies beyond the end of follow-up, unless the curve has reached 0.
        The standard error is NaN for a curve without a variance, such as Turnbull's.

    References
    ----------
    Irwin (1949), Journal of Hygiene 47; Klein and Moeschberger (2003), section 4.5.

    Examples
    --------
    >>> from survjax.nonparametric import kaplan_meier
    >>> restricted_mean(kaplan_meier([2.0, 4.0]), 3.0)[0]
    2.5
    >>> restricted_mean(kaplan_meier([2.0, 4.0], [True, False]), 5.0)
    (nan, nan)
    """
    if not (np.isfinite(horizon) and horizon > 0):
        raise ValueError(f"horizon must be positive and finite, got {horizon!r}.")
    if curve.initial != 1.0:
        raise ValueError("restricted_mean needs a survival curve, such as kaplan_meier's.")
    limit = float(curve.nearest(horizon))
    if not curve.known_at(limit):
        return np.nan, np.nan
    inside = curve.times < limit
    values = curve.values[inside]
    edges = np.concatenate([[0.0], curve.times[inside], [limit]])
    areas = np.diff(edges) * np.concatenate([[1.0], values])
    ahead = np.cumsum(areas[::-1])[::-1][1:]
    # The share of those at risk that survive each time, without a difference of two numbers.
    kept = np.divide(values, np.concatenate([[1.0], values])[:-1], where=values > 0, out=values * 0)
    failing, at_risk = curve.events[inside], curve.at_risk[inside]
    # Where everyone at risk fails no area is left, and the term is 0.
    safe = np.where(ahead > 0, at_risk * kept, 1.0)
    terms = ahead**2 * failing / (at_risk * safe)
    error = np.sqrt(np.sum(terms)) if np.all(np.isfinite(curve.variance)) else np.nan
    return float(np.sum(areas)), float(error)
