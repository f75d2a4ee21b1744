"""Parameters that a fit does not move: fixed by the user, or at a bound of the user's.

All entries keep their places in the vector. Along those that are held a gradient is zero and a
Hessian minus one, so that whatever maximizes, or judges a maximum, leaves them where they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from survjax._core.numerics import module_of

if TYPE_CHECKING:
    from survjax.likelihood.vector.template import Template

#: What a user may give: names as in `summary()`, values on the response scale.
Fixed = Mapping[str, float]
Bounds = Mapping[str, tuple[float | None, float | None]]


class Place(NamedTuple):
    """An entry of the vector: on which scale people give it, and in which unit it counts."""

    position: int
    link: str
    unit: float = 1.0


@dataclasses.dataclass(frozen=True)
class Constraints:
    """Which entries of the vector stand still.

    Attributes
    ----------
    values : array of shape (p,)
        Where each stands; NaN of one that is free.
    fixed : array of bool of shape (p,)
        Those that the user fixed; the others that are held are at a bound.
    low, high : arrays of shape (p,)
        Bounds of each, on its link scale; infinite where there are none.
    """

    values: np.ndarray
    fixed: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def nothing(cls, size: int) -> Constraints:
        """All entries of a vector are free."""
        wide = np.full(size, np.inf)
        return cls(wide * np.nan, np.zeros(size, bool), -wide, wide)

    @classmethod
    def joined(cls, parts: Sequence[Constraints]) -> Constraints:
        """What is held of vectors end to end."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def part(self, own: slice) -> Constraints:
        """What is held of a part of the vector."""
        return Constraints(self.values[own], self.fixed[own], self.low[own], self.high[own])

    @property
    def free(self) -> np.ndarray:
        """One for each entry that is free, zero for the others, (p,)."""
        return np.isnan(self.values).astype(float)

    @property
    def n_counted(self) -> int:
        """Parameters that the data choose: all but those that the user fixed."""
        return int(np.sum(~self.fixed))

    @property
    def at_bounds(self) -> np.ndarray:
        """Positions of the entries at a bound."""
        return np.flatnonzero(~np.isnan(self.values) & ~self.fixed)

    @property
    def is_any(self) -> bool:
        """Whether the user holds anything: by a value, or between bounds."""
        return bool(self.known.any())

    @property
    def known(self) -> np.ndarray:
        """Which entries (p,) are fixed, or have bounds."""
        return self.fixed | np.isfinite(self.low) | np.isfinite(self.high)

    @property
    def is_bounded(self) -> bool:
        """Whether there are bounds at all."""
        return bool(np.any(np.isfinite(self.low) | np.isfinite(self.high)))

    def placed(self, points: np.ndarray) -> np.ndarray:
        """Points (..., p) with what is held in its place."""
        return np.where(np.isnan(self.values), points, self.values)

    def covariance(self, hessian: np.ndarray) -> np.ndarray:
        """The inverse information (p, p), zero along what is held."""
        free = self.free
        return np.linalg.inv(-hessian) * np.outer(free, free)

    def information(self, covariance: np.ndarray) -> np.ndarray:
        """The inverse of a covariance (p, p) that is zero along what is held; it stays so."""
        free = self.free
        inverse = np.linalg.inv(covariance + np.diag(1.0 - free))
        return np.asarray(inverse * np.outer(free, free))

    def at(self, positions: np.ndarray, values: np.ndarray) -> Constraints:
        """The same, with these entries at bounds and all others that are not fixed free."""
        stand = np.where(self.fixed, self.values, np.nan)
        stand[positions] = values
        return dataclasses.replace(self, values=stand)

    def from_vector(self, x: np.ndarray) -> Constraints:
        """The same, with those entries at bounds that are so in a vector (p,)."""
        where = np.flatnonzero(~self.fixed & ((x == self.low) | (x == self.high)))
        return self.at(where, x[where])

    def inward(self, x: np.ndarray, slope: np.ndarray) -> list[int]:
        """Those at a bound along which a function of such a slope rises away from it."""
        at_low = x == self.low
        return [int(i) for i in self.at_bounds if (slope[i] > 0 if at_low[i] else slope[i] < 0)]

    def words(self) -> np.ndarray:
        """What holds each entry (p,): "fixed", "at a bound", or nothing."""
        return np.where(np.isnan(self.values), "", np.where(self.fixed, "fixed", "at a bound"))

    def tells_apart(self, rows: np.ndarray) -> bool:
        """Whether components, whose entries stand at rows (P, K), are held in different ways."""
        known = [np.nan_to_num(part[rows], nan=np.inf) for part in (self.values, self.low)]
        known.append(self.high[rows])
        return bool(any(np.any(part != part[:, :1]) for part in known))


def only_free(parts: tuple[Any, Any, Any], free: Any, curvature: float) -> tuple[Any, Any, Any]:
    """Value, gradient and Hessian of a function that what is held does not move.

    Its second derivative along what is held is `curvature`.
    """
    xp = module_of(parts[1])
    value, gradient, hessian = parts
    open_ = xp.asarray(free) > 0
    both = open_[:, None] & open_[None, :]
    return (
        value,
        xp.where(open_, gradient, 0.0),
        xp.where(both, hessian, xp.diag(xp.where(open_, 0.0, curvature))),
    )


def constraints_of(template: Template, fixed: Fixed | None, bounds: Bounds | None) -> Constraints:
    """What a user's fixed values and bounds make of a template.

    Raises
    ------
    ValueError
        For names that the template does not have, weights, or values that no parameter can have.
    """

    def find(name: str, word: str) -> list[Place]:
        return named_positions(template, name, word)

    return constraint_entries(template.size, find, fixed, bounds)


def constraint_entries(
    size: int,
    find: Callable[[str, str], list[Place]],
    fixed: Fixed | None,
    bounds: Bounds | None,
) -> Constraints:
    """What a user's fixed values and bounds make of a vector of so many entries.

    `find` takes a name, and the word for what is asked of it, to the entries of that name, or
    raises a ValueError.
    """
    constraints = Constraints.nothing(size)
    for name, value in _items(fixed, "fixed"):
        for position, link, unit in find(name, "fixed"):
            constraints.values[position] = unit * _linked(value, link, f"fixed[{name!r}]")
            constraints.fixed[position] = True
    if size and constraints.fixed.all():
        raise ValueError("fixed holds every parameter: leave one to fit")
    for name, ends in _items(bounds, "bounds"):
        if not (isinstance(ends, (tuple, list)) and len(ends) == 2):
            raise ValueError(f"bounds[{name!r}] must be a pair (low, high), got {ends!r}")
        for position, link, unit in find(name, "bounds"):
            if constraints.fixed[position]:
                raise ValueError(f"{name} is fixed, and so has no bounds")
            word = f"bounds[{name!r}]"
            low, high = ends
            constraints.low[position] = (
                -np.inf if _none(low, link) else unit * _linked(low, link, word)
            )
            constraints.high[position] = (
                np.inf if _none(high, link) else unit * _linked(high, link, word)
            )
            if not constraints.low[position] < constraints.high[position]:
                raise ValueError(f"{word} must rise, got {low!r} and {high!r}: or use fixed=")
    return constraints


def _items(given: Any, word: str) -> list[tuple[str, Any]]:
    """The entries of a user's mapping."""
    if given is None:
        return []
    if not isinstance(given, Mapping):
        raise ValueError(f"{word} must be a dict by the names of summary(), got {given!r}")
    return list(given.items())


def named_positions(template: Template, name: str, word: str) -> list[Place]:
    """Where the parameters of a name stand; `word` is what names them."""
    chosen = template.group(name)
    which = [] if chosen is None else [template.quantities[i] for i in chosen]
    if not which:
        known = ", ".join(q.name for q in template.quantities if q.group != "weight")
        raise ValueError(f"{word} knows the parameters {known}, got {name!r}")
    if any(q.group == "weight" for q in which):
        raise ValueError(f"{word} cannot hold weights, which add up to one: got {name!r}")
    return [Place(template.read_names.index(q.name), q.link) for q in which]


def _none(end: Any, link: str) -> bool:
    """Whether an end of a pair is no bound."""
    edges = {"log": (0,), "logit": (0, 1)}.get(link, ())
    return end is None or end in edges or end in (np.inf, -np.inf)


def _linked(value: Any, link: str, word: str) -> float:
    """A value on the link scale."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{word} must be a number, got {value!r}") from None
    low, high = {"log": (0.0, np.inf), "logit": (0.0, 1.0)}.get(link, (-np.inf, np.inf))
    if not low < number < high:
        kinds = {"log": "positive and finite", "logit": "between 0 and 1"}
        raise ValueError(f"{word} must be {kinds.get(link, 'finite')}, got {value!r}")
    if link == "logit":
        return float(np.log(number) - np.log1p(-number))
    return float(np.log(number)) if link == "log" else number
