"""Whether one fitted model is a special case of another."""

from __future__ import annotations

from typing import Any

import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.search import search
from survjax.fitting.settings import Settings
from survjax.lifetimes import Lifetime
from survjax.likelihood.regression.likelihood import predictors
from survjax.likelihood.rows import contributions
from survjax.likelihood.vector.template import Template

#: Quantiles of the smaller model to which the larger one is fitted.
QUANTILES = 1000
#: Log-likelihood of these by which a model that holds the smaller one may lie below it by rounding.
SLACK = 1e-5
#: Of a column, the share of its length that the columns of the larger model may leave unexplained.
LEFT = 1e-8


def check_holds(smaller: Any, larger: Any) -> None:
    """Refuse a larger model that does not hold the smaller one.

    A family holds a lifetime if its best fit to the quantiles of that lifetime is as good as the
    lifetime itself. A regression must have its family as well, and each column in its span.
    """
    if hasattr(smaller, "_template") and hasattr(larger, "_template"):
        return _check_families(smaller.lifetime_, larger._template, larger._settings())
    if type(smaller) is not type(larger):
        raise ValueError(
            f"a {type(larger).__name__} and a {type(smaller).__name__} cannot be tested against "
            "each other: fit both as one kind of model, or compare them by AIC"
        )
    few, many = smaller._fitted.form, larger._fitted.form
    if (few.modifier, few.base_fixed) != (many.modifier, many.base_fixed):
        raise ValueError("covariates do different things in smaller and larger: compare by AIC")
    if not few.has_family_of(many):
        _check_families(_central(smaller), Template(many.template), Settings())
    _check_columns(smaller, larger)


def _check_families(lifetime: Lifetime, larger: Template, settings: Settings) -> None:
    """Refuse a family whose best fit to a lifetime's quantiles is worse than that lifetime."""
    share = (np.arange(QUANTILES) + 0.5) / QUANTILES
    times = np.asarray(lifetime.quantile(share))
    times = times[np.isfinite(times)]
    # What has failed by time zero is found at the first inspection.
    first = times[times > 0][0]
    rows = Observations.from_intervals(np.maximum(times, 0.0), np.where(times > 0, times, first))
    own = float(np.sum(contributions(lifetime, rows)))
    found = search(larger, rows.compressed(), settings)
    if found.best.value < own - SLACK * QUANTILES**0.5:
        names = type(larger.lifetime).__name__, type(lifetime).__name__
        raise ValueError(
            f"{names[0]} does not hold {names[1]} (fitted to its quantiles, it lies "
            f"{own - found.best.value:.3g} below in log-likelihood): compare them by AIC"
        )


def _central(model: Any) -> Any:
    """The lifetime of an asset whose covariates are at the center."""
    fitted = model._fitted
    nothing = np.zeros((1, fitted.columns.center.size))
    eta = predictors(fitted.layout, fitted.theta, nothing)
    return fitted.form.lifetime([np.ravel(part)[0] for part in eta])


def _check_columns(smaller: Any, larger: Any) -> None:
    """Refuse columns of a predictor that those of the larger model's do not span."""
    many = {item.name: item for item in larger._fitted.layout}
    for item in smaller._fitted.layout:
        if item.name not in many:
            raise ValueError(f"larger has no {item.name}, and smaller has: compare them by AIC")
        own = _columns(smaller._training.x, item.columns)
        span = _columns(larger._training.x, many[item.name].columns)
        size = np.linalg.norm(own, axis=0)
        basis = np.linalg.qr(span / np.maximum(np.linalg.norm(span, axis=0), 1e-300))[0]
        left = np.linalg.norm(own - basis @ (basis.T @ own), axis=0)
        if np.any(left > LEFT * size):
            raise ValueError(
                f"the columns of larger do not hold those of smaller in {item.name}: compare them "
                "by AIC"
            )


def _columns(x: np.ndarray, columns: tuple[int, ...]) -> np.ndarray:
    """What a predictor adds up: 0 is the intercept, j the j-th column counted from one."""
    return np.column_stack([np.ones(len(x)), x])[:, list(columns)]
