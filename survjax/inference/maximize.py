"""The highest interior maximum of a Weibull mixture's likelihood.

The likelihood is unbounded: a component can collapse on one time. The answer is the highest
local maximum inside the rule (`Interior`). Starts read off the whole sample climb on a condensed
data set; their end points, and starts with a component on a crowd of failures, climb on more
rows; the best is polished on all.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from survjax._core.observations import Observations
from survjax.inference.batches import climb, padded, penalized_derivatives, weibulls
from survjax.inference.climbs import CONVERGED, Climb, Rules, canonical, different
from survjax.inference.clusters import Crowds, without_each
from survjax.inference.interior import Interior, faults, smallest_eigenvalue, unit_information
from survjax.inference.lanes import SAME, ascend
from survjax.inference.likelihood import BLOCK
from survjax.inference.passes import LANES, ROWS, Passes
from survjax.inference.polish import polish
from survjax.inference.power_sums import PowerSums
from survjax.inference.small_passes import FEW, SmallPasses
from survjax.inference.starts import (
    expectation_maximization,
    guesses,
    moment_start,
    weibull_start,
)
from survjax.inference.summaries import condense, is_plain

__all__ = [
    "BLOCK",
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
    "smallest_eigenvalue",
    "stand_ins",
    "unit_information",
    "weibulls",
]

#: Rows on which all starts climb, and on which the best few are ranked before the last polish.
SEARCH_ROWS, RANK_ROWS = 128, 2048
#: The same where neighbors cannot be merged, so that fewer would be a poor sample.
SEARCH_SAMPLE, RANK_SAMPLE = 4 * ROWS, 8192
#: One in so many of a large number of rows, to begin one Weibull with.
SPARSE = 16
#: Failures in a sample of many rows that are enough to begin one Weibull with.
ENOUGH = 100.0
#: Tolerance of climbs on condensed rows, whose maxima are not those of all rows anyway.
ROUGH = 0.1
#: Relative change of the Hessian in a last step that is taken unseen.
STEADY = 1e-5
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


#: What gives value, gradient and Hessian at many points of parameter space.
AnyPasses = Passes | SmallPasses


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
    few = rows
    if is_plain(rows) and rows.n_rows > 8 * RANK_ROWS:
        few = rows.take(slice(None, None, SPARSE))
    if few.n_events < ENOUGH:
        few = rows
    start = weibull_start(condense(few, RANK_ROWS))
    evaluate = PowerSums(rows) if is_plain(rows) else Passes(rows)
    return ascend(evaluate, start[None], 1, _rules(rows, Interior(1e8), tol, max_iter))[0]


def passes_over(rows: Observations, n_components: int) -> AnyPasses:
    """Value, gradient and Hessian on rows: compiled, unless they are few and plain."""
    if is_plain(rows) and rows.n_rows <= FEW:
        return SmallPasses(rows)
    return Passes(rows, n_components)


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
    n_compiled: int = 0,
) -> Maximum:
    """Find the highest interior maximum with K > 1 components.

    No penalty is added to the likelihood. Only where no interior maximum is found does one choose
    what stands in; `reference`, the single Weibull's maximum, if known, sets its scale.
    The passes run the program of `n_compiled` components, if that is more than K.
    """
    n_compiled = max(n_components, n_compiled)
    small, middle = stand_ins(rows)
    single = weibull_start(small) if reference is None else reference.x
    passes = passes_over(middle, n_compiled)
    rough = passes if small is middle else passes_over(small, n_compiled)
    # Hessians of maxima need not be exact, but that of the answer, which is looked at once more.
    rules = dataclasses.replace(_rules(rows, rule, tol, max_iter), steady=STEADY)
    run = _Search(small, rough, passes, middle, rule, rules)
    run.from_whole_sample(n_components, n_starts, random_state)
    bases = single[None]
    if n_components > 2:
        fewer = search(
            middle,
            n_components - 1,
            n_starts=n_starts,
            rule=rule,
            tol=tol,
            max_iter=max_iter,
            random_state=random_state,
            reference=reference,
            n_compiled=n_compiled,
        )
        bases = run.bases([fewer.best, *fewer.others])
    run.from_crowds(bases)
    found, every = run.found, passes
    if rows is not middle:
        every = Passes(rows, n_compiled)
        finalists = run.candidates(found, N_FINALISTS, MARGIN + _blur(middle))
        found = [
            dataclasses.replace(
                polish(every, passes, c.x, run.rules), start=c.start, n_merged=c.n_merged
            )
            for c in finalists
        ]
    answer = run.summary(found, every, single[1])
    if rows is middle:
        answer = dataclasses.replace(answer, best=_looked_at(answer.best, passes))
    return answer


def _looked_at(end: Climb, passes: AnyPasses) -> Climb:
    """The end of a climb with the derivatives there, where its last step was taken unseen."""
    value, gradient, hessian = passes(end.x[None])
    return dataclasses.replace(end, value=float(value[0]), gradient=gradient[0], hessian=hessian[0])


def stand_ins(rows: Observations) -> tuple[Observations, Observations]:
    """Rows on which all starts climb, and those on which the best few go on."""
    plain = is_plain(rows)
    middle = condense(rows, RANK_ROWS if plain else RANK_SAMPLE)
    return condense(middle, SEARCH_ROWS if plain else SEARCH_SAMPLE), middle


def _blur(small: Observations) -> float:
    """Log-likelihood by which condensed rows may misjudge how far apart two maxima are.

    It grows with the units that a row stands for; a random sample misjudges more than a merger.
    """
    n = small.n_rows
    return small.n_units * ((8.0 / n) ** 2 if is_plain(small) else 0.1 / np.sqrt(n))


def _beyond(ends: list[Climb]) -> np.ndarray:
    """Where a Newton step leads from the ends of climbs that stopped near a maximum."""
    points = np.stack([c.x for c in ends])
    for i, c in enumerate(ends):
        if c.code == CONVERGED:
            points[i] -= np.linalg.solve(c.hessian, c.gradient)
    return points


@dataclasses.dataclass
class _Search:
    """Climbs on one set of rows, and on few that stand for them, and what to make of the ends."""

    small: Observations
    rough: AnyPasses
    passes: AnyPasses
    rows: Observations
    rule: Interior
    rules: Rules
    starts: list[np.ndarray] = dataclasses.field(default_factory=list)
    found: list[Climb] = dataclasses.field(default_factory=list)
    #: Starts that were climbed from: not those that lay far below others.
    n_climbed: int = 0
    #: What speaks against climbs, by their Hessians' identities; those kept, so that they last.
    known: dict[int, tuple[np.ndarray, tuple[str, ...]]] = dataclasses.field(default_factory=dict)

    def from_whole_sample(self, n_components: int, n_starts: int, random_state: Any) -> None:
        """Climb from guesses at the whole sample, on few rows and then on these."""
        tables = guesses(self.small, n_components, n_starts, random_state)
        with np.errstate(under="ignore", over="ignore"):
            starts = different(expectation_maximization(tables, self.small))
        self.starts.extend(starts)
        if self.rough is self.passes:
            self.found = ascend(self.passes, starts, LANES, self.rules)
            self.n_climbed = len(starts)
            return
        # A maximum of condensed rows is polished on more, so it need not be exact.
        margin = MARGIN + _blur(self.small)
        far = MARGIN * max(1.0, self.rules.n_units / 1000.0)
        rules = dataclasses.replace(self.rules, tol=ROUGH, steady=0.0, margin=far)
        climbs = ascend(self.rough, starts, self.rough.width, rules)
        self.n_climbed = sum(c.n_merged for c in climbs)
        chosen = self.candidates(climbs, N_CANDIDATES, margin, rough=True)
        points, counts = _beyond(chosen), np.array([c.n_merged for c in chosen])
        for end in ascend(self.passes, points, LANES, self.rules, counts):
            self.found.append(dataclasses.replace(end, start=chosen[end.start].start))
        if not any(self.is_good(c) for c in self.found):
            # The few rows led all climbs into a collapse.
            self.found += ascend(self.passes, starts, LANES, self.rules)
            self.n_climbed += len(starts)

    def from_crowds(self, bases: np.ndarray) -> None:
        """Climb from mixtures (B, 3K - 4) with a component more, on a crowd of failures."""
        good = [c for c in self.found if self.is_good(c)]
        best = max((c.value for c in good), default=-np.inf)
        # Each component of the best mixture may stand in the place of another crowd.
        top = max(good, key=lambda c: c.value, default=None)
        left = np.empty((0, bases.shape[1])) if top is None else without_each(top.x)
        every = np.concatenate([bases, left])
        lost = self._lost(every, top)
        limit = np.repeat([SURE, LOST], [len(bases), len(left)])
        tables: list[np.ndarray] = []
        if (lost < limit).any():
            crowds = Crowds(self.rows, self.rule.max_shape)
            for base, below in zip(every[lost < limit], lost[lost < limit], strict=True):
                # The gain of a crowd by itself is a crude guess at what its component adds.
                tables.append(crowds.around(base, N_CROWDS, 0.5 * below - MARGIN)[0])
        starts = np.concatenate(tables) if tables else np.empty(0)
        if starts.size:
            starts = starts[self.passes.values(starts) > best - MARGIN]
        if len(starts):
            climbs = ascend(self.passes, starts, LANES, self.rules)
            first = len(self.starts)
            self.found += [dataclasses.replace(c, start=c.start + first) for c in climbs]
            self.starts.extend(starts)
            self.n_climbed += len(starts)

    def _lost(self, points: np.ndarray, top: Climb | None) -> np.ndarray:
        """Log-likelihood by which points lie below the best maximum: roughly is enough."""
        if top is None:
            return np.full(len(points), -np.inf)
        return self.rough.values(top.x[None]) - self.rough.values(points)

    def bases(self, fewer: list[Climb]) -> np.ndarray:
        """Maxima with a component less to add one to: the highest, and the broadest.

        One that owes its height to a crowd of its own leaves a part of the sample ill described.
        """
        good = [c for c in fewer if self.is_good(c)]
        if not good:
            return fewer[0].x[None]
        broad = sorted(good, key=lambda c: np.linalg.slogdet(-c.hessian)[1] - 2.0 * c.value)
        chosen = good[:N_BASES] + [
            c for c in broad[:N_BASES] if all(c is not g for g in good[:N_BASES])
        ]
        return np.stack([c.x for c in chosen])

    def faults(self, end: Climb) -> tuple[str, ...]:
        """What speaks against the end of a climb."""
        if id(end.hessian) not in self.known:
            words = faults(end, self.rule, self.rules.n_units)
            self.known[id(end.hessian)] = end.hessian, words
        return self.known[id(end.hessian)][1]

    def is_good(self, end: Climb) -> bool:
        """Whether a climb ended at an interior maximum."""
        return not self.faults(end)

    def candidates(
        self, found: list[Climb], most: int, margin: float, rough: bool = False
    ) -> list[Climb]:
        """End points worth a climb on more rows: those that lie within a margin of the best."""
        if len(found) == 1:
            return found
        ranked = self.distinct(found, rough)
        least = ranked[0][0].value - margin
        good = [c for c, is_good in ranked if is_good and c.value > least]
        return (good or [c for c, _ in ranked])[:most]

    def distinct(self, found: list[Climb], rough: bool = False) -> list[tuple[Climb, bool]]:
        """Different end points, interior maxima (True) first, then by falling log-likelihood."""
        level, reach = (ROUGH**2, SAME) if rough else (0.0, 1e-3)

        def rank(item: tuple[Climb, bool]) -> tuple[bool, float]:
            c, is_good = item
            return not is_good, -c.value if np.isfinite(c.value) else np.inf

        kept: list[tuple[Climb, bool]] = []
        for end, is_good in sorted(((c, self.is_good(c)) for c in found), key=rank):
            for i, (c, _) in enumerate(kept):
                near = abs(c.value - end.value) < level + 1e-6 * (1 + abs(c.value))
                if near and _gap(c, end) < reach:
                    both = dataclasses.replace(c, n_merged=c.n_merged + end.n_merged)
                    kept[i] = both, kept[i][1]
                    break
            else:
                kept.append((end, is_good))
        return kept

    def summary(self, found: list[Climb], passes: AnyPasses, log_shape: float) -> Maximum:
        """The best of what was found on all rows, with what speaks for and against it."""
        ranked = [c for c, _ in self.distinct(found)]
        best, words = ranked[0], self.faults(ranked[0])
        if not words:
            start = self.starts[best.start]
            return Maximum(best, (), self.n_climbed, best.n_merged, tuple(ranked[1:]), start)
        best = self._stand_in(passes, best, log_shape)
        gaps = [_gap(c, best) for c in self.found]
        start = self.starts[self.found[int(np.argmin(gaps))].start]
        return Maximum(best, words, self.n_climbed, 0, tuple(ranked), start)

    def _stand_in(self, passes: AnyPasses, best: Climb, log_shape: float) -> Climb:
        """The best point with a vanishing penalty on steep shapes (Chen, Tan and Zhang 2008).

        Where there is no interior maximum, a collapse on single times is no answer either. The
        penalty counts shapes in units of the single Weibull's.
        """
        rules = dataclasses.replace(
            self.rules, penalty=1.0 / self.rules.n_units, reference=log_shape
        )
        k = (best.x.size + 1) // 3
        starts = np.stack(self.starts)
        starts[:, 2 * k - 1 :] = np.minimum(starts[:, 2 * k - 1 :], log_shape + 1.0)
        points = np.stack([c.penalized for c in ascend(self.passes, starts, LANES, rules)])
        log_ratio = 2.0 * (points[:, 2 * k - 1 :] - log_shape)
        penalty = rules.penalty * np.sum(np.exp(log_ratio) - 1.0 - log_ratio, axis=1)
        value = self.passes.values(points) - penalty
        steep = points[:, 2 * k - 1 :].max(1) > np.log(self.rule.max_shape)
        value = np.where(np.isfinite(value) & ~steep, value, -np.inf)
        x = points[int(np.argmax(value))]
        if not np.isfinite(value.max()):
            x = starts[0]
        values, gradients, hessians = passes(x[None])
        return dataclasses.replace(
            best,
            x=x,
            value=float(values[0]),
            gradient=gradients[0],
            hessian=hessians[0],
            decrement=float("nan"),
        )


def _gap(one: Climb, other: Climb) -> float:
    """How far apart two end points are, components in the same order."""
    return float(np.abs(canonical(one.x[None]) - canonical(other.x[None])).max())
