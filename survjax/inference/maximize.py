"""The highest interior maximum of a Weibull mixture's likelihood.

The likelihood is unbounded: a component can collapse on one time. The answer is the highest
local maximum inside the rule (`Interior`), found by Newton iterations from many starts on a
condensed data set, and polished on all rows. Each climb first carries a vanishing penalty that
keeps shapes finite (Chen, Tan and Zhang 2008), then drops it.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax._core.numerics import bucket_size
from survjax._core.observations import Observations
from survjax.inference.likelihood import BLOCK, derivatives
from survjax.inference.starts import expectation_maximization, guesses, representative
from survjax.inference.summaries import condense
from survjax.lifetimes import Mixture, Weibull
from survjax.optimize import ResultCode
from survjax.optimize.newton import NewtonState, advance, init

#: Rows on which all starts climb, and on which the best few are ranked before the last polish.
SEARCH_ROWS, RANK_ROWS = 512, 8192
#: How many different maxima go on from the search.
N_CANDIDATES = 4
#: A standard error above this on the log or logit scale means that the data leave it open.
OPEN = 30.0


@dataclasses.dataclass(frozen=True)
class Interior:
    """The rule that an answer must meet, besides a zero gradient and a definite Hessian.

    Attributes
    ----------
    max_shape : float
        No component steeper than this: beyond lie collapses on single times.
    min_units : float
        Expected units that each component must hold.
    """

    max_shape: float = 60.0
    min_units: float = 1.5


@dataclasses.dataclass(frozen=True)
class Climb:
    """One maximum reached: point, value, derivatives and how the iteration ended."""

    x: np.ndarray
    value: float
    gradient: np.ndarray
    hessian: np.ndarray
    decrement: float
    n_iter: int
    code: int
    penalized: np.ndarray


def weibulls(x: Any) -> Mixture:
    """The mixture whose raveled parameters are x (3K - 1,): logits, log scales, log shapes."""
    k = (x.shape[-1] + 1) // 3
    return Mixture(x[: k - 1], Weibull(x[k - 1 : 2 * k - 1], x[2 * k - 1 :]))


def penalized_derivatives(
    x: jax.Array, rows: Observations, amount: jax.Array, reference: jax.Array
) -> tuple[Any, Any, Any]:
    """Minus the log-likelihood plus `amount` times the penalty, with gradient and Hessian.

    The penalty on each shape is r - 1 - log r, r = (shape / reference)^2, `reference` on the log
    scale.
    """
    k = (x.shape[-1] + 1) // 3
    value, gradient, hessian = derivatives(weibulls(x), rows)
    log_ratio = 2.0 * (x[2 * k - 1 :] - reference)
    ratio = jnp.exp(jnp.minimum(log_ratio, 600.0))
    value = -value + amount * jnp.sum(ratio - 1.0 - log_ratio)
    gradient = -gradient.at[2 * k - 1 :].add(-2.0 * amount * (ratio - 1.0))
    at = jnp.arange(2 * k - 1, 3 * k - 1)
    return value, gradient, -hessian.at[at, at].add(-4.0 * amount * ratio)


@partial(jax.jit, static_argnames=("max_iter",))
def climb(
    starts: jax.Array,
    rows: Observations,
    penalty: jax.Array,
    reference: jax.Array,
    max_shape: jax.Array,
    tol: jax.Array,
    max_iter: int,
) -> tuple[NewtonState, jax.Array]:
    """Newton iterations from each start (B, p), with the penalty and then without it.

    Both phases run in one loop, so the derivatives are compiled once.
    """
    k = (starts.shape[-1] + 1) // 3

    def lane(start: jax.Array) -> tuple[NewtonState, jax.Array]:
        def body(carry: Any) -> Any:
            state, amount, penalized = carry
            found = penalized_derivatives(state.trial, rows, amount, reference)
            state = advance(state, *found, tol=tol, max_iter=max_iter, max_step=3.0)
            free = amount == 0.0
            steep = jnp.max(state.x[2 * k - 1 :]) > jnp.log(max_shape) + 1.0
            code = jnp.where(free & steep, int(ResultCode.STALLED), state.code)
            switch = (code != int(ResultCode.RUNNING)) & ~free
            again = dataclasses.replace(init(state.x, 0.5), n_iter=state.n_iter - 1)
            state = dataclasses.replace(state, code=code)
            pick = partial(jnp.where, switch)
            penalized = pick(state.x, penalized)
            return jax.tree.map(pick, again, state), pick(0.0, amount), penalized

        carry = (init(start, 1.0), jnp.asarray(penalty, start.dtype), start)
        running = int(ResultCode.RUNNING)
        state, _, penalized = lax.while_loop(lambda c: c[0].code == running, body, carry)
        return state, penalized

    return jax.vmap(lane)(starts)


def padded(rows: Observations) -> Observations:
    """Rows filled up to a size that others share, whole blocks where there are several."""
    size = bucket_size(rows.n_rows)
    return rows.padded(size if size <= BLOCK else -(-size // BLOCK) * BLOCK)


def climb_all(
    starts: np.ndarray,
    rows: Observations,
    *,
    penalty: float,
    reference: float,
    rule: Interior,
    tol: float,
    max_iter: int,
) -> list[Climb]:
    """Run `climb` on padded rows and hand back one `Climb` a start."""
    state, penalized = climb(
        starts, padded(rows), penalty, reference, rule.max_shape, tol, max_iter
    )
    s = jax.tree.map(np.asarray, state)
    return [
        Climb(
            s.x[i],
            -float(s.value[i]),
            -s.gradient[i],
            -s.hessian[i],
            float(s.decrement[i]),
            int(s.n_iter[i]),
            int(s.code[i]),
            np.asarray(penalized)[i],
        )
        for i in range(len(starts))
    ]


def faults(found: Climb, rule: Interior, n_units: float) -> tuple[str, ...]:
    """Why a point is not an interior maximum; empty where it is one."""
    k = (found.x.size + 1) // 3
    words = []
    if found.code not in (ResultCode.CONVERGED, ResultCode.ROUNDING):
        words.append("the iteration did not converge")
    elif not np.isfinite(found.value):
        words.append("the log-likelihood is not finite")
    information = -found.hessian
    if not np.all(np.isfinite(information)) or np.linalg.eigvalsh(information)[0] <= 0:
        words.append("the Hessian is not negative definite")
    elif np.sqrt(np.max(np.diag(np.linalg.pinv(information, hermitian=True)))) > OPEN:
        words.append("the data leave a parameter open")
    elif _smallest_eigenvalue(information) < 1e-11:
        words.append("the Hessian is singular within rounding")
    if k > 1:
        shapes = np.exp(found.x[2 * k - 1 :])
        if shapes.max() > rule.max_shape:
            words.append(f"a component collapses on one time (shape over {rule.max_shape:g})")
        logits = np.concatenate([[0.0], found.x[: k - 1]])
        weights = np.exp(logits - np.logaddexp.reduce(logits))
        if weights.min() * n_units < rule.min_units:
            words.append(f"a component holds fewer than {rule.min_units:g} expected units")
    return tuple(words)


def _smallest_eigenvalue(information: np.ndarray) -> float:
    """Smallest eigenvalue of the information scaled to a unit diagonal: free of units."""
    scale = 1.0 / np.sqrt(np.diag(information))
    return float(np.linalg.eigvalsh(information * np.outer(scale, scale))[0])


@dataclasses.dataclass(frozen=True)
class Maximum:
    """The answer of a search, with what it stands on."""

    best: Climb
    faults: tuple[str, ...]
    n_starts: int
    n_agreeing: int
    others: tuple[Climb, ...]
    start: np.ndarray


def moment_start(rows: Observations) -> np.ndarray:
    """Log scale and log shape of one Weibull from the moments of log time: where to begin."""
    log_time, event = representative(rows)
    held = rows.weight * (0.05 + event)
    mean = np.sum(held * log_time) / held.sum()
    sd = np.sqrt(np.sum(held * (log_time - mean) ** 2) / held.sum())
    shape = np.clip(1.28 / max(sd, 1e-9), 0.02, 50.0)
    n_failed = max(rows.n_events, 1e-3)
    power = rows.weight @ np.exp(np.clip(shape * (log_time - mean), -300.0, 300.0))
    return np.array([mean + np.log(power / n_failed) / shape, np.log(shape)])


def single_weibull(rows: Observations, tol: float, max_iter: int) -> Climb:
    """The maximum for one Weibull, from a moment start; its log-likelihood is unimodal."""
    start = moment_start(rows)
    rule = Interior(max_shape=1e8)
    small = condense(rows, RANK_ROWS)
    settings = {"penalty": 0.0, "reference": 0.0, "rule": rule, "tol": tol, "max_iter": max_iter}
    found = climb_all(start[None], small, **settings)[0]
    if small is not rows and np.all(np.isfinite(found.x)):
        found = climb_all(found.x[None], rows, **settings)[0]
    return found


def search(
    rows: Observations,
    n_components: int,
    *,
    n_starts: int,
    rule: Interior,
    reference: Climb,
    tol: float,
    max_iter: int,
    random_state: Any,
) -> Maximum:
    """Find the highest interior maximum with K > 1 components.

    `reference` is the single Weibull's maximum, whose shape sets the penalty's scale.
    """
    small = condense(rows, SEARCH_ROWS)
    small = padded(small)
    tables = guesses(small, n_components, n_starts, random_state)
    starts = np.asarray(expectation_maximization(tables, *representative(small), small.weight))
    n_units = rows.n_units
    settings = {
        "penalty": 1.0 / n_units,
        "reference": reference.x[-1],
        "rule": rule,
        "tol": tol,
        "max_iter": max_iter,
    }
    found = climb_all(starts, small, **settings)
    agreeing = found
    for size in (RANK_ROWS, None):
        larger = rows if size is None else condense(rows, size)
        if (larger.n_rows <= small.n_rows and size is not None) or small is larger:
            continue
        if larger.n_rows <= SEARCH_ROWS:
            break
        best = _distinct(found, rule, n_units)[: N_CANDIDATES if size else 1]
        points = np.stack([c.x if not faults(c, rule, n_units) else c.penalized for c in best])
        lanes = N_CANDIDATES if size else 1
        points = np.concatenate([points, np.repeat(points[:1], lanes - len(points), 0)])
        found = climb_all(points, larger, **(settings | {"penalty": 0.0}))[: len(best)]
        small = larger
        if larger is rows:
            break
    ranked = _distinct(found, rule, n_units)
    best = ranked[0]
    same = [c for c in agreeing if np.abs(_sorted(c.x) - _sorted(best.x)).max() < 0.1]
    nearest = int(np.argmin([np.abs(c.x - best.x).max() for c in agreeing]))
    return Maximum(
        best, faults(best, rule, n_units), n_starts, len(same), tuple(ranked[1:]), starts[nearest]
    )


def _sorted(x: np.ndarray) -> np.ndarray:
    """Log scales and log shapes in the order of the scales: comparable between labelings."""
    k = (x.size + 1) // 3
    order = np.argsort(x[k - 1 : 2 * k - 1])
    return np.concatenate([x[k - 1 : 2 * k - 1][order], x[2 * k - 1 :][order]])


def _distinct(found: list[Climb], rule: Interior, n_units: float) -> list[Climb]:
    """Different end points, interior maxima first, then by falling log-likelihood."""

    def rank(c: Climb) -> tuple[bool, float]:
        value = c.value if np.isfinite(c.value) else -np.inf
        return bool(faults(c, rule, n_units)), -value

    kept: list[Climb] = []
    for candidate in sorted(found, key=rank):
        known = any(
            abs(c.value - candidate.value) < 1e-6 * (1 + abs(c.value))
            and np.abs(_sorted(c.x) - _sorted(candidate.x)).max() < 1e-3
            for c in kept
        )
        if not known:
            kept.append(candidate)
    return kept
