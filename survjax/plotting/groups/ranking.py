"""Groups in the order of how long they last, with bounds, before and after pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from survjax.estimators.groups.fits import GroupFits
from survjax.plotting.style import GRAY, MODEL, OTHER, finish, new_axes, start

if TYPE_CHECKING:
    import pandas as pd

#: Height of a row and of all that is around the rows, in inches.
ROW, AROUND = 0.19, 1.5
#: How far below the axes the legend begins, in inches.
LEGEND = 0.5
#: Letters of a group's name that are shown.
LETTERS = 28
#: Bounds are cut off where they reach beyond this many times the estimates around them.
WIDEST = 4.0
WORDS = {"q10": "age by which a tenth has failed", "q50": "median life"}


def plot_ranking(
    fits: GroupFits,
    quantity: str = "q50",
    *,
    most: int = 40,
    unit: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a number of each group with its bounds, from the shortest to the longest.

    Parameters
    ----------
    fits : GroupFits
        Pooled ones are drawn beside what each group's own units say.
    quantity : str, default "q50"
        A column of `fits.table` that has bounds: "q10", "q50", "scale", "shape", ...
    most : int, default 40
        Groups that are drawn; of more, those at both ends.
    unit : str, optional
        Unit of time, for the label.
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes
    """
    table = fits.table
    known = [name[: -len("_lower")] for name in table.columns if name.endswith("_lower")]
    if quantity not in known:
        raise ValueError(f"quantity must be one of {', '.join(known)}, got {quantity!r}")
    if not isinstance(most, (int, np.integer)) or most < 2:
        raise ValueError(f"most must be a whole number of at least 2, got {most!r}")
    usable = table[np.isfinite(table[quantity])].sort_values(quantity, kind="stable")
    if not len(usable):
        raise ValueError(f"no group has a {quantity}: `table` says why")
    shown, gap = _ends(usable, int(most))
    rows = np.arange(len(shown)) + np.where(np.arange(len(shown)) >= gap, 1.0, 0.0)
    if ax is None:
        ax = new_axes((6.8, max(2.6, AROUND + ROW * (rows[-1] + 1))))
    label = f"{WORDS.get(quantity, quantity)} ({{unit}})" if quantity != "shape" else "shape"
    names = " and ".join(map(str, table.index.names))
    ax = start(ax, title=f"{len(table):,} groups by {names}", x=label, y="", unit=unit)
    _bars(ax, shown, quantity, rows, fits.unpooled)
    ax.set_yticks(rows, [_name(key) for key in shown.index], fontsize="x-small", parse_math=False)
    ax.set_ylim(rows[-1] + 0.8, -0.8)
    if gap < len(shown):
        ax.text(0.5, gap, f"{len(usable) - len(shown):,} more", transform=ax.get_yaxis_transform(),
                ha="center", va="center", fontsize="x-small", color=GRAY)  # fmt: skip
    missing = len(table) - len(usable)
    if missing:
        ax.set_title(f"{missing:,} without an answer", loc="right", fontsize="small", color=GRAY)
    finish(ax, columns=3)
    # A distance in inches: a share of a tall picture would be far away.
    height = ax.get_position().height * ax.get_figure(root=True).get_figheight()
    ax.get_legend().set_bbox_to_anchor((0.5, -LEGEND / height), transform=ax.transAxes)
    return ax


def _ends(table: pd.DataFrame, most: int) -> tuple[Any, int]:
    """The groups at both ends of a table, and the row before which some are left out."""
    if len(table) <= most:
        return table, len(table)
    first = most // 2
    rows = np.concatenate([np.arange(first), np.arange(len(table) - (most - first), len(table))])
    return table.iloc[rows], first


def _bars(ax: Axes, shown: Any, quantity: str, rows: np.ndarray, unpooled: Any) -> None:
    """Estimates and their bounds, in a window that holds the estimates."""
    value = shown[quantity].to_numpy()
    low, high = (shown[f"{quantity}_{end}"].to_numpy() for end in ("lower", "upper"))
    positive = bool(np.all(value > 0))
    if positive:
        ax.set_xscale("log")
    if unpooled is not None:
        own = unpooled.table.loc[shown.index]
        ends = (own[f"{quantity}_{end}"].to_numpy() for end in ("lower", "upper"))
        ax.hlines(rows + 0.22, *ends, color=GRAY, linewidth=1.0, alpha=0.7)
        ax.plot(own[quantity], rows + 0.22, "o", color=GRAY, markersize=3, label="own units alone")
    label = "95% bounds" if unpooled is None else "pooled, 95% bounds"
    ax.hlines(rows, low, high, color=MODEL, linewidth=1.6)
    ax.plot(value, rows, "o", color=MODEL, markersize=4, label=label)
    middle = float(np.median(value))
    ax.axvline(middle, color=OTHER, linewidth=1.0, linestyle="--", label="middle of those shown")
    least, largest = float(value.min()), float(value.max())
    if positive:
        window = (
            max(float(np.nanmin(low)), least / WIDEST),
            min(float(np.nanmax(high)), largest * WIDEST),
        )
        ax.set_xlim(window[0] / 1.08, window[1] * 1.08)


def _name(key: object) -> str:
    """A key as a label."""
    words = " / ".join(map(str, key)) if isinstance(key, tuple) else str(key)
    return words if len(words) <= LETTERS else f"{words[: LETTERS - 1]}…"
