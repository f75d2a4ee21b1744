"""Cumulative sums that start anew: no sum is ever the difference of two larger ones."""

from __future__ import annotations

import numpy as np

from survjax.inference.nonparametric._rows import Floats, Ints

__all__ = ["restarted_cumsum"]

#: Segments summed one by one; where there are more, all are summed by doubling at once.
FEW_SEGMENTS = 8


def restarted_cumsum(values: Floats, first: Ints) -> Floats:
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
