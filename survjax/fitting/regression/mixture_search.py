"""The highest interior maximum of a mixture regression's likelihood."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.corrections import Correction
from survjax.fitting.local_maxima import ARRIVED, LocalMaximum
from survjax.fitting.regression.fit import few_of, maximize, maximize_with_few, middle_size
from survjax.fitting.regression.maxima import maxima_from
from survjax.fitting.regression.mixture_parts import Parts, relabeled
from survjax.fitting.regression.mixture_starts import Starts
from survjax.fitting.regression.penalties import Penalty
from survjax.fitting.regression.violations import (
    FAR,
    intercepts_of,
    open_parameters,
    steepest,
    violations,
)
from survjax.fitting.search import search
from survjax.fitting.settings import ROUGH, Settings
from survjax.likelihood.regression.columns import Columns, sample_rows
from survjax.likelihood.regression.constraints import constrained
from survjax.likelihood.regression.forms import Form, Layout
from survjax.likelihood.regression.histories import Histories, whole_lives
from survjax.likelihood.regression.history_likelihood import HistoryLikelihood
from survjax.likelihood.regression.likelihood import Likelihood
from survjax.likelihood.vector.constraints import Constraints
from survjax.likelihood.vector.template import Template

#: Rows on which all starts go to a local maximum.
SEARCH_ROWS = 2048
#: How many different maxima go on from few rows to all.
N_FINALISTS = 3
#: Log-likelihood on few rows, each counted once, by which another maximum may lie below the best
#: and go on to all.
MARGIN = 10.0
#: Steps on some thousands of rows, from a maximum on fewer.
MOST_STEPS = 40
#: Further rounds of starts where none has led to an interior maximum.
MORE_ROUNDS = 2
#: Few rows have many maxima: up to so many, iterations begin around the best ones found as well, in
#: rounds for each component, until as many in turn have brought nothing; and how many are kept.
ROUNDED_ROWS, N_ROUNDS, N_IN_VAIN, N_KEPT = 512, 48, 10, 12
#: Starts on many rows.
FEWEST = 8
#: Mixtures without covariates that starts are made of.
N_PLAIN = 4
#: Histories, whose passes take long, go on from the best of so many starts.
N_OF_HISTORIES = 8
#: Smallest eigenvalue of an interior maximum's information, scaled to a diagonal of ones.
LEAST_EIGENVALUE = 1e-11
#: Two ends whose log-likelihoods differ by no more are one maximum.
SAME = 1e-6


class Judged(NamedTuple):
    """Where an iteration ended, and whether that is an interior maximum; None: not looked at."""

    end: LocalMaximum
    good: bool | None = None


class MixtureSearch:
    """What a search has to do with.

    Parameters
    ----------
    form, layout, columns
        The model, of K Weibulls.
    rows, x, component
        Observations, covariates (n, p), and the component of each row (-1: not known) or None.
    histories : Histories, optional
        Where rows of one unit depend on each other.
    penalty : Penalty, optional
        On the coefficients.
    settings, held
        Starts, rules and limits; coefficients that do not move, if any.
    """

    def __init__(
        self,
        form: Form,
        layout: Layout,
        columns: Columns,
        rows: Observations,
        x: np.ndarray,
        component: np.ndarray | None,
        histories: Histories | None,
        penalty: Penalty | None,
        settings: Settings,
        constraints: Constraints | None = None,
    ) -> None:
        self.template, self.layout = Template(form.template), layout
        self.parts = Parts(layout, self.template.n_components)
        self.constraints = constraints or Constraints.nothing(self.parts.size)
        self.penalty = None if penalty is None else penalty.on(self.constraints.free)
        self.settings = settings
        self.likelihood: Likelihood | HistoryLikelihood
        self.side_by_side = histories is None and not (penalty is not None and penalty.lasso.any())
        self.units, self.n_rows = rows, rows.n_rows
        if histories is None:
            self.likelihood = Likelihood(form, layout, rows, x, columns, component)
        else:
            first = histories.order[histories.first_rows]
            self.likelihood = HistoryLikelihood(form, layout, histories, x, columns, component)
            self.units, x = whole_lives(histories), x[first]
            component = None if component is None else component[first]
        #: The likelihoods on which starts go to a local maximum: of few rows that stand for all,
        #: of more, and of all.
        self.stages = [self.likelihood]
        if self.side_by_side and rows.n_rows > 2 * SEARCH_ROWS:
            some = few_of(rows, x, component, SEARCH_ROWS)
            more = few_of(rows, x, component, middle_size(rows))
            fewer = [Likelihood(form, layout, own, z, columns, c) for own, z, c in (some, more)]
            self.stages = [*fewer, self.likelihood]
            self.units = rows.take(sample_rows(rows.weight, SEARCH_ROWS))
            x, component = some[1:]
        self.limits = settings.limits(self.template.n_components, self.likelihood.n_units)
        z = (x - columns.center) / columns.scale
        self.starts = Starts(self.parts, self.units, z, component)

    def _on_few(self, starts: np.ndarray, max_iter: Any = None) -> list[LocalMaximum]:
        """Iterations from many starts, side by side on few rows where that can be."""
        if not self.side_by_side:
            return self._from_each(starts)
        nothing = Correction.none(self.parts.size)
        correction = dataclasses.replace(nothing, free=self.constraints.free)
        if self.penalty is not None:
            ridge, prior = -np.diag(self.penalty.ridge), self.penalty.priors
            correction = dataclasses.replace(correction, hessian=ridge, prior=prior)
        starts, limits = self.constraints.placed(starts), self.limits
        if max_iter is not None:
            limits = dataclasses.replace(limits, max_iter=max_iter)
        ends = maxima_from(cast(Likelihood, self.stages[0]), starts, limits, correction)
        if self.penalty is None:
            return ends
        smooth = self.penalty.smooth
        return [dataclasses.replace(end, value=end.value + smooth(end.x)[0]) for end in ends]

    def _from_each(self, starts: np.ndarray) -> list[LocalMaximum]:
        """Iterations on all rows, one start after the other."""
        starts = self.constraints.placed(starts)
        if len(starts) > N_OF_HISTORIES:
            values = np.array([self.likelihood(start)[0] for start in starts])
            order = np.argsort(np.where(np.isfinite(values), -values, np.inf), kind="stable")
            starts = starts[order[:N_OF_HISTORIES]]
        run = partial(maximize, constrained(self.likelihood, self.constraints), lost=self._is_lost)
        tol, most = self.settings.tol, self.settings.max_iter
        return [run(s, tol, most, self.penalty) for s in starts]

    def _is_lost(self, theta: np.ndarray) -> bool:
        """Whether no answer lies near theta (P,): a component has collapsed, or effects run off."""
        if self.template.n_components == 1:
            return False
        shapes = [theta[at[0]] for at, _ in self.parts.shapes]
        effects = np.abs(theta[~intercepts_of(self.layout)])
        return max(shapes) > float(self.limits.log_shape) or effects.max(initial=0.0) > FAR

    def is_good(self, end: LocalMaximum) -> bool:
        """Whether an iteration ended at an interior maximum."""
        some = end
        if self.penalty is not None and self.penalty.lasso.any():
            some = end.restricted(np.flatnonzero(end.x))
        if violations(some, LEAST_EIGENVALUE):
            return False
        if open_parameters(end, intercepts_of(self.layout), np.ones(end.x.size)).size:
            return False
        if self.template.n_components == 1:
            return True
        rule = self.settings.rule
        if self._steepest(end) > np.log(rule.max_shape):
            return False
        shares, weight = self.stages[0].memberships(end.x)
        if (shares @ weight)[: self.template.n_components].min() < rule.min_units:
            return False
        return steepest(self.stages[0], end.x, shares, weight) <= np.log(rule.max_shape)

    def _rank(self, end: LocalMaximum) -> tuple[float, bool, float]:
        """By value; iterations that were left come last, those that ran far off behind others."""
        near = self._steepest(end) <= float(self.limits.log_shape) + 3.0
        return self.objective(end), near, np.nan_to_num(end.value, nan=-np.inf)

    def _steepest(self, end: LocalMaximum) -> float:
        """The largest log shape of an asset with mean covariates."""
        return float(max(end.x[at[0]] for at, _ in self.parts.shapes))

    def ranked(self, ends: Iterable[Judged | LocalMaximum]) -> list[Judged]:
        """Different ends by falling value, those that are interior maxima first."""
        judged = [end if isinstance(end, Judged) else Judged(end) for end in ends]
        kept: list[Judged] = []
        for each in sorted(judged, key=lambda each: self._rank(each.end), reverse=True):
            value = self.objective(each.end)
            near = [abs(self.objective(other.end) - value) for other in kept if np.isfinite(value)]
            if min(near, default=np.inf) > SAME * (1.0 + abs(each.end.value)):
                good = self.is_good(each.end) if each.good is None else each.good
                kept.append(Judged(each.end, good))
        return sorted(kept, key=lambda each: not each.good)

    def objective(self, end: LocalMaximum) -> float:
        """The value with its penalty; minus infinity where it is no number."""
        value = end.value
        if self.penalty is not None:
            value -= float(self.penalty.smooth(end.x)[0] + self.penalty.lasso @ np.abs(end.x))
        arrived = end.code in ARRIVED and np.isfinite(value)
        return value if arrived else -np.inf

    def _n_starts(self) -> int:
        """As many as asked for on few rows, fewer where an iteration takes longer."""
        asked = self.settings.n_starts
        if self.template.n_components == 1:
            return min(asked, 2)
        if self.units.n_rows > 2 * ROUNDED_ROWS:
            return min(asked, FEWEST)
        return asked * (self.template.n_components - 1)

    def answer(self, in_order: bool) -> LocalMaximum:
        """The best found, its components in the order of their medians at the mean asset if asked.

        The highest interior maximum from all starts; whatever there is where none is found.
        """
        without = search(self.template, self.units, self.settings)
        plain = np.stack([end.x for end in (without.best, *without.others)][:N_PLAIN])
        plain = plain[np.isfinite(plain).all(axis=1)]
        best = self._best(plain)
        known = None if self.penalty is None else self.penalty.priors
        apart = self.parts.tells_apart(self.constraints, None if known is None else known.terms)
        order = partial(relabeled, self.parts) if in_order and not apart else np.array
        if len(self.stages) > 1:
            best = self._on_all_rows(best, plain, order)
        theta = order(best[0].end.x)
        same = np.array_equal(theta, best[0].end.x)
        return best[0].end if same else self._from_each(theta[None])[0]

    def _best(self, plain: np.ndarray) -> list[Judged]:
        found: list[Judged] = []
        rng = np.random.default_rng(self.settings.random_state)
        for _ in range(1 + MORE_ROUNDS):
            starts = self.starts.first(plain, self._n_starts(), rng)
            found = self.ranked([*found, *self._on_few(starts)])
            if found[0].good:
                break
        few = self.side_by_side and self.units.n_rows <= ROUNDED_ROWS
        return self._around(found, rng) if few and self.template.n_components > 1 else found

    def _on_all_rows(
        self, found: list[Judged], plain: np.ndarray, order: Callable[[np.ndarray], np.ndarray]
    ) -> list[Judged]:
        """From maxima on few rows, by way of some more, to all, their components in an order.

        `plain` are mixtures without covariates, for starts where the few rows are of no help.
        """
        tol, most, lost = self.settings.tol, self.settings.max_iter, self._is_lost
        few, middle, every = (cast(Likelihood, each) for each in self.stages)
        self.stages = [middle, every]
        rough, whole = constrained(middle, self.constraints), constrained(every, self.constraints)
        ends = [
            maximize(rough, order(end.x), ROUGH, MOST_STEPS, self.penalty, lost=lost)
            for end in self._near(found, few)
        ]
        if not any(end.code in ARRIVED for end in ends):
            # What were maxima of few rows are none of more.
            rng = np.random.default_rng(self.settings.random_state)
            again = self.starts.first(plain, self._n_starts(), rng)
            ends += self._on_few(again, np.int64(MOST_STEPS))
        near = self._near(self.ranked(ends), middle)
        self.stages = [every]
        return self.ranked(
            [
                maximize_with_few(whole, rough, order(end.x), tol, most, self.penalty, lost)
                for end in near
            ]
        )

    def _near(self, found: list[Judged], few: Likelihood) -> list[LocalMaximum]:
        """The best of the ends on few rows, and others that may be better on all."""
        least = self.objective(found[0].end) - MARGIN * self.n_rows / few.n_rows
        near = [each for each in found[:N_FINALISTS] if self.objective(each.end) >= least]
        near = [each for each in near if each.good] or found[:1]
        return [each.end for each in near]

    def _around(self, found: list[Judged], rng: np.random.Generator) -> list[Judged]:
        """Further ends, from around the best so far."""
        in_vain, k = 0, self.template.n_components
        for _ in range(k * N_ROUNDS):
            best, *others = (each.end for each in found[:N_KEPT] if np.isfinite(each.end.x).all())
            more = self._on_few(self.starts.around(best, others, rng))
            found = self.ranked([*found[:N_KEPT], *more])
            in_vain = in_vain + 1 if found[0].end is best else 0
            if in_vain == k * N_IN_VAIN:
                break
        return found
