"""The frames of a fit that learns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL.Image import Image

from survjax.estimators.lifetime.weibull_mixture import WeibullMixture
from survjax.plotting.data import drawn_steps, grid, longest, steps
from survjax.plotting.films.animation import canvas_image
from survjax.plotting.films.weibulls import Weibulls
from survjax.plotting.style import COMPONENTS, DATA, GRAY, MODEL, finish, rate_axis, start

if TYPE_CHECKING:
    import pandas as pd

#: Frames that the first guess stays; the answer stays twice as long.
HOLD = 6
Frame = tuple[int, Weibulls]


@dataclass(frozen=True)
class Moving:
    """What changes from frame to frame."""

    survival: Line2D
    density: Line2D
    parts: list[Line2D]
    titles: list[Text]

    @property
    def artists(self) -> list[Any]:
        """All of it, from back to front."""
        return [self.survival, self.density, *self.parts, *self.titles]


class Film:
    """The way of a fit as frames: survival over its data, and density over the truth."""

    def __init__(
        self, model: WeibullMixture, table: pd.DataFrame, truth: Any, unit: str | None
    ) -> None:
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

    def frames(self, per_step: int, hold: int = HOLD) -> list[Frame]:
        """Iteration number and mixture of each frame; later steps that move nothing are one."""
        found = [(0, self.points[0])] * hold
        for i in range(1, len(self.points)):
            before, after = self.points[i - 1], self.points[i]
            gap = np.abs(before.survival(self.t) - after.survival(self.t)).max()
            n = per_step if gap > 0.002 else 1
            found += [(i, before.toward(after, _eased(j / n))) for j in range(1, n + 1)]
        return found + [found[-1]] * (2 * hold)

    def draw(self, figure: Figure, i: int, mixture: Weibulls) -> None:
        """Draw one frame on an empty figure."""
        self._move(self._stage(figure), i, mixture)

    def images(self, figure: Figure, frames: Sequence[Frame]) -> Iterator[Image]:
        """Every frame as an image: what stands still is drawn once."""
        canvas = FigureCanvasAgg(figure)
        moving = self._stage(figure)
        for artist in moving.artists:
            artist.set_animated(True)
        canvas.draw()
        still = canvas.copy_from_bbox(figure.bbox)
        for i, mixture in frames:
            canvas.restore_region(still)
            self._move(moving, i, mixture)
            for artist in moving.artists:
                artist.axes.draw_artist(artist)
            yield canvas_image(figure)

    def _stage(self, figure: Figure) -> Moving:
        """Everything that stands still, and the lines that will move."""
        left, right = figure.subplots(1, 2)
        # Placed by hand: a layout computed anew for each frame takes longer than drawing it.
        figure.subplots_adjust(left=0.075, right=0.985, bottom=0.24, top=0.92, wspace=0.24)
        for ax, label in ((left, "share still running"), (right, "density")):
            start(ax, title="", x="age ({unit})", y=label, unit=self.unit)
        if self.steps is not None:
            (at, values), name = self.steps
            left.plot(at, values, color=DATA, linewidth=1.0, label=name)
        if self.truth is not None:
            alive = self.truth.survival(self.t)
            dense = np.exp(self.truth.log_density_parts(self.t)).sum(axis=0)
            left.plot(self.t, alive, color=GRAY, linewidth=3, alpha=0.4, label="truth")
            right.fill_between(self.t, dense, color=GRAY, alpha=0.35, linewidth=0, label="truth")
        line = {"color": MODEL, "linewidth": 1.8, "label": "fit"}
        moving = Moving(
            survival=left.plot([], [], **line)[0],
            density=right.plot([], [], **line)[0],
            parts=[
                right.plot([], [], "--", color=color, linewidth=1.3, label=f"component {k + 1}")[0]
                for k, color in enumerate(self._colors())
            ],
            titles=[ax.text(0, 1.03, "", transform=ax.transAxes) for ax in (left, right)],
        )
        for ax, top in ((left, 1.02), (right, self.top)):
            ax.set_xlim(0, self.t[-1])
            ax.set_ylim(0, top)
            # Half a figure is too narrow for more names in a row.
            finish(ax, 4 if len(moving.parts) < 2 else 2 + (len(moving.parts) > 2))
        rate_axis(right, self.top, self.unit, "density")
        return moving

    def _colors(self) -> list[str]:
        """One color for each component, where there are several."""
        k = self.points[0].weights.size
        return [COMPONENTS[i % len(COMPONENTS)] for i in range(k if k > 1 else 0)]

    def _move(self, moving: Moving, i: int, mixture: Weibulls) -> None:
        """Set what changes to one frame."""
        parts = np.exp(mixture.log_density_parts(self.t))
        moving.survival.set_data(self.t, mixture.survival(self.t))
        moving.density.set_data(self.t, parts.sum(axis=0))
        for line, part in zip(moving.parts, parts, strict=False):
            line.set_data(self.t, part)
        moving.titles[0].set_text(f"Newton iteration {i}")
        moving.titles[1].set_text(f"log-likelihood {self.log_likelihood[i]:.2f}")


def _eased(part: float) -> float:
    """A movement that starts and ends gently."""
    return part * part * (3.0 - 2.0 * part)
