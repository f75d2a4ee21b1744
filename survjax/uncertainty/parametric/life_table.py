"""Lives drawn from one lifetime by the thousand, from a table of its quantiles.

Where a quantile is a search over a special function, a table of some thousand in the log of the
cumulative hazard takes no longer than a few replicates, and a cubic through the four nearest is
exact to more digits than a random life has use for.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np

from survjax._core.programs import program
from survjax.lifetimes import Lifetime

#: Logs of the cumulative hazards at both ends, beyond which next to no life is drawn, and nodes.
ENDS, N_NODES = (np.log(1e-13), np.log(60.0)), 2048
STEP = (ENDS[1] - ENDS[0]) / (N_NODES - 1)
#: What a table may be wrong by between its nodes, relative to a life.
CLOSE = 1e-7


@program
def drawn_lives(
    lifetime: Lifetime, entry: jax.Array, exposure: jax.Array, choice: jax.Array
) -> jax.Array:
    """Lives beyond `entry` (n,) from unit exponentials (B, n); uniforms choose the component."""
    return lifetime.lives_beyond(entry, exposure, choice)


class LifeTable(NamedTuple):
    """Logs of the times (m,) at which the cumulative hazard has the logs of the nodes."""

    log_time: np.ndarray

    @classmethod
    def of(cls, lifetime: Lifetime) -> LifeTable | None:
        """The table of a lifetime whose survival is costly; None where none is close."""
        if not lifetime.has_own_density:
            return None
        # Between nodes lie the points at which the table is checked.
        passed = np.exp(ENDS[0] + 0.5 * STEP * np.arange(2 * N_NODES))
        nothing = np.zeros(passed.size)
        lives = np.asarray(drawn_lives(lifetime, nothing, passed[None], nothing[None]))[0]
        if not np.all((lives > 0) & (lives < np.inf)):
            return None
        log_time = np.log(lives)
        found = cls(log_time[::2])
        inside = slice(1, -2, 2)
        wrong = np.abs(np.log(found(passed[inside])) - log_time[inside])
        return found if np.all(wrong < CLOSE) else None

    def __call__(self, passed: np.ndarray) -> np.ndarray:
        """The times at which the cumulative hazard is `passed`."""
        position = (np.log(np.clip(passed, *np.exp(ENDS))) - ENDS[0]) / STEP
        left = np.clip(position.astype(np.intp), 1, N_NODES - 3)
        x = position - left
        before, here, after, later = (self.log_time[left + i] for i in (-1, 0, 1, 2))
        # Newton's divided differences of four equidistant points.
        first, second = here - before, after - 2.0 * here + before
        third = later - 3.0 * after + 3.0 * here - before
        u = x + 1.0
        log_time = before + u * (first + 0.5 * x * (second + (x - 1.0) * third / 3.0))
        return np.exp(log_time)
