"""What a user is told of a fit without a finite maximum, and of lives that data leave open."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np

from survjax._core.callers import users_level
from survjax._core.validation import how_many
from survjax.data.observations import Observations
from survjax.estimators.messages import FitWarning, NoFiniteMaximum, likely_cause
from survjax.fitting.edges.limits import higher_limit, limit_of
from survjax.fitting.local_maxima import LocalMaximum
from survjax.fitting.search import Maximum, search
from survjax.fitting.settings import Settings
from survjax.likelihood.vector.template import Template
from survjax.uncertainty.determined import UNDETERMINED, log_errors


def at_its_base(template: Template, found: Maximum) -> bool:
    """Whether the best point has left what modifies its base behind."""
    return template.at(found.best.x).nearby_base() is not None


def no_finite_maximum(
    template: Template, rows: Observations, found: Maximum, settings: Settings
) -> NoFiniteMaximum:
    """The error that says what was found, where parameters ran, and why."""
    kind = "proper" if template.at(found.best.x).improper() else "finite"
    words = (
        f"the likelihood of {how_many(rows.n_units, 'unit')} "
        f"({how_many(rows.n_events, 'failure')}) has no {kind} maximum: "
        f"{found.violations[0]}, and the parameters ran to "
        f"{_named(template, found.best.x)}. {_why(template, rows, found.best, settings)}"
    )
    return NoFiniteMaximum(words.strip())


def warn_below_limit(template: Template, rows: Observations, value: float) -> None:
    """One warning where an interior maximum lies below a limit of the family."""
    free = not template.constraints.is_any and template.prior is None
    limit = higher_limit(template.lifetime, rows, value) if free else None
    if limit is None:
        return
    warnings.warn(
        f"this is an interior maximum, and not the highest point: the {_words(template.lifetime)} "
        f"also climbs to {limit}, which no member reaches. The estimates and their bounds are "
        f"those of the interior maximum. Few failures tell the two apart: fit a family of fewer "
        f"parameters as well, and compare them (survjax.compare)",
        FitWarning,
        stacklevel=users_level(),
    )


def _why(template: Template, rows: Observations, best: LocalMaximum, settings: Settings) -> str:
    """The law that the family climbs to, or else what usually leaves no maximum."""
    there = template.at(best.x)
    if there.improper():
        return ""
    limit = limit_of(template.lifetime, rows, best.value)
    near, words, base = there.nearby_limit(), _words(template.lifetime), there.nearby_base()
    if base is not None:
        # At the edge stands a lifetime that has a maximum of its own, or says why not.
        plain = Template(base)
        found = search(plain, rows, settings)
        if found.violations:
            reason = _why(plain, rows, found.best, settings)
            return f"The {words} climbs to the {_words(base)}. {reason}"
        bound = template.lifetime.has_threshold and not base.has_threshold
        held = ", or bound the threshold: bounds={'threshold': (0, None)}" if bound else ""
        return (
            f"The {words} climbs to the {_words(base)}, which no member of it is: the maximum of "
            f"that, {found.best.value:.8f}, is the supremum. Fit the {_words(base)}{held}"
        )
    if limit is None and not near:
        return likely_cause(rows, float(np.sum(best.x[template.log_shapes])))
    if limit is None:
        near += f", whose log-likelihood is the supremum: {best.value:.6g} was reached on the way"
    aim = near if limit is None else limit
    return f"The {words} climbs to {aim}: no member reaches it. Fit a family of fewer parameters"


def _words(lifetime: Any) -> str:
    """What a lifetime is called, from the outermost modifier to the family."""
    name = re.sub(r"(?<!^)(?<!Log)(?=[A-Z])", " ", type(lifetime).__name__).lower()
    return f"{name} {_words(lifetime.base)}" if lifetime.inner()[0] else name


def _named(template: Template, x: np.ndarray) -> str:
    """Parameters by name, as people read them."""
    values = template.values(x)
    pairs = zip(template.quantities, values, strict=True)
    return ", ".join(f"{quantity.name} {value:.3g}" for quantity, value in pairs)


def warn_undetermined(
    x: np.ndarray, covariance: np.ndarray, weights: np.ndarray, rows: Observations
) -> None:
    """One warning that names the components, and up to which quantile the fit can be used."""
    errors = log_errors(x, covariance)
    # Where there is no covariance, another warning has said so.
    bad = np.flatnonzero(errors.component_errors > UNDETERMINED)
    if not bad.size:
        return
    means = ", ".join(
        f"the mean life of component {k + 1} ({100 * weights[k]:.2g}% of units), "
        f"{errors.component_means[k]:.3g} by the fit,"
        if weights.size > 1
        else f"the mean life, {errors.component_means[k]:.3g} by the fit,"
        for k in bad
    )
    known = errors.well_known()
    upto = f"the quantiles up to q{known:02d} are" if known else "no quantile is"
    fewer = ", or take fewer components" if weights.size > 1 else ""
    longest = float(np.max(rows.lower[rows.weight > 0]))
    warnings.warn(
        f"the data do not determine {means} which may be off by a factor of more than 100 either "
        f"way (95% bounds): it lies far beyond the longest observed time ({longest:g}). "
        f"Of the fleet, {upto} known within a factor of 10; later quantiles and the mean are not. "
        f"Use the bounds of summary() and predict_rul, observe for longer{fewer}",
        FitWarning,
        stacklevel=users_level(),
    )
