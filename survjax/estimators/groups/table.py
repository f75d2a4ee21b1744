"""The table of many fits: one row a group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from survjax.estimators.groups.answers import Answers
from survjax.estimators.groups.predictions import remaining_lives
from survjax.estimators.groups.saved import Counts
from survjax.fitting.groups.rows import GroupedRows
from survjax.uncertainty.delta import response_errors
from survjax.uncertainty.groups.maxima import link_errors_each
from survjax.uncertainty.modes import parameter_bounds

if TYPE_CHECKING:
    import pandas as pd

#: Quantiles of the life that a row has, and their names: one unit in ten has failed, and half.
LIVES = {"q10": 0.1, "q50": 0.5}
#: What each number has beside itself.
ENDS = ("", "_error", "_lower", "_upper")


def table_of(
    keys: pd.Index, groups: GroupedRows | Counts, answers: Answers, level: float
) -> pd.DataFrame:
    """Counts, parameters, quantiles of the life, log-likelihood and verdict of each group."""
    import pandas as pd

    n = len(keys)
    columns: dict[str, Any] = {"n_units": groups.n_units, "n_events": groups.n_events}
    columns |= _parameters(answers, level, n)
    columns |= _lives(answers, level, n)
    columns |= {
        "log_likelihood": answers.log_likelihood,
        "converged": answers.converged,
        "status": answers.status,
        "message": answers.message,
    }
    return pd.DataFrame(columns, index=keys)


def _parameters(answers: Answers, level: float, n: int) -> dict[str, np.ndarray]:
    """Estimates, standard errors and bounds of the parameters as people read them."""
    columns: dict[str, np.ndarray] = {}

    def put(name: str, which: Any, parts: tuple[np.ndarray, ...]) -> None:
        for end, part in zip(ENDS, parts, strict=True):
            columns.setdefault(f"{name}{end}", np.full(n, np.nan))[which] = part

    template = answers.template
    some, maxima = answers.maxima_that_count()
    if template is not None and some.size:
        group = np.arange(some.size)
        unit, which = maxima.each_of(group)
        values, errors = link_errors_each(
            template, maxima.parameters[which], maxima.covariances[which]
        )
        ends = maxima.bounds(group, unit, values.T, errors.T, level)
        values, errors = (part[maxima.begins[:-1]] for part in (values, errors))
        parts = (
            template.response(values),
            errors * template.response_slope(values),
            *(template.response(end.T) for end in ends),
        )
        # The one weight of a single component is no news.
        first = 1 if template.is_mixture and template.n_components == 1 else 0
        for j, quantity in list(enumerate(template.quantities))[first:]:
            put(quantity.name, some, tuple(part[:, j] for part in parts))
    for i, model in answers.alone.items():
        own, x, covariance = model._template, model.parameters_, model.covariance_
        table = parameter_bounds(own, x, covariance, model._maxima, level)
        found = np.stack([own.values(x), response_errors(own, x, covariance), *table.T])
        for j, quantity in enumerate(own.quantities):
            put(quantity.name, i, tuple(found[:, j]))
    return columns


def _lives(answers: Answers, level: float, n: int) -> dict[str, np.ndarray]:
    """Quantiles of the life from birth, with bounds."""
    names, shares = list(LIVES), np.array(list(LIVES.values()))
    group = np.arange(n)
    found = remaining_lives(answers, group, np.zeros(n), shares, names, level, mean=False)
    return {
        f"{name}{end}": found[f"{name}{end}"] for name in names for end in ENDS if end != "_error"
    }
