"""The highest interior maximum of a lifetime's likelihood, whatever the lifetime.

The likelihood of a mixture is unbounded: a component can collapse on one time. The answer is the
highest local maximum inside the rule (`Interior`). Starts read off the whole sample go to local
maxima on few rows that stand for all; these, and starts with a component on a crowd of failures,
go on with more rows; the best go to the maximum on all.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from survjax.data.observations import Observations
from survjax.data.truncation_rows import observed_rows, with_truncation_rows
from survjax.fitting.coreset import condense, is_plain
from survjax.fitting.interior import Interior, faults, smallest_eigenvalue, unit_information
from survjax.fitting.local_maxima import ARRIVED, Correction, Limits, LocalMaximum, Maximizer
from survjax.fitting.scan_statistic import Crowds, without_each
from survjax.fitting.starts import (
    canonical,
    different,
    expectation_maximization,
    guesses,
    moment_start,
    weibull_start,
)
from survjax.fitting.surrogate import maximize_on_all_rows
from survjax.likelihood.objective import Objective
from survjax.likelihood.template import Template, weibull_template

__all__ = [
    "Interior",
    "Limits",
    "LocalMaximum",
    "Maximum",
    "Settings",
    "faults",
    "moment_start",
    "search",
    "smallest_eigenvalue",
    "stand_ins",
    "unit_information",
]

#: Rows on which all starts go to a local maximum, and on which the best few are ranked.
SEARCH_ROWS, RANK_ROWS = 128, 2048
#: The same where neighbors cannot be merged, so that fewer would be a poor sample.
SEARCH_SAMPLE, RANK_SAMPLE = 1024, 8192
#: Tolerance on condensed rows, whose maxima are not those of all rows anyway.
ROUGH = 0.1
#: How many different maxima go on from few rows to more, and from those to all.
N_CANDIDATES, N_FINALISTS = 8, 3
#: Log-likelihood by which a start may lie below the best maximum found and still be tried.
MARGIN = 30.0
#: Crowds of failures are not looked for once the search has gained this much by other means.
SURE = 60.0
#: A component whose loss would cost more than this stands where it belongs.
LOST = 500.0
#: Crowds tried around each mixture of fewer components, and how many of those of each kind.
N_CROWDS, N_BASES = 24, 2
#: Two ends this close (logs of weights, scales and shapes) are one maximum: on few rows, on all.
SAME_ROUGHLY, SAME = 0.05, 1e-3


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a model is fitted.

    Attributes
    ----------
    n_starts : int
        Starts of a mixture.
    rule : Interior
        What makes a maximum an answer.
    tol, max_iter
        When an iteration stops.
    random_state
        Seeds the random starts.
    """

    n_starts: int = 16
    rule: Interior = dataclasses.field(default_factory=Interior)
    tol: float = 1e-9
    max_iter: int = 100
    random_state: Any = 0

    def limits(self, n_components: int, n_units: float) -> Limits:
        """When an iteration stops: also where a component has collapsed or is nearly gone."""
        if n_components == 1:
            return Limits.of(self.tol, self.max_iter)
        light = np.log(self.rule.min_units) - np.log(n_units) - 3.0
        return Limits.of(self.tol, self.max_iter, np.log(self.rule.max_shape) + 1.0, light)


@dataclasses.dataclass(frozen=True)
class Maximum:
    """The answer of a search, with what it stands on."""

    best: LocalMaximum
    faults: tuple[str, ...]
    n_starts: int
    n_agreeing: int
    others: tuple[LocalMaximum, ...]
    start: np.ndarray


def search(template: Template, rows: Observations, settings: Settings) -> Maximum:
    """Find the highest interior maximum.

    No penalty is added to the likelihood. Only where a mixture has no interior maximum does one
    choose what stands in.
    """
    rows = with_truncation_rows(rows)
    small, middle = stand_ins(rows)
    if template.n_components == 1:
        small = middle
    run = _Search(template, small, middle, settings, rows.n_units)
    run.from_whole_sample()
    if template.n_components > 1:
        run.from_crowds()
    found = run.found
    if rows is not middle:
        objective = Objective(template, rows)
        finalists = run.candidates(found, N_FINALISTS, MARGIN + _blur(middle))
        found = [
            maximize_on_all_rows(objective, run.on_middle, c, run.limits, rows.n_units)
            for c in finalists
        ]
        return run.summary(found, objective)
    return run.summary(found, None)


def stand_ins(rows: Observations) -> tuple[Observations, Observations]:
    """Rows on which all starts go to a local maximum, and those on which the best few go on."""
    plain = is_plain(rows)
    middle = condense(rows, RANK_ROWS if plain else RANK_SAMPLE)
    return condense(middle, SEARCH_ROWS if plain else SEARCH_SAMPLE), middle


def _blur(small: Observations) -> float:
    """Log-likelihood by which condensed rows may misjudge how far apart two maxima are.

    It grows with the units that a row stands for; a random sample misjudges more than a merger.
    """
    n = small.n_rows
    return small.n_units * ((8.0 / n) ** 2 if is_plain(small) else 0.1 / np.sqrt(n))


def _beyond(ends: list[LocalMaximum]) -> np.ndarray:
    """Where a Newton step leads from ends that stopped near a maximum."""
    points = np.stack([c.x for c in ends])
    for i, c in enumerate(ends):
        if c.code in ARRIVED:
            points[i] -= np.linalg.solve(c.hessian, c.gradient)
    return points


class _Search:
    """Local maxima on one set of rows, and on few that stand for them, and what to make of them."""

    def __init__(
        self,
        template: Template,
        small: Observations,
        rows: Observations,
        settings: Settings,
        n_units: float,
    ) -> None:
        self.template, self.small, self.rows = template, small, rows
        self.settings, self.n_units = settings, n_units
        self.limits = settings.limits(template.n_components, n_units)
        self.on_middle = Maximizer(template, rows)
        self.on_small = self.on_middle if small is rows else Maximizer(template, small)
        #: All starts, as points of the template; those in the terms of Weibulls.
        self.starts: list[np.ndarray] = []
        self.found: list[LocalMaximum] = []
        #: What speaks against local maxima, by their Hessians' identities; those are kept.
        self.known: dict[int, tuple[np.ndarray, tuple[str, ...]]] = {}

    def from_whole_sample(self) -> None:
        """From guesses at the whole sample, on few rows and then on these."""
        k, settings = self.template.n_components, self.settings
        observed = observed_rows(self.small)
        if k == 1:
            starts = weibull_start(observed)[None]
        else:
            tables = guesses(observed, k, settings.n_starts, settings.random_state)
            with np.errstate(under="ignore", over="ignore"):
                starts = different(expectation_maximization(tables, observed))
        points = self._as_points(starts)
        self.starts.extend(points)
        if self.small is self.rows:
            self.found = self.on_middle(points, self.limits)
            return
        # A maximum of condensed rows goes on with more, so it need not be exact.
        rough = dataclasses.replace(self.limits, tol=np.float64(ROUGH))
        ends = self.on_small(points, rough)
        margin = MARGIN + _blur(self.small)
        chosen = self.candidates(ends, N_CANDIDATES, margin, rough=True)
        for end in self.on_middle(_beyond(chosen), self.limits):
            origin = chosen[end.start]
            self.found.append(_continued(origin, end))
        if not any(self.is_good(c) for c in self.found):
            # The few rows led all starts into a collapse.
            self.found += self.on_middle(points, self.limits)

    def _as_points(self, weibulls: np.ndarray) -> np.ndarray:
        """Points of the template (B, p) with the quantiles of mixtures of Weibulls (B, 3K - 1)."""
        reference = weibull_template(self.template.n_components)
        if self.template.is_weibulls:
            return weibulls
        found = []
        for x in weibulls:
            weights = np.exp(reference.log_weights(x))
            log_scale, log_shape = x[reference.stacks[0].positions]
            found.append(self.template.from_weibulls(weights, np.exp(log_scale), np.exp(log_shape)))
        return np.array(found)

    def from_crowds(self) -> None:
        """From mixtures of a component less, and one more on a crowd of failures."""
        good = [c for c in self.found if self.is_good(c)]
        top = max(good, key=lambda c: c.value, default=None)
        bases = self._bases()
        # Each component of the best mixture may stand in the place of another crowd.
        left = without_each(self.template.as_weibulls(top.x)) if top is not None else bases[:0]
        every = np.concatenate([bases, left])
        lost = self._lost(every, top)
        limit = np.repeat([SURE, LOST], [len(bases), len(left)])
        if not (lost < limit).any():
            return
        crowds = Crowds(observed_rows(self.rows), self.settings.rule.max_shape)
        # The gain of a crowd by itself is a crude guess at what its component adds.
        tables = [
            crowds.around(base, N_CROWDS, 0.5 * below - MARGIN)[0]
            for base, below in zip(every[lost < limit], lost[lost < limit], strict=True)
        ]
        starts = self._as_points(np.concatenate(tables))
        best = -np.inf if top is None else top.value
        if len(starts):
            starts = starts[self.on_middle.values(starts) > best - MARGIN]
        if len(starts):
            first = len(self.starts)
            self.starts.extend(starts)
            for end in self.on_middle(starts, self.limits):
                self.found.append(dataclasses.replace(end, start=end.start + first))

    def _lost(self, bases: np.ndarray, top: LocalMaximum | None) -> np.ndarray:
        """Log-likelihood by which mixtures of a component less lie below the best maximum."""
        if top is None:
            return np.full(len(bases), -np.inf)
        points = self._as_points(_with_nothing(bases))
        values = self.on_small.values(np.concatenate([top.x[None], points]))
        return values[0] - values[1:]

    def _bases(self) -> np.ndarray:
        """Mixtures of Weibulls of a component less to add one to: the highest, and the broadest.

        One that owes its height to a crowd of its own leaves a part of the sample ill described.
        """
        k = self.template.n_components
        if k == 2:
            return weibull_start(observed_rows(self.small))[None]
        fewer = search(weibull_template(k - 1), self.rows, self.settings)
        template = weibull_template(k - 1)
        ends = [fewer.best, *fewer.others]
        rule = self.settings.rule
        good = [c for c in ends if not faults(c, template, rule, self.n_units)]
        if not good:
            return fewer.best.x[None]
        broad = sorted(good, key=lambda c: np.linalg.slogdet(-c.hessian)[1] - 2.0 * c.value)
        chosen = good[:N_BASES] + [
            c for c in broad[:N_BASES] if all(c is not g for g in good[:N_BASES])
        ]
        return np.stack([c.x for c in chosen])

    def faults(self, end: LocalMaximum) -> tuple[str, ...]:
        """What speaks against a local maximum as an answer."""
        if id(end.hessian) not in self.known:
            reasons = faults(end, self.template, self.settings.rule, self.n_units)
            self.known[id(end.hessian)] = end.hessian, reasons
        return self.known[id(end.hessian)][1]

    def is_good(self, end: LocalMaximum) -> bool:
        """Whether an iteration ended at an interior maximum."""
        return not self.faults(end)

    def candidates(
        self, found: list[LocalMaximum], most: int, margin: float, rough: bool = False
    ) -> list[LocalMaximum]:
        """Ends worth an iteration on more rows: those that lie within a margin of the best."""
        if len(found) == 1:
            return found
        ranked = self.distinct(found, rough)
        least = ranked[0][0].value - margin
        good = [c for c, is_good in ranked if is_good and c.value > least]
        return (good or [c for c, _ in ranked])[:most]

    def distinct(
        self, found: list[LocalMaximum], rough: bool = False
    ) -> list[tuple[LocalMaximum, bool]]:
        """Different ends, interior maxima (True) first, then by falling log-likelihood."""
        level, reach = (ROUGH**2, SAME_ROUGHLY) if rough else (0.0, SAME)

        def rank(item: tuple[LocalMaximum, bool]) -> tuple[bool, float]:
            c, is_good = item
            return not is_good, -c.value if np.isfinite(c.value) else np.inf

        kept: list[tuple[LocalMaximum, bool]] = []
        for end, is_good in sorted(((c, self.is_good(c)) for c in found), key=rank):
            for i, (c, _) in enumerate(kept):
                near = abs(c.value - end.value) < level + 1e-6 * (1 + abs(c.value))
                if near and self._gap(c, end) < reach:
                    n = c.n_agreeing + end.n_agreeing
                    kept[i] = dataclasses.replace(c, n_agreeing=n), kept[i][1]
                    break
            else:
                kept.append((end, is_good))
        return kept

    def _gap(self, one: LocalMaximum, other: LocalMaximum) -> float:
        """How far apart two ends are, components in the same order."""
        template = self.template
        if template.is_weibulls:
            pair = canonical(np.stack([one.x, other.x]))
            return float(np.abs(pair[0] - pair[1]).max())
        points = [template.reordering(template.median_order(c.x)) @ c.x for c in (one, other)]
        return float(np.abs(points[0] - points[1]).max())

    def summary(self, found: list[LocalMaximum], objective: Objective | None) -> Maximum:
        """The best of what was found, with what speaks for and against it."""
        ranked = [c for c, _ in self.distinct(found)]
        best, reasons = ranked[0], self.faults(ranked[0])
        n_starts = len(self.starts)
        if not reasons or self.template.n_components == 1:
            start = self.starts[best.start]
            return Maximum(best, reasons, n_starts, best.n_agreeing, tuple(ranked[1:]), start)
        best = self._stand_in(best, objective)
        return Maximum(best, reasons, n_starts, 0, tuple(ranked), self.starts[best.start])

    def _stand_in(self, best: LocalMaximum, objective: Objective | None) -> LocalMaximum:
        """The best point with a vanishing penalty on steep shapes (Chen, Tan and Zhang 2008).

        Where there is no interior maximum, a collapse on single times is no answer either. The
        penalty counts shapes in units of the single Weibull's.
        """
        log_shape = weibull_start(observed_rows(self.small))[1]
        where = self.template.log_shapes
        correction = Correction.none(self.template.size)
        correction.penalty[where] = 1.0 / self.n_units
        correction.reference[where] = log_shape
        starts = np.stack(self.starts)
        starts[:, where] = np.minimum(starts[:, where], log_shape + 1.0)
        ends = self.on_middle(starts, Limits.of(ROUGH, self.settings.max_iter), correction)
        steep = np.array([self.template.shapes(c.x).max() for c in ends])
        value = np.array([c.value for c in ends])
        value = np.where(
            np.isfinite(value) & (steep <= self.settings.rule.max_shape), value, -np.inf
        )
        chosen = int(np.argmax(value))
        x = ends[chosen].x if np.isfinite(value.max()) else starts[0]
        if objective is None:
            there = self.on_middle.at(x[None])[0]
            exact = there.value, there.gradient, there.hessian
        else:
            exact = objective(x)
        return dataclasses.replace(
            best,
            x=x,
            value=exact[0],
            gradient=exact[1],
            hessian=exact[2],
            decrement=float("nan"),
            start=chosen,
            path=ends[chosen].path,
        )


def _continued(origin: LocalMaximum, end: LocalMaximum) -> LocalMaximum:
    """A local maximum reached from another on fewer rows: its start, and the whole path."""
    path = None
    if origin.path is not None and end.path is not None:
        path = np.concatenate([origin.path, end.path])
    return dataclasses.replace(end, start=origin.start, n_agreeing=origin.n_agreeing, path=path)


def _with_nothing(weibulls: np.ndarray) -> np.ndarray:
    """Mixtures of Weibulls (B, 3K - 4) with one more component, of no weight: (B, 3K - 1)."""
    fewer = weibull_template((weibulls.shape[1] + 1) // 3)
    more = weibull_template(fewer.n_components + 1)
    x = np.zeros((len(weibulls), more.size))
    x[:, more.logits[:-1]] = weibulls[:, fewer.logits]
    x[:, more.logits[-1]] = -60.0
    where, at = fewer.stacks[0].positions, more.stacks[0].positions
    x[:, at[:, :-1]] = weibulls[:, where]
    x[:, at[:, -1]] = weibulls[:, where[:, 0]]
    return x
