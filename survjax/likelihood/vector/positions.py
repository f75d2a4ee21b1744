"""Which entries of a vector of parameters are whose, in a lifetime with components or without.

Where a parameter stands in the vector follows from `ravel_parameters`; nothing here, or above,
counts positions by hand.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from survjax._core.pytree import parameter_shapes, rebuilt
from survjax.lifetimes import Lifetime
from survjax.likelihood.vector.stacks import WEIBULL_SPREAD, Stack, log_quantiles


def short(name: str) -> str:
    """The name of a parameter without the way to it."""
    return name.rpartition(".")[2]


class Positions:
    """Where the parameters of a lifetime stand in a vector.

    Parameters
    ----------
    lifetime : Lifetime
        Any: its parameters are only used as first guesses where a family has no other.
    """

    def __init__(self, lifetime: Lifetime) -> None:
        self.lifetime = lifetime
        shapes = parameter_shapes(lifetime)
        sizes = [int(np.prod(shape)) for _, shape in shapes]
        ends = np.cumsum(sizes)
        self.size = int(ends[-1]) if sizes else 0
        self.vector_shapes = tuple(shape for _, shape in shapes)
        self.positions = {
            name: np.arange(end - size, end).reshape(shape)
            for (name, shape), size, end in zip(shapes, sizes, ends, strict=True)
        }

    def at(self, x: np.ndarray) -> Any:
        """The lifetime with parameters x (p,), as NumPy arrays."""
        pieces = [np.asarray(x)[where] for where in self.positions.values()]
        return rebuilt(self.lifetime, pieces)

    @cached_property
    def is_modified(self) -> bool:
        """Whether the lifetime wraps another, with parameters of its own."""
        return bool(self._way)

    @cached_property
    def is_mixture(self) -> bool:
        """Whether the lifetime has components, or what it wraps has."""
        return bool(self._inner.is_mixture)

    @property
    def _way(self) -> str:
        """The dotted way to what is inside of all modifiers, such as `base.`."""
        return self.lifetime.inner()[0]

    @property
    def _inner(self) -> Any:
        """What is inside of all modifiers."""
        return self.lifetime.inner()[1]

    @cached_property
    def logits(self) -> np.ndarray:
        """Positions of the logits of the weights over the first component's, (K - 1,)."""
        return self.positions[f"{self._way}logits"] if self.is_mixture else np.empty(0, int)

    @cached_property
    def modifying(self) -> dict[str, np.ndarray]:
        """Positions of the parameters of what wraps a mixture, by their names."""
        if not self.is_mixture:
            return {}
        inside = tuple(f"{self._way}{name}" for name in ("logits", "components"))
        return {n: at for n, at in self.positions.items() if not n.startswith(inside)}

    @cached_property
    def unmodified(self) -> np.ndarray:
        """Positions of what is inside of all that wraps a mixture."""
        outside = [int(at) for at in self.modifying.values()]
        return np.delete(np.arange(self.size), outside)

    @property
    def n_components(self) -> int:
        """K; one for a lifetime that is no mixture."""
        return sum(stack.n_components for stack in self.stacks)

    @cached_property
    def stacks(self) -> tuple[Stack, ...]:
        """The components by family; a lifetime that is no mixture is one stack of one."""
        if not self.is_mixture:
            flat = [at.reshape(-1, 1) for at in self.positions.values()]
            where = np.concatenate(flat) if flat else np.empty((0, 1), int)
            return (Stack(self.lifetime, tuple(map(short, self.positions)), where, is_alone=True),)
        parts, way = self._inner.components, f"{self._way}components"
        if not isinstance(parts, tuple):
            return (self._stack(parts, f"{way}."),)
        return tuple(self._stack(part, f"{way}[{i}].") for i, part in enumerate(parts))

    def _stack(self, lifetime: Lifetime, prefix: str) -> Stack:
        """One family of components."""
        names, where = [], []
        for name, at in self.positions.items():
            if name.startswith(prefix):
                own = np.reshape(at, (len(at), -1)).T
                own_name = short(name)
                many = [f"{own_name}_{i}" for i, _ in enumerate(own, 1)]
                names += [own_name] if at.ndim == 1 else many
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
        alone = self.is_mixture and not self.is_modified and len(self.stacks) == 1
        return alone and self.stacks[0].lifetime.has_power_hazard and self.log_shapes.size > 0

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
        """How steep each component is (..., K): the shape of a Weibull with the same spread."""
        found = []
        for stack in self.stacks:
            if "log_shape" in stack.names and hasattr(stack.lifetime, "standard_quantile"):
                where = stack.positions[stack.names.index("log_shape")]
                found.append(np.exp(np.minimum(x[..., where], 700.0)))
            else:
                flat = x.reshape(-1, x.shape[-1])
                rows = np.array(
                    [[log_quantiles(stack, one[p]) for p in stack.positions.T] for one in flat]
                )
                spread = np.maximum(rows[..., 2] - rows[..., 0], 1e-300)
                found.append((WEIBULL_SPREAD / spread).reshape(*x.shape[:-1], -1))
        return np.concatenate(found, axis=-1)
