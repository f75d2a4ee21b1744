"""A lifetime as a template: how a vector of parameters becomes one, and which entries are whose.

Where a parameter stands in the vector follows from `ravel_parameters`; nothing here, or above,
counts positions by hand.
"""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any

import numpy as np

from survjax._core.pytree import parameter_shapes, rebuilt
from survjax.lifetimes import Lifetime, Mixture, Weibull
from survjax.likelihood.held import Held
from survjax.likelihood.orders import Orders
from survjax.likelihood.stacks import (
    WEIBULL_SPREAD,
    Quantity,
    Stack,
    log_quantiles,
    logit_derivatives,
)


class Template(Orders):
    """What is known of a model before, and whatever, its parameters are.

    Parameters
    ----------
    lifetime : Lifetime
        Any: its parameters are only used as first guesses where a family has no other.
    held : Held, optional
        Which parameters do not move; none by default.
    """

    def __init__(self, lifetime: Lifetime, held: Held | None = None) -> None:
        self.lifetime = lifetime
        shapes = parameter_shapes(lifetime)
        sizes = [int(np.prod(shape)) for _, shape in shapes]
        ends = np.cumsum(sizes)
        self.size = int(ends[-1]) if sizes else 0
        self.held = Held.nothing(self.size) if held is None else held
        self.vector_shapes = tuple(shape for _, shape in shapes)
        self.positions = {
            name: np.arange(end - size, end).reshape(shape)
            for (name, shape), size, end in zip(shapes, sizes, ends, strict=True)
        }

    def holding(self, held: Held) -> Template:
        """The same model with other parameters held."""
        found = copy.copy(self)
        found.held = held
        vars(found).pop("_is_ordered", None)
        return found

    def at(self, x: np.ndarray) -> Any:
        """The lifetime with parameters x (p,), as NumPy arrays."""
        pieces = [np.asarray(x)[where] for where in self.positions.values()]
        return rebuilt(self.lifetime, pieces)

    @cached_property
    def is_mixture(self) -> bool:
        """Whether the lifetime has components."""
        return isinstance(self.lifetime, Mixture)

    @cached_property
    def logits(self) -> np.ndarray:
        """Positions of the logits of the weights over the first component's, (K - 1,)."""
        return self.positions["logits"] if self.is_mixture else np.empty(0, int)

    @cached_property
    def stacks(self) -> tuple[Stack, ...]:
        """The components by family; a lifetime that is no mixture is one stack of one."""
        if not isinstance(self.lifetime, Mixture):
            names = tuple(self.positions)
            flat = [self.positions[name].reshape(-1, 1) for name in names]
            where = np.concatenate(flat) if flat else np.empty((0, 1), int)
            return (Stack(self.lifetime, names, where, is_alone=True),)
        parts = self.lifetime.components
        if not isinstance(parts, tuple):
            return (self._stack(parts, "components."),)
        return tuple(self._stack(part, f"components[{i}].") for i, part in enumerate(parts))

    def _stack(self, lifetime: Lifetime, prefix: str) -> Stack:
        """One family of components."""
        names, where = [], []
        for name, at in self.positions.items():
            if name.startswith(prefix):
                own = np.reshape(at, (len(at), -1)).T
                short = name[len(prefix) :]
                names += [short] if at.ndim == 1 else [f"{short}_{i}" for i, _ in enumerate(own, 1)]
                where += list(own)
        return Stack(lifetime, tuple(names), np.array(where))

    def log_weights(self, x: np.ndarray) -> np.ndarray:
        """Logs of the components' weights (..., K) at parameters (..., p)."""
        zero = np.zeros((*x.shape[:-1], 1))
        logits = np.concatenate([zero, x[..., self.logits]], axis=-1)
        return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)

    def log_quantiles(self, x: np.ndarray) -> np.ndarray:
        """Logs of each component's quantiles at `SHARES`: (K, 3)."""
        each = [(stack, positions) for stack in self.stacks for positions in stack.positions.T]
        return np.array([log_quantiles(stack, x[positions]) for stack, positions in each])

    @cached_property
    def is_weibulls(self) -> bool:
        """Whether the lifetime is a mixture of Weibulls, as those are that starts are made of."""
        alone = self.is_mixture and len(self.stacks) == 1
        return alone and isinstance(self.stacks[0].lifetime, Weibull)

    @cached_property
    def log_shapes(self) -> np.ndarray:
        """Positions of the log shapes, of those families that have one."""
        return self._named("log_shape")

    @cached_property
    def log_scales(self) -> np.ndarray:
        """Positions of the log scales, of those families that have one."""
        return self._named("log_scale")

    def _named(self, name: str) -> np.ndarray:
        """Positions of a parameter in all stacks that have it."""
        found = [s.positions[s.names.index(name)] for s in self.stacks if name in s.names]
        return np.concatenate(found) if found else np.empty(0, int)

    def shapes(self, x: np.ndarray) -> np.ndarray:
        """How steep each component is (K,): the shape of a Weibull with the same spread."""
        found = []
        for stack in self.stacks:
            if "log_shape" in stack.names and hasattr(stack.lifetime, "standard_quantile"):
                where = stack.positions[stack.names.index("log_shape")]
                found.append(np.exp(np.minimum(x[where], 700.0)))
            else:
                rows = [log_quantiles(stack, x[p]) for p in stack.positions.T]
                spread = np.array([row[2] - row[0] for row in rows])
                found.append(WEIBULL_SPREAD / np.maximum(spread, 1e-300))
        return np.concatenate(found)

    @cached_property
    def quantities(self) -> tuple[Quantity, ...]:
        """What a summary lists, in the order of `link_values`: weights, then parameters."""
        found = [Quantity(f"weight_{j + 1}", "weight", "logit") for j in range(self._n_weights)]
        named: dict[int, Quantity] = {}
        begin = 0
        for stack in self.stacks:
            for name, row in zip(self._row_names(stack), stack.positions, strict=True):
                log = name.startswith("log_")
                group, link = (name[4:], "log") if log else (name, "identity")
                for j, position in enumerate(row):
                    full = f"{group}_{begin + j + 1}" if self.is_mixture else group
                    named[int(position)] = Quantity(full, group, link)
            begin += stack.n_components
        return (*found, *(named[position] for position in sorted(named)))

    @property
    def _n_weights(self) -> int:
        return self.n_components if self.is_mixture else 0

    def _row_names(self, stack: Stack) -> list[str]:
        """Names of the rows of a stack's positions; entries of an array are counted."""
        if not stack.is_alone:
            return list(stack.names)
        found = []
        for name, shape in parameter_shapes(stack.lifetime):
            size = int(np.prod(shape))
            found += [name] if shape == () else [f"{name}_{i + 1}" for i in range(size)]
        return found

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the entries of the vector, such as `logit_weight_2`, `log_scale_1`."""
        found = [f"logit_weight_{j + 2}" for j in range(self.logits.size)]
        prefix = {"log": "log_", "identity": ""}
        rest = self.quantities[self._n_weights :]
        return (*found, *(prefix[q.link] + q.name for q in rest))

    @cached_property
    def read_names(self) -> tuple[str, ...]:
        """Names of the entries as people read them: `scale_1` of a log scale."""
        return (
            *self.names[: self.logits.size],
            *(q.name for q in self.quantities[self._n_weights :]),
        )

    def group(self, name: str) -> np.ndarray | None:
        """Which quantities a name such as `weights`, `scale` or `shape_2` stands for."""
        found = [
            i for i, q in enumerate(self.quantities) if name in (q.name, q.group, f"{q.group}s")
        ]
        return np.array(found) if found else None

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
        if not self.held.is_bounded:
            return table
        first = np.full(self._n_weights, np.nan)
        ends = [np.delete(end, self.logits) for end in (self.held.low, self.held.high)]
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
