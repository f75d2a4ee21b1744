"""Probability paper, on which a family of lifetimes is a straight line."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, NullLocator
from numpy.typing import ArrayLike

from survjax.estimators.lifetime.predictions import FittedLifetime
from survjax.nonparametric import StepCurve
from survjax.plotting.checks.papers import Paper, paper_for
from survjax.plotting.data import (
    check_fitted,
    drawn_curve,
    grid,
    log_grid,
    steps,
    survival_of,
    title_of,
)
from survjax.plotting.style import DATA, MODEL, OTHER, fill, finish, start, tick_text

#: Failed shares that may be marked on the axis, the more telling ones first.
SHARES = np.array(
    [0.5, 0.1, 0.01, 0.9, 0.001, 0.99, 0.2, 0.05, 0.02, 1e-4, 1e-5, 1e-6, 0.3, 0.7, 0.003, 0.999]
)
#: Points drawn at most; beyond, they would only be a thicker line.
POINTS = 300


def plot_paper(
    model: FittedLifetime,
    ax: Axes | None = None,
    *,
    times: ArrayLike | None = None,
    level: float = 0.95,
    compare: FittedLifetime | None = None,
    unit: str | None = None,
    paper: str | None = None,
) -> Axes:
    """Draw failed share against age on probability paper.

    Both axes are scaled so that each member of a family is a straight line. On Weibull's, log t
    across and log(-log S) upward, the slope is the shape. Data that bend do not look like the
    family, or hold more than one kind of unit.

    Parameters
    ----------
    model : fitted estimator
        Such as `WeibullMixture`. One loaded from a file has no rows, hence no points.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.
    times : array-like of shape (n,), optional
        Where the curve is computed, all above zero.
    level : float, default 0.95
        Of the band, which holds at each time on its own; none of a family that fails at birth.
    compare : fitted estimator, optional
        Another fit, drawn dashed.
    unit : str, optional
        Unit of time, for the label.
    paper : str, optional
        "weibull", "exponential", "lognormal", "loglogistic", "normal", "logistic" or "gumbel".
        None: the family's own, if it has one, and Weibull's for any other lifetime.

    Returns
    -------
    matplotlib Axes

    Notes
    -----
    Upward is the quantile of the family's noise: log(-log S), the normal quantile or the logit of
    the failed share. Ages are on a log scale but for "normal", "logistic", "gumbel" and
    "exponential" (on which -log S is a line through zero). Points stand in the middle of each
    Kaplan-Meier step (Meeker and Escobar 1998, section 6.4),
    and at the end of each interval of Turnbull's estimate, where it is known.

    Examples
    --------
    >>> from survjax import WeibullMixture
    >>> from survjax.plotting import plot_paper
    >>> model = WeibullMixture(1).fit([2.0, 3.0, 5.0, 7.0])
    >>> plot_paper(model, unit="years").get_xscale()
    'log'
    """
    check_fitted(model, "plot_paper")
    scale = paper_for(model, paper)
    t = grid(model, times) if times is not None or not scale.is_log else log_grid(model)
    if scale.is_log and not t[0] > 0:
        raise ValueError(f"times must be positive on a log scale, got {t[0]:g}")
    survival, drawn = survival_of(model, t), drawn_curve(model, "survival", t, level)
    title = f"{scale.name.capitalize()} probability paper"
    ax = start(ax, title=title, x="age ({unit})", y="failed share", unit=unit)
    if scale.is_log:
        ax.set_xscale("log")
    heights = [scale.height(survival)]
    found = steps(model, level)
    if found is not None:
        at, values = failure_points(found[0])
        heights.append(scale.height(values))
        style = {"markersize": 3.2, "markeredgewidth": 0, "alpha": 0.75}
        ax.plot(at, heights[-1], "o", color=DATA, label=f"failures ({found[1]})", **style)
    # The band is of units that live: it holds where none failed at birth.
    if drawn.limits is not None and np.allclose(drawn.values, survival, atol=1e-6):
        lower, upper = drawn.limits
        fill(ax, t, (scale.height(upper), scale.height(lower)), level)
    ax.plot(t, heights[0], color=MODEL, linewidth=1.8, label=title_of(model))
    if compare is not None:
        check_fitted(compare, "plot_paper")
        other = scale.height(survival_of(compare, t))
        ax.plot(t, other, "--", color=OTHER, linewidth=1.5, label=title_of(compare))
    # A model's curve may leave the paper where the data do not.
    _scale(ax, t, np.concatenate(heights if found is None else heights[1:]), scale)
    return finish(ax, 4)


def failure_points(curve: StepCurve) -> tuple[np.ndarray, np.ndarray]:
    """Times of failures and the survival there; some of them where there are many."""
    finite = np.isfinite(curve.times)
    times, values = curve.times[finite], curve.values[finite]
    if curve.starts is None:
        values = 0.5 * (values + np.concatenate([[curve.initial], values[:-1]]))
    if times.size > POINTS:
        # Evenly along the log of their rank, so that the few early ones are all there.
        chosen = np.unique(np.geomspace(1, times.size, POINTS).astype(int) - 1)
        evenly = np.linspace(0, times.size - 1, POINTS).astype(int)
        chosen = np.union1d(chosen, evenly)
        times, values = times[chosen], values[chosen]
    return times, values


def _scale(ax: Axes, t: np.ndarray, heights: np.ndarray, scale: Paper) -> None:
    """Mark failed shares on the upright axis, and round ages on a log scale."""
    heights = heights[np.isfinite(heights)]
    low, high = (float(heights.min()), float(heights.max())) if heights.size else (-5.0, 1.5)
    room = 0.05 * max(high - low, 1.0)
    ax.set_ylim(low - room, high + room)
    # Marks crowd together toward high shares: each keeps room for its text.
    marks: dict[float, str] = {}
    for share, mark in zip(SHARES, scale.height(1.0 - SHARES), strict=True):
        apart = min((abs(mark - other) for other in marks), default=np.inf)
        if low - room < mark < high + room and apart > 0.05 * (high - low):
            marks[float(mark)] = f"{100 * share:.6g}%"
    ax.set_yticks(list(marks), list(marks.values()))
    ax.set_xlim(t[0] if scale.is_log else 0.0, t[-1])
    if scale.is_log:
        ages = _round_ages(t[0], t[-1])
        ax.set_xticks(ages, [tick_text(age) for age in ages])
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_minor_formatter(NullFormatter())


def _round_ages(low: float, high: float) -> np.ndarray:
    """Ages 1, 2, 5 times powers of ten in a range, or powers alone where it is wide."""
    powers = 10.0 ** np.arange(np.floor(np.log10(low)) - 1, np.ceil(np.log10(high)) + 1)
    steps = (1, 2, 5) if high / low < 3e3 else (1,)
    marks = np.array([step * power for power in powers for step in steps])
    return marks[(marks >= low * (1 - 1e-9)) & (marks <= high * (1 + 1e-9))]
