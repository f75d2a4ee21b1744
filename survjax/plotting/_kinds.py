"""Pictures by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes

from survjax.plotting._curves import plot_hazard, plot_survival
from survjax.plotting._history import plot_history
from survjax.plotting._paper import plot_paper
from survjax.plotting._rul import plot_rul

KINDS: dict[str, Callable[..., Axes]] = {
    "survival": plot_survival,
    "paper": plot_paper,
    "hazard": plot_hazard,
    "rul": plot_rul,
    "history": plot_history,
}


def draw(model: Any, kind: str, ax: Axes | None = None, **options: Any) -> Axes:
    """Draw a picture by its name.

    Parameters
    ----------
    model : fitted estimator
        Such as `WeibullMixture`.
    kind : {"survival", "paper", "hazard", "rul", "history"}
        Which `plot_` function to call.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.
    **options
        Of that function.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from survjax import WeibullMixture
    >>> from survjax.plotting import draw
    >>> model = WeibullMixture(1).fit([2.0, 3.0, 5.0, 7.0])
    >>> draw(model, "hazard").get_title(loc="left")
    'Hazard'
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    return KINDS[kind](model, ax, **options)
