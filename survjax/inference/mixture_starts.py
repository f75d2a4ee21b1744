"""Where a mixture regression begins: mixtures without covariates, and units parted in many ways.

A guess is a table of responsibilities, the share of each row that each component takes. A few EM
steps, whose components are lines through the log times, turn each into coefficients.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from survjax._core.content import content_ranks
from survjax._core.observations import Observations
from survjax.inference.forms import Layout
from survjax.inference.starts import SD_OF_LOG, guesses, representative
from survjax.inference.template import Template

#: EM steps from each table.
N_STEPS = 5
#: Shapes that a start may have, and the share of a component's units that is not data.
LEAST_SHAPE, MOST_SHAPE, SOFT = 0.2, 20.0, 0.02
#: Ridge on slopes of starts, as a share of the units that a component holds.
RIDGE = 0.02


class Parts:
    """The coefficients of a mixture of K Weibulls by component: weights, scales, shapes.

    Parameters
    ----------
    layout : Layout
        Its predictors are named as by `weibull_template`.
    n_components : int
        K.
    """

    def __init__(self, layout: Layout, n_components: int) -> None:
        ends = np.cumsum([len(item.columns) for item in layout])
        self.size = int(ends[-1])
        named = {
            item.name: (np.arange(end - len(item.columns), end), np.array(item.columns))
            for item, end in zip(layout, ends, strict=True)
        }

        def those(kind: str, begin: int) -> list[tuple[np.ndarray, np.ndarray]]:
            return [named[f"{kind}_{j}"] for j in range(begin, n_components + 1)]

        #: Positions and columns of each component's logit (from the second on), scale and shape.
        self.weights = those("logit_weight", 2)
        self.scales, self.shapes = those("log_scale", 1), those("log_shape", 1)
        #: Positions of the intercepts, which are a mixture without covariates.
        self.intercepts = ends - [len(item.columns) for item in layout]

    def predictors(self, theta: np.ndarray, wide: np.ndarray) -> Any:
        """Log weights, log scales and log shapes (K, n) of rows with columns [1, z]."""
        found = []
        for part in (self.weights, self.scales, self.shapes):
            found.append([wide[:, columns] @ theta[at] for at, columns in part])
        logits = np.array([np.zeros(len(wide)), *found[0]])
        log_weights = logits - np.logaddexp.reduce(logits, axis=0)
        return log_weights, np.array(found[1]), np.array(found[2])


def starts_of(
    layout: Layout,
    template: Template,
    plain: np.ndarray,
    rows: Observations,
    x: np.ndarray,
    component: np.ndarray | None,
    *,
    n_starts: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Coefficients (B, P) to begin at, on standardized columns x (n, p).

    Parameters
    ----------
    plain : array of shape (m, 3K - 1)
        Mixtures without covariates, the best first.
    """
    k = template.n_components
    parts = Parts(layout, k)
    wide = np.column_stack([np.ones(len(x)), x])
    log_time, event = representative(rows)
    tables = [_memberships(parts, spread_out(parts, p), wide, log_time, event) for p in plain]
    slopes = _common_slopes(wide, log_time, event, rows.weight)
    even = Observations.from_durations(
        np.exp(log_time - wide[:, 1:] @ slopes), event, sample_weight=rows.weight
    )
    for units in (even, rows):
        tables += list(guesses(units, k, max(n_starts // 8, 2), rng))
    # Equal rows share a place, so that neither order nor repetition of rows changes a start.
    place = content_ranks([log_time, event, *wide.T])
    for j in range(n_starts):
        if j % 2:
            tables.append(_along_a_direction(wide, log_time, k, rng))
        else:
            drawn = rng.integers(k, size=place.max() + 1)[place]
            tables.append(_softened(np.eye(k)[:, drawn], 0.3))
    first = [spread_out(parts, plain[0]), spread_out(parts, plain[0], slopes)]
    found = [
        _steps(parts, table, wide, log_time, event, rows.weight, component)
        for table in tables[: max(n_starts - 2, 0)]
    ]
    return np.array([*first, *found][: max(n_starts, 1)])


def spread_out(parts: Parts, plain: np.ndarray, slopes: np.ndarray | None = None) -> np.ndarray:
    """Coefficients from a mixture without covariates, with slopes (p,) given to every scale."""
    theta = np.zeros(parts.size)
    theta[parts.intercepts] = plain
    if slopes is not None:
        for at, columns in parts.scales:
            theta[at[1:]] = slopes[columns[1:] - 1]
    return theta


def _common_slopes(
    wide: np.ndarray, log_time: np.ndarray, event: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Slopes (p,) of one line through the log times."""
    return _line(wide, log_time, weight * (0.05 + event))[1:]


def _line(wide: np.ndarray, y: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Coefficients of a line by least squares, with a little ridge on its slopes."""
    gram = wide.T @ (held[:, None] * wide)
    gram[1:, 1:] += (RIDGE * held.sum() + 1e-12) * np.eye(len(gram) - 1)
    gram[0, 0] += 1e-12
    return np.linalg.solve(gram, wide.T @ (held * y))


def _softened(table: np.ndarray, by: float) -> np.ndarray:
    """Responsibilities of which a part is the same for all components."""
    return (1.0 - by) * table + by / len(table)


def _along_a_direction(
    wide: np.ndarray, log_time: np.ndarray, k: int, rng: np.random.Generator
) -> np.ndarray:
    """Units parted along a random direction of columns and log time: (K, n)."""
    p = wide.shape[1]
    away = (log_time - log_time.mean()) / max(log_time.std(), 1e-12)
    space = np.column_stack([wide[:, 1:], away])
    direction = rng.normal(size=p) * (rng.random(p) < max(0.3, 2.0 / p))
    direction[-1] = rng.normal() if rng.random() < 0.7 else 0.0
    level = space @ direction
    cuts = np.quantile(level, np.sort(rng.uniform(0.1, 0.9, k - 1)))
    return _softened(np.eye(k)[rng.permutation(k)][:, np.searchsorted(cuts, level)], 0.1)


def _memberships(
    parts: Parts, theta: np.ndarray, wide: np.ndarray, log_time: np.ndarray, event: np.ndarray
) -> np.ndarray:
    """Share of each row that each component takes, (K, n)."""
    log_weights, log_scale, log_shape = parts.predictors(theta, wide)
    z = np.exp(log_shape) * (log_time - log_scale)
    joint = log_weights + event * (log_shape + z) - np.exp(np.minimum(z, 80.0))
    share = np.exp(joint - joint.max(axis=0))
    return np.asarray(share / share.sum(axis=0))


def _steps(
    parts: Parts,
    table: np.ndarray,
    wide: np.ndarray,
    log_time: np.ndarray,
    event: np.ndarray,
    weight: np.ndarray,
    component: np.ndarray | None,
) -> np.ndarray:
    """A few EM steps from a table of responsibilities (K, n): coefficients (P,)."""
    theta = np.zeros(parts.size)
    for _ in range(N_STEPS):
        if component is not None:
            table = np.where(component >= 0, np.arange(len(table))[:, None] == component, table)
        table = _softened(table, SOFT)
        theta = _fitted(parts, table, wide, log_time, event, weight)
        table = _memberships(parts, theta, wide, log_time, event)
    return theta


def _fitted(
    parts: Parts,
    table: np.ndarray,
    wide: np.ndarray,
    log_time: np.ndarray,
    event: np.ndarray,
    weight: np.ndarray,
) -> np.ndarray:
    """Coefficients from responsibilities: lines through log times, and parted means of columns.

    A shape follows from the spread around its line; the scale then solves its own equation, which
    counts units that still run. Logits have the slopes of a linear discriminant.
    """
    theta = np.zeros(parts.size)
    held = table * weight
    for r, (at, columns), (shape_at, _) in zip(held, parts.scales, parts.shapes, strict=True):
        own = wide[:, columns]
        seen = r * (0.05 + event)
        line = _line(own, log_time, seen)
        away = log_time - own @ line
        spread = np.sqrt(seen @ away**2 / seen.sum())
        shape = np.clip(SD_OF_LOG / max(spread, 1e-9), LEAST_SHAPE, MOST_SHAPE)
        z = np.minimum(shape * away, 50.0)
        line[0] += np.log((r @ np.exp(z)) / max(r @ event, 0.1)) / shape
        theta[at], theta[shape_at[0]] = line, np.log(shape)
    total = held.sum(axis=1) + 0.1
    for r, n, (at, columns) in zip(held[1:], total[1:], parts.weights, strict=True):
        own = wide[:, columns[1:]]
        means = [(part @ own) / part.sum() for part in (held[0], r)]
        both = held[0] + r
        center = (both @ own) / both.sum()
        gram = (own - center).T @ (both[:, None] * (own - center)) / both.sum()
        slopes = np.linalg.solve(gram + 0.1 * np.eye(len(gram)), means[1] - means[0])
        theta[at[1:]] = slopes
        theta[at[0]] = np.log(n / total[0]) - 0.5 * (means[0] + means[1]) @ slopes
    return theta
