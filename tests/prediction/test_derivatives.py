"""`compute_hazard` and its kin: shapes, names, and derivatives against 50-digit differences."""

import jax
import numpy as np
import pytest
from mpmath import mp, mpf

from survjax import Mixture, Weibull, WeibullMixture, compute_hazard
from survjax._core.precision import double_precision
from survjax.lifetimes import Conditional, Exponential
from survjax.prediction.derivatives import CURVES, compute_curve
from tests.oracle import Oracle

X = np.array([0.4, np.log(5.0), np.log(40.0), np.log(0.8), np.log(3.0)])
T = np.array([1e-6, 0.3, 4.0, 27.0, 90.0])


@double_precision
def mixture(x=X):
    return Mixture(np.asarray(x[:1]), Weibull(np.asarray(x[1:3]), np.asarray(x[3:])))


@pytest.mark.parametrize("curve", CURVES)
def test_derivatives_agree_with_fifty_digit_differences(curve):
    found = compute_curve(mixture(), T, curve, jacobian=True, hessian=True)
    base, h = [mpf(float(v)) for v in X], mpf(10) ** -14

    def at(t, *moves):
        x = [v + h * sum(s for i, s in moves if i == j) for j, v in enumerate(base)]
        return getattr(Oracle(tuple(x[:1]), tuple(x[1:3]), tuple(x[3:])), curve)(t)

    with mp.workdps(60):
        for row, t in enumerate(map(mpf, map(float, T))):
            assert found.values[row] == pytest.approx(float(at(t)), rel=1e-12)
            size = np.abs(found.jacobian[row]).max()
            for i in range(5):
                slope = (at(t, (i, 1)) - at(t, (i, -1))) / (2 * h)
                assert found.jacobian[row, i] == pytest.approx(float(slope), abs=1e-11 * size)
                for j in range(i + 1):
                    corners = at(t, (i, 1), (j, 1)) + at(t, (i, -1), (j, -1))
                    bend = (corners - at(t, (i, 1), (j, -1)) - at(t, (i, -1), (j, 1))) / (4 * h**2)
                    assert found.hessian[row, i, j] == pytest.approx(
                        float(bend), abs=1e-10 * np.abs(found.hessian[row]).max()
                    )


@pytest.mark.parametrize("curve", CURVES)
def test_derivatives_agree_with_finite_differences_of_the_values(curve):
    found = compute_curve(mixture(), T[1:4], curve, jacobian=True, hessian=True)
    h = 1e-5
    for i in range(5):
        up, down = (
            compute_curve(mixture(X + s * h * (np.arange(5) == i)), T[1:4], curve, jacobian=True)
            for s in (1, -1)
        )
        np.testing.assert_allclose(
            found.jacobian[:, i], (up.values - down.values) / (2 * h), rtol=1e-6, atol=1e-9
        )
        np.testing.assert_allclose(
            found.hessian[:, i], (up.jacobian - down.jacobian) / (2 * h), rtol=1e-6, atol=1e-8
        )


def test_results_are_plain_numpy_of_the_promised_shapes():
    for jacobian in (False, True):
        for hessian in (False, True):
            found = compute_hazard(mixture(), T, jacobian=jacobian, hessian=hessian)
            assert found.values.shape == (5,)
            assert (found.jacobian is not None) == jacobian
            assert (found.hessian is not None) == hessian
            for part in found[:3]:
                assert part is None or (type(part) is np.ndarray and part.dtype == np.float64)
    assert found.jacobian.shape == (5, 5)
    assert found.hessian.shape == (5, 5, 5)
    np.testing.assert_allclose(found.hessian, found.hessian.transpose(0, 2, 1), atol=1e-14)
    assert found.names == (
        "logits[0]", "components.log_scale[0]", "components.log_scale[1]",
        "components.log_shape[0]", "components.log_shape[1]",
    )  # fmt: skip
    assert not jax.config.jax_enable_x64


def test_an_aged_lifetime_is_differentiated_in_its_parameters_alone():
    with_age = compute_hazard(Conditional(mixture(), 10.0), T, jacobian=True)
    without = compute_hazard(mixture(), 10.0 + T, jacobian=True)
    assert with_age.names == tuple(f"base.{name}" for name in without.names)
    np.testing.assert_allclose(with_age.jacobian, without.jacobian, rtol=1e-11)


@pytest.mark.parametrize(
    ("shape", "value", "slope"),
    [(0.7, np.inf, [0.0, 0.0]), (1.0, 1 / 40, [-1 / 40, 0.0]), (3.0, 0.0, [0.0, 0.0])],
)
def test_at_birth_the_hazard_is_its_limit_and_no_derivative_is_nan(shape, value, slope):
    life = double_precision(Weibull.of)(40.0, shape)
    found = compute_hazard(life, [0.0], jacobian=True, hessian=True)
    assert found.values[0] == pytest.approx(value)
    np.testing.assert_allclose(found.jacobian[0], slope, atol=1e-15)
    assert np.all(np.isfinite(found.hessian))
    for curve, at_zero in (("survival", 1.0), ("cumulative_hazard", 0.0), ("density", value)):
        start = compute_curve(life, [0.0], curve, jacobian=True, hessian=True)
        assert start.values[0] == pytest.approx(at_zero)
        assert np.all(np.isfinite(start.jacobian)) and np.all(np.isfinite(start.hessian))


@pytest.mark.parametrize("t", [0.0, 1e-300, 1e4, 1e12])
def test_no_derivative_is_nan_however_early_or_late(t):
    for curve in CURVES:
        found = compute_curve(mixture(), [t], curve, jacobian=True, hessian=True)
        assert not np.any(np.isnan(found.values))
        assert not np.any(np.isnan(found.jacobian)) and not np.any(np.isnan(found.hessian))


def test_an_exponential_hazard_has_one_parameter():
    found = compute_hazard(Exponential(np.log(4.0)), T, jacobian=True, hessian=True)
    np.testing.assert_allclose(found.values, 0.25, rtol=1e-14)
    np.testing.assert_allclose(found.jacobian[:, 0], -0.25, rtol=1e-14)
    np.testing.assert_allclose(found.hessian[:, 0, 0], 0.25, rtol=1e-14)


def test_a_fitted_lifetime_gives_the_delta_method_error():
    rng = np.random.default_rng(0)
    model = WeibullMixture(1).fit(30.0 * rng.weibull(2.0, 50))
    found = compute_hazard(model.lifetime_, [10.0, 20.0], jacobian=True)
    error = np.sqrt(np.einsum("np,pq,nq->n", found.jacobian, model.covariance_, found.jacobian))
    low, high = model.confidence_interval("hazard", [10.0, 20.0], level=0.6826894921370859)
    np.testing.assert_allclose(np.log(high / low) / 2 * found.values, error, rtol=1e-9)


@pytest.mark.parametrize(
    ("times", "message"),
    [([-1.0], "times must be at least zero, got -1"), ([np.nan], "times must be numbers"),
     (["a"], "times must be numbers, got text"), ([[1.0]], "one-dimensional"),
     ([], "times is empty"), ([np.inf], "times must be finite")],
)  # fmt: skip
def test_times_that_cannot_be_are_refused(times, message):
    with pytest.raises(ValueError, match=message):
        compute_hazard(mixture(), times)


def test_an_unknown_curve_is_refused():
    with pytest.raises(ValueError, match="curve must be one of hazard"):
        compute_curve(mixture(), [1.0], "risk")
