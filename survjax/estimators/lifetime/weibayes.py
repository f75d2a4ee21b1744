"""Weibull lives of a known shape: what running units say though none, or hardly any, has failed."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.validation import check_positive
from survjax.data.observations import Observations
from survjax.estimators.lifetime.predictions import check_level


@dataclasses.dataclass(frozen=True)
class Weibayes:
    """A Weibull of known shape: its scale, and a lower bound of all that follows from it.

    Attributes
    ----------
    shape, level : float
        As they were given.
    n_units, n_failures : float
        By their weights.
    scale : float
        Of maximum likelihood; infinite where nothing has failed.
    scale_lower : float
        Lower bound of the scale, at the level.
    """

    shape: float
    level: float
    n_units: float
    n_failures: float
    scale: float
    scale_lower: float

    def survival_lower(self, t: ArrayLike) -> Any:
        """Lower bound of P(T > t), the reliability at times t."""
        given = np.asarray(t, float)
        with np.errstate(divide="ignore", over="ignore"):
            z = self.shape * (np.log(np.maximum(given, 0.0)) - np.log(self.scale_lower))
            found = np.exp(-np.exp(z))
        return found if given.ndim else float(found)

    def quantile_lower(self, q: ArrayLike) -> Any:
        """Lower bound of the time by which a share q of units has failed, 0 <= q < 1."""
        share = np.asarray(q, float)
        if not np.all((share >= 0) & (share < 1)):
            raise ValueError(f"q must be a share of units in [0, 1), got {q!r}")
        found = self.scale_lower * (-np.log1p(-share)) ** (1.0 / self.shape)
        return found if share.ndim else float(found)


def weibayes(
    durations: ArrayLike,
    event_observed: ArrayLike | None = None,
    *,
    shape: float,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    level: float = 0.95,
) -> Weibayes:
    r"""The scale of a Weibull whose shape is known, with a one-sided lower bound.

    The bound needs no failure: units that run say how long lives are at least.
    `LifetimeModel("weibull", fixed={"shape": ...})` is the fit of the same model, with everything
    else, where something has failed.

    Parameters
    ----------
    durations, event_observed, entry, sample_weight
        As in `LifetimeModel.fit`.
    shape : float
        Of the Weibull, from earlier units of the same kind.
    level : float, default 0.95
        Of the lower bound, one-sided.

    Returns
    -------
    Weibayes
        `scale`, `scale_lower`, and lower bounds of survival and quantiles.

    Notes
    -----
    With r failures and the total :math:`G = \sum (t^\beta - entry^\beta)` of all units, the scale
    is :math:`(G / r)^{1/\beta}`, and its bound :math:`(2 G / \chi^2_{level}(2 r + 2))^{1/\beta}`:
    exact where each failed unit is replaced until a set total, and without failures; else
    conservative (Nelson 1985; Meeker and Escobar 1998, section 8.6).

    Examples
    --------
    Ten pumps have run 1000 hours each; from earlier ones the shape is about 2:

    >>> from survjax import weibayes
    >>> found = weibayes([1000.0] * 10, [0] * 10, shape=2.0)
    >>> round(found.scale_lower), round(found.survival_lower(500.0), 4)
    (1827, 0.9278)
    """
    # Deferred: loading SciPy takes longer than this does.
    from scipy.special import gammaincinv

    check_positive(shape, "shape")
    check_level(level)
    rows = Observations.from_durations(
        durations, event_observed, entry=entry, sample_weight=sample_weight
    )
    counted = rows.weight > 0
    if not counted.any():
        raise ValueError("nothing is known of any unit: all still run at age zero")
    lower = rows.lower[counted]
    began = np.zeros(lower.size) if rows.entry is None else rows.entry[counted]
    longest = float(lower.max())
    # Powers of ratios: those of the times themselves may leave the range of numbers.
    total = float(rows.weight[counted] @ ((lower / longest) ** shape - (began / longest) ** shape))
    failures = float(rows.n_events)
    scale = longest * (total / failures) ** (1.0 / shape) if failures else np.inf
    bound = longest * (total / float(gammaincinv(failures + 1.0, level))) ** (1.0 / shape)
    return Weibayes(float(shape), level, float(rows.n_units), failures, scale, bound)
