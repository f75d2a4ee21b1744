"""The only likelihood: its value, score and Hessian, summed over blocks of rows.

For a mixture the derivatives of a row follow from those of its components. With
responsibilities r_k and component scores s_k, score S = [r - w; r_k s_k] and

    Hessian = blocks of r_k (H_k + s_k s_k') + the weights' part - S S'

(Louis 1982). This shares the per-row work between the three and never differentiates through
the logarithm of a sum. Any other lifetime is differentiated by `jacfwd(jacrev(...))`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.numerics import bucket_size
from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.data.observations import Observations
from survjax.lifetimes import Lifetime, Mixture
from survjax.likelihood.cured_rows import (
    log_weights_beside,
    never_fails,
    over_all_that_can_fail,
)
from survjax.likelihood.executors import executor
from survjax.likelihood.row_derivatives import (
    RowDerivatives,
    component_derivatives,
    has_own_density,
    log_contributions,
    only_parameters,
    row_terms,
)


def padded(rows: Observations) -> Observations:
    """Rows filled up with some of no weight to a size that others share."""
    return rows.padded(executor().size(rows.n_rows))


def failures_first(rows: Observations) -> Observations:
    """Few rows, perhaps in another order.

    A block that holds nothing but exact failures may cost far less (`has_own_density`).
    """
    few = rows.interval is None and rows.n_rows <= executor().block
    return rows.take(np.argsort(-rows.event, kind="stable")) if few else rows


_compiled_contributions = program(log_contributions)


def contributions(lifetime: Lifetime, rows: Observations) -> np.ndarray:
    """Log-likelihood of each row, by a program that other numbers of rows share."""
    wide = rows.padded(bucket_size(rows.n_rows))
    return np.asarray(_compiled_contributions(lifetime, wide))[: rows.n_rows]


def shares(lifetime: Lifetime, rows: Observations) -> jax.Array:
    """P(kind of unit | all that was observed of the row), in the order of `kinds`: (K, n).

    Of a mixture, perhaps beside a share of cured units: those have not failed.
    """
    mixture = lifetime.inner()[1]
    joint = mixture.each(lambda part: row_terms(part, rows))
    joint = joint + mixture.log_weights.reshape(joint.shape[0], -1)
    cured = getattr(lifetime, "logit_cured_share", None)
    if cured is not None:
        seen = rows.event if rows.interval is None else rows.event + rows.interval
        joint = jnp.concatenate([joint, jnp.where(seen > 0, -1e300, cured)[None]])
    return jax.nn.softmax(joint, axis=0)


_compiled_shares = program(shares)


def failed_shapes(lifetime: Any, rows: Observations) -> jax.Array:
    """Log shape of each component at each failed unit (K, n); minus infinity at the others."""
    seen = rows.event if rows.interval is None else rows.event + rows.interval
    shapes = lifetime.inner()[1].each(lambda part: jnp.broadcast_to(part.log_shape, seen.shape))
    return jnp.where(seen > 0, shapes, -jnp.inf)


def entropy(shares: np.ndarray, weight: np.ndarray) -> float:
    """Expected log-probability lost by not knowing each unit's component, from shares (K, n)."""
    # A share that vanishes adds nothing, though its logarithm is infinite.
    return float(-np.sum(shares * np.log(np.where(shares > 0, shares, 1.0)), axis=0) @ weight)


def membership_entropy(mixture: Lifetime, rows: Observations) -> float:
    """The entropy of the memberships of all rows under a mixture, perhaps with a cured share."""
    found = np.asarray(_compiled_shares(mixture, rows.padded(bucket_size(rows.n_rows))))
    return entropy(found[:, : rows.n_rows], rows.weight)


def log_likelihood(lifetime: Lifetime, rows: Observations) -> jax.Array:
    """The log-likelihood of all rows, a scalar; truncation is rows of negative weight."""
    _check_untruncated(rows)
    terms = row_terms(lifetime, rows)
    # Weights come last, on finite terms: zero times infinity would be NaN.
    return jnp.sum(jnp.where(rows.weight != 0, rows.weight * terms, 0.0))


def _check_untruncated(rows: Observations) -> None:
    """Refuse rows whose truncation would be left out of a sum."""
    if rows.entry is not None or rows.exit is not None:
        raise ValueError(
            "a likelihood sums rows without entry and exit: pass with_truncation_rows(rows)"
        )


def derivatives(lifetime: Lifetime, rows: Observations) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Log-likelihood with its gradient (p,) and Hessian (p, p) over the raveled parameters.

    Rows have no truncation but as rows of negative weight (`survjax.data.truncation_rows`).
    """
    _check_untruncated(rows)
    cured = getattr(lifetime, "logit_cured_share", None)
    if cured is not None and jnp.ndim(cured) == 0:
        inside = _as_mixture(lifetime.base)  # type: ignore[attr-defined]  # what has that has one
        if inside is not None:
            return _beside_cured(inside, jnp.asarray(cured), rows)
    mixture = _as_mixture(lifetime)
    if mixture is not None:
        stacks = _stacks(mixture)
        value, once, twice = mixture_sums(mixture.log_weights, stacks, rows)
        sizes = tuple(_size(stack) for stack in stacks)
        found = assemble(mixture.weights, rows.weight.sum(), once, twice, sizes)
        return value, *found
    vector, unravel = ravel_parameters(lifetime)

    def of_block(block: Observations) -> tuple[jax.Array, jax.Array, jax.Array]:
        def value(vector: jax.Array) -> jax.Array:
            return log_likelihood(unravel(vector), block)

        def gradient_with_value(vector: jax.Array) -> Any:
            both = jax.value_and_grad(value)(vector)
            return both[1], both

        hessian, (value_, gradient) = jax.jacfwd(gradient_with_value, has_aux=True)(vector)
        return value_, gradient, hessian

    return executor().in_blocks(of_block, rows)


def _beside_cured(
    mixture: Mixture, logit: jax.Array, rows: Observations
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """`derivatives` where a share of units never fails, the others being those of a mixture."""
    stacks, among = _stacks(mixture), mixture.log_weights
    log_weights = log_weights_beside(among, logit)

    def of_block(block: Observations) -> tuple[jax.Array, jax.Array, jax.Array]:
        parts = [component_derivatives(stack, block) for stack in stacks]
        return _moments(log_weights, [*parts, never_fails(block)], block.weight)

    value, once, twice = executor().in_blocks(of_block, rows)
    sizes = (*(_size(stack) for stack in stacks), (1, 0))
    found = assemble(jnp.exp(log_weights), rows.weight.sum(), once, twice, sizes)
    return value, *over_all_that_can_fail(*found, among)


def _as_mixture(lifetime: Lifetime) -> Mixture | None:
    """The lifetime as a mixture, of itself alone perhaps; None where components are no stacks."""
    if lifetime.is_mixture:
        mixture: Any = lifetime
        simple = jnp.ndim(mixture.logits) == 1
        simple = simple and all(only_parameters(stack) for stack in _stacks(mixture))
        return mixture if simple else None
    alone = only_parameters(lifetime)
    alone = alone and all(jnp.ndim(leaf) == 0 for leaf in jax.tree.leaves(lifetime))
    if not alone:
        return None
    return Mixture(jnp.zeros(0), jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], lifetime))


def _stacks(mixture: Mixture) -> tuple[Lifetime, ...]:
    """The components, those of one family as one stack."""
    stacks = mixture.components
    return stacks if isinstance(stacks, tuple) else (stacks,)


def _size(stack: Lifetime) -> tuple[int, int]:
    """Number of components in a stack, and of parameters of each."""
    leaves = jax.tree.leaves(stack)
    return leaves[0].shape[0], len(leaves)


def mixture_sums(
    log_weights: jax.Array, stacks: tuple[Lifetime, ...], rows: Observations
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The sums over rows that a mixture's derivatives are made of, as `assemble` takes them.

    The value, the sums of [r; r s; r (H + s s')] and the second moments of [r; r s].
    """

    def of_block(block: Observations) -> tuple[jax.Array, jax.Array, jax.Array]:
        parts = [component_derivatives(stack, block) for stack in stacks]
        return _moments(log_weights, parts, block.weight)

    fine = any(has_own_density(stack, rows) for stack in stacks)
    return executor().in_blocks(of_block, rows, fine=fine)


def _moments(
    log_weights: jax.Array, parts: list[RowDerivatives], weight: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """`mixture_sums` of one block."""
    if log_weights.size == 1:
        return _sums_of_one(parts[0], weight)
    joint = jnp.concatenate([part.value for part in parts]) + log_weights[:, None]
    top = jnp.max(joint, axis=0)
    share = jnp.exp(joint - top)
    total = jnp.sum(share, axis=0)
    value = jnp.sum(jnp.where(weight != 0, weight * (top + jnp.log(total)), 0.0))
    responsibility = share / total
    n = responsibility.shape[-1]
    scores, curved, begin = [responsibility], [], 0
    for part in parts:
        p, k = part.first.shape[:2]
        r = responsibility[begin : begin + k]
        begin += k
        own = r * part.first
        pairs = [(a, b) for a in range(p) for b in range(a, p)]
        scores.append(own.reshape(-1, n))
        curved += [r * part.second[i] + own[a] * part.first[b] for i, (a, b) in enumerate(pairs)]
    score = jnp.concatenate(scores)
    once = jnp.concatenate([score, *curved]) @ weight
    return value, once, (score * weight) @ score.T


def _sums_of_one(part: RowDerivatives, weight: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """`mixture_sums` of one block and one component, to which all units belong.

    What is added to its second derivatives by Louis's identity would be subtracted again: both are
    left out.
    """
    value = jnp.sum(jnp.where(weight != 0, weight * part.value[0], 0.0))
    rows = jnp.concatenate([jnp.ones_like(part.value), part.first[:, 0], part.second[:, 0]])
    size = 1 + part.first.shape[0]
    return value, rows @ weight, jnp.zeros((size, size), rows.dtype)


def assemble(
    weights: Any, total: Any, once: jax.Array, twice: jax.Array, sizes: tuple[tuple[int, int], ...]
) -> tuple[Any, Any]:
    """Gradient and Hessian from `mixture_sums`: logits first, then each parameter's K entries.

    Any leading axes. The first component's logit is the reference, and no parameter. `total` is
    the sum of the rows' weights, `sizes` the components and parameters of each stack.
    """
    k, size = weights.shape[-1], twice.shape[-1]
    gradient = once[..., 1:size]
    # Every entry of the block parts is one of the sums, or none of them.
    where, some = positions_of_sums(sizes)
    hessian = once[..., where] * some.astype(once.dtype) - twice[..., 1:, 1:]
    if k == 1:
        return gradient, hessian
    total = total * weights[..., 1:]
    spread = total[..., :, None] * (np.eye(k, dtype=weights.dtype)[1:, 1:] - weights[..., None, 1:])
    pad = [(0, 0)] * (weights.ndim - 1) + [(0, size - k)]
    return gradient - jnp.pad(total, pad), hessian - jnp.pad(spread, [*pad, (0, size - k)])


@cache
def positions_of_sums(sizes: tuple[tuple[int, int], ...]) -> tuple[np.ndarray, np.ndarray]:
    """Which of the sums stands where in the Hessian, and 1.0 where one does."""
    n_components = sum(k for k, _ in sizes)
    size = n_components + sum(k * p for k, p in sizes)
    where = np.full((size, size), -1)
    each = np.arange(n_components)
    where[each, each] = each
    first, begin, pair = 0, n_components, size
    for k, p in sizes:
        own = first + np.arange(k)
        at = begin + np.arange(p * k).reshape(p, k)
        for a in range(p):
            where[own, at[a]] = where[at[a], own] = at[a]
            for b in range(a, p):
                where[at[a], at[b]] = where[at[b], at[a]] = pair + np.arange(k)
                pair += k
        first, begin = first + k, begin + p * k
    some = (where >= 0).astype(np.float64)
    return np.maximum(where, 0)[1:, 1:], some[1:, 1:]
