"""Profile bounds of weights, parameters and other quantities, on the host.

The search is that of `profile_walk`, over arrays of NumPy: it takes whatever gives the derivatives
of a likelihood, such as the program that the fit compiled, so that a first table of parameters
compiles nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.local_maxima import Maximizer
from survjax.likelihood.vector.constraints import only_free
from survjax.likelihood.vector.template import Template
from survjax.optimize import ResultCode
from survjax.uncertainty.profile import compressed, steadied, steepness
from survjax.uncertainty.profile_walk import Problem, newton_iteration, start_search, walk

#: Value, gradient and Hessian.
Parts = tuple[Any, ...]


def profile_parameters(
    template: Template,
    x: np.ndarray,
    rows: Observations,
    index: np.ndarray,
    values: np.ndarray,
    errors: np.ndarray,
    goal: float,
) -> tuple[np.ndarray, np.ndarray]:
    """`profile_bounds` of some quantities, by the program that the fit has compiled.

    Parameters
    ----------
    template : Template
        The model.
    x : array of shape (p,)
        Its parameters at a maximum of the likelihood.
    rows : Observations
        What it was fitted to.
    index : array of shape (m,)
        Which entries.
    values, errors, goal
        As for `profile_bounds`.
    """
    lifetime = template.at(x)
    small, tilt = compressed(template, x, rows)
    on_few = Maximizer(template, small.without_padding())

    def at(points: np.ndarray) -> list[Parts]:
        return [(end.value, end.gradient, end.hessian) for end in on_few.at(points)]

    def quantity(point: np.ndarray, i: int) -> Parts:
        value, slope, curvature = (part[index[i]] for part in template.link_derivatives(point))
        return only_free((value, slope, curvature), free, 0.0)

    free = template.constraints.free
    steep, tilt = steepness(lifetime, rows.n_units) * free, tilt * free
    return profile_quantities(at, quantity, x, values, errors, goal, tilt=tilt, steep=steep)


def profile_quantities(
    at: Callable[[np.ndarray], list[Parts]],
    quantity: Callable[[np.ndarray, int], Parts],
    x: np.ndarray,
    values: np.ndarray,
    errors: np.ndarray,
    goal: float,
    *,
    tilt: np.ndarray | float = 0.0,
    steep: np.ndarray | float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Where the profile of each of m quantities has fallen far enough, to either side: (m,), (m,).

    Parameters
    ----------
    at : callable
        Value, gradient and Hessian of the log-likelihood at each of several points (B, p).
    quantity : callable
        Value, gradient and Hessian at a point (p,) of the quantity of a number.
    x : array of shape (p,)
        The maximum.
    values, errors, goal
        As for `profile_bounds`.
    tilt, steep : arrays of shape (p,), default 0
        As for `steadied`.
    """
    p = x.size
    tilt, steep = np.broadcast_to(tilt, p), np.broadcast_to(steep, p)
    top = at(x[None])[0][0]
    nothing = 2 * ((0.0, np.zeros(p), np.zeros((p, p))),)
    searches = []
    for side in (-1.0, 1.0):
        for i, (center, error) in enumerate(zip(values, errors, strict=True)):
            problem = Problem(top, np.float64(goal), center, np.float64(side), error)
            searches.append((i, problem, start_search(x, nothing, problem)))
    found = np.array([_still(problem) for _, problem, _ in searches])
    running = [j for j, (_, _, search) in enumerate(searches) if not search.done]
    # A search far out divides by what may vanish; where that leaves no number it turns back.
    with np.errstate(all="ignore"):
        while running:
            trials = np.stack([searches[j][2].newton.trial for j in running])
            for j, trial, part in zip(running, trials, at(trials), strict=True):
                i, problem, search = searches[j]
                steady_parts = steadied(part, trial - x, tilt, steep)
                search = newton_iteration(search, (steady_parts, quantity(trial, i)), problem)
                if search.newton.code != int(ResultCode.RUNNING):
                    search = walk(search, problem)
                searches[j] = i, problem, search
                found[j] = search.bound
            running = [j for j in running if not searches[j][2].done]
    return found[: values.size], found[values.size :]


def _still(problem: Problem) -> float:
    """What cannot move is its own bound; all else has none yet."""
    still = np.isinf(problem.center) or problem.error == 0
    return float(problem.center) if still else np.nan
