"""Coresets: few weighted rows that stand for many, on which starts are chosen and ranked."""

from __future__ import annotations

import dataclasses

import numpy as np

from survjax.data.observations import Observations
from survjax.data.safe_columns import LARGEST, end_of_no_interval

#: Rows on which all starts go to a local maximum, and on which the best few are ranked.
SEARCH_ROWS, RANK_ROWS = 128, 2048
#: The same where intervals are many: neighbors differ in width, and fewer would be a poor sample.
SEARCH_SAMPLE, RANK_SAMPLE = 1024, 8192
#: So few rows are searched as they are: to compile for fewer takes longer than it spares.
WHOLE_ROWS = 1024
#: A sample of fewer failures is no guess at the shape of a lifetime.
FEW_FAILURES = 50
#: Cells of the grid in log time that first compresses more rows than this.
GRID = 8192
#: Rows that go onto the grid at a time.
BLOCK = 2**15
#: Spread of log times that are one, and a number that divides without overflow.
SAME_TIME, TINY = 1e-12, 1e-100


def is_plain(rows: Observations) -> bool:
    """Whether rows enter a likelihood by the logs of their times only: no intervals."""
    return rows.interval is None and rows.exit is None


def coresets(rows: Observations) -> tuple[Observations, Observations]:
    """Rows on which all starts go to a local maximum, and those on which the best few go on."""
    n_intervals = 0 if rows.interval is None else int(np.count_nonzero(rows.interval))
    if n_intervals > RANK_ROWS // 2:
        middle = compress(rows, RANK_SAMPLE)
        return compress(middle, SEARCH_SAMPLE), middle
    middle = compress(rows, RANK_ROWS)
    return compress(middle, SEARCH_ROWS if n_intervals == 0 else 2 * SEARCH_ROWS), middle


def sampled(rows: Observations) -> Observations | None:
    """Every so many of the rows, to begin at; None where too few failures are among them."""
    some = rows.take(slice(None, None, max(rows.n_rows // RANK_ROWS, 1)))
    return some if np.count_nonzero(some.event) >= FEW_FAILURES else None


def blur(rows: Observations) -> float:
    """Log-likelihood by which compressed rows may misjudge how far apart two maxima are.

    It grows with the units that a row stands for; a sample misjudges more than a merger.
    """
    n = rows.n_rows
    return rows.n_units * ((8.0 / n) ** 2 if n <= RANK_ROWS else 0.1 / np.sqrt(n))


def compress(rows: Observations, size: int) -> Observations:
    """At most `size` weighted rows that have nearly the likelihood of all.

    Rows have no truncation but as rows of negative weight, which are merged among themselves.
    Plain rows are merged with their neighbors in log time so that the likelihood does not change
    to third order in the width of a group. Of intervals that are neighbors, one stands for all.
    """
    if rows.n_rows <= size:
        return rows
    if rows.interval is not None:
        inside = rows.interval > 0
        n_inside = int(np.count_nonzero(inside))
        kept = min(n_inside, max(size // 2, size - (rows.n_rows - n_inside)))
        plain = compress(rows.without_intervals(), size - kept)
        return joined(plain, _representatives(rows.take(np.flatnonzero(inside)), kept))
    if rows.n_rows > 4 * GRID:
        log_time, kind, weight = _on_grid(rows)
    else:
        log_time, weight = rows.log_lower, rows.weight
        kind = _kinds(rows.event, weight)
    sizes = _shares_of_size(np.bincount(kind, minlength=3), size)
    groups = []
    for k in range(3):
        sign = -1.0 if k == 2 else 1.0
        merged, cell_weight = _merge(log_time[kind == k], sign * weight[kind == k], int(sizes[k]))
        groups.append((merged, np.full(merged.size, float(k == 0)), sign * cell_weight))
    log_time, event, weight = (np.concatenate(part) for part in zip(*groups, strict=True))
    return Observations(np.exp(log_time), log_time, event, weight)


def joined(plain: Observations, intervals: Observations) -> Observations:
    """Rows without intervals and rows of intervals, one after the other."""
    if plain.n_rows == 0:
        return intervals
    upper, interval = end_of_no_interval(plain.lower), np.zeros(plain.n_rows)
    ends = dataclasses.replace(plain, upper=upper, interval=interval)
    columns = (f.name for f in dataclasses.fields(ends))
    both = ((name, getattr(ends, name), getattr(intervals, name)) for name in columns)
    return Observations(
        **{name: None if a is None else np.concatenate([a, b]) for name, a, b in both}
    )


def _representatives(rows: Observations, size: int) -> Observations:
    """At most `size` of many intervals, each with the weight of its group of neighbors.

    Rows of negative weight have groups of their own.
    """
    if rows.n_rows <= size:
        return rows
    middle = 0.5 * (rows.lower + np.minimum(rows.upper, LARGEST / 4))
    order, negative = np.argsort(middle), rows.weight < 0
    if negative.any():
        order = np.concatenate([order[~negative[order]], order[negative[order]]])
    weight = rows.weight[order]
    before = np.cumsum(np.abs(weight))
    group = np.floor(before / before[-1] * (size - 1)).astype(int)
    edges = np.flatnonzero(np.diff(group, prepend=-1) + np.diff(weight < 0, prepend=False))
    total = np.add.reduceat(weight, edges)
    ends = np.append(edges[1:], weight.size)
    return rows.take(order[(edges + ends - 1) // 2]).reweighted(total)


def _shares_of_size(counts: np.ndarray, size: int) -> np.ndarray:
    """Rows for failed, running and entered units: failures have half, what one spares others get.

    Each kind that there is has at least one.
    """
    share = np.where(counts > 0, np.array([2.0, 1.0, 1.0]), 0.0)
    for _ in range(3):
        wanted = np.floor(size * share / share.sum())
        spared = size - np.minimum(wanted, counts).sum()
        full = counts <= wanted
        if full.all() or not full.any() or spared <= 0:
            break
        open_ = share * ~full
        wanted = np.where(full, counts, np.floor((size - counts[full].sum()) * open_ / open_.sum()))
        share = wanted
    return np.maximum(np.minimum(wanted, counts), counts > 0)


def _kinds(event: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """0 for rows that failed, 1 for those that still run, 2 for those of negative weight."""
    others = event <= 0
    return np.add(others, others & (weight <= 0), dtype=np.intp)


def _on_grid(rows: Observations) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum rows over an even grid in log time, their kinds (0 to 2) apart, without sorting.

    Gives log times, kinds and weights. Block by block, so that what is in between stays in cache.
    """
    low, high = rows.log_lower.min(), rows.log_lower.max()
    scale = (GRID - 1) / max(high - low, 1e-300)
    equal = rows.weight[0] if np.ptp(rows.weight) == 0 else None
    total, mean = np.zeros((2, 3 * GRID))
    for start in range(0, rows.n_rows, BLOCK):
        part = slice(start, start + BLOCK)
        log_time, weight = rows.log_lower[part], rows.weight[part]
        cell = 3 * ((log_time - low) * scale).astype(np.intp)
        cell += _kinds(rows.event[part], weight)
        if equal is None:
            total += np.bincount(cell, weight, 3 * GRID)
            mean += np.bincount(cell, weight * log_time, 3 * GRID)
        else:
            total += np.bincount(cell, minlength=3 * GRID)
            mean += np.bincount(cell, log_time, 3 * GRID)
    if equal is not None:
        total, mean = total * equal, mean * equal
    used = np.flatnonzero(total)
    return mean[used] / total[used], used % 3, total[used]


def _edges(n_groups: int, finest: float) -> np.ndarray:
    """Shares of the weight at which groups end: even ones, halved down to the finest at both ends.

    The ends are sparse: a few rows there, drawn together, would look like a kind of their own.
    """
    n_halved = min(int(np.log2(max(1.0 / (n_groups * finest), 1.0))), (n_groups - 1) // 6)
    n_even = n_groups - 2 * n_halved
    small = 0.5 ** np.arange(n_halved, 0, -1) / n_even
    return np.concatenate([small, np.arange(1, n_even) / n_even, 1.0 - small[::-1]])


def _merge(log_time: np.ndarray, weight: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Merge neighbors into groups of about equal weight, and those into at most `size` rows.

    A group becomes the two rows of Gauss's rule: they have its weight, mean, variance and third
    central moment, so that sums over them of any cubic are exact.
    """
    if log_time.shape[0] <= size or size == 0:
        return log_time, weight
    order = np.argsort(log_time)
    log_time, weight = log_time[order], weight[order]
    before = np.cumsum(weight) - 0.5 * weight
    finest = min(weight[0], weight[-1]) / weight.sum()
    group = np.searchsorted(_edges(max(size // 2, 1), finest), before / before[-1])
    begins = np.ones(group.size, bool)
    np.greater(group[1:], group[:-1], out=begins[1:])
    first = np.flatnonzero(begins)
    total = np.maximum(np.add.reduceat(weight, first), TINY)
    mean = np.add.reduceat(weight * log_time, first) / total
    gap = log_time - mean[np.cumsum(begins) - 1]
    moment = weight * gap * gap
    spread = np.sqrt(np.add.reduceat(moment, first) / total)
    moment *= gap
    skew = np.add.reduceat(moment, first) / total / np.maximum(spread, TINY) ** 3
    root = np.sqrt(skew * skew + 4.0)
    share = 0.5 + 0.5 * skew / root
    # Ties stay one row.
    share[spread <= SAME_TIME] = 1.0
    rows = np.concatenate(
        [mean + 0.5 * spread * (skew - root), mean + 0.5 * spread * (skew + root)]
    )
    cell_weight = np.concatenate([total * share, total * (1.0 - share)])
    keep = cell_weight > TINY
    return rows[keep], cell_weight[keep]
