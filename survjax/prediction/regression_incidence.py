"""Cumulative incidences of each asset under causes with covariates, with delta-method errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax._core.numerics import log1mexp, padded_blocks
from survjax._core.programs import program
from survjax._core.quadrature import PANEL_NODES, PANEL_WEIGHTS
from survjax.likelihood.panels import Rates
from survjax.prediction.regression_curves import FittedForm, error_of, predictors_of

#: Assets worked on at once: each has panels of its own.
UNITS = 256


def mean_incidences(rates: Rates, weight: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Shares of n units that each cause has ended by rising times (m,), (K, m), for a picture.

    What survival loses between two times is shared out by the integrals of h_k S there.
    """
    n, edges = weight.size, np.concatenate([[0.0], t])
    half = 0.5 * np.diff(edges)
    nodes = (0.5 * (edges[1:] + edges[:-1])[:, None] + half[:, None] * PANEL_NODES).ravel()

    def of_all(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logs, hazard = rates(np.tile(times, n), np.repeat(np.arange(n), times.size))
        return logs.reshape(-1, n, times.size), hazard.reshape(n, times.size)

    logs, hazard = of_all(nodes)
    each = np.exp(logs - hazard).reshape(len(logs), n, t.size, -1) @ PANEL_WEIGHTS
    total = each.sum(axis=0)
    alive = np.exp(-np.column_stack([np.zeros(n), of_all(t)[1]]))
    lost = -np.diff(alive, axis=1)
    ended = lost * each / np.where(total > 0, total, 1.0)
    mean = np.einsum("n,knm->km", weight / weight.sum(), ended)
    return np.asarray(np.cumsum(mean, axis=1))


@program(static_argnames=("layout", "cause", "errors"))
def _incidence(
    form: Any,
    theta: jax.Array,
    covariance: jax.Array,
    columns: tuple[jax.Array, ...],
    units: tuple[jax.Array, jax.Array, jax.Array],
    *,
    layout: Any,
    cause: int,
    errors: bool,
) -> tuple[Any, Any]:
    def block(part: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[Any, Any]:
        t, x, ages = part
        z = (x - columns[0]) / columns[1]

        def total(eta: jax.Array) -> tuple[jax.Array, jax.Array]:
            log_share = form.lifetime(tuple(eta)).given(ages).log_incidences(t)[cause]
            some = (log_share > -jnp.inf) & (log_share < 0)
            rest = -log1mexp(-jnp.where(some, log_share, -1.0))
            # Log(-log(1 - F)), on which errors are symmetric.
            value = jnp.where(some, jnp.log(rest), log_share)
            return jnp.sum(jnp.where(some, value, 0.0)), value

        eta = predictors_of(layout, theta, z)
        if not errors:
            values = total(eta)[1]
            return values, jnp.zeros_like(values)
        (_, values), slope = jax.value_and_grad(total, has_aux=True)(eta)
        return values, error_of(layout, slope, z, covariance)

    return lax.map(block, units)


def asset_incidence(
    fitted: FittedForm, cause: int, t: np.ndarray, x: np.ndarray, ages: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Log(-log(1 - F)) of the share F that a cause has ended within times, and standard errors.

    Parameters
    ----------
    fitted : FittedForm
        Of a `CompetingForm`; without a covariance the errors are zero, at less cost.
    cause : int
        Which cause.
    t, x, ages : arrays of shape (n,), (n, p), (n,)
        Times since the ages, which may be infinite; covariates; ages reached.
    """
    p, n = fitted.theta.size, t.size
    covariance = np.zeros((p, p)) if fitted.covariance is None else fitted.covariance
    found = _incidence(
        fitted.form,
        fitted.theta,
        covariance,
        (fitted.columns.center, fitted.columns.scale),
        tuple(padded_blocks(part, UNITS) for part in (t, x, ages)),
        layout=fitted.layout,
        cause=cause,
        errors=fitted.covariance is not None,
    )
    values, errors = (np.asarray(part).ravel()[:n] for part in found)
    return values, errors
