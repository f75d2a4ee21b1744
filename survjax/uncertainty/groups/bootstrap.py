"""Bootstrap replicates of the fits of many groups, all of them in shared runs."""

from __future__ import annotations

import numpy as np

from survjax._core.annotations import RandomState
from survjax._core.validation import random_generator
from survjax.data.observations import Observations
from survjax.data.truncation_rows import expansion_index
from survjax.fitting.corrections import Correction
from survjax.fitting.groups.newton import maximize_runs
from survjax.fitting.groups.rows import GroupedRows
from survjax.fitting.settings import Settings
from survjax.likelihood.vector.template import Template

#: Weights of replicates that are held at a time.
HELD = 2**22


def replicates_of_groups(
    template: Template,
    groups: GroupedRows,
    which: np.ndarray,
    x: np.ndarray,
    settings: Settings,
    n_replicates: int,
    random_state: RandomState,
) -> np.ndarray:
    """Parameters (m, B, p) of refits of groups (m,) whose units are drawn with replacement.

    Each begins at the estimate x (m, p) of its group; NaN where it has no interior maximum. The
    draws of a group depend on its place among all, and on nothing of its neighbors.
    """
    found = np.full((which.size, n_replicates, template.size), np.nan)
    seeds = random_generator(random_state).integers(0, 2**63, groups.n_units.size)
    source = _sources(groups)
    limits, free = settings.limits(1, 1.0), Correction.of(template)
    place = {int(i): j for j, i in enumerate(which)}
    for size, some in groups.buckets(which):
        many = max(HELD // (size * n_replicates), 1)
        for begin in range(0, some.size, many):
            part = some[begin : begin + many]
            weight = np.concatenate(
                [_drawn(groups, source, int(i), size, n_replicates, seeds[i]) for i in part]
            )
            runs = np.repeat(part, n_replicates)
            at = np.array([place[int(i)] for i in part])

            def rows_of(
                chosen: np.ndarray,
                runs: np.ndarray = runs,
                weight: np.ndarray = weight,
                size: int = size,
            ) -> Observations:
                return groups.batch(runs[chosen], size).reweighted(weight[chosen])

            starts = np.repeat(x[at], n_replicates, axis=0)
            ends = maximize_runs(template, rows_of, size, starts, limits, free)
            against = ends.violated(template, settings.rule, groups.n_units[runs])
            bad = np.any([there for there, _ in against], axis=0)
            points = np.where(bad[:, None], np.nan, ends.x)
            found[at] = points.reshape(part.size, n_replicates, template.size)
    return found


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
