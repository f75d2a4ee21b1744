"""The maximum of a likelihood between bounds of the user's: which parameters stand at one.

Parameters that the search carries beyond a bound are held there, and the others searched again;
one that is held comes free where the likelihood rises away from its bound (the active set method:
Nocedal and Wright 2006, section 16.5). At the end the slope at each bound points outward.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.groups.requests import Steps, answered
from survjax.fitting.local_maxima import LocalMaximum
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
    first: tuple[np.ndarray, T] | None = None,
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
    first : tuple, optional
        What `maximum` gives where nothing is held at a bound, if that is known.
    """
    rounds: Generator[Constraints, tuple[np.ndarray, T], tuple[Constraints, T]] = _holding_bounds(
        constraints, slope
    )
    constraints = next(rounds)
    answer = maximum(constraints) if first is None else first
    while True:
        try:
            constraints = rounds.send(answer)
        except StopIteration as end:
            reached: tuple[Constraints, T] = end.value
            return reached
        answer = maximum(constraints)


def between_bounds_in_some_order(
    constraints: Constraints,
    maximum: Callable[[Constraints], LocalMaximum],
    slope: Callable[[np.ndarray], np.ndarray],
    changes: Sequence[np.ndarray],
) -> tuple[Constraints, LocalMaximum]:
    """The same of a mixture, whose vectors say as much with their components in another order.

    `changes` are the matrices (p, p) of all orders, the present one first. Where bounds tell
    components apart, the order that lies within them is the answer, and else the highest of those
    that hold something.
    """

    def both(constraints: Constraints) -> tuple[np.ndarray, LocalMaximum]:
        found = maximum(constraints)
        return found.x, found

    found = maximum(constraints)
    if not constraints.is_bounded:
        return constraints, found
    reached = [
        between_bounds(constraints, both, slope, (one.x, one))
        for one in _beyond(constraints, found, changes)
    ]
    return max(reached, key=lambda one: one[1].value)


def steps_between_bounds(
    template: Template, rows: Observations, settings: Settings
) -> Steps[tuple[Template, Maximum]]:
    """The maximum within a template's bounds, and the template that holds what is at any."""

    def slope(x: np.ndarray) -> np.ndarray:
        free = template.constraints.at(np.empty(0, int), np.empty(0))
        return np.asarray(Objective(template.constrained(free), rows)(x)[1])

    first = template.constrained(template.constraints)
    whole = yield from search_steps(first, rows, settings)
    if not first.constraints.is_bounded:
        return first, whole
    within = _within(first, whole)
    reached = [] if within is None else [(first, within)]
    if within is None or within.best.value < whole.best.value:
        for one in _beyond(first.constraints, whole.best, first.every_reordering()):
            found = dataclasses.replace(whole, best=one)
            reached.append((yield from _held(template, found, slope, rows, settings)))
    return max(reached, key=lambda one: (not one[1].violations, one[1].best.value))


def _held(
    template: Template,
    found: Maximum,
    slope: Callable[[np.ndarray], np.ndarray],
    rows: Observations,
    settings: Settings,
) -> Steps[tuple[Template, Maximum]]:
    """The maximum within bounds that holds what a search carried beyond them."""
    rounds: Generator[Constraints, tuple[np.ndarray, Maximum], tuple[Constraints, Maximum]]
    rounds = _holding_bounds(template.constraints, slope)
    next(rounds)
    while True:
        try:
            constraints = rounds.send((found.best.x, found))
        except StopIteration as end:
            constraints, found = end.value
            return template.constrained(constraints), found
        found = yield from search_steps(template.constrained(constraints), rows, settings)


def _within(model: Template, found: Maximum) -> Maximum | None:
    """A search whose best maximum is the highest within bounds, its components in some order."""
    every = (found.best, *found.others)
    for i, one in enumerate(every):
        inside = _beyond(model.constraints, one, model.every_reordering())[0]
        if not _sides(model.constraints, inside.x).any():
            others = tuple(other for j, other in enumerate(every) if j != i)
            own = found if i == 0 else dataclasses.replace(found, violations=())
            return dataclasses.replace(own, best=inside, others=others)
    return None


def _beyond(
    constraints: Constraints, found: LocalMaximum, changes: Sequence[np.ndarray]
) -> list[LocalMaximum]:
    """A maximum in each order that lies beyond other bounds; that within all, where there is one.

    An order leaves what is held in its place.
    """
    different = {_sides(constraints, found.x).tobytes(): found}
    for change in changes[1:]:
        there = change @ found.x
        if np.array_equal(constraints.placed(there), there):
            different[_sides(constraints, there).tobytes()] = changed(found, change)
    within = different.get(_sides(constraints, constraints.low).tobytes())
    return list(different.values()) if within is None else [within]


def changed(one: LocalMaximum, change: np.ndarray) -> LocalMaximum:
    """The same maximum where a vector is called `change` times itself: a square matrix."""
    back = np.linalg.inv(change)
    return dataclasses.replace(
        one,
        x=change @ one.x,
        gradient=back.T @ one.gradient,
        hessian=back.T @ one.hessian @ back,
        path=None if one.path is None else one.path @ change.T,
        units=None if one.units is None else np.max(np.abs(change) * one.units, axis=1),
    )


def _sides(constraints: Constraints, x: np.ndarray) -> np.ndarray:
    """On which side of its bounds each entry lies: -1 below, 1 above, 0 within."""
    return (x > constraints.high).astype(int) - (x < constraints.low)


def search_between_bounds(
    template: Template, rows: Observations, settings: Settings
) -> tuple[Template, Maximum]:
    """The same, of one search by itself."""
    return answered(steps_between_bounds(template, rows, settings))
