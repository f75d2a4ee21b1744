"""Rows of several causes, by what their likelihood takes: times, intervals of any cause, of some.

Integrals over intervals in which some of the causes may have ended a unit are sums over nodes.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import numpy as np

from survjax._core.annotations import Array
from survjax._core.numerics import bucket_size
from survjax._core.pytree import data, pytree
from survjax.data.observations import Observations
from survjax.data.truncation_rows import expansion_index, with_truncation_rows
from survjax.lifetimes import Competing
from survjax.likelihood.panels import Integrals, Rates, rates_from
from survjax.likelihood.rows import padded


@pytree
class CauseRows:
    """Rows with the causes that each may have ended of.

    Attributes
    ----------
    rows : Observations
        Without truncation but as rows of negative weight.
    allowed : tuple of K arrays of shape (n,)
        1.0 where a cause may have ended the unit; of no meaning where it still runs.
    """

    rows: Observations = data()
    allowed: tuple[Any, ...] = data()

    @property
    def lower(self) -> Any:
        """Times, or lower ends of intervals."""
        return self.rows.lower

    @property
    def weight(self) -> Any:
        """Weights of the rows."""
        return self.rows.weight

    def reweighted(self, weight: Array) -> CauseRows:
        """The same rows with other weights."""
        return CauseRows(self.rows.reweighted(weight), self.allowed)


@pytree
class IntervalNodes:
    """Rows that ended in an interval of some of the causes, as sums over nodes.

    Attributes
    ----------
    weight : array of shape (n,)
        Of the rows.
    scale : array of shape (n,)
        About the log of each row's chance: sums are in units of its exponential.
    first : array of shape (n,)
        For a row that begins at zero, the end of a first part in which hazards are the chances
        themselves; 0 for others.
    allowed : array of shape (K, n)
        1.0 where a cause may have ended the unit.
    row, time, log_weight : arrays of shape (m,)
        Of the nodes: whose they are, where, and logs of their weights.
    """

    weight: Any = data()
    scale: Any = data()
    first: Any = data()
    allowed: Any = data()
    row: Any = data()
    time: Any = data()
    log_weight: Any = data()

    def reweighted(self, weight: Array) -> IntervalNodes:
        """The same rows with other weights."""
        return dataclasses.replace(self, weight=weight)


@pytree
class CauseData:
    """Rows by what their likelihood takes; None where there are none.

    Attributes
    ----------
    points : CauseRows or None
        That ended at a time, or still run.
    anyhow : Observations or None
        That ended in an interval, of any of all causes: a difference of survivals.
    intervals : IntervalNodes or None
        That ended in an interval of some of the causes: an integral.
    """

    points: Any = data(default=None)
    anyhow: Any = data(default=None)
    intervals: Any = data(default=None)


@dataclasses.dataclass(frozen=True)
class SortedRows:
    """Rows without truncation but as rows of negative weight, by what their likelihood takes.

    Attributes
    ----------
    rows : Observations
        Those of the data, then those that stand for truncation.
    allowed : bool array of shape (n, K)
        The causes that each may have ended of.
    index : int array of shape (n,)
        Which row of the data each belongs to.
    places : dict
        Where the rows of each group of `CauseData` stand.
    """

    rows: Observations
    allowed: np.ndarray
    index: np.ndarray
    places: dict[str, np.ndarray]

    @classmethod
    def of(cls, rows: Observations, allowed: np.ndarray) -> SortedRows:
        """Sort the rows of some data."""
        index = expansion_index(rows)
        rows, allowed = with_truncation_rows(rows), allowed[index]
        inside = np.zeros(rows.n_rows, bool) if rows.interval is None else rows.interval > 0
        # What truncation takes from the likelihood is the chance to end in a range, of any cause.
        anyhow = inside & (allowed.all(axis=1) | (rows.weight < 0))
        kinds = {"points": ~inside, "anyhow": anyhow, "intervals": inside & ~anyhow}
        places = {k: np.flatnonzero(chosen & (rows.weight != 0)) for k, chosen in kinds.items()}
        return cls(rows, allowed, index, {k: part for k, part in places.items() if part.size})

    def source(self, name: str) -> np.ndarray:
        """Which row of the data each row of a group belongs to."""
        return np.asarray(self.index[self.places[name]])

    def _inside(
        self, near: Rates, t: np.ndarray, unit: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rates of the rows that ended in an interval of some causes, by their number there."""
        return near(t, self.source("intervals")[unit])

    def data(self, near: Rates) -> CauseData:
        """The groups; integrals over intervals are resolved for hazards `near` to these."""
        found: dict[str, Any] = {}
        for name, chosen in self.places.items():
            some, allowed = self.rows.take(chosen), self.allowed[chosen]
            if name == "intervals":
                found[name] = interval_nodes(some, allowed, partial(self._inside, near))
                continue
            wide = padded(some)
            extra = ((0, wide.n_rows - chosen.size), (0, 0))
            columns = np.pad(allowed.astype(np.float64), extra, mode="edge")
            causes = CauseRows(wide.without_intervals(), tuple(columns.T.copy()))
            found[name] = causes if name == "points" else wide
        return CauseData(**found)

    def drawn(self, given: CauseData, times: np.ndarray) -> CauseData:
        """The same groups with each row of the data as many times (n,) as asked."""
        found = {}
        for name in self.places:
            group = getattr(given, name)
            each = times[self.source(name)]
            weight = group.weight * np.pad(each, (0, group.weight.shape[0] - each.size))
            found[name] = group.reweighted(weight)
        return CauseData(**found)


def cause_data(rows: Observations, allowed: np.ndarray, near: Competing) -> CauseData:
    """Sort rows, and the causes (n, K) that each may have ended of, by what they take.

    Integrals over intervals are resolved for lifetimes like the one that they are `near` to.
    """
    return SortedRows.of(rows, allowed).data(rates_from(near, np.zeros(rows.n_rows)))


def interval_nodes(rows: Observations, allowed: np.ndarray, near: Rates) -> IntervalNodes:
    """Nodes and weights for the integrals of h_k S over each row's interval, in log time."""
    n, each = rows.n_rows, np.arange(rows.n_rows)
    high = np.log(rows.upper)
    hazard = near(np.concatenate([rows.lower, rows.upper]), np.tile(each, 2))[1]
    with np.errstate(all="ignore"):
        from_zero = rows.lower == 0
        # A part so short that no cause is likely to strike in it, however early hazards begin.
        low = np.where(
            from_zero, _log_first(near, rows.upper), np.log(np.maximum(rows.lower, 1e-300))
        )
        share = np.exp(-hazard[:n]) * -np.expm1(-np.maximum(hazard[n:] - hazard[:n], 0.0))
        integrals = Integrals(near, allowed.T.copy())
        # Most intervals are short, and one panel resolves them.
        panels = integrals.refined(low, high, share, 1)
        sums = np.where(allowed.T, integrals.totals(panels) * np.exp(integrals.scale), 0.0).sum(
            axis=0
        )
        scale = np.where(sums > 0, np.log(np.where(sums > 0, sums, 1.0)), 0.0)
    x = panels.log_times
    row = np.repeat(panels.unit, x.shape[1])
    order = np.argsort(row, kind="stable")
    extra = bucket_size(order.size) - order.size
    columns = row, np.exp(x).ravel(), np.log(panels.weights).ravel() + x.ravel()
    row, time, log_weight = (np.pad(part[order], (0, extra), mode="edge") for part in columns)
    log_weight[order.size :] = -np.inf
    wide = bucket_size(n)
    padded_rows = (
        np.pad(part, (0, wide - n)) for part in (rows.weight, scale, from_zero * np.exp(low))
    )
    weight, scale, first = padded_rows
    causes = np.pad(allowed.T.astype(np.float64), ((0, 0), (0, wide - n)), mode="edge")
    return IntervalNodes(weight, scale, first, causes, row, time, log_weight)


def _log_first(near: Rates, upper: np.ndarray) -> np.ndarray:
    """Logs of times (n,) before which next to nothing ends, by bisection."""
    each = np.arange(upper.size)
    target = 1e-15 * np.minimum(near(upper, each)[1], 1.0)
    high = np.log(upper) - 1.0
    low = np.minimum(np.full_like(high, -700.0), high)
    for _ in range(30):
        middle = 0.5 * (low + high)
        over = near(np.exp(middle), each)[1] > target
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return low
