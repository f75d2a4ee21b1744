"""Histories whose units are not named are told from rows that merely enter late."""

import numpy as np
import pandas as pd
import pytest

from survjax import Observations
from survjax.datasets import load_pumps
from survjax.likelihood.regression.joined_rows import joined_rows


def found(start, stop, event, x=None, order=None):
    """What is found of rows in a given order, none of them empty."""
    start, stop, event = (np.asarray(v, float) for v in (start, stop, event))
    rows = np.flatnonzero(stop > start) if order is None else order
    some = Observations.from_durations(stop[rows], event[rows], entry=start[rows])
    return joined_rows(some, None if x is None else np.asarray(x, float)[rows])


def histories(seed, n_units=60, cuts=6, step=None, late=0.0):
    """Start, stop, event and covariates of units read at random times, or at multiples of step."""
    random = np.random.default_rng(seed)
    parts = []
    for _ in range(n_units):
        end, begin = 30 * random.weibull(2.0) + 1, 0.0
        if step:
            end = np.ceil(end / step) * step
        if random.random() < late:
            begin = random.uniform(0, 0.5) * end
        if step:
            begin = np.floor(begin / step) * step
        inside = np.sort(random.uniform(begin, end, random.integers(1, 2 * cuts)))
        if step:
            inside = np.unique(np.round(inside / step) * step)
            inside = inside[(inside > begin) & (inside < end)]
        edges = np.concatenate([[begin], inside, [end]])
        event = np.zeros(edges.size - 1)
        event[-1] = random.random() < 0.6
        fixed = np.full(event.size, random.normal())
        parts.append(np.column_stack([edges[:-1], edges[1:], event, fixed]))
    rows = np.concatenate(parts)
    return rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3:]


@pytest.mark.parametrize("late", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_histories_are_seen_in_any_order_of_rows(seed, late):
    start, stop, event, _ = histories(seed, late=late)
    order = np.random.default_rng(seed).permutation(stop.size)
    joins = int(np.sum((stop[:-1] == start[1:]) & (event[:-1] == 0)))
    for rows in (np.arange(stop.size), order):
        pairs = found(start, stop, event, order=rows)
        assert pairs.n_joined == joins
        assert pairs.n_censored == np.sum(event == 0)
        assert pairs.n_late == np.sum(start > 0)


def test_a_part_of_the_rows_of_histories_is_enough_to_see_them():
    start, stop, event, _ = histories(0)
    some = np.random.default_rng(1).permutation(stop.size)[: stop.size // 2]
    assert found(start, stop, event, order=some) is not None


@pytest.mark.parametrize("step", [1.0, 5.0])
def test_on_a_coarse_grid_of_times_covariates_or_neighbors_tell_histories(step):
    start, stop, event, x = histories(2, n_units=200, step=step)
    shuffled = np.random.default_rng(0).permutation(stop.size)
    assert found(start, stop, event) is not None
    assert found(start, stop, event, x, shuffled) is not None


def test_rows_without_weight_join_nothing():
    start, stop, event, _ = histories(0)
    rows = Observations.from_durations(stop, event, entry=start)
    assert joined_rows(rows) is not None
    assert joined_rows(rows.reweighted((start == 0).astype(float))) is None


@pytest.mark.parametrize("grid", [None, 0.25, 1.0, 5.0])
@pytest.mark.parametrize("window", [1.0, 10.0, None])
def test_late_entry_alone_is_not_taken_for_histories(grid, window):
    for seed, n in enumerate((30, 300, 3000)):
        random = np.random.default_rng(seed)
        start = np.maximum(random.uniform(-10, 60, n), 0)
        end = start + (random.exponential(15, n) if window is None else window)
        life = np.maximum(40 * random.weibull(3, n), start + random.exponential(20, n))
        stop = np.minimum(life, end)
        if grid:
            start, stop = np.floor(start / grid) * grid, np.ceil(stop / grid) * grid
        x = np.column_stack([random.integers(0, 2, n), random.normal(size=n)])
        assert found(start, stop, life <= end, x) is None


def test_ages_heaped_on_whole_years_are_not_taken_for_histories():
    random = np.random.default_rng(0)
    start = random.integers(0, 600, 2000)
    heaped = random.random(2000) < 0.6
    start[heaped] = start[heaped] // 12 * 12
    stop = start + random.integers(1, 200, 2000)
    heaped = random.random(2000) < 0.6
    stop[heaped] = -(-stop[heaped] // 12) * 12
    assert found(start, stop, random.random(2000) < 0.3) is None
    # One unit delivered each year, and a register of ten years.
    assert found(np.arange(1, 31), np.arange(11, 41), np.zeros(30)) is None


def test_the_shipped_pumps_are_not_taken_for_histories():
    pumps = load_pumps()
    for per, low, high in (
        (1, np.array, np.array),
        (1, np.floor, np.ceil),
        (12, np.floor, np.ceil),
    ):
        assert (
            found(low(pumps["entry"] * per), high(pumps["duration"] * per), pumps["failed"]) is None
        )


PLAIN = {
    "relife/power_transformer.csv": ("entry", "time", "event"),
    "relife/circuit_breaker.csv": ("entry", "time", "event"),
    "relife/insulator_string.csv": ("entry", "time", "event", "pHCl", "pH2SO4", "HNO3"),
    "r_kmsurv/channing.csv": ("ageentry", "age", "death", "gender"),
    "r_other/boot_channing.csv": ("entry", "exit", "cens"),
    "lifelines/multicenter_aids_cohort_study.csv": ("W", "T", "D"),
    # Infections that come again: rows end with one, and are not censored.
    "r_survival/cgd.csv": ("tstart", "tstop", "status", "age", "height"),
}
HISTORIES = {
    "r_survival/heart.csv": ("start", "stop", "event", "age", "year", "surgery", "transplant"),
    "r_survival/jasa1.csv": ("start", "stop", "event", "age", "year", "surgery", "transplant"),
    "reference/csv/cox_pbcseq_tv.csv": ("tstart", "tstop", "death", "age", "logbili"),
    "reference/csv/cox_cmapss_fd001_tv.csv.gz": ("start", "cycle", "event", "z_s4", "z_s11"),
}


def real(real_data, name, columns):
    """Start, stop, event and covariates of a table, and a random order of its rows."""
    table = pd.read_csv(real_data / name)
    start, stop, event, *x = (table[column].to_numpy(float) for column in columns)
    good = np.flatnonzero(stop > start)
    order = np.random.default_rng(0).permutation(good)
    return start, stop, event, np.column_stack(x) if x else None, (good, order)


@pytest.mark.parametrize("name", HISTORIES)
def test_real_histories_are_seen(name, real_data):
    start, stop, event, x, orders = real(real_data, name, HISTORIES[name])
    for order in orders:
        pairs = found(start, stop, event, x, order)
        assert pairs.n_joined == pairs.n_late


@pytest.mark.parametrize("name", PLAIN)
def test_real_tables_with_late_entry_are_not_taken_for_histories(name, real_data):
    start, stop, event, x, orders = real(real_data, name, PLAIN[name])
    for order in orders:
        assert found(start, stop, event, x, order) is None
