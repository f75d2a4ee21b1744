"""From linear predictors to lifetimes: what a regression model is, and nothing else.

A form takes Q predictors, each one number a row (n,) or one for all rows (), to a lifetime whose
parameters have rows last. It is a template, any lifetime, whose parameters are predictors, and
perhaps what a first predictor does to it: it stretches its time, or multiplies its hazard. The
likelihood of a regression is then the ordinary one of that lifetime; `regression.likelihood`
contracts its derivatives with the covariates.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from survjax._core.pytree import (
    data,
    fixed,
    parameter_names,
    parameter_shapes,
    pytree,
    rebuilt,
)
from survjax.lifetimes import (
    Accelerated,
    Lifetime,
    ProportionalHazards,
    ProportionalOdds,
)
from survjax.likelihood.vector.template import Template
from survjax.likelihood.weibulls import weibulls


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


@pytree
class Form:
    """A lifetime whose parameters are predictors.

    Parameters
    ----------
    template : Lifetime
        Says which parameters there are; their values count only where they are held.
    names : tuple of str
        Names of the Q predictors: that of the modifier, if any, and of each parameter.
    modifier : type, optional
        `Accelerated`, `ProportionalHazards` or `ProportionalOdds`: what the first predictor does to
        the template.
    base_fixed : bool
        Whether the template's parameters are no predictors, but stay as they are.
    """

    template: Lifetime = data()
    names: tuple[str, ...] = fixed()
    modifier: Any = fixed(default=None)
    base_fixed: bool = fixed(default=False)

    def lifetime(self, eta: Sequence[Any]) -> Any:
        """The lifetime of each row, from Q predictors of shape (n,) or ()."""
        if self.modifier is None:
            return rebuilt(self.template, _pieces(self.template, eta))
        return self.modifier(self.base(eta), eta[0])

    def base(self, eta: Sequence[Any]) -> Any:
        """What a modifier is applied to: the template with its own predictors."""
        base = self.template
        whole: Lifetime = base if self.base_fixed else rebuilt(base, _pieces(base, eta[1:]))
        return whole.plainest()

    def parts(self, layout: Layout, theta: Any) -> list[tuple[Form, Layout, Any]]:
        """What is fitted for each of several causes that end units: here of one."""
        return [(self, layout, theta)]

    def has_family_of(self, other: Form) -> bool:
        """Whether the templates of two forms are of the same families."""
        one: Any = jax.tree.structure(self.template)
        return bool(one == jax.tree.structure(other.template))

    @property
    def has_components(self) -> bool:
        """Whether lives are of several kinds, between which hardly anything may fail."""
        return self.n_components > 1

    @property
    def n_components(self) -> int:
        """How many kinds of lives there are."""
        return Template(self.template).n_components

    @property
    def n_kinds(self) -> int:
        """How many kinds of units there are, those that never fail counted as one."""
        return max(len(self.template.kinds()), 1)

    @property
    def spoken(self) -> tuple[tuple[str, ...], ...]:
        """By what names people may call each predictor: its own on the response scale, its group's.

        That of a modifier goes without its link: `factor`, `ratio`, `odds_ratio`.
        """
        found: list[tuple[str, ...]] = []
        if self.modifier is not None:
            found.append((self.names[0].removeprefix("log_"),))
        if not self.base_fixed:
            found += Template(self.template).spoken
        return tuple(found)

    @property
    def stretches_time(self) -> bool:
        """Whether covariates stretch the time of one lifetime: ages then count as used-up life."""
        if self.modifier is None:
            return self.template.scale_first
        return bool(self.modifier is Accelerated)

    @property
    def scales_hazard(self) -> bool:
        """Whether covariates multiply the hazard of a base."""
        return self.modifier is ProportionalHazards

    @property
    def is_log_linear(self) -> bool:
        """Whether log time is the first predictor plus noise, of a scale that is the second."""
        return self.modifier is None and self.template.is_log_linear


def accelerated(family: Lifetime) -> Form:
    """Covariates stretch the time of a lifetime.

    Of families of location and scale, beside a cured share too, the log scale is the first
    predictor; any other is stretched as it is.
    """
    if family.scale_first:
        return Form(family, Template(family).names)
    return Form(family, ("log_factor", *parameter_names(family)), Accelerated)


def scaled(base: Lifetime, base_fixed: bool = False) -> Form:
    """A base hazard times exp(log_ratio); the base's parameters are predictors unless held."""
    names = () if base_fixed else parameter_names(base)
    return Form(base, ("log_ratio", *names), ProportionalHazards, base_fixed)


def odds(base: Lifetime) -> Form:
    """A base whose odds of failure are multiplied by exp(log_odds_ratio)."""
    return Form(base, ("log_odds_ratio", *parameter_names(base)), ProportionalOdds)


def weibull_mixture(n_components: int, cured: bool = False) -> Form:
    """K Weibulls, perhaps beside a share that never fails.

    Logits of the weights over the first one's, log scales, log shapes, the logit of that share.
    """
    template = weibulls(n_components, cured)
    return Form(template.lifetime, template.names)


def _pieces(template: Lifetime, eta: Sequence[Any]) -> list[Any]:
    """The arrays of a template's parameters, from as many predictors as they have entries."""
    found, start = [], 0
    for _, shape in parameter_shapes(template):
        size = math.prod(shape)
        part = eta[start : start + size]
        start += size
        if shape == ():
            found.append(part[0])
        else:
            # Rows are kept only if one of the predictors has rows.
            whole = jnp.stack(jnp.broadcast_arrays(*part)) if size else jnp.zeros(0)
            found.append(whole.reshape(*shape, *whole.shape[1:]))
    return found
