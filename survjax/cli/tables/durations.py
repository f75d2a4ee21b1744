"""Durations that look unlike all others of a table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from survjax.cli._text import plain

#: Few are at most this share of the rows; a table of fewer rows has no usual size.
FEW, FEWEST_ROWS = 0.05, 20
#: Between them and the next shorter one, and between them and the median, lie such factors.
GAP, ABOVE_MEDIAN = 20.0, 100.0


def far_away(durations: np.ndarray, places: Callable[[int], str]) -> tuple[str, ...]:
    """A note where a few durations lie far beyond all others, which then set the curve's scale."""
    order = np.argsort(durations, kind="stable")
    ordered = durations[order]
    n = ordered.size
    first = n - max(int(FEW * n), 1)
    if n < FEWEST_ROWS or not ordered[first - 1] > 0:
        return ()
    with np.errstate(over="ignore"):
        gaps = ordered[first:] / ordered[first - 1 : -1]
    at = first + int(np.argmax(gaps))
    longest = float(ordered[at - 1])
    if gaps[at - first] < GAP or ordered[at] / ABOVE_MEDIAN < np.median(ordered[:at]):
        return ()
    row = int(order[at:].min())
    one = f"{plain(float(durations[row]))} in {places(row)}"
    which = f"the duration {one} is" if n - at == 1 else f"{n - at} durations, such as {one}, are"
    return (
        f"{which} some {plain(float(gaps[at - first]), 2)} times as long as the longest other one, "
        f"{plain(longest)}: in another unit of time, or a slip?",
    )
