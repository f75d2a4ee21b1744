"""Remaining life along a planned path of covariates, and how each planned value moves it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.numerics import logsumexp
from survjax._core.programs import program
from survjax.lifetimes import Lifetime
from survjax.likelihood.regression.forms import Form, Layout
from survjax.likelihood.regression.likelihood import predictors
from survjax.prediction.regression_curves import FittedForm

#: Gauss-Legendre nodes within each stretch of the plan.
NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)
NODES, WEIGHTS = 0.5 * (NODES + 1.0), 0.5 * WEIGHTS


def _curves(
    form: Form, eta: tuple[jax.Array, ...], edges: jax.Array, age: jax.Array
) -> tuple[Any, Any]:
    """Log cumulative hazard at each later edge (m,), and log mean remaining life."""
    length = jnp.diff(edges)
    lifetime = form.lifetime(eta)
    starts = edges[:-1] - edges[0] + age
    if form.modifier is None and not form.stretches_time:
        return mixture_curves(lifetime, starts, length)
    if form.stretches_time:
        # An age under today's covariates is the one at which the same exposure is used up.
        pace = jnp.exp(-eta[0])
        used = age * pace[0] + jnp.concatenate([jnp.zeros(1), jnp.cumsum(length * pace)[:-1]])
        starts = used / pace
    hazard, mean = _along_one(lifetime, starts, length)
    return jnp.log(hazard), jnp.log(mean)


def _along_one(lifetime: Lifetime, starts: jax.Array, length: jax.Array) -> tuple[Any, Any]:
    """Cumulative hazard at the end of each stretch (m,), and mean remaining life."""
    rest = lifetime.given(starts)
    increments = rest.cumulative_hazard(length)
    before = jnp.concatenate([jnp.zeros(1), jnp.cumsum(increments)])
    inside = jax.vmap(lambda node: rest.cumulative_hazard(node * length))(jnp.asarray(NODES))
    survival = jnp.exp(-(before[:-1] + inside))
    mean = jnp.sum(length * (jnp.asarray(WEIGHTS) @ survival))
    # Beyond its end the last stretch of the plan goes on.
    beyond = lifetime.given(starts + length).mean()[-1]
    return before[1:], mean + jnp.exp(-before[-1]) * beyond


def mixture_curves(lifetime: Any, starts: jax.Array, length: jax.Array) -> tuple[Any, Any]:
    """Log cumulative hazard and log mean remaining life, of an asset of one hidden component.

    Which one it is follows from the covariates of the first stretch, and from the age reached.
    Those that never fail are the last.
    """
    member, mixture = lifetime.log_membership(starts)[:, 0], lifetime.inner()[1]
    hazards, means = jax.vmap(lambda c: _along_one(c, starts, length))(mixture.components)
    if member.shape[0] > means.shape[0]:
        hazards = jnp.concatenate([hazards, jnp.zeros((1, hazards.shape[1]))])
        means = jnp.append(means, jnp.inf)
    hazard = -logsumexp(member[:, None] - hazards)
    return jnp.log(hazard), jnp.log(jnp.sum(jnp.exp(member) * means))


@program(static_argnames=("layout",))
def _along(
    form: Form,
    theta: jax.Array,
    columns: jax.Array,
    x: jax.Array,
    edges: jax.Array,
    age: jax.Array,
    *,
    layout: Layout,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    def curves(theta: jax.Array, x: jax.Array) -> jax.Array:
        eta = predictors(layout, theta, (x - columns[0]) / columns[1])
        eta = tuple(jnp.broadcast_to(e, x.shape[:1]) for e in eta)
        hazard, mean = _curves(form, eta, edges, age)
        return jnp.append(hazard, mean)

    values = curves(theta, x)
    slopes = jax.jacfwd(curves)(theta, x)
    gradient = jax.grad(lambda x: jnp.exp(curves(theta, x)[-1]))(x)
    return values, slopes, gradient


def along(
    fitted: FittedForm, x: np.ndarray, edges: np.ndarray, age: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Curves along a plan, with errors.

    Parameters
    ----------
    fitted : FittedForm
        The model.
    x : array of shape (m, p)
        Planned covariates of each stretch.
    edges : array of shape (m + 1,)
        Where stretches begin and end.
    age : float
        Age at the first edge; for accelerated life, the age under the first stretch's
        covariates that has used as much.

    Returns
    -------
    values, errors : arrays of shape (m + 1,)
        Log cumulative hazards at the m later edges, then the log mean remaining life.
    gradient : array of shape (m, p)
        Of the mean remaining life in each planned value.
    """
    columns = (fitted.columns.center, fitted.columns.scale)
    values, slopes, gradient = _along(
        fitted.form, fitted.theta, columns, x, edges, age, layout=fitted.layout
    )
    slopes = np.asarray(slopes)
    covariance = np.asarray(fitted.covariance)
    errors = np.sqrt(np.maximum(np.einsum("ap,pq,aq->a", slopes, covariance, slopes), 0.0))
    return np.asarray(values), errors, np.asarray(gradient)
