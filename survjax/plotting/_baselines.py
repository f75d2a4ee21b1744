"""Pictures of the baselines: training, decision regions, hidden units, and the fit in motion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from numpy.typing import ArrayLike

from survjax._core.annotations import Covariates
from survjax.plotting.data import check_fitted
from survjax.plotting.style import BLACK, BLUE, COMPONENTS, GRAY, MODEL, OTHER, finish, start

if TYPE_CHECKING:
    from survjax.baselines.neural.base import NeuralBase

#: The first class is orange and the second blue, as regions and as points.
CLASSES = (COMPONENTS[0], BLUE, COMPONENTS[1], COMPONENTS[2], COMPONENTS[3])
#: No more points than this are drawn of each class: beyond it a picture only gets darker.
MOST = 1500
#: Points along each side of a picture's grid.
RESOLUTION = 160


def is_baseline(model: object) -> bool:
    """Tell a fitted baseline by its history, which has an objective."""
    return "objective" in getattr(model, "history_", ())


def plot_training(model: Any, ax: Axes | None = None, *, column: str = "objective") -> Axes:
    """Draw a column of a baseline's history, in training and validation.

    Parameters
    ----------
    model : fitted baseline
        With `history_`.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.
    column : str, default "objective"
        Such as "accuracy" or "mean_prediction".

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from survjax.baselines import LogisticRegression
    >>> from survjax.plotting import plot_training
    >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
    >>> plot_training(model).get_ylabel()
    'objective'
    """
    check_fitted(model, "plot_training")
    history = model.history_
    if column not in history:
        names = ", ".join(name for name in history if not name.startswith("validation_"))
        raise ValueError(f"column must be one of {names}, got {column!r}")
    word = str(history.index.name)
    title = f"{type(model).__name__}: {column.replace('_', ' ')}"
    ax = start(ax, title=title, x=word, y=column.replace("_", " "), unit=None)
    marker = "o-" if len(history) <= 30 else "-"
    style: dict[str, Any] = {"linewidth": 1.5, "markersize": 4}
    ax.plot(history.index, history[column], marker, color=MODEL, label="training", **style)
    held_out = f"validation_{column}"
    if held_out in history:
        ax.plot(history.index, history[held_out], marker, color=OTHER, label="validation", **style)
    kept = getattr(model, "best_epoch_", None)
    if kept is not None:
        ax.axvline(kept, color=GRAY, linewidth=1, linestyle=":", label=f"kept: {word} {kept}")
    return finish(ax, 3)


def plot_decision_regions(
    model: Any,
    X: Covariates,
    y: ArrayLike | None = None,
    ax: Axes | None = None,
    *,
    hidden: bool = False,
) -> Axes:
    """Draw what a classifier of two columns decides in the plane, with its data.

    Parameters
    ----------
    model : fitted classifier
        Of two columns; anything with `predict_proba`.
    X : array-like of shape (n, 2)
        Rows to draw, which also say how far the picture reaches.
    y : array-like of shape (n,), optional
        Their labels.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.
    hidden : bool, default False
        Draw where each unit of the first hidden layer changes sign.

    Returns
    -------
    matplotlib Axes
        Colors say the probability of the likeliest class; the dark line is where two are equal.

    Examples
    --------
    >>> import numpy as np
    >>> from survjax.baselines import LogisticRegression
    >>> from survjax.plotting import plot_decision_regions
    >>> X = np.random.default_rng(0).normal(size=(50, 2))
    >>> model = LogisticRegression().fit(X, X[:, 0] > 0)
    >>> plot_decision_regions(model, X, X[:, 0] > 0).get_xlabel()
    'x0'
    """
    check_fitted(model, "plot_decision_regions")
    points, names = _plane(model, X)
    ax = start(ax, title=type(model).__name__, x=names[0], y=names[1], unit=None)
    draw_regions(ax, model, points, y, RESOLUTION)
    if hidden:
        _draw_units(ax, model, points)
    return finish(ax, 4)


def draw_regions(
    ax: Axes, model: Any, points: np.ndarray, y: ArrayLike | None, resolution: int
) -> None:
    """Draw probabilities, boundary and points on given axes."""
    sides, grid = _grid(points, resolution)
    shares = model.predict_proba(grid)
    shape = (resolution, resolution)
    best = shares.argmax(axis=1)
    color = np.array([to_rgb(CLASSES[k % len(CLASSES)]) for k in range(shares.shape[1])])
    # A class that is sure has its full (light) color; one that is not fades to white.
    floor = 1.0 / shares.shape[1]
    sure = (shares.max(axis=1) - floor) / (1.0 - floor)
    image = 1.0 - 0.45 * sure[:, None] * (1.0 - color[best])
    extent = (sides[0][0], sides[0][-1], sides[1][0], sides[1][-1])
    ax.imshow(image.reshape(*shape, 3), origin="lower", extent=extent, aspect="auto", zorder=0)
    if shares.shape[1] == 2:
        lead = (shares[:, 1] - shares[:, 0]).reshape(shape)
        if lead.min() < 0 < lead.max():
            ax.contour(*sides, lead, levels=[0.0], colors=BLACK, linewidths=1.6)
    _scatter(ax, points, y, model.classes_)
    ax.set_xlim(extent[:2])
    ax.set_ylim(extent[2:])


def plot_hidden_units(
    model: NeuralBase,
    X: Covariates,
    y: ArrayLike | None = None,
    ax: Axes | None = None,
    *,
    layer: int = -1,
    units: tuple[int, int] = (0, 1),
) -> Axes:
    """Draw rows as a network's hidden units see them.

    Parameters
    ----------
    model : fitted MLPClassifier or MLPRegressor
        With dense layers.
    X : array-like of shape (n, p)
        Rows. With one column, the activation of every unit is drawn against it.
    y : array-like of shape (n,), optional
        Labels, for colors.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.
    layer : int, default -1
        Which hidden layer; the last by default.
    units : pair of int, default (0, 1)
        Which two units span the picture, for X of several columns.

    Returns
    -------
    matplotlib Axes
        Where the last layer has two units, the line is what the output makes of them: what no
        line could separate in the columns, one does here.

    Examples
    --------
    >>> import numpy as np
    >>> from survjax.baselines import MLPClassifier
    >>> from survjax.plotting import plot_hidden_units
    >>> X = np.random.default_rng(0).uniform(size=(60, 2))
    >>> model = MLPClassifier((2,), n_restarts=1, max_epochs=5).fit(X, X[:, 0] > 0.5)
    >>> plot_hidden_units(model, X, X[:, 0] > 0.5).get_xlabel()
    'hidden unit 1'
    """
    check_fitted(model, "plot_hidden_units")
    rows = np.asarray(X, float)
    if rows.ndim == 2 and rows.shape[1] == 1:
        return _plot_unit_curves(model, rows, ax, layer)
    values = model.hidden_activations(X)[layer]
    first, second = units
    if max(units) >= values.shape[1]:
        raise ValueError(f"units must be among the {values.shape[1]} of that layer, got {units}")
    ax = start(
        ax,
        title="Rows as two hidden units see them",
        x=f"hidden unit {first + 1}",
        y=f"hidden unit {second + 1}",
        unit=None,
    )
    _scatter(ax, values[:, [first, second]], y, getattr(model, "classes_", None))
    last = layer in (-1, len(model.parameters_) - 2)
    weights, bias = model.parameters_[-1]
    if last and weights.shape == (1, 2) and hasattr(model, "classes_"):
        _draw_line(ax, weights[0][[first, second]], float(bias[0]))
    return finish(ax, 3)


def _plot_unit_curves(model: NeuralBase, rows: np.ndarray, ax: Axes | None, layer: int) -> Axes:
    """Activation of every unit against the only column."""
    x = np.linspace(rows.min(), rows.max(), 300)
    values = model.hidden_activations(x[:, None])[layer]
    name = column_names(model)[0]
    ax = start(ax, title="Hidden units", x=name, y="activation", unit=None)
    for k, unit in enumerate(values.T[:10]):
        ax.plot(x, unit, linewidth=1.4, color=COMPONENTS[k % 5], label=f"unit {k + 1}")
    return finish(ax, 5)


def _draw_units(ax: Axes, model: NeuralBase, points: np.ndarray) -> None:
    """Draw the line where each unit of the first hidden layer is at its middle."""
    sides, grid = _grid(points, RESOLUTION)
    values = model.hidden_activations(grid)[0]
    middle = {"sigmoid": 0.5, "softplus": np.log(2.0)}.get(model.activation, 0.0)
    # A rectified unit has no middle but an edge, just above zero.
    middle = 1e-6 if model.activation == "relu" else middle
    for unit in values.T:
        if unit.min() < middle < unit.max():
            shape = (RESOLUTION, RESOLUTION)
            ax.contour(
                *sides,
                unit.reshape(shape),
                levels=[middle],
                colors=GRAY,
                linewidths=1.1,
                linestyles="--",
            )
    ax.plot([], [], "--", color=GRAY, linewidth=1.1, label="hidden unit changes sign")


def _draw_line(ax: Axes, slope: np.ndarray, level: float) -> None:
    """Draw slope . h + level = 0 across the picture."""
    limits = ax.get_xlim(), ax.get_ylim()
    low, high = limits[0]
    if abs(slope[1]) > 1e-9 * abs(slope[0]):
        ends = np.array([low, high])
        ax.plot(ends, -(slope[0] * ends + level) / slope[1], color=BLACK, label="output: even odds")
    else:
        ax.axvline(-level / slope[0], color=BLACK, label="output: even odds")
    ax.set_xlim(limits[0])
    ax.set_ylim(limits[1])


def _scatter(ax: Axes, points: np.ndarray, y: ArrayLike | None, classes: Any) -> None:
    """Draw points in the colors of their classes."""
    labels = np.zeros(len(points)) if y is None else np.asarray(y)
    kinds = np.unique(labels) if classes is None else classes
    if y is None or (classes is None and len(kinds) > len(CLASSES)):
        kinds = [None]
    for k, kind in enumerate(kinds):
        rows = points if kind is None else points[labels == kind]
        # Evenly spaced rows, not random ones: the same picture each time.
        rows = rows[:: max(1, len(rows) // MOST)]
        color = GRAY if kind is None else CLASSES[k % len(CLASSES)]
        ax.scatter(
            *rows.T,
            s=12,
            color=color,
            edgecolor="white",
            linewidth=0.3,
            label=None if kind is None else str(kind),
        )


def _plane(model: Any, X: Covariates) -> tuple[np.ndarray, list[str]]:
    """Rows as an array of two columns, and the names of the columns."""
    points = np.asarray(X, float)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"X must have two columns to be drawn in a plane, got {points.shape}")
    return points, column_names(model)


def column_names(model: Any) -> list[str]:
    """Names of the columns that were fitted: x0, x1, ... where they had none."""
    names = getattr(model, "feature_names_in_", None)
    return [f"x{i}" for i in range(model.n_features_in_)] if names is None else list(names)


def _grid(points: np.ndarray, resolution: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Sides of a grid a little wider than the points, and its rows."""
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.04 * np.where(high > low, high - low, 1.0)
    sides = [
        np.linspace(a, b, resolution) for a, b in zip(low - margin, high + margin, strict=True)
    ]
    return sides, np.column_stack([part.ravel() for part in np.meshgrid(*sides)])
