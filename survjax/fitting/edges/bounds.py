"""The maximum of a likelihood between bounds of the user's: which parameters stand at one.

Parameters that the search carries beyond a bound are held there, and the others searched again;
one that is held comes free where the likelihood rises away from its bound (the active set method:
Nocedal and Wright 2006, section 16.5). At the end the slope at each bound points outward.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.groups.requests import Steps, answered
from survjax.fitting.search import Maximum, search_steps
from survjax.fitting.settings import Settings
from survjax.likelihood.objective import Objective
from survjax.likelihood.vector.constraints import Constraints
from survjax.likelihood.vector.template import Template

T = TypeVar("T")


def _holding_bounds(
    constraints: Constraints, slope: Callable[[np.ndarray], np.ndarray]
) -> Generator[Constraints, tuple[np.ndarray, T], tuple[Constraints, T]]:
    """What is to be held next, until the maximum lies within bounds; sent what was reached."""
    x, found = yield constraints
    released: set[int] = set()
    while constraints.is_bounded:
        x = constraints.placed(x)
        beyond = np.flatnonzero((x < constraints.low) | (x > constraints.high))
        if beyond.size:
            ends = np.where(x < constraints.low, constraints.low, constraints.high)
            positions = np.concatenate([constraints.at_bounds, beyond])
            values = np.concatenate([x[constraints.at_bounds], ends[beyond]])
        else:
            inward = (
                set(constraints.inward(x, slope(x)) if constraints.at_bounds.size else [])
                - released
            )
            if not inward:
                break
            released |= inward
            positions = np.array([i for i in constraints.at_bounds if i not in inward], int)
            values = x[positions]
        constraints = constraints.at(positions, values)
        x, found = yield constraints
    return constraints, found


def between_bounds(
    constraints: Constraints,
    maximum: Callable[[Constraints], tuple[np.ndarray, T]],
    slope: Callable[[np.ndarray], np.ndarray],
) -> tuple[Constraints, T]:
    """The maximum within bounds, and what it holds at any.

    Parameters
    ----------
    constraints : Constraints
        What is fixed, and the bounds.
    maximum : callable
        From what is held to the maximum over the others: a vector (p,), and all that belongs to it.
    slope : callable
        The gradient (p,) at a vector, with nothing held.
    """
    rounds: Generator[Constraints, tuple[np.ndarray, T], tuple[Constraints, T]] = _holding_bounds(
        constraints, slope
    )
    constraints = next(rounds)
    while True:
        try:
            constraints = rounds.send(maximum(constraints))
        except StopIteration as end:
            reached: tuple[Constraints, T] = end.value
            return reached


def steps_between_bounds(
    template: Template, rows: Observations, settings: Settings
) -> Steps[tuple[Template, Maximum]]:
    """The maximum within a template's bounds, and the template that holds what is at any."""

    def slope(x: np.ndarray) -> np.ndarray:
        free = template.constraints.at(np.empty(0, int), np.empty(0))
        return np.asarray(Objective(template.constrained(free), rows)(x)[1])

    rounds: Generator[Constraints, tuple[np.ndarray, Maximum], tuple[Constraints, Maximum]]
    rounds = _holding_bounds(template.constraints, slope)
    constraints = next(rounds)
    while True:
        found = yield from search_steps(template.constrained(constraints), rows, settings)
        try:
            constraints = rounds.send((found.best.x, found))
        except StopIteration as end:
            constraints, found = end.value
            return template.constrained(constraints), found


def search_between_bounds(
    template: Template, rows: Observations, settings: Settings
) -> tuple[Template, Maximum]:
    """The same, of one search by itself."""
    return answered(steps_between_bounds(template, rows, settings))
