"""Data as they might have come out: rows drawn again, or lives drawn from a fit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.coreset import compress
from survjax.lifetimes import Lifetime
from survjax.uncertainty.parametric.censoring_times import CensoringTimes
from survjax.uncertainty.parametric.life_table import LifeTable, drawn_lives

#: Replicates drawn, and fitted, side by side.
BATCH = 64
#: Units drawn as they are; more are compressed to `FEW_ROWS`, one replicate after the other.
MANY_ROWS, FEW_ROWS = 20_000, 4096
#: A drawn life is at least this: zero has no density.
SHORTEST = 1e-290


def resampled(rows: Observations, rng: np.random.Generator) -> Iterator[Observations]:
    """Batches of rows with weights (BATCH, n): as many units, drawn with replacement.

    Equal rows are drawn together, as multinomial counts. Weights that do not add up to a whole
    number of units are drawn as the nearest one and scaled.
    """
    total = rows.n_units
    n_units = max(round(total), 1)
    share = rows.weight / total
    while True:
        counts = rng.multinomial(n_units, share, size=BATCH)
        yield rows.reweighted(counts * (total / n_units))


def simulated(
    lifetime: Lifetime,
    rows: Observations,
    rng: np.random.Generator,
    recording: tuple[float, str] | None,
) -> Iterator[Observations]:
    """Batches of rows (BATCH, n) whose lives are drawn from the fit, one row a unit.

    A unit that was censored is censored then again; one that failed gets a censoring time of its
    own (`CensoringTimes`). Where all had failed there is none.
    `recording` is the width and direction to which failures are rounded.
    """
    units = _one_row_a_unit(rows)
    ends = CensoringTimes(units)
    entry = np.zeros(units.n_rows) if units.entry is None else units.entry
    table = LifeTable.of(lifetime) if units.entry is None else None

    def drawn(size: int) -> Observations:
        shape = (size, units.n_rows)
        censored = ends.draw(rng, size)
        exposure, choice = rng.exponential(size=shape), rng.random(shape)
        if table is None:
            life = np.asarray(drawn_lives(lifetime, entry, exposure, choice))
        else:
            life = table(exposure)
        # What never fails is seen for as long as any unit was.
        censored = np.where(np.isinf(life) & np.isinf(censored), units.lower.max(), censored)
        zeros = life <= 0 if lifetime.fails_at_zero else None
        return recorded(np.maximum(life, SHORTEST), censored, units.entry, recording, zeros)

    few = units.n_rows <= MANY_ROWS
    if not (few or (recording is None and units.entry is None)):
        raise ValueError(
            f"kind='parametric' draws at most {MANY_ROWS} units with late entry or rounded "
            f"durations, got {units.n_rows}: use kind='rows'"
        )
    while True:
        yield drawn(BATCH) if few else _stacked([drawn(1) for _ in range(BATCH)])


def _stacked(replicates: list[Observations]) -> Observations:
    """Large plain replicates, compressed and side by side."""
    parts = [compress(batch_item(part, 0), FEW_ROWS).padded(FEW_ROWS) for part in replicates]
    return Observations(
        *(
            np.stack([getattr(part, name) for part in parts])
            for name in ("lower", "log_lower", "event", "weight")
        )
    )


def _one_row_a_unit(rows: Observations) -> Observations:
    """Rows of weight one with intervals at their upper ends, or a reason why there are none."""
    if rows.exit is not None:
        raise ValueError(
            "kind='parametric' cannot redraw units that were only seen because they failed early "
            "enough (exit=): use kind='rows'"
        )
    if rows.interval is not None:
        inside = rows.interval > 0
        end = np.maximum(np.where(inside, rows.upper, rows.lower), SHORTEST)
        rows = Observations(
            end, np.log(end), np.maximum(rows.event, rows.interval), rows.weight, entry=rows.entry
        )
    return whole_units(rows)


def whole_units(rows: Observations) -> Observations:
    """Rows of weight one, each as many times as its weight says; ValueError for fractions."""
    counts = np.rint(rows.weight).astype(int)
    if np.any(np.abs(counts - rows.weight) > 1e-9):
        raise ValueError(
            "a parametric bootstrap draws whole units, and some weights are fractions: use "
            "bootstrap(kind='rows')"
        )
    units = rows.take(np.repeat(np.arange(rows.n_rows), counts))
    return units.reweighted(np.ones(units.n_rows))


def recorded(
    life: np.ndarray,
    censored: np.ndarray,
    entry: np.ndarray | None,
    recording: tuple[float, str] | None,
    zeros: np.ndarray | None = None,
) -> Observations:
    """Rows (BATCH, n) of lives that were seen until they ended or were censored.

    `zeros` (BATCH, n) are those that ended at time zero, where a lifetime gives that a chance.
    """
    event = (life <= censored).astype(float)
    time = np.minimum(life, censored)
    wide = None if entry is None else np.broadcast_to(entry, life.shape)
    ones = np.ones(life.shape)
    if recording is None:
        if zeros is None:
            return Observations(time, np.log(time), event, ones, entry=wide)
        event, lower = np.where(zeros, 0.0, event), np.where(zeros, 0.0, time)
        log_lower, upper = np.log(np.where(zeros, 1.0, time)), np.where(zeros, 0.0, 2.0 * time)
        return Observations(lower, log_lower, event, ones, upper, 1.0 * zeros, wide)
    width, rounding = recording
    shift = 0.5 if rounding == "nearest" else 0.0
    upper = (np.ceil(time / width + shift) - shift) * width
    lower = np.maximum(upper - width, 0.0)
    if wide is not None:
        lower = np.maximum(lower, wide)
    inside = event > 0
    lower = np.where(inside, lower, time)
    upper = np.where(inside, upper, 2.0 * time)
    safe = np.where(lower > 0, lower, 1.0)
    return Observations(lower, np.log(safe), 0.0 * ones, ones, upper, event, wide)


def batch_item(rows: Observations, i: int) -> Observations:
    """One replicate of a batch, whose columns may be shared."""
    n = rows.weight.shape[-1]
    return rows._map(lambda column: column if column.shape == (n,) else column[i])
