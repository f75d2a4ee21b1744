"""Where the search over several causes begins: failures shared out among the causes they may be."""

from __future__ import annotations

import dataclasses

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
def _log_hazards(lifetime: Competing, times: jax.Array) -> jax.Array:
    return lifetime.each(lambda cause: cause.log_hazard(times))


def starts_of(
    template: CausesTemplate, rows: Observations, allowed: np.ndarray, settings: Settings
) -> np.ndarray:
    """Points (S, p) to start from: fits of each cause alone to failures that are shared out."""
    points = [
        _alternated(template, rows, allowed, share, settings)
        for share in first_shares(rows, allowed)
    ]
    return np.array(points)


def first_shares(rows: Observations, allowed: np.ndarray) -> list[np.ndarray]:
    """Guesses (n, K) of what share each cause has in each unit's end."""
    known = allowed & (allowed.sum(axis=1, keepdims=True) == 1)
    counts = np.einsum("i,ik->k", rows.weight, known) + 1.0
    times = middles(rows)
    order = np.argsort(np.argsort(times, kind="stable"), kind="stable") / max(1, times.size - 1)
    k = allowed.shape[1]
    slant = np.linspace(-0.5, 0.5, k) * np.log(TILT) if k > 1 else np.zeros(1)
    several = bool((allowed.sum(axis=1) > 1).any())
    return [
        shares(counts * np.exp(direction * slant * (2.0 * order[:, None] - 1.0)), allowed)
        for direction in ((0.0, 1.0, -1.0) if several else (0.0,))
    ]


def shares_by_hazards(logs: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Shares (n, K) of the causes allowed by the logs of their hazards (n, K) at each end."""
    logs = np.clip(np.nan_to_num(logs, nan=-700.0), -700.0, 700.0)
    top = np.where(allowed, logs, -np.inf).max(axis=1, initial=-1e3, keepdims=True)
    return shares(np.exp(np.minimum(logs - top, 0.0)), allowed)


def _alternated(
    template: CausesTemplate,
    rows: Observations,
    allowed: np.ndarray,
    share: np.ndarray,
    settings: Settings,
) -> np.ndarray:
    """Parameters (p,) after a few rounds of fits and shares."""
    rough = dataclasses.replace(settings, tol=ROUGH, n_starts=min(settings.n_starts, 4))
    x, times = np.empty(0), middles(rows)
    for _ in range(ROUNDS):
        found = [
            search(part, rows_of_cause(rows, share[:, i]), rough).best.x
            for i, part in enumerate(template.parts)
        ]
        x = np.concatenate(found)
        wide = np.pad(times, (0, bucket_size(times.size) - times.size), mode="edge")
        logs = np.asarray(_log_hazards(template.at(x), wide))[:, : times.size].T
        share = shares_by_hazards(logs, allowed)
    return x
