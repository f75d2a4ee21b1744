"""Pictures by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes

from survjax.plotting._curves import plot_hazard, plot_survival
from survjax.plotting._history import plot_history
from survjax.plotting._paper import plot_paper
from survjax.plotting._regression import plot_asset_rul, plot_effects, plot_partial_survival
from survjax.plotting._rul import plot_rul
from survjax.plotting._steps import plot_incidence
from survjax.plotting.checks.quantiles import plot_quantiles
from survjax.plotting.checks.residuals import plot_residuals

KINDS: dict[str, Callable[..., Axes]] = {
    "survival": plot_survival,
    "paper": plot_paper,
    "hazard": plot_hazard,
    "rul": plot_rul,
    "history": plot_history,
    "quantiles": plot_quantiles,
    "residuals": plot_residuals,
    "incidence": plot_incidence,
    "effects": plot_effects,
    "partial_survival": plot_partial_survival,
    "asset_rul": plot_asset_rul,
}


def draw(model: Any, kind: str, ax: Axes | None = None, **options: Any) -> Axes:
    """Draw a picture by its name.

    Parameters
    ----------
    model : fitted estimator
        Such as `WeibullMixture` or `AcceleratedLifetime`.
    kind : str
        Which `plot_` function to call: "survival", "paper", "quantiles", "hazard", "rul" or
        "history" of a lifetime; "incidence" of several causes; "effects", "partial_survival" or
        "asset_rul" of a regression; "residuals" of both.
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
    return KINDS[kind](model, ax=ax, **options)
