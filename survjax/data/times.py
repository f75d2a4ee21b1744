"""Times that differ by rounding only: one rule for all parts of the package.

0.1 + 0.2 and 0.3 are one time to whoever recorded them, but two floating-point numbers. Three
limits keep the rule from joining times that differ truly:

* a gap counts as rounding if it is at most 1e-9 of the smallest of three lengths: the times
  themselves, their span, and a thousand times the shortest row (from its entry to its end, where
  rows have entries). A gap of at most 16 units in the last place always counts. So times on a
  clock, such as seconds since 1970, are as fine as the clock's numbers are: lives of a millisecond
  stay lives;
* it must be a thousand times narrower than every wider gap: those of truly continuous times fill
  the scale without such a void;
* whole numbers are never merged.
"""

from __future__ import annotations

import numpy as np

__all__ = ["merge_rounding", "merge_sorted", "rounding_slack", "tolerance"]

#: Two times closer than this share of their size, span or rows may be one time plus rounding.
TIE_TOLERANCE = 1e-9
#: Rounding noise must be this much smaller than the next wider gap to be believed.
TIE_VOID = 1e3
#: The shortest row is this much longer than what counts as rounding, at least (in 1 / tolerance).
ROW_SHARE = 1e3
#: Rounding of a few sums and products, as a share of a number: 16 units in the last place.
ROUNDING = 16 * np.finfo(float).eps
#: Times looked at together, so that what is computed of them stays in cache.
BLOCK = 2**15


def rounding_slack(times: np.ndarray) -> np.ndarray:
    """Return the rounding error that a few operations leave on times (any shape)."""
    return ROUNDING * np.abs(times)


def tolerance(
    times: np.ndarray, span: float = np.inf, lengths: np.ndarray | None = None
) -> np.ndarray:
    """Return the widest gap next to each time that may be rounding.

    Parameters
    ----------
    times : ndarray of shape (n,)
        Infinite ones have no tolerance that means anything.
    span : float
        Largest minus smallest of all times.
    lengths : ndarray, optional
        How long rows last. Those that are empty but for rounding are left out.
    """
    size = np.abs(times)
    shortest = np.inf
    if lengths is not None:
        finite = np.isfinite(size)
        largest = np.max(size, where=finite, initial=0.0)
        real = np.isfinite(lengths) & (lengths > ROUNDING * largest)
        shortest = float(np.min(lengths, where=real, initial=np.inf))
    limit = TIE_TOLERANCE * min(span, ROW_SHARE * shortest)
    return np.maximum(np.minimum(TIE_TOLERANCE * size, limit), ROUNDING * size)


def merge_rounding(times: np.ndarray, lengths: np.ndarray | None = None) -> np.ndarray:
    """Return times in which values that differ by rounding only are made equal.

    Parameters
    ----------
    times : ndarray of shape (n,)
        Times in any order, all that are compared with each other (durations and entries).
    lengths : ndarray of any shape, optional
        How long rows last, from entry to end: true lives are not merged away.

    Returns
    -------
    ndarray of shape (n,)
        Each time, or the smallest of those that it equals up to rounding.
    """
    if np.array_equal(times, np.rint(times)):
        return times
    order = np.argsort(times, kind="stable")
    merged = np.empty_like(times)
    merged[order] = merge_sorted(times[order], lengths)
    return merged


def merge_sorted(times: np.ndarray, lengths: np.ndarray | None = None) -> np.ndarray:
    """Do the same to times that are sorted already."""
    if times.size < 2:
        return times
    # No other gaps are ever rounding, and they are few.
    found = [_close(times, start) for start in range(0, times.size - 1, BLOCK)]
    close = np.concatenate([places for places, _ in found])
    if close.size == 0:
        return times
    # The ends of what is finite say how large times are.
    begin, beyond = np.searchsorted(times, -np.inf, "right"), np.searchsorted(times, np.inf)
    ends = times[[begin, beyond - 1]]
    allowed = tolerance(np.append(times[1:][close], ends), ends[1] - ends[0], lengths)[:-2]
    narrow = times[1:][close] - times[close] <= allowed
    if not narrow.any():
        return times
    relative = _relative_gaps(np.stack([times[close], times[1:][close]]))[0]
    noise = np.unique(relative[narrow])
    if narrow.all():
        wider = min(wider for _, wider in found)
        if wider > 2.0 * TIE_TOLERANCE:
            gaps = _relative_gaps(times)
            wider = np.min(gaps, where=gaps > TIE_TOLERANCE, initial=np.inf)
    else:
        wider = relative[~narrow].min()
    # Some gaps may be narrower for their own size, but wider than what counts as rounding there.
    noise = noise[noise < wider]
    void = np.append(noise[1:], wider)[: noise.size] >= TIE_VOID * noise
    if not np.any(void):
        return times
    limit = noise[void][-1]
    # Infinite ends (no entry, still running) have gaps that are no number: they never merge.
    apart = ~(_relative_gaps(times) <= limit)
    apart[close[~narrow]] = True
    first = np.flatnonzero(np.append(True, apart))
    return np.repeat(times[first], np.diff(np.append(first, times.size)))


def _relative_gaps(times: np.ndarray) -> np.ndarray:
    """Gaps between sorted times along the first axis, relative to the later one."""
    with np.errstate(invalid="ignore"):
        return np.diff(times, axis=0) / np.maximum(np.abs(times[1:]), np.finfo(float).tiny)


def _close(times: np.ndarray, start: int) -> tuple[np.ndarray, float]:
    """Places of a block of sorted times whose next time may differ by rounding only.

    With the narrowest relative gap that is wider, if that is less than twice what rounding may be.
    """
    block = times[start : start + BLOCK + 1]
    # The largest time of the block leaves few gaps to be looked at one by one.
    largest = max(abs(float(block[0])), abs(float(block[-1])))
    with np.errstate(invalid="ignore"):
        gaps = np.diff(block)
    near = np.flatnonzero((gaps > 0) & (gaps <= 2.0 * TIE_TOLERANCE * largest))
    relative = _relative_gaps(np.stack([block[near], block[near + 1]]))[0]
    wider = np.min(relative, where=relative > TIE_TOLERANCE, initial=np.inf)
    return near[relative <= TIE_TOLERANCE] + start, float(wider)
