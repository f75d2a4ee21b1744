"""Units whose covariates change, under an ensemble of networks.

Which member is right, and to which of its components a unit belongs, is hidden alike: all rows of
a unit, and all stretches of a plan, are of one component of one member.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.programs import program
from survjax.likelihood.regression.forms import weibull_mixture
from survjax.likelihood.regression.histories import Histories
from survjax.likelihood.regression.history_likelihood import mixture_terms, pieces_of_units
from survjax.networks.deep_mixture import MixtureNetwork
from survjax.networks.deep_mixture_curves import (
    Ensemble,
    pooled_mixture,
    predictors_of_members,
    spread_of_members,
)
from survjax.prediction.paths import mixture_curves


@program(static_argnames=("network",))
def _terms(
    network: MixtureNetwork, parameters: Any, columns: jax.Array, piece: dict[str, jax.Array]
) -> jax.Array:
    eta = predictors_of_members(network, parameters, (piece["x"] - columns[0]) / columns[1])
    known = {name: piece[name] for name in ("unit", "start", "stop", "event", "first")}
    return mixture_terms(pooled_mixture(network, eta), known)


def ensemble_history_terms(ensemble: Ensemble, rows: Histories, x: np.ndarray) -> np.ndarray:
    """Log-likelihood of each unit under the average distribution, before its weight: (U,)."""
    columns = (ensemble.center, ensemble.scale)
    parts = [
        np.asarray(_terms(ensemble.network, ensemble.parameters, columns, piece))[:units]
        for piece, units in pieces_of_units(rows, x)
    ]
    return np.concatenate(parts)


@program(static_argnames=("network",))
def _along(
    network: MixtureNetwork, parameters: Any, columns: jax.Array, x: jax.Array, edges: Any, age: Any
) -> tuple[jax.Array, jax.Array, jax.Array]:
    length = jnp.diff(edges)
    starts = edges[:-1] - edges[0] + age

    def eta_of(x: jax.Array) -> jax.Array:
        return predictors_of_members(network, parameters, (x - columns[0]) / columns[1])

    def average(x: jax.Array) -> jax.Array:
        return jnp.append(*mixture_curves(pooled_mixture(network, eta_of(x)), starts, length))

    def member(eta: jax.Array) -> jax.Array:
        lifetime = weibull_mixture(network.n_components).lifetime(tuple(eta))
        return jnp.append(*mixture_curves(lifetime, starts, length))

    own = jax.vmap(member, in_axes=1)(eta_of(x))
    return average(x), own, jax.grad(lambda x: jnp.exp(average(x)[-1]))(x)


def ensemble_along(
    ensemble: Ensemble, x: np.ndarray, edges: np.ndarray, age: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Curves along a plan as `inference.paths.along`; errors are how far members are apart."""
    columns = (ensemble.center, ensemble.scale)
    values, own, slope = (
        np.asarray(part)
        for part in _along(ensemble.network, ensemble.parameters, columns, x, edges, age)
    )
    return values, spread_of_members(own, values), slope
