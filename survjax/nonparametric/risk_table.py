"""How much weight fails, and how much is left at risk, at each distinct event time.

Every step estimate (Kaplan-Meier, Nelson-Aalen, Aalen-Johansen, log-rank) is made of this
table. A weight at risk is a sum of the weights that are at risk, never a difference of two
larger sums: weights of very different sizes keep all their digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from survjax._core.ranges import interval_sums
from survjax.nonparametric.rows import Bools, Floats, Ints, Lives, merge_in_order

__all__ = [
    "Placed",
    "RiskTable",
    "censoring_table",
    "place",
    "risk_table",
]

#: The first bit of a number: flipped, it puts whole numbers into the order of signed ones.
SIGN = np.uint64(1 << 63)


@dataclass(frozen=True)
class RiskTable:
    """Counts at the m distinct event times.

    ``failing`` is the weight failing at each time, ``left`` the weight at risk just before it
    that does not fail there, ``end`` the last time at which any unit was under observation.
    """

    times: Floats
    failing: Floats
    left: Floats
    end: float

    @property
    def at_risk(self) -> Floats:
        """Weight at risk just before each time."""
        return self.failing + self.left


@dataclass(frozen=True)
class Placed:
    """Rows of positive weight, sorted by duration, and their places among the event times.

    A row is at risk at the event times ``first <= j < last``, and left at risk after those
    before ``stay``, which is ``last - 1`` where it fails at its last one, and else ``last``.
    """

    times: Floats
    order: Ints
    failed: Bools
    first: Ints | None
    last: Ints
    weight: Floats
    end: float

    def failing(self, group: Ints | None = None, size: int = 1) -> Floats:
        """Weight failing at each time, (size, m); ``group`` numbers all rows as they came."""
        code = self._codes(group)[self.failed]
        m = self.times.size
        cells = code * m + self.last[self.failed] - 1
        return np.bincount(cells, self.weight[self.failed], size * m).reshape(size, m)

    def left(self, group: Ints | None = None, size: int = 1) -> Floats:
        """Weight at risk before each time that does not fail there, (size, m)."""
        code, m = self._codes(group), self.times.size
        stay = self.last - self.failed
        if self.first is not None:
            table = np.empty((size, m))
            for g in range(size):
                mine = code == g
                part = self.first[mine], stay[mine], self.weight[mine]
                table[g] = interval_sums(*part, m)
            return table
        count = np.bincount(code * (m + 1) + stay, self.weight, size * (m + 1))
        # Summed from the last time down: the few rows of the tail keep all their digits.
        return np.cumsum(count.reshape(size, m + 1)[:, :0:-1], axis=1)[:, ::-1]

    def _codes(self, group: Ints | None) -> Ints:
        return np.zeros_like(self.last) if group is None else group[self.order]


def risk_table(rows: Lives) -> RiskTable:
    """Tabulate failures and those left at risk: a unit is so at t when entry < t <= duration."""
    if rows.weight is None:
        return _count(rows, rows.event_observed)
    return _table(place(rows, rows.event_observed))


def censoring_table(rows: Lives) -> RiskTable:
    """Tabulate censorings; failures of the same time come before them."""
    failed = rows.event_observed
    if rows.weight is not None:
        return _table(place(rows, ~failed, leaving=failed))
    table, failures = _count(rows, ~failed), _count(rows, failed)
    spot = np.searchsorted(failures.times, table.times)
    tied = np.append(failures.times, np.inf)[spot] == table.times
    left = table.left - np.where(tied, np.append(failures.failing, 0.0)[spot], 0.0)
    return RiskTable(table.times, table.failing, left, table.end)


def _table(placed: Placed) -> RiskTable:
    return RiskTable(placed.times, placed.failing()[0], placed.left()[0], placed.end)


def _count(rows: Lives, seen: Bools) -> RiskTable:
    """Count rows without weights from one sort of the durations, and one of the entries."""
    # The bits of numbers from 0 up are in the order of the numbers, and their sign is free: times
    # and events are sorted together, failures first. Signed integers are sorted faster than others.
    keys = rows.durations.view(np.uint64) << np.uint64(1)
    keys |= ~seen
    keys ^= SIGN
    keys.view(np.int64).sort()
    censored = keys.astype(np.uint8)
    censored &= 1
    index = np.flatnonzero(censored == 0)
    keys ^= SIGN
    keys >>= np.uint64(1)
    line = keys.view(np.float64)
    if rows.entry is None:
        merged = merge_in_order(line)
        if merged is not line:
            line, index = merged, np.searchsorted(merged, merged[index])
    times, end = line[index], float(line[-1])
    fresh = times[1:] != times[:-1]
    if fresh.all():
        failing = np.ones(times.size)
        left = np.subtract(line.size - 1, index, dtype=np.float64)
    else:
        first = np.flatnonzero(np.concatenate([[True], fresh]))
        failing = np.diff(first, append=times.size).astype(np.float64)
        times, left = times[first], line.size - index[first] - failing
    if rows.entry is not None:
        late = np.sort(rows.entry[np.isfinite(rows.entry)])
        left -= late.size - np.searchsorted(late, times)
    return RiskTable(times, failing, left, end)


def place(rows: Lives, seen: Bools, leaving: Bools | None = None) -> Placed:
    """Place rows among the distinct times of the events ``seen``.

    Rows ``leaving`` are no longer at risk of an event at the time of their own.
    """
    if rows.weight is None or rows.weight.all():
        order = np.argsort(rows.durations)
    else:
        kept = np.flatnonzero(rows.weight)
        order = kept[np.argsort(rows.durations[kept])]
    line, failed = rows.durations[order], seen[order]
    if rows.entry is None:
        line = merge_in_order(line)
    fresh = np.concatenate([[True], line[1:] != line[:-1]])
    run = np.cumsum(fresh) - 1
    holds = np.bincount(run, failed) > 0
    times, last = line[fresh][holds], np.cumsum(holds)[run]
    if leaving is not None:
        last = last - (leaving[order] & holds[run])
    return Placed(
        times=times,
        order=order,
        failed=failed,
        first=_entered(times, rows.entry, order),
        last=last,
        weight=np.ones(order.size) if rows.weight is None else rows.weight[order],
        end=float(line[-1]),
    )


def _entered(times: Floats, entry: Floats | None, order: Ints) -> Ints | None:
    """Number of event times up to each row's entry, which it was not at risk at."""
    if entry is None:
        return None
    ages = entry[order]
    by_age = np.argsort(ages)  # a search for sorted values walks memory once
    number = np.empty(ages.size, dtype=np.int64)
    number[by_age] = np.searchsorted(times, ages[by_age], side="right")
    return number
