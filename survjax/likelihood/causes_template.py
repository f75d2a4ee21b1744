"""The template of several causes: the causes' own end to end, quantities named after them."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Hashable, Sequence
from functools import cached_property

import numpy as np

from survjax.lifetimes import Competing
from survjax.likelihood.vector.constraints import Constraints
from survjax.likelihood.vector.stacks import Quantity
from survjax.likelihood.vector.template import Template


class CausesTemplate(Template):
    """What is known of a lifetime that several causes may end, before its parameters are.

    Parameters
    ----------
    labels : sequence of length K
        Names of the causes.
    parts : sequence of Template
        One for each cause, with what it holds.
    """

    def __init__(self, labels: Sequence[Hashable], parts: Sequence[Template]) -> None:
        lifetime = Competing(tuple(part.lifetime for part in parts))
        super().__init__(lifetime, Constraints.joined([part.constraints for part in parts]))
        #: A number for each entry of the vector, the same for entries that causes share.
        self.groups_of_entries = np.arange(self.size)
        self.labels, self.parts = tuple(labels), tuple(parts)
        ends = np.cumsum([part.size for part in parts])
        #: Which entries of the vector are each cause's.
        self.slices = tuple(
            slice(int(end) - part.size, int(end)) for part, end in zip(parts, ends, strict=True)
        )

    def sharing(self, groups: np.ndarray) -> CausesTemplate:
        """The same with entries of one number (p,) as one parameter.

        What is held of one of them is held of all.
        """
        found = copy.copy(self)
        found.groups_of_entries = groups
        values, fixed, low, high = (part.copy() for part in dataclasses.astuple(self.constraints))
        for group in np.unique(groups):
            own = groups == group
            known = np.unique(values[own & fixed])
            if known.size > 1 or low[own].max() > high[own].min():
                names = ", ".join(np.array(self.names)[own])
                raise ValueError(f"{names} are one parameter, and are held in different ways")
            values[own], fixed[own] = (known[0] if known.size else np.nan), bool(known.size)
            low[own], high[own] = low[own].max(), high[own].min()
        return found.constrained(Constraints(values, fixed, low, high))

    def constrained(self, constraints: Constraints) -> CausesTemplate:
        """The same model with other parameters held."""
        found = copy.copy(self)
        found.constraints = constraints
        pairs = zip(self.parts, self.slices, strict=True)
        found.parts = tuple(part.constrained(constraints.part(own)) for part, own in pairs)
        return found

    @property
    def merging(self) -> np.ndarray:
        """The matrix (p, q) from parameters, those that are shared once, to the vector."""
        n = int(self.groups_of_entries.max()) + 1
        return np.eye(n)[self.groups_of_entries]

    @property
    def n_counted(self) -> int:
        """Parameters that the data choose, those that are shared counted once."""
        return int(np.unique(self.groups_of_entries[~self.constraints.fixed]).size)

    @property
    def moving(self) -> np.ndarray:
        """Which causes (K,) have a parameter that the data choose."""
        return np.array([bool(self.constraints.free[own].any()) for own in self.slices])

    def aligned(
        self, points: np.ndarray, estimate: np.ndarray, information: np.ndarray
    ) -> np.ndarray:
        """Vectors (B, p) with each cause's components in the order nearest to an estimate."""
        pairs = zip(self.parts, self.slices, strict=True)
        return np.concatenate(
            [
                part.aligned(points[:, own], estimate[own], information[own, own])
                for part, own in pairs
            ],
            axis=1,
        )

    def clipped(self, table: np.ndarray) -> np.ndarray:
        """Bounds (m, 2) of the quantities, inside of those that a user set on parameters."""
        found, row = [], 0
        for part in self.parts:
            end = row + len(part.quantities)
            found.append(part.clipped(table[row:end]))
            row = end
        return np.concatenate(found)

    @cached_property
    def read_names(self) -> tuple[str, ...]:
        """Names of the entries as people read them, such as `wear.scale`."""
        pairs = zip(self.labels, self.parts, strict=True)
        return tuple(f"{label}.{name}" for label, part in pairs for name in part.read_names)

    def _named(self, name: str) -> np.ndarray:
        each = zip(self.parts, self.slices, strict=True)
        found = [part._named(name) + own.start for part, own in each]
        return np.concatenate(found)

    @cached_property
    def quantities(self) -> tuple[Quantity, ...]:
        """What a summary lists: the quantities of each cause, such as `wear.scale`."""
        return tuple(
            dataclasses.replace(q, name=f"{label}.{q.name}", group=f"{label}.{q.group}")
            for label, part in zip(self.labels, self.parts, strict=True)
            for q in part.quantities
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the entries of the vector, such as `wear.log_scale`."""
        pairs = zip(self.labels, self.parts, strict=True)
        return tuple(f"{label}.{name}" for label, part in pairs for name in part.names)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names that `group` knows, one of each kind of quantity of each cause."""
        pairs = zip(self.labels, self.parts, strict=True)
        return tuple(f"{label}.{name}" for label, part in pairs for name in part.groups)

    def link(self, x: np.ndarray) -> np.ndarray:
        """Values of the quantities at x (p,) on their link scales, (m,)."""
        pairs = zip(self.parts, self.slices, strict=True)
        return np.concatenate([part.link(x[own]) for part, own in pairs])

    def link_derivatives(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`link` at x (p,) with its first (m, p) and second (m, p, p) derivatives."""
        m, p, row = len(self.quantities), x.size, 0
        first, second = np.zeros((m, p)), np.zeros((m, p, p))
        for part, own in zip(self.parts, self.slices, strict=True):
            rows = slice(row, row + len(part.quantities))
            _, first[rows, own], second[rows, own, own] = part.link_derivatives(x[own])
            row = rows.stop
        return self.link(x), first, second

    def response(self, values: np.ndarray) -> np.ndarray:
        """Quantities (..., m) from their values on the link scale."""
        found, row = [], 0
        for part in self.parts:
            rows = slice(row, row + len(part.quantities))
            found.append(part.response(values[..., rows]))
            row = rows.stop
        return np.concatenate(found, axis=-1)

    def values(self, x: np.ndarray) -> np.ndarray:
        """The quantities (m,) at x (p,), as people read them."""
        pairs = zip(self.parts, self.slices, strict=True)
        return np.concatenate([part.values(x[own]) for part, own in pairs])
