"""Pictures of fits with covariates: effects with bounds, what they do to survival, one asset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FormatStrFormatter, Locator, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike

from survjax._core.annotations import Covariates
from survjax.nonparametric import StepCurve
from survjax.plotting.data import check_fitted, drawn_steps
from survjax.plotting.style import COMPONENTS, DATA, GRAY, MODEL, finish, percent, start

#: The most rows of a forest that can be read.
ROWS = 40
#: Letters of a column's name that are shown.
LONGEST = 32


def short(name: str) -> str:
    """A name that leaves room for the picture."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 3]}..."


def plot_effects(
    model: Any, ax: Axes | None = None, *, predictor: str | None = None, level: float = 0.95
) -> Axes:
    """Draw the effect of each covariate as a ratio with its bounds.

    Parameters
    ----------
    model : fitted regression
        `CoxPH`, `ScaledHazard`: hazard ratios. `AcceleratedLifetime`: factors on life.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.
    predictor : str, optional
        Which predictor's effects, such as "log_scale_1" of a mixture; the first by default.
    level : float, default 0.95
        Of the bounds.

    Returns
    -------
    matplotlib Axes
        One row a covariate, per unit of it, on a logarithmic axis.

    Examples
    --------
    >>> import numpy as np
    >>> from survjax import ScaledHazard
    >>> from survjax.plotting import plot_effects
    >>> x = np.random.default_rng(0).normal(size=(50, 2))
    >>> model = ScaledHazard().fit(x, np.exp(0.5 * x[:, 0] + x[:, 1] ** 2))
    >>> plot_effects(model).get_xlabel()
    'hazard ratio per unit of the covariate'
    """
    check_fitted(model, "plot_effects")
    table = model.summary(level)
    if hasattr(model, "hazard_ratios_"):  # its rows have the names of the covariates alone
        table = table.rename(index="log_ratio:{}".format)
    name = predictor or str(table.index[0]).split(":")[0]
    rows = [f for f in table.index if f.startswith(f"{name}:") and f != f"{name}:intercept"]
    if not rows:
        known = sorted({str(f).split(":")[0] for f in table.index if ":" in str(f)})
        raise ValueError(f"no effects on {name!r}: there are effects on {', '.join(known)}")
    table = table.loc[rows[:ROWS]]
    what = "hazard ratio" if name == "log_ratio" else f"factor on {name.removeprefix('log_')}"
    what = "factor on life" if name == "log_scale" else what
    ax = start(ax, title="Effects", x=f"{what} per unit of the covariate", y="", unit=None)
    low, high = np.exp(table["lower"]), np.exp(table["upper"])
    at = np.arange(len(table))[::-1]
    ax.axvline(1.0, color=GRAY, linewidth=1.0)
    there = np.isfinite(low) & np.isfinite(high)
    if there.any():
        label = f"{percent(level)} bounds"
        ax.hlines(at[there], low[there], high[there], color=MODEL, linewidth=2.0, label=label)
    ax.plot(table["ratio"], at, "o", color=MODEL, markersize=5)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(_locator(np.array([*low, *high, *table["ratio"], 1.0])))
    ax.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_yticks(at, [short(row.split(":", 1)[1]) for row in table.index], parse_math=False)
    ax.grid(False, axis="y")
    return finish(ax)


def _locator(shown: np.ndarray) -> Locator:
    """Where a logarithmic axis has numbers, so that there are some, and room for them."""
    shown = shown[np.isfinite(shown) & (shown > 0)]
    wide = shown.max() / shown.min()
    if wide < 2.0:
        # Between 0.95 and 1.1 there are none of a logarithmic axis' round numbers but 1.
        return MaxNLocator(6)
    return LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0) if wide < 300.0 else (1.0,), numticks=8)


def plot_partial_survival(
    model: Any,
    X: Covariates,
    column: str | int | Sequence[str | int],
    values: Sequence[Any] | np.ndarray,
    times: ArrayLike,
    ax: Axes | None = None,
    *,
    age: float = 0.0,
    level: float = 0.95,
    unit: str | None = None,
    steps: Sequence[StepCurve | None] | None = None,
) -> Axes:
    """Draw survival at several values of one covariate, the others as in the first row of X.

    Parameters
    ----------
    model : fitted regression
        Any.
    X : DataFrame or array of shape (n, p)
        Its first row says what the other covariates are.
    column : str or int, or a list of them
        The covariate that varies, by name or position; several that vary together, such as the
        columns of ones and zeros that a text became.
    values : array-like of shape (v,), or (v, c) for a list of c
        Its values.
    times : array-like of shape (m,)
        Times at which to draw, from `age` on.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.
    age : float, default 0
        Age the asset has reached.
    level : float, default 0.95
        Of the bands.
    unit : str, optional
        Unit of time, for the labels.
    steps : list of v StepCurve or None, optional
        For each value the `kaplan_meier` curve of the units that have it, to be drawn beneath; None
        where they are too few. These units differ in the other covariates.

    Returns
    -------
    matplotlib Axes
    """
    check_fitted(model, "plot_partial_survival")
    steps = [None] * len(values) if steps is None else steps
    if age > 0 and any(curve is not None for curve in steps):
        raise ValueError(
            f"steps begin at age 0, and survival at age={age:g}: leave out one of them"
        )
    names = list(getattr(X, "columns", range(np.asarray(X).shape[1])))
    import pandas as pd  # deferred: pictures of other fits need no frames

    table = pd.DataFrame(np.asarray(X, float)[:1].repeat(len(values), axis=0), columns=names)
    columns = list(column) if isinstance(column, (list, tuple)) else [column]
    for one in columns:
        if one not in names:
            raise ValueError(f"no column {one!r}: there are {', '.join(map(str, names))}")
    moved = np.asarray(values, float).reshape(len(values), len(columns))
    table[columns] = moved
    rows = table if hasattr(X, "columns") else table.to_numpy()
    ages = np.full(len(values), float(age))
    found = model.predict_survival(rows, times, ages, level)
    t = np.asarray(times, float)
    words = [short(str(one)) for one in columns]
    word = ", ".join(words)
    ax = start(
        ax, title=f"Survival by {word}", x="time ({unit})", y="share still running", unit=unit
    )
    for i, row in enumerate(moved):
        color = COMPONENTS[i % len(COMPONENTS)]
        limits = (found[name].iloc[i] for name in ("lower", "upper"))
        ax.fill_between(t, *limits, color=color, alpha=0.2, linewidth=0)
        label = ", ".join(f"{one} = {value:g}" for one, value in zip(words, row, strict=True))
        ax.plot(t, found["survival"].iloc[i], color=color, linewidth=2.0, label=label)
        if (curve := steps[i]) is not None:
            ax.plot(*drawn_steps(curve, 0.0), color=color, linewidth=0.9)
    if any(curve is not None for curve in steps):
        ax.plot([], [], color=DATA, linewidth=0.9, label="Kaplan-Meier (data)")
    ax.set_xlim(min(age, t.min()), t.max())
    ax.set_ylim(0.0, 1.02)
    return finish(ax, columns=3 if len(word) <= 12 else 1)


def plot_asset_rul(
    model: Any,
    X: Covariates,
    times: ArrayLike,
    ax: Axes | None = None,
    *,
    ages: ArrayLike | None = None,
    truth: ArrayLike | None = None,
    level: float = 0.9,
    unit: str | None = None,
) -> Axes:
    """Draw one asset's remaining life as it was predicted through its life, and what came true.

    Parameters
    ----------
    model : fitted regression
        Any.
    X : array-like of shape (n, p)
        The asset's covariates as known at each time.
    times : array-like of shape (n,)
        Those times.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.
    ages : array-like of shape (n,), optional
        What `predict_interval` takes as ages, where the model's time runs on from birth; none
        where it was fitted to remaining lives.
    truth : array-like of shape (n,), optional
        The remaining life that came true.
    level : float, default 0.9
        Chance that the band holds it.
    unit : str, optional
        Unit of time, for the labels.

    Returns
    -------
    matplotlib Axes
    """
    check_fitted(model, "plot_asset_rul")
    t = np.asarray(times, float)
    limits = model.predict_interval(X, ages, level)
    middle = model.predict_quantile(X, [0.5], ages)["q50"]
    ax = start(
        ax,
        title="One asset through its life",
        x="age ({unit})",
        y="remaining life ({unit})",
        unit=unit,
    )
    label = f"{percent(level)} of lives"
    ax.fill_between(
        t, limits["lower"], limits["upper"], color=MODEL, alpha=0.2, linewidth=0, label=label
    )
    ax.plot(t, middle, color=MODEL, label="predicted median")
    if truth is not None:
        ax.plot(t, np.asarray(truth, float), color=DATA, linewidth=1.3, label="what came true")
    ax.set_ylim(bottom=0.0)
    return finish(ax, columns=3)
