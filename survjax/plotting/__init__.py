"""Pictures of data, fits and iterations, drawn with matplotlib.

Nothing global changes: no window opens, no backend is chosen, no setting is touched. A plot
function draws on the axes it is given or makes a figure, and returns the axes; `save` writes
the figure to a file, and a notebook shows it.
"""

from survjax.plotting._baselines import (
    plot_decision_regions,
    plot_hidden_units,
    plot_training,
)
from survjax.plotting._curves import plot_hazard, plot_survival
from survjax.plotting._history import animate_fit, plot_history
from survjax.plotting._iterations import plot_basins, plot_bifurcation, plot_iterates
from survjax.plotting._kinds import draw
from survjax.plotting._paper import plot_paper
from survjax.plotting._regression import (
    plot_asset_rul,
    plot_effects,
    plot_partial_survival,
)
from survjax.plotting._rul import plot_rul
from survjax.plotting._steps import plot_incidence, plot_steps
from survjax.plotting.checks.candidates import plot_comparison
from survjax.plotting.checks.quantiles import plot_quantiles
from survjax.plotting.checks.residuals import plot_residuals
from survjax.plotting.films.animation import animate
from survjax.plotting.groups.ranking import plot_ranking
from survjax.plotting.posterior.draws import plot_posterior
from survjax.plotting.style import save

__all__ = [
    "draw",
    "plot_survival",
    "plot_steps",
    "plot_incidence",
    "plot_paper",
    "plot_hazard",
    "plot_rul",
    "plot_quantiles",
    "plot_residuals",
    "plot_comparison",
    "plot_ranking",
    "plot_posterior",
    "plot_effects",
    "plot_partial_survival",
    "plot_asset_rul",
    "plot_history",
    "plot_training",
    "plot_decision_regions",
    "plot_hidden_units",
    "plot_iterates",
    "plot_basins",
    "plot_bifurcation",
    "animate_fit",
    "animate",
    "save",
]
