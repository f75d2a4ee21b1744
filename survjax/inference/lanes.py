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
from collections.abc import Callable

import numpy as np

from survjax.optimize import ResultCode

EPS = float(np.finfo(float).eps)
#: Plain numbers: an array takes long to be compared with a member of an enumeration.
RUNNING, CONVERGED, ROUNDING, STALLED, MAX_ITERATIONS, NOT_FINITE = (
    int(ResultCode[name])
    for name in ("RUNNING", "CONVERGED", "ROUNDING", "STALLED", "MAX_ITERATIONS", "NOT_FINITE")
)
#: Longest step, and the radii with which a climb begins and goes on without the penalty.
MAX_STEP, FIRST_RADIUS, SECOND_RADIUS = 3.0, 1.0, 0.5
#: The penalty goes once the decrement is below this.
NEAR = 0.3
#: Shares of the largest eigenvalue: rounding noise, and a flat direction.
FLOOR, FLAT = 1e-13, 1e-10
#: Two climbs toward points this close are one.
SAME = 0.05
#: A last step is taken without a look at where it leads if the decrement there, as the one before
#: foretells it, stays below the tolerance by this factor.
SAFETY = 10.0


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
    start: int = 0
    n_merged: int = 1


@dataclasses.dataclass(frozen=True)
class Rules:
    """When a climb stops, and what pulls on it."""

    penalty: float
    reference: float
    max_shape: float
    min_units: float
    n_units: float
    tol: float
    max_iter: int
    merge: bool = True


class Lanes:
    """State of the lanes: arrays with a leading axis of their number.

    `raw` holds value, gradient and Hessian of the log-likelihood at `x`, the last point accepted;
    `value` is the objective there, minus the log-likelihood plus the penalty.
    """

    def __init__(self, starts: np.ndarray, width: int, rules: Rules) -> None:
        self.starts, self.rules = starts, rules
        p = starts.shape[1]
        self.k = (p + 1) // 3
        #: What bends a Newton path, in standard errors, is at least of this order.
        self.bend = 1.0 / np.sqrt(max(rules.n_units, 1.0))
        self.next = 0
        self.who = np.full(width, -1)
        self.x, self.trial, self.penalized = np.zeros((3, width, p))
        self.raw: tuple[np.ndarray, ...] = (
            np.zeros(width),
            np.zeros((width, p)),
            np.zeros((width, p, p)),
        )
        self.value, self.steepness, self.amount, self.radius = np.zeros((4, width))
        self.length, self.predicted, self.decrement = np.zeros((3, width))
        self.n_iter, self.code = np.zeros((2, width), int)
        self.accept, self.convex, self.whole = np.zeros((3, width), bool)
        self.merged: list[tuple[int, np.ndarray]] = []
        self.found: list[Climb] = []
        for lane in range(width):
            self.load(lane)

    def load(self, lane: int) -> None:
        """Give a lane the next start, or none."""
        if self.next == len(self.starts):
            self.who[lane] = -1
            return
        self.who[lane] = self.next
        self.trial[lane] = self.x[lane] = self.penalized[lane] = self.starts[self.next]
        self.amount[lane] = self.rules.penalty
        self.radius[lane] = FIRST_RADIUS
        self.n_iter[lane] = -1
        self.whole[lane] = False
        self.code[lane] = RUNNING
        self.next += 1

    def keep_busy(self) -> None:
        """Drop the lanes that ran out of starts."""
        busy = self.who >= 0
        if busy.all():
            return
        for name, part in vars(self).items():
            if name == "raw":
                self.raw = tuple(table[busy] for table in part)
            elif isinstance(part, np.ndarray) and name != "starts":
                setattr(self, name, part[busy])

    def objective(
        self, x: np.ndarray, value: np.ndarray, gradient: np.ndarray, hessian: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Minus the log-likelihood plus the penalty, with derivatives."""
        value, gradient, hessian = -value, -gradient, -hessian
        if self.amount.any():
            at = np.arange(2 * self.k - 1, 3 * self.k - 1)
            log_ratio = 2.0 * (x[:, at] - self.rules.reference)
            ratio = np.exp(np.minimum(log_ratio, 600.0))
            value += self.amount * np.add.reduce(ratio - 1.0 - log_ratio, axis=1)
            gradient[:, at] += 2.0 * self.amount[:, None] * (ratio - 1.0)
            hessian[:, at, at] += 4.0 * self.amount[:, None] * ratio
        return value, gradient, hessian


def ascend(
    evaluate: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]],
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
            _judge(lanes, *evaluate(lanes.trial))
            _advance(lanes)
            _settle(lanes)
            lanes.keep_busy()
    counts = np.ones(len(starts), int) if counts is None else counts
    return _with_merged(lanes.found, lanes.merged, counts)


def _with_merged(
    found: list[Climb], merged: list[tuple[int, np.ndarray]], counts: np.ndarray
) -> list[Climb]:
    """Count each lane that was let go with the climb it was following."""
    total = [int(counts[c.start]) for c in found]
    if merged:
        points = canonical(np.stack([c.x for c in found]))
        for start, end in merged:
            total[int(np.argmin(np.abs(points - end).max(1)))] += int(counts[start])
    return [dataclasses.replace(c, n_merged=n) for c, n in zip(found, total, strict=True)]


def _judge(s: Lanes, *raw: np.ndarray) -> None:
    """Accept each trial point or not, and resize the trust regions."""
    value, gradient, hessian = s.objective(s.trial, *raw)
    finite = np.isfinite(value + gradient.sum(1) + hessian.sum((1, 2)))
    first = s.n_iter < 0
    fell = s.value - value
    ratio = fell / np.maximum(s.predicted, 1e-300)
    noise = 8 * EPS * np.maximum(np.abs(value), np.abs(s.value))
    steepness = np.abs(gradient).max(1)
    level = (np.abs(fell) <= noise) & (steepness < s.steepness)
    s.accept = a = finite & (first | (ratio > 1e-4) | level)
    good = (ratio > 0.75) | level
    radius = np.where(
        good & (s.length > 0.99 * s.radius), np.minimum(2 * s.radius, MAX_STEP), s.radius
    )
    radius = np.where(~good & (ratio < 0.25), 0.5 * s.length, radius)
    radius = np.where(a, radius, 0.25 * s.length)
    s.radius = np.where(first, s.radius, radius)
    s.code[first & ~finite] = NOT_FINITE
    s.n_iter += 1
    s.whole &= a
    if a.all():
        s.x, s.value, s.steepness, s.raw = s.trial, value, steepness, raw
        return
    s.x = np.where(a[:, None], s.trial, s.x)
    s.value, s.steepness = np.where(a, value, s.value), np.where(a, steepness, s.steepness)
    s.raw = tuple(
        np.where(a.reshape(-1, *(1,) * (new.ndim - 1)), new, old)
        for new, old in zip(raw, s.raw, strict=True)
    )


def _advance(s: Lanes) -> None:
    """Choose the next point of each lane, and let go of the penalty where it has served."""
    _propose(s)
    if not s.amount.any():
        return
    arrived = (s.code != RUNNING) & (s.code != NOT_FINITE)
    # With the penalty, near is near enough.
    arrived |= s.convex & (s.decrement < NEAR)
    switch = (s.amount > 0) & arrived & (s.who >= 0)
    if switch.any():
        s.penalized[switch] = s.x[switch]
        s.amount[switch] = 0.0
        s.radius[switch] = np.maximum(s.radius[switch], SECOND_RADIUS)
        s.code[switch] = RUNNING
        s.value = np.where(switch, -s.raw[0], s.value)
        s.steepness = np.where(switch, np.abs(s.raw[1]).max(1), s.steepness)
        s.accept, s.whole = s.accept | switch, s.whole & ~switch
        _propose(s)


def _propose(s: Lanes) -> None:
    """The safeguarded Newton step of every lane."""
    value, gradient, hessian = s.objective(s.x, *s.raw)
    size = np.abs(hessian)
    square = np.maximum(size.diagonal(0, 1, 2), EPS * size.max(2))
    units = np.sqrt(np.where(square > 0, square, 1.0))
    scaled = hessian / (units[:, :, None] * units[:, None, :])
    if not np.isfinite(scaled).all():
        scaled = np.where(np.isfinite(scaled), scaled, 0.0)
    eigenvalues, vectors = np.linalg.eigh(scaled)
    magnitude = np.abs(eigenvalues)
    largest = magnitude.max(1)
    curvature = np.maximum(magnitude, np.maximum(FLOOR * largest, 1e-300)[:, None])
    slope = ((gradient / units)[:, None, :] @ vectors)[:, 0]
    s.convex = eigenvalues[:, 0] >= -FLAT * largest
    before, s.decrement = s.decrement, np.sqrt(np.add.reduce(slope**2 / curvature, axis=1))
    along = -slope / curvature
    stuck = ~s.convex & (slope[:, 0] ** 2 <= 1e-12 * curvature[:, 0])
    if stuck.any():
        along[:, 0] += np.where(stuck, np.where(slope[:, 0] > 0, -0.1, 0.1), 0.0)
    directions = vectors / units[:, :, None]
    # Log times count in units of a component's own spread: what is a small step for a wide
    # component would carry a narrow one past everything it lives on.
    k = s.k
    metric = np.ones_like(s.x)
    metric[:, k - 1 : 2 * k - 1] = np.exp(np.minimum(s.x[:, 2 * k - 1 :], 10.0))
    stretched = metric[:, :, None] * directions
    lengths = np.abs(along) * np.sqrt(np.add.reduce(stretched * stretched, axis=1))
    along = along * np.minimum(1.0, MAX_STEP / np.maximum(lengths, 1e-300))
    step = (directions @ along[:, :, None])[:, :, 0]
    length = np.sqrt(np.add.reduce((metric * step) ** 2, axis=1))
    share = np.minimum(1.0, s.radius / np.maximum(length, 1e-300))
    step, along = step * share[:, None], along * share[:, None]
    s.length = length * share
    s.predicted = -np.add.reduce((slope + 0.5 * eigenvalues * along) * along, axis=1)
    s.trial = s.x + step
    rules = s.rules
    tiny = np.add.reduce(step * step, axis=1) <= (8 * EPS) ** 2 * (
        1 + np.add.reduce(s.x * s.x, axis=1)
    )
    hidden = 0.5 * s.decrement**2 <= 64 * EPS * np.maximum(np.abs(value), 1.0)
    code = np.where(s.n_iter >= rules.max_iter, MAX_ITERATIONS, s.code)
    code = np.where(~s.accept & tiny, STALLED, code)
    code = np.where(s.convex & hidden & (~s.accept | tiny), ROUNDING, code)
    code = np.where(s.convex & (s.decrement <= rules.tol), CONVERGED, code)
    s.code = np.where(s.code == NOT_FINITE, s.code, code)
    whole = s.convex & (share == 1.0) & (lengths.max(1) <= MAX_STEP)
    # Near the end Newton's decrement is squared in each step, times what bends the path.
    bend = np.maximum(s.decrement / np.maximum(before, 1e-300) ** 2, s.bend)
    foretold = np.maximum(bend * s.decrement**2, EPS)
    # The Hessian, which is that of the point before, moves by as much as the path bends.
    sure = s.whole & whole & (before < 1.0) & (SAFETY * foretold <= rules.tol)
    sure &= bend * s.decrement <= 100.0 * rules.tol
    sure &= (s.code == RUNNING) & (s.amount == 0)
    s.whole = whole
    if sure.any():
        _step_unseen(s, sure, step, foretold)


def _step_unseen(s: Lanes, sure: np.ndarray, step: np.ndarray, foretold: np.ndarray) -> None:
    """Take a last step by the quadratic model, which there is exact within the tolerance."""
    value, gradient, hessian = s.raw
    bent = (hessian @ step[:, :, None])[:, :, 0]
    # The gradient shrinks as the decrement does: the model's own, zero, would claim too much.
    shrink = np.where(sure, foretold / np.maximum(s.decrement, 1e-300), 1.0)
    s.raw = (
        np.where(sure, value + np.add.reduce((gradient + 0.5 * bent) * step, axis=1), value),
        gradient * shrink[:, None],
        hessian,
    )
    s.x = np.where(sure[:, None], s.trial, s.x)
    s.decrement = np.where(sure, foretold, s.decrement)
    s.code[sure] = CONVERGED


def _settle(s: Lanes) -> None:
    """Take down what arrived, collapsed or merged, and load the next starts."""
    rules, k = s.rules, s.k
    gone = s.x[:, 2 * k - 1 :].max(1) > np.log(rules.max_shape) + 1.0
    if k > 1:
        logits = s.x[:, : k - 1]
        top = np.maximum(logits.max(1), 0.0)
        total = np.exp(-top) + np.exp(logits - top[:, None]).sum(1)
        least = np.minimum(logits.min(1), 0.0) - top - np.log(total)
        gone |= least + np.log(rules.n_units) < np.log(rules.min_units) - 3.0
    s.code[gone & (s.amount == 0.0) & (s.code == RUNNING)] = STALLED
    for lane in np.flatnonzero(s.code != RUNNING):
        s.found.append(
            Climb(
                s.x[lane].copy(),
                float(s.raw[0][lane]),
                s.raw[1][lane].copy(),
                s.raw[2][lane].copy(),
                float(s.decrement[lane]),
                int(s.n_iter[lane]),
                int(s.code[lane]),
                s.penalized[lane].copy(),
                int(s.who[lane]),
            )
        )
        s.load(int(lane))
    if rules.merge:
        _merge(s)


def _merge(s: Lanes) -> None:
    """Let go of lanes whose quadratic model ends where another's does, or where one has ended."""
    close = np.flatnonzero((s.who >= 0) & (s.n_iter >= 0) & s.convex & (s.decrement < 0.5))
    taken = [c.x for c in s.found if c.code in (CONVERGED, ROUNDING)]
    if close.size == 0 or close.size + len(taken) < 2:
        return
    close = close[np.argsort(s.decrement[close])]
    ends = canonical(np.concatenate([*([np.stack(taken)] if taken else []), s.trial[close]]))
    known = list(range(len(taken)))
    for i, lane in enumerate(close, len(taken)):
        if known and (np.abs(ends[known] - ends[i]).max(1) < SAME).any():
            s.merged.append((int(s.who[lane]), ends[i]))
            s.load(int(lane))
        else:
            known.append(i)


def canonical(x: np.ndarray) -> np.ndarray:
    """Points (B, 3K - 1) with components in the order of their medians, as (B, 3K) to compare.

    Log shares, log scales and log shapes; a logit of a share is compared as such.
    """
    k = (x.shape[1] + 1) // 3
    parts = np.zeros((len(x), 3, k))
    parts[:, 0, 1:] = x[:, : k - 1]
    parts[:, 0] -= np.logaddexp.reduce(parts[:, 0], axis=1)[:, None]
    parts[:, 1:] = x[:, k - 1 :].reshape(-1, 2, k)
    order = np.argsort(parts[:, 1] - 0.3665 / np.exp(parts[:, 2]), axis=1)
    return parts[np.arange(len(x))[:, None], :, order].swapaxes(1, 2).reshape(len(x), -1)


def different(starts: np.ndarray, reach: float = 0.25) -> np.ndarray:
    """Those of the starts (B, 3K - 1) that no earlier one is close to.

    Scales are compared in units of the component's own spread.
    """
    points = canonical(starts)
    k = points.shape[1] // 3
    gaps = np.abs(points[:, None] - points)
    shapes = np.exp(points[:, 2 * k :])
    gaps[:, :, k : 2 * k] *= np.maximum(shapes[:, None], shapes)
    far = gaps.max(2) >= reach
    kept: list[int] = []
    for i, others in enumerate(far):
        if others[kept].all():
            kept.append(i)
    return starts[kept]
