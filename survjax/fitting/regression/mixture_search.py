"""The highest interior maximum of a mixture regression's likelihood."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import NamedTuple, cast

import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.local_maxima import ARRIVED, Correction
from survjax.fitting.regression.faults import faults, intercepts_of, open_parameters
from survjax.fitting.regression.fit import maximize
from survjax.fitting.regression.maxima import maxima_from
from survjax.fitting.regression.mixture_starts import Parts, Starts
from survjax.fitting.search import search
from survjax.fitting.settings import Settings
from survjax.likelihood.regression.columns import Columns, sample_rows
from survjax.likelihood.regression.forms import Form, Layout
from survjax.likelihood.regression.histories import Histories, whole_lives
from survjax.likelihood.regression.history_likelihood import HistoryLikelihood
from survjax.likelihood.regression.likelihood import Likelihood
from survjax.likelihood.regression.penalties import Penalty, RegressionMaximum
from survjax.likelihood.template import Template

#: Rows on which all starts go to a local maximum.
SEARCH_ROWS = 2048
#: How many different maxima go on from few rows to all.
N_FINALISTS = 3
#: Log-likelihood on few rows by which another maximum may lie below the best and go on to all.
MARGIN = 10.0
#: Further rounds of starts where none has led to an interior maximum.
MORE_ROUNDS = 2
#: Few rows have many maxima: up to so many, iterations begin around the best one found as well, in
#: rounds, until as many in turn have brought nothing.
ROUNDED_ROWS, N_AROUND, N_ROUNDS, N_IN_VAIN = 512, 16, 24, 6
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

    end: RegressionMaximum
    good: bool | None = None


class MixtureSearch:
    """What a search has to do with: the data, few of them, and the rules.

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
    settings : Settings
        Starts, the rule of an interior maximum, and when an iteration stops.
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
    ) -> None:
        self.template, self.layout = Template(form.template), layout
        self.parts = Parts(layout, self.template.n_components)
        self.settings, self.penalty, self.share = settings, penalty, 1.0
        self.likelihood: Likelihood | HistoryLikelihood
        self.side_by_side = histories is None and not (penalty is not None and penalty.lasso.any())
        self.units = rows
        if histories is None:
            self.likelihood = Likelihood(form, layout, rows, x, columns, component)
        else:
            first = histories.order[histories.first_rows]
            self.likelihood = HistoryLikelihood(form, layout, histories, x, columns, component)
            self.units, x = whole_lives(histories), x[first]
            component = None if component is None else component[first]
        #: The likelihood on which starts go to a local maximum.
        self.few = self.likelihood
        if self.side_by_side and rows.n_rows > 2 * SEARCH_ROWS:
            part = sample_rows(rows.weight, SEARCH_ROWS)
            self.units, x = rows.take(part), x[part]
            component = None if component is None else component[part]
            self.few = Likelihood(form, layout, self.units, x, columns, component)
            self.share = self.few.n_units / rows.n_units
        self.limits = settings.limits(self.template.n_components, self.likelihood.n_units)
        z = (x - columns.center) / columns.scale
        self.starts = Starts(self.parts, self.units, z, component)

    def _on_few(self, starts: np.ndarray) -> list[RegressionMaximum]:
        """Iterations from many starts, side by side on few rows where that can be."""
        if not self.side_by_side:
            return self._from_each(starts)
        correction = Correction.none(self.parts.size)
        if self.penalty is not None:
            ridge = self.share * self.penalty.ridge
            correction = dataclasses.replace(correction, hessian=-np.diag(ridge))
        return [
            RegressionMaximum(
                end.x,
                end.value - 0.5 * float(end.x @ (correction.hessian @ end.x)),
                end.gradient,
                end.hessian,
                end.decrement,
                end.n_iter,
                end.code,
            )
            for end in maxima_from(cast(Likelihood, self.few), starts, self.limits, correction)
        ]

    def _from_each(self, starts: np.ndarray) -> list[RegressionMaximum]:
        """Iterations on all rows, one start after the other."""
        if len(starts) > N_OF_HISTORIES:
            values = np.array([self.likelihood(start)[0] for start in starts])
            order = np.argsort(np.where(np.isfinite(values), -values, np.inf), kind="stable")
            starts = starts[order[:N_OF_HISTORIES]]
        tol, most = self.settings.tol, self.settings.max_iter

        def lost(theta: np.ndarray) -> bool:
            shapes = [theta[at[0]] for at, _ in self.parts.shapes]
            return self.template.n_components > 1 and max(shapes) > float(self.limits.log_shape)

        return [maximize(self.likelihood, s, tol, most, self.penalty, lost=lost) for s in starts]

    def is_good(self, end: RegressionMaximum) -> bool:
        """Whether an iteration ended at an interior maximum."""
        some = end
        if self.penalty is not None and self.penalty.lasso.any():
            some = end.restricted(np.flatnonzero(end.theta))
        if faults(some, LEAST_EIGENVALUE):
            return False
        units = np.ones(end.theta.size)
        if open_parameters(end, intercepts_of(self.layout), units).size:
            return False
        if self.template.n_components == 1:
            return True
        rule = self.settings.rule
        if self._steepest(end) > np.log(rule.max_shape):
            return False
        shares, weight = self.few.memberships(end.theta)
        return bool((shares @ weight).min() >= rule.min_units * self.share)

    def _rank(self, end: RegressionMaximum) -> tuple[float, bool, float]:
        """By value; iterations that were left come last, those that ran far off behind others."""
        near = self._steepest(end) <= float(self.limits.log_shape) + 3.0
        return self.objective(end), near, np.nan_to_num(end.value, nan=-np.inf)

    def _steepest(self, end: RegressionMaximum) -> float:
        """The largest log shape of an asset with mean covariates."""
        return float(max(end.theta[at[0]] for at, _ in self.parts.shapes))

    def ranked(self, ends: Iterable[Judged | RegressionMaximum]) -> list[Judged]:
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

    def objective(self, end: RegressionMaximum) -> float:
        """The value with its penalty; minus infinity where it is no number."""
        value = end.value
        if self.penalty is not None:
            scaled = self.penalty.scaled(self.share)
            value -= float(0.5 * scaled.ridge @ end.theta**2 + scaled.lasso @ np.abs(end.theta))
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

    def answer(self, in_order: bool) -> RegressionMaximum:
        """The best found, its components in the order of their medians at the mean asset if asked.

        The highest interior maximum from all starts; whatever there is where none is found.
        """
        without = search(self.template, self.units, self.settings)
        plain = np.stack([end.x for end in (without.best, *without.others)][:N_PLAIN])
        best = self._best(plain[np.isfinite(plain).all(axis=1)])
        theta = relabeled(self.parts, best.theta) if in_order else best.theta
        return best if np.array_equal(theta, best.theta) else self._from_each(theta[None])[0]

    def _best(self, plain: np.ndarray) -> RegressionMaximum:
        found: list[Judged] = []
        rng = np.random.default_rng(self.settings.random_state)
        for _ in range(1 + MORE_ROUNDS):
            found = self.ranked(
                [*found, *self._on_few(self.starts.first(plain, self._n_starts(), rng))]
            )
            if found[0].good:
                break
        few = self.side_by_side and self.units.n_rows <= ROUNDED_ROWS
        if few and self.template.n_components > 1:
            found = self._around(found, rng)
        if self.few is not self.likelihood:
            least = self.objective(found[0].end) - MARGIN
            near = [each for each in found[:N_FINALISTS] if self.objective(each.end) >= least]
            near = [each for each in near if each.good] or found[:1]
            self.few, self.share = self.likelihood, 1.0
            found = self.ranked(self._from_each(np.array([each.end.theta for each in near])))
        return found[0].end

    def _around(self, found: list[Judged], rng: np.random.Generator) -> list[Judged]:
        """Further ends, from around the best so far."""
        in_vain = 0
        for _ in range(N_ROUNDS):
            best = found[0].end
            more = self._on_few(self.starts.around(best.theta, N_AROUND, rng))
            found = self.ranked([*found[:N_FINALISTS], *more])
            in_vain = in_vain + 1 if found[0].end is best else 0
            if in_vain == N_IN_VAIN:
                break
        return found


def relabeled(parts: Parts, theta: np.ndarray) -> np.ndarray:
    """The same mixture with its components in the order of their medians at the mean asset."""
    kinds = (parts.weights, parts.scales, parts.shapes)
    if any(len({tuple(columns) for _, columns in kind}) > 1 for kind in kinds):
        return theta
    logits, scales, shapes = ([theta[at] for at, _ in kind] for kind in kinds)
    medians = [
        s[0] + np.log(np.log(2.0)) / np.exp(c[0]) for s, c in zip(scales, shapes, strict=True)
    ]
    order = np.argsort(medians, kind="stable")
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
