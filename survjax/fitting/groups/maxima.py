"""The maxima of one likelihood on many groups, each by itself."""

from __future__ import annotations

import dataclasses

import numpy as np

from survjax.fitting.corrections import Correction
from survjax.fitting.groups.newton import ROWS, Ends, maximize_runs
from survjax.fitting.groups.rows import GroupedRows
from survjax.fitting.groups.starts import starts_of_groups
from survjax.fitting.settings import Settings
from survjax.likelihood.vector.template import Template


@dataclasses.dataclass(frozen=True)
class GroupMaxima:
    """The highest interior maximum of each of m groups that has one.

    Attributes
    ----------
    which : array of shape (m,)
        The groups.
    ends : Ends
        Where the iterations of each ended.
    """

    which: np.ndarray
    ends: Ends


def maxima_of_groups(
    template: Template,
    groups: GroupedRows,
    chosen: np.ndarray,
    settings: Settings,
) -> GroupMaxima:
    """Interior maxima of a lifetime of one component on each of the chosen groups.

    Groups of which no start leads to one are left out: what is to be said of them, `search` says.
    """
    limits = settings.limits(1, 1.0)
    found: list[tuple[np.ndarray, Ends]] = []
    for size, which in groups.buckets(chosen):
        # Few groups at a time, so that what is in between stays in cache.
        some = max(ROWS // size, 1)
        parts = (which[i : i + some] for i in range(0, which.size, some))
        starts = starts_of_groups(template, (groups.batch(part, size) for part in parts))
        n_starts = starts.shape[1]
        runs = np.repeat(which, n_starts)
        flat = starts.reshape(-1, template.size)
        ends = maximize_runs(
            template,
            groups.rows_of(runs, size),
            size,
            flat,
            limits,
            Correction.of(template),
        )
        found.append(_best(template, groups, settings, runs, n_starts, ends))
    if not found:
        return GroupMaxima(np.empty(0, int), Ends.none(template.size))
    which = np.concatenate([part[0] for part in found])
    order = np.argsort(which)
    return GroupMaxima(which[order], Ends.joined([part[1] for part in found]).take(order))


def _best(
    template: Template,
    groups: GroupedRows,
    settings: Settings,
    runs: np.ndarray,
    n_starts: int,
    ends: Ends,
) -> tuple[np.ndarray, Ends]:
    """Of the runs of each group, that which ended at the highest interior maximum."""
    against = ends.violated(template, settings.rule, groups.n_units[runs])
    good = ~np.any([there for there, _ in against], axis=0)
    good &= are_between_bounds(template, ends.x)
    height = np.where(good, ends.value, -np.inf).reshape(-1, n_starts)
    best = np.argmax(height, axis=1)
    some = np.flatnonzero(np.isfinite(height.max(axis=1)))
    chosen = some * n_starts + best[some]
    return runs[chosen], ends.take(chosen)


def are_between_bounds(template: Template, x: np.ndarray) -> np.ndarray:
    """Whether points (m, p) lie between the bounds that a user set."""
    constraints = template.constraints
    return np.all((x >= constraints.low) & (x <= constraints.high), axis=1)
