"""Networks from covariates to the parameters of a mixture of Weibulls, and their training.

A network gives the 3K - 1 predictors of `weibull_mixture`; the loss is the package's one
likelihood.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.annotations import Array
from survjax._core.numerics import bucket_size
from survjax.data.observations import Observations
from survjax.likelihood.regression.forms import weibull_mixture
from survjax.likelihood.regression.histories import Histories
from survjax.likelihood.regression.history_likelihood import mixture_terms
from survjax.likelihood.row_derivatives import log_contributions
from survjax.likelihood.weibulls import weibull_parts, weibull_template, weibull_vector
from survjax.networks.batches import Table, UnitTable
from survjax.networks.network import Dense, Network
from survjax.networks.training import Trained, train

#: How sharply the log of a shape bends as it comes near its bound.
SHARPNESS = 10.0
#: Random beginnings start this near the mixture without covariates.
QUIET = 0.1


@dataclasses.dataclass(frozen=True)
class MixtureNetwork:
    """The 3K - 1 predictors of a mixture: one number for all rows, plus what a network adds.

    Attributes
    ----------
    inside : Network
        Puts out 3K - 1 numbers for a row: logits of weights, log scales, log shapes.
    n_components : int
    free : tuple of bool
        Which of them depend on the covariates.
    max_shape : float
        Shapes stay below it: a steeper component is a collapse on single times.
    """

    inside: Network
    n_components: int
    free: tuple[bool, ...]
    max_shape: float

    def init(self, key: jax.Array, n_inputs: int, base: Array) -> Any:
        """Begin near a mixture without covariates: base (3K - 1,)."""
        inside = self.inside.init(key, n_inputs)
        if isinstance(self.inside, Dense):
            inside = (*inside[:-1], jax.tree.map(lambda a: QUIET * a, inside[-1]))
        return {"base": jnp.asarray(base, float), "inside": inside}

    def apply(self, parameters: Any, x: jax.Array) -> jax.Array:
        """Predictors (3K - 1,) of one row."""
        moved = self.inside.apply(parameters["inside"], x)
        eta = parameters["base"] + jnp.where(jnp.array(self.free), moved, 0.0)
        logits, scales, shapes = weibull_parts(eta)
        bound = jnp.log(self.max_shape)
        return weibull_vector(
            logits, scales, bound - jax.nn.softplus(SHARPNESS * (bound - shapes)) / SHARPNESS
        )


@dataclasses.dataclass(frozen=True)
class MixtureLoss:
    """Minus one row's log-likelihood, as a density of log time: units of time do not matter."""

    n_components: int

    def __call__(self, eta: jax.Array, row: Observations) -> Any:
        """From predictors (3K - 1,) and what is known of the row's lifetime."""
        lifetime = weibull_mixture(self.n_components).lifetime(tuple(eta))
        return -(log_contributions(lifetime, row) + row.event * row.log_lower)


@dataclasses.dataclass(frozen=True)
class HistoryLoss:
    """The same of each unit, from all its rows: one hidden component has produced them."""

    n_components: int

    def __call__(self, eta: jax.Array, rows: dict[str, Any]) -> Any:
        """From predictors (n, 3K - 1) of rows, as `UnitTable` gives them: (units,)."""
        mixture = weibull_mixture(self.n_components).lifetime(tuple(eta.T))
        terms = mixture_terms(mixture, rows)
        logs = rows["event"] * jnp.log(rows["stop"])
        return -(terms + jax.ops.segment_sum(logs, rows["unit"], terms.shape[0]))


@dataclasses.dataclass(frozen=True)
class MixtureSummary:
    """What is noted of each row, or unit."""

    loss: MixtureLoss | HistoryLoss

    def __call__(self, eta: jax.Array, row: Any) -> dict[str, Any]:
        """The loss, under its usual name."""
        return {"objective": self.loss(eta, row)}


class Training(NamedTuple):
    """How to train: as the hyper-parameters of the estimator say."""

    optimizer: Any
    rate: float | None
    batch_size: int
    max_epochs: int
    patience: int
    tol: float
    seed: int


def train_members(
    network: MixtureNetwork,
    rows: Observations | Histories,
    z: np.ndarray,
    weight: np.ndarray,
    held_out: np.ndarray | None,
    base: np.ndarray,
    n_restarts: int,
    how: Training,
) -> Trained:
    """Train `n_restarts` networks for each row of weights, one after the other.

    Parameters
    ----------
    network : MixtureNetwork
    rows : Observations or Histories
        n rows, each a unit; or histories of n units. Their own weights are not used.
    z : array of shape (rows, p)
        Standardized covariates.
    weight, held : arrays of shape (M, n), the second or None
        Weights of the units that each network is trained on, and of those that say when to stop.
    base : array of shape (M, 3K - 1)
        The mixtures without covariates near which they begin.
    n_restarts : int
    how : Training

    Returns
    -------
    Trained
        The parameters of each of the M n_restarts networks at its best epoch.
    """
    size = bucket_size(weight.shape[1])
    batch = min(how.batch_size, size)

    def padded(weights: np.ndarray) -> np.ndarray:
        each = np.repeat(weights, n_restarts, axis=0)
        return np.pad(each, ((0, 0), (0, size - each.shape[1])))

    weights = padded(weight), None if held_out is None else padded(held_out)
    loss: MixtureLoss | HistoryLoss = MixtureLoss(network.n_components)
    if isinstance(rows, Histories):
        loss = HistoryLoss(network.n_components)
        table: Any = _unit_table(rows, z, *weights, batch)
    else:
        table = Table(_filled(z, size), rows.padded(size), *weights)
    return train(
        network,
        loss,
        MixtureSummary(loss),
        how.optimizer,
        weights[0].shape[0],
        batch,
        bucket_size(how.max_epochs + 1),
        how.max_epochs,
        jax.random.key(how.seed),
        table,
        None,
        how.rate,
        how.patience,
        how.tol,
        np.repeat(base, n_restarts, axis=0),
    )


def _unit_table(
    rows: Histories, z: np.ndarray, weight: np.ndarray, held_out: np.ndarray | None, batch: int
) -> UnitTable:
    """Histories with all that batches of whole units need; units and rows are padded."""
    n, units = rows.unit.size, weight.shape[1]
    size, first = bucket_size(n), rows.first_rows
    length = np.diff(first, append=n)
    longest = int(np.sort(length)[-batch:].sum())
    # Rows of no unit count for none.
    unit = np.pad(rows.unit, (0, size - n), constant_values=units)
    y = {name: _filled(getattr(rows, name), size) for name in ("start", "stop", "event")}
    beyond = (0, units - first.size)
    return UnitTable(
        _filled(z[rows.order], size),
        y,
        weight,
        held_out,
        unit,
        np.pad(first, beyond),
        np.pad(length, beyond),
        min(bucket_size(longest), size),
    )


def _filled(rows: np.ndarray, size: int) -> np.ndarray:
    """Rows, and copies of the last one up to a size."""
    padding = ((0, size - rows.shape[0]),) + ((0, 0),) * (rows.ndim - 1)
    return np.pad(rows, padding, mode="edge")


def pick(parameters: Any, kept: np.ndarray) -> Any:
    """The chosen networks of many."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[kept], parameters)


def flat_members(parameters: Any) -> np.ndarray:
    """Members' parameters as rows of numbers: (M, P)."""
    leaves = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(parameters)]
    return np.concatenate([leaf.reshape(leaf.shape[0], -1) for leaf in leaves], axis=1)


def members_from_flat(network: MixtureNetwork, flat: np.ndarray, n_inputs: int) -> Any:
    """Parameters from what `flat_members` gave; ValueError where they do not fit the network."""
    base = np.zeros(weibull_template(network.n_components).size)
    shapes = jax.eval_shape(lambda k: network.init(k, n_inputs, base), jax.random.key(0))
    leaves, tree = jax.tree.flatten(shapes)
    sizes = [int(np.prod(leaf.shape)) for leaf in leaves]
    if flat.shape[1] != sum(sizes):
        raise ValueError(f"a network of these layers has {sum(sizes)} parameters")
    parts = np.split(flat, np.cumsum(sizes)[:-1], axis=1)
    shaped = [p.reshape(-1, *leaf.shape) for p, leaf in zip(parts, leaves, strict=True)]
    return jax.tree.unflatten(tree, shaped)
