"""Quantiles of a model against those of the data."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from survjax.estimators.lifetime.estimator import LifetimeEstimator
from survjax.plotting._paper import failure_points
from survjax.plotting.data import check_fitted, steps, survival_of, title_of
from survjax.plotting.style import DATA, MODEL, OTHER, finish, start
from survjax.uncertainty.delta import rows_needed

#: Age by which only those have failed that did so at birth.
EARLIEST = 1e-290


def plot_quantiles(
    model: LifetimeEstimator,
    ax: Axes | None = None,
    *,
    compare: LifetimeEstimator | None = None,
    unit: str | None = None,
) -> Axes:
    """Draw the ages at which units failed against the ages at which the model says they do (QQ).

    Each failure stands at the model's quantile of the share that the data say has failed by then.
    Points on the diagonal: the model is right. Points above it: units last longer than it says.

    Parameters
    ----------
    model : fitted estimator
        Of one lifetime, with the rows that were fitted.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.
    compare : fitted estimator, optional
        Another fit to the same rows, drawn as crosses.
    unit : str, optional
        Unit of time, for the labels.

    Returns
    -------
    matplotlib Axes

    Notes
    -----
    Shares are in the middle of each Kaplan-Meier step, and at the end of each interval of
    Turnbull's estimate (Meeker and Escobar 1998, section 6.4).

    Examples
    --------
    >>> from survjax import LifetimeModel
    >>> from survjax.plotting import plot_quantiles
    >>> model = LifetimeModel("lognormal").fit([2.0, 3.0, 5.0, 7.0])
    >>> plot_quantiles(model, unit="years").get_ylabel()
    'age at failure (years)'
    """
    check_fitted(model, "plot_quantiles")
    found = steps(model, 0.95)
    if found is None:
        raise rows_needed("plot_quantiles")
    times, survival = failure_points(found[0])
    inside = (survival > 0) & (survival < 1)
    times = times[inside]
    x, y = "quantile of the model ({unit})", "age at failure ({unit})"
    ax = start(ax, title="Quantiles", x=x, y=y, unit=unit)
    drawn = [(model, "o", DATA, 3.4)] + ([(compare, "x", OTHER, 4.0)] if compare else [])
    last = float(times.max(initial=0.0))
    for one, marker, color, size in drawn:
        # A model's own quantiles are of units that live; what failed at birth is none of them.
        born = survival_of(one, np.array([EARLIEST]))[0]
        quantile = np.asarray(one.quantile(np.maximum(1.0 - survival[inside] / born, 0.0)))
        last = max(last, float(quantile.max(initial=0.0)))
        style: dict[str, Any] = {"color": color, "markersize": size, "alpha": 0.8}
        ax.plot(quantile, times, marker, label=f"{title_of(one)} ({found[1]})", **style)
    ax.plot([0.0, last], [0.0, last], color=MODEL, linewidth=1.5, label="model = data")
    ax.set_xlim(0, 1.03 * last)
    ax.set_ylim(0, 1.03 * last)
    return finish(ax, 3)
