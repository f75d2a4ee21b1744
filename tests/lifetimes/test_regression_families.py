"""Lognormal, log-logistic and modified lifetimes against 40-digit arithmetic and identities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import mp, mpf

from survjax._core.normal_tail import log_upper_tail
from survjax._core.precision import double_precision
from survjax._core.pytree import ravel_parameters
from survjax.lifetimes import (
    Accelerated,
    LogLogistic,
    LogNormal,
    Normal,
    PiecewiseExponential,
    ProportionalHazards,
    Weibull,
)

SURVIVALS = {
    LogNormal: lambda t, a, k: mp.erfc((mp.log(t) - a) * mp.exp(k) / mp.sqrt(2)) / 2,
    LogLogistic: lambda t, a, k: 1 / (1 + (t / mp.exp(a)) ** mp.exp(k)),
}


@jax.jit
def curves(life, t, length):
    rest = life.given(t)
    return {
        "hazard": life.cumulative_hazard(t),
        "increment": jnp.exp(life.log_increment(t, length)),
        "remaining median": rest.quantile(0.5),
        "remaining mean": rest.mean(),
    }


@pytest.mark.parametrize("family", [LogNormal, LogLogistic])
@double_precision
def test_curves_hold_nine_digits_from_birth_to_the_far_tail(family):
    rng = np.random.default_rng(0)
    n = 60
    location, log_shape = rng.normal(0, 3, n), rng.uniform(0.2, 1.5, n)
    z = rng.uniform(-10, 10, n)
    t = np.exp(location + z / np.exp(log_shape))
    length = t * 10.0 ** rng.uniform(-8, 1, n)
    found = {k: np.asarray(v) for k, v in curves(family(location, log_shape), t, length).items()}
    with mp.workdps(40):
        for i in range(n):
            a, k, start = (mpf(float(v)) for v in (location[i], log_shape[i], t[i]))

            def hazard(time, a=a, k=k):
                return -mp.log(SURVIVALS[family](time, a, k))

            exact = {
                "hazard": hazard(start),
                "increment": hazard(start + mpf(float(length[i]))) - hazard(start),
            }
            for name, value in exact.items():
                assert abs(mpf(float(found[name][i])) / value - 1) < 1e-9, (name, i)
            median = mpf(float(found["remaining median"][i]))
            assert abs((hazard(start + median) - hazard(start)) / mp.log(2) - 1) < 1e-9


@pytest.mark.parametrize("family", [LogNormal, LogLogistic])
@double_precision
def test_mean_remaining_life_is_the_integral_of_the_survival(family):
    life = family(np.log(50.0), np.log(3.0))
    for age in (0.0, 10.0, 200.0):
        grid = np.exp(np.linspace(-12.0, 22.0, 200_001))
        survival = np.asarray(life.given(age).survival(grid)) * grid
        integral = np.trapezoid(survival, np.log(grid)) + np.exp(-12.0)
        np.testing.assert_allclose(float(life.given(age).mean()), integral, rtol=1e-7)


@double_precision
def test_a_log_logistic_with_a_heavy_tail_has_no_mean():
    assert float(LogLogistic.of(10.0, 0.9).mean()) == np.inf
    assert float(LogLogistic.of(10.0, 0.9).residual_mean(5.0)) == np.inf


@double_precision
def test_derivatives_of_the_normal_tail_hold_in_both_tails():
    with mp.workdps(40):
        for z in (-8.0, -0.3, 0.0, 3.0, 20.0, 30.0):
            hazard = mp.npdf(z) / (mp.erfc(mpf(z) / mp.sqrt(2)) / 2)
            first, second = -hazard, -hazard * (hazard - z)
            assert abs(mpf(float(jax.grad(log_upper_tail)(z))) / first - 1) < 1e-12
            assert abs(mpf(float(jax.grad(jax.grad(log_upper_tail))(z))) / second - 1) < 1e-9


@double_precision
def test_a_weibull_scaled_in_hazard_or_in_time_is_a_weibull():
    base = Weibull.of(scale=40.0, shape=3.0)
    log_ratio = np.array([-1.0, 0.0, 2.0])
    expected = Weibull(base.log_scale - log_ratio / 3.0, base.log_shape)
    t, age = np.array([3.0, 20.0, 60.0]), np.array([0.0, 5.0, 30.0])
    for other in (ProportionalHazards(base, log_ratio), Accelerated(base, -log_ratio / 3.0)):
        for name in ("log_hazard", "cumulative_hazard", "residual_mean"):
            np.testing.assert_allclose(
                getattr(other, name)(t), getattr(expected, name)(t), rtol=1e-12
            )
        np.testing.assert_allclose(
            other.given(age).quantile(0.3), expected.given(age).quantile(0.3), rtol=1e-10
        )
        np.testing.assert_allclose(
            other.log_increment(age, t), expected.log_increment(age, t), rtol=1e-12
        )


@pytest.mark.parametrize("shape", [1.05, 3.0, 60.0])
@pytest.mark.parametrize("age", [1e-300, 1e-12, 1.0, 1e12, 1e50, 1e100, 1e250])
@double_precision
def test_log_logistic_remaining_life_holds_at_any_age(shape, age):
    life = LogLogistic.of(40.0, shape)
    with mp.workdps(400):
        # The integral of S(t) / S(age) from the age on is an incomplete beta function.
        k, odds = mpf(shape), (mpf(age) / 40) ** mpf(shape)
        exact = 40 * (1 + odds) * mp.betainc(1 - 1 / k, 1 / k, 0, 1 / (1 + odds)) / k
    assert abs(float(life.residual_mean(age)) / float(exact) - 1) < 1e-11
    assert np.isfinite(jax.grad(lambda s: LogLogistic(s, np.log(shape)).residual_mean(age))(3.7))


@double_precision
def test_the_normal_tail_has_no_hole_where_its_square_leaves_the_range_of_numbers():
    # At z = 37.6 the library's scaled tail is zero: the survival of a lognormal was exp(-inf).
    z = np.linspace(25.0, 45.0, 401)
    expected = [float(mp.log(mp.erfc(mpf(float(v)) / mp.sqrt(2)) / 2)) for v in z]
    value, slope = jax.vmap(jax.value_and_grad(log_upper_tail))(jnp.asarray(z))
    np.testing.assert_allclose(value, expected, rtol=1e-13)
    # The hazard of a normal lies between z and z + 1 / z.
    assert np.all((-slope > z) & (-slope < z + 1.0 / z))


@pytest.mark.parametrize(
    "base",
    [
        pytest.param(Normal(35.0, 2.9), marks=pytest.mark.slow),
        LogLogistic(3.5, 1.2),
        PiecewiseExponential(np.array([-4.5, -3.9, -3.2]), np.array([10.0, 30.0])),
    ],
)
@double_precision
def test_the_mean_and_the_quantile_of_a_scaled_hazard_have_slopes_for_each_parameter(base):
    vector, unravel = ravel_parameters(ProportionalHazards(base, 0.0))

    def mean_and_median(x):
        rest = ProportionalHazards(unravel(x[1:]).base, x[:1]).given(jnp.array([5.0]))
        return jnp.concatenate([rest.mean() * jnp.ones(1), rest.quantile(0.5)])

    at = jnp.concatenate([jnp.array([0.3]), vector])
    slopes = np.asarray(jax.jit(jax.jacfwd(mean_and_median))(at))
    value = jax.jit(mean_and_median)
    for i, e in enumerate(1e-5 * np.eye(at.size)):
        central = (value(at + e) - value(at - e)) / 2e-5
        np.testing.assert_allclose(slopes[:, i], central, rtol=1e-6, atol=1e-6)
