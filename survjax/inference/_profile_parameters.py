"""Profile bounds of a lifetime's weights and parameters, on the host.

The search is that of `_profile`, over arrays of NumPy: it takes the program that the fit compiled,
so that a first table of parameters compiles nothing.
"""

from __future__ import annotations

import numpy as np

from survjax._core.observations import Observations
from survjax.inference._profile import (
    Problem,
    climb_once,
    condensed,
    start_lane,
    steadied,
    steepness,
    walk,
)
from survjax.inference.local_maxima import Maximizer
from survjax.inference.template import Template
from survjax.optimize import ResultCode


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
    small, tilt = condensed(lifetime, rows)
    on_few = Maximizer(template, small.without_padding())
    steep = steepness(lifetime, rows.n_units)
    top = on_few.values(x[None])[0]
    p = x.size
    nothing = 2 * ((0.0, np.zeros(p), np.zeros((p, p))),)
    lanes = []
    for side in (-1.0, 1.0):
        for i, center, error in zip(index, values, errors, strict=True):
            problem = Problem(top, np.float64(goal), center, np.float64(side), error)
            lanes.append((i, problem, start_lane(x, nothing, problem)))
    found = np.array([_still(problem) for _, problem, _ in lanes])
    running = [j for j, (_, _, lane) in enumerate(lanes) if not lane.done]
    # A search far out divides by what may vanish; where that leaves no number it turns back.
    with np.errstate(all="ignore"):
        while running:
            ends = on_few.at(np.stack([lanes[j][2].newton.trial for j in running]))
            for j, end in zip(running, ends, strict=True):
                part = (end.value, end.gradient, end.hessian)
                i, problem, lane = lanes[j]
                trial = lane.newton.trial
                natural = tuple(each[i] for each in template.link_derivatives(trial))
                held = steadied(part, trial - x, tilt, steep)
                lane = climb_once(lane, (held, natural), problem)
                if lane.newton.code != int(ResultCode.RUNNING):
                    lane = walk(lane, problem)
                lanes[j] = i, problem, lane
                found[j] = lane.bound
            running = [j for j in running if not lanes[j][2].done]
    return found[: index.size], found[index.size :]


def _still(problem: Problem) -> float:
    """What cannot move is its own bound; all else has none yet."""
    still = np.isinf(problem.center) or problem.error == 0
    return float(problem.center) if still else np.nan
