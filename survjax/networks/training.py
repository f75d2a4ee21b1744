"""Training many networks at once: restarts by vmap, minibatches and epochs in one program."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.flatten_util import ravel_pytree

from survjax._core.numerics import bucket_size
from survjax._core.programs import program
from survjax._core.pytree import data, pytree
from survjax.networks.batches import Table, UnitTable
from survjax.optimize.descent import apply_optimizer

#: Learning rates that suit standardized columns, by optimizer.
RATES = {"adam": 0.02, "adamw": 0.02, "rmsprop": 0.01, "sgd": 0.2}
#: Parameters are noted at each epoch where there are no more than this.
FEW = 20
#: Rows that one turn of a prediction holds at a time.
CHUNK = 8192


@functools.cache
def named_optimizer(name: str, weight_decay: float) -> Any:
    """Build an optimizer without its learning rate, once for each choice."""
    choices = {
        "adam": optax.scale_by_adam,
        "adamw": lambda: optax.chain(
            optax.scale_by_adam(),
            # Weights shrink, biases do not.
            optax.add_decayed_weights(
                weight_decay, lambda p: jax.tree.map(lambda a: a.ndim > 1, p)
            ),
        ),
        "rmsprop": lambda: optax.scale_by_rms(decay=0.9, eps=1e-8),
        "sgd": optax.identity,
    }
    return choices[name]()


def check_optimizer(optimizer: Any, weight_decay: float) -> tuple[Any, bool]:
    """Give the transformation, and whether it lacks a learning rate."""
    if isinstance(optimizer, str) and optimizer in RATES:
        return named_optimizer(optimizer, weight_decay), True
    if callable(getattr(optimizer, "init", None)) and callable(getattr(optimizer, "update", None)):
        return optimizer, False
    choices = ", ".join(repr(name) for name in RATES)
    raise ValueError(f"optimizer must be {choices} or an optax transformation, got {optimizer!r}")


@pytree
class _Epochs:
    """Networks under way (restarts lead each array), the best of each, and what was measured."""

    parameters: Any = data()
    inner: Any = data()
    best: Any = data()
    best_score: Any = data()
    best_epoch: Any = data()
    last_gain: Any = data()
    measured: Any = data()
    epoch: Any = data()


@pytree
class Trained:
    """Best parameters and epoch of each restart, and (epochs, restarts) arrays of measures."""

    parameters: Any = data()
    score: Any = data()
    epoch: Any = data()
    measured: Any = data()
    n_epochs: Any = data()


@program(static_argnums=(0, 1, 2, 3, 4, 5, 6), draft=False)
def train(
    network: Any,
    loss: Callable[..., Any],
    summary: Callable[..., Any],
    optimizer: Any,
    n_restarts: int,
    batch: int,
    capacity: int,
    max_epochs: jax.Array,
    key: jax.Array,
    table: Table | UnitTable,
    validation: Table | None,
    rate: jax.Array | None,
    patience: jax.Array,
    tol: jax.Array,
    given: jax.Array | None = None,
) -> Trained:
    """Train networks from `n_restarts` random beginnings until none has improved for long.

    `loss(outputs, y)` and `summary(outputs, y)` (a dict, "objective" among it) are of one row (for
    a `UnitTable`, of all units at once). What is watched is the validation objective, or the
    training one without such data. `rate` of None leaves the step to the optimizer. There is room
    to note `capacity` epochs. What is `given` goes to the network's `init`.
    """
    key, for_init = jax.random.split(key)
    n_inputs = table.x.shape[1]
    keys = jax.random.split(for_init, n_restarts)
    more = () if given is None else (given,)
    parameters = jax.vmap(lambda k, g: network.init(k, n_inputs, *g))(keys, more)
    own = 0 if table.weight.ndim == 2 else None

    step = _steps(network, loss, optimizer, rate)

    def one_epoch(key: jax.Array, parameters: Any, inner: Any) -> tuple[Any, Any]:
        steps, part_of = table.batches(key, batch)

        def body(carry: Any, i: jax.Array) -> tuple[Any, None]:
            # All restarts see the same batch: one gather serves them all.
            part = part_of(i)
            return jax.vmap(step, in_axes=(0, 0, None, own))(*carry, part, part.weight), None

        return lax.scan(body, (parameters, inner), jnp.arange(steps))[0]

    measure = _measures(network, summary, table, validation)

    def body(state: _Epochs) -> _Epochs:
        found, goal = measure(state.parameters)
        measured = jax.tree.map(lambda m, f: m.at[state.epoch].set(f), state.measured, found)
        better = goal < state.best_score
        # Patience is renewed only by a gain that can be seen.
        least = state.best_score - tol * jnp.abs(state.best_score)
        clearly = goal < jnp.where(jnp.isfinite(least), least, jnp.inf)
        gain = jnp.where(clearly, state.epoch, state.last_gain)
        when = jnp.where(better, state.epoch, state.best_epoch)
        best = jax.tree.map(
            lambda new, old: jnp.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old),
            state.parameters,
            state.best,
        )
        score = jnp.where(better, goal, state.best_score)
        key_now = jax.random.fold_in(key, state.epoch)
        parameters, inner = one_epoch(key_now, state.parameters, state.inner)
        return _Epochs(parameters, inner, best, score, when, gain, measured, state.epoch + 1)

    def running(state: _Epochs) -> jax.Array:
        waiting = state.epoch - state.last_gain <= patience
        return (state.epoch <= max_epochs) & jnp.any(waiting)

    shapes = jax.eval_shape(measure, parameters)[0]
    empty = jax.tree.map(lambda s: jnp.full((capacity, *s.shape), jnp.nan, float), shapes)
    score = jnp.full(n_restarts, jnp.inf)
    never = jnp.zeros(n_restarts, int)
    inner = jax.vmap(optimizer.init)(parameters)
    first = _Epochs(parameters, inner, parameters, score, never, never, empty, 0)
    end = lax.while_loop(running, body, first)
    return Trained(end.best, end.best_score, end.best_epoch, end.measured, end.epoch)


def _steps(
    network: Any, loss: Callable[..., Any], optimizer: Any, rate: jax.Array | None
) -> Callable[..., tuple[Any, Any]]:
    """A step of one network on a batch, from parameters and the optimizer's state to new ones."""

    def batch_loss(parameters: Any, part: Any, weight: jax.Array) -> jax.Array:
        losses = part.values(loss, network, parameters)
        # Where a weight is zero, so is its share of the gradient, whatever the loss is.
        losses = jnp.where(weight > 0, losses, 0.0)
        return losses @ weight / jnp.maximum(weight.sum(), 1.0)

    def step(parameters: Any, inner: Any, *part: Any) -> tuple[Any, Any]:
        value, gradient = jax.value_and_grad(batch_loss)(parameters, *part)
        updates, inner = apply_optimizer(
            optimizer, gradient, inner, parameters, value, lambda p: batch_loss(p, *part)
        )
        factor = 1.0 if rate is None else -rate
        return jax.tree.map(
            lambda p, u: (p + factor * u).astype(p.dtype), parameters, updates
        ), inner

    return step


def _measures(
    network: Any, summary: Callable[..., Any], table: Table | UnitTable, validation: Table | None
) -> Callable[[Any], tuple[dict[str, Any], Any]]:
    """What is noted of all restarts in an epoch, and what says which epoch is better."""

    def measure(parameters: Any) -> tuple[dict[str, Any], Any]:
        rows = jax.vmap(lambda p: table.values(summary, network, p))(parameters)
        found = _means(rows, table.weight)
        watched = {}
        if table.held_out is not None:
            watched = _means(rows, table.held_out)
        elif validation is not None:
            held_out = jax.vmap(lambda p: validation.values(summary, network, p))(parameters)
            watched = _means(held_out, validation.weight)
        goal = watched.get("objective", found["objective"])
        if table.held_out is not None:
            together = _average_objective(rows["objective"], table.held_out)
            goal = jnp.where(jnp.isfinite(goal), together, jnp.inf)
        found |= {f"validation_{name}": value for name, value in watched.items()}
        vectors = jax.vmap(lambda p: ravel_pytree(p)[0])(parameters)
        return found | ({"parameters": vectors} if vectors.shape[1] <= FEW else {}), goal

    return measure


def _means(rows: dict[str, Any], weight: jax.Array) -> dict[str, Any]:
    """Weighted means over rows (restarts, n); weights are (n,), or (restarts, n)."""
    return jax.tree.map(
        lambda f: jnp.sum(jnp.where(weight > 0, f * weight, 0.0), axis=1) / weight.sum(axis=-1),
        rows,
    )


def _average_objective(losses: jax.Array, held_out: jax.Array) -> jax.Array:
    """The objective of an average: losses (restarts, n) are minus logs of densities.

    A row counts with the average density of those that have held it out, so that no network
    predicts what it was trained on.
    """
    densities = jnp.where((held_out > 0) & jnp.isfinite(losses), -losses, -1e300)
    share = held_out / jnp.maximum(held_out.sum(axis=0), 1e-300)
    terms = jax.scipy.special.logsumexp(densities, b=share, axis=0)
    weight = held_out.max(axis=0)
    return -jnp.sum(jnp.where(weight > 0, weight * terms, 0.0)) / weight.sum()


def by_rows(function: Callable[..., Any], network: Any, parameters: Any, X: np.ndarray) -> Any:
    """Evaluate `function(network, parameters, x)` for every row, in chunks of one shape."""
    rows = bucket_size(len(X)) if len(X) <= CHUNK else CHUNK
    n_chunks = -(-len(X) // rows)
    padded = np.pad(X, [(0, n_chunks * rows - len(X)), (0, 0)])
    parts = [
        _by_rows(function, network, parameters, padded[i * rows : (i + 1) * rows])
        for i in range(n_chunks)
    ]
    return jax.tree.map(lambda *a: np.concatenate([np.asarray(b) for b in a])[: len(X)], *parts)


@program(static_argnums=(0, 1))
def _by_rows(function: Any, network: Any, parameters: Any, x: jax.Array) -> Any:
    return jax.vmap(lambda row: function(network, parameters, row))(x)
