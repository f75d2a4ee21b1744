"""Several fits to the same units over what the data say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from survjax.estimators.choosing.comparison import Comparison
from survjax.plotting.data import drawn_steps, grid, longest, steps, survival_of
from survjax.plotting.style import COMPONENTS, DATA, MODEL, finish, start

#: Candidates drawn unasked: the best.
MOST = 5
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


def plot_comparison(
    comparison: Comparison,
    ax: Axes | None = None,
    *,
    names: Sequence[str] | None = None,
    times: ArrayLike | None = None,
    unit: str | None = None,
) -> Axes:
    """Draw the survival of the candidates of a comparison over the steps of the data.

    Parameters
    ----------
    comparison : Comparison
        What `compare` returned.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.
    names : sequence of str, optional
        Which candidates; by default the five best.
    times : array-like of shape (n,), optional
        Where curves are computed; by default from zero to the last time in the data.
    unit : str, optional
        Unit of time, for the label.

    Returns
    -------
    matplotlib Axes
        The legend gives the weight of each candidate.

    Examples
    --------
    >>> from survjax import compare
    >>> from survjax.plotting import plot_comparison
    >>> found = compare(["weibull", "exponential"], [3.0, 5.0, 8.0, 9.0, 12.0])
    >>> plot_comparison(found, unit="years").get_title(loc="left")
    'Candidates'
    """
    models = comparison.models
    chosen = list(models)[:MOST] if names is None else list(names)
    unknown = [name for name in chosen if name not in models]
    if unknown:
        known = ", ".join(map(str, models)) or "none"
        raise ValueError(f"no candidate with a maximum is named {unknown[0]!r}: there is {known}")
    first = comparison.best
    ax = start(ax, title="Candidates", x="age ({unit})", y="share still running", unit=unit)
    found = steps(first, 0.95)
    if found is not None:
        x, heights = drawn_steps(found[0], longest(first))
        ax.plot(x, heights, color=DATA, linewidth=1.2, alpha=0.8, label=f"{found[1]} (data)")
    t = grid(first, times)
    colors = (MODEL, *COMPONENTS)
    for i, name in enumerate(chosen):
        survival = survival_of(models[name], t)
        label = f"{name} ({100 * comparison.table.loc[name, 'weight']:.0f}%)"
        style: dict[str, Any] = {"color": colors[i % len(colors)], "linestyle": DASHES[i % 5]}
        ax.plot(t, survival, linewidth=1.7, label=label, **style)
    ax.set_xlim(0, None)
    ax.set_ylim(0, 1.02)
    return finish(ax, 3)
