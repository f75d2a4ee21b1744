"""Priors of parameters as a term of the objective: a function of the vector of parameters.

The log density of each is on the link scale of its parameter, which is the scale of the vector, so
that no Jacobian enters and the mode does not depend on the unit of time.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from survjax._core.numerics import module_of
from survjax._core.pytree import data, pytree
from survjax.likelihood.vector.constraints import named_positions
from survjax.priors import Beta, Dirichlet, Prior, Terms

if TYPE_CHECKING:
    from survjax.likelihood.vector.template import Template

#: What a user may give: names as in `summary()`.
Priors = Mapping[str, Prior]


@pytree
class PriorTerms:
    """The sum of the log densities of all priors, each array of shape (p,) (`Terms`).

    `has` is one where there is a prior. Of logits of weights over the first, `counts` are those of
    a `Dirichlet`, and `all_counts` their sum, with the first one's: zero anywhere else.
    """

    has: Any = data()
    constant: Any = data()
    precision: Any = data()
    center: Any = data()
    power: Any = data()
    offset: Any = data()
    growth: Any = data()
    odds: Any = data()
    counts: Any = data()
    all_counts: Any = data()

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
        more = self._of_weights(x)
        return value + more[0], gradient + more[1], xp.diag(curvature) + more[2]

    def _of_weights(self, x: Any) -> tuple[Any, Any, Any]:
        """What the weights of a mixture add: sum_k a_k log w_k, which has its Jacobian in it."""
        xp = module_of(x)
        counted = self.counts > 0
        logits = xp.where(counted, x, 0.0)
        top = xp.maximum(xp.max(logits, initial=0.0), 0.0)
        each = xp.where(counted, xp.exp(logits - top), 0.0)
        total = xp.exp(-top) + xp.sum(each)
        weights, all_counts = each / total, xp.max(self.all_counts, initial=0.0)
        value = self.counts @ logits - all_counts * (top + xp.log(total))
        gradient = self.counts - all_counts * weights
        return value, gradient, all_counts * (xp.outer(weights, weights) - xp.diag(weights))

    def value(self, x: Any) -> Any:
        """The log density at x (p,)."""
        return self.derivatives(x)[0]

    def tells_apart(self, rows: np.ndarray) -> bool:
        """Whether components, whose entries stand at rows (P, K), have different priors."""
        every = [getattr(self, field.name)[rows] for field in dataclasses.fields(self)]
        return self.tells_weights_apart or bool(any(np.any(p != p[:, :1]) for p in every))

    @property
    def tells_weights_apart(self) -> bool:
        """Whether the weights of a mixture have different counts."""
        own = self.counts[self.counts > 0]
        first = self.all_counts.max(initial=0.0) - own.sum()
        return bool(np.any(np.abs(own - first) > 1e-12 * own))


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
        if any(template.constraints.fixed[place.position] for place in found):
            raise ValueError(f"{name} is fixed, and so has no prior")
        return [(place.position, place.link) for place in found]

    return terms_at(priors, template.read_names, places, template.logits.tolist())


def terms_at(
    priors: Priors | None,
    names: Sequence[str],
    places: Callable[[str], list[tuple[int, str]]],
    logits: list[int],
) -> PriorTerms | None:
    """The terms of priors in a vector whose entries have names.

    `places` gives the positions of the parameters of a name, and the link of each; `logits` are the
    positions of those of weights over the first, empty where there are none.
    """
    if priors is None or (isinstance(priors, Mapping) and not priors):
        return None
    if not isinstance(priors, Mapping):
        raise ValueError(f"priors must be a dict by the names of summary(), got {priors!r}")
    width = 1 + len(Terms._fields)
    table = np.zeros((len(names), width + 2))
    for name, prior in priors.items():
        if not isinstance(prior, Prior):
            raise ValueError(f"priors[{name!r}] must be of survjax.priors, got {prior!r}")
        counts = _counts_of_weights(name, prior, 1 + len(logits))
        if counts is not None:
            if table[logits, 0].any():
                raise ValueError("priors gives weights two priors")
            table[logits, 0], table[logits[:1], 1] = 1.0, _log_dirichlet(counts)
            table[logits, width], table[logits, width + 1] = counts[1:], sum(counts)
            continue
        for position, link in places(name):
            if link != prior.link:
                raise ValueError(
                    f"priors[{name!r}]: {type(prior).__name__} is for {prior.of}: {_suited(link)}"
                )
            if table[position, 0]:
                raise ValueError(f"priors gives {names[position]} two priors")
            table[position, :width] = (1.0, *prior.terms())
    return PriorTerms(*table.T.copy())


def _counts_of_weights(name: str, prior: Prior, k: int) -> tuple[float, ...] | None:
    """As if so many units of each of K components had been seen; None of what is no weight."""
    if name in ("weight", "weights"):
        if k > 1 and isinstance(prior, Dirichlet):
            return prior.of_each(k)
    elif name.startswith("weight_") and k > 1:
        if k == 2 and isinstance(prior, Beta) and name in ("weight_1", "weight_2"):
            pair = (prior.successes, prior.failures)
            return pair if name == "weight_1" else pair[::-1]
    else:
        return None
    more = " or the Beta of weight_1" if k == 2 else ""
    raise ValueError(
        f"priors[{name!r}]: weights add up to one, so that their prior is one of all: take "
        f"{{'weights': survjax.priors.Dirichlet(...)}}{more}"
        if k > 1
        else f"priors[{name!r}]: there are no weights that all units share"
    )


def whole(name: str) -> str:
    """What a prior of a name is of: that of one weight is of all."""
    return "weights" if name.startswith("weight_") else name


def _log_dirichlet(counts: Sequence[float]) -> float:
    """What makes the density of weights one that has mass one."""
    return math.lgamma(sum(counts)) - sum(math.lgamma(count) for count in counts)


def _suited(link: str) -> str:
    """Which priors suit the parameters of a link."""
    names = [p.__name__ for p in Prior.__subclasses__() if p.link == link]
    return f"take {' or '.join(names)}"
