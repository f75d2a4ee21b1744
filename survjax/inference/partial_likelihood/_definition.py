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
from survjax.inference.nonparametric._log_rank import label
from survjax.inference.nonparametric._rows import check_lifetimes
from survjax.inference.partial_likelihood._derivatives import number_failures
from survjax.inference.partial_likelihood._risk_sets import sort_rows

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
    n_times : int
        Number of distinct failure times.
    """

    order: Any = data()
    join: Any = data()
    leave: Any = data()
    weight: Any = data()
    failed: Any = data()
    at: Any = data()
    group: Any = data()
    share: Any = data()
    pull: Any = data()
    n_times: int = fixed()


def risk_order(
    durations: ArrayLike,
    event_observed: ArrayLike | None = None,
    *,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    ties: str = "efron",
) -> RiskOrder:
    """Sort units once, for `log_partial_likelihood`.

    Parameters
    ----------
    durations, event_observed, entry, sample_weight, strata, ties
        As in `fit_cox`.
    """
    rows = check_lifetimes(durations, event_observed, entry, sample_weight, merge=False)
    if not np.any(rows.event_observed & (rows.weight > 0)):
        raise ValueError("no failure was observed: there is nothing to tell hazards apart by")
    stratum = None if strata is None else label(strata, rows.durations.size, "strata")[1]
    sets = sort_rows(rows, np.zeros((rows.durations.size, 1)), stratum)
    failures = number_failures(sets, ties)
    times = np.arange(sets.n_times)
    return RiskOrder(
        order=sets.order,
        join=sets.join,
        leave=np.full(sets.join.size, sets.n_times) if sets.leave is None else sets.leave,
        weight=sets.weight,
        failed=failures.rows,
        at=failures.at,
        group=times if failures.group is None else failures.group,
        share=np.zeros(times.size) if failures.share is None else failures.share,
        pull=failures.weight,
        n_times=sets.n_times,
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
    >>> from survjax.inference.partial_likelihood import log_partial_likelihood, risk_order
    >>> rows = risk_order([6.0, 9.0, 2.0], [1, 0, 1])
    >>> float(log_partial_likelihood(jnp.zeros(3), rows))
    -1.79
    >>> jax.grad(log_partial_likelihood)(jnp.zeros(3), rows).tolist()
    [0.167, -0.833, 0.667]
    """
    z = jnp.asarray(log_risk)[rows.order]
    top = jax.lax.stop_gradient(jnp.max(z))
    risk = rows.weight * jnp.exp(z - top)
    n = rows.n_times + 1
    joined = jax.ops.segment_sum(risk, rows.join, n)
    left = jax.ops.segment_sum(risk, rows.leave, n)
    at_risk = jnp.cumsum(joined - left)
    failing = jax.ops.segment_sum(risk[rows.failed], rows.at, n)
    below = at_risk[rows.group] - rows.share * failing[rows.group]
    gain = jnp.sum(rows.weight[rows.failed] * (z[rows.failed] - top))
    return gain - jnp.sum(rows.pull * jnp.log(below))
