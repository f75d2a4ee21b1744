"""Local maxima of a likelihood with covariates, from several starts side by side."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.fitting.corrections import Correction
from survjax.fitting.local_maxima import Limits, LocalMaximum, in_groups, newton_from
from survjax.likelihood.executors import executor
from survjax.likelihood.regression.forms import Form, Layout
from survjax.likelihood.regression.likelihood import Likelihood, Piece, derivatives_of

#: Starts that one program takes on few rows, and rows up to which it takes more than one.
WIDTH, FEW_ROWS = 8, 1024


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

    side_by_side = executor(with_columns=True).side_by_side(piece.x.shape[0])
    given = limits, correction, side_by_side
    return newton_from(starts, objective, metric, at_the_center, *given)


def maxima_from(
    likelihood: Likelihood, starts: np.ndarray, limits: Limits, correction: Correction
) -> list[LocalMaximum]:
    """Where the iterations from each start (B, P) end, as NumPy in and out.

    The likelihood is of one piece of rows, and of a form without a modifier: every predictor is a
    parameter of the template.
    """
    (piece,) = likelihood.pieces
    columns = (likelihood.columns.center, likelihood.columns.scale)

    def run(some: np.ndarray) -> dict[str, jax.Array]:
        given = (likelihood.form, some, piece, columns, limits, correction)
        found: dict[str, jax.Array] = maximize_regression_from(*given, layout=likelihood.layout)
        return found

    return in_groups(run, starts, WIDTH if piece.x.shape[0] <= FEW_ROWS else 1)
