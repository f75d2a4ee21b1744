"""Covariates on a base hazard that was fitted first: errors that count both steps.

The two sets of scores are stacked (Murphy and Topel 1985; Newey and McFadden 1994, section 6):
with A the derivative of the mean scores and B their second moment, the covariance is
A^-1 B A^-T.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.data.observations import Observations
from survjax.lifetimes import Lifetime
from survjax.likelihood.regression.columns import Columns
from survjax.likelihood.regression.forms import Form, Layout, scaled
from survjax.likelihood.regression.likelihood import pieces_of, predictors
from survjax.likelihood.regression.predictor_derivatives import predictor_derivatives
from survjax.likelihood.row_derivatives import log_contributions


@program(static_argnames=("layout",))
def _moments(
    form: Form, theta: Any, rows: Observations, x: jax.Array, columns: jax.Array, *, layout: Layout
) -> tuple[Any, Any]:
    """Second moment of the stacked scores, and the base's Hessian without covariates."""
    z = (x - columns[0]) / columns[1]
    wide = jnp.concatenate([jnp.ones((1, z.shape[0])), z.T])
    _, first, _ = predictor_derivatives(form, predictors(layout, theta, z), rows)
    of_effects = first[0] * wide[jnp.array(layout[0].columns)]
    vector, unravel = ravel_parameters(form.template)

    def terms(vector: jax.Array) -> jax.Array:
        return log_contributions(unravel(vector), rows)

    weight = jnp.where(rows.weight > 0, rows.weight, 0.0)
    of_base = jax.jacfwd(terms)(vector).T
    scores = jnp.concatenate([of_effects, of_base])
    hessian = jax.hessian(lambda v: jnp.sum(weight * terms(v)))(vector)
    return (weight * scores) @ scores.T, hessian


def stacked_covariance(
    base: Lifetime,
    layout: Layout,
    theta: np.ndarray,
    hessian: np.ndarray,
    rows: Observations,
    x: np.ndarray,
    columns: Columns,
) -> np.ndarray:
    """Covariance of (effects, base parameters) where both steps used the same rows.

    Parameters
    ----------
    base, layout, theta
        The base as fitted; the layout and values of effects (first) and base parameters.
    hessian : array of shape (P, P)
        Of the second step's log-likelihood in both sets of parameters.
    """
    form = scaled(base)
    standard = (columns.center, columns.scale)
    parts = [
        _moments(form, theta, piece.rows, piece.x, standard, layout=layout)
        for piece in pieces_of(rows, x)
    ]
    outer = sum(np.asarray(part[0]) for part in parts)
    of_base = sum(np.asarray(part[1]) for part in parts)
    q = len(layout[0].columns)
    slope = np.zeros_like(hessian)
    slope[:q] = -hessian[:q]
    slope[q:, q:] = -of_base
    inverse = np.linalg.inv(slope)
    return inverse @ outer @ inverse.T


def known_base_covariance(
    hessian: np.ndarray, n_effects: int, base_covariance: np.ndarray | None
) -> np.ndarray:
    """Covariance where the base came from elsewhere: known, or with errors of its own."""
    q, size = n_effects, hessian.shape[0]
    found = np.zeros((size, size))
    inside = np.linalg.inv(-hessian[:q, :q])
    found[:q, :q] = inside
    if base_covariance is not None:
        # The effects move with the base: db = -A22^-1 A21 dbase.
        push = inside @ hessian[:q, q:]
        found[:q, :q] += push @ base_covariance @ push.T
        found[:q, q:] = push @ base_covariance
        found[q:, :q] = found[:q, q:].T
        found[q:, q:] = base_covariance
    return found
