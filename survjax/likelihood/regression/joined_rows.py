"""Rows that end where others begin: what start-stop data look like when no unit is named.

A history is cut where its covariates change, so that each of its rows but the last is censored
at a time at which another row enters. Late entry alone gives such pairs only by coincidence:
often where times lie on a coarse grid, hardly ever elsewhere.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from survjax.data.observations import Observations

#: Times nearer to each other than this share of themselves are one time.
SAME_TIME = 1e-9
#: Fewer pairs than this say nothing.
FEWEST = 5
#: Standard errors above coincidence from which pairs are no coincidence.
SURE = 4.0
#: Pairs beyond coincidence, as a share of the rows that enter late, from which they matter.
SHARE = 0.3
#: Rows that covariates are compared on.
COMPARED = 50_000


@dataclasses.dataclass(frozen=True)
class JoinedRows:
    """Censored rows that end where another row enters.

    Attributes
    ----------
    n_joined : int
        How many of them there are; each entry is counted once.
    n_censored, n_late : int
        Censored rows, and rows with an entry above zero.
    """

    n_joined: int
    n_censored: int
    n_late: int


def joined_rows(rows: Observations, x: np.ndarray | None = None) -> JoinedRows | None:
    """Pairs of a censored row and one that enters at its end, if they are no coincidence.

    Any one of these says so: times that hardly two rows share, but pairs do; covariates that agree
    within pairs more often than between other rows; pairs that stand next to each other in the
    table; or an end for each entry and an entry for nearly each end.

    Parameters
    ----------
    rows : Observations
        n rows. Those without weight do not count.
    x : array of shape (n, p), optional
        Their covariates.
    """
    if rows.entry is None:
        return None
    counted = rows.weight > 0
    running = counted & (rows.event == 0)
    if rows.interval is not None:
        running &= rows.interval == 0
    late = counted & (rows.entry > 0)
    ends, entries = rows.lower[running], rows.entry[late]
    if min(ends.size, entries.size) < FEWEST:
        return None
    times, n_ends, n_entries = _counts(ends, entries)
    found = JoinedRows(int(np.minimum(n_ends, n_entries).sum()), ends.size, entries.size)
    if found.n_joined < FEWEST:
        return None
    sure = (
        _each_has_its_partner(found)
        or _neighbors(rows, running, late) >= max(FEWEST, 0.5 * entries.size)
        or _sharp(times, n_ends, n_entries)
        or (
            x is not None
            and found.n_joined > SHARE * entries.size
            and _alike(times, (ends, x[running]), (entries, x[late]))
        )
    )
    return found if sure else None


def _counts(ends: np.ndarray, entries: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The different times in their order, and how many rows end and enter at each."""
    ordered = np.sort(np.concatenate([ends, entries]))
    new = np.diff(ordered) > SAME_TIME * ordered[1:]
    times = ordered[np.concatenate([[True], new])]
    edges = np.append(times, np.inf)
    n_ends, n_entries = (np.diff(np.searchsorted(np.sort(v), edges)) for v in (ends, entries))
    return times, n_ends, n_entries


def _each_has_its_partner(found: JoinedRows) -> bool:
    """Whether each entry has an end, and nearly each end an entry."""
    all_entries = found.n_joined >= 0.999 * found.n_late
    return all_entries and found.n_joined >= max(0.9 * found.n_censored, 10 * FEWEST)


def _neighbors(rows: Observations, running: np.ndarray, late: np.ndarray) -> int:
    """Pairs of rows that follow one another in the table, as those of a unit mostly do."""
    gap = np.abs(rows.entry[1:] - rows.lower[:-1]) <= SAME_TIME * rows.lower[:-1]
    return int(np.sum(gap & running[:-1] & late[1:]))


def _sharp(times: np.ndarray, n_ends: np.ndarray, n_entries: np.ndarray) -> bool:
    """Whether more entry times are also ends than coincidence explains.

    Coincidence hits a time with the probability of at least one end there. Two estimates, of
    which the larger counts: the Poisson distribution whose mean number of ends, where there is
    one, is that of the hit times; and the share of entries that would hit with all ends moved by
    one step of the grid on which times lie.
    """
    entered = n_entries > 0
    hit = entered & (n_ends > 0)
    n, hits = int(entered.sum()), int(hit.sum())
    if hits < FEWEST:
        return False
    chance = max(_poisson_chance(float(n_ends[hit].mean())), _moved_chance(times, n_ends, entered))
    expected = n * chance
    error = np.sqrt(max(expected * (1.0 - chance), 1.0))
    return hits - expected > max(SURE * error, SHARE * (n - expected), FEWEST - 1)


def _poisson_chance(mean: float) -> float:
    """P(N > 0) where the mean of N, if it is not zero, is given: mean = m / (1 - exp(-m))."""
    m = max(mean, 1.0)
    for _ in range(100):
        m = mean * -np.expm1(-m)
    return float(-np.expm1(-m))


def _moved_chance(times: np.ndarray, n_ends: np.ndarray, entered: np.ndarray) -> float:
    """Share of entry times that are ends moved by one step of the grid, up or down."""
    if times.size < 2:
        return 1.0
    step = float(np.diff(times).min())
    entered, ended = times[entered], times[n_ends > 0]
    shares = []
    for move in (-step, step):
        place = np.searchsorted(ended, entered + move)
        near = np.minimum(
            np.abs(ended[np.minimum(place, ended.size - 1)] - entered - move),
            np.abs(ended[np.maximum(place - 1, 0)] - entered - move),
        )
        shares.append(np.mean(near < 0.25 * step))
    return float(max(shares))


def _alike(
    times: np.ndarray,
    ends: tuple[np.ndarray, np.ndarray],
    entries: tuple[np.ndarray, np.ndarray],
) -> bool:
    """Whether columns that agree within pairs agree less often where ends are exchanged.

    Ends and entries are (time, covariates) of their rows.
    """
    step = min(max(1, (len(ends[0]) + len(entries[0])) // COMPARED), times.size)
    at_end, x_end = _compared(times, step, *ends)
    at_entry, x_entry = _compared(times, step, *entries)
    n = at_end.size
    if min(n, at_entry.size) < FEWEST:
        return False
    # Ends in the order of their times are exchanged with those half of the table away.
    order = np.argsort(at_end, kind="stable")
    other = np.empty(n, np.int64)
    other[order] = np.roll(order, n // 2)
    at = np.concatenate([at_end, at_entry])
    total = _pairs(at, n)
    same, moved = at, at
    for at_ends, at_entries in zip(x_end.T, x_entry.T, strict=True):
        values = np.unique(np.concatenate([at_ends, at_entries]), return_inverse=True)[1]
        if values.max() == 0 or _pairs(_code(at, values), n) < 0.98 * total:
            continue
        same = _code(same, values)
        moved = _code(moved, np.concatenate([values[:n][other], values[n:]]))
    beyond = _pairs(same, n) - _pairs(moved, n)
    enough = max(SHARE * at_entry.size, SURE * np.sqrt(max(total - beyond, 0)), FEWEST - 1)
    return beyond > enough


def _compared(
    times: np.ndarray, step: int, when: np.ndarray, x: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Number of the time, and covariates, of the rows at every `step`-th time."""
    at = np.searchsorted(times, when, side="right") - 1
    chosen = at % step == 0
    return at[chosen], x[chosen]


def _code(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """One number for each pair of two numbers that count from zero."""
    return np.unique(first * (int(second.max()) + 1) + second, return_inverse=True)[1]


def _pairs(code: np.ndarray, n: int) -> int:
    """Pairs of equal numbers, one of the first n and one of the others."""
    size = int(code.max()) + 1
    counts = (np.bincount(part, minlength=size) for part in (code[:n], code[n:]))
    return int(np.minimum(*counts).sum())
