"""Gamma and generalized gamma against SciPy, 40-digit arithmetic, and the families between them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import mp, mpf
from scipy import stats

from survjax._core.precision import double_precision
from survjax.lifetimes import Gamma, GeneralizedGamma, LogNormal, Weibull, families

T = np.array([1e-3, 0.4, 3.0, 9.0, 25.0, 80.0])
SHAPES = (0.02, 0.7, 1.0, 2.5, 40.0)


@jax.jit
def curves(lifetime, t):
    """Density, survival and cdf: one program for each family."""
    return lifetime.density(t), lifetime.survival(t), lifetime.cdf(t)


@jax.jit
def quantile(lifetime, share):
    return lifetime.quantile(share)


@jax.jit
def logs(lifetime, t):
    return lifetime.log_survival(t), lifetime.log_hazard(t), lifetime.log_density(t)


def agree(lifetime, law, t, rtol=2e-12):
    """Curves of a lifetime and of a frozen law of SciPy."""
    for found, exact in zip(curves(lifetime, t), (law.pdf(t), law.sf(t), law.cdf(t)), strict=True):
        np.testing.assert_allclose(found, exact, rtol=rtol, atol=1e-290)


@double_precision
def test_the_gamma_agrees_with_scipy():
    for shape in SHAPES:
        law = stats.gamma(shape, scale=4.0)
        pump = Gamma.of(scale=4.0, shape=shape)
        agree(pump, law, T * shape)
        share = np.array([0.3, 0.6, 0.9, 1 - 1e-9])
        np.testing.assert_allclose(quantile(pump, share), law.ppf(share), rtol=1e-9)
    assert float(pump.mean()) == pytest.approx(160.0)


@double_precision
@pytest.mark.parametrize("q", [0.2, 0.8, 1.5, -0.3, -1.0, -2.5])
def test_the_generalized_gamma_agrees_with_scipy(q):
    location, sigma = 2.0, 0.6
    a, power = q**-2.0, q / sigma
    law = stats.gengamma(a, power, scale=np.exp(location) * a ** (-1.0 / power))
    agree(GeneralizedGamma.of(location, sigma, q), law, T, rtol=1e-10)


@double_precision
def test_the_generalized_gamma_holds_the_lognormal_weibull_and_gamma():
    t = jnp.asarray(T)
    members = [
        (GeneralizedGamma(2.0, 0.3, 0.0), LogNormal(2.0, 0.3)),
        (GeneralizedGamma(2.0, 0.3, 1.0), Weibull(2.0, 0.3)),
        (GeneralizedGamma(2.0, 0.3, np.exp(-0.3)), Gamma(2.0 - 0.6, 0.6)),
    ]
    for general, other in members:
        for one, two in zip(logs(general, t), logs(other, t), strict=True):
            np.testing.assert_allclose(one, two, rtol=3e-12, atol=1e-13)


@double_precision
def test_intervals_hold_their_digits_from_narrow_to_wide():
    for lifetime, shape in ((Gamma.of(4.0, 2.5), 2.5), (Gamma.of(4.0, 0.3), 0.3)):
        lower = np.repeat([1e-3, 5.0, 60.0], 4)
        upper = lower + np.tile([1e-9, 1e-3, 0.3, 20.0], 3)
        found = jax.jit(lambda g, a, b: g.log_interval_probability(a, b))(lifetime, lower, upper)
        for a, b, log_share in zip(lower, upper, np.asarray(found), strict=True):
            with mp.workdps(40):
                ends = [mpf(x) / 4 for x in (float(a), float(b))]
                exact = mp.log(mp.gammainc(mpf(shape), *ends, regularized=True))
            # A share of 1e-200 has a log whose last digit is 1e-13.
            assert log_share == pytest.approx(float(exact), abs=1e-12, rel=1e-13)


@double_precision
def test_limits_at_zero_and_infinity():
    ends = np.array([0.0, np.inf])
    hazard = jax.jit(lambda lifetime: (lifetime.hazard(ends), lifetime.survival(ends)))
    for log_shape, first in ((0.0, np.exp(-0.7)), (1.0, 0.0), (-1.0, np.inf)):
        found, alive = hazard(Gamma(0.7, log_shape))
        np.testing.assert_allclose(found, [first, np.exp(-0.7)])
        np.testing.assert_array_equal(alive, [1.0, 0.0])
    found, alive = hazard(GeneralizedGamma(2.0, 0.0, -1.0))
    np.testing.assert_array_equal(found, [0.0, 0.0])
    np.testing.assert_array_equal(alive, [1.0, 0.0])


@pytest.mark.slow
@double_precision
def test_remaining_life_is_the_ratio_of_survivals():
    pump = GeneralizedGamma.of(3.0, 0.5, 0.4)
    _, alive, _ = curves(pump, np.array([30.0, 40.0]))
    rest = jax.jit(lambda g: g.given(30.0).survival(jnp.array([10.0])))(pump)
    assert float(rest[0]) == pytest.approx(float(alive[1] / alive[0]), rel=1e-12)
    mean = jax.jit(lambda g: g.residual_mean(0.0))(Gamma.of(4.0, 2.5))
    assert float(mean) == pytest.approx(10.0, rel=1e-8)


def test_both_have_names():
    assert families()["gamma"] is Gamma
    assert families()["generalized_gamma"] is GeneralizedGamma


@pytest.mark.parametrize(
    "parameters", [(3.0, 0.1, 3.0), (3.0, 1.5, 1.0), (3.0, 0.3, -0.2), (3.0, 0.0, -0.9)]
)
@double_precision
def test_mean_remaining_lives_are_partial_expectations(parameters):
    log_scale, log_shape, q = map(mpf, parameters)
    ages = np.array([0.0, 1e-3, 1.0, 5.0, 20.0, 40.0])
    found = np.asarray(GeneralizedGamma(*map(np.float64, parameters)).residual_mean(ages))
    with mp.workdps(30):
        power, a = q * mp.e**log_shape, 1 / q**2

        def beyond(a, t):
            g = (t / mp.e**log_scale) ** power / q**2
            return mp.gammainc(a, *((g, mp.inf) if q > 0 else (0, g)), regularized=True)

        mean = mp.e**log_scale * mp.gamma(a + 1 / power) / mp.gamma(a) * (q * q) ** (1 / power)
        exact = [float(mean)]
        for t in map(mpf, ages[1:]):
            exact.append(float(mean * beyond(a + 1 / power, t) / beyond(a, t) - t))
    # Where little is left, the difference loses digits: here the hazard has added up to 22.
    np.testing.assert_allclose(found, exact, rtol=1e-10)


@double_precision
def test_a_mean_passes_smoothly_through_the_lognormal_and_may_be_infinite():
    mean = jax.jit(lambda q: GeneralizedGamma(3.0, 0.5, q).residual_mean(10.0))
    near = [float(mean(q)) for q in (-1e-7, 0.0, 1e-7)]
    lognormal = float(LogNormal(np.float64(3.0), np.float64(0.5)).residual_mean(10.0))
    np.testing.assert_allclose(near[1], lognormal, rtol=1e-13)
    np.testing.assert_allclose(float(jax.grad(mean)(0.0)), (near[2] - near[0]) / 2e-7, rtol=1e-6)
    assert np.isinf(float(GeneralizedGamma(3.0, 0.0, -1.2).residual_mean(10.0)))
