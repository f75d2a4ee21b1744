"""Where a mixture regression begins, and which of its climbs is the answer."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from survjax._core.observations import Observations
from survjax.inference.forms import Form, Layout, Predictor, accelerated
from survjax.inference.histories import Histories, HistoryLikelihood
from survjax.inference.penalties import Penalty, RegressionMaximum
from survjax.inference.regression import Columns, Likelihood, sample_rows
from survjax.inference.regression_fit import (
    climb,
    faults,
    fit,
    location_start,
)
from survjax.lifetimes import Weibull

#: Rows on which all starts climb.
SEARCH_ROWS = 8192
#: A climb to shapes so many times too steep does not come back.
LOST = 20.0


def spread_out(layout: Layout, plain: np.ndarray, slopes: np.ndarray, rng: Any) -> np.ndarray:
    """Coefficients from a mixture without covariates, with slopes (p,) given to every scale."""
    parts = []
    for item, value in zip(layout, plain, strict=True):
        effect = np.zeros(len(item.columns) - 1)
        if item.name.startswith("log_scale"):
            effect = effect + slopes[np.array(item.columns[1:], int) - 1]
        parts.append(
            np.concatenate([[value], effect + (rng.normal(0, 0.3, effect.size) if rng else 0)])
        )
    return np.concatenate(parts)


def search_mixture(
    form: Form,
    layout: Layout,
    rows: Observations,
    x: np.ndarray,
    columns: Columns,
    plain: list[np.ndarray],
    *,
    histories: Histories | None,
    component: np.ndarray | None,
    penalty: Penalty | None,
    n_starts: int,
    max_shape: float,
    tol: float,
    max_iter: int,
    random_state: int,
) -> tuple[RegressionMaximum, Likelihood | HistoryLikelihood]:
    """The highest interior maximum from several starts, components in order if none is known.

    `plain` holds parameters (3K - 1,) of mixtures without covariates, the best first. Starts
    give all scales no slope, the slopes of one Weibull regression, or random ones.
    """
    rng = np.random.default_rng(random_state)
    common = _common_slopes(rows, x, columns, tol, max_iter)
    starts = [spread_out(layout, p, s, None) for p in plain for s in (0 * common, common)]
    while len(starts) < n_starts:
        base = plain[len(starts) % len(plain)]
        starts.append(spread_out(layout, base, common * (len(starts) % 2), rng))
    likelihood: Likelihood | HistoryLikelihood
    if histories is None:
        likelihood = Likelihood(form, layout, rows, x, columns, component)
    else:
        likelihood = HistoryLikelihood(form, layout, histories, x, columns, component)
    near, share = likelihood, 1.0
    if histories is None and rows.n_rows > 2 * SEARCH_ROWS:
        part = sample_rows(rows.weight, SEARCH_ROWS)
        known = None if component is None else component[part]
        near = Likelihood(form, layout, rows.take(part), x[part], columns, known)
        share = near.n_units / rows.n_units
    some = penalty and penalty.scaled(share)
    lost = partial(collapsed, layout, max_shape=LOST * max_shape)
    ends = [
        climb(near, start, tol, max_iter, some, lost=lost) for start in starts[: max(n_starts, 1)]
    ]

    def rank(end: RegressionMaximum) -> tuple[bool, float]:
        value = end.value if np.isfinite(end.value) else -np.inf
        return bool(faults(end)) or collapsed(layout, end.theta, max_shape), -value

    best = min(ends, key=rank)
    if near is not likelihood:
        best = climb(likelihood, best.theta, tol, max_iter, penalty, lost=lost)
    if component is None:
        theta = relabeled(layout, best.theta, form.n_components)
        if not np.array_equal(theta, best.theta):
            best = climb(likelihood, theta, tol, max_iter, penalty, lost=lost)
    return best, likelihood


def collapsed(layout: Layout, theta: np.ndarray, max_shape: float) -> bool:
    """Whether a component is a collapse on single times."""
    start, steep = 0, False
    for item in layout:
        steep |= item.name.startswith("log_shape") and theta[start] > np.log(max_shape)
        start += len(item.columns)
    return steep


def _common_slopes(
    rows: Observations, x: np.ndarray, columns: Columns, tol: float, max_iter: int
) -> np.ndarray:
    """Slopes (p,) of one Weibull's log scale."""
    p = x.shape[1]
    layout = (Predictor("log_scale", tuple(range(p + 1))), Predictor("log_shape", (0,)))
    scale, shape = location_start(rows)
    start = np.array([scale, *[0.0] * p, shape])
    found, _ = fit(
        accelerated(Weibull.of(1.0, 1.0)),
        layout,
        rows,
        x,
        columns,
        start,
        tol=1e-3,
        max_iter=max_iter,
    )
    return found.theta[1 : p + 1] if np.all(np.abs(found.theta) < 50) else np.zeros(p)


def relabeled(layout: Layout, theta: np.ndarray, k: int) -> np.ndarray:
    """The same mixture with its components in the order of their medians at the mean asset."""
    parts, start = [], 0
    for item in layout:
        parts.append(theta[start : start + len(item.columns)])
        start += len(item.columns)
    weights, scales, shapes = parts[: k - 1], parts[k - 1 : 2 * k - 1], parts[2 * k - 1 :]
    medians = [
        s[0] + np.log(np.log(2.0)) / np.exp(c[0]) for s, c in zip(scales, shapes, strict=True)
    ]
    order = np.argsort(medians, kind="stable")
    same = len({item.columns for item in layout[: k - 1]}) <= 1
    if not same or len({i.columns for i in layout[k - 1 : 2 * k - 1]}) > 1:
        return theta
    zero = np.zeros_like(weights[0]) if weights else np.zeros(1)
    logits = [zero, *weights]
    moved = [logits[j] - logits[order[0]] for j in order[1:]]
    return np.concatenate([*moved, *(scales[j] for j in order), *(shapes[j] for j in order)])
