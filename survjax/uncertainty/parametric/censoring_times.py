"""Times at which units that failed would have been censored."""

from __future__ import annotations

import numpy as np

from survjax.data.observations import Observations
from survjax.nonparametric import StepCurve, censoring_curve


class CensoringTimes:
    """Draws of how long units would have been followed if they had not failed.

    They come from the reverse Kaplan-Meier curve of the time since entry, beyond each unit's
    failure: of units watched from new, and of those that entered later, apart, since how long a
    unit is followed may depend on which it is. Where the curve ends above zero, it goes on as it
    last fell to half (an exponential, as that of Brown, Hollander and Korwar 1974 from zero).
    Where nobody was censored there is no end.

    Parameters
    ----------
    units : Observations
        Exact failures and units still running, of weight one.
    """

    def __init__(self, units: Observations) -> None:
        self.entry = np.zeros(units.n_rows) if units.entry is None else units.entry
        self.followed = units.lower - self.entry
        self.failed = units.event > 0
        late = self.entry > 0
        self.groups = [np.flatnonzero(some) for some in (late, ~late) if some.any()]

    def draw(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Ages (size, n) at which the units are censored: as they were, or as they may be."""
        found = np.empty((size, self.followed.size))
        for rows in self.groups:
            followed, failed = self.followed[rows], self.failed[rows]
            curve = censoring_curve(followed, failed)
            share = curve.before(followed) * rng.random((size, rows.size))
            later = _beyond(curve, followed.max(), share) if not failed.all() else np.inf
            found[:, rows] = np.where(failed, later, followed)
        return self.entry + found


def _beyond(curve: StepCurve, last: float, share: np.ndarray) -> np.ndarray:
    """Where the curve falls to a share; even beyond its last time."""
    time, left = curve.quantile(1.0 - share), float(curve.values[-1])
    if left <= 0.0:
        return time
    whole = min(2.0 * left, 1.0)
    since = float(curve.quantile(1.0 - whole)) if whole < 1.0 else 0.0
    pace = (last - since) / np.log(whole / left)
    return np.where(share < left, last + pace * np.log(left / np.minimum(share, left)), time)
