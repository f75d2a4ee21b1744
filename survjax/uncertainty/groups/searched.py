"""The interior maxima of replicates that no known maximum leads to: searched as the data were."""

from __future__ import annotations

import functools

import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.edges.bounds import steps_between_bounds
from survjax.fitting.groups.mixtures.search import is_plain_pair, mixtures_of_groups, suited
from survjax.fitting.groups.rows import GroupedRows
from survjax.fitting.groups.together import together
from survjax.fitting.settings import Settings
from survjax.likelihood.vector.template import Template
from survjax.uncertainty.bootstrap import crosses


def maxima_by_search(template: Template, rows: Observations, settings: Settings) -> np.ndarray:
    """The highest interior maximum (m, p) on rows (m, n) of each replicate; NaN where none is.

    Truncation is rows of negative weight. Between bounds, where there are any: others may stand at
    one here than in the fit.
    """
    groups = _grouped(rows)
    found = np.full((groups.n_units.size, template.size), np.nan)
    left = np.arange(len(found))
    if is_plain_pair(template):
        some = suited(groups, left)
        pairs = mixtures_of_groups(template, groups, left[some], settings)
        if pairs is not None:
            found[pairs.which] = pairs.ends.x[pairs.best]
        left = left[~some]
    free = template.constrained(template.constraints.at(np.empty(0, int), np.empty(0)))
    searches = (
        functools.partial(steps_between_bounds, free, groups.observed(int(i)), settings)
        for i in left
    )
    for j, end in together(searches, settings.rule):
        if isinstance(end, Exception):
            raise end
        model, answer = end
        if not (answer.violations or crosses(model, answer.best.x)):
            found[left[j]] = answer.best.x
    return found


def _grouped(rows: Observations) -> GroupedRows:
    """Replicates (m, n) as groups of rows, without those of no weight."""
    there = rows.weight != 0
    flat = rows._map(lambda column: np.broadcast_to(column, there.shape)[there])
    begins = np.append(0, np.cumsum(there.sum(axis=1)))
    positive = np.maximum(rows.weight, 0.0)
    seen = rows.event if rows.interval is None else rows.event + rows.interval
    n_units, n_events = positive.sum(axis=1), (positive * seen).sum(axis=1)
    return GroupedRows(flat, begins, n_units, n_events, (flat, begins))
