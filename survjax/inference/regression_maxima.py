"""Local maxima of a likelihood with covariates, from several starts side by side."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.observations import Observations
from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.inference.forms import Form, Layout
from survjax.inference.local_maxima import (
    Correction,
    Limits,
    LocalMaximum,
    climb_from,
    in_groups,
)
from survjax.inference.regression import Columns, Piece, derivatives_of, expanded, padded_piece

#: Starts that go side by side.
WIDTH = 8


@program(static_argnames=("layout",))
def maximize_regression_from(
    form: Form,
    starts: jax.Array,
    piece: Piece,
    columns: tuple[jax.Array, jax.Array],
    limits: Limits,
    correction: Correction,
    *,
    layout: Layout,
) -> dict[str, jax.Array]:
    """Run Newton's iterations from each start (S, P): the whole of it is one program."""
    sizes = [len(item.columns) for item in layout]
    first = np.cumsum([0, *sizes[:-1]])

    def at_the_center(theta: jax.Array) -> Any:
        return form.lifetime([theta[i] for i in first])

    def objective(theta: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        return derivatives_of(form, layout, theta, piece, columns)

    def metric(theta: jax.Array) -> jax.Array:
        units = ravel_parameters(at_the_center(theta).step_units())[0]
        return jnp.repeat(units, np.array(sizes), total_repeat_length=sum(sizes))

    return climb_from(starts, objective, metric, at_the_center, limits, correction)


class RegressionMaximizer:
    """Newton's iterations of a regression on one set of (few) rows, as NumPy in and out.

    Parameters
    ----------
    form, layout, columns
        The model. Without a modifier: every predictor is a parameter of the template.
    rows, x, component
        As for `inference.regression.Likelihood`.
    """

    def __init__(
        self,
        form: Form,
        layout: Layout,
        rows: Observations,
        x: np.ndarray,
        columns: Columns,
        component: np.ndarray | None = None,
    ) -> None:
        self.form, self.layout = form, layout
        self.columns = (columns.center, columns.scale)
        self.n_units = rows.n_units
        self.piece = padded_piece(*expanded(rows, x, component))
        self.size = sum(len(item.columns) for item in layout)

    def __call__(
        self, starts: np.ndarray, limits: Limits, correction: Correction | None = None
    ) -> list[LocalMaximum]:
        """Where the iterations from each start (B, P) end."""
        if correction is None:
            correction = Correction.none(self.size)

        def run(some: np.ndarray) -> dict[str, jax.Array]:
            found: dict[str, jax.Array] = maximize_regression_from(
                self.form,
                some,
                self.piece,
                self.columns,
                limits,
                correction,
                layout=self.layout,
            )
            return found

        return in_groups(run, starts, WIDTH)
