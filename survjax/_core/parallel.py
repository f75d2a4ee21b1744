"""Working through rows in blocks that stay in cache, on every core."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import numpy as np

__all__ = [
    "BLOCK",
    "LIGHT",
    "blocks",
    "dot",
    "in_order",
    "in_parts",
    "n_threads",
    "one_thread_rows",
    "sum_over_rows",
]

S = TypeVar("S")
T = TypeVar("T")

#: Rows handled at a time: a block of ten covariates fits the cache of a core.
BLOCK = 4096
#: From this many rows on, parts of the rows are worked on at once.
PARALLEL_ROWS = 50_000
#: Threads wait for each other around the short steps of a block of rows: where a row takes little,
#: they pay from so many times more rows on.
LIGHT = 4.0
#: Products that BLAS sums in one thread. Beyond them it wakes more, which takes a busy machine
#: longer than the sum, and fights over cores with the threads that work on parts of the rows.
MOST_PRODUCTS = 2**18
FEWEST_ROWS = 64


def n_threads() -> int:
    """Count the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_parts(
    work: Callable[[int, int], T], n: int, cuts: np.ndarray | None = None, light: float = 1.0
) -> list[T]:
    """Call ``work(begin, end)`` on parts of n rows, at once on several cores where that pays.

    A part begins at one of `cuts` (any row by default). It pays for the fewer rows, the more
    there is to do in each: `light` times `PARALLEL_ROWS`. NumPy lets go of the interpreter's lock
    inside its loops, so that threads do run side by side.
    """
    parts = list(_parts(n, cuts, light))
    if len(parts) == 1:
        return [work(*parts[0])]
    with ThreadPoolExecutor(len(parts) - 1) as pool:
        others = [pool.submit(work, *part) for part in parts[1:]]
        first = work(*parts[0])
        return [first, *(other.result() for other in others)]


def one_thread_rows(n_products: int) -> int:
    """Rows, each of some products, that BLAS sums in one thread; a block where those are few."""
    size = MOST_PRODUCTS // n_products
    return min(size, BLOCK) if size >= FEWEST_ROWS else BLOCK


def sum_over_rows(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Multiply left (..., n) by right (n, p), by parts of the rows that one thread sums."""
    size = one_thread_rows(max(left.size // max(right.shape[0], 1), 8) * right.shape[1])
    starts = range(0, right.shape[0], size)
    return np.sum([left[..., i : i + size] @ right[i : i + size] for i in starts], axis=0)


def _parts(n: int, cuts: np.ndarray | None, light: float) -> Iterator[tuple[int, int]]:
    wanted = n_threads() if n >= light * PARALLEL_ROWS else 1
    if wanted == 1:
        yield 0, n
        return
    edges = np.linspace(0, n, wanted + 1).astype(np.int64)
    if cuts is not None:
        edges[1:-1] = cuts[np.searchsorted(cuts, edges[1:-1])]
    for begin, end in pairwise(edges.tolist()):
        if begin < end:
            yield begin, end


def dot(left: np.ndarray, right: np.ndarray) -> float:
    """Sum of products (n,) of any length in one thread."""
    return float(np.einsum("i,i->", left, right))


def blocks(
    begin: int, end: int, cuts: np.ndarray, size: int = BLOCK
) -> Iterator[tuple[int, int, int, int]]:
    """Cut rows at some of `cuts`, about `size` rows at a time.

    Yields (begin, end, g, h): rows begin to end, which lie between ``cuts[g]`` and ``cuts[h]``.
    """
    g = int(np.searchsorted(cuts, begin))
    while begin < end:
        h = int(np.searchsorted(cuts, min(begin + size, end)))
        stop = int(cuts[h])
        yield begin, stop, g, h
        begin, g = stop, h


def in_order(work: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
    """Yield what a function gives for each item, in their order, computed by threads ahead.

    Few items are held at once, however many there are.
    """
    threads = n_threads()
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
