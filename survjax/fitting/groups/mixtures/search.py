"""The search of `survjax.fitting.search` for mixtures of two Weibulls, in many groups at once.

What a search does for one group, a guess, an EM step, a look for concentrations, is here one
operation on arrays of many, and all starts of all groups share the runs of Newton's iterations.
Starts that come together on the way go on as one. A group that ends without an interior maximum
is left out: its own search says what is to be said of it.
"""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from survjax._core.parallel import n_threads
from survjax.fitting.groups.mixtures.ranked import Ranked, agreeing, ranked
from survjax.fitting.groups.mixtures.rows import SortedRows
from survjax.fitting.groups.mixtures.runs import GROUPS, Manner, ended
from survjax.fitting.groups.mixtures.scan_statistics import ScanStatistics
from survjax.fitting.groups.newton import Ends
from survjax.fitting.groups.rows import MOST_ROWS, GroupedRows
from survjax.fitting.groups.starts import weibull_starts
from survjax.fitting.guesses.responsibilities import guessed, has_paper
from survjax.fitting.scan_statistic import without_each
from survjax.fitting.search import LOST, MARGIN, N_CLUSTERS, SURE
from survjax.fitting.settings import Settings
from survjax.fitting.starts import are_different, canonical, maximized
from survjax.likelihood.vector.template import Template

#: Groups whose guesses are made at a time.
AT_ONCE = 16
#: Log-likelihood by which a start at a concentration may lie below the best maximum and be tried:
#: half of what one search by itself allows, since all wait for their runs.
CLOSE = 15.0
#: Runs in 32 bits that come this close (logs of weights, scales, shapes) end at one maximum, and
#: the distance from it at which they stop, in standard errors.
TOGETHER, NEARLY = 0.1, 0.01
APPROACH = Manner(np.float32, spectral=False, reach=TOGETHER, to_the_end=False)
ARRIVAL = Manner(np.float64, spectral=True, reach=0.0, to_the_end=True)


def is_plain_pair(template: Template) -> bool:
    """Whether it is a mixture of two Weibulls of which nothing is known before."""
    plain = (
        not template.constraints.is_any
        and not template.constraints.is_bounded
        and template.prior is None
    )
    return template.is_weibulls and template.n_components == 2 and plain


def mixtures_of_groups(
    template: Template, groups: GroupedRows, chosen: np.ndarray, settings: Settings
) -> Ranked | None:
    """The interior maxima of mixtures of Weibulls on each of the chosen groups that has one."""
    pieces = [
        (size, which[begin : begin + GROUPS[-1]])
        for size, which in groups.buckets(chosen[suited(groups, chosen)])
        for begin in range(0, which.size, GROUPS[-1])
    ]

    def of_piece(piece: tuple[int, np.ndarray]) -> Ranked:
        size, which = piece
        rows = SortedRows.of(groups, which, size)
        with np.errstate(all="ignore"):
            return _Search(template, rows, settings).found().of(which)

    if not pieces:
        return None
    with ThreadPoolExecutor(min(n_threads(), len(pieces))) as pool:
        return Ranked.joined(list(pool.map(of_piece, pieces)))


def suited(groups: GroupedRows, chosen: np.ndarray) -> np.ndarray:
    """Which of the groups (m,) have few rows without intervals, and failures enough to guess by."""
    if groups.rows.interval is not None or not chosen.size:
        return np.zeros(chosen.size, bool)
    suits = (groups.sizes[chosen] <= MOST_ROWS) & (groups.n_events[chosen] > 0)
    for size, which in groups.buckets(chosen[suits]):
        rows = groups.batch(which, size)
        suits[np.searchsorted(chosen, which)] = has_paper(
            rows.log_lower, (rows.event > 0) & (rows.weight > 0), 2
        )
    return suits


class _Search:
    """Runs of all starts of some groups, and where they ended."""

    def __init__(self, template: Template, rows: SortedRows, settings: Settings) -> None:
        self.template, self.rows, self.settings = template, rows, settings
        self.observations, self.centered = rows.observations, rows.centered
        each = [settings.limits(template.n_components, n) for n in rows.n_units]
        self.limits = each[0]
        self.log_weight = np.array([limits.log_weight for limits in each])
        #: Of all runs so far: the group, the start, and how many others ended as one with it.
        self.group, self.n_agreeing = np.zeros(0, int), np.zeros(0, int)
        self.starts = np.zeros((0, template.size))
        self.ends = Ends.none(template.size)
        self.n_starts = np.zeros(len(rows.n_rows), int)

    def found(self) -> Ranked:
        """The whole search."""
        group, starts = self._guesses()
        self._climb(group, starts)
        group, starts = self._from_scan()
        if group.size:
            self._climb(group, starts)
        good = self._is_good()
        return ranked(self, good)

    def _guesses(self) -> tuple[np.ndarray, np.ndarray]:
        """Starts read off the whole samples, and the groups they are of."""
        rows, settings, groups, starts = self.rows, self.settings, [], []
        for begin in range(0, len(rows.n_rows), AT_ONCE):
            some = rows.take(slice(begin, begin + AT_ONCE))
            columns = some.log_time, some.event, some.observed_weight
            n = self.template.n_components
            tables = guessed(*columns, n, settings.n_starts, settings.random_state)
            weight = some.observed_weight * (some.n_rows / some.n_units)[:, None]
            points = maximized(tables, some.log_time, some.event, weight)
            group, which = np.nonzero(are_different(points))
            groups.append(begin + group)
            starts.append(points[group, which])
        return np.concatenate(groups), np.concatenate(starts).astype(float)

    def _climb(self, group: np.ndarray, starts: np.ndarray) -> None:
        """From starts (m, p) of groups (m,) to maxima: nearly there in 32 bits, then in 64."""
        known = self.group.size
        one, x = self._approach(group, starts)
        self.n_starts += np.bincount(group, minlength=self.n_starts.size)
        count = np.bincount(one, minlength=known + group.size)
        kept = np.flatnonzero(one[known:] == known + np.arange(group.size))
        limits = dataclasses.replace(self.limits, log_weight=self.log_weight)
        _, ends = ended(self.template, self.observations, group[kept], x[kept], 0, limits, ARRIVAL)
        self.n_agreeing += count[:known] - 1
        self.group = np.concatenate([self.group, group[kept]])
        self.starts = np.concatenate([self.starts, starts[kept]])
        self.n_agreeing = np.concatenate([self.n_agreeing, count[known + kept]])
        self.ends = Ends.joined([self.ends, ends])

    def _approach(self, group: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points (m, p) near maxima; for each end so far and each run, with which it is one."""
        known, scales = self.group.size, self.template.log_scales
        whose = np.concatenate([self.group, group])
        shift = np.zeros((whose.size, self.template.size))
        shift[:, scales] = self.rows.center[whose][:, None]
        points = np.concatenate([self.ends.x, starts])
        limits = dataclasses.replace(
            self.limits, tol=np.float64(NEARLY), log_weight=self.log_weight
        )
        same, ends = ended(
            self.template, self.centered, whose, points - shift, known, limits, APPROACH
        )
        points[known:] = ends.x + shift[known:]
        left = np.flatnonzero(same == np.arange(whose.size))
        same[left] = left[agreeing(whose[left], canonical(points[left]), TOGETHER)]
        while not (same == same[same]).all():
            same = same[same]
        return same, points[known:]

    def _is_good(self) -> np.ndarray:
        """Which of the ends are interior maxima."""
        n_units = self.rows.n_units[self.group]
        against = self.ends.violated(self.template, self.settings.rule, n_units)
        return ~np.any([there for there, _ in against], axis=0)

    def _from_scan(self) -> tuple[np.ndarray, np.ndarray]:
        """Starts with a component at concentrated failures, beside what is left of the best."""
        n = len(self.rows.n_rows)
        value = np.where(self._is_good(), self.ends.value, -np.inf)
        top = np.full(n, -np.inf)
        np.maximum.at(top, self.group, value)
        has = np.flatnonzero(top > -np.inf)
        order = np.lexsort((-value, self.group))
        first = order[np.searchsorted(self.group[order], has)]
        single = weibull_starts(self.rows.observations)
        left = without_each(self.ends.x[first])
        bases = np.concatenate([single, left.reshape(-1, left.shape[-1])])
        group = np.concatenate([np.arange(n), np.repeat(has, left.shape[1])])
        limit = np.where(np.arange(len(bases)) < n, SURE, LOST)
        lost = top[group] - self.rows.values(group, bases)
        some = np.isinf(lost) | (lost < limit)
        group, bases = group[some], bases[some]
        if not group.size:
            return group, np.zeros((0, self.template.size))
        least = np.where(np.isinf(lost[some]), 0.0, 0.5 * lost[some] - MARGIN)
        concentrations = ScanStatistics.of(self.rows, self.settings.rule.max_shape)
        base, starts = concentrations.around(group, bases, least, N_CLUSTERS)
        group = group[base]
        near = self.rows.values(group, starts) > top[group] - CLOSE
        return group[near], starts[near]
