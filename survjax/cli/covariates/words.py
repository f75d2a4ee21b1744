"""What a fit with covariates says, in words: how good it is, and what each covariate does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from survjax._core.validation import how_many
from survjax.cli._report import between, choice, explained, table
from survjax.cli._text import plain, printable, quoted


def summary(model: Any, tried: dict[int, Any], asked: int | str) -> Iterator[str]:
    """What was fitted, and how it compares."""
    k = getattr(model, "n_components", 1)
    what = "1 Weibull" if k == 1 else f"{k} Weibull components"
    yield (
        f"{what} with covariates: log-likelihood {model.log_likelihood_:.3f}, "
        f"BIC {model.bic_:.2f}, {how_many(model.n_units_, 'unit')}, "
        f"{how_many(model.n_events_, 'failure')}"
    )
    if isinstance(asked, str):
        values = ((k, value_of(one, asked), one.converged_) for k, one in tried.items())
        yield choice(asked, values)
    yield explained(in_plain_words(model, model.certificate_.status))


def worth(model: Any, plainer: Any) -> Iterator[str]:
    """What the covariates bring, by BIC."""
    if plainer is None:
        return
    gap = plainer.bic_ - model.bic_
    words = "worse" if gap > 0 else "better: these covariates do not pay for themselves"
    yield f"without the covariates: BIC {plainer.bic_:.2f}, {abs(gap):.1f} {words}"


def effects(model: Any, level: float) -> Iterator[str]:
    """A table of factors for each thing that covariates change."""
    found = model.summary(level)
    for name in predictors(model):
        yield ""
        yield f"factors on {words_of(name)}, per unit of each covariate:"
        rows = found[[str(label).startswith(f"{name}:") for label in found.index]]
        body = [
            [printable(label.split(":", 1)[1], 30), plain(row.ratio),
             between(np.exp(row.lower), np.exp(row.upper)),
             _p_value(row.p_value)]
            for label, row in zip(rows.index, rows.itertuples(), strict=True)
            if label != f"{name}:intercept"
        ]  # fmt: skip
        yield from table(["covariate", "factor", f"{100 * level:g}% bounds", "p"], body)


def _p_value(p: float) -> str:
    """A p-value in two digits; none is zero, however small."""
    if np.isnan(p):
        return ""
    return f"{p:.2g}" if p > 0 else "<1e-300"


def predictors(model: Any) -> list[str]:
    """What covariates change, scales first."""
    names = dict.fromkeys(str(f).split(":")[0] for f in model.parameter_names_ if ":" in str(f))
    return sorted(names, key=lambda name: not name.startswith("log_scale"))


def words_of(predictor: str) -> str:
    """What a predictor is, for people."""
    kind, _, number = predictor.rpartition("_")
    if predictor == "log_scale":
        return "life"
    if kind == "log_scale":
        return f"the lives of component {number}"
    return f"the odds of component {number} over component 1"


def in_plain_words(model: Any, text: str) -> str:
    """Messages name parameters; here they are what people see in the tables."""
    for parameter in sorted(model.parameter_names_, key=len, reverse=True):
        name, _, column = str(parameter).partition(":")
        if not column:
            number = name.removeprefix("log_shape").lstrip("_")
            words = f"the shape of component {number}" if number else "the shape"
        elif column == "intercept":
            words = f"{words_of(name)} where all covariates are 0"
        else:
            words = f"the effect of {quoted(column)} on {words_of(name)}"
        text = re.sub(rf"{re.escape(parameter)}(?= open|\))", lambda _, w=words: w, text)  # type: ignore[misc]
    return text.replace(", or set penalty > 0", "")


def value_of(model: Any, criterion: int | str) -> float:
    """A criterion of a fit; one component has no memberships that ICL could add to BIC."""
    return float(getattr(model, f"{criterion}_", model.bic_))
