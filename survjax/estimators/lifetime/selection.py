"""Choosing the number of components by a criterion."""

from __future__ import annotations

from typing import Any

from survjax.data.observations import Observations
from survjax.estimators.frames import frame
from survjax.likelihood.rows import membership_entropy


def select(model: Any, rows: Observations) -> None:
    """Fit 1 to `max_components` components and keep the best by the model's criterion.

    More components than different rows are not tried.

    BIC and AIC count the units, as R and lifelines do; ICL adds to BIC twice the entropy of
    the memberships (Biernacki, Celeux and Govaert 2000), so it asks for separate components.
    Only fits that are interior maxima compete.
    """
    criterion = model.n_components
    table: list[dict[str, Any]] = []
    kept: list[dict[str, Any]] = []
    for k in range(1, min(model.max_components, rows.n_rows) + 1):
        model._fit_components(rows, k)
        icl = model.bic_ + 2.0 * membership_entropy(model.lifetime_, rows)
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
                if name.endswith("_") or name in ("_rows", "_path", "_template", "_maxima")
            }
        )
    best = min(
        (row for row in table if row["converged"]), key=lambda row: row[criterion], default=table[0]
    )
    vars(model).update(kept[best["n_components"] - 1])
    model.selection_ = frame({name: [row[name] for row in table] for name in table[0]})
