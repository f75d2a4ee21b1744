"""What pictures need of a fitted model: its grid of times, its curves, its data as steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from survjax._core.precision import double_precision
from survjax.estimators.lifetime.predictions import FittedLifetime, check_level
from survjax.estimators.messages import NotFittedError
from survjax.likelihood.rows import contributions
from survjax.nonparametric import (
    CumulativeIncidence,
    StepCurve,
    aalen_johansen,
    kaplan_meier,
    turnbull,
)
from survjax.plotting.style import OTHER
from survjax.prediction.curves import evaluate, response_value
from survjax.prediction.residuals import still_running
from survjax.uncertainty.modes import bounded

#: Points of a curve. All pictures use one number, so that the curves compile once.
POINTS = 256
#: Turnbull's estimate is left out beyond so many intervals: it is a dense problem.
MAX_INTERVALS = 4000

PICTURES_OF_LIFETIMES = (
    "plot_survival",
    "plot_paper",
    "plot_quantiles",
    "plot_hazard",
    "plot_rul",
)
_LIFETIME = ("lifetime_",), "one lifetime of all units, as of WeibullMixture and LifetimeModel"
#: What a model has where a picture can be drawn of it, and what the picture shows.
PICTURES: dict[str, tuple[tuple[str, ...], str]] = {
    **dict.fromkeys(PICTURES_OF_LIFETIMES, _LIFETIME),
    **dict.fromkeys(
        ("plot_history", "animate_fit"),
        (("lifetime_", "animate"), "the iterations of a fit of one lifetime"),
    ),
    "plot_incidence": (("_drawn_incidence",), "shares of units by cause"),
    "plot_effects": (("summary", "predict_path"), "coefficients of covariates"),
    "plot_partial_survival": (("predict_path",), "lives that follow from covariates"),
    "plot_asset_rul": (("predict_path", "predict_interval"), "intervals for single assets"),
    "plot_residuals": (("_residual_table",), "residuals of units"),
    "plot_training": (("at_iteration", "history_"), "the training of a baseline"),
    "plot_decision_regions": (("predict_proba",), "probabilities of classes"),
    "plot_hidden_units": (("hidden_activations",), "hidden units"),
}


def longest(model: FittedLifetime) -> float:
    """The last time that the data reach; the 0.99 quantile where the model has no rows."""
    rows = getattr(model, "_rows", None)
    if rows is None:
        return float(model.quantile(0.99))
    last = float(rows.lower.max())
    if rows.interval is not None:
        last = max(last, float(rows.upper[rows.interval > 0].max()))
    return last


def earliest(model: FittedLifetime) -> float:
    """Some time before the first failure, for axes on a log scale."""
    rows = getattr(model, "_rows", None)
    if rows is None:
        return float(model.quantile(0.002))
    return max(float(failures(model)[0].min()) / 1.6, longest(model) * 1e-6)


def failures(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Times of the failures in the data (the upper end of an interval), and their weights."""
    rows = model._rows
    times, seen = rows.lower, rows.event > 0
    if rows.interval is not None:
        seen = seen | (rows.interval > 0)
        times = np.where(rows.interval > 0, rows.upper, times)
    return times[seen], rows.weight[seen]


def grid(model: FittedLifetime, times: ArrayLike | None = None) -> np.ndarray:
    """Times of a picture: the given ones, or even steps from (nearly) zero to the last time."""
    if times is not None:
        times = np.asarray(times, float)
        if times.ndim != 1 or times.size < 2:
            raise ValueError(f"times must be a row of at least two, got shape {times.shape}")
        return np.sort(times)
    return longest(model) * 1.02 * np.arange(1, POINTS + 1) / POINTS


def log_grid(model: FittedLifetime) -> np.ndarray:
    """Times of a picture on a log scale."""
    return np.geomspace(earliest(model), longest(model) * 1.15, POINTS)


def steps(model: FittedLifetime, level: float) -> tuple[StepCurve, str] | None:
    """What the data alone say, and its name; None where the model has no rows."""
    rows = getattr(model, "_rows", None)
    if rows is None:
        return None
    if rows.interval is None and rows.exit is None:
        curve = kaplan_meier(
            rows.lower, rows.event > 0, entry=rows.entry, sample_weight=rows.weight, level=level
        )
        return curve, "Kaplan-Meier"
    if rows.n_rows > MAX_INTERVALS:
        return None
    upper = np.where(rows.event > 0, rows.lower, np.inf)
    if rows.interval is not None:
        upper = np.where(rows.interval > 0, rows.upper, upper)
    exit = rows.exit if rows.exit is not None and np.isfinite(rows.exit).any() else None
    entry = rows.entry if rows.entry is not None and rows.entry.any() else None
    curve = turnbull(rows.lower, upper, entry=entry, exit=exit, sample_weight=rows.weight)
    return curve, "Turnbull"


def incidence_steps(model: Any) -> CumulativeIncidence | None:
    """The Aalen-Johansen estimate; None where there are no rows, or causes or times are unknown."""
    rows = getattr(model, "_rows", None)
    if rows is None or rows.interval is not None or rows.exit is not None:
        return None
    if (model._allowed.sum(axis=1) > 1).any():
        return None
    labels = np.array([None, *model._labels()], object)
    number = np.where(model._allowed.any(axis=1), model._allowed.argmax(axis=1) + 1, 0)
    return aalen_johansen(rows.lower, labels[number], entry=rows.entry, sample_weight=rows.weight)


def drawn_steps(
    curve: StepCurve, end: float, heights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Corners of a step curve, or of its bounds as `heights`, from time zero to the end.

    Where a step is known only to lie in an interval, the corner becomes a slope across it.
    """
    finite = np.isfinite(curve.times)
    right = curve.times[finite]
    left = right if curve.starts is None else np.minimum(curve.starts[finite], right)
    heights = curve.values if heights is None else heights
    values = np.concatenate([[curve.initial], heights[finite]])
    times = np.column_stack([left, right]).ravel()
    corners = np.column_stack([values[:-1], values[1:]]).ravel()
    return (
        np.concatenate([[0.0], times, [max(end, right.max(initial=0.0))]]),
        np.concatenate([[curve.initial], corners, values[-1:]]),
    )


@dataclass(frozen=True)
class Drawn:
    """A curve at the times of a picture, and its band where the fit has one."""

    values: np.ndarray
    limits: tuple[np.ndarray, np.ndarray] | None


@double_precision
def drawn_curve(
    model: FittedLifetime, name: str, times: np.ndarray, level: float, bands: bool = True
) -> Drawn:
    """The survival or hazard with its band (that of `confidence_interval`'s "delta")."""
    check_level(level)
    covariance = np.asarray(model.covariance_)
    ages = np.zeros(times.size)
    if not bands or not np.all(np.isfinite(covariance)):
        values, _ = evaluate(model.lifetime_, None, (name,), times, ages)
        return Drawn(response_value(name, values[0]), None)
    values, _, low, high = bounded(
        model.lifetime_, covariance, getattr(model, "_maxima", None), (name,), times, ages, level
    )
    return Drawn(response_value(name, values[0]), (low[0], high[0]))


@double_precision
def survival_of(model: FittedLifetime, t: np.ndarray) -> np.ndarray:
    """P(T > t) of all units (n,), those that failed at birth included, as the likelihood has it."""
    terms = contributions(model.lifetime_, still_running(t, None, None))
    return np.where(t > 0, np.exp(terms), 1.0)


def title_of(model: FittedLifetime) -> str:
    """A short name of a fit: "2 Weibull components"."""
    weights = getattr(model, "weights_", None)
    if weights is None:
        lifetime = getattr(model, "lifetime_", model)
        return type(lifetime).__name__
    return "one Weibull" if len(weights) == 1 else f"{len(weights)} Weibull components"


def check_fitted(model: object, picture: str) -> None:
    """Raise where a model has nothing to draw yet, or not what a picture is made from."""
    kind = type(model).__name__
    if isinstance(model, StepCurve | CumulativeIncidence):
        raise ValueError(f"a {kind} is no model with a hazard of its own: call its plot() method")
    fitted = hasattr(model, "lifetime_") or hasattr(model, "n_features_in_")
    if hasattr(model, "fit") and not fitted:
        raise NotFittedError(f"this {kind} is not fitted yet: call fit before you draw it")
    needs, what = PICTURES[picture]
    if not all(hasattr(model, name) for name in needs):
        use = [name for name, (has, _) in PICTURES.items() if all(hasattr(model, n) for n in has)]
        advice = f"use {', '.join(use)}" if use else "draw what it predicts"
        raise TypeError(f"{picture} draws {what}, and {kind} has none: {advice}")


def draw_other(
    ax: Axes, t: np.ndarray, model: FittedLifetime | None, curve: str, scale: Any = None
) -> None:
    """Draw the curve of another fit, dashed, where there is one; `scale` maps its values."""
    if model is not None:
        check_fitted(model, "plot_survival")
        values = drawn_curve(model, curve, t, 0.95, bands=False).values
        values = values if scale is None else scale(values)
        ax.plot(t, values, "--", color=OTHER, linewidth=1.5, label=title_of(model))
