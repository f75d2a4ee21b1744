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
from survjax.likelihood.vector.held import Held
from survjax.likelihood.vector.template import Template

T = TypeVar("T")


def _holding_bounds(
    held: Held, slope: Callable[[np.ndarray], np.ndarray]
) -> Generator[Held, tuple[np.ndarray, T], tuple[Held, T]]:
    """What is to be held next, until the maximum lies within bounds; sent what was reached."""
    x, found = yield held
    released: set[int] = set()
    while held.is_bounded:
        x = held.placed(x)
        beyond = np.flatnonzero((x < held.low) | (x > held.high))
        if beyond.size:
            ends = np.where(x < held.low, held.low, held.high)
            positions = np.concatenate([held.at_bounds, beyond])
            values = np.concatenate([x[held.at_bounds], ends[beyond]])
        else:
            inward = set(held.inward(x, slope(x)) if held.at_bounds.size else []) - released
            if not inward:
                break
            released |= inward
            positions = np.array([i for i in held.at_bounds if i not in inward], int)
            values = x[positions]
        held = held.at(positions, values)
        x, found = yield held
    return held, found


def between_bounds(
    held: Held,
    maximum: Callable[[Held], tuple[np.ndarray, T]],
    slope: Callable[[np.ndarray], np.ndarray],
) -> tuple[Held, T]:
    """The maximum within bounds, and what it holds at any.

    Parameters
    ----------
    held : Held
        What is fixed, and the bounds.
    maximum : callable
        From what is held to the maximum over the others: a vector (p,), and all that belongs to it.
    slope : callable
        The gradient (p,) at a vector, with nothing held.
    """
    rounds: Generator[Held, tuple[np.ndarray, T], tuple[Held, T]] = _holding_bounds(held, slope)
    held = next(rounds)
    while True:
        try:
            held = rounds.send(maximum(held))
        except StopIteration as end:
            reached: tuple[Held, T] = end.value
            return reached


def steps_between_bounds(
    template: Template, rows: Observations, settings: Settings
) -> Steps[tuple[Template, Maximum]]:
    """The maximum within a template's bounds, and the template that holds what is at any."""

    def slope(x: np.ndarray) -> np.ndarray:
        free = template.held.at(np.empty(0, int), np.empty(0))
        return np.asarray(Objective(template.holding(free), rows)(x)[1])

    rounds: Generator[Held, tuple[np.ndarray, Maximum], tuple[Held, Maximum]]
    rounds = _holding_bounds(template.held, slope)
    held = next(rounds)
    while True:
        found = yield from search_steps(template.holding(held), rows, settings)
        try:
            held = rounds.send((found.best.x, found))
        except StopIteration as end:
            held, found = end.value
            return template.holding(held), found


def search_between_bounds(
    template: Template, rows: Observations, settings: Settings
) -> tuple[Template, Maximum]:
    """The same, of one search by itself."""
    return answered(steps_between_bounds(template, rows, settings))
