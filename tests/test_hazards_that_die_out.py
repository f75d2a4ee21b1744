"""Hazards of one's own that die out, and tails that are powers of time: limits and means.

References are Gompertz's formulas, closed forms, and quadrature by SciPy and mpmath.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy import integrate

from survjax import LifetimeModel
from survjax._core.precision import double_precision
from survjax.lifetimes import Conditional, Gompertz, LogLogistic, LogNormal, lifetime_from
from survjax.lifetimes._derived.mean_life import mean_life


def dying_gompertz(t, log_rate, growth):
    return log_rate + growth * t


def inverse_square(t, log_rate):
    """Rate / (1 + t)^2: H(t) = rate t / (1 + t)."""
    return log_rate - 2.0 * jnp.log1p(t)


def slowly_dying(t, log_rate):
    """Rate / (1 + t)^1.05, whose integral is still a twentieth short at 1e26: H(inf) = 20 rate."""
    return log_rate - 1.05 * jnp.log1p(t)


def early_and_steady(t, log_early, log_late):
    return jnp.logaddexp(log_early - t, log_late)


def loglogistic(t, log_shape):
    z = jnp.exp(log_shape) * jnp.log(t)
    return log_shape - jnp.log(t) + jax.nn.log_sigmoid(z)


def gompertz(growth=-0.5):
    given = {"log_rate": np.log(0.2), "growth": growth}
    return lifetime_from(log_hazard=dying_gompertz, parameters=given), Gompertz(*given.values())


LONG = np.array([1.0, 1e3, 1e6, 1e9, 1e20, 1e100, 1e300, np.inf])


@double_precision
def test_a_hazard_that_dies_out_adds_up_to_its_limit_at_any_later_time():
    own, reference = gompertz()
    np.testing.assert_allclose(
        own.cumulative_hazard(LONG), reference.cumulative_hazard(LONG), 1e-12
    )
    square = lifetime_from(log_hazard=inverse_square, parameters={"log_rate": 0.5})
    expected = np.exp(0.5) * np.append(LONG[:-1] / (1.0 + LONG[:-1]), 1.0)
    np.testing.assert_allclose(square.cumulative_hazard(LONG), expected, rtol=1e-12)
    found = np.asarray(square.log_increment(50.0, np.array([1.0, 1e30, np.inf])))
    by_scipy = [integrate.quad(lambda t: np.exp(0.5) / (1 + t) ** 2, 50.0, 51.0)[0]]
    expected = [*by_scipy, np.exp(0.5) / 51.0, np.exp(0.5) / 51.0]
    np.testing.assert_allclose(np.exp(found), expected, rtol=1e-11)
    slow = lifetime_from(log_hazard=slowly_dying, parameters={"log_rate": 0.0})
    expected = 20.0 * -np.expm1(-0.05 * np.log1p(LONG))
    np.testing.assert_allclose(slow.cumulative_hazard(LONG), expected, rtol=1e-12)


@double_precision
def test_what_lies_at_a_billionth_of_the_time_is_integrated():
    bathtub = lifetime_from(
        log_hazard=early_and_steady, parameters={"log_early": 0.0, "log_late": np.log(1e-12)}
    )
    t = np.array([1e3, 1e9, 1e12, 1e14])
    np.testing.assert_allclose(bathtub.cumulative_hazard(t), 1.0 + 1e-12 * t, rtol=1e-11)
    level = lifetime_from(log_hazard=loglogistic, parameters={"log_shape": np.log(1.2)})
    reference = LogLogistic(0.0, np.log(1.2))
    t = np.array([1e3, 1e9, 1e40, 1e300])
    np.testing.assert_allclose(level.cumulative_hazard(t), reference.cumulative_hazard(t), 1e-11)


@double_precision
def test_derivatives_of_the_limit_are_those_of_gompertz():
    own, reference = gompertz()

    def terms(lifetime):
        return jnp.sum(lifetime.cumulative_hazard(np.array([2.0, 1e3, 1e12, np.inf])))

    found, expected = (
        jax.tree.leaves(jax.jacfwd(jax.grad(terms))(lifetime)) for lifetime in (own, reference)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@double_precision
def test_means_and_late_quantiles_of_what_never_fails_are_infinite():
    own, reference = gompertz()
    shares = np.array([0.1, 0.3, 0.329, 0.34, 0.9])  # a share exp(-0.4) = 0.67 never fails
    for lifetime, other in ((own, reference), (own.given(3.0), Conditional(reference, 3.0))):
        assert lifetime.mean() == np.inf
        found, expected = (np.asarray(x.quantile(shares)) for x in (lifetime, other))
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        assert np.isinf(found).any()
        limits = [float(x.cumulative_hazard(np.inf)) for x in (lifetime, other)]
        assert limits[0] == pytest.approx(limits[1], rel=1e-12)


def test_a_fit_to_a_hazard_of_ones_own_says_never():
    rng = np.random.default_rng(4)
    with jax.enable_x64(True):
        lives = np.asarray(gompertz()[1].quantile(rng.uniform(size=120)))
    seen, failed = np.minimum(lives, 12.0), lives < 12.0
    own, reference = (LifetimeModel(x).fit(seen, failed) for x in gompertz())
    assert own.log_likelihood_ == pytest.approx(reference.log_likelihood_, rel=1e-11)
    tables = [model.predict_rul([0.0, 4.0]) for model in (own, reference)]
    assert np.isinf(tables[0]["mean"]).all()
    np.testing.assert_allclose(*(t.to_numpy(float) for t in tables), rtol=1e-6)


@double_precision
@pytest.mark.parametrize("shape", [1.05, 1.2, 2.0])
def test_means_of_power_tails_are_those_of_closed_forms(shape):
    member = LogLogistic(0.0, np.log(shape))
    assert float(mean_life(member, ())) == pytest.approx(
        np.pi / shape / np.sin(np.pi / shape), rel=1e-11
    )
    with mpmath.workdps(30):
        spans = [0, 1, *(mpmath.mpf(10) ** (10 * k) for k in range(1, 60))]
        left = mpmath.quad(lambda t: 1 / (1 + t**shape), [3 + s for s in spans])
        left += (spans[-1]) ** (1 - mpmath.mpf(shape)) / (shape - 1)
        expected = float(left * (1 + mpmath.mpf(3) ** shape))
    rest = float(mean_life(member.given(3.0), ()))
    assert rest == pytest.approx(expected, rel=1e-10)


@double_precision
def test_means_of_long_tails_are_exact_and_of_longer_ones_infinite():
    for shape in (0.9, 1.0):
        assert mean_life(LogLogistic(0.0, np.log(shape)), ()) == np.inf
    for spread in (1.0, 4.0, 8.0):
        found = float(mean_life(LogNormal(0.0, -np.log(spread)), ()))
        assert found == pytest.approx(np.exp(0.5 * spread**2), rel=1e-6)
