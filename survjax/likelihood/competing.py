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

from survjax._core.numerics import bucket_size, log_sum
from survjax._core.programs import program
from survjax._core.pytree import data, pytree, ravel_parameters
from survjax.data.observations import Observations
from survjax.data.truncation_rows import expansion_index, with_truncation_rows
from survjax.lifetimes import Competing
from survjax.likelihood.executors import executor
from survjax.likelihood.panels import Integrals, rates
from survjax.likelihood.row_derivatives import row_terms
from survjax.likelihood.rows import padded


@pytree
class CauseRows:
    """Rows with the causes that each may have ended of.

    Attributes
    ----------
    rows : Observations
        Without truncation but as rows of negative weight.
    allowed : tuple of K arrays of shape (n,)
        1.0 where a cause may have ended the unit; of no meaning where it still runs.
    """

    rows: Observations = data()
    allowed: tuple[Any, ...] = data()

    @property
    def lower(self) -> Any:
        """Times, or lower ends of intervals."""
        return self.rows.lower

    @property
    def weight(self) -> Any:
        """Weights of the rows."""
        return self.rows.weight


@pytree
class IntervalNodes:
    """Rows that ended in an interval of some of the causes, as sums over nodes.

    Attributes
    ----------
    weight : array of shape (n,)
        Of the rows.
    scale : array of shape (n,)
        About the log of each row's chance: sums are in units of its exponential.
    first : array of shape (n,)
        For a row that begins at zero, the end of a first part in which hazards are the chances
        themselves; 0 for others.
    allowed : array of shape (K, n)
        1.0 where a cause may have ended the unit.
    row, time, log_weight : arrays of shape (m,)
        Of the nodes: whose they are, where, and logs of their weights.
    """

    weight: Any = data()
    scale: Any = data()
    first: Any = data()
    allowed: Any = data()
    row: Any = data()
    time: Any = data()
    log_weight: Any = data()


@pytree
class CauseData:
    """Rows by what their likelihood takes; None where there are none.

    Attributes
    ----------
    points : CauseRows or None
        That ended at a time, or still run.
    anyhow : Observations or None
        That ended in an interval, of any of all causes: a difference of survivals.
    intervals : IntervalNodes or None
        That ended in an interval of some of the causes: an integral.
    """

    points: Any = data(default=None)
    anyhow: Any = data(default=None)
    intervals: Any = data(default=None)


def cause_data(rows: Observations, allowed: np.ndarray, near: Competing) -> CauseData:
    """Sort rows, and the causes (n, K) that each may have ended of, by what they take.

    Integrals over intervals are resolved for lifetimes like the one that they are `near` to.
    """
    allowed = allowed[expansion_index(rows)]
    rows = with_truncation_rows(rows)
    inside = np.zeros(rows.n_rows, bool) if rows.interval is None else rows.interval > 0
    # What truncation takes from the likelihood is the chance to end in a range, of any cause.
    anyhow = inside & (allowed.all(axis=1) | (rows.weight < 0))

    def group(chosen: np.ndarray) -> CauseRows | None:
        chosen = np.flatnonzero(chosen & (rows.weight != 0))
        if not chosen.size:
            return None
        some = padded(rows.take(chosen))
        extra = ((0, some.n_rows - chosen.size), (0, 0))
        columns = np.pad(allowed[chosen].astype(np.float64), extra, mode="edge")
        return CauseRows(some, tuple(columns.T.copy()))

    points, whole = group(~inside), group(anyhow)
    some = np.flatnonzero(inside & ~anyhow & (rows.weight != 0))
    intervals = interval_nodes(rows.take(some), allowed[some], near) if some.size else None
    if points is not None:
        points = CauseRows(points.rows.without_intervals(), points.allowed)
    return CauseData(points, None if whole is None else whole.rows, intervals)


def point_terms(lifetime: Competing, both: CauseRows) -> jax.Array:
    """Log-likelihood of rows that ended at a time, or still run: (n,)."""
    rows = both.rows
    log_hazards = lifetime.each(lambda cause: cause.log_hazard(rows.lower))
    failed = _log_sum_allowed(log_hazards, both.allowed)
    ended = rows.event > 0
    term = jnp.where(ended, jnp.where(ended, failed, 0.0), 0.0)
    return term - lifetime.cumulative_hazard(rows.lower)


def interval_nodes(rows: Observations, allowed: np.ndarray, near: Competing) -> IntervalNodes:
    """Nodes and weights for the integrals of h_k S over each row's interval, in log time."""
    n, ages = rows.n_rows, np.zeros(rows.n_rows)
    high = np.log(rows.upper)
    hazard = rates(near, np.concatenate([rows.lower, rows.upper]), np.zeros(2 * n))[1]
    with np.errstate(all="ignore"):
        from_zero = rows.lower == 0
        # A part so short that no cause is likely to strike in it, however early hazards begin.
        low = np.where(
            from_zero, _log_first(near, rows.upper), np.log(np.maximum(rows.lower, 1e-300))
        )
        share = np.exp(-hazard[:n]) * -np.expm1(-np.maximum(hazard[n:] - hazard[:n], 0.0))
        integrals = Integrals(near, ages, allowed.T.copy())
        panels = integrals.refined(low, high, share)
        sums = np.where(allowed.T, integrals.totals(panels) * np.exp(integrals.scale), 0.0).sum(
            axis=0
        )
        scale = np.where(sums > 0, np.log(np.where(sums > 0, sums, 1.0)), 0.0)
    x = panels.log_times
    row = np.repeat(panels.unit, x.shape[1])
    order = np.argsort(row, kind="stable")
    extra = bucket_size(order.size) - order.size
    columns = row, np.exp(x).ravel(), np.log(panels.weights).ravel() + x.ravel()
    row, time, log_weight = (np.pad(part[order], (0, extra), mode="edge") for part in columns)
    log_weight[order.size :] = -np.inf
    wide = bucket_size(n)
    padded_rows = (
        np.pad(part, (0, wide - n)) for part in (rows.weight, scale, from_zero * np.exp(low))
    )
    weight, scale, first = padded_rows
    causes = np.pad(allowed.T.astype(np.float64), ((0, 0), (0, wide - n)), mode="edge")
    return IntervalNodes(weight, scale, first, causes, row, time, log_weight)


def _log_first(near: Competing, upper: np.ndarray) -> np.ndarray:
    """Logs of times (n,) before which next to nothing ends, by bisection."""
    target = 1e-15 * np.minimum(rates(near, upper, 0.0 * upper)[1], 1.0)
    high = np.log(upper) - 1.0
    low = np.minimum(np.full_like(high, -700.0), high)
    for _ in range(30):
        middle = 0.5 * (low + high)
        over = rates(near, np.exp(middle), 0.0 * upper)[1] > target
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return low


def interval_terms(lifetime: Competing, nodes: IntervalNodes) -> jax.Array:
    """Log-likelihood of rows that ended in an interval of some of the causes: (n,)."""
    allowed = nodes.allowed[:, nodes.row]
    log_hazards = lifetime.each(lambda cause: cause.log_hazard(nodes.time))
    logs = log_sum(jnp.where(allowed > 0, log_hazards, -jnp.inf))
    logs = logs - lifetime.cumulative_hazard(nodes.time) + nodes.log_weight - nodes.scale[nodes.row]
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
_TERMS: tuple[tuple[str, Callable[..., jax.Array]], ...] = (
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
    for name, terms in _TERMS:
        group = getattr(given, name)
        if group is not None:
            # Nodes belong to rows, so that they are no blocks.
            blocks = name != "intervals"
            run = partial(sums, terms)
            found.append(executor().in_blocks(run, group) if blocks else run(group))
    value, gradient, hessian = (sum(parts[1:], parts[0]) for parts in zip(*found, strict=True))
    return value, gradient, hessian


@program
def _value(lifetime: Competing, given: CauseData) -> jax.Array:
    total = jnp.zeros(())
    for name, terms in _TERMS:
        group = getattr(given, name)
        if group is not None:
            found = jnp.where(group.weight != 0, terms(lifetime, group), 0.0)
            total = total + jnp.sum(group.weight * found)
    return total


def cause_log_likelihood(lifetime: Competing, given: CauseData) -> float:
    """The log-likelihood of all rows."""
    return float(_value(lifetime, given))
