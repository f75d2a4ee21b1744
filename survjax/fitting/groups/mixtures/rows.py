"""Rows of many groups in the order of their times, for searches of all of them at once."""

from __future__ import annotations

import dataclasses

import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.groups.rows import GroupedRows
from survjax.likelihood.weibulls import weibull_parts


@dataclasses.dataclass(frozen=True)
class SortedRows:
    """Rows (G, n) of G groups, each sorted by time and filled up with rows of no weight.

    Attributes
    ----------
    log_time, event, weight : arrays of shape (G, n)
        Weights of rows of truncation are negative.
    observed_weight : array of shape (G, n)
        Weights of what was observed.
    n_rows, n_units : arrays of shape (G,)
        Of what was observed.
    """

    log_time: np.ndarray
    event: np.ndarray
    weight: np.ndarray
    observed_weight: np.ndarray
    n_rows: np.ndarray
    n_units: np.ndarray

    @classmethod
    def of(cls, groups: GroupedRows, which: np.ndarray, size: int) -> SortedRows:
        """The rows of some groups, filled up to a size."""
        batch = groups.batch(which, size)
        order = np.lexsort((-batch.event, batch.log_lower))
        parts = (batch.log_lower, batch.event, batch.weight)
        log_time, event, weight = (np.take_along_axis(part, order, 1) for part in parts)
        observed_weight = np.maximum(weight, 0.0)
        n_rows = np.count_nonzero(observed_weight, axis=1)
        return cls(log_time, event, weight, observed_weight, n_rows, observed_weight.sum(axis=1))

    @property
    def observations(self) -> Observations:
        """The same, as rows of a likelihood."""
        return Observations(np.exp(self.log_time), self.log_time, self.event, self.weight)

    @property
    def center(self) -> np.ndarray:
        """Mean log time (G,)."""
        mean: np.ndarray = np.sum(self.observed_weight * self.log_time, axis=1) / self.n_units
        return mean

    @property
    def centered(self) -> Observations:
        """The same around their centers, in 32 bits."""
        y = self.log_time - self.center[:, None]
        columns = (np.exp(y), y, self.event, self.weight)
        return Observations(*(column.astype(np.float32) for column in columns))

    def take(self, which: slice) -> SortedRows:
        """Some of the groups."""
        return SortedRows(
            **{f.name: getattr(self, f.name)[which] for f in dataclasses.fields(self)}
        )

    def values(self, group: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Log-likelihoods (B,) of mixtures of Weibulls at x (B, 3K - 1), to single precision.

        Each on the rows of the group (B,) that it is of.
        """
        found = np.empty(len(group))
        center = self.center
        gap = (self.log_time - center[:, None]).astype(np.float32)
        event, weight = self.event.astype(np.float32), self.weight.astype(np.float32)
        constant = np.sum(self.weight * self.event * self.log_time, axis=1)
        logits, log_scales, log_shapes = weibull_parts(x)
        log_weights = logits - np.logaddexp.reduce(logits, axis=-1)[..., None]
        log_scales = log_scales - center[group][:, None]
        parts = [np.asarray(part, np.float32) for part in (log_weights, log_scales, log_shapes)]
        for begin in range(0, len(group), 64):
            some = slice(begin, begin + 64)
            g = group[some]
            log_weight, log_scale, log_shape = (part[some, :, None] for part in parts)
            with np.errstate(over="ignore", under="ignore"):
                z = np.exp(log_shape) * (gap[g][:, None] - log_scale)
                q = event[g][:, None] * (z + log_shape) - np.exp(np.minimum(z, np.float32(80.0)))
                q += log_weight
                top = q.max(axis=1)
                total = np.log(np.sum(np.exp(q - top[:, None]), axis=1)) + top
            found[some] = np.sum(weight[g] * total, axis=1, dtype=float)
        return found - constant[group]


def tied_failures(groups: GroupedRows) -> np.ndarray:
    """Failures (n_groups,) that share their time with another of their group."""
    rows = groups.rows
    group = np.repeat(np.arange(groups.sizes.size), groups.sizes)
    failed = np.flatnonzero((rows.event > 0) & (rows.weight > 0))
    order = failed[np.lexsort((rows.lower[failed], group[failed]))]
    if not order.size:
        return np.zeros(groups.sizes.size)
    group, time = group[order], rows.lower[order]
    new = np.ones(order.size, bool)
    new[1:] = (group[1:] != group[:-1]) | (time[1:] != time[:-1])
    first = np.flatnonzero(new)
    together = np.add.reduceat(rows.weight[order], first)
    tied: np.ndarray = np.bincount(
        group[first], np.where(together > 1, together, 0.0), groups.sizes.size
    )
    return tied
