"""Gompertz lifetimes against SciPy, mpmath, and what they promise at the edges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import mp
from scipy import stats

from survjax import LifetimeModel
from survjax._core.precision import double_precision
from survjax.lifetimes import Gompertz

TIMES = np.array([1e-6, 0.01, 1.0, 10.0, 40.0, 90.0])


@pytest.mark.parametrize("growth", [0.1, 1.5])
@double_precision
def test_curves_are_those_of_scipy(growth):
    rate = 0.002
    theirs = stats.gompertz(rate / growth, scale=1.0 / growth)
    ours = Gompertz.of(rate, growth)
    alive = theirs.sf(TIMES) > 0
    t = TIMES[alive]
    np.testing.assert_allclose(ours.survival(t), theirs.sf(t), rtol=1e-11)
    np.testing.assert_allclose(ours.density(t), theirs.pdf(t), rtol=1e-11)
    q = np.array([0.01, 0.5, 0.99])
    np.testing.assert_allclose(ours.quantile(q), theirs.ppf(q), rtol=1e-12)
    eta = mp.mpf(rate) / mp.mpf(growth)
    mean = float(mp.exp(eta) * mp.e1(eta) / growth)
    np.testing.assert_allclose(ours.mean(), mean, rtol=2e-8)


@pytest.mark.parametrize("growth", [-0.3, -1e-4, -1e-9, 0.0, 1e-9, 1e-4, 0.02, 0.4])
@double_precision
def test_cumulative_hazards_and_their_derivatives_keep_their_digits(growth):
    mp.dps = 80

    def exact(rate, growth):
        return [rate * (mp.expm1(growth * t) / growth if growth else t) for t in TIMES]

    ours = Gompertz(np.log(0.01), growth)
    theirs = [float(h) for h in exact(mp.mpf(0.01), mp.mpf(growth))]
    np.testing.assert_allclose(ours.cumulative_hazard(TIMES), theirs, rtol=2e-14)
    step = mp.mpf("1e-15")
    for order, rtol in ((1, 1e-11), (2, 1e-8)):
        found = lambda g: Gompertz(np.log(0.01), g).cumulative_hazard(TIMES)  # noqa: E731
        for _ in range(order):
            found = jax.jacfwd(found)
        at = [exact(mp.mpf(0.01), mp.mpf(growth) + i * step) for i in (-1, 0, 1)]
        pairs = zip(*at, strict=True)
        if order == 1:
            theirs = [float((high - low) / (2 * step)) for low, _, high in pairs]
        else:
            theirs = [float((high - 2 * mid + low) / step**2) for low, mid, high in pairs]
        np.testing.assert_allclose(found(jnp.asarray(growth)), theirs, rtol=rtol)


@double_precision
def test_remaining_life_is_a_gompertz_lifetime_again():
    bearing = Gompertz.of(0.001, 0.1)
    rest = bearing.given(30.0)
    np.testing.assert_allclose(
        rest.survival(TIMES), bearing.survival(30.0 + TIMES) / bearing.survival(30.0), rtol=1e-11
    )
    np.testing.assert_allclose(rest.cumulative_hazard(rest.quantile(0.3)), -np.log(0.7), rtol=1e-13)
    np.testing.assert_allclose(bearing.residual_mean(30.0), rest.mean(), rtol=1e-10)


@double_precision
def test_a_falling_hazard_leaves_a_share_that_never_fails():
    lasting = Gompertz.of(0.02, -0.1)
    assert float(lasting.survival(np.inf)) == pytest.approx(np.exp(-0.2), rel=1e-14)
    assert np.isinf(lasting.mean()) and np.isinf(lasting.quantile(0.5))
    tenth = -10.0 * np.log1p(5.0 * np.log(0.9))
    assert float(lasting.quantile(0.1)) == pytest.approx(tenth, rel=1e-12)


@double_precision
def test_no_time_is_too_late():
    old = Gompertz.of(1e-3, 2.0)
    assert np.all(np.isfinite(old.cumulative_hazard(np.array([500.0, 1e5]))))
    slope = jax.grad(lambda g: Gompertz(-7.0, g).cumulative_hazard(1e5))(2.0)
    assert np.isfinite(slope)


def test_a_fit_recovers_the_lifetime_in_any_unit_of_time():
    rng = np.random.default_rng(0)
    life = np.log1p(rng.exponential(size=2000) * 0.1 / 0.001) / 0.1
    end = rng.uniform(20.0, 80.0, 2000)
    durations, failed = np.minimum(life, end), life <= end
    model = LifetimeModel("gompertz").fit(durations, failed)
    error = np.sqrt(np.diag(model.covariance_))
    assert np.all(np.abs(model.parameters_ - [np.log(0.001), 0.1]) < 4.0 * error)
    hours = LifetimeModel("gompertz").fit(8766.0 * durations, failed)
    np.testing.assert_allclose(hours.parameters_[1] * 8766.0, model.parameters_[1], rtol=1e-7)
