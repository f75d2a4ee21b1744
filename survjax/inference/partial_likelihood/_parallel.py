"""Working through rows in blocks that stay in cache, on every core."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import numpy as np

__all__ = ["BLOCK", "blocks", "in_parts"]

T = TypeVar("T")

#: Rows handled at a time: a block of ten covariates fits the cache of a core.
BLOCK = 4096
#: From this many rows on, parts of the rows are worked on at once.
PARALLEL_ROWS = 50_000


def n_threads() -> int:
    """Count the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_parts(work: Callable[[int, int], T], n: int, cuts: np.ndarray | None = None) -> list[T]:
    """Call ``work(begin, end)`` on parts of n rows, at once on several cores where that pays.

    A part begins at one of `cuts` (any row by default). NumPy lets go of the interpreter's lock
    inside its loops, so that threads do run side by side.
    """
    parts = list(_parts(n, cuts))
    if len(parts) == 1:
        return [work(*parts[0])]
    with ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(lambda part: work(*part), parts))


def _parts(n: int, cuts: np.ndarray | None) -> Iterator[tuple[int, int]]:
    wanted = n_threads() if n >= PARALLEL_ROWS else 1
    edges = np.linspace(0, n, wanted + 1).astype(np.int64)
    if cuts is not None and wanted > 1:
        edges[1:-1] = cuts[np.searchsorted(cuts, edges[1:-1])]
    for begin, end in pairwise(edges.tolist()):
        if begin < end or wanted == 1:
            yield begin, end


def blocks(begin: int, end: int, cuts: np.ndarray) -> Iterator[tuple[int, int, int, int]]:
    """Cut rows at some of `cuts`, about BLOCK rows at a time.

    Yields (begin, end, g, h): rows begin to end, which lie between ``cuts[g]`` and ``cuts[h]``.
    """
    g = int(np.searchsorted(cuts, begin))
    while begin < end:
        h = int(np.searchsorted(cuts, min(begin + BLOCK, end)))
        stop = int(cuts[h])
        yield begin, stop, g, h
        begin, g = stop, h
