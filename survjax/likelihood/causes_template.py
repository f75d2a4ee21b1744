"""The template of several causes: the causes' own end to end, quantities named after them."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from functools import cached_property

import numpy as np

from survjax.lifetimes import Competing
from survjax.likelihood.vector.stacks import Quantity
from survjax.likelihood.vector.template import Template


class CausesTemplate(Template):
    """What is known of a lifetime that several causes may end, before its parameters are.

    Parameters
    ----------
    labels : sequence of length K
        Names of the causes.
    parts : sequence of Template
        One for each cause.
    """

    def __init__(self, labels: Sequence[Hashable], parts: Sequence[Template]) -> None:
        super().__init__(Competing(tuple(part.lifetime for part in parts)))
        self.labels, self.parts = tuple(labels), tuple(parts)
        ends = np.cumsum([part.size for part in parts])
        #: Which entries of the vector are each cause's.
        self.slices = tuple(
            slice(int(end) - part.size, int(end)) for part, end in zip(parts, ends, strict=True)
        )

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
