"""Pictures as methods. matplotlib is loaded with the first one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Plots:
    """`plot` and `animate` of an estimator that `survjax.plotting` can draw."""

    def plot(self, kind: str = "survival", ax: Axes | None = None, **options: Any) -> Axes:
        """Draw a picture of the fit.

        Parameters
        ----------
        kind : {"survival", "paper", "hazard", "rul", "history"}
            Survival over the Kaplan-Meier steps of the data; the same on Weibull probability
            paper; hazard and its components; mean remaining life against age; log-likelihood
            along the iterations.
        ax : matplotlib Axes, optional
            Where to draw; None makes a figure.
        **options
            Of `survjax.plotting.plot_survival` and so on, such as `unit="years"`, `level=0.9`,
            `compare=another_fit`.

        Returns
        -------
        matplotlib Axes
            A notebook shows it; `survjax.plotting.save(ax, path)` writes it.

        Examples
        --------
        >>> from survjax import WeibullMixture
        >>> model = WeibullMixture(1).fit([2.0, 3.0, 5.0, 7.0])
        >>> model.plot("survival", unit="years").get_title(loc="left")
        'Survival'
        """
        from survjax.plotting import draw

        return draw(self, kind, ax, **options)

    def animate(self, path: str | Path | None = None, **options: Any) -> Any:
        """Show how the iterations learned the distribution from their first guess.

        Parameters
        ----------
        path : str or Path, optional
            A file that ends in .gif or .html. None returns a player, which a notebook shows.
        **options
            Of `survjax.plotting.animate_fit`, such as `unit="years"`.

        Returns
        -------
        Path or str
            The file written, or the player's HTML.
        """
        from survjax.plotting import animate_fit

        return animate_fit(self, path, **options)
