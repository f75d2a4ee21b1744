"""Coefficients that a fit does not move: by their names, in the units of the columns as given.

They are held as those of standardized columns. Such a slope is the given one times the spread of
its column. An intercept mixes with slopes, unless columns are measured from zero.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from survjax.likelihood.objective import Derivatives
from survjax.likelihood.regression.columns import Columns
from survjax.likelihood.regression.forms import Layout
from survjax.likelihood.vector.constraints import (
    Bounds,
    Constraints,
    Fixed,
    Place,
    constraint_entries,
    only_free,
)

#: The logit of a weight over the first one's.
WEIGHT = re.compile(r"logit_weight_\d+")
#: A parameter of which a link is the part before its name on the response scale.
LINKED = re.compile(r"^(?P<way>.*\.)?(?P<link>log|logit)_(?P<own>.+)$")


def constraint_coefficients(
    layout: Layout,
    columns: Columns,
    names: Sequence[str],
    fixed: Fixed | None,
    bounds: Bounds | None,
) -> Constraints:
    """What a user's fixed values and bounds make of the coefficients (P,) of a layout.

    `names` are those of `parameter_names_`; a parameter that all rows share goes by its name on
    the response scale too, such as `shape` of `log_shape`.
    """
    units = np.concatenate(
        [np.append(1.0, columns.scale)[np.array(item.columns)] for item in layout]
    )

    def find(name: str, word: str) -> list[Place]:
        found = named_coefficients(names, name, word)
        # A slope is given in the unit of its column, a shared parameter has none.
        return [place._replace(unit=float(units[place.position])) for place in found]

    return constraint_entries(units.size, find, fixed, bounds)


def named_coefficients(names: Sequence[str], name: str, word: str) -> list[Place]:
    """The coefficients (of P) that people mean by a name; `word` is what names them.

    That is one of `names`, such as `log_scale:load`; a parameter that all rows share on its
    response scale, such as `shape` of `log_shape`; either without the number of its component, for
    all of them; or a column that moves one parameter only.

    Raises
    ------
    ValueError
        For a name that is none of these.
    """
    if name in names:
        return [Place(list(names).index(name), "identity")]
    parted = [full.partition(":") for full in names]
    alone = len(shared_weights(names)) == 1
    found = [
        Place(i, each["link"])
        for i, (own, colon, _) in enumerate(parted)
        if not colon and (each := LINKED.match(own)) and name in _spoken(each, alone)
    ]
    if not found:
        found = [
            Place(i, "identity")
            for i, (own, colon, column) in enumerate(parted)
            if colon and name == f"{_without_number(own)}:{column}"
        ]
    if not found:
        found = [
            Place(i, "identity")
            for i, (_, colon, column) in enumerate(parted)
            if colon and name == column
        ]
        if len(found) > 1:
            own = " or ".join(names[place.position] for place in found)
            raise ValueError(f"{word} cannot tell which effect of {name!r} is meant: say {own}")
    if not found:
        raise ValueError(f"{word} knows the parameters {', '.join(names)}, got {name!r}")
    return found


def shared_weights(names: Sequence[str]) -> list[int]:
    """Positions of the logits of weights over the first that all rows share."""
    return [i for i, name in enumerate(names) if WEIGHT.fullmatch(name)]


def _spoken(name: re.Match[str], alone: bool) -> tuple[str, ...]:
    """Names on the response scale: with the way to it, without, and of all components.

    The logit of a weight over the first one's is that of the weight where it is `alone`.
    """
    own = name["own"]
    if own.startswith("weight_"):
        return (own,) if alone else ()
    return f"{name['way'] or ''}{own}", own, _without_number(own)


def _without_number(name: str) -> str:
    """The name of a parameter of all components."""
    return re.sub(r"_\d+$", "", name)


def holds_intercepts(layout: Layout, constraints: Constraints) -> bool:
    """Whether an intercept that stands beside slopes is held, or between bounds."""
    beside = np.concatenate(
        [(np.array(item.columns) == 0) & (len(item.columns) > 1) for item in layout]
    )
    return bool(np.any(beside & constraints.known))


class ConstrainedLikelihood:
    """A likelihood that what is held does not move: what maximizes it leaves that where it is."""

    def __init__(self, likelihood: Any, constraints: Constraints) -> None:
        self.whole, self.free = likelihood, constraints.free
        self.form, self.layout, self.n_units = (
            likelihood.form,
            likelihood.layout,
            likelihood.n_units,
        )

    def __call__(self, theta: np.ndarray) -> Derivatives:
        """Value, gradient (P,) and Hessian (P, P), as they are along what is free."""
        found: Derivatives = only_free(self.whole(theta), self.free, -1.0)
        return found


def constrained(likelihood: Any, constraints: Constraints | None) -> Any:
    """A likelihood with what is held, if anything is."""
    return (
        ConstrainedLikelihood(likelihood, constraints)
        if constraints is not None and constraints.is_any
        else likelihood
    )
