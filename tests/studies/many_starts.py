"""The best interior maximum that a hundred unrelated starts find, to judge a fit by.

Nothing is shared with the library's search but the derivatives, which the study checks by
itself: the starts are random parameters, random memberships and the perturbed truth, the climbs
are `survjax.optimize.newton` on all rows, a third of them at first with a penalty on steep shapes.
"""

from __future__ import annotations

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from survjax import Mixture, Observations, Weibull
from survjax.inference.likelihood import derivatives
from survjax.optimize import newton
from tests.studies.generator import Problem
from tests.studies.independent import MAX_SHAPE, unit, verdict

N_PARAMETERS, N_MEMBERSHIPS, N_TRUTH = 40, 30, 30


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


@partial(jax.jit, static_argnames=("max_iter",))
def _climb(starts: jax.Array, rows: Observations, penalties: jax.Array, max_iter: int) -> tuple:
    """Newton climbs (B, p) with a penalty on each shape over 10, a lane's own strength."""
    k = (starts.shape[-1] + 1) // 3

    def one(start, penalty):
        def minimized(x, amount):
            mixture = Mixture(x[: k - 1], Weibull(x[k - 1 : 2 * k - 1], x[2 * k - 1 :]))
            value, gradient, hessian = derivatives(mixture, rows)
            at = jnp.arange(2 * k - 1, 3 * k - 1)
            # amount * (r - 1 - log r) at r = (shape / 10)^2: a pull that no spike resists.
            r = jnp.exp(2.0 * jnp.minimum(x[2 * k - 1 :] - jnp.log(10.0), 200.0))
            value = -value + amount * jnp.sum(r - 1.0 - jnp.log(r))
            gradient = -gradient.at[at].add(-2.0 * amount * (r - 1.0))
            return value, gradient, -hessian.at[at, at].add(-4.0 * amount * r)

        found = newton(
            None, start, derivatives=minimized, args=(penalty,), max_iter=max_iter, max_step=2.0
        )
        return found.parameters, found.value, found.decrement, found.code

    return jax.vmap(one)(starts, penalties)


def reference(problem: Problem) -> Reference:
    """Climb from all starts and keep the best end point that passes the independent check."""
    with jax.enable_x64(True):
        rows = Observations.from_durations(
            problem.durations / unit(problem),
            problem.events,
            sample_weight=problem.sample_weight,
            resolution=None if problem.resolution is None else problem.resolution / unit(problem),
        ).compressed()
        rows = rows.padded(512 if rows.n_rows <= 512 else 2048)
        x = starts(problem)
        none = np.zeros(len(x))
        penalties = np.tile([0.0, 0.0, 0.1], len(x))[: len(x)]
        x = np.asarray(_climb(x, rows, penalties, max_iter=25)[0])
        x, value, decrement, _ = map(np.asarray, _climb(x, rows, none, max_iter=40))
        best = _inside(x, value, decrement, problem)
        # The few best that are not there yet get all the time they want.
        late = best[(decrement[best] > 1e-6)][:20]
        if late.size:
            again = np.resize(late, 20)
            new = _climb(x[again], rows, none[:20], max_iter=200)
            x, value, decrement = x.copy(), value.copy(), decrement.copy()
            x[again], value[again], decrement[again] = (np.asarray(part) for part in new[:3])
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
        log_likelihood, faults = verdict(problem, weights, scales, shapes)
        if not faults:
            hits = int(np.sum(np.abs(value - value[i]) < 1e-7 * (1 + abs(value[i]))))
            answer = log_likelihood, x[i], hits
    if answer is None:
        return Reference(np.nan, np.full(3 * k - 1, np.nan), 0, len(levels))
    return Reference(*answer, len(levels))
