"""The maximum of a likelihood between bounds of the user's: which parameters stand at one.

Parameters that the search carries beyond a bound are held there, and the others searched again;
one that is held comes free where the likelihood rises away from its bound (the active set method:
Nocedal and Wright 2006, section 16.5). At the end the slope at each bound points outward.
"""

from __future__ import annotations

import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.groups.requests import Steps
from survjax.fitting.search import Maximum, search_steps
from survjax.fitting.settings import Settings
from survjax.likelihood.objective import Objective
from survjax.likelihood.vector.template import Template


def steps_between_bounds(
    template: Template, rows: Observations, settings: Settings
) -> Steps[tuple[Template, Maximum]]:
    """The maximum within a template's bounds, and the template that holds what is at any."""
    found = yield from search_steps(template, rows, settings)
    if not template.held.is_bounded:
        return template, found
    released: set[int] = set()
    while True:
        held = template.held
        x = held.placed(found.best.x)
        beyond = np.flatnonzero((x < held.low) | (x > held.high))
        if beyond.size:
            ends = np.where(x < held.low, held.low, held.high)
            positions = np.concatenate([held.at_bounds, beyond])
            values = np.concatenate([x[held.at_bounds], ends[beyond]])
        else:
            inward = set(_inward(template, rows, x)) - released
            if not inward:
                return template, found
            released |= inward
            positions = np.array([i for i in held.at_bounds if i not in inward], int)
            values = x[positions]
        template = template.holding(held.at(positions, values))
        found = yield from search_steps(template, rows, settings)


def _inward(template: Template, rows: Observations, x: np.ndarray) -> list[int]:
    """Those at a bound along which the likelihood rises away from it."""
    held = template.held
    everything = template.holding(held.at(np.empty(0, int), np.empty(0)))
    slope = Objective(everything, rows)(x)[1]
    at_low = x == held.low
    return [int(i) for i in held.at_bounds if (slope[i] > 0 if at_low[i] else slope[i] < 0)]
