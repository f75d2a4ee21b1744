"""Newton's iterations from all starts of many groups, by one program with a queue.

A fixed number of runs go side by side. One that is done, or will end where another of its group
has, leaves its place to the next start in the queue, so that none waits for the slowest.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from survjax._core.programs import program
from survjax._core.pytree import data, pytree
from survjax.data.observations import Observations
from survjax.fitting.corrections import Correction
from survjax.fitting.groups.newton import Iteration
from survjax.fitting.local_maxima import FIRST_STEP, Limits
from survjax.lifetimes import Lifetime
from survjax.likelihood.weibulls import weibull_parts
from survjax.optimize import ResultCode, step
from survjax.optimize.newton import NewtonState, init

#: Runs at a time at most.
WIDTH = 128
#: A run this near to a maximum, in standard errors, is told from others by where its step leads.
FORESEEN = 1.0
RUNNING, CONVERGED = int(ResultCode.RUNNING), int(ResultCode.CONVERGED)


@pytree
class Queue:
    """All jobs of a call (J,): ends that are known, then starts.

    Attributes
    ----------
    state : NewtonState
        Where each stands.
    same : array of shape (J,)
        The job that it ends as one with: itself, or another.
    key : array of shape (J, q)
        By what ends are told apart.
    """

    state: NewtonState = data()
    same: jax.Array | np.ndarray = data()
    key: jax.Array | np.ndarray = data()


#: Runs as they stand, their jobs, the next job, and all jobs.
Carry = tuple[NewtonState, jax.Array, jax.Array, Queue]


@program(static_argnames=("spectral",), draft=False)
def run_queue(
    queue: Queue,
    group: jax.Array,
    jobs: jax.Array,
    range_: tuple[jax.Array, jax.Array],
    lifetime: Lifetime,
    rows: Observations,
    limits: Limits,
    correction: Correction,
    reach: ArrayLike,
    few: ArrayLike,
    *,
    spectral: bool,
) -> tuple[Queue, jax.Array]:
    """Newton's iterations from a range of the jobs, some of them at a time.

    Parameters
    ----------
    queue : Queue
        Jobs before the range have ended.
    group : array of shape (J,)
        Whose each is.
    jobs : array of shape (G, S)
        The jobs of each group, filled up with J.
    range_ : tuple of int
        The first job to run, and the end.
    lifetime : Lifetime
        The template; its parameters are not used.
    rows : Observations
        Of each group, (G, n).
    limits : Limits
        `log_weight` (G,).
    correction : Correction
    reach : float
        Runs that come this close (`Queue.key`) end as one.
    few : int
        Once the queue is empty and no more than this many runs go on, these are left where they
        are.
    spectral : bool

    Returns
    -------
    queue : Queue
    units : array of shape (J, p)
        As of `Ends`.
    """
    how = Iteration(lifetime, limits, correction)
    (n_jobs, width), (first, end) = (group.size, min(len(jobs), WIDTH)), range_

    def advanced(state: NewtonState, rows: Observations, log_weight: ArrayLike) -> NewtonState:
        objective, settings = how.on(rows, log_weight)
        return step(objective, state, **settings, spectral=spectral)

    def begun(queue: Queue, job: jax.Array) -> NewtonState:
        x = queue.state.x[jnp.minimum(job, n_jobs - 1)]
        return jax.vmap(lambda one: init(one, FIRST_STEP))(x)

    def body(carry: Carry) -> Carry:
        state, job, following, queue = carry
        whose = group[jnp.minimum(job, n_jobs - 1)]
        own_rows = jax.tree.map(lambda a: a[whose], rows)
        state = jax.vmap(advanced)(state, own_rows, limits.log_weight[whose])
        key = jax.vmap(_key)(state)
        met, one = _met(queue, key, jobs[whose], reach)
        met = met & ((state.code == RUNNING) | (state.code == CONVERGED))
        done = (met | (state.code != RUNNING)) & (job < end)
        noted = dataclasses.replace(state, code=jnp.where(met, RUNNING, state.code))
        queue = jax.tree.map(
            lambda all_, some: all_.at[job].set(some, mode="drop"),
            queue,
            Queue(noted, jnp.where(met, one, job), key),
        )
        new = following + jnp.cumsum(done) - 1
        new = jnp.where(done, jnp.where(new < end, new, n_jobs), job)
        fresh = begun(queue, new)
        state = jax.tree.map(
            lambda old, a: jnp.where(done.reshape((-1,) + (1,) * (a.ndim - 1)), a, old),
            state,
            fresh,
        )
        return state, new, following + jnp.sum(done), queue

    def goes_on(carry: Carry) -> jax.Array:
        _, job, following, _ = carry
        return (following < end) | (jnp.sum(job < end) > few)

    job = first + jnp.arange(width)
    job = jnp.where(job < end, job, n_jobs)
    carry = begun(queue, job), job, first + width, queue
    queue = jax.lax.while_loop(goes_on, body, carry)[3]
    return queue, jax.vmap(how.metric)(queue.state.x)


def _met(
    queue: Queue, key: jax.Array, others: jax.Array, reach: ArrayLike
) -> tuple[jax.Array, jax.Array]:
    """Whether runs (W,) are where one of their groups' other jobs (W, S) has ended, and which."""
    n_jobs = queue.same.shape[0]
    there = jnp.minimum(others, n_jobs - 1)
    gap = jnp.max(jnp.abs(jnp.asarray(queue.key)[there] - key[:, None]), axis=-1)
    near = (gap < reach) & (others < n_jobs) & (queue.state.code[there] == CONVERGED)
    one = jnp.take_along_axis(others, jnp.argmax(near, axis=1)[:, None], axis=1)[:, 0]
    return near.any(axis=1), one


def _key(state: NewtonState) -> jax.Array:
    """By what a run is told from others: where its next step leads, if that is the end."""
    # Where the function is convex and the step is whole, half the squared decrement is foretold.
    square = state.decrement**2
    whole = jnp.abs(state.predicted - 0.5 * square) <= 1e-3 * square
    x = jnp.where(whole & (state.decrement < FORESEEN), state.trial, state.x)
    # As `survjax.fitting.starts.canonical` on the host.
    logits, scales, shapes = weibull_parts(x)
    log_weights = jax.nn.log_softmax(logits)
    order = jnp.argsort(scales - 0.3665 / jnp.exp(shapes))
    return jnp.concatenate([log_weights[order], scales[order], shapes[order]])
