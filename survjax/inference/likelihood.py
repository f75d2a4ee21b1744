"""The only likelihood: its value, score and Hessian, summed over cache-sized blocks of rows.

For a mixture the derivatives of a row follow from those of its components. With
responsibilities r_k and component scores s_k, score S = [r - w; r_k s_k] and

    Hessian = blocks of r_k (H_k + s_k s_k') + the weights' part - S S'

(Louis 1982). This shares the per-row work between the three and never differentiates through
the logarithm of a sum. Any other lifetime is differentiated by `jacfwd(jacrev(...))`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax._core.numerics import bucket_size
from survjax._core.observations import Observations
from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.inference.jets import (
    Jet,
    component_jet,
    only_parameters,
    row_terms,
    truncation_terms,
)
from survjax.lifetimes import Lifetime, Mixture

#: Rows in a block: its intermediate results fit the second-level cache.
BLOCK = 4096


def log_contributions(lifetime: Lifetime, rows: Observations) -> jax.Array:
    """Log-likelihood of each row, before its weight: (n,)."""
    terms = row_terms(lifetime, rows)
    truncated = rows.entry is not None or rows.exit is not None
    return terms - truncation_terms(lifetime, rows) if truncated else terms


_compiled_contributions = program(log_contributions)


def contributions(lifetime: Lifetime, rows: Observations) -> np.ndarray:
    """Log-likelihood of each row, by a program that other numbers of rows share."""
    wide = rows.padded(bucket_size(rows.n_rows))
    return np.asarray(_compiled_contributions(lifetime, wide))[: rows.n_rows]


def shares(mixture: Mixture, rows: Observations) -> jax.Array:
    """P(component | all that was observed of the row), whose weights may differ: (K, n)."""
    joint = mixture.each(lambda part: row_terms(part, rows))
    return jax.nn.softmax(joint + mixture.log_weights.reshape(joint.shape[0], -1), axis=0)


_compiled_shares = program(shares)


def entropy(shares: np.ndarray, weight: np.ndarray) -> float:
    """Expected log-probability lost by not knowing each unit's component, from shares (K, n)."""
    # A share that vanishes adds nothing, though its logarithm is infinite.
    return float(-np.sum(shares * np.log(np.where(shares > 0, shares, 1.0)), axis=0) @ weight)


def membership_entropy(mixture: Mixture, rows: Observations) -> float:
    """The entropy of the memberships of all rows under a mixture."""
    found = np.asarray(_compiled_shares(mixture, rows.padded(bucket_size(rows.n_rows))))
    return entropy(found[:, : rows.n_rows], rows.weight)


def log_likelihood(lifetime: Lifetime, rows: Observations) -> jax.Array:
    """The log-likelihood of all rows, a scalar."""
    terms = log_contributions(lifetime, rows)
    # Weights come last, on finite terms: zero times infinity would be NaN.
    return jnp.sum(jnp.where(rows.weight > 0, rows.weight * terms, 0.0))


def in_blocks(sum_over: Callable[[Observations], Any], rows: Observations) -> Any:
    """Add up a pytree of sums over blocks of rows, in a fixed order."""
    n = rows.lower.shape[-1]
    if n <= BLOCK or n % BLOCK:
        return sum_over(rows)
    blocks = jax.tree.map(lambda column: column.reshape(-1, BLOCK), rows)
    # The accumulators' shapes come for free; the body is compiled once.
    first = jax.eval_shape(sum_over, jax.tree.map(lambda column: column[0], blocks))
    zero = jax.tree.map(lambda part: jnp.zeros(part.shape, part.dtype), first)

    def add(total: Any, block: Observations) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, sum_over(block)), None

    return lax.scan(add, zero, blocks)[0]


def derivatives(lifetime: Lifetime, rows: Observations) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Log-likelihood with its gradient (p,) and Hessian (p, p) over the raveled parameters."""
    if isinstance(lifetime, Mixture) and jnp.ndim(lifetime.logits) == 1:
        stack = lifetime.components
        if not isinstance(stack, tuple) and only_parameters(stack):
            return _mixture_derivatives(lifetime, rows)
    vector, unravel = ravel_parameters(lifetime)

    def of_block(block: Observations) -> Any:
        def value(vector: jax.Array) -> jax.Array:
            return log_likelihood(unravel(vector), block)

        def gradient_with_value(vector: jax.Array) -> Any:
            both = jax.value_and_grad(value)(vector)
            return both[1], both

        hessian, (value_, gradient) = jax.jacfwd(gradient_with_value, has_aux=True)(vector)
        return value_, gradient, hessian

    return in_blocks(of_block, rows)


def _mixture_derivatives(mixture: Mixture, rows: Observations) -> Any:
    """Value, gradient and Hessian of a mixture from jets of its components."""
    stack: Any = mixture.components
    value, once, twice = mixture_sums(mixture.log_weights, stack, rows)
    return value, *assemble(mixture.weights, weight_of_weights(rows), once, twice)


def mixture_sums(log_weights: jax.Array, stack: Lifetime, rows: Observations) -> Any:
    """The sums over rows that a mixture's derivatives are made of, as `assemble` takes them.

    The value, the sums of [r; r s; r (H + s s')] and the second moments of [r; r s].
    """

    def of_block(block: Observations) -> Any:
        sums = _moments(log_weights, component_jet(stack, block, row_terms), block.weight)
        if block.entry is not None or block.exit is not None:
            seen = component_jet(stack, block, truncation_terms)
            sums = jax.tree.map(jnp.subtract, sums, _moments(log_weights, seen, block.weight))
        return sums

    return in_blocks(of_block, rows)


def weight_of_weights(rows: Observations) -> Any:
    """How many units the mixture's weights are counted against.

    Truncation takes the same units off again, so that nothing is left.
    """
    truncated = rows.entry is not None or rows.exit is not None
    return 0.0 if truncated else rows.weight.sum()


def _moments(log_weights: jax.Array, jet: Jet, weight: jax.Array) -> Any:
    """`mixture_sums` of one kind of terms in one block."""
    joint = jet.value + log_weights[:, None]
    top = jnp.max(joint, axis=0)
    share = jnp.exp(joint - top)
    total = jnp.sum(share, axis=0)
    weight = jnp.where(weight > 0, weight, 0.0)
    value = jnp.sum(weight * (top + jnp.log(total)))
    r = share / total
    first, n = r * jet.first, r.shape[-1]
    pairs = [(a, b) for a in range(len(jet.first)) for b in range(a, len(jet.first))]
    curved = jnp.stack(
        [r * jet.second[i] + first[a] * jet.first[b] for i, (a, b) in enumerate(pairs)]
    )
    scores = jnp.concatenate([r, first.reshape(-1, n)])
    once = jnp.concatenate([scores, curved.reshape(-1, n)]) @ weight
    return value, once, (scores * weight) @ scores.T


def assemble(weights: Any, total: Any, once: Any, twice: Any) -> tuple[Any, Any]:
    """Gradient and Hessian from `mixture_sums`: logits first, then each parameter's K entries.

    Takes NumPy and JAX arrays alike, with any leading axes. The first component's logit is the
    reference, and no parameter.
    """
    k, size = weights.shape[-1], twice.shape[-1]
    gradient = once[..., 1:size]
    # Every entry of the block parts is one of the sums, or none of them.
    where, some = _layout(k, size // k - 1)
    hessian = once[..., where] * some - twice[..., 1:, 1:]
    if k == 1:
        return gradient, hessian
    total = total * weights[..., 1:]
    spread = total[..., :, None] * (_identity(k - 1) - weights[..., None, 1:])
    if isinstance(once, np.ndarray):
        gradient = gradient.copy()
        gradient[..., : k - 1] -= total
        hessian[..., : k - 1, : k - 1] -= spread
        return gradient, hessian
    pad = [(0, 0)] * (weights.ndim - 1) + [(0, size - k)]
    return gradient - jnp.pad(total, pad), hessian - jnp.pad(spread, [*pad, (0, size - k)])


_identity = cache(np.eye)


@cache
def _layout(k: int, p: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of the sums stands where in the Hessian, and 1.0 where one does."""
    size = (p + 1) * k
    where = np.full((size, size), -1)
    each = np.arange(k)
    where[each, each] = each
    pair = size
    for a in range(p):
        at = (a + 1) * k + each
        where[each, at] = where[at, each] = at
        for b in range(a, p):
            other = (b + 1) * k + each
            where[at, other] = where[other, at] = pair + each
            pair += k
    some = (where >= 0).astype(np.float64)
    return np.maximum(where, 0)[1:, 1:], some[1:, 1:]
