"""Several causes with predictors of their own, as one form: their hazards add up."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from survjax._core.pytree import data, fixed, pytree
from survjax.lifetimes import Competing
from survjax.likelihood.regression.columns import Columns
from survjax.likelihood.regression.forms import Layout


@pytree
class CompetingForm:
    """The lifetime until any of several causes ends a unit, each cause a form.

    Parameters
    ----------
    forms : tuple of Form
        One for each cause.
    sizes : tuple of int
        How many predictors each has.
    """

    forms: tuple[Any, ...] = data()
    sizes: tuple[int, ...] = fixed()

    def lifetime(self, eta: Sequence[Any]) -> Competing:
        """The lifetime of each row, from all causes' predictors end to end."""
        found, start = [], 0
        for form, size in zip(self.forms, self.sizes, strict=True):
            found.append(form.lifetime(tuple(eta[start : start + size])))
            start += size
        return Competing(tuple(found))

    def parts(self, layout: Layout, theta: np.ndarray) -> list[tuple[Any, Layout, np.ndarray]]:
        """The form of each cause, with its own part of the layout and of the coefficients."""
        found, item, entry = [], 0, 0
        for form, size in zip(self.forms, self.sizes, strict=True):
            own = layout[item : item + size]
            length = sum(len(one.columns) for one in own)
            found.append((form, own, theta[entry : entry + length]))
            item, entry = item + size, entry + length
        return found

    @property
    def has_components(self) -> bool:
        """Whether lives are of several kinds, between which hardly anything may fail."""
        return any(form.has_components for form in self.forms)


def side_by_side(layouts: Sequence[Layout], columns: Sequence[Columns]) -> tuple[Layout, Columns]:
    """One layout over as many copies of the table, each centered and scaled as a cause has it."""
    found, begin = [], 0
    for layout, own in zip(layouts, columns, strict=True):
        for item in layout:
            moved = tuple(j + begin if j else 0 for j in item.columns)
            found.append(dataclasses.replace(item, columns=moved))
        begin += own.center.size
    center, scale = (
        np.concatenate([getattr(own, name) for own in columns]) for name in ("center", "scale")
    )
    return tuple(found), Columns(center, scale)
