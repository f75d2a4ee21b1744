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

from survjax._core.numerics import bucket_size
from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.data.observations import Observations
from survjax.fitting.corrections import Correction
from survjax.fitting.edges.bounds import between_bounds
from survjax.fitting.interior import faults
from survjax.fitting.local_maxima import Limits, LocalMaximum, in_groups, newton_from
from survjax.fitting.ranking import Ranking
from survjax.fitting.search import Maximum, search
from survjax.fitting.settings import ROUGH, Settings
from survjax.lifetimes import Competing
from survjax.likelihood.causes_template import CausesTemplate
from survjax.likelihood.competing import CauseData, cause_data, cause_derivatives
from survjax.likelihood.vector.held import Held

#: Rounds in which failures are shared out by the hazards of the last.
ROUNDS = 3
#: By what factor guesses favor one cause over another for the last failures over the first.
TILT = 6.0
#: Starts that go side by side.
STARTS = 3


@program
def _maximize(
    lifetime: Competing,
    merging: Any,
    starts: Any,
    given: CauseData,
    limits: Limits,
    correction: Correction,
) -> Any:
    """Newton's iterations from each start (S, q) on all rows; `merging` (p, q) makes the vector."""
    _, unravel = ravel_parameters(lifetime)
    count = jnp.sum(merging, axis=0)

    def metric(y: Any) -> Any:
        units = ravel_parameters(unravel(merging @ y).step_units())[0]
        return merging.T @ units / count

    def likelihood(y: Any) -> Any:
        value, gradient, hessian = cause_derivatives(unravel(merging @ y), given)
        return value, merging.T @ gradient, merging.T @ hessian @ merging

    return newton_from(
        starts, likelihood, metric, lambda y: unravel(merging @ y), limits, correction
    )


@program
def _log_hazards(lifetime: Competing, times: jax.Array) -> Any:
    return lifetime.each(lambda cause: cause.log_hazard(times))


def coupled(rows: Observations, allowed: np.ndarray) -> bool:
    """Whether the rows, whose causes are among those allowed (n, K), need all causes at once."""
    if allowed.shape[1] == 1:
        return False
    several = (allowed.sum(axis=1) > 1) & (rows.weight != 0)
    return bool(several.any() or rows.interval is not None or rows.exit is not None)


def ended(rows: Observations) -> np.ndarray:
    """Which units have ended, at a time or in an interval."""
    found = rows.event > 0
    return np.asarray(found if rows.interval is None else found | (rows.interval > 0))


def rows_of_cause(rows: Observations, share: np.ndarray) -> Observations:
    """The rows as one cause sees them, which has a share (n,) of each unit's end.

    Where another cause ended a unit it is censored: at that time, or where the interval begins.
    """
    share = np.where(ended(rows), share, 0.0)
    if rows.exit is not None:
        rows = dataclasses.replace(rows, exit=None)
    other = dataclasses.replace(rows, event=0.0 * rows.event)
    if rows.interval is not None:
        # What may have ended at once says nothing of the other causes.
        other = dataclasses.replace(
            other,
            lower=np.where(rows.lower > 0, rows.lower, 1.0),
            interval=0.0 * rows.interval,
            weight=np.where(rows.lower > 0, rows.weight, 0.0),
        )
    own = rows.reweighted(rows.weight * share)
    other = other.reweighted(other.weight * (1.0 - share))
    parts = [own.take(np.flatnonzero(own.weight)), other.take(np.flatnonzero(other.weight))]
    both = Observations(
        *(
            None if column is None else np.concatenate([column, getattr(parts[1], name)])
            for name, column in ((f.name, getattr(parts[0], f.name)) for f in _FIELDS)
        )
    )
    if both.interval is not None and not both.interval.any():
        both = both.without_intervals()
    return both.compressed()


_FIELDS = dataclasses.fields(Observations)


def search_together(
    template: CausesTemplate, rows: Observations, allowed: np.ndarray, settings: Settings
) -> Maximum:
    """Find the highest maximum over the parameters of all causes."""
    starts = _starts(template, rows, allowed, settings)
    limits = _limits(template, settings, rows.n_units)
    ends = _ends(template, rows, allowed, starts, starts[0], limits)
    ranking = Ranking(template, settings.rule, rows.n_units)
    ranked = [end for end, _ in ranking.distinct(ends)]
    good = [end for end in ranked if not joint_faults(end, template, settings, rows.n_units)]
    top = good[0] if good else ranked[0]
    others = tuple(end for end in ranked if end is not top)
    best = top
    if rows.interval is not None and np.isfinite(top.x).all():
        # Integrals over intervals were resolved for the start: once more, for the answer.
        end = _ends(template, rows, allowed, top.x[None], top.x, limits)[0]
        n_iter = top.n_iter + end.n_iter
        best = dataclasses.replace(end, start=top.start, n_agreeing=top.n_agreeing, n_iter=n_iter)
    words = joint_faults(best, template, settings, rows.n_units)
    return Maximum(best, words, len(starts), best.n_agreeing, others, starts[best.start])


def _ends(
    template: CausesTemplate,
    rows: Observations,
    allowed: np.ndarray,
    starts: np.ndarray,
    near: np.ndarray,
    limits: Limits,
) -> list[LocalMaximum]:
    """Where Newton's iterations from each start (S, p) end."""
    given = jax.device_put(cause_data(rows, allowed, template.at(near)))
    merging = template.merging
    back = merging.T / merging.sum(axis=0)[:, None]
    correction = Correction.none(len(back))
    correction = dataclasses.replace(correction, free=back @ template.held.free)

    def run(some: np.ndarray) -> dict[str, Any]:
        model = template.lifetime, merging
        found: dict[str, Any] = _maximize(*model, some, given, limits, correction)
        return found

    ends = in_groups(run, template.held.placed(starts) @ back.T, STARTS)
    return [_unmerged(end, merging, back) for end in ends]


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
    free = template.holding(template.held.at(np.empty(0, int), np.empty(0)))
    limits = Limits.of(0.0, 0)
    return np.asarray(_ends(free, rows, allowed, x[None], x, limits)[0].gradient)


def search_causes(
    template: CausesTemplate, rows: Observations, allowed: np.ndarray, settings: Settings
) -> tuple[CausesTemplate, Maximum]:
    """The highest maximum within the bounds of a template, and the template that holds it."""

    def maximum(held: Held) -> tuple[np.ndarray, Maximum]:
        found = search_together(template.holding(held), rows, allowed, settings)
        return found.best.x, found

    def slope(x: np.ndarray) -> np.ndarray:
        return slope_at(template, rows, allowed, x)

    held, found = between_bounds(template.held, maximum, slope)
    return template.holding(held), found


def joint_faults(
    found: LocalMaximum, template: CausesTemplate, settings: Settings, n_units: float
) -> tuple[str, ...]:
    """Why a point is not an interior maximum, by the cause that is to blame where it is one's."""
    words: list[str] = []
    for label, part, own in zip(template.labels, template.parts, template.slices, strict=True):
        alone = found.restricted(np.arange(found.x.size)[own])
        words += [
            f"cause {label!r}: {word}" for word in faults(alone, part, settings.rule, n_units)
        ]
    together = faults(found, template, settings.rule, n_units)
    return tuple(words) if words else together


def _limits(template: CausesTemplate, settings: Settings, n_units: float) -> Limits:
    """When an iteration stops; as for a mixture if a cause is one."""
    return settings.limits(max(part.n_components for part in template.parts), n_units)


def _starts(
    template: CausesTemplate, rows: Observations, allowed: np.ndarray, settings: Settings
) -> np.ndarray:
    """Points (S, p) to start from: fits of each cause alone to failures that are shared out."""
    known = allowed & (allowed.sum(axis=1, keepdims=True) == 1)
    counts = np.einsum("i,ik->k", rows.weight, known) + 1.0
    times = _middles(rows)
    order = np.argsort(np.argsort(times, kind="stable"), kind="stable") / max(1, times.size - 1)
    k = len(template.parts)
    slant = np.linspace(-0.5, 0.5, k) * np.log(TILT) if k > 1 else np.zeros(1)
    points = []
    several = bool((allowed.sum(axis=1) > 1).any())
    for direction in (0.0, 1.0, -1.0) if several else (0.0,):
        weights = counts * np.exp(direction * slant * (2.0 * order[:, None] - 1.0))
        share = _shares(weights, allowed)
        points.append(_alternated(template, rows, allowed, share, times, settings))
    return np.array(points)


def _alternated(
    template: CausesTemplate,
    rows: Observations,
    allowed: np.ndarray,
    share: np.ndarray,
    times: np.ndarray,
    settings: Settings,
) -> np.ndarray:
    """Parameters (p,) after a few rounds of fits and shares."""
    rough = dataclasses.replace(settings, tol=ROUGH, n_starts=min(settings.n_starts, 4))
    x = np.empty(0)
    for _ in range(ROUNDS):
        found = [
            search(part, rows_of_cause(rows, share[:, i]), rough).best.x
            for i, part in enumerate(template.parts)
        ]
        x = np.concatenate(found)
        wide = np.pad(times, (0, bucket_size(times.size) - times.size), mode="edge")
        logs = np.asarray(_log_hazards(template.at(x), wide))[:, : times.size].T
        logs = np.clip(np.nan_to_num(logs, nan=-700.0), -700.0, 700.0)
        top = np.where(allowed, logs, -np.inf).max(axis=1, initial=-1e3, keepdims=True)
        share = _shares(np.exp(np.minimum(logs - top, 0.0)), allowed)
    return x


def _shares(weights: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Weights (n, K) as shares of the causes allowed."""
    found = np.where(allowed, weights, 0.0)
    total = found.sum(axis=1, keepdims=True)
    return found / np.where(total > 0, total, 1.0)


def _middles(rows: Observations) -> np.ndarray:
    """A time of each row, the middle of an interval."""
    if rows.interval is None:
        return np.asarray(rows.lower)
    return np.where(rows.interval > 0, 0.5 * (rows.lower + rows.upper), rows.lower)
