"""Searches of many groups that share the runs of Newton's iterations they ask for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, TypeVar

import jax
import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.corrections import Correction
from survjax.fitting.groups.newton import Ends, maximize_runs
from survjax.fitting.groups.requests import Request, Steps
from survjax.fitting.groups.rows import MOST_ROWS, coarse_bucket
from survjax.fitting.interior import Interior
from survjax.fitting.local_maxima import LocalMaximum
from survjax.likelihood.vector.template import Template

T = TypeVar("T")
#: Searches that go on at a time.
TOGETHER = 512


def together(
    searches: Iterable[Callable[[], Steps[T]]], rule: Interior
) -> Iterator[tuple[int, T | Exception]]:
    """Run searches side by side; yields the number of each with its result, or its error.

    `rule` is the one by which ends are judged, for all at once.
    """
    waiting = enumerate(searches)
    live: dict[int, tuple[Steps[T], Request]] = {}
    answers: dict[int, list[LocalMaximum]] = {}
    steps: Steps[T]
    while True:
        begun = {i: (each[0], answers.pop(i)) for i, each in live.items()}
        live = {}
        for i, (steps, ends) in begun.items():
            yield from _advanced(i, steps, ends, live)
        while len(live) < TOGETHER:
            following = next(waiting, None)
            if following is None:
                break
            yield from _advanced(following[0], following[1](), None, live)
        if not live:
            return
        answers = _answers({i: request for i, (_, request) in live.items()}, rule)


def _advanced(
    i: int, steps: Steps[T], ends: list[LocalMaximum] | None, live: dict[int, Any]
) -> Iterator[tuple[int, T | Exception]]:
    """Let a search go on to its next request, or to its end, which is yielded."""
    try:
        request = next(steps) if ends is None else steps.send(ends)
    except StopIteration as end:
        yield i, end.value
    except ValueError as error:
        yield i, error
    else:
        live[i] = steps, request


def _answers(requests: dict[int, Request], rule: Interior) -> dict[int, list[LocalMaximum]]:
    """Where the iterations of each request ended: those of one kind in the same runs."""
    kinds: dict[Any, list[int]] = {}
    found: dict[int, list[LocalMaximum]] = {}
    for i, request in requests.items():
        rows = request.maximizer.rows
        if request.correction is not None or rows.n_rows > MOST_ROWS or not len(request.starts):
            found[i] = request.alone()
        else:
            kinds.setdefault(_kind(request), []).append(i)
    for some in kinds.values():
        answers = _answered_together([requests[i] for i in some], rule)
        found.update(zip(some, answers, strict=True))
    return found


def kind_of_model(template: Template) -> Hashable:
    """What models have in common that may share a run, where their settings are the same."""
    leaves, tree = jax.tree.flatten(template.lifetime)
    values = tuple(np.asarray(leaf).tobytes() for leaf in leaves)
    return tree, values, template.constraints.values.tobytes()


def _kind(request: Request) -> Any:
    """What requests that share a run have in common."""
    template, limits = request.maximizer.template, request.limits
    rows = request.maximizer.rows
    return (
        kind_of_model(template),
        rows.interval is None,
        coarse_bucket(rows.n_rows),
        float(limits.tol),
        int(limits.max_iter),
        float(limits.log_shape),
    )


def _answered_together(requests: list[Request], rule: Interior) -> list[list[LocalMaximum]]:
    """The answers of requests of one kind."""
    first = requests[0]
    template, size = first.maximizer.template, coarse_bucket(first.maximizer.rows.n_rows)
    count = np.array([len(request.starts) for request in requests])
    whose = np.repeat(np.arange(len(requests)), count)
    starts = template.constraints.placed(np.concatenate([request.starts for request in requests]))
    log_weight = np.array([float(request.limits.log_weight) for request in requests])
    limits = dataclasses.replace(first.limits, log_weight=log_weight[whose])
    each = [request.maximizer.rows.padded(size) for request in requests]
    stacked: Observations = jax.tree.map(lambda *columns: np.stack(columns), *each)
    ends = maximize_runs(
        template,
        lambda some: stacked.take(whose[some]),
        size,
        starts,
        limits,
        Correction.of(template),
    )
    n_units = np.array([request.maximizer.n_units for request in requests])
    judged = first.limits.max_iter > 0
    known = _known(ends, first, rule, n_units[whose]) if judged else [{}] * len(starts)
    places = np.split(np.arange(len(starts)), np.cumsum(count)[:-1])
    return [
        [ends.at(int(r), start=k, known=known[r]) for k, r in enumerate(place)] for place in places
    ]


def _known(ends: Ends, request: Request, rule: Interior, n_units: np.ndarray) -> list[Any]:
    """What speaks against each end by a rule, found for all at once."""
    against = ends.violated(request.maximizer.template, rule, n_units)
    table = np.stack([there for there, _ in against], axis=1)
    words = [word for _, word in against]
    return [
        {(rule, n): tuple(words[j] for j in np.flatnonzero(row))}
        for row, n in zip(table, n_units.tolist(), strict=True)
    ]
