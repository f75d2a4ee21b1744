"""Bootstrap replicates of a fit, and bounds from them.

Efron and Tibshirani (1993), chapters 6 and 14: the bounds are percentiles of the replicates,
corrected for bias and acceleration.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax._core.annotations import RandomState
from survjax._core.numerics import bucket_size
from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax._core.validation import random_generator
from survjax.data.observations import Observations
from survjax.data.truncation_rows import with_truncation_rows
from survjax.fitting.coreset import compress, is_plain
from survjax.fitting.corrections import Correction
from survjax.fitting.edges.bounds import search_between_bounds
from survjax.fitting.interior import violations
from survjax.fitting.local_maxima import Limits, LocalMaximum, maximize_from
from survjax.fitting.settings import Settings
from survjax.lifetimes import Lifetime
from survjax.likelihood.executors import executor
from survjax.likelihood.row_derivatives import has_own_density, log_contributions
from survjax.likelihood.vector.template import Template
from survjax.uncertainty.parametric.failures_apart import failures_apart
from survjax.uncertainty.percentiles import bounds_around
from survjax.uncertainty.replicates import (
    BATCH,
    FEW_ROWS,
    batch_item,
    resampled,
    simulated,
)
from survjax.uncertainty.targets import Target, expansion, value_of

#: Maxima from which a replicate is refitted, where the likelihood has several.
MOST_STARTS = 4
#: Replicates whose iterations go side by side on a CPU.
SIDE_BY_SIDE = 16


@dataclasses.dataclass(frozen=True)
class Bootstrap:
    """Replicates of a fit.

    Attributes
    ----------
    parameters : array of shape (B, p)
        Unconstrained parameters of the replicates that have an interior maximum, components in
        the order that is nearest to the fit's.
    kind : {"rows", "parametric"}
        How they were drawn.
    n_replicates, n_failed : int
        How many were asked for, and how many of them have no interior maximum and are left out.
    skewness : array of shape (p, p, p)
        Third moments of the rows' scores, from which the acceleration of the bounds follows.
    """

    parameters: np.ndarray
    kind: str
    n_replicates: int
    n_failed: int
    skewness: np.ndarray


@program(draft=False)
def refit(
    lifetime: Lifetime, starts: Any, rows: Observations, limits: Limits, correction: Correction
) -> dict[str, jax.Array]:
    """From each start on each replicate of a batch; columns (n,) are shared."""

    def one(rows: Observations) -> dict[str, jax.Array]:
        return maximize_from(lifetime, starts, rows, limits, correction)

    columns, tree = jax.tree.flatten(rows)
    own = [column for column in columns if column.ndim > 1]

    def of_columns(own: list[jax.Array]) -> dict[str, jax.Array]:
        left = iter(own)
        each = [next(left) if column.ndim > 1 else column for column in columns]
        return one(jax.tree.unflatten(tree, each))

    if executor().one_program or len(rows.weight) % SIDE_BY_SIDE:
        return jax.vmap(of_columns)(own)
    # All of a group go on until the last one has ended.
    return lax.map(of_columns, own, batch_size=SIDE_BY_SIDE)


def bootstrap(
    template: Template,
    x: np.ndarray,
    covariance: np.ndarray,
    rows: Observations,
    settings: Settings,
    *,
    n_replicates: int,
    kind: str,
    random_state: RandomState,
    recording: tuple[float, str] | None,
    others: np.ndarray | None = None,
) -> Bootstrap:
    """Refit replicates of the data, from the estimate and from other maxima (m, p) that count.

    The highest maximum is kept: a replicate may well prefer another than the data do. Where all
    end at no interior maximum, the replicate is searched as the data were; if that finds none
    either, it counts as failed.
    """
    starts = x[None]
    if others is not None:
        starts = np.resize(np.concatenate([starts, others]), (MOST_STARTS, x.size))
    rng = random_generator(random_state)
    small = drawn_from(rows)
    lifetime = template.at(x)
    batches = resampled(small, rng) if kind == "rows" else simulated(lifetime, rows, rng, recording)
    kept: list[np.ndarray] = []
    done = 0
    for batch in batches:
        wanted = min(BATCH, n_replicates - done)
        kept += _fitted(template, starts, widened(batch, lifetime), settings, wanted, rows.n_units)
        done += wanted
        if done == n_replicates:
            break
    points = np.stack(kept) if kept else np.empty((0, x.size))
    information = template.constraints.information(covariance)
    return Bootstrap(
        template.aligned(points, x, information),
        kind,
        n_replicates,
        n_replicates - len(kept),
        np.asarray(_score_skewness(lifetime, small)),
    )


def drawn_from(rows: Observations) -> Observations:
    """What replicates are drawn from: the rows, or fewer that stand for many."""
    return compress(rows, FEW_ROWS) if is_plain(rows) and rows.entry is None else rows


def nearby_maxima(
    template: Template,
    x: np.ndarray,
    rows: Observations,
    weights: np.ndarray,
    settings: Settings,
) -> np.ndarray:
    """Maxima (B, p) of the rows with other weights (B, n), reached from x.

    Not the highest: units drawn twice are ties, on which components collapse. Where an iteration
    ends at no interior maximum, x.
    """
    batch = widened(rows.reweighted(weights), template.at(x))
    limits = settings.limits(template.n_components, rows.n_units)
    found = as_arrays(refit(template.lifetime, x[None], batch, limits, Correction.of(template)))
    ends = [end_of(found, i, 0) for i in range(len(weights))]
    pairs = zip(ends, weights.sum(axis=1), strict=True)
    return np.array(
        [x if violations(end, template, settings.rule, float(n)) else end.x for end, n in pairs]
    )


def widened(batch: Observations, lifetime: Lifetime) -> Observations:
    """Truncation rows and rows of no weight behind every replicate, up to a size others share."""
    batch = with_truncation_rows(batch)
    lifetime = lifetime.plainest()
    if has_own_density(lifetime, batch):
        return failures_apart(batch, lifetime)
    n = batch.weight.shape[-1]
    extra = executor().size(bucket_size(n)) - n

    def wider(column: np.ndarray) -> np.ndarray:
        return np.concatenate([column, np.repeat(column[..., :1], extra, axis=-1)], axis=-1)

    weight = np.pad(batch.weight, ((0, 0), (0, extra)))
    return batch._map(wider).reweighted(weight)


def _fitted(
    template: Template,
    starts: np.ndarray,
    batch: Observations,
    settings: Settings,
    wanted: int,
    n_units: float,
) -> list[np.ndarray]:
    """The interior maxima among the first replicates of a batch."""
    # No penalty: what keeps shapes from being steep would carry a narrow component elsewhere.
    limits = settings.limits(template.n_components, n_units)
    nothing = Correction.of(template)
    s = as_arrays(refit(template.lifetime, starts, batch, limits, nothing))
    found = []
    for i in range(wanted):
        ends = [end_of(s, i, j) for j in range(len(starts))]
        good = [end for end in ends if not violations(end, template, settings.rule, n_units)]
        crossed = any(crosses(template, end.x) for end in good)
        if (
            crossed
            or template.constraints.at_bounds.size
            or (template.n_components > 1 and not good)
        ):
            # Between bounds, where there are any: others may stand at one here than in the fit.
            free = template.constrained(template.constraints.at(np.empty(0, int), np.empty(0)))
            item = batch_item(batch, i).without_padding()
            model, answer = search_between_bounds(free, item, settings)
            inside = not (answer.violations or crosses(model, answer.best.x))
            good = [answer.best] if inside else []
        if good:
            found.append(max(good, key=lambda end: end.value).x)
    return found


def crosses(template: Template, x: np.ndarray) -> bool:
    """Whether parameters lie beyond a bound of the user's."""
    constraints = template.constraints
    x = constraints.placed(x)
    return bool(np.any((x < constraints.low) | (x > constraints.high)))


def as_arrays(found: Any) -> dict[str, np.ndarray]:
    """A program's arrays as those of NumPy."""
    return {name: np.asarray(part) for name, part in found.items()}


def end_of(found: dict[str, np.ndarray], i: int, j: int) -> LocalMaximum:
    """Where the iteration of a replicate from a start ended."""
    return LocalMaximum(
        found["x"][i, j],
        float(found["value"][i, j]),
        found["gradient"][i, j],
        found["hessian"][i, j],
        float(found["decrement"][i, j]),
        int(found["n_iter"][i, j]),
        int(found["code"][i, j]),
        units=found["units"][i, j],
    )


def score_skewness(lifetime: Lifetime, rows: Observations) -> jax.Array:
    """Sum over rows of weight * score^3, all products of three entries: (p, p, p)."""
    vector, unravel = ravel_parameters(lifetime)
    scores = jax.jacfwd(lambda v: log_contributions(unravel(v), rows))(vector)
    return jnp.einsum("n,na,nb,nc->abc", rows.weight, scores, scores, scores)


@program
def _score_skewness(lifetime: Lifetime, rows: Observations) -> jax.Array:
    return score_skewness(lifetime, rows)


@program(static_argnames=("curve",))
def _at_points(
    lifetime: Lifetime, points: jax.Array, targets: Target, *, curve: str
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Targets (m,) on the link scale at the fit, their slopes (m, p), and at each point (B, m)."""
    estimate, unravel = ravel_parameters(lifetime)

    def value(x: jax.Array, target: Target) -> jax.Array:
        return value_of(unravel, x, curve, target)

    found = lax.map(lambda x: jax.vmap(partial(value, x))(targets), points)
    here = jax.vmap(lambda target: expansion(unravel, estimate, curve, target)[:2])(targets)
    return *here, found


def bootstrap_bounds(
    lifetime: Lifetime,
    covariance: np.ndarray,
    replicates: Bootstrap,
    curve: str,
    targets: Target,
    level: float,
    corrected: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (m,) on the link scale: percentiles with bias correction and acceleration.

    The bias is read off the share of replicates below the estimate; the acceleration is a sixth
    of the skewness of the rows' influences, which follow from their scores (Efron 1987). Where
    the likelihood has several maxima, replicates lie around all of them and that share says
    on which the estimate is, nothing of a bias: `corrected=False` gives plain percentiles, widened
    to hold the estimate.
    """
    values, slopes, found = (
        np.asarray(part)
        for part in _at_points(lifetime, replicates.parameters, targets, curve=curve)
    )
    return bounds_around(found, values, slopes, replicates.skewness, covariance, level, corrected)
