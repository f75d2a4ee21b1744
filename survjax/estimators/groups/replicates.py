"""Bootstrap bounds of the fits of many groups: those that share a template in shared runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from survjax._core.annotations import RandomState
from survjax._core.validation import random_generator
from survjax.estimators.groups.answers import Answers
from survjax.fitting.groups.rows import GroupedRows
from survjax.fitting.groups.together import kind_of_model
from survjax.fitting.settings import Settings
from survjax.uncertainty.bootstrap import drawn_from
from survjax.uncertainty.groups.bootstrap import GroupReplicates, replicates_of_groups
from survjax.uncertainty.groups.maxima import ManyMaxima, link_values_each
from survjax.uncertainty.percentiles import bounds_around

if TYPE_CHECKING:
    import pandas as pd

#: Replicates that bounds need.
FEWEST = 20


def replicates_of(
    answers: Answers,
    groups: GroupedRows,
    settings: Settings,
    n_replicates: int,
    random_state: RandomState,
) -> Iterator[GroupReplicates]:
    """Replicates of all groups that have an interior maximum, those of one template at a time.

    The draws of a group depend on its place among all, and on nothing of its neighbors.
    """
    seeds = random_generator(random_state).integers(0, 2**63, groups.n_units.size)
    some, maxima = answers.maxima_that_count()
    if answers.template is not None and some.size:
        how = settings, n_replicates, seeds[some]
        yield replicates_of_groups(answers.template, groups.merged(), some, maxima, *how)
    kinds: dict[Any, list[int]] = {}
    for i, model in answers.alone.items():
        if model.converged_:
            columns = tuple(part is None for part in vars(model._rows).values())
            kinds.setdefault((kind_of_model(model._template), columns), []).append(i)
    for which in kinds.values():
        models = [answers.alone[i] for i in which]
        own = GroupedRows.joined([drawn_from(model._rows) for model in models])
        found = replicates_of_groups(
            models[0]._template, own, np.arange(len(which)), _maxima_of(models),
            settings, n_replicates, seeds[which],
        )  # fmt: skip
        yield found.of(np.array(which))


def _maxima_of(models: list[Any]) -> ManyMaxima:
    """The maxima that count of some estimators."""
    each = [
        (m.parameters_[None], m.covariance_[None], np.ones(1))
        if m._maxima is None
        else (m._maxima.parameters, m._maxima.covariances, m._maxima.weights)
        for m in models
    ]
    begins = np.cumsum([0, *(len(part[0]) for part in each)])
    return ManyMaxima(begins, *(np.concatenate(parts) for parts in zip(*each, strict=True)))


def replicate_table(keys: pd.Index, found: Iterator[GroupReplicates], level: float) -> pd.DataFrame:
    """Estimates of the parameters of all groups, and bounds by their replicates."""
    import pandas as pd

    columns: dict[str, np.ndarray] = {}
    counts = np.zeros(len(keys), int)
    for part in found:
        template, which = part.template, part.which
        here, ends = _bounds(part, level)
        counts[which] = np.isfinite(part.points).all(axis=2).sum(axis=1)
        for j, quantity in enumerate(template.quantities):
            for end, values in zip(("", "_lower", "_upper"), (here, *ends), strict=True):
                column = columns.setdefault(f"{quantity.name}{end}", np.full(len(keys), np.nan))
                column[which] = values[:, j]
    if "weight_2" not in columns:  # the one weight of single components is no news
        columns = {name: column for name, column in columns.items() if "weight_1" not in name}
    return pd.DataFrame({**columns, "n_replicates": counts}, index=keys)


def _bounds(part: GroupReplicates, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Quantities (m, q) as people read them, and their bounds (2, m, q)."""
    template, points = part.template, part.points
    best, n_maxima = part.maxima.begins[:-1], np.diff(part.maxima.begins)
    x, covariances = part.maxima.parameters[best], part.maxima.covariances[best]
    values = link_values_each(template, x)
    ends = np.full((len(x), len(template.quantities), 2), np.nan)
    for i, own in enumerate(points):
        good = own[np.isfinite(own).all(axis=1)]
        if len(good) < FEWEST:
            continue
        drawn = link_values_each(template, good)
        slopes = template.link_derivatives(x[i])[1]
        moments = part.skewness[i], covariances[i]
        # Where there are several maxima, replicates lie around all of them: that is no bias.
        low_high = bounds_around(drawn, values[i], slopes, *moments, level, n_maxima[i] == 1)
        ends[i] = template.clipped(np.stack([template.response(e) for e in low_high], axis=1))
    return template.response(values), np.moveaxis(ends, 2, 0)
