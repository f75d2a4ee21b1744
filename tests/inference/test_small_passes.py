"""The pass over few plain rows in NumPy against the compiled one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survjax import Observations
from survjax._core.precision import double_precision
from survjax.inference.passes import Passes
from survjax.inference.small_passes import AT_ONCE, SmallPasses


def fleet(n, seed=0):
    rng = np.random.default_rng([n, seed])
    durations = np.where(rng.random(n) < 0.4, 5 * rng.weibull(0.8, n), 40 * rng.weibull(3.0, n))
    weight = rng.choice([0.0, 0.5, 3.0], n)
    return Observations.from_durations(durations, rng.random(n) < 0.6, sample_weight=weight)


def points(k, n, seed, spread=1.0):
    rng = np.random.default_rng([k, seed])
    return np.concatenate(
        [
            spread * rng.normal(0.0, 1.0, (n, k - 1)),
            rng.normal(2.5, spread, (n, k)),
            rng.normal(0.2, 0.6 * spread, (n, k)),
        ],
        axis=1,
    )


def assert_alike(ours, general, units, rtol=1e-11):
    for one, other in zip(ours, general, strict=True):
        size = np.abs(other).max(axis=tuple(range(1, other.ndim)), keepdims=True)
        assert np.all(np.abs(one - other) <= rtol * (size + units))


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("n", [3, 200, 2000])
@double_precision
def test_derivatives_are_those_of_the_compiled_pass(k, n):
    rows = fleet(n)
    x = points(k, 2 * AT_ONCE // n % 40 + 3, 1)  # more points than are worked out at a time
    assert_alike(SmallPasses(rows)(x), Passes(rows)(x), n)
    np.testing.assert_array_equal(SmallPasses(rows).values(x[:1]), SmallPasses(rows)(x[:1])[0])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.integers(0, 10_000), st.floats(1.0, 6.0))
@double_precision
def test_far_points_are_as_finite_as_in_the_compiled_pass(k, seed, spread):
    rows, x = fleet(40, 3), points(k, 5, seed, spread)
    ours, general = SmallPasses(rows)(x), Passes(rows)(x)
    finite = np.isfinite(general[0])
    np.testing.assert_array_equal(np.isfinite(ours[0]), finite)
    near = finite & (np.abs(general[0]) < 1e6)
    assert_alike([part[near] for part in ours], [part[near] for part in general], 40, 1e-9)


def test_each_point_is_worked_out_by_itself():
    rows, x = fleet(300), points(2, 30, 5)
    one = SmallPasses(rows)
    for part, single in zip(one(x), zip(*(one(p[None]) for p in x), strict=True), strict=True):
        np.testing.assert_allclose(part, np.concatenate(single), rtol=1e-12, atol=1e-9)
