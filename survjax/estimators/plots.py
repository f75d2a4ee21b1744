"""Pictures as methods. matplotlib is loaded with the first one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Plots:
    """`plot` of an estimator that `survjax.plotting` can draw."""

    #: The picture that is drawn if none is named.
    _picture = "effects"

    def plot(self, kind: str | None = None, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw a picture of the fit.

        Parameters
        ----------
        kind : str, optional
            Of a lifetime: "survival" (the default) over the Kaplan-Meier steps of the data;
            "paper", the same on the probability paper of its family; "quantiles" of the model
            against those of the data; "hazard" and its components; "rul", mean remaining life
            against age; "history", log-likelihood along the iterations.
            Of several causes: "incidence" (the default), the share that each has ended over the
            Aalen-Johansen steps. Of a regression: "effects" (the default) with bounds;
            "partial_survival" at several values of a column; "asset_rul", the remaining life of
            one asset as its covariates change. Of both, "residuals": the cumulative hazard of the
            Cox-Snell residuals, which should follow the diagonal.
        ax : matplotlib Axes, optional
            Where to draw; None makes a figure.
        **options
            Of `survjax.plotting.plot_survival`, `plot_effects` and so on, such as
            `unit="years"`, `level=0.9`, `compare=another_fit`.

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

        return draw(self, self._picture if kind is None else kind, ax, **options)


class Films(Plots):
    """`animate` of an estimator of one lifetime for all units, which records its iterations."""

    _picture = "survival"

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
