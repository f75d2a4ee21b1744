"""A fitted mixture's state: from the unconstrained vector to components ordered by median."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from survjax.estimators._certificate import Certificate
from survjax.estimators._persistence import Persistent, derived_agrees
from survjax.estimators._saved_fields import (
    Each,
    Flag,
    Floats,
    Number,
    Record,
    Strings,
    Table,
    Text,
)
from survjax.inference.maximize import Climb, weibulls
from survjax.lifetimes import Mixture

_CERTIFICATE = Record(
    Certificate,
    {
        "decrement": Number(finite=False),
        "gradient": Number(finite=False),
        "smallest_eigenvalue": Number(finite=False),
        "n_starts": Number(whole=True),
        "n_agreeing": Number(whole=True),
        "faults": Strings("faults"),
        "other_maxima": Floats(("others",), finite=False, as_tuple=True),
        "message": Text(),
    },
)


def natural_parameters(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, scales and shapes from the unconstrained vector (..., 3K - 1)."""
    k = (x.shape[-1] + 1) // 3
    logits = np.concatenate([np.zeros((*x.shape[:-1], 1)), x[..., : k - 1]], axis=-1)
    weights = np.exp(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))
    return weights, np.exp(x[..., k - 1 : 2 * k - 1]), np.exp(x[..., 2 * k - 1 :])


def parameter_names(k: int) -> tuple[str, ...]:
    """Names of the unconstrained parameters of K components."""
    each = range(1, k + 1)
    return (
        *(f"logit_weight_{i}" for i in each[1:]),
        *(f"log_scale_{i}" for i in each),
        *(f"log_shape_{i}" for i in each),
    )


def median_order(x: np.ndarray) -> np.ndarray:
    """The components of x from the shortest median to the longest."""
    _, scales, shapes = natural_parameters(x)
    return np.argsort(np.log(scales) + np.log(np.log(2.0)) / shapes, kind="stable")


def reordering(order: np.ndarray) -> np.ndarray:
    """The matrix (p, p) that takes a vector to the one with its components in another order.

    Among all logits, the first at zero, a new order is a permutation, and then a change of the
    one that is the reference.
    """
    k = order.size
    full = np.zeros((3 * k, 3 * k - 1))
    full[np.arange(1, 3 * k), np.arange(3 * k - 1)] = 1.0
    permuted = full[np.concatenate([order, k + order, 2 * k + order])]
    permuted[1:k] -= permuted[0]
    return permuted[1:]


def ordered(found: Climb) -> tuple[np.ndarray, np.ndarray]:
    """Parameters and Hessian with the components in the order of their medians."""
    change = reordering(median_order(found.x))
    back = np.linalg.inv(change)
    return change @ found.x, back.T @ found.hessian @ back


class MixtureState(Persistent):
    """What a fit of a Weibull mixture leaves behind, and what follows from it."""

    parameters_: np.ndarray
    covariance_: np.ndarray
    log_likelihood_: float
    n_units_: float
    _check_parameters: Callable[[], None]

    _saved: ClassVar[Mapping[str, Any]] = {
        "parameters_": Floats(("p",)),
        "covariance_": Floats(("p", "p"), finite=False),
        "log_likelihood_": Number(),
        "n_units_": Number(least=0.0),
        "n_events_": Number(least=0.0),
        "n_iter_": Number(whole=True),
        "converged_": Flag(),
        "certificate_": _CERTIFICATE,
        # For readers of the file that are not survjax; checked against the parameters.
        "parameter_names_": Strings("p"),
        "weights_": Floats(("k",)),
        "scales_": Floats(("k",)),
        "shapes_": Floats(("k",)),
        # What was computed before saving, if anything.
        "selection_": Table(optional=True),
        "history_": Table(optional=True),
        "_profiles": Each(Floats(("natural", 2), finite=False), optional=True),
    }

    def _derive(self) -> None:
        """Set what follows from the parameters, the log-likelihood and the number of units."""
        x = self.parameters_
        self.lifetime_: Mixture = weibulls(x)
        self.weights_, self.scales_, self.shapes_ = natural_parameters(x)
        self.parameter_names_ = parameter_names((x.size + 1) // 3)
        self.aic_ = 2.0 * x.size - 2.0 * self.log_likelihood_
        self.bic_ = x.size * np.log(self.n_units_) - 2.0 * self.log_likelihood_

    def _rebuild(self) -> None:
        stored = {name: getattr(self, name) for name in ("weights_", "scales_", "shapes_")}
        names, x = self.parameter_names_, self.parameters_
        if x.size % 3 != 2 or names != parameter_names((x.size + 1) // 3):
            raise ValueError(f"parameters_ with {x.size} entries do not fit parameter_names_")
        if not self.n_units_ > 0:
            raise ValueError(f"n_units_ must be positive, got {self.n_units_:g}")
        self._check_parameters()
        self._derive()
        for name, value in stored.items():
            derived_agrees(name, value, getattr(self, name))

    def _forget(self) -> None:
        """Drop what was computed from an earlier fit."""
        for name in ("selection_", "history_", "bootstrap_", "_profiles"):
            self.__dict__.pop(name, None)
