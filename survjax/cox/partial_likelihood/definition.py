"""The log partial likelihood as a JAX function of the log risks: for gradients of any model.

Networks and other models that give each unit a log risk are trained on it by autodiff; for
linear models the fused sweep of `derivatives` is several times faster, and this is its test.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from survjax._core.pytree import data, fixed, pytree
from survjax.cox.partial_likelihood.failures import number_failures
from survjax.cox.risk_sets.sorting import sort_rows
from survjax.nonparametric.group_tests import label
from survjax.nonparametric.rows import check_lifetimes

__all__ = ["RiskOrder", "log_partial_likelihood", "risk_order"]


@pytree
class RiskOrder:
    """Which units are at risk at which failure, as sorted indices.

    Attributes
    ----------
    order, join, leave : array of shape (m,)
        Units sorted backward in time, and the failure times each is at risk at.
    weight : array of shape (m,)
        Frequencies in that order.
    failed, at : array of shape (d,)
        Places of the failures, and the number of their time.
    group, share, pull : array of shape (u,)
        For each term: its failure time, the share of tied failures it leaves out, its weight.
    first : array of shape (K,)
        The first failure time of each stratum.
    n_times : int
        Number of distinct failure times.
    late : bool
        Whether units leave risk sets before their stratum ends.
    """

    order: Any = data()
    join: Any = data()
    leave: Any = data()
    first: Any = data()
    weight: Any = data()
    failed: Any = data()
    at: Any = data()
    group: Any = data()
    share: Any = data()
    event_weights: Any = data()
    n_times: int = fixed()
    late: bool = fixed()


def risk_order(
    durations: ArrayLike,
    event_observed: ArrayLike | None = None,
    *,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    ties: str = "efron",
    weights: str = "counts",
) -> RiskOrder:
    """Sort units once, for `log_partial_likelihood`.

    Parameters
    ----------
    durations, event_observed, entry, sample_weight, strata, ties, weights
        As in `fit_cox`.
    """
    rows = check_lifetimes(durations, event_observed, entry, sample_weight, merge=False)
    if not np.any(rows.event_observed & (rows.weight > 0)):
        raise ValueError("no failure was observed: there is nothing to tell hazards apart by")
    stratum = None if strata is None else label(strata, rows.durations.size, "strata")[1]
    sets = sort_rows(rows, np.zeros((rows.durations.size, 1)), stratum)
    failures = number_failures(sets, ties, weights)
    times = np.arange(sets.n_times)
    return RiskOrder(
        order=sets.order,
        join=sets.join,
        leave=sets.until,
        first=sets.first,
        weight=sets.weight,
        failed=failures.rows,
        at=failures.at,
        group=times if failures.group is None else failures.group,
        share=np.zeros(times.size) if failures.share is None else failures.share,
        event_weights=failures.weight,
        n_times=sets.n_times,
        late=sets.leave is not None,
    )


def log_partial_likelihood(log_risk: Any, rows: RiskOrder) -> jax.Array:
    """Return the log partial likelihood of log risks, one a unit.

    ``sum over failures of w (z - log of the sum of exp(z) over the units at risk)``, differentiable
    and jittable; in the precision of `log_risk`.

    Parameters
    ----------
    log_risk : array of shape (n,)
        Log relative hazard of each unit, in the order of the durations given to `risk_order`.
    rows : RiskOrder

    Returns
    -------
    scalar array

    References
    ----------
    Cox (1975), Biometrika 62; Efron (1977), JASA 72.

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from survjax.cox import log_partial_likelihood, risk_order
    >>> rows = risk_order([6.0, 9.0, 2.0], [1, 0, 1])
    >>> float(log_partial_likelihood(jnp.zeros(3), rows))
    -1.79
    >>> jax.grad(log_partial_likelihood)(jnp.zeros(3), rows).tolist()
    [0.167, -0.833, 0.667]
    """
    z = jnp.asarray(log_risk)[rows.order]
    with_weight = z + jnp.log(rows.weight)
    at_risk = (_with_leaves if rows.late else _without_leaves)(with_weight, rows)
    # One minus the share that a term leaves out of what its failures are of all at risk.
    n = rows.n_times
    own = jnp.exp(with_weight[rows.failed] - at_risk[rows.at])
    failing = jax.ops.segment_sum(own, rows.at, n)
    below = at_risk[rows.group] + jnp.log1p(-rows.share * failing[rows.group])
    gain = jnp.sum(rows.weight[rows.failed] * z[rows.failed])
    return gain - jnp.sum(rows.event_weights * below)


def _log_sums(z: jax.Array, at: Any, n: int) -> jax.Array:
    """Log of the sum of exp(z) over the rows at each of n places; -inf where there are none."""
    top = jax.lax.stop_gradient(jax.ops.segment_max(z, at, n))
    some = jnp.isfinite(top)
    safe = jnp.where(some, top, 0.0)
    total = jax.ops.segment_sum(jnp.exp(z - safe[at]), at, n)
    return jnp.where(some, jnp.log(jnp.where(some, total, 1.0)) + safe, -jnp.inf)


def _log_add(left: jax.Array, right: jax.Array) -> jax.Array:
    """Log of the sum of two exponentials, with finite derivatives where both are zero."""
    top = jax.lax.stop_gradient(jnp.maximum(left, right))
    some = jnp.isfinite(top)
    safe = jnp.where(some, top, 0.0)
    total = jnp.exp(left - safe) + jnp.exp(right - safe)
    return jnp.where(some, jnp.log(jnp.where(some, total, 1.0)) + safe, -jnp.inf)


def _accumulate(terms: jax.Array, fresh: Any, *, reverse: bool = False) -> jax.Array:
    """Log of cumulative sums along the last axis that start anew where `fresh`.

    Blocks side by side first, then from block to block: two loops of about the root of the length.
    """
    fresh = jnp.broadcast_to(fresh, terms.shape)
    if reverse:
        return _accumulate(terms[..., ::-1], fresh[..., ::-1])[..., ::-1]
    n = terms.shape[-1]
    width = max(int(np.sqrt(n)), 1)
    count = -(-n // width)
    pad = [(0, 0)] * (terms.ndim - 1) + [(0, count * width - n)]
    shape = (*terms.shape[:-1], count, width)
    blocks = jnp.pad(terms, pad, constant_values=-jnp.inf).reshape(shape)
    begins = jnp.pad(fresh, pad).reshape(shape)

    def add(carry: Any, new: Any) -> Any:
        total, seen = carry
        term, begin = new
        total = jnp.where(begin, term, _log_add(total, term))
        return (total, seen | begin), (total, seen | begin)

    nothing = jnp.full(shape[:-1], -jnp.inf, terms.dtype)
    along = (jnp.moveaxis(blocks, -1, 0), jnp.moveaxis(begins, -1, 0))
    (last, any_begin), (inner, seen) = jax.lax.scan(add, (nothing, nothing > 0), along)

    def pass_on(carry: Any, new: Any) -> Any:
        total, begin = new
        return jnp.where(begin, total, _log_add(carry, total)), carry

    between = (jnp.moveaxis(last, -1, 0), jnp.moveaxis(any_begin, -1, 0))
    before = jax.lax.scan(pass_on, nothing[..., 0], between)[1]
    before = jnp.moveaxis(before, 0, -1)
    found = jnp.where(seen, inner, _log_add(before, inner))
    return jnp.moveaxis(found, 0, -1).reshape(*shape[:-2], count * width)[..., :n]


def _without_leaves(z: jax.Array, rows: RiskOrder) -> jax.Array:
    """Log risk of each risk set where every row stays to the end of its stratum: (G,)."""
    joined = _log_sums(z, rows.join, rows.n_times)
    fresh = jnp.zeros(rows.n_times, bool).at[rows.first].set(True)
    return _accumulate(joined, fresh)


def _with_leaves(z: jax.Array, rows: RiskOrder) -> jax.Array:
    """Log risk of each risk set, without a difference: (G,).

    Halve the numbers of the failure times again and again. At the level where a row's first and
    last one part, it is at risk in the left half from its first one on, and in the right half up
    to its last: sums from the left and from the right, over all levels, are the risk sets.
    """
    n = rows.n_times
    depth = max(n - 1, 0).bit_length()
    size = 2**depth
    begin, end = jnp.asarray(rows.join), jnp.asarray(rows.leave) - 1
    # Level k parts numbers that first differ in bit k; level `depth` holds rows of one time.
    level = jnp.where(begin == end, depth, 31 - jax.lax.clz((begin ^ end).astype(jnp.int32)))
    from_begin = _log_sums(z, level * size + begin, (depth + 1) * size)
    alone = begin == end
    to_end = _log_sums(jnp.where(alone, -jnp.inf, z), level * size + end, (depth + 1) * size)
    from_begin, to_end = (part.reshape(depth + 1, size) for part in (from_begin, to_end))
    place = jnp.arange(size)
    width = 2 ** jnp.arange(depth + 1)[:, None]
    width = width.at[depth].set(1)
    rising = _accumulate(from_begin, place % width == 0)
    falling = _accumulate(to_end, place % width == width - 1, reverse=True)
    parts = jnp.concatenate([rising, falling])
    top = jax.lax.stop_gradient(parts.max(axis=0))
    safe = jnp.where(jnp.isfinite(top), top, 0.0)
    total = jnp.exp(parts - safe).sum(axis=0)
    return (jnp.log(total[:n]) + safe[:n]).astype(z.dtype)
