"""Classifiers measured: labels as codes, and what a path of parameters does on a set of rows."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy.special import log_softmax, softmax
from sklearn.base import ClassifierMixin

from survjax._core.annotations import Covariates
from survjax.baselines._predictor import along, binary, contrasts, multinomial
from survjax.baselines._rows import Rows


class Classifier(ClassifierMixin):
    """What follows from `classes_` and `decision_function`."""

    classes_: np.ndarray
    decision_function: Callable[[Any], np.ndarray]

    def predict(self, X: Covariates) -> np.ndarray:
        """Predict the likeliest class of each row.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Columns.

        Returns
        -------
        array of shape (n,)
            Labels.
        """
        logits = self._logits(X)
        return self.classes_[np.argmax(logits, axis=1)]

    def predict_proba(self, X: Covariates) -> np.ndarray:
        """Predict the probability of each class, shape (n, K)."""
        return softmax(self._logits(X), axis=1)

    def predict_log_proba(self, X: Covariates) -> np.ndarray:
        """Predict log probabilities, shape (n, K); finite however small they are."""
        return log_softmax(self._logits(X), axis=1)

    def _logits(self, X: Covariates) -> np.ndarray:
        logits = self.decision_function(X)
        return np.column_stack([np.zeros_like(logits), logits]) if logits.ndim == 1 else logits


def encode_classes(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort the labels and number the rows by them."""
    # A hash table finds the few labels of many rows; sorting all rows takes five times as long.
    codes, classes = pd.factorize(y, sort=True)
    if len(classes) < 2:
        only = classes.tolist()[0]
        raise ValueError(f"a classifier needs at least two classes in y, got one class: {only!r}")
    return classes, codes


def code_labels(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Number rows by known labels, refusing others."""
    codes = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    unknown = np.flatnonzero(classes[codes] != y)
    if unknown.size:
        raise ValueError(
            f"validation labels must be among those fitted, got {y[unknown].tolist()[0]!r} in row "
            f"{unknown[0]} ({unknown.size} such rows)"
        )
    return codes


def measures(
    n_classes: int, path: np.ndarray, rows: Rows, total: float, objective: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Objective, accuracy and the rest, at each point (k, p) of a path.

    The mean losses, where they are known, need not be computed a second time.
    """
    path = np.pad(path, [(0, 0), (0, 0), (0, rows.x.shape[1] - path.shape[2])])
    summary, loss = (two, binary) if n_classes == 2 else (several, multinomial)
    found = along(summary, path, rows)
    if objective is None:
        objective = along(_as_summary(loss), path, rows)["objective"]
    return tidy(n_classes, {**found, "objective": objective}, total)


def tidy(n_classes: int, found: dict[str, Any], total: float) -> dict[str, np.ndarray]:
    """Order the means of `two` or `several` and the objective, with counts where counts are due."""
    found = {name: np.asarray(column) for name, column in found.items()}
    if n_classes == 2:
        for name in ("false_positives", "false_negatives"):
            counts = found[name] * total
            found[name] = np.where(np.abs(counts - np.rint(counts)) < 1e-6, np.rint(counts), counts)
        order = ("objective", "accuracy", "false_positives", "false_negatives", "mean_prediction")
        return {name: found[name] for name in order}
    shares = {f"mean_prediction[{k}]": found[f"p{k}"] for k in range(n_classes)}
    return {"objective": found["objective"], "accuracy": found["accuracy"], **shares}


@functools.cache
def _as_summary(loss: Any) -> Any:
    """Wrap a loss so that equal calls are one compiled program."""
    return lambda eta, y: {"objective": loss(eta, y)}


def two(eta: jax.Array, y: jax.Array) -> dict[str, Any]:
    """What is measured of one row of two classes, from its logit; the second class is positive."""
    positive = eta[0] > 0
    return {
        "accuracy": 1.0 * (positive == (y > 0.5)),
        "false_positives": 1.0 * (positive & (y < 0.5)),
        "false_negatives": 1.0 * (~positive & (y > 0.5)),
        "mean_prediction": jax.nn.sigmoid(eta[0]),
    }


def several(eta: jax.Array, y: jax.Array) -> dict[str, Any]:
    """What is measured of one row of several classes, from its K - 1 coordinates."""
    logits = contrasts(eta.shape[0] + 1) @ eta
    shares = jax.nn.softmax(logits)
    return {
        "accuracy": 1.0 * (jnp.argmax(logits) == y),
        **{f"p{k}": shares[k] for k in range(logits.shape[0])},
    }
