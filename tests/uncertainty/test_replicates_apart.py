"""Replicates on few times, and lives from a table: what the rows and quantiles themselves give."""

import jax
import numpy as np
import pytest

from survjax import Observations
from survjax._core.precision import double_precision
from survjax.lifetimes import BirnbaumSaunders, Gamma, GeneralizedGamma, InverseGaussian, Weibull
from survjax.likelihood.rows import log_likelihood
from survjax.uncertainty.bootstrap import widened
from survjax.uncertainty.parametric.life_table import LifeTable
from survjax.uncertainty.replicates import batch_item, simulated

LIFETIMES = [
    Gamma.of(4.0, 2.5),
    GeneralizedGamma.of(2.0, 0.6, -0.8),
    InverseGaussian.of(9.0, 14.0),
]
of_rows = jax.jit(jax.value_and_grad(log_likelihood))


def fleet(n, *, one_end=False, entry=None):
    rng = np.random.default_rng(3)
    lives = 9.0 * rng.weibull(1.5, n) + (0.0 if entry is None else entry)
    ends = np.full(n, 8.0) if one_end else rng.uniform(2.0, 30.0, n)
    times = np.minimum(lives, ends)
    kept = slice(None) if entry is None else times > entry
    return Observations.from_durations(
        times[kept], (lives <= ends)[kept], entry=None if entry is None else entry[kept]
    )


@pytest.mark.parametrize("kind", ["complete", "one end", "ends", "late", "weights"])
@double_precision
def test_few_times_have_the_likelihood_of_all_rows(kind):
    if kind == "complete":
        rows = Observations.from_durations(9.0 * np.random.default_rng(3).weibull(1.5, 300))
    else:
        entry = np.repeat([0.0, 1.5, 3.0], 100) if kind == "late" else None
        rows = fleet(300, one_end=kind == "one end", entry=entry)
    lifetime = BirnbaumSaunders.of(8.0, 0.7)
    rng = np.random.default_rng(4)
    if kind == "weights":
        batch = rows.reweighted(rng.multinomial(300, np.full(300, 1 / 300), size=5).astype(float))
    else:
        batch = next(simulated(lifetime, rows, rng, None))
    few, all_rows = widened(batch, lifetime), widened(batch, Weibull.of(9.0, 1.5))
    assert few.event.ndim == 1
    if kind in ("one end", "ends"):
        assert (few.event == 0).sum() < 60
    near = BirnbaumSaunders.of(8.5, 0.75)
    for i in range(4):
        found, exact = (of_rows(near, batch_item(part, i)) for part in (few, all_rows))
        for ours, theirs in zip(*(jax.tree.leaves(part) for part in (found, exact)), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("lifetime", LIFETIMES)
@double_precision
def test_lives_from_a_table_are_quantiles(lifetime):
    passed = np.random.default_rng(5).exponential(size=500)
    lives = LifeTable.of(lifetime)(passed)
    exact = jax.jit(lambda one, h: one.inverse_cumulative_hazard(h))(lifetime, passed)
    np.testing.assert_allclose(lives, exact, rtol=1e-7)


def test_a_lifetime_with_quantiles_of_its_own_has_no_table():
    assert LifeTable.of(Weibull.of(9.0, 1.5)) is None
