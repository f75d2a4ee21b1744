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
from survjax.likelihood.vector.held import Bounds, Fixed, Held, Place, held_entries, only_free

#: A parameter of which a link is the part before its name on the response scale.
LINKED = re.compile(r"^(?P<way>.*\.)?(?P<link>log|logit)_(?P<own>.+)$")


def held_coefficients(
    layout: Layout,
    columns: Columns,
    names: Sequence[str],
    fixed: Fixed | None,
    bounds: Bounds | None,
) -> Held:
    """What a user's fixed values and bounds make of the coefficients (P,) of a layout.

    `names` are those of `parameter_names_`; a parameter that all rows share goes by its name on
    the response scale too, such as `shape` of `log_shape`.
    """
    units = np.concatenate(
        [np.append(1.0, columns.scale)[np.array(item.columns)] for item in layout]
    )
    shared = {name for name in names if ":" not in name}

    def find(name: str, word: str) -> list[Place]:
        if name in names:
            at = list(names).index(name)
            return [Place(at, "identity", float(units[at]))]
        found = [
            Place(i, each["link"])
            for i, full in enumerate(names)
            if full in shared and (each := LINKED.match(full)) and name in _spoken(each)
        ]
        if not found:
            raise ValueError(f"{word} knows the parameters {', '.join(names)}, got {name!r}")
        return found

    return held_entries(units.size, find, fixed, bounds)


def _spoken(name: re.Match[str]) -> tuple[str, ...]:
    """Names on the response scale: with the way to it, without, and of all components."""
    own = name["own"]
    return f"{name['way'] or ''}{own}", own, re.sub(r"_\d+$", "", own)


def holds_intercepts(layout: Layout, held: Held) -> bool:
    """Whether an intercept that stands beside slopes is held, or between bounds."""
    beside = np.concatenate(
        [(np.array(item.columns) == 0) & (len(item.columns) > 1) for item in layout]
    )
    return bool(np.any(beside & held.known))


class HeldLikelihood:
    """A likelihood that what is held does not move: what maximizes it leaves that where it is."""

    def __init__(self, likelihood: Any, held: Held) -> None:
        self.whole, self.free = likelihood, held.free
        self.form, self.layout, self.n_units = (
            likelihood.form,
            likelihood.layout,
            likelihood.n_units,
        )

    def __call__(self, theta: np.ndarray) -> Derivatives:
        """Value, gradient (P,) and Hessian (P, P), as they are along what is free."""
        found: Derivatives = only_free(self.whole(theta), self.free, -1.0)
        return found


def holding(likelihood: Any, held: Held | None) -> Any:
    """A likelihood with what is held, if anything is."""
    return HeldLikelihood(likelihood, held) if held is not None and held.is_any else likelihood
