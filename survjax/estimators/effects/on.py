"""Which columns move which parameter of a regression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from survjax.estimators.covariates import chosen_columns
from survjax.likelihood.regression.forms import Form, Layout, Predictor


def check_on(form: Form, on: Mapping[str, Any] | None) -> None:
    """Refuse a choice of columns for parameters that a form does not have."""
    if on is None:
        return
    if not isinstance(on, Mapping):
        raise ValueError(
            f"on must be a dict from parameters to columns, such as "
            f"{{{form.spoken[-1][0]!r}: 'all'}}, got {on!r}"
        )
    known = list(dict.fromkeys(words[0] for words in form.spoken))
    for name in on:
        if not any(name in words for words in form.spoken):
            raise ValueError(f"on knows the parameters {', '.join(known)}, got {name!r}")


def layout_of(
    form: Form,
    names: list[str],
    on: Mapping[str, Any] | None,
    offset: bool = False,
    said: Mapping[str, str] | None = None,
) -> Layout:
    """The predictors of a form, with the columns that each adds up.

    The first one, which is what the model is named after, has all columns unless `on` says others;
    the rest have none unless `on` says some. What a modifier does has no intercept. `said` has the
    argument that stood for an entry of `on`, for messages.
    """
    chosen = {} if on is None else dict(on)
    layout = []
    for q, (name, words) in enumerate(zip(form.names, form.spoken, strict=True)):
        given = [key for key in chosen if key in words]
        if len(given) > 1:
            raise ValueError(f"on has {name} twice: as {given[0]!r} and as {given[1]!r}")
        what = chosen[given[0]] if given else ("all" if q == 0 else None)
        word = (said or {}).get(given[0], f"on[{given[0]!r}]") if given else "on"
        columns = chosen_columns(what, names, word)
        if q > 0 or form.modifier is None:
            columns = (0, *columns)
        if not columns:
            raise ValueError(f"on leaves {name} without a column: name at least one")
        layout.append(Predictor(name, columns, offset=offset and q == 0))
    if names and all(item.shared for item in layout):
        raise ValueError("on leaves every parameter without a column: name at least one")
    return tuple(layout)


def at_intercepts(layout: Layout, values: np.ndarray) -> np.ndarray:
    """Coefficients (..., P) without effects, whose last intercepts are the values (..., m)."""
    theta = np.zeros((*values.shape[:-1], sum(len(item.columns) for item in layout)))
    ends = np.cumsum([len(item.columns) for item in layout])
    first = ends - [len(item.columns) for item in layout]
    theta[..., first[len(first) - values.shape[-1] :]] = values
    return theta
