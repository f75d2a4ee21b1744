"""Runs of Newton's iterations from all starts of many groups: what the queue's program is given."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from typing import Any

import jax
import numpy as np

from survjax._core.precision import double_precision
from survjax.data.observations import Observations
from survjax.fitting.corrections import Correction
from survjax.fitting.groups.mixtures.queue import CONVERGED, RUNNING, Queue, run_queue
from survjax.fitting.groups.newton import CALLS, Ends, as_precise
from survjax.fitting.local_maxima import FIRST_STEP, Limits
from survjax.fitting.starts import canonical
from survjax.likelihood.vector.template import Template
from survjax.optimize import initial_states

#: Groups of a call, with so many jobs for each.
GROUPS, JOBS = (16, 256), 48
#: Once the queue is empty and no more runs go on than this, many others would wait for them.
FEW = 16


@dataclasses.dataclass(frozen=True)
class Manner:
    """How runs go.

    Attributes
    ----------
    bits : type
        Of the numbers.
    spectral : bool
        Whether steps are by eigenvalues (`survjax.optimize.step`).
    reach : float
        Runs that come this close (logs of weights, scales, shapes) end as one.
    to_the_end : bool
        Whether the last few runs of a queue are finished too, or left where they are.
    """

    bits: type
    spectral: bool
    reach: float
    to_the_end: bool


@double_precision
def ended(
    template: Template,
    rows: Observations,
    group: np.ndarray,
    x: np.ndarray,
    known: int,
    limits: Limits,
    manner: Manner,
) -> tuple[np.ndarray, Ends]:
    """Where runs end, and which end as one.

    Parameters
    ----------
    template : Template
    rows : Observations
        Of each group (G, n).
    group : array of shape (M,)
        Whose each end or start is.
    x : array of shape (M, p)
        The `known` ends, and then starts.
    known : int
    limits : Limits
        `log_weight` (G,).
    manner : Manner

    Returns
    -------
    same : array of shape (M,)
        With which of them each is one: itself, or another.
    ends : Ends
        Of the runs (M - known,); those that are one with another, and a few, are on the way.
    """
    size = next(size for size in GROUPS if size >= rows.weight.shape[0])
    constant = _constant(template, rows, limits, size, manner)
    rank = _ranks(group)
    kept = min(int(rank[:known].max(initial=-1)) + 1, JOBS // 2)
    before = np.flatnonzero(rank[:known] < kept)
    turn = _ranks(group[known:]) // (JOBS - kept)
    same = np.arange(len(x))
    units: np.ndarray = np.ones_like(x, manner.bits)
    state = initial_states(x.astype(manner.bits), FIRST_STEP)
    for k in range(int(turn.max(initial=-1)) + 1):
        some = known + np.flatnonzero(turn == k)
        some = np.concatenate([before, some[np.lexsort((group[some], rank[some]))]])
        queue = _queue(x[some].astype(manner.bits), group[some], before.size, size)
        # What is huge in 64 bits is infinite in 32.
        with CALLS if manner.spectral else nullcontext(), np.errstate(over="ignore"):
            found = run_queue(*queue, *constant, spectral=manner.spectral)
            found, own_units = jax.tree.map(np.asarray, found)
        new = slice(before.size, some.size)
        same[some[new]] = some[found.same[new]]
        units[some[new]] = own_units[new]
        for whole, part in zip(jax.tree.leaves(state), jax.tree.leaves(found.state), strict=True):
            whole[some[new]] = part[new]
    ends = Ends.of(state, units).take(np.arange(known, len(x)))
    if manner.to_the_end:
        left = (ends.code == RUNNING) & (same[known:] == np.arange(known, len(x)))
        _finish(ends, np.flatnonzero(left), template, rows, group[known:], limits, manner)
    return same, ends


def _finish(
    ends: Ends,
    left: np.ndarray,
    template: Template,
    rows: Observations,
    group: np.ndarray,
    limits: Limits,
    manner: Manner,
) -> None:
    """Take what is left of many runs to the end: a call of few takes as many steps, for less."""
    among, place = np.unique(group[left], return_inverse=True)
    log_weight = np.asarray(limits.log_weight)
    for begin in range(0, among.size, GROUPS[0]):
        which = among[begin : begin + GROUPS[0]]
        inside = (place >= begin) & (place < begin + GROUPS[0])
        own = dataclasses.replace(limits, log_weight=log_weight[which])
        some, whose = left[inside], place[inside] - begin
        _, more = ended(template, rows.take(which), whose, ends.x[some], 0, own, manner)
        ends.put(some, more)


def _constant(
    template: Template, rows: Observations, limits: Limits, size: int, manner: Manner
) -> tuple[Any, ...]:
    """What all calls share: rows and limits for `size` groups, in one precision."""
    fill = np.minimum(np.arange(size), rows.weight.shape[0] - 1)
    limits = dataclasses.replace(limits, log_weight=np.asarray(limits.log_weight)[fill])
    few = np.int64(FEW if size > FEW else 0)
    parts = template.lifetime, rows.take(fill), limits, Correction.of(template)
    shared: tuple[Any, ...] = as_precise(parts, manner.bits)
    return *shared, manner.bits(manner.reach), few


def _ranks(group: np.ndarray) -> np.ndarray:
    """How many of the same group stand before each."""
    order = np.argsort(group, kind="stable")
    ranks = np.empty_like(order)
    ranks[order] = np.arange(order.size) - np.searchsorted(group[order], group[order])
    return ranks


def _queue(x: np.ndarray, group: np.ndarray, n_ends: int, size: int) -> tuple[Any, ...]:
    """The jobs at x (m, p), of which the first have ended, filled up for `size` groups.

    Also the groups (J,) of the jobs, the groups' jobs (size, JOBS), and the range of the starts.
    """
    m, n_jobs = len(x), size * JOBS
    place, whose = np.zeros((n_jobs, x.shape[1]), x.dtype), np.zeros(n_jobs, int)
    place[:m], whose[:m] = x, group
    state = initial_states(place, FIRST_STEP)
    state.code[:n_ends] = CONVERGED
    key = np.zeros((n_jobs, canonical(x[:1]).shape[-1]), x.dtype)
    key[:n_ends] = canonical(x[:n_ends])
    jobs = np.full((size, JOBS), n_jobs)
    jobs[group, _ranks(group)] = np.arange(m)
    return Queue(state, np.arange(n_jobs), key), whose, jobs, (np.int64(n_ends), np.int64(m))
