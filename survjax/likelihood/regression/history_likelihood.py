"""Likelihoods of units whose covariates change: they need all rows of a unit at once.

A row says that from `start` to `stop` a unit had covariates x. Where hazards are proportional,
rows add up and nothing here is needed. Two models bind the rows of a unit together: accelerated
life, where what counts is the exposure used up so far, and a mixture, where one hidden component
has produced all of a unit's rows.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.numerics import bucket_size, logsumexp
from survjax._core.programs import program
from survjax.likelihood.cured_rows import NEVER, log_weights_beside
from survjax.likelihood.regression.columns import Columns
from survjax.likelihood.regression.forms import Form, Layout
from survjax.likelihood.regression.histories import Histories
from survjax.likelihood.regression.likelihood import predictors, weighted_total

#: Rows that one call works on, whole units only.
ROWS = 16384


@program(static_argnames=("layout", "order"))
def _of_piece(
    form: Form, theta: Any, piece: dict[str, Any], columns: jax.Array, *, layout: Layout, order: int
) -> Any:
    def value(theta: jax.Array) -> jax.Array:
        terms = unit_terms(form, layout, theta, piece, columns)
        return jnp.sum(jnp.where(piece["weight"] > 0, piece["weight"] * terms, 0.0))

    if order == 0:
        return unit_terms(form, layout, theta, piece, columns)

    def both(theta: jax.Array) -> Any:
        found = jax.value_and_grad(value)(theta)
        return found[1], found

    hessian, (total, gradient) = jax.jacfwd(both, has_aux=True)(theta)
    return total, gradient, hessian


@program(static_argnames=("layout",))
def _shares_of_piece(
    form: Form, theta: jax.Array, piece: dict[str, jax.Array], columns: jax.Array, *, layout: Layout
) -> jax.Array:
    eta = predictors(layout, theta, (piece["x"] - columns[0]) / columns[1])
    return jax.nn.softmax(joint_terms(_mixture(form, eta, piece), piece)[0], axis=0)


@program(static_argnames=("layout",))
def _shapes_of_piece(
    form: Form, theta: jax.Array, piece: dict[str, jax.Array], columns: jax.Array, *, layout: Layout
) -> jax.Array:
    """Log shape of each component at the last row of each unit (K, U), if it failed there."""
    eta = predictors(layout, theta, (piece["x"] - columns[0]) / columns[1])
    shapes = _mixture(form, eta, piece).inner()[1].each(lambda part: part.log_shape)
    last = piece["last"]
    return jnp.where(piece["event"][last] > 0, shapes[:, last], -jnp.inf)


def unit_terms(
    form: Form, layout: Layout, theta: jax.Array, piece: dict[str, jax.Array], columns: jax.Array
) -> jax.Array:
    """Log-likelihood of each unit, given that it had reached its first row's start: (U,)."""
    z = (piece["x"] - columns[0]) / columns[1]
    eta = predictors(layout, theta, z)
    if form.stretches_time:
        return _accelerated(form, eta, piece)
    if form.modifier is None:
        return mixture_terms(_mixture(form, eta, piece), piece)
    raise TypeError("rows of hazards that are multiplied add up: they need no likelihood of units")


def _mixture(form: Any, eta: tuple[jax.Array, ...], piece: dict[str, jax.Array]) -> Any:
    """The mixture of each row, perhaps beside a cured share, whatever its predictors depend on."""
    return form.lifetime([jnp.broadcast_to(e, piece["start"].shape) for e in eta])


def _accelerated(form: Form, eta: tuple[jax.Array, ...], piece: dict[str, jax.Array]) -> jax.Array:
    """Cumulative exposure: a unit has used sum of (stop - start) exp(-x'b) of a standard life."""
    count = piece["weight"].shape[0]
    pace = jnp.exp(-eta[0])
    used = jax.ops.segment_sum((piece["stop"] - piece["start"]) * pace, piece["unit"], count)
    # Before its first row a unit is taken to have lived under that row's covariates.
    before = (piece["start"] * pace)[piece["first"]]
    shape = [e if jnp.ndim(e) == 0 else e[piece["last"]] for e in eta[1:]]
    base = form.lifetime((jnp.zeros(()), *shape))
    failed = piece["event"][piece["last"]]
    total = before + used
    hazard = base.log_hazard(total) - eta[0][piece["last"]]
    late = before > 0
    increment = jnp.exp(base.log_increment(jnp.where(late, before, 0.0), used))
    return failed * hazard - increment


def mixture_terms(mixture: Any, piece: dict[str, jax.Array]) -> jax.Array:
    """log sum_k w_k exp(sum of a unit's rows in component k), over the same at its start: (U,)."""
    joint, reached = joint_terms(mixture, piece)
    return logsumexp(joint) - logsumexp(reached)


def joint_terms(lifetime: Any, piece: dict[str, jax.Array]) -> tuple[Any, Any]:
    """log of w_k exp(sum of a unit's rows in component k), and of the same at its start: (K, U).

    Weights are those of a unit's first row. `piece` holds `unit, start, stop, event` of rows and
    `first` of units; with `component`, that of units where it is known, and -1 elsewhere. Units
    that never fail are one more component, the last.
    """
    cured = getattr(lifetime, "logit_cured_share", None)
    mixture = lifetime if cured is None else lifetime.base
    count, n = piece["first"].shape[0], piece["start"].shape[0]
    start, length = piece["start"], piece["stop"] - piece["start"]

    def rows_of(component: Any) -> tuple[Any, Any]:
        increment = jnp.exp(component.log_increment(start, length))
        term = piece["event"] * component.log_hazard(piece["stop"]) - increment
        return jax.ops.segment_sum(term, piece["unit"], count), component.cumulative_hazard(start)

    inside, reached = jax.vmap(rows_of)(mixture.components)
    before = -reached[:, piece["first"]]
    log_weights = mixture.log_weights
    if log_weights.ndim == 1:
        log_weights = jnp.broadcast_to(log_weights[:, None], (log_weights.size, n))
    if cured is not None:
        log_weights = log_weights_beside(log_weights, cured)
        failed = jax.ops.segment_sum(piece["event"], piece["unit"], count) > 0
        inside = jnp.concatenate([inside, jnp.where(failed, NEVER, 0.0)[None]])
        before = jnp.concatenate([before, jnp.zeros((1, count))])
    log_weights = log_weights[:, piece["first"]]
    joint = log_weights + before + inside
    if "component" in piece:
        known = piece["component"]
        barred = (known >= 0) & (known != jnp.arange(joint.shape[0])[:, None])
        joint = jnp.where(barred, NEVER, joint)
    return joint, log_weights + before


class HistoryLikelihood:
    """The log-likelihood of histories under a form, as a function of all coefficients."""

    def __init__(
        self,
        form: Form,
        layout: Layout,
        rows: Histories,
        x: np.ndarray,
        columns: Columns,
        component: np.ndarray | None = None,
    ) -> None:
        self.form, self.layout = form, layout
        self.columns = (columns.center, columns.scale)
        self.n_units, self.weight = rows.n_units, rows.weight
        self.pieces = list(pieces_of_units(rows, x, component))

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Value, gradient (P,) and Hessian (P, P)."""
        total: list[Any] = [0.0, 0.0, 0.0]
        for piece, _ in self.pieces:
            found = _of_piece(self.form, theta, piece, self.columns, layout=self.layout, order=2)
            total = [a + np.asarray(b) for a, b in zip(total, found, strict=True)]
        return float(total[0]), total[1], total[2]

    def terms(self, theta: np.ndarray) -> np.ndarray:
        """Log-likelihood of each unit, before its weight."""
        parts = [
            np.asarray(
                _of_piece(self.form, theta, piece, self.columns, layout=self.layout, order=0)
            )[:size]
            for piece, size in self.pieces
        ]
        return np.concatenate(parts)

    def memberships(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """P(component | all rows) of each unit of a mixture, (K, U), and weights of units."""
        found = [
            np.asarray(_shares_of_piece(self.form, theta, piece, self.columns, layout=self.layout))[
                :, :size
            ]
            for piece, size in self.pieces
        ]
        return np.concatenate(found, axis=1), self.weight

    def failed_shapes(self, theta: np.ndarray) -> np.ndarray:
        """Log shapes of a mixture's components at each failed unit (K, U), as `memberships`."""
        found = [
            np.asarray(_shapes_of_piece(self.form, theta, piece, self.columns, layout=self.layout))[
                :, :size
            ]
            for piece, size in self.pieces
        ]
        return np.concatenate(found, axis=1)

    def mean(self, theta: np.ndarray) -> float:
        """Mean log-likelihood per unit."""
        return weighted_total(self.terms(theta), self.weight) / self.n_units


def pieces_of_units(rows: Histories, x: np.ndarray, component: np.ndarray | None = None) -> Any:
    """Whole units in pieces, rows and units padded to sizes that others share; and their number."""
    x = x[rows.order]
    first = rows.first_rows
    known = np.full(first.size, -1) if component is None else component[rows.order][first]
    end = np.append(first[1:], rows.unit.size)
    begin = 0
    while begin < first.size:
        stop = int(np.searchsorted(end, first[begin] + ROWS, side="right"))
        stop = max(stop, begin + 1)
        part = slice(first[begin], end[stop - 1])
        n, units = part.stop - part.start, stop - begin
        size, count = bucket_size(n + 1), bucket_size(units + 1)
        # The padding is a unit of no weight that runs from zero to one.
        filled: dict[str, np.ndarray] = {
            "unit": np.full(size, count - 1, np.int32),
            "start": np.zeros(size),
            "stop": np.ones(size),
            "event": np.zeros(size),
            "x": np.repeat(x[part][:1], size, axis=0),
        }
        filled["unit"][:n] = rows.unit[part] - begin
        for name in ("start", "stop", "event"):
            filled[name][:n] = getattr(rows, name)[part]
        filled["x"][:n] = x[part]
        by_unit = {
            "first": np.full(count, size - 1),
            "last": np.full(count, size - 1),
            "weight": np.zeros(count),
            "component": np.full(count, -1),
        }
        by_unit["first"][:units] = first[begin:stop] - part.start
        by_unit["last"][:units] = end[begin:stop] - 1 - part.start
        by_unit["weight"][:units] = rows.weight[begin:stop]
        by_unit["component"][:units] = known[begin:stop]
        yield {**filled, **by_unit}, units
        begin = stop
