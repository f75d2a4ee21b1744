"""Pictures of curves that assume no family: steps and their bounds."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from survjax.nonparametric import StepCurve
from survjax.plotting.data import check_fitted, drawn_steps, grid, incidence_steps, longest
from survjax.plotting.style import COMPONENTS, DATA, GRAY, MODEL, finish, start


def plot_steps(
    curve: StepCurve | Mapping[Hashable, StepCurve],
    ax: Axes | None = None,
    *,
    unit: str | None = None,
    label: str | None = None,
    at_risk: bool = False,
) -> Axes:
    """Draw a step curve, or those of several groups, with pointwise bounds up to their ends.

    Parameters
    ----------
    curve : StepCurve or mapping
        Such as `kaplan_meier` returns; or the names of groups with the curve of each. Where a step
        is known only to lie in an interval, as in Turnbull's estimate, a slope crosses it.
    ax : matplotlib Axes, optional
        Where to draw, over what is there; None makes a figure.
    unit : str, optional
        Unit of time, for the label.
    label : str, optional
        Name of a single curve, for the legend.
    at_risk : bool, default False
        Whether to write below the axis how many units each curve has at risk, at the marked times.

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

    Two groups, with the numbers at risk:

    >>> groups = {
    ...     "pumps": kaplan_meier([2, 3, 5, 7], [1, 1, 0, 1]),
    ...     "fans": kaplan_meier([1, 4, 6, 6], [1, 1, 1, 0]),
    ... }
    >>> ax = plot_steps(groups, unit="years", at_risk=True)
    """
    groups = curve if isinstance(curve, Mapping) else {label: curve}
    for one in groups.values():
        if not isinstance(one, StepCurve):
            raise TypeError(f"curve must be a StepCurve, got {type(one).__name__}")
    if not groups:
        raise ValueError("there is no curve to draw: the mapping of groups is empty")
    colors, fresh = [], ax is None
    for name, one in groups.items():
        ax = _draw_steps(one, ax, unit, None if name is None else str(name))
        colors.append(ax.get_lines()[-1].get_color())
    assert ax is not None
    ends = [float(np.max(line.get_xdata())) for line in ax.get_lines()]
    if not fresh and not ax.get_autoscalex_on():
        # The limits of what was there may hide a longer curve.
        ax.set_xlim(right=max(ax.get_xlim()[1], *ends))
    if fresh:
        ax.autoscale()
        ax.set_xlim(0, 1.03 * max(ends) or None)
        survival = all(one.initial == 1 for one in groups.values())
        highest = max(float(np.max(one.values, initial=0.0)) for one in groups.values())
        # The bound of the last step may lie far above all else.
        ax.set_ylim(0, 1.02 if survival else min(ax.get_ylim()[1], 1.6 * highest) or None)
    if at_risk:
        _write_at_risk(ax, groups, colors)
    return ax


def _write_at_risk(ax: Axes, groups: Mapping[Any, StepCurve], colors: Sequence[Any]) -> None:
    """Numbers at risk below the marked times, a line a curve in its color; they name it too."""
    unknown = [str(name) for name, curve in groups.items() if curve.watched is None]
    if unknown:
        raise ValueError(
            "numbers at risk are known of Kaplan-Meier, Nelson-Aalen and Aalen-Johansen curves "
            f"only, not of {unknown[0] if unknown[0] != 'None' else 'this one'}: leave out at_risk"
        )
    low, high = ax.get_xlim()
    ticks = np.array([tick for tick in ax.get_xticks() if low <= tick <= high])
    if legend := ax.get_legend():
        legend.remove()
    line: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
    first: dict[str, Any] = {"annotation_clip": False, "va": "top", "fontsize": "small"}
    ax.annotate("at risk", (low, 0.0), (0, -34), ha="left", color=GRAY, **line, **first)
    for row, (color, (name, curve)) in enumerate(zip(colors, groups.items(), strict=True)):
        down = -48 - 14 * row
        if name is not None:
            ax.annotate(
                f"{name} ", (low, 0.0), (-24, down), ha="right", color=color, parse_math=False,
                **line, **first,
            )  # fmt: skip
        for tick, number in zip(ticks, curve.number_at_risk(ticks), strict=True):
            words = f"{number:,.6g}" if number < 1e6 else f"{number:,.0f}"
            ax.annotate(words, (tick, 0.0), (0, down), ha="center", color=color, **line, **first)


def _draw_steps(curve: StepCurve, ax: Axes | None, unit: str | None, label: str | None) -> Axes:
    """One curve and its band."""
    survival = curve.initial == 1
    title, height = "Survival", "share still running"
    if not survival:
        title, height = curve.quantity.capitalize() or "Steps", curve.quantity or "value"
    ax = start(None, title=title, x="age ({unit})", y=height, unit=unit) if ax is None else ax
    colors = (MODEL, *COMPONENTS)
    color = colors[len(ax.get_lines()) % len(colors)]
    last = curve.end if np.isfinite(curve.end) else 0.0
    times, values = drawn_steps(curve, last)
    ax.plot(times, values, color=color, linewidth=1.8, label=label)
    if np.all(np.isfinite(curve.lower)) and np.all(np.isfinite(curve.upper)):
        low, high = (drawn_steps(curve, last, bound)[1] for bound in (curve.lower, curve.upper))
        ax.fill_between(times, low, high, color=color, alpha=0.2, linewidth=0)
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
    model : CompetingRisks or CompetingRegression
        Fitted. With covariates, the mean over the units that were fitted is drawn, without a band.
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
    labels = model._labels()
    # A cause has the color that it has in the picture of Aalen and Johansen's estimate.
    rank = {cause: i for i, cause in enumerate(sorted(labels, key=str))}
    for cause in labels:
        color = colors[rank[cause] % len(colors)]
        values, *band = model._drawn_incidence(t, cause, level)
        ax.plot(t, values, color=color, linewidth=1.8, label=str(cause))
        if band:
            ax.fill_between(t, *band, color=color, alpha=0.2, linewidth=0)
        if steps is not None:
            x, heights = drawn_steps(steps[cause], longest(model))
            ax.plot(x, heights, color=color, linewidth=1.0, alpha=0.7)
    if steps is not None:
        ax.plot([], [], color=DATA, linewidth=1.0, label="Aalen-Johansen (data)")
    ax.set_xlim(0, None)
    ax.set_ylim(0, None)
    return finish(ax, len(labels) + 1)
