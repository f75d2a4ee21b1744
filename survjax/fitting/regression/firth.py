r"""Firth's penalty on the effects of a parametric regression.

With :math:`w_i = -\partial^2 l_i / \partial \eta_i^2` the observed information of each row in its
first predictor (the log of its scale, or of its hazard), added to the log-likelihood is

.. math:: \tfrac12 \log\det \frac{\sum_i w_i (x_i - \bar x)(x_i - \bar x)'}{\sum_i w_i},
   \qquad \bar x = \frac{\sum_i w_i x_i}{\sum_i w_i}.

That is half the log determinant of the information of the effects, an intercept profiled out, for
each unit of information. Where covariates multiply a hazard, w_i is the cumulative hazard that row
i has passed; at a maximum these add up to the number of failures whatever the effects are, so that
the penalty is Jeffreys' (Firth 1993, Biometrika 80), as on Cox's partial likelihood (Heinze and
Schemper 2001, Biometrics 57). It does not depend on the unit of time, nor on the unit of the
predictor: a Weibull has one answer as an accelerated life and as a scaled hazard, and no shape is
drawn to either side. Jeffreys' prior of all parameters is no remedy for shapes: by observed
information it leaves the likelihood of a steep one unbounded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.precision import double_precision
from survjax._core.programs import program
from survjax.data.observations import Observations
from survjax.likelihood.objective import Derivatives
from survjax.likelihood.regression.columns import Columns
from survjax.likelihood.regression.forms import Form, Layout
from survjax.likelihood.regression.likelihood import Likelihood, Piece, contract, predictors
from survjax.likelihood.row_derivatives import log_contributions


def half_log_det(total: jax.Array) -> jax.Array:
    """The penalty, from the sum of w [1, x]'[1, x]; minus infinity where it has none."""
    amount = total[0, 0]
    mean = total[0, 1:] / amount
    sign, size = jnp.linalg.slogdet(total[1:, 1:] / amount - jnp.outer(mean, mean))
    return jnp.where((sign > 0) & (amount > 0), 0.5 * size, -jnp.inf)


class Informations(NamedTuple):
    """The information (n,) of rows in their first predictor, with derivatives in all Q."""

    value: jax.Array
    first: jax.Array
    second: jax.Array


def _informations(form: Form, eta: Sequence[Any], rows: Observations) -> Informations:
    """By automatic differentiation, each row by itself; zero of padding."""
    weight = rows.weight
    one = jnp.ones(weight.size)

    def information(stacked: jax.Array) -> jax.Array:
        def value(first: jax.Array) -> jax.Array:
            return log_contributions(form.lifetime([first, *stacked[1:]]), rows)

        def slope(first: jax.Array) -> jax.Array:
            return jax.jvp(value, (first,), (one,))[1]

        curved = jax.jvp(slope, (stacked[0],), (one,))[1]
        return jnp.where(weight != 0, -weight * curved, 0.0)

    def first(stacked: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jax.vmap(partial(jax.jvp, information, (stacked,)))((every,))

    point = jnp.stack(jnp.broadcast_arrays(*eta, weight))[:-1]
    every = jnp.eye(len(eta))[:, :, None] * one
    (value, slopes), (_, curved) = jax.vmap(partial(jax.jvp, first, (point,)))((every,))
    return Informations(value[0, 0], slopes[0], curved)


@program(static_argnames=("layout",))
def firth_derivatives(
    form: Form, theta: jax.Array, pieces: tuple[Piece, ...], columns: Any, *, layout: Layout
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The penalty at standardized coefficients with its gradient (P,) and Hessian (P, P).

    With M the sum of w [1, x]'[1, x], derivatives in a coefficient are those in M along dM, which
    is a sum over rows of first derivatives of w, and along the second ones.
    """
    own = jnp.array([0, *(j for j in layout[0].columns if j > 0)])
    total, parts = jnp.zeros((own.size, own.size)), []
    for piece in pieces:
        z = (piece.x - columns[0]) / columns[1]
        wide = jnp.concatenate([jnp.ones((z.shape[0], 1)), z], axis=1)
        parts.append((z, wide, _informations(form, predictors(layout, theta, z), piece.rows)))
    for _, wide, w in parts:
        total = total + (w.value[:, None] * wide[:, own]).T @ wide[:, own]
    moves = jnp.concatenate(
        [
            sum(
                jnp.einsum("n,na,nb,nc->abc", w.first[q], wide[:, at], wide[:, own], wide[:, own])
                for _, wide, w in parts
            )
            for q, at in enumerate(jnp.array(item.columns) for item in layout)
        ]
    )

    def along(steps: jax.Array) -> jax.Array:
        return half_log_det(total + jnp.tensordot(steps, moves, axes=1))

    still = jnp.zeros(moves.shape[0])
    pull, hessian = jax.grad(half_log_det)(total), jax.hessian(along)(still)
    for z, wide, w in parts:
        by_row = jnp.einsum("na,ab,nb->n", wide[:, own], pull, wide[:, own])
        hessian = hessian + contract(layout, z, by_row * w.first, by_row * w.second)[1]
    return half_log_det(total), jax.grad(along)(still), hessian


@dataclasses.dataclass(frozen=True)
class FirthPenalty:
    """Half the log determinant of the information of a model's effects, on some rows.

    Parameters
    ----------
    form, layout, columns
        The model.
    rows, x
        Observations, covariates (n, p).
    """

    form: Form
    layout: Layout
    columns: Columns
    rows: Observations
    x: np.ndarray

    def __post_init__(self) -> None:
        likelihood = Likelihood(self.form, self.layout, self.rows, self.x, self.columns)
        object.__setattr__(self, "_pieces", tuple(likelihood.pieces))

    def of(self, rows: Observations) -> FirthPenalty:
        """The same on rows with other weights."""
        return dataclasses.replace(self, rows=rows)

    @double_precision
    def derivatives(self, theta: np.ndarray) -> Derivatives:
        """Value, gradient (P,) and Hessian (P, P) at standardized coefficients."""
        standard = (self.columns.center, self.columns.scale)
        pieces: tuple[Piece, ...] = vars(self)["_pieces"]
        found = firth_derivatives(self.form, theta, pieces, standard, layout=self.layout)
        return float(found[0]), np.asarray(found[1]), np.asarray(found[2])
