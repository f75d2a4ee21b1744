"""Exponentiated Weibull lifetimes: exact curves and derivatives, shapes of the hazard, fits."""

import numpy as np
import pytest
from mpmath import mp

from survjax._core.precision import double_precision
from survjax.lifetimes import ExponentiatedWeibull, Weibull
from tests.lifetimes.exact import Exact, derivative_errors, worst_error


def _failed(t, log_scale, log_shape, log_power):
    w = (t / mp.exp(log_scale)) ** mp.exp(log_shape)
    return (-mp.expm1(-w)) ** mp.exp(log_power)


def _survival(t, log_scale, log_shape, log_power):
    w = (t / mp.exp(log_scale)) ** mp.exp(log_shape)
    return -mp.expm1(mp.exp(log_power) * mp.log1p(-mp.exp(-w)))


def _density(t, log_scale, log_shape, log_power):
    shape, power = mp.exp(log_shape), mp.exp(log_power)
    w = (t / mp.exp(log_scale)) ** shape
    return power * shape * w / t * mp.exp(-w) * (-mp.expm1(-w)) ** (power - 1)


EXACT = Exact(ExponentiatedWeibull, _density, _failed, _survival)
PARAMETERS = [
    (3.0, 0.5, 0.0),
    (3.0, 1.0, -1.5),
    (3.0, -0.3, 2.0),
    (4.5, 2.8, -1.8),
    (1.0, -0.9, 5.0),
]
TIMES = np.array([1e-3, 0.5, 3.0, 15.0, 20.5, 22.0, 40.0, 90.0])
PAIRS = np.array(
    [(3.0, 3.00001), (3.0, 9.0), (19.0, 19.5), (20.0, 31.0), (40.0, 40.1), (60.0, 85.0)]
)


def _cases():
    return [("ew", x) for x in PARAMETERS]


@pytest.mark.parametrize("x", PARAMETERS)
def test_curves_hold_twelve_digits_in_both_tails(x):
    worst = worst_error(EXACT, x, TIMES, PAIRS)
    assert max(worst.values()) < 1e-12, worst


@pytest.mark.parametrize("x", PARAMETERS[1:3])
def test_derivatives_of_each_kind_of_row_are_exact(x):
    errors = derivative_errors(EXACT, x, (3.0, 20.5), PAIRS[[0, 1, 3]])
    assert max(errors.values()) < 1e-9, errors


@pytest.mark.slow
@double_precision
def test_quantiles_are_inverse_to_the_cumulative_hazard_and_a_power_of_one_is_a_weibull():
    target = np.array([1e-100, 1e-9, 0.1, 1.0, 20.0, 500.0])
    for x in PARAMETERS:
        ours = EXACT.at(x)
        found = ours.cumulative_hazard(ours.inverse_cumulative_hazard(target))
        np.testing.assert_allclose(found, target, rtol=1e-10)
    plain, weibull = EXACT.at(PARAMETERS[0]), Weibull(3.0, 0.5)
    np.testing.assert_allclose(plain.log_hazard(TIMES), weibull.log_hazard(TIMES), rtol=1e-12)
    np.testing.assert_allclose(plain.residual_mean(5.0), weibull.residual_mean(5.0), rtol=1e-9)
