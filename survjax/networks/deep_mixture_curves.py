"""Curves and remaining life of each asset under an ensemble of networks.

The average of the members' mixtures of Weibulls is again a mixture of Weibulls, with all their
components, so curves, ages reached and remaining life need nothing new.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax._core.numerics import padded_blocks
from survjax._core.precision import double_precision
from survjax._core.programs import program
from survjax.data.observations import Observations
from survjax.lifetimes import Mixture, Weibull
from survjax.likelihood.regression.forms import weibull_mixture
from survjax.likelihood.row_derivatives import log_contributions
from survjax.likelihood.weibulls import weibull_parts
from survjax.networks.deep_mixture import MixtureNetwork
from survjax.prediction.curves import SAME, link_value

#: Assets worked on at once; each has the components of every member.
UNITS = 256
#: Assets whose predictors are held at a time, by each of some threads.
PIECE, THREADS = 16384, 2


class Ensemble(NamedTuple):
    """Trained networks: everything that predictions need.

    Attributes
    ----------
    network : MixtureNetwork
    parameters : pytree
        With members leading.
    order : array of shape (M, K)
        Which component of each member is called first, second, ...
    center, scale : arrays of shape (p,)
        Of the columns.
    """

    network: MixtureNetwork
    parameters: Any
    order: np.ndarray
    center: np.ndarray
    scale: np.ndarray

    @property
    def n_members(self) -> int:
        """Number of networks."""
        return int(self.order.shape[0])

    @property
    def n_parameters(self) -> int:
        """Numbers in one network."""
        return sum(leaf[0].size for leaf in jax.tree.leaves(self.parameters))


def predictors_of_members(network: MixtureNetwork, parameters: Any, z: jax.Array) -> jax.Array:
    """Predictors of every asset under every member: (Q, M, n)."""
    each = jax.vmap(jax.vmap(network.apply, in_axes=(None, 0)), in_axes=(0, None))
    return jnp.moveaxis(each(parameters, z), -1, 0)


def pooled_mixture(network: MixtureNetwork, eta: jax.Array) -> Mixture:
    """The average of the members' mixtures, a mixture of M K components: member by member."""
    logits, scales, shapes = weibull_parts(eta, axis=0)
    parts = (jax.nn.log_softmax(logits, axis=0), scales, shapes)
    flat = [jnp.swapaxes(part, 0, 1).reshape(-1, *part.shape[2:]) for part in parts]
    return Mixture(flat[0][1:] - flat[0][0], Weibull(flat[1], flat[2]))


@program(static_argnames=("network",))
def _predictors_of(
    network: MixtureNetwork, parameters: Any, columns: jax.Array, x: jax.Array
) -> jax.Array:
    """Predictors of blocks of assets: (blocks, Q, M, UNITS)."""
    return lax.map(
        lambda x: predictors_of_members(network, parameters, (x - columns[0]) / columns[1]), x
    )


def _means(network: MixtureNetwork, eta: Any, ages: jax.Array) -> tuple[Any, Any]:
    """Logs of the mean remaining life under the average (n,), and under each member (M, n).

    Both average the components' own, by how likely each is for a survivor.
    """
    members = weibull_mixture(network.n_components).lifetime(tuple(eta))
    each = members.each(lambda c: c.residual_mean(ages))
    own = jnp.sum(jnp.exp(members.log_membership(ages)) * each, axis=0)
    share = jnp.exp(pooled_mixture(network, eta).log_membership(ages))
    pooled = jnp.sum(share * jnp.swapaxes(each, 0, 1).reshape(share.shape), axis=0)
    return jnp.log(pooled), jnp.log(own)


@program(static_argnames=("network", "curve", "errors"))
def _evaluate(
    network: MixtureNetwork, eta: Any, t: jax.Array, ages: jax.Array, *, curve: str, errors: bool
) -> tuple[jax.Array, jax.Array]:
    """A curve of blocks of assets under the average, and squared deviations of the members."""

    def both(eta: jax.Array, t: jax.Array, ages: jax.Array) -> tuple[Any, Any]:
        if curve == "mean":
            return _means(network, eta, ages)
        value = link_value(pooled_mixture(network, eta).given(ages), curve, t)
        rest = weibull_mixture(network.n_components).lifetime(tuple(eta)).given(ages)
        if curve == "quantile":
            # Members are near their average: each is searched from there.
            return value, jnp.log(rest.inverse_near(-jnp.log1p(-t), jnp.exp(value)))
        return value, link_value(rest, curve, t)

    def block(part: Any) -> Any:
        value, own = both(*part)
        return value, jnp.sum((own - value) ** 2, axis=0) if errors else jnp.zeros_like(value)

    return lax.map(block, (eta, t, ages))


def evaluate_ensemble(
    ensemble: Ensemble,
    curves: tuple[str, ...],
    t: np.ndarray,
    x: np.ndarray,
    ages: np.ndarray,
    errors: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Safe values of curves of each asset's remaining life, and how far members are apart.

    Parameters
    ----------
    ensemble : Ensemble
    curves, t, x, ages
        As in `inference.regression_curves.evaluate`.
    errors : bool, default True
        Whether to compute the second result; else it is zero.

    Returns
    -------
    values, errors : arrays of shape (len(curves), n)
        Of the average distribution, and the standard deviation of the members' own values
        around it; NaN for a single member.
    """
    members = ensemble.n_members
    spread = errors and members > 1
    t = np.broadcast_to(np.asarray(t, float), (len(curves), ages.size))
    values, squares = np.empty(t.shape), np.empty(t.shape)

    @double_precision
    def one(part: slice) -> None:
        """All curves of some assets, whose networks run once."""
        columns = (ensemble.center, ensemble.scale)
        eta = _predictors_of(
            ensemble.network, ensemble.parameters, columns, padded_blocks(x[part], UNITS)
        )
        reached = padded_blocks(ages[part], UNITS)
        for i, curve in enumerate(curves):
            found = _evaluate(
                ensemble.network,
                eta,
                padded_blocks(t[i, part], UNITS),
                reached,
                curve=SAME.get(curve, curve),
                errors=spread,
            )
            for filled, array in zip((values, squares), found, strict=True):
                filled[i, part] = np.asarray(array).ravel()[: ages[part].size]

    first, *others = _parts(ages.size)
    one(first)  # which compiles
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, others))
    if errors and not spread:
        return values, np.full_like(values, np.nan)
    return values, np.sqrt(squares / max(members - 1, 1))


def spread_of_members(own: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Standard deviation of members' own values (M, ...) around those of the ensemble."""
    if len(own) < 2:
        return np.full_like(values, np.nan)
    with np.errstate(invalid="ignore"):
        return np.sqrt(np.sum((own - values) ** 2, axis=0) / (len(own) - 1))


@program(static_argnames=("network",))
def _memberships(
    network: MixtureNetwork,
    parameters: Any,
    columns: jax.Array,
    x: jax.Array,
    ages: jax.Array,
    failed: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    def block(part: Any) -> Any:
        x, ages, failed = part
        eta = predictors_of_members(network, parameters, (x - columns[0]) / columns[1])
        form = weibull_mixture(network.n_components)
        own = jax.vmap(lambda e: form.lifetime(tuple(e)).log_membership(ages, failed), 1)(eta)
        return own, pooled_mixture(network, eta).log_membership(ages, failed)

    return lax.map(block, (x, ages, failed))


def ensemble_memberships(
    ensemble: Ensemble, x: np.ndarray, ages: np.ndarray, failed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """P(component | running at its age, or failed then): each member's and the ensemble's.

    Returns
    -------
    own : array of shape (M, K, n)
    pooled : array of shape (K, n)
        Members count by how well each foresaw what is known of the asset.
    """
    n, k, members = x.shape[0], ensemble.network.n_components, ensemble.n_members
    own, pooled = (
        np.exp(np.asarray(part))
        for part in _memberships(
            ensemble.network,
            ensemble.parameters,
            (ensemble.center, ensemble.scale),
            padded_blocks(x, UNITS),
            padded_blocks(ages, UNITS),
            padded_blocks(failed, UNITS),
        )
    )
    own = np.moveaxis(own, 0, 2).reshape(members, k, -1)[..., :n]
    pooled = np.moveaxis(pooled, 0, 1).reshape(members, k, -1)[..., :n]
    order = ensemble.order[..., None]
    return np.take_along_axis(own, order, 1), np.take_along_axis(pooled, order, 1).sum(axis=0)


@program(static_argnames=("network",))
def _median_logs(network: MixtureNetwork, parameters: Any, z: jax.Array) -> jax.Array:
    _, scales, shapes = weibull_parts(predictors_of_members(network, parameters, z), axis=0)
    median = scales + jnp.log(jnp.log(2.0)) * jnp.exp(-shapes)
    return jnp.mean(median, axis=2).T


def component_order(network: MixtureNetwork, parameters: Any, z: np.ndarray) -> np.ndarray:
    """Each member's components by their median life over (some of) the rows: (M, K)."""
    few = z[:: max(z.shape[0] // 512, 1)][:512]
    few = np.pad(few, ((0, 512 - few.shape[0]), (0, 0)), mode="wrap")
    return np.argsort(np.asarray(_median_logs(network, parameters, few)), axis=1)


@program(static_argnames=("network",))
def _terms(
    network: MixtureNetwork, parameters: Any, columns: jax.Array, rows: Any, x: jax.Array
) -> jax.Array:
    def block(part: Any) -> Any:
        rows, x = part
        eta = predictors_of_members(network, parameters, (x - columns[0]) / columns[1])
        return log_contributions(pooled_mixture(network, eta), rows)

    return lax.map(block, (rows, x))


def ensemble_log_likelihoods(ensemble: Ensemble, rows: Observations, x: np.ndarray) -> np.ndarray:
    """Log-likelihood of each row under the average distribution, before its weight: (n,)."""
    columns = (ensemble.center, ensemble.scale)
    blocks = jax.tree.map(lambda a: padded_blocks(a, UNITS), rows), padded_blocks(x, UNITS)
    found = _terms(ensemble.network, ensemble.parameters, columns, *blocks)
    return np.asarray(found).ravel()[: rows.n_rows]


def _parts(n: int) -> list[slice]:
    """Equal parts of n assets, none longer than a piece."""
    size = -(-n // -(-n // PIECE))
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]
