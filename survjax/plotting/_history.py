"""The way of a fit: its log-likelihood, and the distribution it learns on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from survjax.plotting._animation import Jshtml, animate
from survjax.plotting._data import check_fitted, drawn_steps, grid, longest, steps
from survjax.plotting._style import COMPONENTS, DATA, GRAY, MODEL, finish, start
from survjax.plotting._weibulls import Weibulls

#: Frames that the last picture stays.
HOLD = 12


def plot_history(model: Any, ax: Axes | None = None, *, below_maximum: bool = False) -> Axes:
    """Draw the log-likelihood along the iterations of a fit.

    Parameters
    ----------
    model : fitted estimator
        With `history_`, such as `WeibullMixture`.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.
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
    check_fitted(model)
    table = model.history_
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
    ax.ticklabel_format(axis="y", useOffset=False) if not below_maximum else None
    return ax


def animate_fit(
    model: Any,
    path: str | Path | None = None,
    *,
    truth: Any = None,
    unit: str | None = None,
    frames_per_step: int = 3,
    frames_per_second: float = 8.0,
    dpi: int = 80,
) -> Path | Jshtml:
    """Show Newton's iterations as they learn the distribution from their first guess.

    Left, the survival curve over what the data say; right, the density and the part of each
    component in it. Between two iterations the parameters move straight in their logs.

    Parameters
    ----------
    model : fitted WeibullMixture
        With the rows of its fit: one loaded from a file has none.
    path : str or Path, optional
        A file that ends in .gif or .html. None returns a player, which a notebook shows.
    truth : tuple, optional
        (weights, scales, shapes) of the true mixture, where it is known.
    unit : str, optional
        Unit of time, for the labels.
    frames_per_step : int, default 3
        Frames from one iteration to the next.
    frames_per_second : float, default 8
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
    check_fitted(model)
    if frames_per_step < 1:
        raise ValueError(f"frames_per_step must be at least 1, got {frames_per_step}")
    film = Film(model, truth, unit)
    frames = film.frames(frames_per_step)
    figure = Figure(figsize=(8.0, 4.0), layout="constrained")
    return animate(
        lambda figure, i: film.draw(figure, *frames[i]),
        len(frames),
        path,
        figure=figure,
        frames_per_second=frames_per_second,
        dpi=dpi,
    )


class Film:
    """What stays the same from frame to frame, and how one frame is drawn."""

    def __init__(self, model: Any, truth: Any, unit: str | None) -> None:
        table = model.history_
        k = sum(name.startswith("weight_") for name in table)
        natural = [
            table[[f"{part}_{i + 1}" for i in range(k)]].to_numpy()
            for part in ("weight", "scale", "shape")
        ]
        self.points = [Weibulls(*rows) for rows in zip(*natural, strict=True)]
        self.log_likelihood = table["log_likelihood"].to_numpy()
        self.truth = None if truth is None else Weibulls.of(*truth)
        self.unit, self.t = unit, grid(model)
        found = steps(model, 0.95)
        self.steps = None if found is None else (drawn_steps(found[0], longest(model)), found[1])
        settled = [self.points[-1], *([self.truth] if self.truth else [])]
        dense = np.array([np.exp(p.log_density_parts(self.t)).sum(axis=0) for p in settled])
        # Young failures may have a density without bound: the picture stops above the rest.
        self.top = 1.6 * float(dense[:, self.t.size // 40 :].max())

    def frames(self, per_step: int) -> list[tuple[int, Weibulls]]:
        """Iteration number and mixture of each frame; later steps that move nothing are one."""
        found = [(0, self.points[0])]
        for i in range(1, len(self.points)):
            before, after = self.points[i - 1], self.points[i]
            gap = np.abs(before.survival(self.t) - after.survival(self.t)).max()
            n = per_step if gap > 0.002 else 1
            found += [(i, before.toward(after, _eased(j / n))) for j in range(1, n + 1)]
        return found + [found[-1]] * HOLD

    def draw(self, figure: Figure, i: int, mixture: Weibulls) -> None:
        """Draw one frame on an empty figure."""
        left, right = figure.subplots(1, 2)
        labels = {"x": "age ({unit})", "unit": self.unit}
        start(left, title=f"Newton iteration {i}", y="share still running", **labels)
        start(right, title=f"log-likelihood {self.log_likelihood[i]:.2f}", y="density", **labels)
        if self.steps is not None:
            (at, values), name = self.steps
            left.step(at, values, where="post", color=DATA, linewidth=1.0, label=name)
        parts = np.exp(mixture.log_density_parts(self.t))
        if self.truth is not None:
            dense = np.exp(self.truth.log_density_parts(self.t)).sum(axis=0)
            right.fill_between(self.t, dense, color=GRAY, alpha=0.35, linewidth=0, label="truth")
            left.plot(self.t, self.truth.survival(self.t), color=GRAY, linewidth=3, alpha=0.4,
                      label="truth")  # fmt: skip
        left.plot(self.t, mixture.survival(self.t), color=MODEL, linewidth=1.8, label="fit")
        right.plot(self.t, parts.sum(axis=0), color=MODEL, linewidth=1.8, label="fit")
        for k in range(len(parts) if len(parts) > 1 else 0):
            color = COMPONENTS[k % len(COMPONENTS)]
            right.plot(self.t, parts[k], "--", color=color, linewidth=1.3, label=f"part {k + 1}")
        for ax, top in ((left, 1.02), (right, self.top)):
            ax.set_xlim(0, self.t[-1])
            ax.set_ylim(0, top)
            finish(ax, 4)


def _eased(part: float) -> float:
    """A movement that starts and ends gently."""
    return part * part * (3.0 - 2.0 * part)
