"""Remaining useful life against age."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from survjax.estimators.lifetime.predictions import FittedLifetime, rul_columns
from survjax.plotting.data import check_fitted, grid
from survjax.plotting.style import DATA, GRAY, MODEL, OTHER, fill, finish, start

if TYPE_CHECKING:
    import pandas as pd

#: Units in service marked at most; of more, ages that split them evenly.
MARKS = 300


def plot_rul(
    model: FittedLifetime,
    ax: Axes | None = None,
    *,
    ages: ArrayLike | None = None,
    table: pd.DataFrame | Mapping[str, np.ndarray] | None = None,
    level: float = 0.95,
    running: ArrayLike | None = None,
    unit: str | None = None,
) -> Axes:
    """Draw the mean remaining life against age, its band, and the range of single lives.

    Parameters
    ----------
    model : fitted estimator
        Such as `WeibullMixture`.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.
    ages : array-like of shape (n,), optional
        Ages reached; by default from zero to the last time in the data.
    table : DataFrame or dict of arrays, optional
        What `predict_rul(ages)` gave for these ages, in rising order, where it is known already.
    level : float, default 0.95
        Of the band around the mean: how well the fit knows it.
    running : array-like, optional
        Ages of units in service, marked along the axis.
    unit : str, optional
        Unit of time, for the labels.

    Returns
    -------
    matplotlib Axes
        Dotted lines: the remaining lives that 10% and 90% of units of that age do not reach.

    Examples
    --------
    >>> from survjax import WeibullMixture
    >>> from survjax.plotting import plot_rul
    >>> model = WeibullMixture(1).fit([2.0, 3.0, 5.0, 7.0])
    >>> plot_rul(model, unit="years").get_ylabel()
    'remaining life (years)'
    """
    check_fitted(model, "plot_rul")
    ages = np.concatenate([[0.0], grid(model)[:-1]]) if ages is None else grid(model, ages)
    if table is None:
        table = rul_columns(model, ages, (0.1, 0.5, 0.9), level)
    table = {name: np.asarray(table[name], float) for name in table}
    ax = start(
        ax,
        title="Remaining useful life",
        x="age reached ({unit})",
        y="remaining life ({unit})",
        unit=unit,
    )
    lower, upper = table["mean_lower"], table["mean_upper"]
    if np.all(np.isfinite(lower) & np.isfinite(upper)):
        fill(ax, ages, (lower, upper), level, " of the mean")
    ax.plot(ages, table["mean"], color=MODEL, linewidth=1.8, label="mean")
    ax.plot(ages, table["q50"], "--", color=OTHER, linewidth=1.3, label="median")
    ax.plot(ages, table["q10"], ":", color=GRAY, linewidth=1.4, label="10% and 90% of units")
    ax.plot(ages, table["q90"], ":", color=GRAY, linewidth=1.4)
    if running is not None:
        marks = np.unique(np.asarray(running, float))
        if marks.size > MARKS:
            marks = np.quantile(marks, np.linspace(0.0, 1.0, MARKS))
        ax.plot(
            marks,
            np.full(marks.size, 0.02),
            "|",
            transform=ax.get_xaxis_transform(),
            color=DATA,
            markersize=7,
            alpha=0.5,
            label="units in service",
        )
    ax.set_xlim(ages[0], ages[-1])
    # What some units never reach has no place in a picture.
    shown = [table[name] for name in ("mean", "q50", "q10", "q90")]
    most = table["q90"] if np.isfinite(table["q90"]).any() else np.stack(shown)
    ax.set_ylim(0, 1.04 * float(np.max(most, where=np.isfinite(most), initial=0.0)) or 1.0)
    return finish(ax, 3)
