"""Neural networks: a classifier and a regressor, trained from several beginnings at once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from survjax._core.annotations import Covariates
from survjax._core.precision import double_precision
from survjax.baselines import _base
from survjax.baselines._measures import Classifier, code_labels, encode_classes, several, tidy, two
from survjax.baselines._predictor import binary, contrasts, multinomial, squared
from survjax.baselines._rows import column_scales
from survjax.baselines.neural.base import NeuralBase
from survjax.data.labels import rows_by_position


class MLPClassifier(Classifier, NeuralBase):
    r"""Neural network for classes, trained from several random beginnings at once.

    Parameters
    ----------
    layers : sequence of int, flax.linen module, or callable, default (16,)
        Sizes of the hidden layers. Or a module in their place, called on one standardized row:
        a `flax.linen` one, or a function `build(rngs=...)` that returns a `flax.nnx` one.
        It puts out one logit for each class (or one in all, of the second of two).
    activation : {"tanh", "relu", "sigmoid", "softplus"}, default "tanh"
        Between dense layers.
    optimizer : {"adam", "adamw", "rmsprop", "sgd"} or optax transformation, default "adam"
        A transformation brings its own learning rate.
    learning_rate : float, optional
        Of a named optimizer: 0.02 for adam and adamw, 0.01 for rmsprop, 0.2 for sgd by default.
    weight_decay : float, default 1e-4
        Of "adamw".
    n_restarts : int, default 8
        Networks trained side by side on the same minibatches; the best is kept.
    batch_size : int or None, default 256
        Rows of a minibatch; None takes all rows.
    max_epochs : int, default 500
        The most passes over the rows.
    patience : int, default 30
        Training stops when no network's objective has fallen by the share `tol` for so many
        epochs: the validation objective, or the training one where there is no such data.
    tol : float, default 1e-4
        Share by which an objective must fall to count as a gain.
    validation_fraction : float, optional
        Share of the rows held out where `fit` is given no `validation_data`.
    random_state : int or RandomState, default 0
        Seeds beginnings, minibatches and the split; the order of rows changes nothing.

    Attributes
    ----------
    classes_ : array of shape (K,)
        The labels, sorted.
    parameters_ : pytree of arrays
        Of the best epoch of the best restart: a (weights, bias) for each layer, on
        standardized columns.
    history_ : DataFrame
        Each epoch of the kept restart: parameters (up to 20), objective (mean negative
        log-likelihood), and for two classes accuracy, false_positives, false_negatives and
        mean_prediction (otherwise accuracy and a mean_prediction for each class); the same for
        validation data.
    restarts_ : DataFrame
        Best objective and its epoch for each restart.
    best_restart_, best_epoch_, n_epochs_, n_parameters_ : int
        Which was kept; how many epochs ran; how many numbers were trained.

    Examples
    --------
    >>> import numpy as np
    >>> from survjax.baselines import MLPClassifier
    >>> X = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    >>> model = MLPClassifier((4,), n_restarts=2).fit(X, X[:, 1] > X[:, 0] ** 2)
    >>> model.score(X, X[:, 1] > X[:, 0] ** 2) > 0.95
    True
    """

    @double_precision
    @rows_by_position
    def fit(
        self, X: Covariates, y: Any, *, validation_data: tuple[Covariates, ArrayLike] | None = None
    ) -> Self:
        """Train on rows.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Columns.
        y : array-like of shape (n,)
            Labels of two classes or more.
        validation_data : pair (X, y), optional
            Rows not trained on; they decide when to stop and what is kept.

        Returns
        -------
        self
            The fitted model.
        """
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, codes = encode_classes(y)
        n_classes = len(self.classes_)
        validation = _base.validation_pair(validation_data)
        if validation is not None:
            held_X, held_y = validate_data(self, *validation, dtype=np.float64, reset=False)
            validation = held_X, code_labels(held_y, self.classes_).astype(float)
        loss, summary = _class_loss(n_classes), _class_summary(n_classes)
        n_outputs = 1 if n_classes == 2 else n_classes
        table, held_out, trained = self._train(
            X, codes.astype(float), validation, n_outputs, loss, summary
        )
        columns = tidy(n_classes, self._measured(trained, ""), float(table.weight.sum()))
        if held_out is not None:
            found = self._measured(trained, "validation_")
            more = tidy(n_classes, found, float(held_out.weight.sum()))
            columns |= {f"validation_{name}": column for name, column in more.items()}
        self.history_ = self._table_of(trained, columns)
        return self

    def decision_function(self, X: Covariates) -> np.ndarray:
        """Log-odds of the second class (n,), or logits of each class (n, K)."""
        outputs = self._outputs(X)
        if len(self.classes_) > 2:
            return outputs
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs[:, 1] - outputs[:, 0]


class MLPRegressor(RegressorMixin, NeuralBase):
    r"""Neural network for numbers, trained from several random beginnings at once.

    Parameters
    ----------
    layers, activation, optimizer, learning_rate, weight_decay, n_restarts, batch_size
        As for `MLPClassifier`; a user's module puts out one number.
    max_epochs, patience, tol, validation_fraction, random_state
        As for `MLPClassifier`.

    Attributes
    ----------
    parameters_, restarts_, best_restart_, best_epoch_, n_epochs_, n_parameters_
        As for `MLPClassifier`, on a standardized target.
    history_ : DataFrame
        Each epoch of the kept restart: parameters (up to 20) and objective, the mean squared
        error in the units of y; the same for validation data.

    Examples
    --------
    >>> import numpy as np
    >>> from survjax.baselines import MLPRegressor
    >>> X = np.linspace(-3, 3, 200)[:, None]
    >>> model = MLPRegressor((8,), n_restarts=2).fit(X, np.sin(X[:, 0]))
    >>> model.score(X, np.sin(X[:, 0])) > 0.98
    True
    """

    @double_precision
    @rows_by_position
    def fit(
        self, X: Covariates, y: Any, *, validation_data: tuple[Covariates, ArrayLike] | None = None
    ) -> Self:
        """Train on rows.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Columns.
        y : array-like of shape (n,)
            Numbers.
        validation_data : pair (X, y), optional
            Rows not trained on; they decide when to stop and what is kept.

        Returns
        -------
        self
            The fitted model.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        y = y.astype(np.float64)
        column = np.sort(y)[:, None]
        level, spread = (float(part[0]) for part in column_scales(column, None, True, "y"))
        validation = _base.validation_pair(validation_data)
        if validation is not None:
            held_X, held_y = validate_data(
                self, *validation, dtype=np.float64, y_numeric=True, reset=False
            )
            validation = held_X, (held_y - level) / spread
        self._level, self._spread = level, spread
        _, held_out, trained = self._train(
            X, (y - level) / spread, validation, 1, _number_loss, _number_summary
        )
        columns = {"objective": self._measured(trained, "")["objective"] * spread**2}
        if held_out is not None:
            found = self._measured(trained, "validation_")["objective"]
            columns["validation_objective"] = found * spread**2
        self.history_ = self._table_of(trained, columns)
        return self

    def predict(self, X: Covariates) -> np.ndarray:
        """Predict a number for each row.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Columns.

        Returns
        -------
        array of shape (n,)
            In the units of y.
        """
        outputs = self._outputs(X)
        return outputs[:, 0] * self._spread + self._level


def _coordinates(outputs: jax.Array, n_classes: int) -> Any:
    """Take outputs of a network to the coordinates that the losses of the linear models use."""
    if n_classes == 2 and outputs.shape == (1,):
        return outputs
    if outputs.shape != (n_classes,):
        one = " (or one)" if n_classes == 2 else ""
        raise ValueError(
            f"the module must put out {n_classes} logits{one} for one row, got shape "
            f"{outputs.shape}"
        )
    return outputs[1:] - outputs[:1] if n_classes == 2 else contrasts(n_classes).T @ outputs


# One function object for each number of classes: equal trainings are then one compiled program.
@functools.cache
def _class_loss(n_classes: int) -> Callable[..., Any]:
    loss = binary if n_classes == 2 else multinomial
    return lambda outputs, y: loss(_coordinates(outputs, n_classes), y)


@functools.cache
def _class_summary(n_classes: int) -> Callable[..., Any]:
    loss, rest = (binary, two) if n_classes == 2 else (multinomial, several)

    def summary(outputs: jax.Array, y: jax.Array) -> dict[str, Any]:
        eta = _coordinates(outputs, n_classes)
        return {"objective": loss(eta, y), **rest(eta, y)}

    return summary


def _number_loss(outputs: jax.Array, y: jax.Array) -> jax.Array:
    if outputs.shape != (1,):
        raise ValueError(f"the module must put out one number for one row, got {outputs.shape}")
    return squared(outputs, y)


def _number_summary(outputs: jax.Array, y: jax.Array) -> dict[str, Any]:
    return {"objective": jnp.square(y - outputs[0])}
