"""Sums over ranges of places, made by a binary tree that only adds.

Differences of cumulative sums would lose the digits of small ranges beside large ones.
"""

from __future__ import annotations

import numpy as np

__all__ = ["interval_sums", "range_sums"]

#: Segments summed one by one; where there are more, all are summed by doubling at once.
FEW_SEGMENTS = 8


#: Sums of whole numbers below this are exact, and so are their differences.
EXACT = 2.0**53


def interval_sums(first: np.ndarray, stop: np.ndarray, weight: np.ndarray, size: int) -> np.ndarray:
    """Add up the weights of the rows with first <= j < stop, for each j below size.

    Notes
    -----
    Whole weights are added and subtracted, which is exact. Otherwise a binary tree over the
    places takes each interval apart into at most two nodes a level, so that sums are only
    added to; O(n log m).
    """
    if np.array_equal(weight, np.rint(weight)) and np.abs(weight).sum() < EXACT:
        change = np.bincount(first, weight, size + 1) - np.bincount(stop, weight, size + 1)
        return np.cumsum(change)[:size]
    depth = max(size - 1, 0).bit_length()
    levels = []
    low, high = first, stop
    for level in range(depth, -1, -1):
        nodes = (1 << level) + 1
        live = low < high
        low, high, weight = low[live], high[live], weight[live]
        odd, odd_high = low & 1 == 1, high & 1 == 1
        if level == 0:  # the root: whole intervals that are left
            odd, odd_high = np.ones_like(odd), np.zeros_like(odd)
        found = np.zeros(nodes)
        found += np.bincount(low[odd], weight[odd], nodes)
        found += np.bincount(high[odd_high] - 1, weight[odd_high], nodes)
        levels.append(found[:-1])
        low, high = (low + 1) >> 1, high >> 1
    total = levels.pop()
    while levels:
        total = np.repeat(total, 2) + levels.pop()
    return total[:size]


def range_sums(values: np.ndarray, first: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Add up ``values[first:stop]`` for each range, by the same tree."""
    width = 1 << max(values.size - 1, 0).bit_length()
    level = np.concatenate([values, np.zeros(width - values.size)])
    total, low, high = np.zeros(first.size), first, stop
    while True:
        live = low < high
        odd, odd_high = live & (low & 1 == 1), live & (high & 1 == 1)
        total[odd] += level[low[odd]]
        total[odd_high] += level[high[odd_high] - 1]
        if level.size == 1:
            return total
        low, high = (low + 1) >> 1, high >> 1
        level = level[0::2] + level[1::2]


def restarted_cumsum(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return cumulative sums along the last axis that start anew at each of `first` (first[0] = 0).

    Many short segments are summed side by side: step k adds the sum that ends 2^k places before,
    if that is in the same segment.
    """
    size = values.shape[-1]
    if first.size <= 1:
        return np.cumsum(values, axis=-1)
    edges = np.append(first, size)
    longest = int(np.diff(edges).max())
    if first.size <= FEW_SEGMENTS or first.size * 256 <= size:
        sums = np.empty(values.shape)
        for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            np.cumsum(values[..., begin:end], axis=-1, out=sums[..., begin:end])
        return sums
    sums = np.array(values, dtype=np.float64)
    place = np.arange(size) - np.repeat(first, np.diff(edges))
    step = 1
    while step < longest:
        sums[..., step:] += np.where(place[step:] >= step, sums[..., :-step], 0.0)
        step *= 2
    return sums
