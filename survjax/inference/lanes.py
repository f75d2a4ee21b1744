"""Newton climbs from many starts at once: as many lanes as a pass holds, fed from a queue.

Each lane climbs with the safeguards of `survjax.optimize` (absolute eigenvalues, a trust region,
the Newton decrement). With a penalty on steep shapes, if the rules have one, a climb begins, and
goes on without. A lane that arrives, collapses, or catches up with another makes room for the next
start, so that the work is the sum of all climbs and not the longest one times their number. The
loop runs on the host: a compiled one costs a first fit more time than it ever saves. A round is
some hundred operations on small arrays, so each of them counts.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from survjax.inference._lane_state import Lanes
from survjax.inference._lane_steps import advance, judge
from survjax.inference.climbs import (
    CONVERGED,
    ROUNDING,
    RUNNING,
    STALLED,
    Climb,
    Evaluate,
    Rules,
    canonical,
)

#: Two climbs toward points this close are one.
SAME = 0.05
#: Decrements below which a climb's model tells where it goes: by itself, and if it also foretells
#: the height of a maximum found before.
CLOSE, FAR = 0.5, 8.0
#: Starts that are climbed from, however low they lie.
FEW = 8


def ascend(
    evaluate: Evaluate,
    starts: np.ndarray,
    width: int,
    rules: Rules,
    counts: np.ndarray | None = None,
) -> list[Climb]:
    """Climb from each start (B, p); `evaluate` takes (width, p) to value, gradient, Hessian.

    Start i counts as `counts[i]` of those that end where it does.
    """
    lanes = Lanes(starts, min(width, len(starts)), rules)
    with np.errstate(all="ignore"):
        while lanes.who.size:
            judge(lanes, evaluate(lanes.trial))
            advance(lanes)
            _settle(lanes)
            lanes.keep_busy()
        return _with_merged(lanes, np.ones(len(starts), int) if counts is None else counts)


def _with_merged(s: Lanes, counts: np.ndarray) -> list[Climb]:
    """Count each lane that was let go with the climb it was following."""
    total = counts[[c.start for c in s.found]]
    if s.merged:
        points = canonical(np.stack([c.x for c in s.found]))
        ends = np.stack([end for _, end in s.merged])
        nearest = np.abs(ends[:, None] - points).max(2).argmin(1)
        np.add.at(total, nearest, counts[[start for start, _ in s.merged]])
    return [
        c if n == c.n_merged else dataclasses.replace(c, n_merged=int(n))
        for c, n in zip(s.found, total, strict=True)
    ]


def _settle(s: Lanes) -> None:
    """Take down what arrived, collapsed or merged, and load the next starts."""
    log_shapes, logits = s.x[:, 2 * s.k - 1 :], s.x[:, : s.k - 1]
    # Logits this large are needed for a share so small: mostly there is nothing to work out.
    if log_shapes.max() > s.steep or (s.k > 1 and 2.0 * np.abs(logits).max() > s.light - s.k):
        _let_go(s, log_shapes, logits)
    for lane in np.flatnonzero(s.code != RUNNING).tolist():
        value, gradient, hessian = (table[lane] for table in s.raw)
        end = Climb(
            s.x[lane].copy(),
            float(value),
            gradient.copy(),
            hessian.copy(),
            float(s.decrement[lane]),
            int(s.n_iter[lane]),
            int(s.code[lane]),
            s.penalized[lane].copy(),
            int(s.who[lane]),
        )
        s.found.append(end)
        if end.code in (CONVERGED, ROUNDING):
            s.tops = np.concatenate([s.tops, canonical(end.x[None])])
            s.levels = np.append(s.levels, end.value)
        s.load(lane)
    if s.rules.margin < np.inf:
        _leave_out(s)
    if s.rules.merge:
        _merge(s)


def _leave_out(s: Lanes) -> None:
    """Do not climb from starts that lie far below others."""
    new = (s.n_iter == 0) & (s.who >= 0)
    if new.size <= FEW or not new.any():
        return
    # A lane that is just loaded has no value yet.
    value = np.where(s.n_iter >= 0, s.raw[0], -np.inf)
    far = new & (value < min(np.partition(value, -FEW)[-FEW], value.max() - s.rules.margin))
    for lane in np.flatnonzero(far).tolist():
        s.load(lane)


def _let_go(s: Lanes, log_shapes: np.ndarray, logits: np.ndarray) -> None:
    """Stop lanes with a component that has collapsed on one time, or is nearly gone."""
    gone = log_shapes.max(1) > s.steep
    if s.k > 1:
        top = np.maximum(logits.max(1), 0.0)
        total = np.exp(-top) + np.exp(logits - top[:, None]).sum(1)
        gone |= np.minimum(logits.min(1), 0.0) - top - np.log(total) < -s.light
    s.code[gone & (s.amount == 0.0) & (s.code == RUNNING)] = STALLED


def _merge(s: Lanes) -> None:
    """Let go of lanes whose quadratic model ends where another's does, or where one has ended."""
    here = (s.who >= 0) & (s.n_iter >= 0) & s.convex
    close = here & (s.decrement < CLOSE)
    n_known = s.levels.size
    far = here & s.whole & (s.amount == 0) & (s.decrement < FAR) if n_known else close
    lanes = np.flatnonzero(close | far)
    if lanes.size == 0 or lanes.size + n_known < 2:
        return
    ends, close, far = canonical(s.trial[lanes]), close[lanes], far[lanes]
    if n_known:
        gaps = np.maximum.reduce(np.abs(ends[:, None] - s.tops), axis=2)
        # The model of a lane further off must also foretell how high the maximum is.
        gain = 0.5 * s.decrement[lanes] ** 2
        amiss = np.abs((s.raw[0][lanes] + gain)[:, None] - s.levels)
        there = far[:, None] & (gaps < 2.0 * SAME) & (amiss < 0.05 + 0.25 * gain[:, None])
        there |= close[:, None] & (gaps < SAME)
        same = there.any(1)
        for i in np.flatnonzero(same).tolist():
            s.merged.append((int(s.who[lanes[i]]), ends[i]))
            s.load(int(lanes[i]))
        close &= ~same
    lanes, ends = lanes[close], ends[close]
    kept: list[int] = []
    for i in s.decrement[lanes].argsort().tolist():
        if kept and (np.abs(ends[kept] - ends[i]).max(1) < SAME).any():
            s.merged.append((int(s.who[lanes[i]]), ends[i]))
            s.load(int(lanes[i]))
        else:
            kept.append(i)
