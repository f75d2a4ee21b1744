"""The way from a start to the answer, point by point: what a search does not keep."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax import lax

from survjax._core.observations import Observations
from survjax._core.programs import program
from survjax.inference.likelihood import log_likelihood
from survjax.inference.maximize import (
    moment_start,
    padded,
    penalized_derivatives,
    stand_ins,
    weibulls,
)
from survjax.optimize import ResultCode
from survjax.optimize.newton import NewtonState, advance, init

#: Points whose log-likelihoods are computed in one go.
POINTS = 32


@program(static_argnames=("max_iter",))
def _step(
    state: NewtonState, rows: Observations, amount: Any, reference: Any, tol: Any, max_iter: int
) -> NewtonState:
    """One Newton iteration of a climb, as the search makes it."""
    found = penalized_derivatives(state.trial, rows, amount, reference)
    return advance(state, *found, tol=tol, max_iter=max_iter, max_step=3.0)


@program
def _values(points: jax.Array, rows: Observations) -> jax.Array:
    """Log-likelihoods at points (m, p)."""
    return lax.map(lambda x: log_likelihood(weibulls(x), rows), points)


def climb_path(
    start: np.ndarray,
    rows: Observations,
    *,
    penalty: float,
    reference: float,
    tol: float,
    max_iter: int,
) -> np.ndarray:
    """Points (m, p) from a start through the stages of the search to the maximum on all rows.

    With several components: on the condensed rows, then on as many as it takes. One component
    starts from its moments. With a penalty, the path ends near the penalized maximum of the
    condensed rows, which stands in where there is no interior one.
    """
    one = start.size == 2
    small, middle = stand_ins(rows)
    if one:
        small = middle
    points = [moment_start(rows) if one else start]
    stages = [(padded(small), penalty, 1.0)]
    if small.n_rows < rows.n_rows and penalty == 0.0:
        if small.n_rows < middle.n_rows < rows.n_rows:
            stages.append((padded(middle), 0.0, 0.5))
        stages.append((padded(rows), 0.0, 0.5))
    for part, amount, radius in stages:
        state = init(jax.numpy.asarray(points[-1]), radius)
        while int(state.code) == ResultCode.RUNNING:
            state = _step(state, part, amount, reference, tol, max_iter)
            if np.any(np.asarray(state.x) != points[-1]):
                points.append(np.asarray(state.x))
    return np.stack(points)


def path_values(points: np.ndarray, rows: Observations) -> np.ndarray:
    """Log-likelihood of all rows at each point (m,)."""
    size = -(-len(points) // POINTS) * POINTS
    wide = np.concatenate([points, np.repeat(points[-1:], size - len(points), 0)])
    part = padded(rows)
    return np.concatenate(
        [np.asarray(_values(wide[i : i + POINTS], part)) for i in range(0, size, POINTS)]
    )[: len(points)]
