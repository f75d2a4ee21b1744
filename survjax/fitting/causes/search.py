"""The maximum of the likelihood of several causes that the data do not tell apart everywhere.

A cause that is one of several, or known only to have struck in an interval, couples the causes: a
Newton iteration moves all their parameters together. It starts from fits of each cause alone, for
which a failure is shared out among the causes that it may be, first by guesses, then by their
hazards (Dinse 1982).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.data.observations import Observations
from survjax.fitting.causes.starts import starts_of
from survjax.fitting.corrections import Correction
from survjax.fitting.edges.bounds import between_bounds
from survjax.fitting.interior import violations
from survjax.fitting.local_maxima import Limits, LocalMaximum, in_groups, newton_from
from survjax.fitting.ranking import Ranking
from survjax.fitting.search import Maximum
from survjax.fitting.settings import Settings
from survjax.lifetimes import Competing
from survjax.likelihood.causes.rows import CauseData, cause_data
from survjax.likelihood.causes.terms import cause_derivatives
from survjax.likelihood.causes_template import CausesTemplate
from survjax.likelihood.vector.constraints import Constraints

#: Starts that go side by side.
STARTS = 3


@program
def _maximize(
    lifetime: Competing,
    merging: jax.Array,
    starts: jax.Array,
    given: CauseData,
    limits: Limits,
    correction: Correction,
) -> dict[str, jax.Array]:
    """Newton's iterations from each start (S, q) on all rows; `merging` (p, q) makes the vector."""
    _, unravel = ravel_parameters(lifetime)
    count = jnp.sum(merging, axis=0)

    def metric(y: jax.Array) -> jax.Array:
        units = ravel_parameters(unravel(merging @ y).step_units())[0]
        return merging.T @ units / count

    def likelihood(y: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        value, gradient, hessian = cause_derivatives(unravel(merging @ y), given)
        return value, merging.T @ gradient, merging.T @ hessian @ merging

    return newton_from(
        starts, likelihood, metric, lambda y: unravel(merging @ y), limits, correction
    )


def search_together(
    template: CausesTemplate, rows: Observations, allowed: np.ndarray, settings: Settings
) -> Maximum:
    """Find the highest maximum over the parameters of all causes."""
    starts = starts_of(template, rows, allowed, settings)
    limits = causes_limits(template, settings, rows.n_units)
    ends = _ends(template, rows, allowed, starts, starts[0], limits)
    ranking = Ranking(template, settings.rule, rows.n_units)
    ranked = [end for end, _ in ranking.distinct(ends)]
    good = [end for end in ranked if not joint_violations(end, template, settings, rows.n_units)]
    top = good[0] if good else ranked[0]
    others = tuple(end for end in ranked if end is not top)
    best = top
    if rows.interval is not None and np.isfinite(top.x).all():
        # Integrals over intervals were resolved for the start: once more, for the answer.
        end = _ends(template, rows, allowed, top.x[None], top.x, limits)[0]
        n_iter = top.n_iter + end.n_iter
        best = dataclasses.replace(end, start=top.start, n_agreeing=top.n_agreeing, n_iter=n_iter)
    words = joint_violations(best, template, settings, rows.n_units)
    return Maximum(best, words, len(starts), best.n_agreeing, others, starts[best.start])


def ends_from(
    template: CausesTemplate, given: CauseData, starts: np.ndarray, limits: Limits, width: int
) -> list[LocalMaximum]:
    """Where Newton's iterations from each start (S, p) end, so many side by side."""
    given = jax.device_put(given)
    merging = template.merging
    back = merging.T / merging.sum(axis=0)[:, None]
    correction = Correction.none(len(back))
    correction = dataclasses.replace(correction, free=back @ template.constraints.free)

    def run(some: np.ndarray) -> dict[str, Any]:
        model = template.lifetime, merging
        found: dict[str, Any] = _maximize(*model, some, given, limits, correction)
        return found

    ends = in_groups(run, template.constraints.placed(starts) @ back.T, width)
    return [_unmerged(end, merging, back) for end in ends]


def _ends(
    template: CausesTemplate,
    rows: Observations,
    allowed: np.ndarray,
    starts: np.ndarray,
    near: np.ndarray,
    limits: Limits,
) -> list[LocalMaximum]:
    """Where Newton's iterations from each start (S, p) end on some rows."""
    given = cause_data(rows, allowed, template.at(near))
    return ends_from(template, given, starts, limits, STARTS)


def _unmerged(end: LocalMaximum, merging: np.ndarray, back: np.ndarray) -> LocalMaximum:
    """An end (q,) as one of the whole vector (p,).

    Along differences of entries that are one parameter the Hessian is minus one.
    """
    apart = np.eye(len(merging)) - merging @ back
    return dataclasses.replace(
        end,
        x=merging @ end.x,
        gradient=back.T @ end.gradient,
        hessian=back.T @ end.hessian @ back - apart,
        path=None if end.path is None else end.path @ merging.T,
        units=None if end.units is None else merging @ end.units,
    )


def slope_at(
    template: CausesTemplate, rows: Observations, allowed: np.ndarray, x: np.ndarray
) -> np.ndarray:
    """The gradient (p,) at a vector, with nothing held; entries that are one share it."""
    free = template.constrained(template.constraints.at(np.empty(0, int), np.empty(0)))
    limits = Limits.of(0.0, 0)
    return np.asarray(_ends(free, rows, allowed, x[None], x, limits)[0].gradient)


def search_causes(
    template: CausesTemplate, rows: Observations, allowed: np.ndarray, settings: Settings
) -> tuple[CausesTemplate, Maximum]:
    """The highest maximum within the bounds of a template, and the template that holds it."""

    def maximum(constraints: Constraints) -> tuple[np.ndarray, Maximum]:
        found = search_together(template.constrained(constraints), rows, allowed, settings)
        return found.best.x, found

    def slope(x: np.ndarray) -> np.ndarray:
        return slope_at(template, rows, allowed, x)

    constraints, found = between_bounds(template.constraints, maximum, slope)
    return template.constrained(constraints), found


def joint_violations(
    found: LocalMaximum, template: CausesTemplate, settings: Settings, n_units: float
) -> tuple[str, ...]:
    """Why a point is not an interior maximum, by the cause that is to blame where it is one's."""
    words: list[str] = []
    for label, part, own in zip(template.labels, template.parts, template.slices, strict=True):
        alone = found.restricted(np.arange(found.x.size)[own])
        words += [
            f"cause {label!r}: {word}" for word in violations(alone, part, settings.rule, n_units)
        ]
    together = violations(found, template, settings.rule, n_units)
    return tuple(words) if words else together


def causes_limits(template: CausesTemplate, settings: Settings, n_units: float) -> Limits:
    """When an iteration stops; as for a mixture if a cause is one."""
    return settings.limits(max(part.n_components for part in template.parts), n_units)
