"""The sums of powers of one Weibull against the general pass."""

import numpy as np
import pytest

from survjax import Observations
from survjax._core.precision import double_precision
from survjax.inference.passes import Passes
from survjax.inference.power_sums import CHUNK, PowerSums


def fleet(n, weighted):
    rng = np.random.default_rng(n)
    durations = 30.0 * rng.weibull(1.7, n)
    weight = rng.choice([0.0, 0.5, 3.0], n) if weighted else np.full(n, 2.0)
    return Observations.from_durations(durations, rng.random(n) < 0.6, sample_weight=weight)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [40, CHUNK + 7])
@double_precision
def test_derivatives_are_those_of_the_general_pass(n, weighted):
    rows = fleet(n, weighted)
    x = np.array([[3.4, 0.5], [2.0, -0.7], [5.0, 1.2]])
    for ours, general in zip(PowerSums(rows)(x), Passes(rows)(x), strict=True):
        np.testing.assert_allclose(ours, general, rtol=1e-10, atol=1e-9 * n)


@double_precision
def test_a_row_of_no_weight_changes_nothing_however_old_it_is():
    rows = fleet(40, False)
    times = np.append(rows.lower, 1e300)
    more = Observations.from_durations(
        times, np.append(rows.event, 0.0) > 0, sample_weight=np.append(rows.weight, 0.0)
    )
    x = np.array([[3.4, 0.5]])
    for ours, plain in zip(PowerSums(more)(x), PowerSums(rows)(x), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-12)


def test_far_points_are_refused_by_their_value_not_by_an_error():
    value = PowerSums(fleet(40, False))(np.array([[-300.0, 3.0]]))[0]
    assert not np.isfinite(value[0])
