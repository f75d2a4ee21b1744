"""Units whose covariates change: likelihoods that need all rows of a unit at once.

A row says that from `start` to `stop` a unit had covariates x. Where hazards are proportional,
rows add up and nothing here is needed. Two models bind the rows of a unit together: accelerated
life, where what counts is the exposure used up so far, and a mixture, where one hidden component
has produced all of a unit's rows.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.numerics import bucket_size, logsumexp
from survjax._core.programs.compiled import program
from survjax.data.observations import Observations
from survjax.data.times import tolerance
from survjax.lifetimes import Mixture
from survjax.likelihood.forms import Form, Layout
from survjax.likelihood.regression import Columns, predictors, weighted_total
from survjax.nonparametric.group_tests import label

#: Rows that one call works on, whole units only.
ROWS = 16384


@dataclasses.dataclass(frozen=True)
class Histories:
    """Rows sorted by unit and start; `unit` counts from zero without gaps.

    Attributes
    ----------
    unit, start, stop, event : arrays of shape (n,)
        event is 1.0 in the last row of a unit that failed at its stop.
    weight : array of shape (U,)
        How many units each stands for.
    order : array of shape (n,)
        Where each row stood before sorting.
    """

    unit: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    event: np.ndarray
    weight: np.ndarray
    order: np.ndarray

    @classmethod
    def of(
        cls,
        unit: Any,
        start: np.ndarray,
        stop: np.ndarray,
        event: np.ndarray,
        weight: np.ndarray,
        *,
        gaps: bool = False,
    ) -> Histories:
        """Sort rows and check that each unit's follow one another; `gaps` may be allowed.

        Raises
        ------
        ValueError
            Where rows of a unit overlap or leave a gap, or a failure is not in its last row.
        """
        names, code = label(unit, stop.size, "unit")
        order = np.lexsort((start, code))
        code, start, stop = code[order], start[order], stop[order]
        event, weight = event[order], weight[order]
        same = code[1:] == code[:-1]
        between = start[1:] - stop[:-1]
        slack = tolerance(stop[:-1], float(stop.max() - start.min()), stop - start)
        wrong = same & ((-between if gaps else np.abs(between)) > slack)
        if wrong.any():
            i = int(np.flatnonzero(wrong)[0])
            fill = "" if gaps else "fill gaps with a row of the covariates held then, and "
            raise ValueError(
                f"rows of unit {names[code[i]]!r} must follow one another, but one ends at "
                f"{stop[i]:g} and the next starts at {start[i + 1]:g} ({wrong.sum()} such "
                f"places): {fill}remove overlaps"
            )
        early = same & (event[:-1] > 0)
        if early.any():
            i = int(np.flatnonzero(early)[0])
            raise ValueError(
                f"unit {names[code[i]]!r} fails at {stop[i]:g} but has rows after that: "
                "give repeated lives of one machine different unit names"
            )
        uneven = same & (weight[1:] != weight[:-1])
        if uneven.any():
            raise ValueError("sample_weight must be the same in all rows of a unit")
        first = np.concatenate([[True], ~same])
        return cls(code, start, stop, event, weight[first], order)

    @classmethod
    def from_rows(cls, rows: Observations, unit: Any) -> Histories:
        """Rows of units, sorted and checked; ValueError also for intervals and other lengths."""
        if rows.interval is not None:
            raise ValueError("units with several rows need exact failures, not intervals")
        start = np.zeros(rows.n_rows) if rows.entry is None else rows.entry
        return cls.of(unit, start, rows.lower, rows.event, rows.weight)

    @property
    def row_weight(self) -> np.ndarray:
        """Weight of each row as it was given: its share of the time its unit was followed."""
        length = self.stop - self.start
        total = np.bincount(self.unit, length)[self.unit]
        share = np.divide(length, total, out=np.ones_like(length), where=total > 0)
        weight = np.empty_like(share)
        weight[self.order] = self.weight[self.unit] * share
        return weight

    @property
    def first_rows(self) -> np.ndarray:
        """Positions of each unit's first row."""
        return np.flatnonzero(np.diff(self.unit, prepend=-1))

    @property
    def last_rows(self) -> np.ndarray:
        """Positions of each unit's last row."""
        return np.flatnonzero(np.diff(self.unit, append=-1))

    @property
    def n_units(self) -> float:
        """Number of units: the sum of their weights."""
        return float(self.weight.sum())


@program(static_argnames=("layout", "order"))
def _of_piece(
    form: Form, theta: Any, piece: dict[str, Any], columns: Any, *, layout: Layout, order: int
) -> Any:
    def value(theta: Any) -> Any:
        terms = unit_terms(form, layout, theta, piece, columns)
        return jnp.sum(jnp.where(piece["weight"] > 0, piece["weight"] * terms, 0.0))

    if order == 0:
        return unit_terms(form, layout, theta, piece, columns)

    def both(theta: Any) -> Any:
        found = jax.value_and_grad(value)(theta)
        return found[1], found

    hessian, (total, gradient) = jax.jacfwd(both, has_aux=True)(theta)
    return total, gradient, hessian


@program(static_argnames=("layout",))
def _shares_of_piece(form: Form, theta: Any, piece: Any, columns: Any, *, layout: Layout) -> Any:
    eta = predictors(layout, theta, (piece["x"] - columns[0]) / columns[1])
    return jax.nn.softmax(joint_terms(_mixture(form, eta, piece), piece)[0], axis=0)


def unit_terms(form: Form, layout: Layout, theta: Any, piece: Any, columns: Any) -> Any:
    """Log-likelihood of each unit, given that it had reached its first row's start: (U,)."""
    z = (piece["x"] - columns[0]) / columns[1]
    eta = predictors(layout, theta, z)
    if form.stretches_time:
        return _accelerated(form, eta, piece)
    if form.modifier is None:
        return mixture_terms(_mixture(form, eta, piece), piece)
    raise TypeError("rows of hazards that are multiplied add up: they need no likelihood of units")


def _mixture(form: Any, eta: Any, piece: Any) -> Mixture:
    """The mixture of each row, whatever its predictors depend on."""
    mixture: Mixture = form.lifetime([jnp.broadcast_to(e, piece["start"].shape) for e in eta])
    return mixture


def _accelerated(form: Form, eta: Any, piece: Any) -> Any:
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


def mixture_terms(mixture: Mixture, piece: Any) -> Any:
    """log sum_k w_k exp(sum of a unit's rows in component k), over the same at its start: (U,)."""
    joint, reached = joint_terms(mixture, piece)
    return logsumexp(joint) - logsumexp(reached)


def joint_terms(mixture: Mixture, piece: Any) -> tuple[Any, Any]:
    """log of w_k exp(sum of a unit's rows in component k), and of the same at its start: (K, U).

    Weights are those of a unit's first row. `piece` holds `unit, start, stop, event` of rows and
    `first` of units; with `component`, that of units where it is known, and -1 elsewhere.
    """
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
    log_weights = log_weights[:, piece["first"]]
    joint = log_weights + before + inside
    if "component" in piece:
        known = piece["component"]
        barred = (known >= 0) & (known != jnp.arange(joint.shape[0])[:, None])
        joint = jnp.where(barred, -1e300, joint)
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


def whole_lives(rows: Histories) -> Observations:
    """One row a unit: from its first start to its last stop."""
    last, first = rows.last_rows, rows.first_rows
    return Observations.from_durations(
        rows.stop[last],
        rows.event[last],
        entry=rows.start[first],
        sample_weight=rows.weight,
    )


def count(rows: Observations, histories: Histories | None) -> float:
    """Number of units: of rows, or of what histories make of them."""
    return rows.n_units if histories is None else histories.n_units


def row_weights(rows: Observations, histories: Histories | None) -> np.ndarray:
    """What each row counts where columns are averaged: splitting a unit's rows changes nothing."""
    return rows.weight if histories is None else histories.row_weight
