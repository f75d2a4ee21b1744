"""Choosing the number of components by a criterion."""

from __future__ import annotations

from typing import Any

from survjax.data.observations import Observations
from survjax.data.truncation_rows import observed_rows
from survjax.estimators.messages import NoFiniteMaximum
from survjax.fitting.groups.requests import Steps
from survjax.likelihood.rows import membership_entropy

#: What a number of components shows that has no maximum.
NO_MAXIMUM = {
    **dict.fromkeys(("log_likelihood", "aic", "bic", "icl"), float("nan")),
    "converged": False,
}


def select(model: Any, rows: Observations) -> Steps[None]:
    """Fit 1 to `max_components` components and keep the best by the model's criterion.

    More components than different rows are not tried.

    BIC and AIC count the units, as R and lifelines do; ICL adds to BIC twice the entropy of
    the memberships (Biernacki, Celeux and Govaert 2000), so it asks for separate components.
    Only fits that are interior maxima compete. Beside a cured share, some numbers may have no
    maximum and others one.
    """
    criterion, most = model.n_components, min(model.max_components, rows.n_rows)
    table: list[dict[str, Any]] = []
    kept: list[dict[str, Any]] = []
    for k in range(1, most + 1):
        try:
            yield from model._fit_components(rows, k)
        except NoFiniteMaximum:
            if not model.cured or (k == most and not kept):
                raise
            table.append({"n_components": k, **NO_MAXIMUM})
            continue
        icl = model.bic_ + 2.0 * membership_entropy(model.lifetime_, observed_rows(rows.few))
        table.append(
            {
                "n_components": k,
                "log_likelihood": model.log_likelihood_,
                "aic": model.aic_,
                "bic": model.bic_,
                "icl": icl,
                "converged": model.converged_,
            }
        )
        state = {
            name: value
            for name, value in vars(model).items()
            if name.endswith("_") or name in ("_rows", "_path", "_template", "_maxima")
        }
        kept.append({"row": table[-1], "state": state})
    good = [fit for fit in kept if fit["row"]["converged"]]
    best = min(good, key=lambda fit: fit["row"][criterion], default=kept[0])
    vars(model).update(best["state"])
    model.selection_ = {name: [row[name] for row in table] for name in table[0]}
