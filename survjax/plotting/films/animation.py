"""Moving pictures: one drawing function, written as a GIF or as a player in HTML."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.animation import FuncAnimation
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

# Matplotlib's player takes its symbols from a web font on another host. These need none.
SYMBOLS = {
    "fa-minus": "−",
    "fa-fast-backward": "⏮",
    "fa-step-backward": "⏴",
    "fa-play fa-flip-horizontal": "◀",
    "fa-pause": "⏸",
    "fa-play": "▶",
    "fa-step-forward": "⏵",
    "fa-fast-forward": "⏭",
    "fa-plus": "+",
}


class Jshtml(str):
    """A player as HTML text; a notebook shows it as it is."""

    def _repr_html_(self) -> str:
        return str(self)


def animate(
    draw: Callable[[Figure, int], Any],
    n_frames: int,
    path: str | Path | None = None,
    *,
    figure: Figure | None = None,
    frames_per_second: float = 8,
    dpi: int = 80,
) -> Path | Jshtml:
    """Draw frames one after the other and write them as a moving picture.

    Parameters
    ----------
    draw : callable
        `draw(figure, i)` draws frame i, from 0 to n_frames - 1, on the figure, which is empty
        each time.
    n_frames : int
        How many frames.
    path : str or Path, optional
        A file that ends in .gif, or in .html for a player with buttons. None returns the
        player as text, which a notebook shows.
    figure : matplotlib Figure, optional
        What to draw on; by default one of 6 x 4 inches.
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
    >>> from survjax.plotting import animate
    >>> def draw(figure, i):
    ...     figure.subplots().plot([0, 1], [0, i])
    >>> "<script" in animate(draw, 3)
    True
    """
    if n_frames < 1:
        raise ValueError(f"n_frames must be at least 1, got {n_frames}")
    kind = "" if path is None else Path(path).suffix.lower()
    if kind not in ("", ".gif", ".html") or (path is not None and not kind):
        raise ValueError(f"path must end in .gif or .html, got {str(path)!r}")
    figure = figure or Figure(figsize=(6.0, 4.0), layout="constrained")
    # A canvas that draws in memory, whatever window the caller's session uses.
    canvas, before = figure.canvas, figure.dpi
    FigureCanvasAgg(figure)
    figure.set_dpi(dpi)

    def frame(i: int) -> list[Any]:
        figure.clear()
        draw(figure, i)
        return []

    try:
        if path is not None and kind == ".gif":
            images = (_image(figure, frame(i)) for i in range(n_frames))
            return write_gif(images, Path(path), frames_per_second)
        movie = FuncAnimation(
            figure, frame, frames=n_frames, init_func=list, interval=1000 / frames_per_second
        )
        player = _player(movie, frames_per_second)
    finally:
        figure.set_canvas(canvas)
        figure.set_dpi(before)
    if path is None:
        return player
    Path(path).write_text(f"<!DOCTYPE html>\n<meta charset='utf-8'>\n{player}", encoding="utf-8")
    return Path(path)


def _image(figure: Figure, _: object = None) -> Image.Image:
    """Draw the figure once; matplotlib's own writer of movies draws it three times."""
    figure.canvas.draw()
    return canvas_image(figure)


def canvas_image(figure: Figure) -> Image.Image:
    """What stands on the figure's canvas now."""
    return Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")


def write_gif(images: Iterable[Image.Image], path: Path, frames_per_second: float) -> Path:
    """Write images as a GIF that plays again and again; equal neighbors are stored once."""
    first, *rest = [image.quantize(128) for image in images]
    duration = round(1000 / frames_per_second)
    first.save(path, save_all=True, append_images=rest, duration=duration, loop=0)
    return path


def _player(movie: FuncAnimation, frames_per_second: float) -> Jshtml:
    """Write the frames with their player into one text that loads nothing from the network."""
    text = movie.to_jshtml(fps=frames_per_second, embed_frames=True, default_mode="loop")
    text = re.sub(r"<link[^>]*>", "", text)
    for name, symbol in SYMBOLS.items():
        text = text.replace(f'<i class="fa {name}"></i>', symbol)
    return Jshtml(text)
