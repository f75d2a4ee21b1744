"""Cox-Snell residuals against what they should be: unit exponentials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from survjax.nonparametric import StepCurve, nelson_aalen, turnbull
from survjax.plotting.data import MAX_INTERVALS, check_fitted, drawn_steps
from survjax.plotting.style import DATA, MODEL, finish, percent, start

if TYPE_CHECKING:
    import pandas as pd


def plot_residuals(
    model: Any,
    ax: Axes | None = None,
    *,
    residuals: pd.DataFrame | None = None,
    level: float = 0.95,
) -> Axes:
    """Draw the cumulative hazard of the Cox-Snell residuals, which should follow the diagonal.

    Where a model is right, the cumulative hazard that a unit passes until it fails is a unit
    exponential, whose own cumulative hazard is the diagonal. Steps above it: more units fail by
    then than the model says. Where they leave it tells which lives the model misses.

    Parameters
    ----------
    model : fitted estimator
        With `residuals`: of lifetimes, regressions and `CoxPH`.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.
    residuals : DataFrame, optional
        What `model.residuals` gave for some units, such as others than those that were fitted.
        None: of the rows that were fitted.
    level : float, default 0.95
        Of the band, which holds at each residual on its own; there is none with intervals.

    Returns
    -------
    matplotlib Axes

    Notes
    -----
    The steps are the Nelson-Aalen estimate, and minus the log of Turnbull's with intervals (Cox
    and Snell 1968; Collett 2015, section 4.1). The right end rests on few units: so does the
    eye's verdict there. With fitted parameters the steps keep closer to the diagonal than the band
    says; `goodness_of_fit` takes this into account.

    Examples
    --------
    >>> from survjax import LifetimeModel
    >>> from survjax.plotting import plot_residuals
    >>> model = LifetimeModel("weibull").fit([2.0, 3.0, 5.0, 7.0])
    >>> plot_residuals(model).get_title(loc="left")
    'Cox-Snell residuals'
    """
    check_fitted(model, "plot_residuals")
    table = model._residual_table() if residuals is None else residuals
    curve, name = _hazard_of(table, level)
    title, label = "Cox-Snell residuals", "cumulative hazard of the residuals"
    ax = start(ax, title=title, x="cumulative hazard passed by the model", y=label, unit=None)
    finite = np.isfinite(curve.times) & np.isfinite(curve.values)
    last = float(curve.times[finite].max(initial=0.0))
    last = max(last, float(np.max(table["cox_snell"][np.isfinite(table["cox_snell"])])))
    x, heights = drawn_steps(curve, last)
    if np.isfinite(curve.lower[finite]).all():
        low, high = (drawn_steps(curve, last, bound)[1] for bound in (curve.lower, curve.upper))
        band = f"{percent(level)} band"
        ax.fill_between(x, low, high, color=DATA, alpha=0.13, linewidth=0, label=band)
    ax.plot(x, heights, color=DATA, linewidth=1.3, label=name)
    ax.plot([0.0, last], [0.0, last], color=MODEL, linewidth=1.8, label="unit exponential")
    ax.set_xlim(0, last)
    top = max(last, float(heights[np.isfinite(heights)].max(initial=0.0)))
    ax.set_ylim(0, 1.04 * top)
    return finish(ax, 3)


def _hazard_of(table: pd.DataFrame, level: float) -> tuple[StepCurve, str]:
    """The cumulative hazard of residuals, and what it is called."""
    weight = table["weight"].to_numpy()
    kept = weight > 0
    passed, event = table["cox_snell"].to_numpy()[kept], table["event"].to_numpy()[kept] > 0
    if "cox_snell_upper" in table:
        low = table["cox_snell_lower"].to_numpy()[kept]
        high = table["cox_snell_upper"].to_numpy()[kept]
        if np.any(event & (high > low)) and kept.sum() <= MAX_INTERVALS:
            return _by_turnbull(low, high, weight[kept])
    curve = nelson_aalen(passed, event, sample_weight=weight[kept], level=level)
    return curve, "residuals (Nelson-Aalen)"


def _by_turnbull(low: np.ndarray, high: np.ndarray, weight: np.ndarray) -> tuple[StepCurve, str]:
    """Minus the log of Turnbull's survival, up to where it is above zero."""
    curve = turnbull(low, high, sample_weight=weight)
    some = curve.values > 0
    nothing = np.full(int(some.sum()), np.nan)
    found = StepCurve(
        times=curve.times[some],
        values=-np.log(curve.values[some]),
        lower=nothing,
        upper=nothing,
        at_risk=nothing,
        events=nothing,
        variance=nothing,
        initial=0.0,
        starts=None if curve.starts is None else curve.starts[some],
    )
    return found, "residuals (Turnbull)"
