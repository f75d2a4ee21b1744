"""The likelihood of several causes, where some are not known for sure or failures are intervals.

With every cause known and every time exact, the likelihood separates: each cause is a lifetime of
its own, for which failures of other causes are censored. Else one row adds

    log sum of h_k(t) over the causes it may be - H(t)          where it ended at t,
    log sum of the integral of h_k S over (lower, upper]        where it ended in an interval,
    -H(t)                                                       where it still runs at t.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.numerics import log_sum
from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.lifetimes import Competing
from survjax.likelihood.causes.rows import CauseData, CauseRows, IntervalNodes, SortedRows
from survjax.likelihood.executors import executor
from survjax.likelihood.panels import rates_from
from survjax.likelihood.row_derivatives import row_terms


def point_terms(lifetime: Competing, both: CauseRows) -> jax.Array:
    """Log-likelihood of rows that ended at a time, or still run: (n,)."""
    rows = both.rows
    log_hazards = lifetime.each(lambda cause: cause.log_hazard(rows.lower))
    failed = _log_sum_allowed(log_hazards, both.allowed)
    ended = rows.event > 0
    term = jnp.where(ended, jnp.where(ended, failed, 0.0), 0.0)
    return term - lifetime.cumulative_hazard(rows.lower)


def interval_terms(
    lifetime: Competing, nodes: IntervalNodes, at_nodes: Competing | None = None
) -> jax.Array:
    """Log-likelihood of rows that ended in an interval of some of the causes: (n,).

    Where each row has a lifetime of its own, `at_nodes` is that of each node's row.
    """
    inside = lifetime if at_nodes is None else at_nodes
    allowed = nodes.allowed[:, nodes.row]
    log_hazards = inside.each(lambda cause: cause.log_hazard(nodes.time))
    logs = log_sum(jnp.where(allowed > 0, log_hazards, -jnp.inf))
    logs = logs - inside.cumulative_hazard(nodes.time) + nodes.log_weight - nodes.scale[nodes.row]
    some = logs > -700.0
    values = jnp.where(some, jnp.exp(jnp.where(some, logs, 0.0)), 0.0)
    n = nodes.weight.shape[0]
    total = jax.ops.segment_sum(values, nodes.row, n, indices_are_sorted=True)
    early = nodes.first > 0
    first = lifetime.each(lambda c: c.cumulative_hazard(jnp.where(early, nodes.first, 1.0)))
    first = jnp.sum(jnp.where(early & (nodes.allowed > 0), first, 0.0), axis=0)
    total = total + first * jnp.exp(-nodes.scale)
    positive = total > 0
    return nodes.scale + jnp.where(positive, jnp.log(jnp.where(positive, total, 1.0)), -jnp.inf)


def _log_sum_allowed(logs: jax.Array, allowed: tuple[Any, ...]) -> jax.Array:
    """Log of the sum over allowed causes of exponentials (K, n)."""
    return log_sum(jnp.where(jnp.stack(allowed) > 0, logs, -jnp.inf))


#: What each group of rows adds.
TERMS: tuple[tuple[str, Callable[..., jax.Array]], ...] = (
    ("points", point_terms),
    ("anyhow", row_terms),
    ("intervals", interval_terms),
)


def cause_derivatives(
    lifetime: Competing, given: CauseData
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Log-likelihood with its gradient (p,) and Hessian (p, p), by nested forward mode."""
    vector, unravel = ravel_parameters(lifetime)

    def sums(terms: Callable[..., jax.Array], block: Any) -> tuple[jax.Array, ...]:
        def value(x: jax.Array) -> jax.Array:
            found = terms(unravel(x), block)
            # Weights come last, on finite terms: zero times infinity would be NaN.
            return jnp.sum(jnp.where(block.weight != 0, block.weight * found, 0.0))

        def slope(x: jax.Array) -> tuple[jax.Array, jax.Array]:
            gradient = jax.jacfwd(value)(x)
            return gradient, gradient

        hessian, gradient = jax.jacfwd(slope, has_aux=True)(vector)
        return value(vector), gradient, hessian

    found = []
    for name, terms in TERMS:
        group = getattr(given, name)
        if group is not None:
            # Nodes belong to rows, so that they are no blocks.
            blocks = name != "intervals"
            run = partial(sums, terms)
            found.append(executor().in_blocks(run, group) if blocks else run(group))
    value, gradient, hessian = (sum(parts[1:], parts[0]) for parts in zip(*found, strict=True))
    return value, gradient, hessian


@program
def _scores(lifetime: Competing, given: CauseData) -> dict[str, jax.Array]:
    """Slopes (n, p) of each row's term in the parameters, by group."""
    vector, unravel = ravel_parameters(lifetime)
    found = {}
    for name, terms in TERMS:
        group = getattr(given, name)
        if group is not None:
            found[name] = jax.jacfwd(lambda x, t=terms, g=group: t(unravel(x), g))(vector)
    return found


def cause_scores(lifetime: Competing, sorted_rows: SortedRows, n: int) -> np.ndarray:
    """Slopes (n, p) in the parameters of what each of n rows adds, before its weight."""
    given = sorted_rows.data(rates_from(lifetime, np.zeros(n)))
    each = _scores(lifetime, given)
    found = np.zeros((n, ravel_parameters(lifetime)[0].size))
    for name, scores in each.items():
        source, weight = sorted_rows.source(name), np.asarray(getattr(given, name).weight)
        sign = np.sign(weight[: source.size])
        np.add.at(found, source, sign[:, None] * np.asarray(scores)[: source.size])
    return found


@program
def _value(lifetime: Competing, given: CauseData) -> jax.Array:
    total = jnp.zeros(())
    for name, terms in TERMS:
        group = getattr(given, name)
        if group is not None:
            found = jnp.where(group.weight != 0, terms(lifetime, group), 0.0)
            total = total + jnp.sum(group.weight * found)
    return total


def cause_log_likelihood(lifetime: Competing, given: CauseData) -> float:
    """The log-likelihood of all rows."""
    return float(_value(lifetime, given))
