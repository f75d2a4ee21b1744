"""Choosing the number of components by a criterion."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from survjax._core.observations import Observations
from survjax.estimators._frames import frame
from survjax.estimators._messages import FitWarning
from survjax.inference.jets import row_terms
from survjax.inference.maximize import Climb


def select(model: Any, rows: Observations, reference: Climb) -> Any:
    """Fit 1 to `max_components` components and keep the best by the model's criterion.

    BIC and AIC count the units, as R and lifelines do; ICL adds to BIC twice the entropy of
    the memberships (Biernacki, Celeux and Govaert 2000), so it asks for separate components.
    Only fits that are interior maxima compete.
    """
    criterion = model.n_components
    table: list[dict[str, Any]] = []
    kept: list[dict[str, Any]] = []
    for k in range(1, model.max_components + 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)
            model._fit_components(rows, reference, k)
        icl = model.bic_ + 2.0 * _entropy(model.lifetime_, rows)
        scores = {"aic": model.aic_, "bic": model.bic_, "icl": icl}
        table.append(
            {
                "n_components": k,
                "log_likelihood": model.log_likelihood_,
                **scores,
                "converged": model.converged_,
            }
        )
        kept.append(
            {
                name: value
                for name, value in vars(model).items()
                if name.endswith("_") or name in ("_rows", "_start", "_maxima")
            }
        )
    best = min(
        (row for row in table if row["converged"]), key=lambda row: row[criterion], default=table[0]
    )
    vars(model).update(kept[best["n_components"] - 1])
    model.selection_ = frame({name: [row[name] for row in table] for name in table[0]})
    model._warn(rows)
    return model


def _entropy(mixture: Any, rows: Observations) -> float:
    """Expected log-probability lost by not knowing each unit's component."""
    joint = np.asarray(mixture.each(lambda c: row_terms(c, rows)))
    joint = joint + np.asarray(mixture.log_weights)[:, None]
    log_member = joint - np.logaddexp.reduce(joint, axis=0)
    return float(-np.sum(rows.weight * np.sum(np.exp(log_member) * log_member, axis=0)))
