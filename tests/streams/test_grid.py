"""The grid in log time is the same in whatever order rows come, and a good coreset of them."""

import numpy as np
import pytest

from survjax import Observations
from survjax.fitting.streams.grid import CELLS, LogTimeGrid


def rows_of(t, seed=0):
    rng = np.random.default_rng(seed)
    return Observations.from_durations(t, rng.random(t.size) < 0.6)


def grid_of(parts):
    grid = LogTimeGrid()
    for part in parts:
        grid.add(part)
    return grid


def same(one, other):
    for name in ("lower", "log_lower", "event", "weight"):
        ours, theirs = (getattr(grid.compressed(), name) for grid in (one, other))
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("spread", [1e-9, 0.1, 3.0, 100.0])
def test_order_batches_and_mergers_change_no_digit(spread):
    rng = np.random.default_rng(1)
    rows = rows_of(np.exp(rng.normal(5.0, spread, 30_000)))
    order = rng.permutation(30_000)
    pieces = [rows.take(slice(i, i + 777)) for i in range(0, 30_000, 777)]
    whole = grid_of([rows])
    same(whole, grid_of(pieces))
    same(whole, grid_of([rows.take(order)]))
    first, second = grid_of(pieces[20:]), grid_of(pieces[:20])
    first.merge(second)
    first.merge(LogTimeGrid())
    same(whole, first)
    found = whole.compressed()
    assert found.n_rows <= 2 * CELLS
    assert found.n_units == 30_000 and found.n_events == rows.n_events
    mean = np.sum(rows.log_lower * rows.weight)
    assert np.sum(found.log_lower * found.weight) == pytest.approx(mean, rel=1e-7)
