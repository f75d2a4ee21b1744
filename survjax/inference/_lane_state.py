"""The state of climbs that go side by side."""

from __future__ import annotations

import numpy as np

from survjax.inference.climbs import RUNNING, Climb, Derivatives, Rules

#: Radius of the trust region with which a climb begins.
FIRST_RADIUS = 1.0


class Lanes:
    """State of the lanes: arrays with a leading axis of their number.

    `raw` holds value, gradient and Hessian of the log-likelihood at `x`, the last point accepted;
    `goal` those of the objective there, minus the log-likelihood plus the penalty.
    """

    def __init__(self, starts: np.ndarray, width: int, rules: Rules) -> None:
        self.starts, self.rules = starts, rules
        p = starts.shape[1]
        self.k = (p + 1) // 3
        #: Log shapes and logits beyond which a component may be gone.
        self.steep = np.log(rules.max_shape) + 1.0
        self.light = np.log(rules.n_units) - np.log(rules.min_units) + 3.0
        self.next = width
        self.who = np.arange(width)
        self.x = starts[:width].copy()
        self.trial, self.penalized = self.x.copy(), self.x.copy()
        self.raw: Derivatives = (np.zeros(width), np.zeros((width, p)), np.zeros((width, p, p)))
        self.goal = self.raw
        self.amount, self.radius = np.full(width, rules.penalty), np.full(width, FIRST_RADIUS)
        self.steepness, self.length, self.predicted, self.decrement = np.zeros((4, width))
        self.n_iter, self.code = np.full(width, -1), np.full(width, RUNNING)
        self.accept, self.convex, self.whole = np.zeros((3, width), bool)
        #: What has arrived, with the points in canonical form to compare, and what has merged.
        self.found: list[Climb] = []
        self.tops, self.levels = np.empty((0, 3 * self.k)), np.empty(0)
        self.merged: list[tuple[int, np.ndarray]] = []

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
        (value, gradient, hessian), goal = self.raw, self.goal
        self.raw = value[busy], gradient[busy], hessian[busy]
        self.goal = goal[0][busy], goal[1][busy], goal[2][busy]
        for name in PER_LANE:
            setattr(self, name, getattr(self, name)[busy])

    def objective(self, x: np.ndarray, raw: Derivatives) -> Derivatives:
        """Minus the log-likelihood plus the penalty, with derivatives."""
        value, gradient, hessian = -raw[0], -raw[1], -raw[2]
        if self.rules.penalty and self.amount.any():
            at = np.arange(2 * self.k - 1, 3 * self.k - 1)
            log_ratio = 2.0 * (x[:, at] - self.rules.reference)
            ratio = np.exp(np.minimum(log_ratio, 600.0))
            value += self.amount * np.add.reduce(ratio - 1.0 - log_ratio, axis=1)
            gradient[:, at] += 2.0 * self.amount[:, None] * (ratio - 1.0)
            hessian[:, at, at] += 4.0 * self.amount[:, None] * ratio
        return value, gradient, hessian


#: Arrays of the state, besides the derivatives, that hold an entry for each lane.
PER_LANE = (
    *("who", "x", "trial", "penalized", "amount", "radius", "steepness", "length", "predicted"),
    *("decrement", "n_iter", "code", "accept", "convex", "whole"),
)
