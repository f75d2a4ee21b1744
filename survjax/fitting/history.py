"""The way from a start to the answer, point by point."""

from __future__ import annotations

import numpy as np

from survjax.data.observations import Observations
from survjax.data.truncation_rows import with_truncation_rows
from survjax.fitting.coreset import WHOLE_ROWS, coresets
from survjax.fitting.local_maxima import Maximizer
from survjax.fitting.settings import Settings
from survjax.fitting.surrogate import maximum_of_template
from survjax.likelihood.objective import Objective
from survjax.likelihood.vector.template import Template


def path_from(
    template: Template, start: np.ndarray, rows: Observations, settings: Settings
) -> np.ndarray:
    """Points (m, p) from a start through the stages of a fit to a maximum on all rows."""
    rows = with_truncation_rows(rows)
    small, middle = coresets(rows)
    limits = settings.limits(template.n_components, rows.n_units)
    on_middle = Maximizer(template, middle)
    whole = small is middle or middle.n_rows <= WHOLE_ROWS
    stages = [on_middle] if whole else [Maximizer(template, small), on_middle]
    points, end = [start[None]], None
    for stage in stages:
        end = stage(points[-1][-1:], limits)[0]
        points.append(np.asarray(end.path))
    if rows is not middle and end is not None:
        objective = Objective(template, rows)
        last = maximum_of_template(objective, on_middle, end, limits, rows.n_units)
        points.append(np.asarray(last.x)[None])
    return np.concatenate(points)


def distinct(points: np.ndarray) -> np.ndarray:
    """Points (m, p) without those that repeat the one before."""
    moved = np.any(points[1:] != points[:-1], axis=1)
    return points[np.concatenate([[True], moved])]


def path_values(template: Template, points: np.ndarray, rows: Observations) -> np.ndarray:
    """Log-likelihood of all rows at each point (m,)."""
    objective = Objective(template.with_prior(None), rows)
    return np.array([objective(point)[0] for point in points])
