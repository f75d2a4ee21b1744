"""Bounds of cumulative incidences."""

from __future__ import annotations

import numpy as np

from survjax.lifetimes import Competing
from survjax.prediction.curves import response_interval, response_value
from survjax.prediction.incidence import incidence
from survjax.uncertainty.modes import Maxima, over_all


def bounded_incidence(
    lifetime: Competing,
    covariance: np.ndarray,
    maxima: Maxima | None,
    cause: int,
    t: np.ndarray,
    ages: np.ndarray,
    level: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares (n,) that a cause has ended within times after ages, with bounds over all maxima.

    The delta method is applied on the log(-log(1 - F)) scale.
    """
    values, _, low, high = over_all(
        lambda at, c: incidence(at, c, cause, t, ages), lifetime, covariance, maxima, level
    )
    return (response_value("cdf", values), *response_interval("cdf", low, high))
