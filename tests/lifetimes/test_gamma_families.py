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


def agree(lifetime, law, t, rtol=2e-12):
    """Curves of a lifetime and of a frozen law of SciPy."""
    np.testing.assert_allclose(lifetime.density(t), law.pdf(t), rtol=rtol, atol=1e-290)
    np.testing.assert_allclose(lifetime.survival(t), law.sf(t), rtol=rtol, atol=1e-290)
    np.testing.assert_allclose(lifetime.cdf(t), law.cdf(t), rtol=rtol, atol=1e-290)


@double_precision
def test_the_gamma_agrees_with_scipy():
    for shape in SHAPES:
        law = stats.gamma(shape, scale=4.0)
        pump = Gamma.of(scale=4.0, shape=shape)
        agree(pump, law, T * shape)
        share = np.array([1e-4, 0.3, 0.9, 1 - 1e-9]) if shape > 0.1 else np.array([0.3, 0.9])
        np.testing.assert_allclose(pump.quantile(share), law.ppf(share), rtol=1e-9)
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
        (GeneralizedGamma(2.0, 0.3, jnp.exp(-0.3)), Gamma(2.0 - 0.6, 0.6)),
    ]
    for general, other in members:
        for name in ("log_survival", "log_hazard", "log_density"):
            one, two = (np.asarray(getattr(which, name)(t)) for which in (general, other))
            np.testing.assert_allclose(one, two, rtol=3e-12, atol=1e-13)


@double_precision
def test_intervals_hold_their_digits_from_narrow_to_wide():
    for lifetime, shape in ((Gamma.of(4.0, 2.5), 2.5), (Gamma.of(4.0, 0.3), 0.3)):
        for lower in (1e-3, 5.0, 60.0):
            for width in (1e-9, 1e-3, 0.3, 20.0):
                upper = lower + width
                with mp.workdps(40):
                    ends = [mpf(x) / 4 for x in (lower, upper)]
                    exact = mp.log(mp.gammainc(shape, *ends, regularized=True))
                found = float(lifetime.log_interval_probability(lower, upper))
                # The difference of the ends themselves is known to some 1e-16 of them.
                assert found == pytest.approx(float(exact), abs=1e-12 + 1e-15 * upper / width)


@double_precision
def test_limits_at_zero_and_infinity():
    assert float(Gamma(0.0, 0.0).hazard(0.0)) == 1.0
    assert float(Gamma(0.0, 1.0).hazard(0.0)) == 0.0
    assert np.isinf(float(Gamma(0.0, -1.0).hazard(0.0)))
    assert float(Gamma(1.0, 0.7).hazard(np.inf)) == pytest.approx(np.exp(-1.0))
    mirrored = GeneralizedGamma.of(2.0, 1.0, -1.0)
    assert float(mirrored.hazard(0.0)) == 0.0 and np.isinf(float(mirrored.mean()))
    assert float(mirrored.survival(np.inf)) == 0.0


@double_precision
def test_remaining_life_is_the_ratio_of_survivals():
    pump = GeneralizedGamma.of(3.0, 0.5, 0.4)
    rest = pump.given(30.0)
    ratio = pump.survival(40.0) / pump.survival(30.0)
    assert float(rest.survival(10.0)) == pytest.approx(float(ratio), rel=1e-12)
    mean = jax.jit(lambda g: g.residual_mean(0.0))(Gamma.of(4.0, 2.5))
    assert float(mean) == pytest.approx(10.0, rel=1e-8)


def test_both_have_names():
    assert families()["gamma"] is Gamma
    assert families()["generalized_gamma"] is GeneralizedGamma
