"""What the neural classifier and regressor share: settings, training, what is kept of it."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any, Self

import jax
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from survjax._core.annotations import Covariates, RandomState
from survjax._core.callers import users_level
from survjax._core.numerics import bucket_size
from survjax._core.precision import double_precision
from survjax.baselines import _base
from survjax.baselines._rows import column_scales
from survjax.data.content import content_ranks
from survjax.estimators.messages import FitWarning
from survjax.networks.batches import Table, make_table
from survjax.networks.network import Network, make_network
from survjax.networks.training import (
    RATES,
    Trained,
    by_rows,
    check_optimizer,
    train,
)


class NeuralBase(BaseEstimator):
    """Settings of a network and its training; `fit` is the subclass's own."""

    network_: Network
    history_: pd.DataFrame

    def __init__(
        self,
        layers: Any = (16,),
        *,
        activation: str = "tanh",
        optimizer: Any = "adam",
        learning_rate: float | None = None,
        weight_decay: float = 1e-4,
        n_restarts: int = 8,
        batch_size: int | None = 256,
        max_epochs: int = 500,
        patience: int = 30,
        tol: float = 1e-4,
        validation_fraction: float | None = None,
        random_state: RandomState = 0,
    ) -> None:
        self.layers = layers
        self.activation = activation
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.n_restarts = n_restarts
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.tol = tol
        self.validation_fraction = validation_fraction
        self.random_state = random_state

    def _train(
        self,
        X: np.ndarray,
        y: np.ndarray,
        validation: tuple[np.ndarray, np.ndarray] | None,
        n_outputs: int,
        loss: Callable[..., Any],
        summary: Callable[..., Any],
    ) -> tuple[Table, Table | None, Trained]:
        """Train all restarts and keep the best; sets the attributes that both kinds have."""
        random = check_random_state(self.random_state)
        seed = int(random.randint(2**31 - 1))
        # Batches and the split are drawn for places: they follow from what rows hold.
        X, y = _in_order(X, y)
        if validation is None and self.validation_fraction is not None:
            (X, y), validation = _split(X, y, self.validation_fraction, random)
        self._mean, self._scale = column_scales(X, None, True)
        table = make_table(self._standardize(X), y)
        held_out = None
        if validation is not None:
            held_X, held_y = _in_order(*validation)
            held_out = make_table(self._standardize(held_X), held_y)
        optimizer, needs_rate = check_optimizer(
            self.optimizer, _base.check_positive(self.weight_decay, "weight_decay", zero=True)
        )
        self.network_ = make_network(self.layers, self.activation, n_outputs)
        size = len(table.x) if self.batch_size is None else self.batch_size
        max_epochs = _base.check_count(self.max_epochs, "max_epochs")
        trained = train(
            self.network_,
            loss,
            summary,
            optimizer,
            _base.check_count(self.n_restarts, "n_restarts"),
            min(_base.check_count(size, "batch_size"), len(table.x)),
            bucket_size(max_epochs + 1),
            max_epochs,
            jax.random.key(seed),
            table,
            held_out,
            self._rate() if needs_rate else None,
            _base.check_count(self.patience, "patience"),
            _base.check_positive(self.tol, "tol", zero=True),
        )
        self._keep(trained)
        return table, held_out, trained

    def _rate(self) -> float:
        if self.learning_rate is None:
            return RATES[self.optimizer]
        return _base.check_positive(self.learning_rate, "learning_rate")

    def _keep(self, trained: Trained) -> None:
        """Take the best restart's parameters, and note how the others did."""
        score = np.asarray(trained.score)
        self.best_restart_ = int(np.argmin(np.where(np.isfinite(score), score, np.inf)))
        chosen = jax.tree.map(lambda a: np.asarray(a)[self.best_restart_], trained.parameters)
        self.parameters_ = chosen
        self.n_epochs_ = int(trained.n_epochs) - 1
        self.best_epoch_ = int(np.asarray(trained.epoch)[self.best_restart_])
        self.n_parameters_ = sum(a.size for a in jax.tree.leaves(chosen))
        columns = {"objective": score, "epoch": np.asarray(trained.epoch)}
        columns["kept"] = np.arange(len(score)) == self.best_restart_
        self.restarts_ = pd.DataFrame(columns).rename_axis(index="restart")
        if self.best_epoch_ == 0:
            warnings.warn(
                "no restart got better than its random beginning: lower learning_rate, or look "
                "for columns of extreme values",
                FitWarning,
                stacklevel=users_level(),
            )

    def _table_of(self, trained: Trained, columns: dict[str, np.ndarray]) -> pd.DataFrame:
        """Build the history of the restart that was kept."""
        vectors = trained.measured.get("parameters")
        if vectors is not None:
            names = parameter_names(self.parameters_)
            path = np.asarray(vectors)[: self.n_epochs_ + 1, self.best_restart_]
            columns = dict(zip(names, path.T, strict=True)) | columns
        return pd.DataFrame(columns).rename_axis(index="epoch")

    def _measured(self, trained: Trained, prefix: str) -> dict[str, np.ndarray]:
        """Columns of the kept restart that were measured on one of the two sets."""
        rows = slice(0, self.n_epochs_ + 1)
        return {
            name.removeprefix(prefix): np.asarray(values)[rows, self.best_restart_]
            for name, values in trained.measured.items()
            if name != "parameters" and name.startswith("validation_") == bool(prefix)
        }

    def _standardize(self, X: np.ndarray) -> np.ndarray:
        return (X - self._mean) / self._scale

    @double_precision
    def _outputs(self, X: Covariates) -> np.ndarray:
        """Outputs of the network, shape (n, k)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        rows = self._standardize(X)
        return np.asarray(by_rows(_apply, self.network_, self.parameters_, rows), np.float64)

    @double_precision
    def hidden_activations(self, X: Covariates) -> list[np.ndarray]:
        """What the hidden units put out.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Columns.

        Returns
        -------
        list of arrays of shape (n, units)
            One for each hidden layer (for a flax.linen module, for each of its submodules).
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        found = by_rows(_hidden, self.network_, self.parameters_, self._standardize(X))
        return [np.asarray(layer, np.float64) for layer in found]

    def at_iteration(self, iteration: int) -> Self:
        """Give the network as it was at one epoch of its training.

        Parameters
        ----------
        iteration : int
            Row of `history_`; negative ones count from the end.

        Returns
        -------
        estimator
            A copy that predicts with the parameters of that epoch.
        """
        row = _base.row_of_history(self, iteration)
        names = parameter_names(self.parameters_)
        if len(names) > _base.FEW:
            raise _base.no_parameters(len(names))
        leaves, structure = jax.tree.flatten(self.parameters_)
        ends = np.cumsum([leaf.size for leaf in leaves])[:-1]
        parts = np.split(row[names].to_numpy(float), ends)
        shaped = [part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
        then = copy.copy(self)
        then.parameters_ = jax.tree.unflatten(structure, shaped)
        return then


def _apply(network: Network, parameters: Any, x: jax.Array) -> jax.Array:
    return network.apply(parameters, x)


def _hidden(network: Network, parameters: Any, x: jax.Array) -> list[Any]:
    return network.hidden(parameters, x)


def _in_order(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort rows by what they hold."""
    order = np.argsort(content_ranks([y, *X.T]), kind="stable")
    return X[order], y[order]


def _split(
    X: np.ndarray, y: np.ndarray, fraction: float, random: Any
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Hold out a random share of the rows."""
    if not 0.0 < fraction < 1.0:
        raise ValueError(f"validation_fraction must lie between 0 and 1, got {fraction!r}")
    n_held_out = int(np.ceil(fraction * len(X)))
    if n_held_out >= len(X):
        raise ValueError(f"validation_fraction={fraction} of {len(X)} rows leaves none to train on")
    order = random.permutation(len(X))
    held_out, kept = order[:n_held_out], order[n_held_out:]
    return (X[kept], y[kept]), (X[held_out], y[held_out])


def parameter_names(parameters: Any) -> list[str]:
    """Name each number of a pytree, such as weights1[0, 1] for dense layers."""
    names = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(parameters):
        label = jax.tree_util.keystr(path, simple=True, separator=".")
        if isinstance(parameters, tuple):
            layer, kind = (key.idx for key in path)
            label = f"{('weights', 'bias')[kind]}{layer + 1}"
        entries = [", ".join(map(str, index)) for index in np.ndindex(*leaf.shape)]
        names += [f"{label}[{entry}]" if entry else label for entry in entries]
    return names
