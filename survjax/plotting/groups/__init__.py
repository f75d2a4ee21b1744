"""Pictures of many fleets."""

from survjax.plotting.groups.ranking import plot_ranking

__all__ = ["plot_ranking"]
