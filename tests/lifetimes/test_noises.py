"""A family of location and scale is its noise: all else follows from three functions in z."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy import integrate, stats

from survjax import AcceleratedLifetime, LifetimeModel
from survjax._core.precision import double_precision
from survjax.lifetimes import Lifetime, LocationScale, LocationScaleOnTime, parameter, pytree
from survjax.lifetimes._derived.noises import LogisticNoise, NormalNoise, SmallestExtremeNoise


class LevellingNoise:
    """S = 1 / (u + sqrt(1 + u^2)), u = exp(z): the hazard levels off."""

    log_hazard_slopes = (1.0, 0.0)

    @staticmethod
    def standard_log_hazard(z):
        return -0.5 * jnp.logaddexp(0.0, -2.0 * z)

    @staticmethod
    def standard_cumulative_hazard(z):
        return jnp.logaddexp(z, 0.5 * jnp.logaddexp(0.0, 2.0 * z))

    @staticmethod
    def standard_quantile(share):
        return np.log(np.sinh(-np.log1p(-share)))


@pytree
class Levelling(LevellingNoise, LocationScale):
    log_scale: float = parameter()
    log_shape: float = parameter()


@pytree
class LevellingOnTime(LevellingNoise, LocationScaleOnTime):
    location: float = parameter()
    log_scale: float = parameter()


@pytree
class InFull(Lifetime):
    """The first of them by the two functions of any lifetime."""

    log_scale: float = parameter()
    log_shape: float = parameter()

    def _z(self, t):
        return jnp.exp(self.log_shape) * (jnp.log(t) - self.log_scale)

    def log_hazard(self, t):
        z = self._z(t)
        return self.log_shape - jnp.log(t) - 0.5 * jnp.logaddexp(0.0, -2.0 * z)

    def cumulative_hazard(self, t):
        return jnp.arcsinh(jnp.exp(self._z(t)))


RNG = np.random.default_rng(11)
LIVES = 40.0 * np.sinh(-np.log(RNG.random(300))) ** (1 / 2.2)
AGES = np.array([0.5, 20.0, 60.0])


@pytest.mark.parametrize("noise", [SmallestExtremeNoise, LogisticNoise, NormalNoise])
def test_a_noise_is_the_distribution_it_names(noise):
    known = {"S": stats.gumbel_l, "L": stats.logistic, "N": stats.norm}[noise.__name__[0]]
    with jax.enable_x64(True):
        z = jnp.linspace(-12.0, 3.0, 31)
        hazard = noise.standard_cumulative_hazard(z)
        np.testing.assert_allclose(hazard, -known.logsf(z), rtol=1e-12)
        slope = jax.vmap(jax.grad(noise.standard_cumulative_hazard))(z)
        np.testing.assert_allclose(noise.standard_log_hazard(z), np.log(slope), atol=1e-12)
        np.testing.assert_allclose(
            noise.standard_log_cumulative_hazard(z), np.log(hazard), rtol=1e-12, atol=1e-12
        )
        np.testing.assert_allclose(noise.standard_inverse(hazard), z, atol=1e-9)
        for width in (1e-3, 1.0, 9.0):
            grown = integrate.quad_vec(
                lambda s: np.exp(known.logpdf(z + s) - known.logsf(z + s)), 0.0, width, epsrel=1e-12
            )[0]
            found = noise.standard_log_increment(z, z + width, jnp.full(z.shape, width))
            np.testing.assert_allclose(found, np.log(grown), rtol=1e-10, atol=1e-10)
    shares = np.array([1e-6, 0.1, 0.5, 0.999])
    np.testing.assert_allclose(noise.standard_quantile(shares), known.ppf(shares), atol=1e-8)


@pytest.mark.parametrize("z", [-800.0, -100.0, -40.0])
def test_an_increment_that_vanishes_keeps_its_digits(z):
    # H grows by exp(z) (e - 1) there, whatever becomes of it later.
    with jax.enable_x64(True):
        for noise in (SmallestExtremeNoise, LogisticNoise):
            one = jnp.asarray(1.0)
            found = noise.standard_log_increment(jnp.asarray(z), jnp.asarray(z + 1.0), one)
            np.testing.assert_allclose(found, z + np.log(np.expm1(1.0)), rtol=1e-15)


def values(model):
    return [model.lifetime_.log_scale, model.lifetime_.log_shape]


def test_three_functions_of_z_get_the_fit_that_two_functions_of_time_get():
    running = LIVES > 70.0
    t, failed = np.minimum(LIVES, 70.0), ~running
    entry = np.where(np.arange(t.size) % 3 == 0, 0.2 * t, 0.0)
    low = np.floor(t / 6.0) * 6.0
    high = np.where(failed, low + 6.0, np.inf)
    for start in (Levelling(0.0, 0.0), LevellingOnTime(30.0, 2.0)):
        assert LifetimeModel(start).fit(t, failed, entry=entry).converged_
    short, full = LifetimeModel(Levelling(0.0, 0.0)), LifetimeModel(InFull(3.0, 0.5))
    for model in (short, full):
        model.fit(t, failed, entry=entry)
    np.testing.assert_allclose(short.log_likelihood_, full.log_likelihood_, rtol=1e-12)
    np.testing.assert_allclose(values(short), values(full), rtol=1e-6)
    np.testing.assert_allclose(short.covariance_, full.covariance_, rtol=1e-6)
    np.testing.assert_allclose(short.predict_rul(AGES), full.predict_rul(AGES), rtol=1e-6)
    for model in (short, full):
        model.fit_interval(low, high)
    np.testing.assert_allclose(short.log_likelihood_, full.log_likelihood_, rtol=1e-12)
    np.testing.assert_allclose(values(short), values(full), rtol=1e-6)


def test_a_noise_of_ones_own_gets_columns_that_stretch_time():
    x = RNG.normal(size=(LIVES.size, 1))
    y = np.column_stack([LIVES * np.exp(0.3 * x[:, 0]), np.ones(LIVES.size)])
    model = AcceleratedLifetime(family=Levelling(0.0, 0.0)).fit(x, y)
    table = model.summary().loc["log_scale:x0"]
    assert abs(table.estimate - 0.3) < 3.0 * table.standard_error


@double_precision
def test_a_noise_of_ones_own_has_its_curves_everywhere():
    unit, full = Levelling(np.log(40.0), np.log(2.2)), InFull(np.log(40.0), np.log(2.2))
    np.testing.assert_allclose(unit.hazard(AGES), full.hazard(AGES), rtol=1e-12)
    np.testing.assert_allclose(unit.cumulative_hazard(unit.quantile(0.3)), -np.log(0.7), rtol=1e-9)
    np.testing.assert_allclose(unit.residual_mean(AGES), full.residual_mean(AGES), rtol=1e-9)
    assert unit.hazard(0.0) == 0.0
    assert unit.hazard(np.inf) == 0.0
    steady = Levelling(np.log(40.0), 0.0)
    np.testing.assert_allclose(steady.hazard(0.0), 1.0 / 40.0)
    assert Levelling(np.log(40.0), -0.5).hazard(0.0) == np.inf
    assert unit.survival(-1.0) == 1.0
    assert np.isnan(unit.survival(np.nan))


@pytest.mark.parametrize("target", [1e-300, 0.3, np.log(2.0), 649.0, 651.0, 4e5, 2.7e8, 1e14])
def test_the_inverse_of_a_normal_hazard_is_exact_in_both_tails(target):
    with jax.enable_x64(True):
        z = float(NormalNoise.standard_inverse(jnp.asarray(target)))
    with mpmath.workdps(40):
        half = mpmath.erfc(mpmath.mpf(abs(z)) / mpmath.sqrt(2)) / 2
        hazard = -mpmath.log(half) if z > 0 else -mpmath.log1p(-half)
        density = mpmath.exp(-(mpmath.mpf(z) ** 2) / 2) / mpmath.sqrt(2 * mpmath.pi)
        left = half if z > 0 else 1 - half
        away = float((hazard - mpmath.mpf(target)) * left / density)
    assert abs(away) <= 1e-15 * max(abs(z), 1.0)
    single = float(NormalNoise.standard_inverse(jnp.asarray(target, jnp.float32)))
    if target > 1e-30:
        assert abs(single - z) <= 1e-5 * max(abs(z), 1.0)
