"""From known maxima to those of more rows: a search that begins where an earlier one ended."""

from __future__ import annotations

import numpy as np

from survjax.data.observations import Observations
from survjax.data.truncation_rows import with_truncation_rows
from survjax.fitting.coreset import blur, coresets
from survjax.fitting.local_maxima import Maximizer
from survjax.fitting.ranking import Ranking
from survjax.fitting.search import MARGIN, N_FINALISTS, Maximum
from survjax.fitting.settings import Settings
from survjax.fitting.surrogate import maxima_on_all_rows
from survjax.likelihood.objective import Objective
from survjax.likelihood.vector.template import Template


def from_known_maxima(
    template: Template, rows: Observations, points: np.ndarray, settings: Settings
) -> Maximum | None:
    """The highest of the maxima that Newton's iterations from points (B, p) lead to.

    None where it is no interior maximum: a search from scratch says what there is.
    """
    limits = settings.limits(template.n_components, rows.n_units)
    ranking = Ranking(template, settings.rule, rows.n_units)
    few = with_truncation_rows(rows.few)
    middle = coresets(few)[1]
    run = Maximizer(template, middle)
    ends = run(points, limits)
    if few is not middle or rows.everything is not None:
        finalists = ranking.candidates(ends, N_FINALISTS, MARGIN + blur(middle))
        objective = Objective(template, rows)
        ends = maxima_on_all_rows(objective, run, finalists, limits, rows.n_units)
    ranked = [end for end, _ in ranking.distinct(ends)]
    best = ranked[0]
    if ranking.violations(best):
        return None
    start = points[best.start]
    return Maximum(best, (), len(points), best.n_agreeing, tuple(ranked[1:]), start)
