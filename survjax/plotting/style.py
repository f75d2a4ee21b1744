"""Axes, colors and files: what every picture of survjax shares.

Figures are made without pyplot, so that no window opens, no backend is chosen and no global
setting of matplotlib changes.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

#: Colors that people with any kind of color vision tell apart (Okabe and Ito 2008).
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK, GRAY = "#CC79A7", "#56B4E9", "#1A1A1A", "#767676"
#: One for each component, in order; beyond these they start again.
COMPONENTS = (ORANGE, GREEN, PURPLE, SKY, VERMILION)
#: The data and the model, in every picture.
DATA, MODEL, OTHER = BLACK, BLUE, VERMILION
#: Width and height in inches, and dots per inch of saved pictures.
SIZE, DPI = (6.4, 4.4), 200
#: How PNG files are written: equal for equal pictures, and with little search for what repeats,
#: which takes a third of the time and makes pictures of lines a little larger.
PNG: dict[str, Any] = {
    "metadata": {"Software": None},
    "pil_kwargs": {"compress_level": 2},
}


class Picture(Axes):
    """Axes that a notebook shows by themselves."""

    name = "survjax"

    def _repr_png_(self) -> bytes:
        """Draw the whole figure, for notebooks."""
        return png(self, dpi=100)


def new_axes(size: tuple[float, float] = SIZE) -> Axes:
    """Make a figure of its own with one pair of axes."""
    figure = Figure(figsize=size, layout="constrained")
    return figure.add_subplot(axes_class=Picture)


def start(ax: Axes | None, *, title: str, x: str, y: str, unit: str | None) -> Axes:
    """Give back `ax`, or new axes, with a title, labels and a light grid.

    Parameters
    ----------
    ax : matplotlib Axes or None
        Where to draw; None makes a figure.
    title, x, y : str
        Texts; "{unit}" in a label becomes the unit of time.
    unit : str or None
        Unit of time of the data.
    """
    if ax is None:
        ax = new_axes()
    elif not isinstance(ax, Axes):
        raise TypeError(f"ax must be a matplotlib Axes or None, got {type(ax).__name__}")
    word = unit or "unit of the data"
    # Names of columns and units are no formulas, dollar signs or not.
    ax.set_title(title, loc="left", fontsize="large", parse_math=False)
    ax.set_xlabel(x.replace("{unit}", word), parse_math=False)
    ax.set_ylabel(y.replace("{unit}", word), parse_math=False)
    ax.grid(True, color="#E3E3E3", linewidth=0.7)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(tick_text))
    # As many as have room where ages are hundreds of thousands of hours.
    ax.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]))
    return ax


def tick_text(value: float, _: int | None = None) -> str:
    """A number beside an axis: thousands apart, and no factor written somewhere else."""
    return f"{value:,.10g}".replace("-", "\N{MINUS SIGN}")


def rate_axis(ax: Axes, top: float, unit: str | None, name: str = "hazard rate") -> None:
    """Label an axis of rates, or of a density, up to `top`: its marks have a few digits."""
    power = 0 if not 0 < top < 0.02 else math.ceil(-math.log10(top))
    many = 10**power
    units, one = unit or "units of time", (unit or "unit of time").removesuffix("s")

    def text(value: float, _: int | None = None) -> str:
        return tick_text(float(f"{value * many:.6g}"))

    ax.yaxis.set_major_formatter(FuncFormatter(text))
    ax.set_ylabel(f"{name} (per {f'{many:,} {units}' if power else one})", parse_math=False)


def finish(ax: Axes, columns: int = 2) -> Axes:
    """Put the legend below the axes, where it hides no data."""
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        legend = ax.legend(
            handles,
            labels,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.16),
            ncols=min(columns, len(handles)),
            frameon=False,
            fontsize="small",
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
    return ax


def fill(ax: Axes, t: np.ndarray, limits: Any, level: float, of: str = "") -> None:
    """Shade a band between two limits; nothing where a fit has none."""
    if limits is not None:
        label = f"{percent(level)} band{of}"
        ax.fill_between(t, *limits, color=MODEL, alpha=0.22, linewidth=0, label=label)


def percent(level: float) -> str:
    """A confidence level in words: 0.95 is "95%"."""
    return f"{100 * level:.6g}%"


def png(ax: Axes, dpi: float = DPI) -> bytes:
    """Draw the figure that holds `ax` as PNG bytes, equal for equal pictures."""
    buffer = io.BytesIO()
    ax.figure.savefig(buffer, format="png", dpi=dpi, **PNG)
    return buffer.getvalue()


def save(ax: Axes, path: str | Path, *, dpi: float = DPI) -> Path:
    """Write the figure that holds `ax`, in the format of the path's ending.

    Parameters
    ----------
    ax : matplotlib Axes
        As a plot function returned it.
    path : path
        Ends in .png, .svg, .pdf or what else matplotlib writes.
    dpi : float, default 200
        Dots per inch, for formats made of dots.

    Returns
    -------
    Path
        The file. No date or version is in it: equal pictures are equal files, as PNG.

    Examples
    --------
    >>> import tempfile
    >>> from survjax import WeibullMixture
    >>> from survjax.plotting import plot_survival, save
    >>> model = WeibullMixture(1).fit([2.0, 3.0, 5.0, 7.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(plot_survival(model), f"{folder}/survival.png").name
    'survival.png'
    """
    path = Path(path)
    dates = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    kind = path.suffix.lower()
    how = PNG if kind == ".png" else {"metadata": dates.get(kind)}
    ax.figure.savefig(path, dpi=dpi, **how)
    return path
