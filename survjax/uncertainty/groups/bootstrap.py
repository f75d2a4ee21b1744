"""Bootstrap replicates of the fits of many groups, all of them in shared runs.

As `survjax.uncertainty.bootstrap` has them of one fit: from the estimate and the other maxima that
count, the highest maximum is kept, and a replicate of which all end at no interior maximum is
searched.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import jax
import numpy as np

from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.data.observations import Observations
from survjax.data.truncation_rows import expansion_index
from survjax.fitting.corrections import Correction
from survjax.fitting.groups.maxima import are_between_bounds
from survjax.fitting.groups.newton import Ends, in_calls, maximize_runs
from survjax.fitting.groups.rows import GroupedRows
from survjax.fitting.settings import Settings
from survjax.lifetimes import Lifetime
from survjax.likelihood.vector.template import Template
from survjax.uncertainty.bootstrap import MOST_STARTS, score_skewness
from survjax.uncertainty.groups.maxima import ManyMaxima
from survjax.uncertainty.groups.searched import maxima_by_search

#: Weights of replicates that are held at a time.
HELD = 2**22


@dataclasses.dataclass(frozen=True)
class GroupReplicates:
    """Replicates of m groups that share a template.

    Attributes
    ----------
    template : Template
    which : array of shape (m,)
        The groups, by their places among all.
    maxima : ManyMaxima
        Of each: the estimate first.
    points : array of shape (m, B, p)
        Parameters of the replicates, components in the order that is nearest to the estimate's;
        NaN where one has no interior maximum.
    skewness : array of shape (m, p, p, p)
        Third moments of the rows' scores, from which the acceleration of the bounds follows.
    """

    template: Template
    which: np.ndarray
    maxima: ManyMaxima
    points: np.ndarray
    skewness: np.ndarray

    def of(self, names: np.ndarray) -> GroupReplicates:
        """The same with other numbers of the groups."""
        return dataclasses.replace(self, which=names[self.which])


def replicates_of_groups(
    template: Template,
    groups: GroupedRows,
    chosen: np.ndarray,
    maxima: ManyMaxima,
    settings: Settings,
    n_replicates: int,
    seeds: np.ndarray,
) -> GroupReplicates:
    """Refits of some groups (m,), whose units are drawn with replacement.

    The draws of each follow from a seed (m,) of its own, and from nothing of its neighbors.
    """
    points = np.full((chosen.size, n_replicates, template.size), np.nan)
    source = _sources(groups)
    for size, some in groups.buckets(chosen):
        many = max(HELD // (size * n_replicates), 1)
        for begin in range(0, some.size, many):
            part = some[begin : begin + many]
            at = np.searchsorted(chosen, part)
            drawn = [
                _drawn(groups, source, int(i), size, n_replicates, int(seeds[j]))
                for i, j in zip(part, at, strict=True)
            ]
            refits = _Refits(template, groups, part, size, np.concatenate(drawn), settings)
            points[at] = refits.from_maxima(maxima, at).reshape(part.size, n_replicates, -1)
    estimates = maxima.begins[:-1]
    for j, i in enumerate(estimates):
        information = template.constraints.information(maxima.covariances[i])
        points[j] = template.aligned(points[j], maxima.parameters[i], information)
    skewness = _skewness(template, groups, chosen, maxima.parameters[estimates])
    return GroupReplicates(template, chosen, maxima, points, skewness)


class _Refits:
    """Replicates of some groups, one after the other: weights (B, size) of the rows of each."""

    def __init__(
        self,
        template: Template,
        groups: GroupedRows,
        part: np.ndarray,
        size: int,
        weight: np.ndarray,
        settings: Settings,
    ) -> None:
        self.template, self.groups, self.size, self.settings = template, groups, size, settings
        self.weight, self.group = weight, np.repeat(part, len(weight) // part.size)
        self.n_units = groups.n_units[self.group]

    def rows(self, which: np.ndarray) -> Observations:
        """The rows (k, size) of some of the replicates."""
        return self.groups.batch(self.group[which], self.size).reweighted(self.weight[which])

    def from_maxima(self, maxima: ManyMaxima, at: np.ndarray) -> np.ndarray:
        """Parameters (R, p) of the replicates, from the maxima of the groups that are at places."""
        template = self.template
        begins = np.repeat(at, len(self.weight) // at.size)
        run, start = maxima.each_of(begins)
        first = start - maxima.begins[begins][run] < MOST_STARTS
        run, start = run[first], start[first]
        each = [self.settings.limits(template.n_components, n) for n in self.n_units]
        log_weight = np.array([float(limits.log_weight) for limits in each])
        limits = dataclasses.replace(each[0], log_weight=log_weight[run])
        # No penalty: what keeps shapes from being steep would carry a narrow component elsewhere.
        ends = maximize_runs(
            template, lambda some: self.rows(run[some]), self.size, maxima.parameters[start],
            limits, Correction.of(template),
        )  # fmt: skip
        points, lost = self._highest(ends, run)
        if lost.size:
            points[lost] = maxima_by_search(template, self.rows(lost), self.settings)
        return points

    def _highest(self, ends: Ends, run: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The highest interior maximum of each replicate (R, p), and which are to be searched."""
        template = self.template
        against = ends.violated(template, self.settings.rule, self.n_units[run])
        good = ~np.any([there for there, _ in against], axis=0)
        value = np.where(good, ends.value, -np.inf)
        order = np.lexsort((-value, run))
        best = order[np.searchsorted(run[order], np.arange(len(self.weight)))]
        points = np.where(good[best, None], ends.x[best], np.nan)
        lost = np.full(len(points), template.constraints.at_bounds.size > 0)
        if template.n_components > 1:
            lost |= ~good[best]
        lost[run[good & ~are_between_bounds(template, ends.x)]] = True
        return points, np.flatnonzero(lost)


def _sources(groups: GroupedRows) -> np.ndarray:
    """The row as it was given, of which each row of a likelihood is or is the truncation."""
    rows, begins = groups.source
    if rows.entry is None and rows.exit is None:
        return np.arange(rows.n_rows)
    index = expansion_index(rows)
    group = np.repeat(np.arange(begins.size - 1), np.diff(begins))[index]
    return index[np.argsort(group, kind="stable")]


def _drawn(
    groups: GroupedRows, source: np.ndarray, i: int, size: int, n_replicates: int, seed: int
) -> np.ndarray:
    """Weights (B, size) of the rows of one group: as many units, drawn with replacement."""
    rows, begins = groups.source
    weight = rows.weight[begins[i] : begins[i + 1]]
    total = weight.sum()
    n_units = max(round(float(total)), 1)
    counts = np.random.default_rng(seed).multinomial(n_units, weight / total, size=n_replicates)
    own = slice(groups.begins[i], groups.begins[i + 1])
    sign = np.sign(groups.rows.weight[own])
    drawn = counts[:, source[own] - begins[i]] * (total / n_units) * sign
    return np.pad(drawn, ((0, 0), (0, size - drawn.shape[1])))


def _skewness(
    template: Template, groups: GroupedRows, chosen: np.ndarray, x: np.ndarray
) -> np.ndarray:
    """Third moments (m, p, p, p) of the scores of each group's rows at its estimate (m, p)."""
    rows, begins = groups.source
    given = GroupedRows(rows, begins, groups.n_units, groups.n_events, groups.source)
    found = np.zeros((chosen.size, *(template.size,) * 3))
    for size, some in _calls(given, chosen):
        at = np.searchsorted(chosen, some)
        batch = given.batch(some, size)
        found[at] = np.asarray(_score_skewness_each(template.lifetime, x[at], batch))
    return found


def _calls(groups: GroupedRows, chosen: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Groups of a size, as many as a call takes."""
    for size, some in groups.buckets(chosen):
        for part in in_calls(some, size):
            yield size, part


@program
def _score_skewness_each(lifetime: Lifetime, x: jax.Array, rows: Observations) -> jax.Array:
    _, unravel = ravel_parameters(lifetime)
    return jax.vmap(lambda one, own: score_skewness(unravel(one), own))(x, rows)
