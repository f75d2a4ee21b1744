"""Warns of a component whose lives the data do not determine."""

from __future__ import annotations

import warnings

import numpy as np

from survjax._core.callers import users_level
from survjax.data.observations import Observations
from survjax.estimators.messages import FitWarning
from survjax.uncertainty.determined import UNDETERMINED, log_errors


def warn_undetermined(
    x: np.ndarray, covariance: np.ndarray, weights: np.ndarray, rows: Observations
) -> None:
    """One warning that names the components, and up to which quantile the fit can be used."""
    errors = log_errors(x, covariance)
    # Where there is no covariance, another warning has said so.
    bad = np.flatnonzero(errors.component_errors > UNDETERMINED)
    if not bad.size:
        return
    means = ", ".join(
        f"the mean life of component {k + 1} ({100 * weights[k]:.2g} % of units), "
        f"{errors.component_means[k]:.3g} by the fit,"
        if weights.size > 1
        else f"the mean life, {errors.component_means[k]:.3g} by the fit,"
        for k in bad
    )
    known = errors.well_known()
    upto = f"the quantiles up to q{known:02d} are" if known else "no quantile is"
    fewer = ", or take fewer components" if weights.size > 1 else ""
    longest = float(np.max(rows.lower[rows.weight > 0]))
    warnings.warn(
        f"the data do not determine {means} which may be off by a factor of more than 100 either "
        f"way (95 % bounds): it lies far beyond the longest observed time ({longest:g}). "
        f"Of the fleet, {upto} known within a factor of 10; later quantiles and the mean are not. "
        f"Use the bounds of summary() and predict_rul, observe for longer{fewer}",
        FitWarning,
        stacklevel=users_level(),
    )
