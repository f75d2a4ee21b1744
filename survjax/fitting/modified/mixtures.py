"""Where fits of modified mixtures begin: at maxima of plain mixtures of Weibulls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from survjax.data.observations import Observations
from survjax.data.truncation_rows import observed_rows
from survjax.fitting.modified.curve import curve, starts_on_curve, without_zeros
from survjax.fitting.settings import Settings
from survjax.likelihood.vector.positions import short
from survjax.likelihood.vector.template import Template
from survjax.likelihood.weibulls import (
    natural_parameters,
    starts_from_weibulls,
    weibull_template,
    weibull_vector,
)

#: Maxima of plain mixtures, the highest first, that fits of a modified one begin at.
N_MAXIMA = 4
#: The modifier in whose place a slow component of a plain mixture may stand.
CURED = "logit_cured_share"

#: From a template, rows and settings to the maximum, with the others that were met.
Search = Callable[[Template, Observations, Settings], Any]


def starts_of_modified(
    template: Template, rows: Observations, settings: Settings, search: Search
) -> np.ndarray:
    """Points (m, p) at which fits of a modified lifetime begin.

    Those of one family begin near the curve of failed shares, those of a mixture at maxima of plain
    mixtures of as many Weibulls. Where a share may be cured also at those of one more, whose
    component of the longest median stands for what never fails.
    """
    observed = observed_rows(rows)
    if template.n_components == 1:
        return starts_on_curve(template, observed)
    guesses = _guesses(template.lifetime, *curve(observed))
    later = without_zeros(rows)
    found = []
    for x in _maxima(template.n_components, later, settings, search):
        found += [_point(template, x, guess) for guess in guesses]
    more = template.n_components + 1 <= later.n_rows
    if more and any(short(name) == CURED for name in template.modifying):
        for x in _maxima(template.n_components + 1, later, settings, search):
            found += [_point(template, *_slowest_as_cured(x, guess)) for guess in guesses[:1]]
    return np.stack(found)


def _maxima(k: int, rows: Observations, settings: Settings, search: Search) -> list[np.ndarray]:
    """Where a plain mixture of K Weibulls has its highest maxima, (3K - 1,) each."""
    found = search(weibull_template(k), rows, settings)
    ends = [found.best, *found.others][:N_MAXIMA]
    return [end.x for end in ends if np.isfinite(end.x).all()]


def _guesses(lifetime: Any, shares: np.ndarray, times: np.ndarray) -> list[dict[str, float]]:
    """Values of the parameters of all modifiers, by their names: first guesses of those inside."""
    found = []
    for value, rest, at in lifetime.guesses(shares, times):
        inside = {} if not lifetime.base.inner()[0] else _guesses(lifetime.base, rest, at)[0]
        found.append({lifetime.own: float(value), **inside})
    return found


def _point(template: Template, weibulls: np.ndarray, guess: dict[str, float]) -> np.ndarray:
    """The vector (p,) with components near those of a plain mixture, and guesses at the rest."""
    x: np.ndarray = starts_from_weibulls(template, *natural_parameters(weibulls))[0]
    for name, at in template.modifying.items():
        x[at] = guess[short(name)]
    return x


def _slowest_as_cured(
    weibulls: np.ndarray, guess: dict[str, float]
) -> tuple[np.ndarray, dict[str, float]]:
    """A mixture without its component of the longest median, whose weight is the cured share."""
    parts = natural_parameters(weibulls)
    plain = weibull_template(parts[0].size)
    slowest = int(np.argmax(plain.log_quantiles(weibulls)[:, 1]))
    weights, scales, shapes = (np.delete(part, slowest) for part in parts)
    share = float(weights.sum())
    fewer: np.ndarray = weibull_vector(np.log(weights), np.log(scales), np.log(shapes))
    return fewer, {**guess, CURED: float(np.log1p(-share) - np.log(share))}
