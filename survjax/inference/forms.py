"""From linear predictors to lifetimes: what a regression model is, and nothing else.

A form takes Q predictors, each one number a row (n,) or one for all rows (), to a lifetime whose
parameters have rows last. The likelihood of a regression is then the ordinary one of that
lifetime; `inference.regression` contracts its derivatives with the covariates.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from survjax._core.pytree import data, fixed, parameter_names, pytree, ravel_parameters
from survjax.lifetimes import (
    Exponential,
    Lifetime,
    LogLogistic,
    LogNormal,
    Mixture,
    ProportionalHazards,
    Weibull,
)

#: Families of accelerated lifetimes by name.
FAMILIES: dict[str, type[Lifetime]] = {
    "weibull": Weibull,
    "lognormal": LogNormal,
    "loglogistic": LogLogistic,
    "exponential": Exponential,
}


@dataclasses.dataclass(frozen=True)
class Predictor:
    """One linear predictor.

    Attributes
    ----------
    name : str
        The parameter of the lifetime that it is, such as `log_scale`.
    columns : tuple of int
        What it adds up: 0 is the intercept, j the j-th column of X counted from one. (0,) alone
        is a parameter that all rows share.
    offset : bool
        Whether it adds the last column of the table as well, whose coefficient is one: a part
        that is known of each row.
    """

    name: str
    columns: tuple[int, ...]
    offset: bool = False

    @property
    def shared(self) -> bool:
        """Whether every row has the same value."""
        return self.columns == (0,) and not self.offset


Layout = tuple[Predictor, ...]


def with_offset(layout: Layout) -> Layout:
    """The layout whose first predictor adds the last column of the table as it is."""
    return (dataclasses.replace(layout[0], offset=True), *layout[1:])


def without_offset(layout: Layout) -> Layout:
    """The layout without an offset: what is left to estimate is the same."""
    return (dataclasses.replace(layout[0], offset=False), *layout[1:])


class Form(ABC):
    """A frozen pytree that turns predictors into a lifetime."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the Q predictors."""

    @abstractmethod
    def lifetime(self, eta: Sequence[Any]) -> Lifetime:
        """The lifetime of each row, from Q predictors of shape (n,) or ()."""

    @property
    def has_components(self) -> bool:
        """Whether lives are of several kinds, between which hardly anything may fail."""
        return False


@pytree
class AcceleratedForm(Form):
    """Log time is a location plus noise: `log_scale` and `log_shape` of one family."""

    family: str = fixed()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the Q predictors."""
        return ("log_scale",) if self.family == "exponential" else ("log_scale", "log_shape")

    def lifetime(self, eta: Sequence[Any]) -> Lifetime:
        """The lifetime of each row."""
        return FAMILIES[self.family](*eta)


@pytree
class ScaledForm(Form):
    """A base hazard times exp(log_ratio); the base's parameters are predictors unless held."""

    base: Lifetime = data()
    held: bool = fixed()

    @property
    def has_components(self) -> bool:
        """Whether the base is a mixture of several."""
        return isinstance(_plainest(self.base), Mixture)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the Q predictors."""
        return ("log_ratio",) if self.held else ("log_ratio", *parameter_names(self.base))

    def lifetime(self, eta: Sequence[Any]) -> Lifetime:
        """The lifetime of each row."""
        if self.held:
            return ProportionalHazards(_plainest(self.base), eta[0])
        _, unravel = ravel_parameters(self.base)
        vector = _stacked(eta[1:])
        if vector.ndim == 2:
            unravel = jax.vmap(unravel, in_axes=1, out_axes=-1)
        return ProportionalHazards(_plainest(unravel(vector)), eta[0])


@pytree
class MixtureForm(Form):
    """K Weibulls: logits of the weights over the first one's, log scales, log shapes."""

    n_components: int = fixed()

    @property
    def has_components(self) -> bool:
        """Whether there are several."""
        return self.n_components > 1

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the Q predictors."""
        each = range(1, self.n_components + 1)
        return (
            *(f"logit_weight_{i}" for i in each[1:]),
            *(f"log_scale_{i}" for i in each),
            *(f"log_shape_{i}" for i in each),
        )

    def lifetime(self, eta: Sequence[Any]) -> Mixture:
        """The lifetime of each row."""
        k = self.n_components
        logits = _stacked(eta[: k - 1]) if k > 1 else jnp.zeros((0,))
        return Mixture(
            logits, Weibull(_stacked(eta[k - 1 : 2 * k - 1]), _stacked(eta[2 * k - 1 :]))
        )


def _plainest(base: Lifetime) -> Lifetime:
    """The one component of a mixture that has no more: its quantiles and mean are cheap."""
    if (
        isinstance(base, Mixture)
        and jnp.shape(base.logits)[0] == 0
        and not isinstance(base.components, tuple)
    ):
        alone: Lifetime = jax.tree.map(lambda leaf: leaf[0], base.components)
        return alone
    return base


def _stacked(parts: Sequence[Any]) -> jax.Array:
    """Predictors on a leading axis; rows are kept only if one of them has rows."""
    return jnp.stack(jnp.broadcast_arrays(*parts))
