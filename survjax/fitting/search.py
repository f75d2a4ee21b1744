"""The highest interior maximum of a lifetime's likelihood, whatever the lifetime.

The likelihood of a mixture is unbounded: a component can collapse on one time. The answer is the
highest local maximum inside the rule (`Interior`). Starts read off the whole sample go to local
maxima on few rows that stand for all; these, and starts with a component at concentrated failures,
go on with more rows; the best go to the maximum on all.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from survjax.data.observations import Observations
from survjax.data.truncation_rows import observed_rows, with_truncation_rows
from survjax.fitting.coreset import RANK_ROWS, WHOLE_ROWS, blur, coresets, sampled
from survjax.fitting.corrections import Correction
from survjax.fitting.groups.requests import Request, Steps, answered, values_at
from survjax.fitting.interior import violations_of
from survjax.fitting.interpolation.rows import are_negligible, interpolated, interpolates
from survjax.fitting.local_maxima import Limits, LocalMaximum, Maximizer
from survjax.fitting.modified.curve import without_zeros
from survjax.fitting.modified.mixtures import starts_of_modified
from survjax.fitting.ranking import Ranking, beyond
from survjax.fitting.scan_statistic import ScanStatistic, with_nothing, without_each
from survjax.fitting.settings import ROUGH, Settings
from survjax.fitting.starts import different, expectation_maximization, guesses, weibull_start
from survjax.fitting.surrogate import maxima_on_all_rows
from survjax.likelihood.objective import Objective
from survjax.likelihood.vector.template import Template
from survjax.likelihood.weibulls import as_weibulls, starts_from_weibulls, weibull_template

#: Rows up to which a lifetime with costly functions is searched on all of them.
FEW_ROWS = 256
#: How many different maxima go on from few rows to more, and from those to all.
N_CANDIDATES, N_FINALISTS = 8, 3
#: Log-likelihood by which a start may lie below the best maximum found and still be tried.
MARGIN = 30.0
#: Clusters of failures are not looked for once the search has gained this much by other means.
SURE = 60.0
#: A component whose loss would cost more than this stands where it belongs.
LOST = 500.0
#: Clusters tried around each mixture of fewer components, and how many of those of each kind.
N_CLUSTERS, N_BASES = 24, 2


@dataclasses.dataclass(frozen=True)
class Maximum:
    """The answer of a search, with what it stands on."""

    best: LocalMaximum
    violations: tuple[str, ...]
    n_starts: int
    n_agreeing: int
    others: tuple[LocalMaximum, ...]
    start: np.ndarray


def search(template: Template, rows: Observations, settings: Settings) -> Maximum:
    """Find the highest interior maximum.

    No penalty is added to the likelihood. Only where a mixture has no interior maximum does one
    choose what stands in. `Compressed` rows serve as coresets themselves.
    """
    return answered(search_steps(template, rows, settings))


def search_steps(template: Template, rows: Observations, settings: Settings) -> Steps[Maximum]:
    """`search`, as what asks for local maxima on few rows."""
    few = with_truncation_rows(rows.few)
    if few.n_rows > RANK_ROWS and interpolates(template, rows):
        answer = yield from _from_interpolated(template, few, settings)
        if answer is not None:
            return answer
    small, middle = coresets(few)
    if template.n_components == 1:
        small = middle
    run = _Search(template, small, middle, settings, rows.n_units)
    yield from run.from_whole_sample()
    if template.n_components > 1 and not template.is_modified:
        yield from run.from_scan()
    found = run.found
    if few is not middle or rows.everything is not None:
        finalists = run.ranking.candidates(found, N_FINALISTS, MARGIN + blur(middle))
        objective = Objective(template, rows)
        found = maxima_on_all_rows(objective, run.on_middle, finalists, run.limits, rows.n_units)
        return (yield from run.summary(found, objective))
    return (yield from run.summary(found, None))


def _from_interpolated(
    template: Template, few: Observations, settings: Settings
) -> Steps[Maximum | None]:
    """The answer from few rows that have the likelihood of all; None where they have not."""
    small = None if template.begins_on_few else sampled(few)
    if small is None:
        small = coresets(few)[not template.begins_on_few]
    points = interpolated(few, weibull_start(observed_rows(small))[1])
    if points is None:
        return None
    run = _Search(template, small, points.rows, settings, few.n_units)
    yield from run.from_whole_sample()
    found = yield from run.summary(run.found, None)
    if found.violations:
        return None
    ends = [found.best, *run.ranking.good(list(found.others))]
    places, nothing = np.stack([end.x for end in ends]), Limits.of(0.0, 0)
    last = yield Request(Maximizer(template, points.last), places, nothing)
    return found if are_negligible(template, ends, last) else None


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
        whole = template.n_components == 1 or rows.n_rows <= WHOLE_ROWS
        if template.begins_on_few:
            whole = rows.n_rows <= FEW_ROWS
        least = self.on_middle.padded.n_rows if template.begins_on_few else 0
        whole = whole or small is rows
        self.on_small = self.on_middle if whole else Maximizer(template, small, least)
        #: All starts, as points of the template; those in the terms of Weibulls.
        self.starts: list[np.ndarray] = []
        self.found: list[LocalMaximum] = []
        self.ranking = Ranking(template, settings.rule, n_units)

    def from_whole_sample(self) -> Steps[None]:
        """From guesses at the whole sample, on few rows and then on these."""
        k, settings = self.template.n_components, self.settings
        observed = observed_rows(self.small)
        if self.template.is_modified:
            points = starts_of_modified(self.template, self.rows, settings, search)
            points = self.template.constraints.placed(points)
        elif k == 1:
            points = self._as_points(weibull_start(observed)[None])
        else:
            tables = guesses(observed, k, settings.starts(k), settings.random_state)
            with np.errstate(under="ignore", over="ignore"):
                starts = different(expectation_maximization(tables, observed))
            points = self._as_points(starts)
        self.starts.extend(points)
        if self.on_small is self.on_middle:
            self.found = yield Request(self.on_middle, points, self.limits)
            return
        # A maximum of compressed rows goes on with more, so it need not be exact.
        rough = dataclasses.replace(self.limits, tol=np.float64(ROUGH))
        ends = yield Request(self.on_small, points, rough)
        margin = MARGIN + blur(self.small)
        chosen = self.ranking.candidates(ends, N_CANDIDATES, margin, rough=True)
        ends = yield Request(self.on_middle, beyond(chosen), self.limits)
        self.found += [end.continuing(chosen[end.start]) for end in ends]
        if not self.ranking.good(self.found):
            # The few rows led all starts into a collapse.
            self.found += yield Request(self.on_middle, points, self.limits)

    def _as_points(self, weibulls: np.ndarray) -> np.ndarray:
        """Points of the template (B, p) with the quantiles of mixtures of Weibulls (B, 3K - 1)."""
        points = self.template.every_order(self._with_quantiles(weibulls))
        return self.template.constraints.placed(points)

    def _with_quantiles(self, weibulls: np.ndarray) -> np.ndarray:
        reference = weibull_template(self.template.n_components)
        if self.template.is_weibulls:
            return weibulls
        found = []
        for x in weibulls:
            weights = np.exp(reference.log_weights(x))
            log_scale, log_shape = x[reference.stacks[0].positions]
            found.append(
                starts_from_weibulls(self.template, weights, np.exp(log_scale), np.exp(log_shape))
            )
        return np.concatenate(found) if found else np.zeros((0, self.template.size))

    def from_scan(self) -> Steps[None]:
        """From mixtures of a component less, and one more at concentrated failures."""
        good = self.ranking.good(self.found)
        top = max(good, key=lambda c: c.value, default=None)
        bases = yield from self._bases()
        # Each component of the best mixture may stand in the place of another concentration.
        left = without_each(as_weibulls(self.template, top.x)) if top is not None else bases[:0]
        every = np.concatenate([bases, left])
        lost = yield from self._lost(every, top)
        limit = np.repeat([SURE, LOST], [len(bases), len(left)])
        if not (lost < limit).any():
            return
        concentrations = ScanStatistic(observed_rows(self.rows), self.settings.rule.max_shape)
        # The gain of a concentration by itself is a crude guess at what its component adds.
        tables = [
            concentrations.around(base, N_CLUSTERS, 0.5 * below - MARGIN)[0]
            for base, below in zip(every[lost < limit], lost[lost < limit], strict=True)
        ]
        starts = self._as_points(np.concatenate(tables))
        best = -np.inf if top is None else top.value
        if len(starts):
            values = yield from values_at(self.on_middle, starts)
            starts = starts[values > best - MARGIN]
        if len(starts):
            first = len(self.starts)
            self.starts.extend(starts)
            ends = yield Request(self.on_middle, starts, self.limits)
            for end in ends:
                self.found.append(dataclasses.replace(end, start=end.start + first))

    def _lost(self, bases: np.ndarray, top: LocalMaximum | None) -> Steps[np.ndarray]:
        """Log-likelihood by which mixtures of a component less lie below the best maximum."""
        if top is None:
            return np.full(len(bases), -np.inf)
        if not len(bases):
            return np.zeros(0)
        points = [top.x[None], *(self._as_points(x[None]) for x in with_nothing(bases))]
        values = yield from values_at(self.on_small, np.concatenate(points))
        begins = np.cumsum([0, *(len(some) for some in points[:-1])])
        best = np.maximum.reduceat(values, begins)
        return best[0] - best[1:]

    def _bases(self) -> Steps[np.ndarray]:
        """Mixtures of Weibulls of a component less to add one to: the highest, and the broadest.

        One that owes its height to a few failures leaves a part of the sample ill described.
        """
        k = self.template.n_components
        if k == 2:
            return weibull_start(observed_rows(self.small))[None]
        fewer = yield from search_steps(weibull_template(k - 1), self.rows, self.settings)
        template = weibull_template(k - 1)
        ends = [fewer.best, *fewer.others]
        rule = self.settings.rule
        reasons = violations_of(ends, template, rule, self.n_units)
        good = [c for c, against in zip(ends, reasons, strict=True) if not against]
        if not good:
            return fewer.best.x[None]
        broad = sorted(good, key=lambda c: np.linalg.slogdet(-c.hessian)[1] - 2.0 * c.value)
        chosen = good[:N_BASES] + [
            c for c in broad[:N_BASES] if all(c is not g for g in good[:N_BASES])
        ]
        return np.stack([c.x for c in chosen])

    def summary(self, found: list[LocalMaximum], objective: Objective | None) -> Steps[Maximum]:
        """The best of what was found, with what speaks for and against it."""
        ranked = [c for c, _ in self.ranking.distinct(found)]
        best, reasons = ranked[0], self.ranking.violations(ranked[0])
        n_starts = len(self.starts)
        if not reasons or self.template.n_components == 1:
            start = self.starts[best.start]
            return Maximum(best, reasons, n_starts, best.n_agreeing, tuple(ranked[1:]), start)
        best = yield from self._stand_in(best, objective)
        return Maximum(best, reasons, n_starts, 0, tuple(ranked), self.starts[best.start])

    def _stand_in(self, best: LocalMaximum, objective: Objective | None) -> Steps[LocalMaximum]:
        """The best point with a vanishing penalty on steep shapes (Chen, Tan and Zhang 2008).

        Where there is no interior maximum, a collapse on single times is no answer either. The
        penalty counts shapes in units of the single Weibull's.
        """
        log_shape = weibull_start(observed_rows(without_zeros(self.small)))[1]
        where = self.template.log_shapes
        correction = Correction.none(self.template.size)
        correction.penalty[where] = 1.0 / self.n_units
        correction.reference[where] = log_shape
        starts = np.stack(self.starts)
        starts[:, where] = np.minimum(starts[:, where], log_shape + 1.0)
        rough = Limits.of(ROUGH, self.settings.max_iter)
        ends = yield Request(self.on_middle, starts, rough, correction)
        steep = np.array([self.template.shapes(c.x).max() for c in ends])
        value = np.array([c.value for c in ends])
        value = np.where(
            np.isfinite(value) & (steep <= self.settings.rule.max_shape), value, -np.inf
        )
        chosen = int(np.argmax(value))
        x = ends[chosen].x if np.isfinite(value.max()) else starts[0]
        if objective is None:
            there = (yield Request(self.on_middle, x[None], Limits.of(0.0, 0)))[0]
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
