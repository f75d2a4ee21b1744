"""The frames of a baseline that learns: a line, a curve of probabilities, or a boundary."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from survjax.plotting._baselines import column_names, draw_regions
from survjax.plotting.films.animation import Jshtml, animate
from survjax.plotting.style import DATA, GRAY, MODEL, start

#: No more frames than this: later iterations move less, and get fewer.
FRAMES = 60
#: Frames that the answer stays.
HOLD = 6
#: Points of a curve, and along each side of a frame's grid.
POINTS, RESOLUTION = 200, 70


def animate_baseline(
    model: Any,
    data: Any,
    path: str | Path | None = None,
    *,
    frames_per_second: float = 8.0,
    dpi: int = 80,
) -> Path | Jshtml:
    """Show the iterations of a baseline on its data; `animate_fit` says the rest."""
    if data is None:
        raise ValueError("a baseline keeps no rows: pass data=(X, y) to show its fit on them")
    X, y = np.asarray(data[0], float), np.asarray(data[1])
    draw = _scene(model, X, y)
    frames = [*iterations(len(model.history_)), *[len(model.history_) - 1] * HOLD]
    word = str(model.history_.index.name)

    def frame(figure: Figure, i: int) -> None:
        step = frames[i]
        row = model.history_.iloc[step]
        title = f"{word} {step}: objective {row['objective']:.4g}"
        if "accuracy" in row:
            title += f", accuracy {row['accuracy']:.3f}"
        draw(figure, model.at_iteration(step), title)

    figure = Figure(figsize=(6.0, 4.2), layout="constrained")
    return animate(
        frame, len(frames), path, figure=figure, frames_per_second=frames_per_second, dpi=dpi
    )


def iterations(n: int) -> list[int]:
    """Choose rows of a history to show: all of a short one, ever sparser ones of a long one."""
    if n <= FRAMES:
        return list(range(n))
    chosen = np.geomspace(1, n, FRAMES).round().astype(int) - 1
    return [int(i) for i in np.unique(chosen)]


def _scene(model: Any, X: np.ndarray, y: np.ndarray) -> Callable[[Figure, Any, str], None]:
    """Choose what to draw by the number of columns and the kind of model."""
    classifier = hasattr(model, "classes_")
    width = X.shape[1] if X.ndim == 2 else 0
    if width != model.n_features_in_ or width not in ((1, 2) if classifier else (1,)):
        most = "one or two columns" if classifier else "one column"
        raise ValueError(f"only fits of {most} can be shown in motion, got X of shape {X.shape}")
    names = column_names(model)
    if width == 2:

        def plane(figure: Figure, then: Any, title: str) -> None:
            ax = start(figure.subplots(), title=title, x=names[0], y=names[1], unit=None)
            draw_regions(ax, then, X, y, RESOLUTION)

        return plane
    order = np.linspace(X.min(), X.max(), POINTS)
    shown = slice(None, None, max(1, len(X) // 1500))
    height = (y == model.classes_[-1]).astype(float) if classifier else y

    def curve(figure: Figure, then: Any, title: str) -> None:
        word = f"P({model.classes_[-1]})" if classifier else "y"
        ax = start(figure.subplots(), title=title, x=names[0], y=word, unit=None)
        ax.plot(X[shown, 0], height[shown], ".", color=DATA, alpha=0.35, markersize=4)
        grid = order[:, None]
        values = then.predict_proba(grid)[:, -1] if classifier else then.predict(grid)
        ax.plot(order, values, color=MODEL, linewidth=2)
        margin = 0.08 * (np.ptp(height) or 1.0)
        ax.set_ylim(height.min() - margin, height.max() + margin)
        if classifier:
            ax.axhline(0.5, color=GRAY, linewidth=0.8, linestyle=":")

    return curve
