"""What is known of a lifetime before and after the data."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from survjax._core.precision import double_precision
from survjax.estimators.posterior.draws import Posterior
from survjax.likelihood.vector.prior_terms import PriorTerms
from survjax.plotting.data import drawn_steps, grid, longest, steps, title_of
from survjax.plotting.style import DATA, MODEL, OTHER, fill, finish, start

#: Draws whose own curves are shown, and points of a density.
N_SHOWN, N_POINTS = 40, 200


def plot_posterior(
    posterior: Posterior,
    ax: Axes | None = None,
    *,
    parameter: str | None = None,
    times: ArrayLike | None = None,
    level: float = 0.95,
    unit: str | None = None,
) -> Axes:
    """Draw the survival curves of posterior draws over the data, or one parameter's densities.

    Parameters
    ----------
    posterior : Posterior
        As `LifetimeModel.posterior` returns it.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.
    parameter : str, optional
        Such as "shape": its draws as a histogram, and its prior, if it has one, as a line.
    times : array-like of shape (n,), optional
        Where curves are computed; by default from zero to the last time in the data.
    level : float, default 0.95
        Of the band, which holds at each time on its own.
    unit : str, optional
        Unit of time, for the label.

    Returns
    -------
    matplotlib Axes
    """
    if parameter is not None:
        return _densities(posterior, ax, parameter, level, unit)
    model = posterior.model
    t = grid(model, times)
    ax = start(ax, title="Survival", x="age ({unit})", y="share still running", unit=unit)
    table = posterior.survival(t, level=level)
    fill(ax, t, (table["lower"], table["upper"]), level)
    points = posterior.parameters.reshape(-1, posterior.parameters.shape[-1])
    for i, x in enumerate(points[:: max(len(points) // N_SHOWN, 1)][:N_SHOWN]):
        curve = model._template.at(x).survival(t)
        label = f"{N_SHOWN} of the draws" if i == 0 else None
        ax.plot(t, np.asarray(curve), color=MODEL, linewidth=0.5, alpha=0.35, label=label)
    ax.plot(t, table["survival"], color=MODEL, linewidth=2.4, label=f"{title_of(model)}, median")
    found = steps(model, level)
    if found is not None:
        curve_steps, name = found
        at, values = drawn_steps(curve_steps, longest(model))
        ax.plot(at, values, color=DATA, linewidth=0.9, label=f"{name} (data)")
    ax.set_xlim(0, t[-1])
    ax.set_ylim(0, 1.02)
    return finish(ax, 4)


def _densities(
    posterior: Posterior, ax: Axes | None, parameter: str, level: float, unit: str | None
) -> Axes:
    """A histogram of one parameter's draws, under its prior."""
    draws = posterior.draws
    names = list(draws.columns[2:])
    if parameter not in names:
        raise ValueError(f"parameter must be one of {', '.join(names)}, got {parameter!r}")
    values = draws[parameter].to_numpy()
    # Far tails would leave no room for the rest.
    low, high = np.quantile(values, [0.002, 0.98])
    x = f"{parameter} ({{unit}})" if parameter == "scale" else parameter
    ax = start(ax, title=f"What is known of the {parameter}", x=x, y="density", unit=unit)
    shown = values[(values >= low) & (values <= high)]
    heights, edges = np.histogram(shown, bins=60)
    heights = heights / (values.size * np.diff(edges))
    ax.stairs(heights, edges, fill=True, color=MODEL, alpha=0.35, label="posterior draws")
    tail = 0.5 - 0.5 * level
    ends = np.quantile(values, [tail, 1.0 - tail])
    ax.axvspan(*np.clip(ends, low, high), color=MODEL, alpha=0.08, linewidth=0)
    ax.axvline(float(np.median(values)), color=MODEL, linewidth=1.6, label="posterior median")
    at = np.linspace(low, high, N_POINTS)
    prior = _prior_density(posterior.model, parameter, at)
    if prior is not None:
        ax.plot(at, prior, color=OTHER, linewidth=1.6, label="prior")
    ax.set_xlim(low, high)
    ax.set_ylim(0, None)
    return finish(ax, 3)


@double_precision
def _prior_density(model: Any, parameter: str, values: np.ndarray) -> np.ndarray | None:
    """Density of a parameter's prior at values on the response scale; None of a flat one."""
    template = model._template
    index = [q.name for q in template.quantities].index(parameter)
    priors = model.priors or {}
    own = [prior for name, prior in priors.items() if index in template.named(name)]
    if not own:
        return None
    link = template.quantities[index].link
    x = np.log(values) if link == "log" else _logit(values) if link == "logit" else values
    slope = {"log": 1.0 / values, "logit": 1.0 / (values * (1.0 - values))}.get(link, 1.0)
    terms = PriorTerms(1.0, *own[0].terms(), *np.zeros((2, 1)))
    return np.array([np.exp(terms.derivatives(point)[0]) for point in x[:, None]]) * slope


def _logit(share: np.ndarray) -> np.ndarray:
    # SciPy's takes longer to load than a picture to draw.
    return np.log(share) - np.log1p(-share)
