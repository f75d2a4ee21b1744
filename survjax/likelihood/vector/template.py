"""A lifetime as a template: how a vector of parameters becomes one, and what people read of it."""

from __future__ import annotations

import copy
from functools import cached_property

import numpy as np

from survjax._core.pytree import parameter_shapes
from survjax.lifetimes import Lifetime
from survjax.likelihood.vector.constraints import Constraints
from survjax.likelihood.vector.orders import Orders
from survjax.likelihood.vector.positions import short
from survjax.likelihood.vector.prior_terms import PriorTerms
from survjax.likelihood.vector.stacks import Quantity, Stack, logit_derivatives


class Template(Orders):
    """What is known of a model before, and whatever, its parameters are.

    Parameters
    ----------
    lifetime : Lifetime
        Any: its parameters are only used as first guesses where a family has no other.
    constraints : Constraints, optional
        Which parameters do not move; none by default.
    prior : PriorTerms, optional
        What is added to the log-likelihood; nothing by default.
    """

    def __init__(
        self,
        lifetime: Lifetime,
        constraints: Constraints | None = None,
        prior: PriorTerms | None = None,
    ) -> None:
        super().__init__(lifetime)
        self.constraints = Constraints.nothing(self.size) if constraints is None else constraints
        self.prior = prior

    def constrained(self, constraints: Constraints) -> Template:
        """The same model with other parameters held."""
        return self._with(constraints, self.prior)

    def with_prior(self, prior: PriorTerms | None) -> Template:
        """The same model with other priors, or none."""
        return self._with(self.constraints, prior)

    def _with(self, constraints: Constraints, prior: PriorTerms | None) -> Template:
        found = copy.copy(self)
        found.constraints, found.prior = constraints, prior
        vars(found).pop("_is_ordered", None)
        return found

    @property
    def n_counted(self) -> int:
        """Parameters that the data choose."""
        return self.constraints.n_counted

    def log_prior(self, x: np.ndarray) -> float:
        """Log density of the priors at x (p,), each on its link scale; zero without any."""
        return 0.0 if self.prior is None else float(self.prior.derivatives(x)[0])

    @cached_property
    def quantities(self) -> tuple[Quantity, ...]:
        """What a summary lists, in the order of `link_values`: weights, then parameters."""
        found = [Quantity(f"weight_{j + 1}", "weight", "logit") for j in range(self._n_weights)]
        named: dict[int, Quantity] = {}
        begin = 0
        for stack in self.stacks:
            for name, row in zip(self._row_names(stack), stack.positions, strict=True):
                group, link = _group(name)
                for j, position in enumerate(row):
                    full = f"{group}_{begin + j + 1}" if self.is_mixture else group
                    named[int(position)] = Quantity(full, group, link)
            begin += stack.n_components
        for name, at in self.modifying.items():
            named[int(at)] = Quantity(_group(short(name))[0], *_group(short(name)))
        return (*found, *(named[position] for position in sorted(named)))

    @property
    def begins_on_few(self) -> bool:
        """Whether starts of a single lifetime go to a maximum on few rows first.

        Filled up with failures that cost next to nothing, few rows share the program of many.
        """
        lifetime = self.stacks[0].lifetime
        return self.n_components == 1 and lifetime.n_starts > 1 and lifetime.has_own_density

    @property
    def _n_weights(self) -> int:
        return self.n_components if self.is_mixture else 0

    def _row_names(self, stack: Stack) -> list[str]:
        """Names of the rows of a stack's positions; entries of an array are counted."""
        if not stack.is_alone:
            return list(stack.names)
        found = []
        for name, shape in parameter_shapes(stack.lifetime):
            size, own_name = int(np.prod(shape)), short(name)
            found += [own_name] if shape == () else [f"{own_name}_{i + 1}" for i in range(size)]
        return found

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the entries of the vector, such as `logit_weight_2`, `log_scale_1`."""
        found = [f"logit_weight_{j + 2}" for j in range(self.logits.size)]
        prefix = {"log": "log_", "logit": "logit_", "identity": ""}
        rest = self.quantities[self._n_weights :]
        return (*found, *(prefix[q.link] + q.name for q in rest))

    @cached_property
    def read_names(self) -> tuple[str, ...]:
        """Names of the entries as people read them: `scale_1` of a log scale."""
        return (
            *self.names[: self.logits.size],
            *(q.name for q in self.quantities[self._n_weights :]),
        )

    @cached_property
    def spoken(self) -> tuple[tuple[str, ...], ...]:
        """By what names people may call each entry: its own, its group's; logits are of weights."""
        rest = self.quantities[self._n_weights :]
        weights = ((name, "weight") for name in self.names[: self.logits.size])
        return (*weights, *(tuple(dict.fromkeys((q.name, q.group))) for q in rest))

    def group(self, name: str) -> np.ndarray | None:
        """Which quantities a name such as `weights`, `scale` or `shape_2` stands for."""
        found = [
            i for i, q in enumerate(self.quantities) if name in (q.name, q.group, f"{q.group}s")
        ]
        return np.array(found) if found else None

    def named(self, name: str) -> list[int]:
        """The same as a list, empty where there is none."""
        found = self.group(name)
        return [] if found is None else found.tolist()

    @property
    def groups(self) -> tuple[str, ...]:
        """Names that `group` knows, one of each kind of quantity."""
        many = "s" if self.is_mixture else ""
        return tuple(dict.fromkeys(q.group + many for q in self.quantities))

    def link(self, x: np.ndarray) -> np.ndarray:
        """Values of the quantities at x (p,) on their link scales, (m,)."""
        rest = np.delete(x, self.logits)
        if not self.is_mixture:
            return rest
        log_weights = self.log_weights(x)
        k = log_weights.size
        if k == 1:
            return np.concatenate([[0.0], rest])
        others = [np.logaddexp.reduce(np.delete(log_weights, j)) for j in range(k)]
        return np.concatenate([log_weights - others, rest])

    def link_derivatives(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`link` at x (p,) with its first (m, p) and second (m, p, p) derivatives."""
        m, p, k = len(self.quantities), x.size, self._n_weights
        first, second = np.zeros((m, p)), np.zeros((m, p, p))
        rest = np.delete(np.arange(p), self.logits)
        first[np.arange(k, m), rest] = 1.0
        slopes, curvatures = logit_derivatives(x[self.logits])
        for i in range(self.logits.size and k):
            first[i, self.logits] = slopes[i]
            second[i][np.ix_(self.logits, self.logits)] = curvatures[i]
        return self.link(x), first, second

    def response(self, values: np.ndarray) -> np.ndarray:
        """Quantities (..., m) from their values on the link scale."""
        links = np.array([q.link for q in self.quantities])
        with np.errstate(over="ignore", under="ignore"):
            found = np.where(links == "log", np.exp(values), values)
            found = np.where(links == "logit", 1.0 / (1.0 + np.exp(-values)), found)
        if self._n_weights == 1:
            found[..., 0] = 1.0
        return found

    def clipped(self, table: np.ndarray) -> np.ndarray:
        """Bounds (m, 2) of the quantities, inside of those that a user set on parameters."""
        if not self.constraints.is_bounded:
            return table
        first = np.full(self._n_weights, np.nan)
        ends = [
            np.delete(end, self.logits) for end in (self.constraints.low, self.constraints.high)
        ]
        low, high = (self.response(np.concatenate([first, end])) for end in ends)
        return np.fmin(np.fmax(table, low[:, None]), high[:, None])

    def values(self, x: np.ndarray) -> np.ndarray:
        """The quantities (m,) at x (p,), as people read them."""
        found = self.response(self.link(x))
        if self.is_mixture:
            # Straight from the logits: the way over odds would change the last digit.
            found[: self._n_weights] = np.exp(self.log_weights(x))
        return found

    def response_slope(self, values: np.ndarray) -> np.ndarray:
        """Derivatives (m,) of `response`."""
        found = self.response(values)
        links = np.array([q.link for q in self.quantities])
        slope = np.where(links == "log", found, 1.0)
        return np.where(links == "logit", found * (1.0 - found), slope)


def _group(name: str) -> tuple[str, str]:
    """A parameter's name on the response scale, and its link."""
    for link in ("log", "logit"):
        if name.startswith(f"{link}_"):
            return name[len(link) + 1 :], link
    return name, "identity"
