"""Replicates with failures in one place and all else in another, where a survival is costly.

The density of a failure may cost far less than a survival (`Lifetime.has_own_density`). Rows that
are no failures end at times that replicates share, and a log survival is a smooth function of log
time: its sums over any number of rows are sums over a few times, as in `fitting/interpolation`, in
cells that are wide enough for as many digits as a replicate needs.
"""

from __future__ import annotations

import math

import numpy as np

from survjax._core.numerics import bucket_size
from survjax.data.observations import Observations
from survjax.fitting.interpolation.rows import N_NODES, OF_CELLS
from survjax.lifetimes import Lifetime
from survjax.likelihood.executors import executor
from survjax.likelihood.rows import contributions

#: Width of a cell, relative to 1 / shape of the Weibull with the quartiles of the failures.
WIDTH = 2.5
#: What cumulative hazards between nodes may be wrong by, relative to one and themselves.
CLOSE = 1e-7
#: Distance of the quartiles of the log of a Weibull variable of shape one.
QUARTILES = math.log(math.log(4.0)) - math.log(math.log(4.0 / 3.0))


def failures_apart(batch: Observations, lifetime: Lifetime) -> Observations:
    """Plain replicates with failures first, at the same places in each.

    `lifetime` is near to what is fitted. Places that a replicate has no row for have no weight.
    """
    shape = batch.weight.shape
    lower = np.broadcast_to(batch.lower, shape)
    failed = np.broadcast_to(batch.event, shape) > 0
    times, others = _summed(lower, batch.weight, ~failed)
    if times.size > N_NODES and failed.any():
        low, high = np.quantile(np.log(lower[failed]), (0.25, 0.75))
        times, others = _at_nodes(times, others, WIDTH * (high - low) / QUARTILES, lifetime)
    most = int(failed.sum(axis=1).max())
    most = executor().size(bucket_size(most + times.size)) - times.size
    order = np.argsort(~failed, axis=1, kind="stable")
    order = np.pad(order[:, :most], ((0, 0), (0, max(most - order.shape[1], 0))), mode="edge")
    there = np.arange(most) < failed.sum(axis=1, keepdims=True)
    weight = np.where(there, np.take_along_axis(batch.weight, order, axis=1), 0.0)
    wide = np.broadcast_to(times, (shape[0], times.size))
    lower = np.concatenate([np.take_along_axis(lower, order, axis=1), wide], axis=1)
    event = np.repeat([1.0, 0.0], [most, times.size])
    return Observations(lower, np.log(lower), event, np.concatenate([weight, others], axis=1))


def _summed(
    lower: np.ndarray, weight: np.ndarray, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Different times (m,) of the chosen rows (B, n), and the sums (B, m) of their weights."""
    times, place = np.unique(lower[chosen], return_inverse=True)
    at = np.nonzero(chosen)[0] * times.size + place
    sums = np.bincount(at, weight[chosen], len(lower) * times.size)
    return times, sums.reshape(len(lower), times.size)


def _at_nodes(
    times: np.ndarray, weight: np.ndarray, width: float, lifetime: Lifetime
) -> tuple[np.ndarray, np.ndarray]:
    """Fewer times with the same sums of log survivals; these times where no others are close."""
    log_times = np.log(times)
    low, range_ = log_times[0], log_times[-1] - log_times[0]
    if not range_ < width * (times.size // N_NODES):
        return times, weight
    n_cells = int(range_ / width) + 1
    position = (log_times - low) * (n_cells / range_)
    cell = np.minimum(position.astype(np.intp), n_cells - 1)
    parts = np.zeros((times.size, n_cells, N_NODES))
    inside = np.clip(2.0 * (position - cell) - 1.0, -1.0, 1.0)
    parts[np.arange(times.size), cell] = OF_CELLS.shares(inside)
    share = parts.reshape(times.size, -1)
    middle = np.arange(n_cells)[:, None] + 0.5
    nodes = np.exp(low + range_ / n_cells * (middle + 0.5 * OF_CELLS.nodes).ravel())
    passed = -_log_survival(lifetime, times)
    wrong = np.abs(passed + share @ _log_survival(lifetime, nodes))
    return (nodes, weight @ share) if np.all(wrong < CLOSE * (1.0 + passed)) else (times, weight)


def _log_survival(lifetime: Lifetime, times: np.ndarray) -> np.ndarray:
    zero = np.zeros(times.size)
    return contributions(lifetime, Observations(times, np.log(times), zero, zero + 1.0))
