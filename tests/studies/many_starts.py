"""The best interior maximum that a hundred unrelated starts find, to judge a fit by.

Nothing is shared with the library's search but the derivatives, which the study checks by
itself: the starts are random parameters, random memberships and the perturbed truth, the iterations
those of `survjax.optimize` on all rows, a third of them at first with a penalty on steep shapes.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax import Mixture, Observations, Weibull
from survjax.likelihood.rows import derivatives
from survjax.optimize import ResultCode
from survjax.optimize.newton import NewtonState, advance, init
from tests.studies.generator import Problem
from tests.studies.independent import MAX_SHAPE, unit, verdict

N_PARAMETERS, N_MEMBERSHIPS, N_TRUTH = 40, 30, 30
N_LANES = N_PARAMETERS + N_MEMBERSHIPS + N_TRUTH
#: Iterations of a round, after which searches that have arrived make room; searches of a call.
ROUND, WIDE, NARROW = 6, 32, 8
#: Rows of a chunk, and the most that a problem has.
CHUNK, MOST_ROWS = 64, 2048


@dataclasses.dataclass(frozen=True)
class Reference:
    """The best interior maximum found (NaN: none), and how many starts ended there."""

    log_likelihood: float
    x: np.ndarray
    n_hits: int
    n_maxima: int


def starts(problem: Problem) -> np.ndarray:
    """A hundred starts (100, 3K - 1) on times divided by `unit(problem)`."""
    rng = np.random.default_rng([problem.number, 100])
    k = problem.n_components
    time = problem.durations / unit(problem)
    quantiles = np.log(np.quantile(time, rng.random((N_PARAMETERS, k))))
    free = np.concatenate(
        [
            rng.uniform(-2.5, 2.5, (N_PARAMETERS, k - 1)),
            quantiles + rng.normal(0, 0.5, (N_PARAMETERS, k)),
            rng.uniform(np.log(0.3), np.log(15), (N_PARAMETERS, k)),
        ],
        axis=1,
    )
    members = np.stack([_from_memberships(problem, time, rng) for _ in range(N_MEMBERSHIPS)])
    truth = np.concatenate(
        [
            np.log(problem.weights[1:] / problem.weights[0]),
            np.log(problem.scales / unit(problem)),
            np.log(problem.shapes),
        ]
    )
    spread = np.repeat([0.05, 0.3, 0.8], N_TRUTH // 3)[:, None]
    near = truth + spread * rng.normal(size=(N_TRUTH, truth.size))
    return np.concatenate([free, members, near])


def _from_memberships(problem: Problem, time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Parameters by moments from random memberships: pure noise, or noise around random units."""
    k, log_time = problem.n_components, np.log(time)
    centers = rng.choice(log_time, k)[:, None]
    width = np.exp(rng.uniform(-3, 0.5, (k, 1))) * (log_time.std() + 1e-9)
    pull = rng.integers(2) * -0.5 * ((log_time - centers) / width) ** 2
    score = pull + rng.gumbel(size=(k, time.size)) * rng.choice([0.3, 1.0, 3.0])
    share = np.exp(score - score.max(0))
    share = share / share.sum(0) * problem.units
    seen = share * (0.05 + problem.events)
    mean = (seen @ log_time) / seen.sum(1)
    spread = np.sqrt(np.sum(seen * (log_time - mean[:, None]) ** 2, 1) / seen.sum(1))
    shape = np.clip(1.28 / (spread + 1e-3), 0.1, 30.0)
    total = share.sum(1) + 0.5
    return np.concatenate([np.log(total[1:] / total[0]), mean + 0.58 / shape, np.log(shape)])


@jax.jit
def _round(states: NewtonState, penalties: jax.Array, rows: Observations, n_chunks: int) -> Any:
    """A round of Newton iterations in each search, with its penalty on shapes over 10.

    Only the first chunks of the rows count: one program serves samples of any size.
    """
    k = (states.x.shape[-1] + 1) // 3

    def likelihood(x: jax.Array) -> Any:
        def add(i: Any, total: Any) -> Any:
            part = rows._map(lambda column: lax.dynamic_slice(column, (i * CHUNK,), (CHUNK,)))
            mixture = Mixture(x[: k - 1], Weibull(x[k - 1 : 2 * k - 1], x[2 * k - 1 :]))
            return jax.tree.map(jnp.add, total, derivatives(mixture, part))

        p = x.size
        return lax.fori_loop(0, n_chunks, add, (jnp.zeros(()), jnp.zeros(p), jnp.zeros((p, p))))

    def search(state: NewtonState, amount: jax.Array) -> NewtonState:
        def step(_: Any, state: NewtonState) -> NewtonState:
            x = state.trial
            value, gradient, hessian = likelihood(x)
            at = jnp.arange(2 * k - 1, 3 * k - 1)
            # amount * (r - 1 - log r) at r = (shape / 10)^2: a pull that no spike resists.
            r = jnp.exp(2.0 * jnp.minimum(x[2 * k - 1 :] - jnp.log(10.0), 200.0))
            value = -value + amount * jnp.sum(r - 1.0 - jnp.log(r))
            gradient = -gradient.at[at].add(-2.0 * amount * (r - 1.0))
            hessian = -hessian.at[at, at].add(-4.0 * amount * r)
            new = advance(state, value, gradient, hessian, tol=1e-7, max_iter=10**6, max_step=2.0)
            running = state.code == int(ResultCode.RUNNING)
            return jax.tree.map(partial(jnp.where, running), new, state)

        return lax.fori_loop(0, ROUND, step, state)

    return jax.vmap(search)(states, penalties)


_begin = jax.jit(jax.vmap(partial(init, max_step=2.0)))


def _climb(
    x: np.ndarray, penalties: np.ndarray, rows: Observations, n_chunks: int, n_rounds: int
) -> Any:
    """Rounds of Newton iterations from x (B, p), each of the searches that still move."""
    states = jax.tree.map(np.array, _begin(np.resize(x, (N_LANES, x.shape[1]))))
    for _ in range(n_rounds):
        moving = np.flatnonzero(states.code[: len(x)] == int(ResultCode.RUNNING))
        moving = moving[~_hopeless(states.x[moving])]
        while moving.size:
            width = WIDE if moving.size > 2 * NARROW else NARROW
            searches, moving = moving[:width], moving[width:]
            which = np.resize(searches, width)
            some = jax.tree.map(lambda part, which=which: part[which], states)
            new = _round(some, penalties[which], rows, n_chunks)
            for old, part in zip(jax.tree.leaves(states), jax.tree.leaves(new), strict=True):
                old[searches] = np.asarray(part)[: searches.size]
    return jax.tree.map(lambda part: part[: len(x)], states)


def _hopeless(x: np.ndarray) -> np.ndarray:
    """Searches that have collapsed on one time, or lost a component: no way leads back."""
    k = (x.shape[1] + 1) // 3
    return (x[:, 2 * k - 1 :].max(1) > np.log(20 * MAX_SHAPE)) | (np.abs(x[:, : k - 1]).max(1) > 20)


def reference(problem: Problem) -> Reference:
    """CoxMaximum from all starts and keep the best end point that passes the independent check."""
    with jax.enable_x64(True):
        rows = Observations.from_durations(
            problem.durations / unit(problem),
            problem.events,
            sample_weight=problem.sample_weight,
            resolution=None if problem.resolution is None else problem.resolution / unit(problem),
        ).compressed()
        given = rows.padded(MOST_ROWS), -(-rows.n_rows // CHUNK)
        x = starts(problem)
        none, penalties = np.zeros(len(x)), np.full(len(x), 0.1)
        pulled = np.arange(len(x)) % 3 == 2
        x[pulled] = _climb(x[pulled], penalties, *given, n_rounds=4).x
        found = _climb(x, none, *given, n_rounds=8)
        x, value, decrement = found.x, found.value, found.decrement
        # The few best that are not there yet get all the time they want.
        best = _inside(x, value, decrement, problem)
        late = best[decrement[best] > 1e-6][:20]
        if late.size:
            new = _climb(x[late], none, *given, n_rounds=30)
            x[late], value[late], decrement[late] = new.x, new.value, new.decrement
    return _judged(x, value, decrement, problem)


def _inside(
    x: np.ndarray, value: np.ndarray, decrement: np.ndarray, problem: Problem
) -> np.ndarray:
    """Indices of the points within the rule, with a margin, the lowest value first."""
    k = problem.n_components
    logits = np.concatenate([np.zeros((len(x), 1)), x[:, : k - 1]], axis=1)
    weights = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    good = np.isfinite(value) & (x[:, 2 * k - 1 :].max(1) < np.log(2 * MAX_SHAPE))
    good &= weights.min(1) * problem.units.sum() > 0.3
    order = np.argsort(value)
    return order[good[order]]


def _judged(x: np.ndarray, value: np.ndarray, decrement: np.ndarray, problem: Problem) -> Reference:
    k = problem.n_components
    tried = 0
    levels: list[float] = []
    answer = None
    for i in _inside(x, value, decrement, problem):
        if decrement[i] > 1e-5:
            continue
        if any(abs(value[i] - level) < 1e-7 * (1 + abs(level)) for level in levels):
            continue
        levels.append(float(value[i]))
        if answer is not None or tried > 12:
            continue
        tried += 1
        logits = np.concatenate([[0.0], x[i, : k - 1]])
        weights = np.exp(logits - np.logaddexp.reduce(logits))
        scales, shapes = unit(problem) * np.exp(x[i, k - 1 : 2 * k - 1]), np.exp(x[i, 2 * k - 1 :])
        log_likelihood, violations = verdict(problem, weights, scales, shapes)
        if not violations:
            hits = int(np.sum(np.abs(value - value[i]) < 1e-7 * (1 + abs(value[i]))))
            answer = log_likelihood, x[i], hits
    if answer is None:
        return Reference(np.nan, np.full(3 * k - 1, np.nan), 0, len(levels))
    return Reference(*answer, len(levels))
