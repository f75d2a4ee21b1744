"""Data drawn from a fit are followed and inspected as the data were."""

import numpy as np
import pytest

from survjax import LifetimeModel, Observations
from survjax.uncertainty.parametric.censoring_times import CensoringTimes
from survjax.uncertainty.parametric.drawn import drawn_like


def units(time, failed, entry=None):
    return Observations.from_durations(time, failed, entry=entry)


def test_failed_units_are_followed_as_long_as_others_since_their_entry():
    # Followed for ten years each, wherever they entered; those watched from new for five at most.
    entry = np.array([0.0, 3.0, 8.0, 20.0, 20.0, 0.0, 0.0])
    failed = np.array([1, 1, 0, 0, 1, 1, 0], bool)
    time = np.array([2.0, 9.0, 18.0, 30.0, 29.5, 4.9, 5.0])
    found = CensoringTimes(units(time, failed, entry)).draw(np.random.default_rng(0), 50)
    np.testing.assert_array_equal(found, np.tile([5.0, 13, 18, 30, 30, 5, 5], (50, 1)))


def test_nobody_was_censored():
    found = CensoringTimes(units([1.0, 2.0], [True, True])).draw(np.random.default_rng(0), 3)
    assert np.all(np.isinf(found))


def test_follow_up_goes_on_beyond_a_failure_that_was_seen_last():
    rng = np.random.default_rng(1)
    end, life = rng.exponential(10.0, 4000), rng.exponential(10.0, 4000)
    time, failed = np.minimum(end, life), life <= end
    last = np.append(time, time.max() + 1.0), np.append(failed, True)
    found = CensoringTimes(units(*last)).draw(rng, 20)
    assert np.all(found >= last[0]) and np.all(found[:, ~last[1]] == last[0][~last[1]])
    # Beyond each failure an exponential is as at its beginning.
    assert (found - last[0])[:, last[1]].mean() == pytest.approx(10.0, rel=0.1)
    assert np.all(np.isfinite(found))


def inspected(rng, n, first, width=5.0):
    life = 20.0 * rng.weibull(1.7, n)
    count = np.floor((life - first) / width)
    low = np.where(count < 0, 0.0, first + width * count)
    high = np.where(count < 0, first, first + width * (count + 1.0))
    return np.minimum(low, first + 30.0), np.where(high > first + 30.0, np.inf, high)


@pytest.mark.parametrize("plan", ["of all", "of each"])
def test_inspections_are_as_they_were(plan):
    rng = np.random.default_rng(2)
    first = rng.uniform(0.0, 5.0, 300) if plan == "of each" else np.full(300, 5.0)
    low, high = inspected(rng, 300, first)
    model = LifetimeModel("weibull").fit(Observations.from_intervals(low, high))
    batch = next(drawn_like(model.lifetime_, model._rows, rng, None))
    lower, found = batch.lower, batch.interval > 0
    upper = np.where(found, batch.upper, np.inf)
    assert np.all(lower >= 0) and np.all(upper > lower)
    inner = found & (lower > 0)
    np.testing.assert_allclose((upper - lower)[inner], 5.0, rtol=1e-12)
    if plan == "of all":
        assert set(np.round(np.unique(lower), 9)) <= {0.0, *np.arange(5.0, 36.0, 5.0)}
    else:
        # Hardly any two units share an inspection, as in the data.
        assert np.unique(np.round(lower[0], 9)).size > 0.8 * np.unique(low).size
    # As many still run, within four standard errors of a share of 64 x 300 and one of 300.
    share = np.isinf(high).mean()
    assert np.isinf(upper).mean() == pytest.approx(share, abs=4.0 * np.sqrt(share / 300))
