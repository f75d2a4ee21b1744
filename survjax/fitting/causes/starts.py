"""Where the search over several causes begins: failures shared out among the causes they may be."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from survjax._core.numerics import bucket_size
from survjax._core.programs import program
from survjax.data.observations import Observations
from survjax.fitting.causes.rows import middles, rows_of_cause, shares
from survjax.fitting.search import search
from survjax.fitting.settings import ROUGH, Settings
from survjax.lifetimes import Competing
from survjax.likelihood.causes_template import CausesTemplate

#: Rounds in which failures are shared out by the hazards of the last.
ROUNDS = 3
#: By what factor guesses favor one cause over another for the last failures over the first.
TILT = 6.0


@program
def _log_hazards(lifetime: Competing, times: jax.Array) -> Any:
    return lifetime.each(lambda cause: cause.log_hazard(times))


def starts_of(
    template: CausesTemplate, rows: Observations, allowed: np.ndarray, settings: Settings
) -> np.ndarray:
    """Points (S, p) to start from: fits of each cause alone to failures that are shared out."""
    known = allowed & (allowed.sum(axis=1, keepdims=True) == 1)
    counts = np.einsum("i,ik->k", rows.weight, known) + 1.0
    times = middles(rows)
    order = np.argsort(np.argsort(times, kind="stable"), kind="stable") / max(1, times.size - 1)
    k = len(template.parts)
    slant = np.linspace(-0.5, 0.5, k) * np.log(TILT) if k > 1 else np.zeros(1)
    points = []
    several = bool((allowed.sum(axis=1) > 1).any())
    for direction in (0.0, 1.0, -1.0) if several else (0.0,):
        weights = counts * np.exp(direction * slant * (2.0 * order[:, None] - 1.0))
        share = shares(weights, allowed)
        points.append(_alternated(template, rows, allowed, share, times, settings))
    return np.array(points)


def _alternated(
    template: CausesTemplate,
    rows: Observations,
    allowed: np.ndarray,
    share: np.ndarray,
    times: np.ndarray,
    settings: Settings,
) -> np.ndarray:
    """Parameters (p,) after a few rounds of fits and shares."""
    rough = dataclasses.replace(settings, tol=ROUGH, n_starts=min(settings.n_starts, 4))
    x = np.empty(0)
    for _ in range(ROUNDS):
        found = [
            search(part, rows_of_cause(rows, share[:, i]), rough).best.x
            for i, part in enumerate(template.parts)
        ]
        x = np.concatenate(found)
        wide = np.pad(times, (0, bucket_size(times.size) - times.size), mode="edge")
        logs = np.asarray(_log_hazards(template.at(x), wide))[:, : times.size].T
        logs = np.clip(np.nan_to_num(logs, nan=-700.0), -700.0, 700.0)
        top = np.where(allowed, logs, -np.inf).max(axis=1, initial=-1e3, keepdims=True)
        share = shares(np.exp(np.minimum(logs - top, 0.0)), allowed)
    return x
