"""Prediction intervals: the one equation that they solve, against quadrature."""

import jax
import numpy as np
import pytest
from scipy import integrate, stats

from survjax import WeibullMixture
from survjax._core.precision import double_precision
from survjax.prediction.predictive import center, centers
from survjax.prediction.remaining_life import prediction_interval
from tests.oracle import weibulls


def failed_share(y, error):
    """Average of 1 - exp(-exp(y + error Z)), by adaptive quadrature."""

    def term(z):
        return stats.norm.pdf(z) * -np.expm1(-np.exp(min(y + error * z, 700.0)))

    turn = np.clip(-y / error, -8.9, 8.9)
    return integrate.quad(term, -9.0, 9.0, points=[turn], epsabs=1e-13, limit=500)[0]


@pytest.mark.parametrize("share", [0.005, 0.025, 0.3, 0.975])
@double_precision
def test_center_gives_the_share_at_every_error(share):
    errors = np.array([1e-3, 0.1, 0.5, 0.69, 0.71, 1.0, 1.7, 3.0, 9.0, 40.0])
    found = np.asarray(center(np.asarray(centers(share)), errors))
    shares = [failed_share(*pair) for pair in zip(found, errors, strict=True)]
    np.testing.assert_allclose(shares, share, rtol=1e-6)


@double_precision
def log_hazard_and_error(lifetime, x, covariance, life, age):
    """y = log H(life | age) and its delta-method error, by the chain rule over parameters."""

    def y(x):
        return jax.numpy.log(weibulls(x).given(age).cumulative_hazard(life))

    slope = np.asarray(jax.grad(y)(x))
    return float(y(x)), float(np.sqrt(slope @ covariance @ slope))


@pytest.mark.parametrize("k", [1, 2])
def test_bounds_are_where_the_predictive_share_is(k):
    rng = np.random.default_rng(2)
    life = np.r_[5 * rng.weibull(0.8, 12), 40 * rng.weibull(3.0, 18)]
    model = WeibullMixture(k).fit(life)
    for age in (0.0, 7.0, 60.0):
        for side, share in (("lower", 0.1), ("upper", 0.9)):
            bound = model.predict_interval([age], level=0.8)[side].iloc[0]
            at = log_hazard_and_error(
                model.lifetime_, model.parameters_, model.covariance_, bound, age
            )
            assert failed_share(*at) == pytest.approx(share, rel=1e-6)


#: A component of which two units are known: its shape could be anything.
POINT = np.array([0.06, -0.13, 2.14, 3.61, 4.62, 0.9, 1.89, 0.91])
SPREAD = np.diag([0.06, 0.07, 0.013, 0.001, 0.01, 0.95, 0.05, 0.04])


@pytest.mark.parametrize("unit", [1e-9, 2.0**-40, 1e12])
@double_precision
def test_bounds_do_not_depend_on_the_unit_where_the_error_grows_as_fast_as_the_estimate(unit):
    ages = np.array([0.0, 3.0, 15.0, 33.0])
    moved = POINT + np.log(unit) * np.repeat([0, 1, 0], [2, 3, 3])
    ours = prediction_interval(weibulls(moved), SPREAD, ages * unit, 0.95)
    theirs = prediction_interval(weibulls(POINT), SPREAD, ages, 0.95)
    np.testing.assert_allclose(np.array(ours) / unit, theirs, rtol=1e-7)


@double_precision
def test_a_bound_that_the_fit_leaves_open_is_zero_or_infinite():
    # With a standard error of one for the log shape, a sixth may fail at any time, however early.
    low, high = prediction_interval(weibulls(np.array([2.0, 0.5])), np.eye(2), np.zeros(1), 0.95)
    assert (low[0], high[0]) == (0.0, np.inf)
    low, high = prediction_interval(
        weibulls(np.array([2.0, 0.5])), 0.1 * np.eye(2), np.zeros(1), 0.95
    )
    assert 0.0 < low[0] < high[0] < np.inf
