"""Pictures of iterated maps and of solvers' basins."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from survjax.optimize import Basins
from survjax.plotting.style import BLACK, BLUE, COMPONENTS, GRAY, MODEL, finish, start

#: One for each attractor, in order; beyond these they start again.
COLORS = (BLUE, *COMPONENTS)


def plot_basins(
    basins: Basins,
    ax: Axes | None = None,
    *,
    axes: tuple[int, int] = (0, 1),
    names: tuple[str, str] | None = None,
) -> Axes:
    """Draw which start ends where.

    Parameters
    ----------
    basins : Basins
        Of a map, of a solver, or of a mixture's many starts (`Basins.from_ends`).
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.
    axes : pair of int, default (0, 1)
        Which two coordinates span the picture, where starts are vectors.
    names : pair of str, optional
        Labels of the axes.

    Returns
    -------
    matplotlib Axes
        Starts in the color of the attractor (a star) that they lead to; gray crosses diverged
        or did not settle. Where starts are numbers, the end is drawn against the start.

    Examples
    --------
    >>> from survjax.optimize import basins
    >>> from survjax.plotting import plot_basins
    >>> found = basins(lambda x: (x**2 + 21) / 10, [-8.0, -3.0, 0.0, 6.0, 8.0])
    >>> plot_basins(found).get_xlabel()
    'start'
    """
    flat = basins.starts.ndim == 1
    words = names or (("start", "end") if flat else tuple(f"x{i}" for i in axes))
    ax = start(ax, title="Basins of attraction", x=words[0], y=words[1], unit=None)
    columns = list(axes)
    starts = basins.starts if flat else basins.starts[:, columns]
    for k, attractor in enumerate(basins.attractors):
        color = COLORS[k % len(COLORS)]
        members = basins.labels == k
        label = _label(basins, k)
        if flat:
            ax.plot(starts[members], basins.ends[members], ".", color=color, label=label)
            ax.axhline(attractor, color=color, linewidth=0.8, alpha=0.6)
            continue
        size = np.clip(30_000.0 / len(starts), 4.0, 40.0)
        ax.scatter(*starts[members].T, s=size, color=color, alpha=0.6, linewidth=0)
        ax.plot(
            *attractor[columns], "*", color=color, markersize=15, markeredgecolor=BLACK, label=label
        )
    lost = basins.labels < 0
    if lost.any():
        height = np.full(lost.sum(), ax.get_ylim()[0]) if flat else starts[lost][:, 1]
        across = starts[lost] if flat else starts[lost][:, 0]
        ax.plot(across, height, "x", color=GRAY, markersize=5, label=f"nowhere: {lost.sum()}")
    return finish(ax, 2)


def _label(basins: Basins, k: int) -> str:
    """Say where an attractor is, how low it is, and how many starts lead to it."""
    count = f"{basins.counts[k]} of {len(basins.labels)} starts"
    point = np.atleast_1d(basins.attractors[k])
    where = ", ".join(f"{x:.4g}" for x in point)
    if basins.values is None:
        return f"{where}: {count}"
    # Differences of rounding are not shown as if they were values.
    value = round(float(basins.values[k]), 10)
    return f"{value:.6g}: {count}" if point.size > 3 else f"{value:.6g} at {where}: {count}"


def plot_iterates(path: ArrayLike, ax: Axes | None = None) -> Axes:
    """Draw paths of an iteration against the step.

    Parameters
    ----------
    path : array-like of shape (n + 1,) or (n + 1, starts)
        As `survjax.optimize.iterate` returns it.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from survjax.optimize import iterate
    >>> from survjax.plotting import plot_iterates
    >>> plot_iterates(iterate(lambda x: x / 2, [1.0, 2.0], 10)).get_xlabel()
    'step'
    """
    values = np.asarray(path, float)
    values = values.reshape(len(values), -1)
    ax = start(ax, title="Iterates", x="step", y="x", unit=None)
    ax.plot(values, color=MODEL, linewidth=1.0, alpha=max(0.25, 1.0 / values.shape[1] ** 0.5))
    return ax


def plot_bifurcation(
    a: ArrayLike, kept: ArrayLike, ax: Axes | None = None, *, bins: int = 700, name: str = "a"
) -> Axes:
    """Draw where orbits stay, for each value of a parameter.

    Parameters
    ----------
    a : array-like of shape (m,)
        Increasing values of the parameter, evenly spaced.
    kept : array-like of shape (keep, m)
        States visited, as `survjax.optimize.orbit` returns them.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.
    bins : int, default 700
        Rows of the picture.
    name : str, default "a"
        Of the parameter.

    Returns
    -------
    matplotlib Axes
        The darker, the more often a state is visited (May 1976, figure 4).

    Examples
    --------
    >>> import numpy as np
    >>> from survjax.optimize import orbit
    >>> from survjax.plotting import plot_bifurcation
    >>> a = np.linspace(2.8, 3.6, 50)
    >>> ax = plot_bifurcation(a, orbit(lambda x, a: a * x * (1 - x), 0.3, a, 200, 100))
    >>> ax.get_xlabel()
    'a'
    """
    a, kept = np.asarray(a, float), np.asarray(kept, float)
    if a.ndim != 1 or kept.ndim != 2 or kept.shape[1] != a.size or a.size < 2:
        raise ValueError(
            f"kept must have one column for each of the values of a, got shapes {kept.shape} "
            f"and {a.shape}"
        )
    low, high = np.nanmin(kept), np.nanmax(kept)
    margin = 0.03 * (high - low or 1.0)
    edges = np.linspace(low - margin, high + margin, bins + 1)
    image = np.stack([np.histogram(column, edges)[0] for column in kept.T], axis=1)
    ax = start(ax, title="Bifurcation diagram", x=name, y="x", unit=None)
    half = 0.5 * (a[1] - a[0])
    # Periods gather a thousand visits in one bin and chaos one in each: a root shows both.
    ax.imshow(
        _darkness(image),
        origin="lower",
        aspect="auto",
        cmap="gray_r",
        interpolation="antialiased",
        extent=(a[0] - half, a[-1] + half, edges[0], edges[-1]),
    )
    ax.grid(False)
    return ax


def _darkness(counts: np.ndarray) -> np.ndarray:
    """Gray of each cell: a low power of its share of the visits."""
    return (counts / counts.sum(axis=0, keepdims=True)) ** 0.35
