"""Where a mixture regression begins: mixtures without covariates, and units parted in many ways.

A guess is a table of responsibilities, the share of each row that each component takes. A few EM
steps, whose components are lines through the log times, turn each into coefficients.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from survjax.data.content import content_ranks
from survjax.data.observations import Observations
from survjax.fitting.local_maxima import LocalMaximum
from survjax.fitting.regression.mixture_parts import Parts, spread_out
from survjax.fitting.starts import SD_OF_LOG, guesses, representative

#: EM steps from each table.
N_STEPS = 5
#: Shapes that a start may have, and the share of a component's units that is not data.
LEAST_SHAPE, MOST_SHAPE, SOFT = 0.2, 20.0, 0.02
#: Ridge on slopes of starts, as a share of the units that a component holds.
RIDGE = 0.02
#: The share of a unit that still runs which is not taken to be cured, where some may be.
CAN_FAIL = 0.5
#: How far from a maximum others begin: in standard errors of all coefficients together; then, in
#: logs and effects of standardized columns, of one coefficient, of one component's, and of all.
#: `python -m tests.studies.mixture_regressions` says how often they find the best maximum.
ERRORS = (2.0, 3.0, 4.0, 5.0)
ONE, COMPONENT, ALL = (1.0,), (0.6,), (0.3, 0.3, 0.6)
#: How many more begin with units of one component taken from elsewhere.
ELSEWHERE = 1
#: How far from lesser maxima some begin, in standard errors and in logs and effects; and where on
#: the line from the best to one of them.
LESSER_ERRORS, LESSER_ALL, BETWEEN = 3.0, 0.4, (-0.5, 1.5)
#: Eigenvalues of an information of unit diagonal count as at least this.
FLAT = 0.01


class Starts:
    """Points to begin at, for one set of rows.

    Parameters
    ----------
    parts : Parts
        The coefficients.
    rows, x, component
        Observations, standardized columns (n, p), and the component of each row (-1: not known)
        or None.
    """

    def __init__(
        self, parts: Parts, rows: Observations, x: np.ndarray, component: np.ndarray | None
    ) -> None:
        self.parts, self.rows, self.component = parts, rows, component
        self.k = len(parts.scales)
        self.wide = np.column_stack([np.ones(len(x)), x])
        self.log_time, self.event = representative(rows)
        self.weight = rows.weight

    def first(self, plain: np.ndarray, n_starts: int, rng: np.random.Generator) -> np.ndarray:
        """Coefficients (n_starts, P) from mixtures without covariates (m, 3K - 1), best first.

        And from units parted between quantiles, along columns, and at random.
        """
        slopes = _line(self.wide, self.log_time, self.weight * (0.05 + self.event))[1:]
        tables = [self._memberships(spread_out(self.parts, p)) for p in plain]
        even = Observations.from_durations(
            np.exp(self.log_time - self.wide[:, 1:] @ slopes),
            self.event,
            sample_weight=self.weight,
        )
        for units in (even, self.rows):
            tables += list(guesses(units, self.k, max(n_starts // 8, 2), rng))
        # Equal rows share a place, so that neither order nor repetition of rows changes a start.
        place = content_ranks([self.log_time, self.event, *self.wide.T])
        for j in range(n_starts):
            if j % 2:
                cuts = rng.uniform(0.1, 0.9, self.k - 1)
                part = np.searchsorted(np.sort(cuts), self._level(rng))
                tables.append(_softened(np.eye(self.k)[rng.permutation(self.k)][:, part], 0.1))
            else:
                drawn = rng.integers(self.k, size=place.max() + 1)[place]
                tables.append(_softened(np.eye(self.k)[:, drawn], 0.3))
        found = [spread_out(self.parts, plain[0]), spread_out(self.parts, plain[0], slopes)]
        found += [self._steps(table) for table in tables[: max(n_starts - 2, 0)]]
        return np.array(found[: max(n_starts, 1)])

    def around(
        self, best: LocalMaximum, others: Sequence[LocalMaximum], rng: np.random.Generator
    ) -> np.ndarray:
        """Coefficients (m, P) near a maximum, near others below it, and between them.

        Moved, or with units of one component taken from elsewhere.
        """
        theta, size = best.x, best.x.size
        away = [by * (_axes(best) @ rng.normal(size=size)) for by in ERRORS]
        away += [by * rng.normal() * (np.arange(size) == rng.integers(size)) for by in ONE]
        own = [
            np.isin(np.arange(size), np.concatenate([at, shape_at]))
            for (at, _), (shape_at, _) in zip(self.parts.scales, self.parts.shapes, strict=True)
        ]
        away += [by * rng.normal(size=size) * own[rng.integers(self.k)] for by in COMPONENT]
        away += [by * rng.normal(size=size) for by in ALL]
        found, table = [theta + step for step in away], self._memberships(theta)
        for _ in range(ELSEWHERE):
            level, begin = self._level(rng), rng.uniform(0.0, 0.8)
            there = (level >= begin) & (level < begin + rng.uniform(0.1, 0.4))
            j, moved = rng.integers(self.k), table.copy()
            moved[j] *= 0.1
            moved[j, there] = 5.0
            found.append(self._steps(moved / moved.sum(axis=0)))
        if others:
            first, second, third = (others[j] for j in rng.integers(len(others), size=3).tolist())
            found.append(first.x + LESSER_ERRORS * (_axes(first) @ rng.normal(size=size)))
            found.append(second.x + LESSER_ALL * rng.normal(size=size))
            found.append(theta + rng.uniform(*BETWEEN) * (third.x - theta))
        return np.array(found)

    def _level(self, rng: np.random.Generator) -> np.ndarray:
        """The rank of each row, from 0 to 1, along a random direction of columns and log time."""
        p = self.wide.shape[1]
        away = self.log_time - self.log_time.mean()
        space = np.column_stack([self.wide[:, 1:], away / max(self.log_time.std(), 1e-12)])
        direction = rng.normal(size=p) * (rng.random(p) < max(0.3, 2.0 / p))
        direction[-1] = rng.normal() if rng.random() < 0.7 else 0.0
        level = space @ direction
        order = np.sort(level)
        return np.searchsorted(order, level) / max(level.size, 1)

    def _memberships(self, theta: np.ndarray) -> np.ndarray:
        """Share of each row that each component takes, (K, n)."""
        log_weights, log_scale, log_shape = self.parts.predictors(theta, self.wide)
        z = np.exp(np.minimum(log_shape, 10.0)) * (self.log_time - log_scale)
        joint = log_weights + self.event * (log_shape + z) - np.exp(np.minimum(z, 80.0))
        if self.parts.cured is not None:
            at, columns = self.parts.cured
            # A cured unit still runs with certainty; it belongs to no component.
            never = np.where(self.event > 0, -np.inf, self.wide[:, columns] @ theta[at])
            joint = np.concatenate([joint, never[None]])
        share = np.exp(joint - joint.max(axis=0))
        return np.asarray(share / share.sum(axis=0))[: self.k]

    def _steps(self, table: np.ndarray) -> np.ndarray:
        """A few EM steps from a table of responsibilities (K, n): coefficients (P,)."""
        theta = np.zeros(self.parts.size)
        if self.parts.cured is not None:
            table = table * np.where(self.event > 0, 1.0, CAN_FAIL)
        for _ in range(N_STEPS):
            if self.component is not None:
                known = np.arange(self.k)[:, None] == self.component
                table = np.where(self.component >= 0, known, table)
            theta = self._fitted(_softened(table, SOFT))
            table = self._memberships(theta)
        return theta

    def _fitted(self, table: np.ndarray) -> np.ndarray:
        """Coefficients from responsibilities: lines through log times, parted means of columns.

        A shape follows from the spread around its line; the scale then solves its own equation,
        which counts units that still run. Logits have the slopes of a linear discriminant.
        """
        theta, parts, event = np.zeros(self.parts.size), self.parts, self.event
        weights = table * self.weight
        for r, (at, columns), (shape_at, _) in zip(
            weights, parts.scales, parts.shapes, strict=True
        ):
            own = self.wide[:, columns]
            seen = r * (0.05 + event)
            line = _line(own, self.log_time, seen)
            away = self.log_time - own @ line
            spread = np.sqrt(seen @ away**2 / seen.sum())
            shape = np.clip(SD_OF_LOG / max(spread, 1e-9), LEAST_SHAPE, MOST_SHAPE)
            z = np.minimum(shape * away, 50.0)
            line[0] += np.log((r @ np.exp(z)) / max(r @ event, 0.1)) / shape
            theta[at], theta[shape_at[0]] = line, np.log(shape)
        total = weights.sum(axis=1) + 0.1
        for r, n, (at, columns) in zip(weights[1:], total[1:], parts.weights, strict=True):
            own = self.wide[:, columns[1:]]
            means = [(part @ own) / part.sum() for part in (weights[0], r)]
            both = weights[0] + r
            away = own - (both @ own) / both.sum()
            gram = away.T @ (both[:, None] * away) / both.sum()
            slopes = np.linalg.solve(gram + 0.1 * np.eye(len(gram)), means[1] - means[0])
            theta[at[1:]] = slopes
            theta[at[0]] = np.log(n / total[0]) - 0.5 * (means[0] + means[1]) @ slopes
        if parts.cured is not None:
            cured = max(float(self.weight.sum() - weights.sum()), 0.0) + 0.1
            theta[parts.cured[0][0]] = np.log(cured / total.sum())
        return theta


def _axes(end: LocalMaximum) -> np.ndarray:
    """Steps (P, P) of one standard error along the axes of a maximum, its flat ones cut short."""
    # An iteration that was left has no curvature.
    hessian = end.hessian if np.isfinite(end.hessian).all() else -np.eye(end.x.size)
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(hessian)), 1e-8))
    values, vectors = np.linalg.eigh(-hessian * scale[:, None] * scale)
    return np.asarray(scale[:, None] * vectors / np.sqrt(np.maximum(np.abs(values), FLAT)))


def _line(wide: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Coefficients of a line by least squares, with a little ridge on its slopes."""
    gram = wide.T @ (weights[:, None] * wide)
    gram[1:, 1:] += (RIDGE * weights.sum() + 1e-12) * np.eye(len(gram) - 1)
    gram[0, 0] += 1e-12
    return np.linalg.solve(gram, wide.T @ (weights * y))


def _softened(table: np.ndarray, by: float) -> np.ndarray:
    """Responsibilities of which a part is the same for all components."""
    return (1.0 - by) * table + by * table.sum(axis=0) / len(table)
