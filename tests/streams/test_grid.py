"""The grid in log time is a good coreset of rows in any order, and has their likelihood."""

import pickle

import numpy as np
import pytest

from survjax import Observations
from survjax._core.precision import double_precision
from survjax.data.truncation_rows import with_truncation_rows
from survjax.fitting.streams.grid import CELLS, LogTimeGrid
from survjax.lifetimes import Mixture, Weibull
from survjax.likelihood.rows import derivatives


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


def alike(one, other):
    ours, theirs = one.compressed(), other.compressed()
    np.testing.assert_array_equal(ours.weight, theirs.weight)
    np.testing.assert_array_equal(ours.event, theirs.event)
    np.testing.assert_allclose(ours.log_lower, theirs.log_lower, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("spread", [1e-9, 0.1, 3.0, 100.0])
def test_batches_change_no_digit_and_order_and_mergers_only_rounding(spread):
    rng = np.random.default_rng(1)
    rows = rows_of(np.exp(rng.normal(5.0, spread, 30_000)))
    order = rng.permutation(30_000)
    pieces = [rows.take(slice(i, i + 777)) for i in range(0, 30_000, 777)]
    whole = grid_of([rows])
    same(whole, grid_of(pieces))
    alike(whole, grid_of([rows.take(order)]))
    first, second = grid_of(pieces[20:]), grid_of(pieces[:20])
    first.merge(second)
    first.merge(pickle.loads(pickle.dumps(LogTimeGrid())))
    first = pickle.loads(pickle.dumps(first))
    alike(whole, first)
    found = whole.compressed()
    assert found.n_rows <= 2 * CELLS
    assert found.n_units == 30_000 and found.n_events == rows.n_events
    mean = np.sum(rows.log_lower * rows.weight)
    assert np.sum(found.log_lower * found.weight) == pytest.approx(mean, rel=1e-7)


@pytest.mark.parametrize("coarser", [False, True])
def test_nodes_have_the_likelihood_of_all_rows_after_mergers_too(coarser):
    rng = np.random.default_rng(2)
    entry = np.where(rng.random(30_000) < 0.3, rng.random(30_000), 0.0)
    t = entry + 20.0 * rng.weibull(1.5, 30_000)
    t[:1000] = entry[:1000] + np.linspace(10.0, 10.1, 1000)
    failed = rng.random(t.size) < 0.6
    rows = with_truncation_rows(Observations.from_durations(t, failed, entry=entry))
    grid = grid_of([rows.take(slice(0, 1000)), rows.take(slice(1000, None))])
    nodes = (grid.coarser() if coarser else grid).nodes()
    model = Mixture(np.array([-0.4]), Weibull(np.log([18.0, 30.0]), np.log([1.4, 2.5])))
    of = double_precision(derivatives)
    for ours, theirs in zip(of(model, nodes), of(model, rows), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-9 * rows.n_units)
