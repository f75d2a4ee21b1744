"""A search as a sequence of requests for local maxima, which one or many searches may make.

What a search does between two runs of Newton's iterations is cheap; the iterations are not, and
many groups can share them. So a search is a generator: it yields what it wants maximized, and is
sent where that ended. One by itself is answered at once (`answered`); those of many groups wait for
each other (`survjax.fitting.groups.together`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from typing import TypeVar

import numpy as np

from survjax.fitting.corrections import Correction
from survjax.fitting.local_maxima import Limits, LocalMaximum, Maximizer

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Request:
    """Starts (m, p) of iterations of one model on one set of rows.

    A correction is as of `Maximizer`; `n_units` are those by which components are counted where the
    ends are judged.
    """

    maximizer: Maximizer
    starts: np.ndarray
    limits: Limits
    correction: Correction | None = None

    def alone(self) -> list[LocalMaximum]:
        """The answer, by itself."""
        return self.maximizer(self.starts, self.limits, self.correction)


#: What asks for local maxima until it has a result.
Steps = Generator[Request, list[LocalMaximum], T]


def answered(steps: Steps[T]) -> T:
    """The result of something that asks for local maxima, each request answered by itself."""
    try:
        request = next(steps)
        while True:
            request = steps.send(request.alone())
    except StopIteration as end:
        found: T = end.value
        return found


def values_at(maximizer: Maximizer, points: np.ndarray) -> Steps[np.ndarray]:
    """The log-likelihood (B,) at points (B, p)."""
    ends = yield Request(maximizer, points, Limits.of(0.0, 0))
    return np.array([end.value for end in ends])
