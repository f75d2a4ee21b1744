"""Effects and parameters of a regression that are known, or known to lie between bounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from survjax.estimators.covariates import column_names
from survjax.fitting.edges.bounds import between_bounds_in_some_order
from survjax.fitting.local_maxima import LocalMaximum
from survjax.fitting.regression.penalties import Penalty
from survjax.likelihood.regression.columns import Columns, to_natural
from survjax.likelihood.regression.constraints import constraint_coefficients, holds_intercepts
from survjax.likelihood.regression.forms import Layout
from survjax.likelihood.vector.constraints import Bounds, Constraints, Fixed
from survjax.prediction.regression_curves import FittedForm


class ConstrainedEffects:
    """`fixed` and `bounds` of a regression, and what they hold in its answer."""

    fixed: Fixed | None
    bounds: Bounds | None
    penalty: Any
    l1_ratio: float
    _fitted: FittedForm
    _constraints: Any

    def _check_constraints(self) -> None:
        """Refuse what cannot go with fixed values and bounds."""
        given = self.fixed is not None or self.bounds is not None
        if given and self.penalty == "cv":
            raise ValueError(
                f"penalty={self.penalty!r} compares fits with all effects free: with fixed or "
                "bounds pass a number"
            )
        if self.bounds is not None and self.penalty != 0 and self.l1_ratio > 0:
            raise ValueError("a lasso takes no bounds: use l1_ratio=0, or leave bounds out")

    def _names(self, layout: Layout) -> tuple[str, ...]:
        """Names of all coefficients, such as `log_scale:load`."""
        names = ["intercept", *column_names(self)]
        return tuple(
            item.name if item.shared else f"{item.name}:{names[j]}"
            for item in layout
            for j in item.columns
        )

    def _constraints_in(self, layout: Layout, columns: Columns) -> Constraints:
        """What is fixed of the coefficients (P,), and their bounds."""
        return constraint_coefficients(
            layout, columns, self._names(layout), self.fixed, self.bounds
        )

    def _columns_for(
        self,
        constraints: Constraints,
        layout: Layout,
        columns: Columns,
        movable: Callable[[], bool],
    ) -> Columns:
        """The columns, measured from zero where an intercept beside slopes is held."""
        if not holds_intercepts(layout, constraints):
            return columns
        if not movable():
            raise ValueError(
                "fixed and bounds cannot hold an intercept here, where parameters are those of an "
                "asset with the mean of each column: hold effects, or parameters without any"
            )
        return dataclasses.replace(columns, center=np.zeros_like(columns.center))

    def _between_bounds(
        self,
        constraints: Constraints,
        maximum: Callable[[Constraints], LocalMaximum],
        likelihood: Callable[[], Any],
        penalty: Penalty | None,
        changes: Callable[[], Sequence[np.ndarray]] = tuple,
    ) -> tuple[Constraints, LocalMaximum]:
        """The maximum, and all that is held there; the likelihood is that of all rows.

        `changes` gives the orders of a mixture's components (`between_bounds_in_some_order`).
        """
        whole: Any = likelihood() if constraints.is_bounded else None

        def slope(x: np.ndarray) -> np.ndarray:
            return np.asarray(whole(x)[1] - (0.0 if penalty is None else penalty.smooth(x)[1]))

        # A penalty of effects on weights, over the first component, tells components apart.
        orders = changes() if constraints.is_bounded and penalty is None else ()
        constraints, found = between_bounds_in_some_order(constraints, maximum, slope, orders)
        # To the last digit: a step along what is free moves the rest by rounding.
        return constraints, dataclasses.replace(found, x=constraints.placed(found.x))

    def _inside_bounds(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bounds (p,) of the parameters that are inside of the user's."""
        unit = np.diag(to_natural(self._fitted.layout, self._fitted.columns))
        least, most = self._constraints.low * unit, self._constraints.high * unit
        return np.clip(low, least, most), np.clip(high, least, most)
