"""Weibull probability paper, on which a single Weibull is a straight line."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, NullLocator

from survjax.inference.nonparametric import StepCurve
from survjax.plotting._data import check_fitted, curves, draw_other, grid, log_grid, steps, title_of
from survjax.plotting._style import DATA, MODEL, fill, finish, start

#: Failed shares that may be marked on the axis.
SHARES = np.array(
    [1e-5, 1e-4, 1e-3, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999, 0.9999]
)


def plot_paper(
    model: Any,
    ax: Axes | None = None,
    *,
    times: Any = None,
    level: float = 0.95,
    compare: Any = None,
    unit: str | None = None,
) -> Axes:
    """Draw failed share against age on Weibull probability paper.

    Both axes are scaled, log t across and log(-log S) upward, so that a single Weibull is a
    straight line whose slope is its shape. Data that bend hold more than one kind of unit.

    Parameters
    ----------
    model : fitted estimator
        Such as `WeibullMixture`. One loaded from a file has no rows, hence no points.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.
    times : array-like of shape (n,), optional
        Where the curve is computed, all above zero.
    level : float, default 0.95
        Of the band, which holds at each time on its own.
    compare : fitted estimator, optional
        Another fit, drawn dashed.
    unit : str, optional
        Unit of time, for the label.

    Returns
    -------
    matplotlib Axes

    Notes
    -----
    Points stand in the middle of each Kaplan-Meier step, as Meeker and Escobar (1998, section
    6.4) do.

    Examples
    --------
    >>> from survjax import WeibullMixture
    >>> from survjax.plotting import plot_paper
    >>> model = WeibullMixture(1).fit([2.0, 3.0, 5.0, 7.0])
    >>> plot_paper(model, unit="years").get_xscale()
    'log'
    """
    check_fitted(model)
    t = log_grid(model) if times is None else grid(model, times)
    if not t[0] > 0:
        raise ValueError(f"times must be positive on a log scale, got {t[0]:g}")
    survival = curves(model, t, level)["survival"]
    ax = start(ax, title="Weibull probability paper", x="age ({unit})", y="failed share", unit=unit)
    ax.set_xscale("log")
    heights = [paper(survival.values)]
    found = steps(model, level)
    if found is not None:
        curve, name = found
        at, values = _points(curve)
        heights.append(paper(values))
        ax.plot(
            at,
            heights[-1],
            "o",
            color=DATA,
            markersize=3.2,
            markeredgewidth=0,
            alpha=0.75,
            label=f"failures ({name})",
        )
    if survival.limits is not None:
        lower, upper = survival.limits
        fill(ax, t, (paper(upper), paper(lower)), level)
    ax.plot(t, heights[0], color=MODEL, linewidth=1.8, label=title_of(model))
    draw_other(ax, t, compare, "survival", paper)
    _scale(ax, t, np.concatenate(heights))
    return finish(ax, 4)


def paper(survival: Any) -> np.ndarray:
    """The height on the paper of a survival share: log(-log S); NaN where S is 0 or 1."""
    survival = np.asarray(survival, float)
    inside = (survival > 0) & (survival < 1)
    return np.where(inside, np.log(-np.log(np.where(inside, survival, 0.5))), np.nan)


def _points(curve: StepCurve) -> tuple[np.ndarray, np.ndarray]:
    """Event times, and the survival in the middle of each step."""
    before = np.concatenate([[curve.initial], curve.values[:-1]])
    finite = np.isfinite(curve.times)
    return curve.times[finite], 0.5 * (before + curve.values)[finite]


def _scale(ax: Axes, t: np.ndarray, heights: np.ndarray) -> None:
    """Mark failed shares on the upright axis, and round ages on the other."""
    heights = heights[np.isfinite(heights)]
    low, high = (float(heights.min()), float(heights.max())) if heights.size else (-5.0, 1.5)
    room = 0.05 * max(high - low, 1.0)
    ax.set_ylim(low - room, high + room)
    marks = np.log(-np.log1p(-SHARES))
    shown = [i for i, mark in enumerate(marks) if low - room < mark < high + room]
    # High shares crowd together at the top: keep those that leave room for their text.
    apart = 0.045 * (high - low)
    kept = [i for n, i in enumerate(shown) if n == 0 or marks[i] - marks[shown[n - 1]] > apart]
    ax.set_yticks(marks[kept], [f"{100 * share:.6g}%" for share in SHARES[kept]])
    ax.set_xlim(t[0], t[-1])
    marks = _round_ages(t[0], t[-1])
    ax.set_xticks(marks, [f"{age:.6g}" for age in marks])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())


def _round_ages(low: float, high: float) -> np.ndarray:
    """Ages 1, 2, 5 times powers of ten in a range, or powers alone where it is wide."""
    powers = 10.0 ** np.arange(np.floor(np.log10(low)) - 1, np.ceil(np.log10(high)) + 1)
    steps = (1, 2, 5) if high / low < 3e3 else (1,)
    marks = np.array([step * power for power in powers for step in steps])
    return marks[(marks >= low * (1 - 1e-9)) & (marks <= high * (1 + 1e-9))]
