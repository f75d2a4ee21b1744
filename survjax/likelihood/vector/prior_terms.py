"""Priors of parameters as a term of the objective: a function of the vector of parameters.

The log density of each is on the link scale of its parameter, which is the scale of the vector, so
that no Jacobian enters and the mode does not depend on the unit of time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from survjax._core.numerics import module_of
from survjax._core.pytree import data, pytree
from survjax.likelihood.vector.held import named_positions
from survjax.priors import Prior, Terms

if TYPE_CHECKING:
    from survjax.likelihood.vector.template import Template

#: What a user may give: names as in `summary()`.
Priors = Mapping[str, Prior]


@pytree
class PriorTerms:
    """The sum of the log densities of all priors, each array of shape (p,) (`Terms`).

    `has` is one where there is a prior.
    """

    has: Any = data()
    constant: Any = data()
    precision: Any = data()
    center: Any = data()
    power: Any = data()
    offset: Any = data()
    growth: Any = data()
    odds: Any = data()

    @classmethod
    def nothing(cls, size: int) -> PriorTerms:
        """No priors on a vector of so many entries."""
        return cls(*(np.zeros(size) for _ in dataclasses.fields(cls)))

    @classmethod
    def joined(cls, parts: Sequence[PriorTerms]) -> PriorTerms:
        """Those of vectors end to end."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def derivatives(self, x: Any) -> tuple[Any, Any, Any]:
        """Value, gradient (p,) and Hessian (p, p) at x (p,)."""
        xp = module_of(x)
        away = x - self.center
        shifted = x + self.offset
        # Without a prior there is nothing that could overflow.
        grown = self.growth * xp.exp(xp.where(self.growth > 0, shifted, 0.0))
        log_odds, log_against = xp.logaddexp(0.0, x), xp.logaddexp(0.0, -x)
        share, rest = xp.exp(-log_against), xp.exp(-log_odds)
        value = xp.sum(
            self.constant
            - 0.5 * self.precision * away**2
            + self.power * shifted
            - grown
            - self.odds * log_odds
        )
        gradient = self.power - self.precision * away - grown - self.odds * share
        curvature = -self.precision - grown - self.odds * share * rest
        return value, gradient, xp.diag(curvature)

    def value(self, x: Any) -> Any:
        """The log density at x (p,)."""
        return self.derivatives(x)[0]

    def tells_apart(self, rows: np.ndarray) -> bool:
        """Whether components, whose entries stand at rows (P, K), have different priors."""
        every = [getattr(self, field.name)[rows] for field in dataclasses.fields(self)]
        return bool(any(np.any(part != part[:, :1]) for part in every))


def prior_terms(template: Template, priors: Priors | None) -> PriorTerms | None:
    """What a user's priors make of a template; None without any.

    Raises
    ------
    ValueError
        For names that the template does not have, what is no prior or does not suit a parameter,
        and parameters that are fixed.
    """

    def places(name: str) -> list[tuple[int, str]]:
        found = named_positions(template, name, "priors")
        if any(template.held.fixed[place.position] for place in found):
            raise ValueError(f"{name} is fixed, and so has no prior")
        return [(place.position, place.link) for place in found]

    return terms_at(priors, template.read_names, places)


def terms_at(
    priors: Priors | None,
    names: Sequence[str],
    places: Callable[[str], list[tuple[int, str]]],
) -> PriorTerms | None:
    """The terms of priors in a vector whose entries have names.

    `places` gives the positions of the parameters of a name, and the link of each.
    """
    if priors is None or (isinstance(priors, Mapping) and not priors):
        return None
    if not isinstance(priors, Mapping):
        raise ValueError(f"priors must be a dict by the names of summary(), got {priors!r}")
    table = np.zeros((len(names), 1 + len(Terms._fields)))
    for name, prior in priors.items():
        if not isinstance(prior, Prior):
            raise ValueError(f"priors[{name!r}] must be of survjax.priors, got {prior!r}")
        for position, link in places(name):
            if link != prior.link:
                raise ValueError(
                    f"priors[{name!r}]: {type(prior).__name__} is for {prior.of}: {_suited(link)}"
                )
            if table[position, 0]:
                raise ValueError(f"priors gives {names[position]} two priors")
            table[position] = (1.0, *prior.terms())
    return PriorTerms(*table.T.copy())


def _suited(link: str) -> str:
    """Which priors suit the parameters of a link."""
    names = [p.__name__ for p in Prior.__subclasses__() if p.link == link]
    return f"take {' or '.join(names)}"
