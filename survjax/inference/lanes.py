"""Newton climbs from many starts at once: as many lanes as a pass holds, fed from a queue.

Each lane climbs with the safeguards of `survjax.optimize` (absolute eigenvalues, a trust region,
the Newton decrement). With a penalty on steep shapes, if the rules have one, a climb begins, and
goes on without. A lane that arrives, collapses, or catches up with another makes room for the next
start, so that the work is the sum of all climbs and not the longest one times their number. The
loop runs on the host: a compiled one costs a first fit more time than it ever saves.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from survjax.optimize import ResultCode

#: Longest step, and the radii with which a climb begins and goes on without the penalty.
MAX_STEP, FIRST_RADIUS, SECOND_RADIUS = 3.0, 1.0, 0.5
#: The penalty goes once the decrement is below this.
NEAR = 0.3
#: Shares of the largest eigenvalue: rounding noise, and a flat direction.
FLOOR, FLAT = 1e-13, 1e-10
#: Two climbs toward points this close are one.
SAME = 0.05


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
    """State of the lanes: arrays with a leading axis of their number."""

    def __init__(self, starts: np.ndarray, width: int, rules: Rules) -> None:
        self.starts, self.rules = starts, rules
        self.k = (starts.shape[1] + 1) // 3
        p = starts.shape[1]
        self.next = 0
        self.who = np.full(width, -1)
        self.x = np.zeros((width, p))
        self.trial = np.zeros((width, p))
        self.metric = np.ones((width, p))
        self.penalized = np.zeros((width, p))
        self.raw = (np.zeros(width), np.zeros((width, p)), np.zeros((width, p, p)))
        self.value = np.zeros(width)
        self.amount = np.zeros(width)
        self.radius = np.zeros(width)
        self.predicted = np.zeros(width)
        self.n_iter = np.zeros(width, int)
        self.decrement = np.zeros(width)
        self.code = np.zeros(width, int)
        self.accept = np.zeros(width, bool)
        self.convex = np.zeros(width, bool)
        self.merged: list[np.ndarray] = []
        self.found: list[Climb] = []
        for lane in range(width):
            self._load(lane)

    def _load(self, lane: int) -> None:
        """Give a lane the next start, or none."""
        if self.next == len(self.starts):
            self.who[lane] = -1
            return
        self.who[lane] = self.next
        self.trial[lane] = self.x[lane] = self.penalized[lane] = self.starts[self.next]
        self.amount[lane] = self.rules.penalty
        self.radius[lane] = FIRST_RADIUS
        self.n_iter[lane] = -1
        self.code[lane] = ResultCode.RUNNING
        self.next += 1

    @property
    def busy(self) -> np.ndarray:
        """Lanes that climb."""
        return np.flatnonzero(self.who >= 0)

    def keep(self, chosen: np.ndarray) -> None:
        """Drop all other lanes."""
        for name, part in vars(self).items():
            if name == "raw":
                self.raw = tuple(table[chosen] for table in part)
            elif isinstance(part, np.ndarray) and name != "starts":
                setattr(self, name, part[chosen])

    def penalize(
        self,
        x: np.ndarray,
        amount: np.ndarray,
        value: np.ndarray,
        gradient: np.ndarray,
        hessian: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Minus the log-likelihood plus the penalty, with derivatives."""
        at = slice(2 * self.k - 1, None)
        log_ratio = 2.0 * (x[:, at] - self.rules.reference)
        ratio = np.exp(np.minimum(log_ratio, 600.0))
        value = amount * np.sum(ratio - 1.0 - log_ratio, axis=1) - value
        gradient, hessian = -gradient, -hessian
        gradient[:, at] += 2.0 * amount[:, None] * (ratio - 1.0)
        diagonal = np.arange(2 * self.k - 1, 3 * self.k - 1)
        hessian[:, diagonal, diagonal] += 4.0 * amount[:, None] * ratio
        return value, gradient, hessian


def ascend(
    evaluate: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]],
    starts: np.ndarray,
    width: int,
    rules: Rules,
) -> list[Climb]:
    """Climb from each start (B, p); `evaluate` takes (width, p) to value, gradient, Hessian."""
    lanes = Lanes(starts, min(width, len(starts)), rules)
    with np.errstate(all="ignore"):
        while lanes.busy.size:
            busy = lanes.busy
            if busy.size < len(lanes.who):
                lanes.keep(busy)
            _judge(lanes, *evaluate(lanes.trial))
            _advance(lanes)
            _settle(lanes)
    return _with_merged(lanes.found, lanes.merged)


def _with_merged(found: list[Climb], ends: list[np.ndarray]) -> list[Climb]:
    """Count each lane that was let go with the climb it was following."""
    if not ends or not found:
        return found
    points = canonical(np.stack([c.x for c in found]))
    count = np.ones(len(found), int)
    for end in ends:
        count[np.argmin(np.abs(points - end).max(1))] += 1
    return [dataclasses.replace(c, n_merged=int(m)) for c, m in zip(found, count, strict=True)]


def _judge(s: Lanes, value: np.ndarray, gradient: np.ndarray, hessian: np.ndarray) -> None:
    """Accept each trial point or not, and resize the trust regions."""
    eps = np.finfo(float).eps
    new = s.penalize(s.trial, s.amount, value, gradient, hessian)
    old_gradient = s.penalize(s.x, s.amount, *s.raw)[1]
    finite = np.isfinite(new[0]) & np.isfinite(new[1]).all(1) & np.isfinite(new[2]).all((1, 2))
    first = s.n_iter < 0
    fell = s.value - new[0]
    ratio = fell / np.maximum(s.predicted, 1e-300)
    noise = 8 * eps * np.maximum(np.abs(new[0]), np.abs(s.value))
    flatter = np.abs(new[1]).max(1) < np.abs(old_gradient).max(1)
    level = (np.abs(fell) <= noise) & flatter
    s.accept = finite & (first | (ratio > 1e-4) | level)
    length = np.linalg.norm(s.metric * (s.trial - s.x), axis=1)
    good = (ratio > 0.75) | level
    radius = np.where(
        good & (length > 0.99 * s.radius), np.minimum(2 * s.radius, MAX_STEP), s.radius
    )
    radius = np.where(~good & (ratio < 0.25), 0.5 * length, radius)
    radius = np.where(s.accept, radius, 0.25 * length)
    s.radius = np.where(first, s.radius, radius)
    a = s.accept
    s.x = np.where(a[:, None], s.trial, s.x)
    s.value = np.where(a, new[0], s.value)
    s.raw = (
        np.where(a, value, s.raw[0]),
        np.where(a[:, None], gradient, s.raw[1]),
        np.where(a[:, None, None], hessian, s.raw[2]),
    )
    s.code[first & ~finite] = ResultCode.NOT_FINITE
    s.n_iter += 1


def _advance(s: Lanes) -> None:
    """Choose the next point of each lane, and let go of the penalty where it has served."""
    _propose(s)
    arrived = (s.code != ResultCode.RUNNING) & (s.code != ResultCode.NOT_FINITE)
    # With the penalty, near is near enough.
    arrived |= s.convex & (s.decrement < NEAR)
    switch = (s.amount > 0) & arrived & (s.who >= 0)
    if switch.any():
        s.penalized[switch] = s.x[switch]
        s.amount[switch] = 0.0
        s.radius[switch] = np.maximum(s.radius[switch], SECOND_RADIUS)
        s.code[switch] = ResultCode.RUNNING
        s.value = np.where(switch, -s.raw[0], s.value)
        s.accept = s.accept | switch
        _propose(s)


def _propose(s: Lanes) -> None:
    """The safeguarded Newton step of every lane."""
    eps = np.finfo(float).eps
    value, gradient, hessian = s.penalize(s.x, s.amount, *s.raw)
    size = np.abs(hessian)
    square = np.maximum(size.diagonal(0, 1, 2), eps * size.max(2))
    units = np.sqrt(np.where(square > 0, square, 1.0))
    scaled = hessian / (units[:, :, None] * units[:, None, :])
    scaled = np.where(np.isfinite(scaled), scaled, 0.0)
    eigenvalues, vectors = np.linalg.eigh(scaled)
    magnitude = np.abs(eigenvalues)
    largest = magnitude.max(1)
    curvature = np.maximum(magnitude, np.maximum(FLOOR * largest, 1e-300)[:, None])
    slope = (vectors.mT @ (gradient / units)[:, :, None])[:, :, 0]
    s.convex = eigenvalues[:, 0] >= -FLAT * largest
    s.decrement = np.sqrt(np.sum(slope**2 / curvature, axis=1))
    along = -slope / curvature
    stuck = ~s.convex & (slope[:, 0] ** 2 <= 1e-12 * curvature[:, 0])
    along[:, 0] += np.where(stuck, np.where(slope[:, 0] > 0, -0.1, 0.1), 0.0)
    directions = vectors / units[:, :, None]
    # Log times count in units of a component's own spread: what is a small step for a wide
    # component would carry a narrow one past everything it lives on.
    s.metric = np.ones_like(s.x)
    s.metric[:, s.k - 1 : 2 * s.k - 1] = np.exp(np.minimum(s.x[:, 2 * s.k - 1 :], 10.0))
    lengths = np.abs(along) * np.linalg.norm(s.metric[:, :, None] * directions, axis=1)
    along = along * np.minimum(1.0, MAX_STEP / np.maximum(lengths, 1e-300))
    step = (directions @ along[:, :, None])[:, :, 0]
    length = np.linalg.norm(s.metric * step, axis=1)
    share = np.minimum(1.0, s.radius / np.maximum(length, 1e-300))
    step, along = step * share[:, None], along * share[:, None]
    s.predicted = -np.sum((slope + 0.5 * eigenvalues * along) * along, axis=1)
    s.trial = s.x + step
    rules = s.rules
    tiny = np.linalg.norm(step, axis=1) <= 8 * eps * (1 + np.linalg.norm(s.x, axis=1))
    hidden = 0.5 * s.decrement**2 <= 64 * eps * np.maximum(np.abs(value), 1.0)
    code = np.where(s.n_iter >= rules.max_iter, int(ResultCode.MAX_ITERATIONS), s.code)
    code = np.where(~s.accept & tiny, int(ResultCode.STALLED), code)
    code = np.where(s.convex & hidden & (~s.accept | tiny), int(ResultCode.ROUNDING), code)
    code = np.where(s.convex & (s.decrement <= rules.tol), int(ResultCode.CONVERGED), code)
    s.code = np.where(s.code == ResultCode.NOT_FINITE, s.code, code)


def _settle(s: Lanes) -> None:
    """Take down what arrived, collapsed or merged, and load the next starts."""
    rules, k = s.rules, s.k
    free = s.amount == 0.0
    steep = s.x[:, 2 * k - 1 :].max(1) > np.log(rules.max_shape) + 1.0
    s.code[free & steep & (s.code == ResultCode.RUNNING)] = ResultCode.STALLED
    if k > 1:
        logits = np.concatenate([np.zeros((len(s.x), 1)), s.x[:, : k - 1]], axis=1)
        least = logits.min(1) - np.logaddexp.reduce(logits, axis=1)
        empty = least + np.log(rules.n_units) < np.log(rules.min_units) - 3.0
        s.code[free & empty & (s.code == ResultCode.RUNNING)] = ResultCode.STALLED
    busy = s.who >= 0
    done = busy & (s.code != ResultCode.RUNNING)
    for lane in np.flatnonzero(done):
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
        s._load(int(lane))
    if rules.merge:
        _merge(s)


def _merge(s: Lanes) -> None:
    """Let go of lanes whose quadratic model ends where another's does, or where one has ended."""
    close = np.flatnonzero((s.who >= 0) & (s.n_iter >= 0) & s.convex & (s.decrement < 0.5))
    if close.size == 0:
        return
    ends = canonical(s.trial[close])
    taken: list[np.ndarray] = [
        canonical(c.x[None])[0]
        for c in s.found
        if c.code in (ResultCode.CONVERGED, ResultCode.ROUNDING)
    ]
    for lane, end in sorted(zip(close, ends, strict=True), key=lambda item: s.decrement[item[0]]):
        if any(np.abs(end - other).max() < SAME for other in taken):
            s.merged.append(end)
            s._load(int(lane))
        else:
            taken.append(end)


def canonical(x: np.ndarray) -> np.ndarray:
    """Points (B, 3K - 1) with components in the order of their medians, as (B, 3K) to compare.

    Log shares, log scales and log shapes; a logit of a share is compared as such.
    """
    k = (x.shape[1] + 1) // 3
    logits = np.concatenate([np.zeros((len(x), 1)), x[:, : k - 1]], axis=1)
    share = logits - np.logaddexp.reduce(logits, axis=1)[:, None]
    scale, shape = x[:, k - 1 : 2 * k - 1], x[:, 2 * k - 1 :]
    order = np.argsort(scale - 0.3665 / np.exp(shape), axis=1)
    parts = [np.take_along_axis(part, order, axis=1) for part in (share, scale, shape)]
    return np.concatenate(parts, axis=1)
