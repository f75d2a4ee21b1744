"""Networks from covariates to the parameters of a mixture of Weibulls, and their training.

A network gives the 3K - 1 predictors of `MixtureForm`; the loss is the package's one likelihood.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.numerics import bucket_size
from survjax._core.observations import Observations
from survjax.inference.forms import MixtureForm
from survjax.inference.likelihood import log_contributions
from survjax.optimize._network import Dense, Network
from survjax.optimize._training import Table, Trained, train

#: How sharply the log of a shape bends as it comes near its bound.
BEND = 10.0
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

    def init(self, key: Any, n_inputs: int, base: Any) -> Any:
        """Begin near a mixture without covariates: base (3K - 1,)."""
        inside = self.inside.init(key, n_inputs)
        if isinstance(self.inside, Dense):
            inside = (*inside[:-1], jax.tree.map(lambda a: QUIET * a, inside[-1]))
        return {"base": jnp.asarray(base, float), "inside": inside}

    def apply(self, parameters: Any, x: Any) -> Any:
        """Predictors (3K - 1,) of one row."""
        moved = self.inside.apply(parameters["inside"], x)
        eta = parameters["base"] + jnp.where(jnp.array(self.free), moved, 0.0)
        k, bound = self.n_components, jnp.log(self.max_shape)
        bounded = bound - jax.nn.softplus(BEND * (bound - eta[2 * k - 1 :])) / BEND
        return eta.at[2 * k - 1 :].set(bounded)


@dataclasses.dataclass(frozen=True)
class MixtureLoss:
    """Minus one row's log-likelihood, as a density of log time: units of time do not matter."""

    n_components: int

    def __call__(self, eta: Any, row: Observations) -> Any:
        """From predictors (3K - 1,) and what is known of the row's lifetime."""
        lifetime = MixtureForm(self.n_components).lifetime(tuple(eta))
        return -(log_contributions(lifetime, row) + row.event * row.log_lower)


@dataclasses.dataclass(frozen=True)
class MixtureSummary:
    """What is noted of each row."""

    n_components: int

    def __call__(self, eta: Any, row: Observations) -> dict[str, Any]:
        """The loss, under its usual name."""
        return {"objective": MixtureLoss(self.n_components)(eta, row)}


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
    rows: Observations,
    z: np.ndarray,
    weight: np.ndarray,
    held: np.ndarray | None,
    base: np.ndarray,
    n_restarts: int,
    how: Training,
) -> Trained:
    """Train `n_restarts` networks for each row of weights, one after the other.

    Parameters
    ----------
    network : MixtureNetwork
    rows : Observations
        n rows; their weights are not used.
    z : array of shape (n, p)
        Standardized covariates.
    weight, held : arrays of shape (M, n), the second or None
        Weights of the rows that each network is trained on, and of those that say when to stop.
    base : array of shape (3K - 1,)
        The mixture without covariates, near which they begin.
    n_restarts : int
    how : Training

    Returns
    -------
    Trained
        The parameters of each of the M n_restarts networks at its best epoch.
    """
    weight = np.repeat(weight, n_restarts, axis=0)
    held = None if held is None else np.repeat(held, n_restarts, axis=0)
    n, size = rows.n_rows, bucket_size(rows.n_rows)
    padding = ((0, 0), (0, size - n))
    table = Table(
        np.pad(z, ((0, size - n), (0, 0)), mode="edge"),
        rows.padded(size),
        np.pad(weight, padding),
        None if held is None else np.pad(held, padding),
    )
    return train(
        network,
        MixtureLoss(network.n_components),
        MixtureSummary(network.n_components),
        how.optimizer,
        weight.shape[0],
        min(how.batch_size, size),
        bucket_size(how.max_epochs + 1),
        how.max_epochs,
        jax.random.key(how.seed),
        table,
        None,
        how.rate,
        how.patience,
        how.tol,
        base,
    )


def pick(parameters: Any, kept: np.ndarray) -> Any:
    """The chosen networks of many."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[kept], parameters)


def flat_members(parameters: Any) -> np.ndarray:
    """Members' parameters as rows of numbers: (M, P)."""
    leaves = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(parameters)]
    return np.concatenate([leaf.reshape(leaf.shape[0], -1) for leaf in leaves], axis=1)


def members_from_flat(network: MixtureNetwork, flat: np.ndarray, n_inputs: int) -> Any:
    """Parameters from what `flat_members` gave; ValueError where they do not fit the network."""
    base = np.zeros(3 * network.n_components - 1)
    shapes = jax.eval_shape(lambda k: network.init(k, n_inputs, base), jax.random.key(0))
    leaves, tree = jax.tree.flatten(shapes)
    sizes = [int(np.prod(leaf.shape)) for leaf in leaves]
    if flat.shape[1] != sum(sizes):
        raise ValueError(f"a network of these layers has {sum(sizes)} parameters")
    parts = np.split(flat, np.cumsum(sizes)[:-1], axis=1)
    shaped = [p.reshape(-1, *leaf.shape) for p, leaf in zip(parts, leaves, strict=True)]
    return jax.tree.unflatten(tree, shaped)
