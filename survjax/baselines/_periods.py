"""Survival over periods of constant hazard: units cut into person-periods, and curves back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.validation import as_floats, check_times

#: A hazard of one would end the curve; this near to one it says the same and stays finite.
SURE = 1.0 - 1e-12


class PersonPeriods(NamedTuple):
    """One row for each unit and each period that it entered alive.

    unit and period (m,) say whose row it is; failed (m,) whether it ended there; share (m,) how
    much of the period was observed, 1 where it failed.
    """

    unit: np.ndarray
    period: np.ndarray
    failed: np.ndarray
    share: np.ndarray


def choose_edges(
    durations: np.ndarray, event: np.ndarray, weight: np.ndarray, n_periods: int
) -> np.ndarray:
    """Cut time so that each period holds about as many failures; it ends with the last unit."""
    counts = event & (weight > 0)
    order = np.argsort(durations[counts], kind="stable")
    times, total = durations[counts][order], np.cumsum(weight[counts][order])
    goals = total[-1] * np.arange(1, n_periods) / n_periods
    # A weight is as many rows: the time by which a share has failed, without interpolation.
    inner = times[np.searchsorted(total, goals * (1 - 1e-12))]
    last = durations[weight > 0].max()
    inner = np.unique(inner)
    return np.concatenate([[0.0], inner[inner < last], [last]])


def check_edges(given: Any) -> np.ndarray:
    """Check edges of periods: increasing, and the first of them zero."""
    edges = check_times(as_floats(given, "edges"), "edges", zero=True)
    edges = edges if edges[0] == 0 else np.append(0.0, edges)
    if len(edges) < 2 or np.any(np.diff(edges) <= 0):
        raise ValueError(f"edges must increase, got {np.asarray(given).tolist()}")
    return edges


def check_entry(entry: ArrayLike | None, durations: np.ndarray) -> np.ndarray:
    """Check the age at which each unit came under observation; zeros where there is none."""
    begun = np.zeros(len(durations)) if entry is None else check_times(entry, "entry", zero=True)
    late = np.flatnonzero(begun >= durations)
    if late.size:
        raise ValueError(
            f"entry must be below the duration, got {begun[late[0]]:g} and "
            f"{durations[late[0]]:g} in row {late[0]} ({late.size} such rows): drop them"
        )
    return begun


def person_periods(
    edges: np.ndarray, entry: np.ndarray, durations: np.ndarray, event: np.ndarray
) -> PersonPeriods:
    """Cut each unit's time from entry to its end at the edges."""
    low, high = edges[:-1], edges[1:]
    reached = np.clip(durations[:, None], low, high) - np.clip(entry[:, None], low, high)
    share = reached / (high - low)
    failed = event[:, None] & (durations[:, None] > low) & (durations[:, None] <= high)
    unit, period = np.nonzero((share > 0) | failed)
    failed = failed[unit, period]
    return PersonPeriods(unit, period, failed, np.where(failed, 1.0, share[unit, period]))


@dataclass(frozen=True)
class PiecewiseHazard:
    """Lives of n units with a rate (n, J) constant in each period, the last rate for ever after."""

    edges: np.ndarray
    rate: np.ndarray

    @classmethod
    def of(cls, edges: np.ndarray, chance: np.ndarray) -> PiecewiseHazard:
        """From the chance (n, J) to fail in a period that was entered alive."""
        return cls(edges, -np.log1p(-np.minimum(chance, SURE)) / np.diff(edges))

    @property
    def cumulative_at_edges(self) -> np.ndarray:
        """H at every edge, shape (n, J + 1)."""
        steps = self.rate * np.diff(self.edges)
        return np.pad(np.cumsum(steps, axis=1), [(0, 0), (1, 0)])

    def _period(self, t: np.ndarray) -> np.ndarray:
        """Number of the period that each time lies in; edges belong to the one before."""
        place = np.searchsorted(self.edges, t, side="left") - 1
        return np.clip(place, 0, self.rate.shape[1] - 1)

    def cumulative_hazard(self, t: np.ndarray) -> np.ndarray:
        """H(t) for times (n, m)."""
        period = self._period(t)
        rate = np.take_along_axis(self.rate, period, axis=1)
        before = np.take_along_axis(self.cumulative_at_edges, period, axis=1)
        return before + rate * (t - self.edges[period])

    def hazard_between(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """H(end) - H(start) for times (n, m)."""
        return self.cumulative_hazard(end) - self.cumulative_hazard(start)

    def log_hazard(self, t: np.ndarray) -> np.ndarray:
        """Log of the rate at times (n, m)."""
        with np.errstate(divide="ignore"):
            return np.log(np.take_along_axis(self.rate, self._period(t), axis=1))

    def log_likelihood(
        self, entry: np.ndarray, durations: np.ndarray, event: np.ndarray
    ) -> np.ndarray:
        """Log-likelihood of each unit's time from its entry to its end: (n,)."""
        end = durations[:, None]
        gained = np.where(event, self.log_hazard(end)[:, 0], 0.0)
        return gained - self.hazard_between(entry[:, None], end)[:, 0]

    def time_of(self, goal: np.ndarray) -> np.ndarray:
        """Time at which H reaches `goal` (n, m); infinite where the last rate is zero."""
        at = self.cumulative_at_edges[:, :-1]
        period = (at[:, None, :] < goal[:, :, None]).sum(axis=2) - 1
        period = np.clip(period, 0, self.rate.shape[1] - 1)
        rate = np.take_along_axis(self.rate, period, axis=1)
        rest = goal - np.take_along_axis(at, period, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.edges[period] + np.where(rest > 0, rest / rate, 0.0)

    def mean_after(self, age: np.ndarray) -> np.ndarray:
        """Mean remaining life at an age (n,): the integral of S(u) / S(age) beyond it."""
        low = np.maximum(self.edges[:-1], age[:, None])
        length = np.maximum(self.edges[1:] - low, 0.0)
        length[:, -1] = np.inf
        alive = np.exp(self.cumulative_hazard(age[:, None]) - self.cumulative_hazard(low))
        with np.errstate(invalid="ignore", divide="ignore"):
            lost = -np.expm1(-self.rate * length) / self.rate
        return np.sum(alive * np.where(self.rate > 0, lost, length), axis=1)
