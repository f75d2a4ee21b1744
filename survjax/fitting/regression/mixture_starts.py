"""Where a mixture regression begins: mixtures without covariates, and units parted in many ways.

A guess is a table of responsibilities, the share of each row that each component takes. A few EM
steps, whose components are lines through the log times, turn each into coefficients.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np

from survjax.data.content import content_ranks
from survjax.data.observations import Observations
from survjax.fitting.starts import SD_OF_LOG, guesses, representative
from survjax.likelihood.regression.forms import Layout
from survjax.likelihood.vector.constraints import Constraints
from survjax.likelihood.vector.orders import MOST_ORDERED
from survjax.likelihood.vector.prior_terms import PriorTerms

#: EM steps from each table.
N_STEPS = 5
#: Shapes that a start may have, and the share of a component's units that is not data.
LEAST_SHAPE, MOST_SHAPE, SOFT = 0.2, 20.0, 0.02
#: Ridge on slopes of starts, as a share of the units that a component holds.
RIDGE = 0.02
#: The share of a unit that still runs which is not taken to be cured, where some may be.
CAN_FAIL = 0.5
#: How far from a maximum others begin, in logs and effects of standardized columns.
AROUND = np.array([0.3, 0.6, 1.0, 0.3, 0.6, 1.0, 0.6, 1.0])


class Parts:
    """The coefficients of a mixture of K Weibulls by component: weights, scales, shapes.

    Perhaps beside a share that never fails.

    Parameters
    ----------
    layout : Layout
        Its predictors are named as by `weibull_template`.
    n_components : int
        K.
    """

    def __init__(self, layout: Layout, n_components: int) -> None:
        ends = np.cumsum([len(item.columns) for item in layout])
        self.size = int(ends[-1])
        named = {
            item.name: (np.arange(end - len(item.columns), end), np.array(item.columns))
            for item, end in zip(layout, ends, strict=True)
        }

        def those(kind: str, begin: int) -> list[tuple[np.ndarray, np.ndarray]]:
            return [named[f"{kind}_{j}"] for j in range(begin, n_components + 1)]

        #: Positions and columns of each component's logit (from the second on), scale and shape.
        self.weights = those("logit_weight", 2)
        self.scales, self.shapes = those("log_scale", 1), those("log_shape", 1)
        #: Positions and columns of the logit of a share that never fails, if there is one.
        self.cured = named.get("logit_cured_share")
        #: Positions of the intercepts, which are a mixture without covariates.
        self.intercepts = ends - [len(item.columns) for item in layout]

    @property
    def are_alike(self) -> bool:
        """Whether the same columns move each component."""
        kinds = (self.weights, self.scales, self.shapes)
        return all(len({tuple(columns) for _, columns in kind}) < 2 for kind in kinds)

    def tells_apart(self, constraints: Constraints, prior: PriorTerms | None = None) -> bool:
        """Whether components are held, or known before, in different ways."""
        kinds = (self.scales, self.shapes)
        alike = all(len({at.size for at, _ in kind}) == 1 for kind in kinds)
        weights = any(constraints.known[at].any() for at, _ in self.weights)
        rows = [np.array([at for at, _ in kind]).T for kind in kinds if alike]
        if prior is not None:
            # Effects on weights are over the first component.
            logits = np.concatenate([np.empty(0, int), *(at for at, _ in self.weights)])
            weights = weights or bool(np.any(prior.has[logits] * (prior.counts[logits] == 0)))
            weights = weights or any(prior.tells_apart(each) for each in rows)
        return weights or not alike or any(constraints.tells_apart(each) for each in rows)

    def predictors(self, theta: np.ndarray, wide: np.ndarray) -> tuple[np.ndarray, ...]:
        """Log weights, log scales and log shapes (K, n) of rows with columns [1, z]."""
        found = []
        for part in (self.weights, self.scales, self.shapes):
            found.append([wide[:, columns] @ theta[at] for at, columns in part])
        logits = np.array([np.zeros(len(wide)), *found[0]])
        log_weights = logits - np.logaddexp.reduce(logits, axis=0)
        return log_weights, np.array(found[1]), np.array(found[2])


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

    def around(self, theta: np.ndarray, n_starts: int, rng: np.random.Generator) -> np.ndarray:
        """Coefficients (n_starts, P) near a maximum: moved, or with a component elsewhere."""
        away = np.resize(AROUND, n_starts // 2)[:, None]
        found = list(theta + away * rng.normal(size=(away.size, theta.size)))
        table = self._memberships(theta)
        while len(found) < n_starts:
            level, begin = self._level(rng), rng.uniform(0.0, 0.8)
            there = (level >= begin) & (level < begin + rng.uniform(0.1, 0.4))
            j, moved = rng.integers(self.k), table.copy()
            moved[j] *= 0.1
            moved[j, there] = 5.0
            found.append(self._steps(moved / moved.sum(axis=0)))
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


def spread_out(parts: Parts, plain: np.ndarray, slopes: np.ndarray | None = None) -> np.ndarray:
    """Coefficients from a mixture without covariates, with slopes (p,) given to every scale."""
    theta = np.zeros(parts.size)
    theta[parts.intercepts] = plain
    if slopes is not None:
        for at, columns in parts.scales:
            theta[at[1:]] = slopes[columns[1:] - 1]
    return theta


def _line(wide: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Coefficients of a line by least squares, with a little ridge on its slopes."""
    gram = wide.T @ (weights[:, None] * wide)
    gram[1:, 1:] += (RIDGE * weights.sum() + 1e-12) * np.eye(len(gram) - 1)
    gram[0, 0] += 1e-12
    return np.linalg.solve(gram, wide.T @ (weights * y))


def _softened(table: np.ndarray, by: float) -> np.ndarray:
    """Responsibilities of which a part is the same for all components."""
    return (1.0 - by) * table + by * table.sum(axis=0) / len(table)


def relabeled(parts: Parts, theta: np.ndarray) -> np.ndarray:
    """The same mixture with its components in the order of their medians at the mean asset."""
    if not parts.are_alike:
        return theta
    scales, shapes = ([theta[at] for at, _ in kind] for kind in (parts.scales, parts.shapes))
    medians = [
        s[0] + np.log(np.log(2.0)) / np.exp(c[0]) for s, c in zip(scales, shapes, strict=True)
    ]
    return reordered(parts, theta, np.argsort(medians, kind="stable").tolist())


def reordered(parts: Parts, theta: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """The same mixture with its components in another order."""
    kinds = (parts.weights, parts.scales, parts.shapes)
    logits, scales, shapes = ([theta[at] for at, _ in kind] for kind in kinds)
    if logits:
        logits = [np.zeros_like(logits[0]), *logits]
        logits = [logits[j] - logits[order[0]] for j in order[1:]]
    moved = theta.copy()
    for kind, values in zip(
        kinds, (logits, [scales[j] for j in order], [shapes[j] for j in order]), strict=True
    ):
        for (at, _), value in zip(kind, values, strict=True):
            moved[at] = value
    return moved


def every_reordering(layout: Layout, n_components: int) -> list[np.ndarray]:
    """The matrices (P, P) of all orders of components that have the same columns."""
    parts, unit = Parts(layout, n_components), np.eye(sum(len(item.columns) for item in layout))
    orders = list(permutations(range(n_components)))
    if not parts.are_alike or n_components > MOST_ORDERED:
        orders = orders[:1]
    return [np.stack([reordered(parts, one, order) for one in unit], axis=1) for order in orders]
