"""Data as they would come out if a fitted lifetime were the truth, observed as they were."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.programs import program
from survjax.data.observations import Observations
from survjax.data.safe_columns import end_of_no_interval
from survjax.lifetimes import Lifetime
from survjax.likelihood.rows import contributions
from survjax.uncertainty.parametric.life_table import drawn_lives
from survjax.uncertainty.replicates import BATCH, SHORTEST, simulated, whole_units

#: Different intervals from which the inspections of a drawn life are chosen, at most.
MOST_INTERVALS = 2000
#: Neighbors among which an interval may be shifted; where several share inspections, none.
NEIGHBORS = 6


def drawn_like(
    lifetime: Lifetime,
    rows: Observations,
    rng: np.random.Generator,
    recording: tuple[float, str] | None,
    terms: np.ndarray | None = None,
    visits: np.ndarray | None = None,
) -> Iterator[Observations]:
    """Batches of rows (BATCH, n) as the data would be if the lifetime were the truth.

    Where the parameters of the lifetime are arrays (n,), one for each row of weight one, `terms`
    (n,) are the log-likelihoods of the rows, as if nothing were truncated.

    Right-censored and rounded failures are drawn as by `simulated`. Where failures are known by
    the inspections around them, those of a drawn life are chosen among the intervals of the data
    (`Inspections`), or are the `visits` (n, m) of each unit, in order, infinite beyond its last
    one; where no unit shows two inspections, each had one. With an exit, each unit's life is drawn
    among those that end by its own.

    Raises
    ------
    ValueError
        For fractions of units, and where it is not known how failures came to be seen.
    """
    if visits is not None:
        yield from _visited(lifetime, rows, visits, rng)
    elif rows.exit is not None:
        yield from _within_exits(lifetime, rows, rng)
    elif rows.interval is None or recording is not None:
        yield from simulated(lifetime, rows, rng, recording)
    elif (once := _single_inspections(rows)) is not None:
        yield from _visited(lifetime, rows, once, rng)
    else:
        if terms is None:
            rows_of = rows.compressed()
            inspections = Inspections(rows_of, contributions(lifetime, rows_of))
        else:
            inspections = Inspections(rows, terms)
        yield from _inspected(lifetime, rows, inspections, rng)


@program
def _lives_within(
    lifetime: Lifetime, entry: jax.Array, exit: jax.Array, share: jax.Array
) -> jax.Array:
    """Lives between `entry` and `exit` (n,), from uniforms (B, n)."""
    passed = lifetime.cumulative_hazard(entry)
    bounded = jnp.isfinite(exit)
    ahead = lifetime.cumulative_hazard(jnp.where(bounded, exit, entry + 1.0)) - passed
    span = jnp.where(bounded, jnp.expm1(-ahead), -1.0)
    return lifetime.inverse_cumulative_hazard(passed - jnp.log1p(share * span))


def _within_exits(
    lifetime: Lifetime, rows: Observations, rng: np.random.Generator
) -> Iterator[Observations]:
    """Exact failures of units that were seen because they failed between entry and exit."""
    if rows.interval is not None:
        raise ValueError(
            "with exit= only exact failures can be drawn again, and some of these are intervals"
        )
    units = whole_units(rows)
    exit = np.asarray(units.exit)
    entry = np.zeros(units.n_rows) if units.entry is None else units.entry
    while True:
        share = rng.random((BATCH, units.n_rows))
        life = np.clip(np.asarray(_lives_within(lifetime, entry, exit, share)), SHORTEST, exit)
        ends = (np.broadcast_to(bound, life.shape) for bound in (entry, exit))
        ones = np.ones_like(life)
        yield Observations(life, np.log(life), ones, ones, None, None, *ends)


class Inspections:
    """Between which inspections a life of a given length would have ended.

    An interval (a, b] of the data was seen because its unit's life ended in it, which had the
    chance P(a < T <= b). Of the intervals that hold a time t, each weighted by the inverse of that
    chance, a random one is therefore distributed as the inspections around t are, if these do not
    depend on the life. A unit still running at its last inspection a has the interval (a, inf].
    Replicates would have fewer different inspections than the data if each life chose by itself:
    lives of neighboring lengths choose in turn, and where units share no inspections, an interval
    is shifted as a whole, no further than to where others begin.

    Parameters
    ----------
    rows : Observations
        Intervals and units still running, no exact failures.
    terms : array of shape (n,)
        Their log-likelihoods.
    """

    def __init__(self, rows: Observations, terms: np.ndarray) -> None:
        if rows.event.any():
            raise ValueError(
                "some failures are exact and others intervals, and it is not known which would be "
                "which: pass resolution= if durations were rounded"
            )
        if rows.n_rows > MOST_INTERVALS:
            raise ValueError(
                f"lives are drawn between at most {MOST_INTERVALS} different intervals, got "
                f"{rows.n_rows}: round the inspections"
            )
        inside = rows.interval > 0
        self.lower, self.upper = rows.lower, np.where(inside, rows.upper, np.inf)
        bounds = np.concatenate([self.lower, self.upper[inside]])
        self.bounds = np.unique(bounds)
        weight = np.log(rows.weight) - terms
        starts, ends = np.append(-1.0, self.bounds), np.append(self.bounds, np.inf)
        holds = (self.lower <= starts[:, None]) & (self.upper >= ends[:, None])
        log_share = np.where(holds, weight, -np.inf)
        top = log_share.max(axis=1, keepdims=True)
        self.known = np.isfinite(top[:, 0])
        share = np.cumsum(np.exp(log_share - np.where(np.isfinite(top), top, 0.0)), axis=1)
        share /= np.where(self.known, share[:, -1], 1.0)[:, None]
        # Ages at which more than one unit was inspected: a plan that all follow.
        owners = np.concatenate([rows.weight, rows.weight[inside]])
        values, place = np.unique(bounds, return_inverse=True)
        planned = values[np.bincount(place, owners) > 1]
        free = ~(np.isin(self.lower, planned) | np.isin(self.upper, planned)) & (self.lower > 0)
        self.reach = _reach(self.lower, free & inside) + _reach(self.lower, free & ~inside)
        # Cell after cell, so that one search serves all lives.
        self.places = (share + np.arange(len(share))[:, None]).ravel()

    def around(
        self, life: np.ndarray, share: np.ndarray, shift: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the intervals in which lives are found to have ended; uniforms choose."""
        cell = np.searchsorted(self.bounds, life)
        place = np.searchsorted(self.places, cell + share, side="right") - cell * self.lower.size
        chosen = np.clip(place, 0, self.lower.size - 1)
        # Where no interval of the data holds a life, the nearest inspections do.
        below = self.bounds[np.maximum(cell - 1, 0)] * (cell > 0)
        above = np.append(self.bounds, np.inf)[cell]
        known = self.known[cell]
        lower = np.where(known, self.lower[chosen], below)
        upper = np.where(known, self.upper[chosen], above)
        reach = np.where(known, self.reach[chosen], 0.0)
        least = np.maximum(np.maximum(-reach, life - upper), -lower)
        most = np.minimum(reach, life - lower)
        by = least + shift * (most - least)
        return lower + by, np.maximum(upper + by, life)


def _reach(lower: np.ndarray, some: np.ndarray) -> np.ndarray:
    """How far (n,) the lower bounds of some intervals lie from those next to them, on average."""
    reach = np.zeros(lower.size)
    if some.sum() > NEIGHBORS:
        order = np.flatnonzero(some)[np.argsort(lower[some], kind="stable")]
        at = lower[order]
        first = np.clip(np.arange(at.size) - NEIGHBORS // 2, 0, at.size - 1 - NEIGHBORS)
        reach[order] = (at[first + NEIGHBORS] - at[first]) / 2.0
    return reach


def _in_turn(life: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Uniforms (B, n) that neighbors among the lives fill evenly: van der Corput's, shifted."""
    place, rest = np.zeros(life.shape[-1]), np.arange(life.shape[-1])
    for digit in range(rest.size.bit_length()):
        place += (rest >> digit & 1) / 2.0 ** (digit + 1)
    rank = np.argsort(np.argsort(life, axis=-1), axis=-1)
    return (place[rank] + rng.random((len(life), 1))) % 1.0


def _inspected(
    lifetime: Lifetime, rows: Observations, inspections: Inspections, rng: np.random.Generator
) -> Iterator[Observations]:
    """Lives between inspections, one row a unit."""
    units = whole_units(rows)
    while True:
        life = _lives(lifetime, units, rng)
        bounds = inspections.around(life, _in_turn(life, rng), rng.random(life.shape))
        yield _between(*bounds, units.entry)


def _lives(lifetime: Lifetime, units: Observations, rng: np.random.Generator) -> np.ndarray:
    """Lives (B, n) beyond the entries of units."""
    entry = np.zeros(units.n_rows) if units.entry is None else units.entry
    shape = (BATCH, units.n_rows)
    life = drawn_lives(lifetime, entry, rng.exponential(size=shape), rng.random(shape))
    return np.maximum(np.asarray(life), SHORTEST)


def _between(lower: np.ndarray, upper: np.ndarray, entry: np.ndarray | None) -> Observations:
    """Rows (B, n) of lives known by bounds; the upper one is infinite of units still running."""
    late = None if entry is None else np.broadcast_to(entry, lower.shape)
    if entry is not None:
        lower = np.maximum(lower, entry)
    found = np.isfinite(upper) & (upper > lower)
    safe = np.where(lower > 0, lower, 1.0)
    columns = lower, np.log(safe), np.zeros(lower.shape), np.ones(lower.shape)
    ends = np.where(found, upper, end_of_no_interval(safe)), found.astype(float)
    return Observations(*columns, *ends, late)


def _single_inspections(rows: Observations) -> np.ndarray | None:
    """When each unit was inspected (n, 1), if none shows more than one inspection."""
    inside = np.asarray(rows.interval) > 0
    if rows.entry is not None or rows.event.any() or (inside & (rows.lower > 0)).any():
        return None
    units = whole_units(rows)
    ages: np.ndarray = np.where(np.asarray(units.interval) > 0, units.upper, units.lower)
    return ages[:, None] if ages.all() else None


def _visited(
    lifetime: Lifetime, rows: Observations, visits: np.ndarray, rng: np.random.Generator
) -> Iterator[Observations]:
    """Lives between the inspections that units are known to have had, or would have had."""
    units = whole_units(rows)
    if rows.event.any() or rows.entry is not None or rows.exit is not None:
        raise ValueError(
            "inspections= is for units watched from new whose failures are intervals: leave it out "
            "where some are exact, came under observation late (entry=), or have an exit="
        )
    if len(visits) not in (1, units.n_rows):
        raise ValueError(f"inspections must have a row for each of {units.n_rows} units, or be one")
    plans = np.broadcast_to(visits, (units.n_rows, visits.shape[1]))
    ends = np.concatenate(
        [np.zeros((units.n_rows, 1)), plans, np.full((units.n_rows, 1), np.inf)], 1
    )
    last = np.isfinite(ends).sum(axis=1) - 1
    while True:
        life = _lives(lifetime, units, rng)
        # The number of inspections that found each unit running, one plan after the other.
        passed = np.stack([np.searchsorted(*pair) for pair in zip(plans, life.T, strict=True)], 1)
        passed = np.minimum(passed, last)
        unit = np.arange(units.n_rows)
        yield _between(ends[unit, passed], ends[unit, passed + 1], None)
