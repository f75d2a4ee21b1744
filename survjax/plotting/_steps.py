"""Pictures of curves that assume no family: steps and their bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from survjax.nonparametric import StepCurve
from survjax.plotting.data import check_fitted, drawn_steps, grid, incidence_steps, longest
from survjax.plotting.style import COMPONENTS, MODEL, finish, start


def plot_steps(
    curve: StepCurve,
    ax: Axes | None = None,
    *,
    unit: str | None = None,
    label: str | None = None,
) -> Axes:
    """Draw a step curve with its pointwise bounds, up to the end of follow-up.

    Parameters
    ----------
    curve : StepCurve
        Such as `kaplan_meier` returns. Where a step is known only to lie in an interval, as in
        Turnbull's estimate, a slope crosses the interval.
    ax : matplotlib Axes, optional
        Where to draw, over what is there; None makes a figure.
    unit : str, optional
        Unit of time, for the label.
    label : str, optional
        Name of the curve, for the legend.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from survjax import kaplan_meier
    >>> from survjax.plotting import plot_steps
    >>> ax = plot_steps(kaplan_meier([2, 3, 5, 7], [1, 1, 0, 1]), unit="years")
    >>> ax.get_xlabel(), ax.get_title(loc="left")
    ('age (years)', 'Survival')
    """
    if not isinstance(curve, StepCurve):
        raise TypeError(f"curve must be a StepCurve, got {type(curve).__name__}")
    fresh, survival = ax is None, curve.initial == 1
    # A curve from 0 up is a share of failures or a cumulative hazard: its holder knows which.
    title, height = ("Survival", "share still running") if survival else ("Steps", "value")
    ax = start(None, title=title, x="age ({unit})", y=height, unit=unit) if ax is None else ax
    colors = (MODEL, *COMPONENTS)
    color = colors[len(ax.get_lines()) % len(colors)]
    last = curve.end if np.isfinite(curve.end) else 0.0
    times, values = drawn_steps(curve, last)
    ax.plot(times, values, color=color, linewidth=1.8, label=label)
    if np.all(np.isfinite(curve.lower)) and np.all(np.isfinite(curve.upper)):
        low, high = (drawn_steps(curve, last, bound)[1] for bound in (curve.lower, curve.upper))
        ax.fill_between(times, low, high, color=color, alpha=0.2, linewidth=0)
    if fresh:
        ax.set_xlim(0, None)
        ax.set_ylim(0, 1.02 if survival else None)
    return finish(ax, 4)


def plot_incidence(
    model: Any,
    ax: Axes | None = None,
    *,
    times: ArrayLike | None = None,
    level: float = 0.95,
    unit: str | None = None,
) -> Axes:
    """Draw the share of units that each cause has ended, with its band, over the data's steps.

    Parameters
    ----------
    model : CompetingRisks
        Fitted.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.
    times : array-like of shape (n,), optional
        Where the curves are computed; by default from zero to the last time in the data.
    level : float, default 0.95
        Of the bands, which hold at each time on its own.
    unit : str, optional
        Unit of time, for the label.

    Returns
    -------
    matplotlib Axes
        The steps are the Aalen-Johansen estimate. There are none of a model from a file, and
        where a cause is not known or a time only known to lie in an interval.

    Examples
    --------
    >>> from survjax import CompetingRisks
    >>> from survjax.plotting import plot_incidence
    >>> model = CompetingRisks({"wear": "weibull", "shock": "exponential"})
    >>> model = model.fit([3.0, 5.0, 6.0, 8.0], ["wear", "shock", None, "wear"])
    >>> plot_incidence(model).get_title(loc="left")
    'Cumulative incidence'
    """
    check_fitted(model, "plot_incidence")
    if ax is None:
        title, height = "Cumulative incidence", "share ended"
        ax = start(None, title=title, x="age ({unit})", y=height, unit=unit)
    t, steps = grid(model, times), incidence_steps(model)
    colors = (MODEL, *COMPONENTS)
    for number, cause in enumerate(model.lifetimes_):
        color = colors[number % len(colors)]
        found = model.cumulative_incidence(t, cause, level)
        ax.plot(t, found["cumulative_incidence"], color=color, linewidth=1.8, label=str(cause))
        if model.converged_:
            ax.fill_between(t, found["lower"], found["upper"], color=color, alpha=0.2, linewidth=0)
        if steps is not None:
            x, heights = drawn_steps(steps[cause], longest(model))
            ax.plot(x, heights, color=color, linewidth=1.0, alpha=0.7)
    ax.set_xlim(0, None)
    ax.set_ylim(0, None)
    return finish(ax, len(model.lifetimes_))
