"""Networks as plain pytrees: a function of (parameters, one row), and a way to begin."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
}


@dataclasses.dataclass(frozen=True)
class Dense:
    """Fully connected layers of `units`, the activation between them, none after the last."""

    units: tuple[int, ...]
    activation: str

    def init(self, key: jax.Array, n_inputs: int) -> tuple[tuple[jax.Array, jax.Array], ...]:
        """Draw weights and biases (Glorot and Bengio 2010): one (weights, bias) for each layer."""
        layers = []
        sizes = (n_inputs, *self.units)
        for fan_in, fan_out in itertools.pairwise(sizes):
            key, for_weights, for_bias = jax.random.split(key, 3)
            bound = (6.0 / (fan_in + fan_out)) ** 0.5
            weights = jax.random.uniform(
                for_weights, (fan_out, fan_in), float, minval=-bound, maxval=bound
            )
            # Biases spread too: units that all bend at the center have to travel first.
            bias = jax.random.uniform(for_bias, (fan_out,), float, minval=-bound, maxval=bound)
            layers.append((weights, bias))
        return tuple(layers)

    def apply(self, parameters: tuple[tuple[jax.Array, jax.Array], ...], x: jax.Array) -> jax.Array:
        """Outputs (k,) for one row x (p,)."""
        weights, bias = parameters[-1]
        hidden = self.hidden(parameters, x)
        return weights @ (hidden[-1] if hidden else x) + bias

    def hidden(
        self, parameters: tuple[tuple[jax.Array, jax.Array], ...], x: jax.Array
    ) -> list[Any]:
        """Activations of each hidden layer for one row."""
        found = []
        for weights, bias in parameters[:-1]:
            x = ACTIVATIONS[self.activation](weights @ x + bias)
            found.append(x)
        return found


@dataclasses.dataclass(frozen=True)
class Linen:
    """A user's flax.linen module, called on one row or on rows alike."""

    module: Any

    def init(self, key: jax.Array, n_inputs: int) -> Any:
        """Let the module draw its own variables."""
        return self.module.init(key, jnp.zeros(n_inputs))

    def apply(self, parameters: Any, x: jax.Array) -> jax.Array:
        """Outputs (k,) for one row x (p,)."""
        return jnp.atleast_1d(self.module.apply(parameters, x))

    def hidden(self, parameters: Any, x: jax.Array) -> list[Any]:
        """What each submodule returned, in the order of their names."""
        kept = self.module.apply(parameters, x, capture_intermediates=True)[1]["intermediates"]
        own = {name: value for name, value in kept.items() if name != "__call__"}
        return jax.tree.leaves(own)


@dataclasses.dataclass(frozen=True)
class Nnx:
    """A user's flax.nnx module, given as a function of `rngs` that builds it."""

    build: Callable[..., Any]

    def init(self, key: jax.Array, n_inputs: int) -> Any:
        """Build a module on this key and take its variables."""
        from flax import nnx  # an extra: only who passes such a module has it

        return nnx.to_pure_dict(nnx.state(self.build(rngs=nnx.Rngs(key))))

    def apply(self, parameters: Any, x: jax.Array) -> jax.Array:
        """Outputs (k,) for one row x (p,)."""
        from flax import nnx

        graph, state = nnx.split(nnx.eval_shape(lambda: self.build(rngs=nnx.Rngs(0))))
        nnx.replace_by_pure_dict(state, parameters)
        return jnp.atleast_1d(nnx.merge(graph, state)(x))

    def hidden(self, parameters: Any, x: jax.Array) -> list[Any]:
        """Not offered: an nnx module does not say which of its values are activations."""
        raise ValueError("hidden activations of an nnx module are its own to give, not survjax's")


Network = Dense | Linen | Nnx


def make_network(layers: Any, activation: str, n_outputs: int) -> Network:
    """Build the network that `layers` asks for: sizes, or a user's own module."""
    if callable(getattr(layers, "init", None)) and callable(getattr(layers, "apply", None)):
        return Linen(layers)
    if callable(layers):
        return Nnx(layers)
    try:
        sizes = tuple(int(size) for size in layers)
        good = all(size == given for size, given in zip(sizes, layers, strict=True))
    except TypeError:
        sizes, good = (), False
    if not good or any(size < 1 for size in sizes):
        raise ValueError(
            "layers must be sizes of hidden layers such as (16, 16), a flax.linen module, or a "
            f"function of rngs that builds a flax.nnx module, got {layers!r}"
        )
    if activation not in ACTIVATIONS:
        choices = ", ".join(repr(name) for name in ACTIVATIONS)
        raise ValueError(f"activation must be one of {choices}, got {activation!r}")
    return Dense((*sizes, n_outputs), activation)
