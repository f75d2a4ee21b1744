"""The highest interior maximum of a Weibull mixture's likelihood.

The likelihood is unbounded: a component can collapse on one time. The answer is the highest
local maximum inside the rule (`Interior`), found by Newton climbs from many starts on a
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
from survjax.inference.lanes import Climb, Rules, ascend, canonical
from survjax.inference.likelihood import BLOCK, derivatives
from survjax.inference.passes import LANES, ROWS, Passes
from survjax.inference.starts import (
    expectation_maximization,
    guesses,
    moment_start,
    weibull_start,
)
from survjax.inference.summaries import condense, is_plain
from survjax.lifetimes import Mixture, Weibull
from survjax.optimize import ResultCode
from survjax.optimize.newton import NewtonState, advance, init

__all__ = [
    "BLOCK",
    "RANK_ROWS",
    "SEARCH_ROWS",
    "Climb",
    "Interior",
    "Maximum",
    "climb",
    "faults",
    "moment_start",
    "padded",
    "penalized_derivatives",
    "search",
    "single_weibull",
    "weibulls",
]

#: Rows on which all starts climb, and on which the best few are ranked before the last polish.
SEARCH_ROWS, RANK_ROWS = ROWS, 8192
#: Rows for the search where neighbors cannot be merged, so that fewer would be a poor sample.
SAMPLE_ROWS = 4 * ROWS
#: How many different maxima go on from the search, and how far below the best they may lie.
N_CANDIDATES, MARGIN = 8, 10.0
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


def faults(found: Climb, rule: Interior, n_units: float) -> tuple[str, ...]:
    """Why a point is not an interior maximum, the most telling reason first; empty if it is one."""
    k = (found.x.size + 1) // 3
    words = []
    if k > 1:
        shapes = np.exp(np.minimum(found.x[2 * k - 1 :], 700.0))
        if shapes.max() > rule.max_shape:
            words.append(f"a component collapses on one time (shape over {rule.max_shape:g})")
        logits = np.concatenate([[0.0], found.x[: k - 1]])
        weights = np.exp(logits - np.logaddexp.reduce(logits))
        if weights.min() * n_units < rule.min_units:
            words.append(f"a component holds fewer than {rule.min_units:g} expected units")
    if found.code not in (ResultCode.CONVERGED, ResultCode.ROUNDING):
        words.append("the iteration did not converge")
    elif not np.isfinite(found.value):
        words.append("the log-likelihood is not finite")
    unit, scale = unit_information(-found.hessian)
    smallest = smallest_eigenvalue(unit)
    if not smallest > 0:
        words.append("the Hessian is not negative definite")
    elif np.max(scale * np.sqrt(np.diag(np.linalg.pinv(unit, hermitian=True)))) > OPEN:
        words.append("the data leave a parameter open")
    elif smallest < 1e-11:
        words.append("the Hessian is singular within rounding")
    return tuple(words)


def unit_information(information: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The information scaled to a unit diagonal, free of units, and the scales (p,).

    NaN where it has no positive diagonal, and so is not definite.
    """
    diagonal = np.diag(information)
    if not (np.all(np.isfinite(information)) and np.all(diagonal > 0)):
        return np.full_like(information, np.nan), np.full_like(diagonal, np.nan)
    scale = 1.0 / np.sqrt(diagonal)
    with np.errstate(over="ignore"):
        return information * scale[:, None] * scale, scale


def smallest_eigenvalue(unit: np.ndarray) -> float:
    """Smallest eigenvalue of a scaled information; NaN where its entries tell that it has none."""
    # No entry of a definite matrix exceeds its diagonal: LAPACK may fail on such that do.
    if not np.all(np.abs(unit) < 2.0):
        return np.nan
    return float(np.linalg.eigvalsh(unit)[0])


@dataclasses.dataclass(frozen=True)
class Maximum:
    """The answer of a search, with what it stands on."""

    best: Climb
    faults: tuple[str, ...]
    n_starts: int
    n_agreeing: int
    others: tuple[Climb, ...]
    start: np.ndarray


def single_weibull(rows: Observations, tol: float, max_iter: int) -> Climb:
    """The maximum for one Weibull; its log-likelihood has no other."""
    start = weibull_start(condense(rows, RANK_ROWS))
    return ascend(Passes(rows), start[None], 1, _rules(rows, Interior(1e8), tol, max_iter))[0]


def _rules(rows: Observations, rule: Interior, tol: float, max_iter: int) -> Rules:
    """Rules for a climb without penalty."""
    return Rules(
        penalty=0.0,
        reference=0.0,
        max_shape=rule.max_shape,
        min_units=rule.min_units,
        n_units=rows.n_units,
        tol=tol,
        max_iter=max_iter,
    )


def search(
    rows: Observations,
    n_components: int,
    *,
    n_starts: int,
    rule: Interior,
    tol: float,
    max_iter: int,
    random_state: Any,
    reference: Climb | None = None,
) -> Maximum:
    """Find the highest interior maximum with K > 1 components.

    `reference` is the single Weibull's maximum, if known; its shape sets the penalty's scale.
    """
    small = condense(rows, SEARCH_ROWS if is_plain(rows) else SAMPLE_ROWS)
    starts = expectation_maximization(guesses(small, n_components, n_starts, random_state), small)
    last = _rules(rows, rule, tol, max_iter)
    # A maximum of condensed rows is polished on all of them, so it need not be exact.
    first = dataclasses.replace(
        last,
        penalty=1.0 / rows.n_units,
        reference=(weibull_start(small) if reference is None else reference.x)[1],
        tol=tol if small is rows else max(tol, 1e-2),
    )
    passes = Passes(small)
    found = climbs = ascend(passes, starts, passes.copies, first)
    for size in (RANK_ROWS, rows.n_rows):
        larger = condense(rows, size)
        if larger.n_rows <= small.n_rows:
            continue
        chosen = _candidates(found, rule, rows.n_units)
        points = np.stack([c.penalized if faults(c, rule, rows.n_units) else c.x for c in chosen])
        # The last step of a climb is as good as another iteration.
        found = ascend(Passes(larger), points, LANES, last)
        small = larger
    ranked = _distinct(found, rule, rows.n_units)
    best = ranked[0]
    gaps = [np.abs(canonical(c.x[None]) - canonical(best.x[None])).max() for c in climbs]
    agreeing = sum(c.n_merged for c, gap in zip(climbs, gaps, strict=True) if gap < 0.1)
    start = starts[climbs[int(np.argmin(gaps))].start]
    words = faults(best, rule, rows.n_units)
    if words:
        # A collapse on single times is no answer: the penalized fit stands in, and says so.
        best = _at(best, best.penalized, rows)
    return Maximum(best, words, n_starts, agreeing, tuple(ranked[1:]), start)


def _at(climb: Climb, x: np.ndarray, rows: Observations) -> Climb:
    """The same climb taken down at another point, with the derivatives there."""
    value, gradient, hessian = Passes(rows)(x[None])
    return dataclasses.replace(
        climb,
        x=x,
        value=float(value[0]),
        gradient=gradient[0],
        hessian=hessian[0],
        decrement=float("nan"),
    )


def _candidates(found: list[Climb], rule: Interior, n_units: float) -> list[Climb]:
    """End points worth a climb on more rows."""
    ranked = _distinct(found, rule, n_units)
    good = [c for c in ranked if not faults(c, rule, n_units)]
    if not good:
        return ranked[:N_CANDIDATES]
    return [c for c in good if c.value > good[0].value - MARGIN][:N_CANDIDATES]


def _distinct(found: list[Climb], rule: Interior, n_units: float) -> list[Climb]:
    """Different end points, interior maxima first, then by falling log-likelihood."""

    def rank(c: Climb) -> tuple[bool, float]:
        value = c.value if np.isfinite(c.value) else -np.inf
        return bool(faults(c, rule, n_units)), -value

    kept: list[Climb] = []
    for candidate in sorted(found, key=rank):
        known = any(
            abs(c.value - candidate.value) < 1e-6 * (1 + abs(c.value))
            and np.abs(canonical(c.x[None]) - canonical(candidate.x[None])).max() < 1e-3
            for c in kept
        )
        if not known:
            kept.append(candidate)
    return kept
