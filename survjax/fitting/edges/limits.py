"""Where a likelihood without a maximum climbs to: the supremum of a law at the family's edge."""

from __future__ import annotations

import dataclasses

import numpy as np

from survjax.data.observations import Observations
from survjax.data.truncation_rows import with_truncation_rows
from survjax.lifetimes import Lifetime, LimitLaw

#: A limit explains a fit if its supremum is not below the best point by more than this.
TOLERANCE = 1e-3
#: Logs of how far beyond the last life the end is looked for; and of the powers.
LOG_DISTANCES, LOG_POWERS = (-25.0, 6.0), (-14.0, 14.0)
#: So many rows leave no doubt whether they end like a power of time, and are not looked at for it.
FEW_ROWS = 4096
#: A limit that lies lower by more than this at every fourth end that is tried is not looked at.
FAR_BELOW = 20.0


@dataclasses.dataclass(frozen=True)
class Supremum:
    """The largest log-likelihood of a limit law, and where."""

    law: LimitLaw
    value: float
    end: float
    power: float

    def __str__(self) -> str:
        return (
            f"a {self.law.name}, {self.law.formula} (end {self.end:.4g}, power {self.power:.3g}), "
            f"whose log-likelihood {self.value:.6f} is the supremum"
        )


def limit_of(family: Lifetime, rows: Observations, value: float) -> Supremum | None:
    """The limit that a family climbs to from a point of that log-likelihood, if there is one."""
    found = [supremum(law, rows) for law in family.limits()]
    best = max((s for s in found if s is not None), key=lambda s: s.value, default=None)
    return best if best is not None and best.value >= value - TOLERANCE else None


def higher_limit(family: Lifetime, rows: Observations, value: float) -> Supremum | None:
    """The highest limit of the family that lies above an interior maximum of that log-likelihood.

    Looked for among few rows only: many are not likely to end as such laws do.
    """
    laws = family.limits() if rows.n_rows <= FEW_ROWS else ()
    found = [supremum(law, rows, value - FAR_BELOW) for law in laws]
    best = max((s for s in found if s is not None), key=lambda s: s.value, default=None)
    return best if best is not None and best.value > value + TOLERANCE else None


def supremum(law: LimitLaw, rows: Observations, floor: float = -np.inf) -> Supremum | None:
    """The largest log-likelihood of a limit law, over its end and its power.

    The end may lie at the outermost life, where the density of the law does not vanish. None where
    it lies far below the floor.
    """
    # Deferred: loading SciPy takes longer than most fits.
    from scipy.optimize import minimize_scalar

    rows = with_truncation_rows(rows).without_padding()
    log_times = _outermost(law, rows)
    if log_times.size == 0:
        return None
    edge = float(log_times.max() if law.from_above else log_times.min())
    side = 1.0 if law.from_above else -1.0

    def at_end(log_end: float) -> tuple[float, float]:
        found = minimize_scalar(
            lambda p: -_log_likelihood(law, rows, log_end, float(np.exp(p))),
            bounds=LOG_POWERS,
            method="bounded",
            options={"xatol": 1e-10},
        )
        return -float(found.fun), float(np.exp(found.x))

    def height(log_distance: float) -> float:
        return at_end(edge + side * float(np.exp(log_distance)))[0]

    grid = np.linspace(*LOG_DISTANCES, 32)
    if np.isfinite(floor) and max(height(x) for x in grid[::4]) < floor:
        return None
    heights = np.array([height(x) for x in grid])
    i = int(np.argmax(heights))
    ends = grid[max(i - 1, 0)], grid[min(i + 1, grid.size - 1)]
    fine = minimize_scalar(
        lambda x: -height(float(x)), bounds=ends, method="bounded", options={"xatol": 1e-8}
    )
    log_ends = [edge, edge + side * float(np.exp(fine.x))]
    (value, power), log_end = max((at_end(x), x) for x in log_ends)
    if not np.isfinite(value):
        return None
    return Supremum(law, value, float(np.exp(log_end)), power)


def _outermost(law: LimitLaw, rows: Observations) -> np.ndarray:
    """Logs of times on the side of which the end must lie."""
    counted = rows.weight > 0
    inside = _inside(rows)
    if law.from_above:
        # Units that still run, and those that fail later, must be able to.
        known = counted & ~(inside & (rows.lower <= 0))
        return np.asarray(rows.log_lower[known])
    failed = counted & (rows.event > 0)
    upper = rows.upper[counted & inside] if rows.upper is not None else np.empty(0)
    return np.concatenate([rows.log_lower[failed], np.log(upper)])


def _inside(rows: Observations) -> np.ndarray:
    if rows.interval is None:
        return np.zeros(rows.n_rows, bool)
    return np.asarray(rows.interval > 0)


def _log_likelihood(law: LimitLaw, rows: Observations, log_end: float, power: float) -> float:
    """Log-likelihood of a law on rows without truncation; -inf where a row is impossible."""
    inside = _inside(rows)
    lower, upper = law.log_tails(rows.log_lower, log_end, power)
    terms = np.where(rows.event > 0, law.log_density(rows.log_lower, log_end, power), upper)
    if inside.any():
        positive = inside & (rows.lower > 0)
        safe = np.where(inside, rows.upper, 1.0)
        to_end = law.log_tails(np.log(safe), log_end, power)[0]
        begun = np.where(positive, lower, -np.inf)
        with np.errstate(invalid="ignore", divide="ignore"):
            between = to_end + np.log1p(-np.exp(np.minimum(begun - to_end, 0.0)))
        terms = np.where(inside, between, terms)
    total = float(np.sum(np.where(rows.weight != 0, rows.weight * terms, 0.0)))
    return total if np.isfinite(total) else -1e300
