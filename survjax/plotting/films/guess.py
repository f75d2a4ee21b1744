"""The way from a plain first guess: a fit's own begins where a search has already been."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from survjax.estimators.lifetime.weibull_mixture import WeibullMixture
from survjax.likelihood.weibulls import weibull_vector
from survjax.plotting.data import failures

if TYPE_CHECKING:
    import pandas as pd


def history_from_guess(model: WeibullMixture) -> pd.DataFrame:
    """The iterations from a plain guess to the fit; the fit's own where it leads elsewhere."""
    own = model.history_
    k = len(model.weights_)
    if k == 1:
        return own
    table = model._history(_guess(model, k))
    gap = abs(float(table["log_likelihood"].iloc[-1]) - model.log_likelihood_)
    return table if gap < 1e-6 * (1.0 + abs(model.log_likelihood_)) else own


def _guess(model: WeibullMixture, k: int) -> np.ndarray:
    """Equal shares, constant hazards, scales around the failures; as logits and logs."""
    times, weights = failures(model)
    log_time = np.log(times)
    center = np.average(log_time, weights=weights)
    spread = np.sqrt(np.average((log_time - center) ** 2, weights=weights))
    scales = center + spread * np.linspace(-0.5, 0.5, k)
    return weibull_vector(np.zeros(k), scales, np.zeros(k))
