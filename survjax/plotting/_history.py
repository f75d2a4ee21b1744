"""The way of a fit: its log-likelihood, and the distribution it learns on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from survjax.plotting._baselines import is_baseline, plot_training
from survjax.plotting.data import check_fitted
from survjax.plotting.films.animation import Jshtml, animate, write_gif
from survjax.plotting.films.baseline_film import animate_baseline
from survjax.plotting.films.film import HOLD, Film
from survjax.plotting.films.guess import history_from_guess
from survjax.plotting.style import MODEL, start


def plot_history(
    model: Any, ax: Axes | None = None, *, from_guess: bool = False, below_maximum: bool = False
) -> Axes:
    """Draw the log-likelihood along the iterations of a fit.

    Parameters
    ----------
    model : fitted estimator
        With `history_`, such as `WeibullMixture`; of a baseline, its objective is drawn.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.
    from_guess : bool, default False
        Draw the way from a plain first guess (equal parts without wear), as `animate_fit`
        does, instead of the fit's own, which begins at the best of many starts.
    below_maximum : bool, default False
        Draw how far it lies below its last value, on a log scale: near the maximum Newton's
        method doubles the number of right digits with each step.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from survjax import WeibullMixture
    >>> from survjax.plotting import plot_history
    >>> model = WeibullMixture(1).fit([2.0, 3.0, 5.0, 7.0])
    >>> plot_history(model).get_xlabel()
    'Newton iteration'
    """
    if is_baseline(model):
        return plot_training(model, ax)
    check_fitted(model, "plot_history")
    table = history_from_guess(model) if from_guess else model.history_
    iteration, values = table["iteration"].to_numpy(), table["log_likelihood"].to_numpy()
    label = "log-likelihood"
    if below_maximum:
        values = values[-1] - values
        shown = values > 4 * np.finfo(float).eps * abs(float(table["log_likelihood"].iloc[-1]))
        iteration, values = iteration[shown], values[shown]
        label = "log-likelihood below its last value"
    ax = start(ax, title="Path of the log-likelihood", x="Newton iteration", y=label, unit=None)
    if below_maximum:
        ax.set_yscale("log")
    ax.plot(iteration, values, "o-", color=MODEL, linewidth=1.4, markersize=4)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return ax


def animate_fit(
    model: Any,
    path: str | Path | None = None,
    *,
    data: Any = None,
    truth: Any = None,
    unit: str | None = None,
    frames_per_step: int = 3,
    frames_per_second: int = 8,
    dpi: int = 80,
) -> Path | Jshtml:
    """Show Newton's iterations as they learn the distribution from a first guess.

    The guess is plain: equal parts whose hazards are constant. Where the iterations do not lead
    from it to the fit, those of the fit itself are shown. Left, the survival curve over what the
    data say; right, the density and the part of each component in it. Between two iterations the
    parameters move straight in their logs.

    Parameters
    ----------
    model : fitted WeibullMixture
        With the rows of its fit: one loaded from a file has none.
    path : str or Path, optional
        A file that ends in .gif or .html. None returns a player, which a notebook shows.
    data : pair (X, y), optional
        For a baseline, which keeps no rows: the rows to show its fit on. A linear regression of
        one column moves its line, a classifier of one column its curve of probabilities, of two
        columns its boundary.
    truth : tuple, optional
        (weights, scales, shapes) of the true mixture, where it is known.
    unit : str, optional
        Unit of time, for the labels.
    frames_per_step : int, default 3
        Frames from one iteration to the next.
    frames_per_second : int, default 8
        Speed.
    dpi : int, default 80
        Dots per inch.

    Returns
    -------
    Path or str
        The file written, or the player's HTML.

    Examples
    --------
    >>> from survjax import WeibullMixture
    >>> from survjax.plotting import animate_fit
    >>> model = WeibullMixture(1).fit([2.0, 3.0, 5.0, 7.0])
    >>> player = animate_fit(model, frames_per_step=1, dpi=20)
    >>> "<script" in player
    True
    """
    if is_baseline(model):
        options: dict[str, Any] = {"frames_per_second": frames_per_second, "dpi": dpi}
        return animate_baseline(model, data, path, **options)
    check_fitted(model, "animate_fit")
    if frames_per_step < 1:
        raise ValueError(f"frames_per_step must be at least 1, got {frames_per_step}")
    film = Film(model, history_from_guess(model), truth, unit)
    gif = path is not None and Path(path).suffix.lower() == ".gif"
    frames = film.frames(frames_per_step, hold=HOLD if gif else 1)
    figure = Figure(figsize=(8.0, 3.8), dpi=dpi)
    if path is not None and gif:
        return write_gif(film.images(figure, frames), Path(path), frames_per_second)
    return animate(
        lambda figure, i: film.draw(figure, *frames[i]),
        len(frames),
        path,
        figure=figure,
        frames_per_second=frames_per_second,
        dpi=dpi,
    )
