"""Pictures of a fit against time: survival with its data, and hazard with its components."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from survjax.estimators.lifetime.predictions import FittedLifetime
from survjax.nonparametric import StepCurve
from survjax.plotting._steps import plot_steps
from survjax.plotting.data import (
    POINTS,
    Drawn,
    check_fitted,
    draw_other,
    drawn_curve,
    drawn_steps,
    grid,
    longest,
    steps,
    title_of,
)
from survjax.plotting.films.weibulls import Weibulls
from survjax.plotting.style import COMPONENTS, DATA, MODEL, fill, finish, rate_axis, start


def plot_survival(
    model: FittedLifetime,
    ax: Axes | None = None,
    *,
    times: ArrayLike | None = None,
    level: float = 0.95,
    compare: FittedLifetime | None = None,
    unit: str | None = None,
) -> Axes:
    """Draw the survival curve with its band, over the Kaplan-Meier steps of the data.

    Parameters
    ----------
    model : fitted estimator
        Such as `WeibullMixture`. One loaded from a file has no rows, hence no steps. A `StepCurve`,
        such as `kaplan_meier` returns, is drawn by `plot_steps`.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.
    times : array-like of shape (n,), optional
        Where the curve is computed; by default from zero to the last time in the data.
    level : float, default 0.95
        Of the bands, which hold at each time on its own.
    compare : fitted estimator, optional
        Another fit, drawn dashed.
    unit : str, optional
        Unit of time, for the label.

    Returns
    -------
    matplotlib Axes
        `plotting.save(ax, path)` writes it; a notebook shows it.

    Examples
    --------
    >>> from survjax import WeibullMixture
    >>> from survjax.plotting import plot_survival
    >>> model = WeibullMixture(1).fit([2.0, 3.0, 5.0, 7.0])
    >>> plot_survival(model, unit="years").get_xlabel()
    'age (years)'
    """
    if isinstance(model, StepCurve):
        ax = plot_steps(model, ax, unit=unit)
        t = np.linspace(0.0, model.end if np.isfinite(model.end) else model.times[-1], POINTS + 1)
        draw_other(ax, t[1:] if times is None else np.sort(times), compare, "survival")
        return finish(ax, 4)
    check_fitted(model, "plot_survival")
    t = grid(model, times)
    survival = drawn_curve(model, "survival", t, level)
    ax = start(ax, title="Survival", x="age ({unit})", y="share still running", unit=unit)
    fill(ax, t, survival.limits, level)
    ax.plot(t, survival.values, color=MODEL, linewidth=2.4, label=title_of(model))
    draw_other(ax, t, compare, "survival")
    found = steps(model, level)
    if found is not None:
        curve, name = found
        at, values = drawn_steps(curve, longest(model))
        ax.plot(at, values, color=DATA, linewidth=0.9, label=f"{name} (data)")
    ax.set_xlim(0, t[-1])
    ax.set_ylim(0, 1.02)
    return finish(ax, 4)


def plot_hazard(
    model: Any,
    ax: Axes | None = None,
    *,
    times: ArrayLike | None = None,
    level: float = 0.95,
    compare: FittedLifetime | None = None,
    unit: str | None = None,
) -> Axes:
    r"""Draw the hazard with its band, and what each component adds to it.

    Component k adds h(t) P(k | failed at t): the rate at which units of that kind fail, for each
    unit still running, so that the parts add up to the whole. A kind that fails young dies out,
    and its part with it.

    Parameters
    ----------
    model : fitted estimator
        Such as `WeibullMixture`.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.
    times : array-like of shape (n,), optional
        Where the curve is computed, all above zero; by default up to the last time.
    level : float, default 0.95
        Of the band, which holds at each time on its own.
    compare : fitted estimator, optional
        Another fit, drawn dashed.
    unit : str, optional
        Unit of time, for the labels.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from survjax import WeibullMixture
    >>> from survjax.plotting import plot_hazard
    >>> model = WeibullMixture(1).fit([2.0, 3.0, 5.0, 7.0])
    >>> plot_hazard(model, unit="years").get_ylabel()
    'hazard rate (per year)'
    """
    check_fitted(model, "plot_hazard")
    t = grid(model, times)
    if not t[0] > 0:
        raise ValueError(f"times of a hazard must be positive, got {t[0]:g}")
    hazard = drawn_curve(model, "hazard", t, level)
    ax = start(ax, title="Hazard", x="age ({unit})", y="hazard rate", unit=unit)
    fill(ax, t, hazard.limits, level)
    ax.plot(t, hazard.values, color=MODEL, linewidth=3.0, alpha=0.65, label="hazard")
    shares: Any = ()
    if len(getattr(model, "weights_", ())) > 1:
        shares = Weibulls.of(model.weights_, model.scales_, model.shapes_).shares(t)
    elif hasattr(model.lifetime_, "log_membership") and not hasattr(model, "weights_"):
        shares = model.membership(t, np.ones(t.size), level=None).to_numpy().T
    for k, share in enumerate(shares):
        color = COMPONENTS[k % len(COMPONENTS)]
        style = {"color": color, "linewidth": 1.5, "dashes": (4, 1.5)}
        ax.plot(t, share * hazard.values, label=f"component {k + 1}", **style)
    draw_other(ax, t, compare, "hazard")
    ax.set_xlim(0, t[-1])
    top = _top(hazard)
    ax.set_ylim(0, top)
    rate_axis(ax, top, unit)
    return finish(ax, 5)


def _top(hazard: Drawn) -> float:
    """Upper end of the axis: the curve fills it, whatever a hazard does at age zero or the band."""
    inner = slice(hazard.values.size // 50, None)
    top = 1.4 * float(hazard.values[inner].max())
    if hazard.limits is not None:
        top = min(1.05 * float(hazard.limits[1][inner].max()), top)
    return max(top, float(np.finfo(float).tiny))
