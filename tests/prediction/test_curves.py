"""Curves of the remaining life and their delta-method errors, against 50 digits."""

import numpy as np
import pytest
from mpmath import mp, mpf
from scipy import special, stats

from survjax._core.precision import double_precision
from survjax.prediction.curves import bounds, evaluate, membership_logits, response_value
from tests.oracle import Oracle, weibulls

evaluate, membership_logits = double_precision(evaluate), double_precision(membership_logits)
X = np.array([0.3, 1.2, 3.6, -0.2, 1.1])
# Any covariance will do that is not diagonal.
ROOT = np.random.default_rng(0).normal(size=(5, 5)) * [0.3, 0.1, 0.05, 0.2, 0.1]
COVARIANCE = ROOT @ ROOT.T
AGES = np.array([0.0, 0.0, 5.0, 30.0, 80.0])
TIMES = np.array([0.4, 12.0, 3.0, 25.0, 6.0])
SHARES = np.array([0.05, 0.5, 0.1, 0.5, 0.9])
CURVES = ("cumulative_hazard", "hazard", "density", "quantile", "mean")


@pytest.fixture(scope="module")
def mixture():
    return double_precision(weibulls)(X)


def rest(oracle, curve, t, age):
    """The logarithm of a curve of the life beyond an age."""
    if curve == "cumulative_hazard":
        return mp.log(oracle.cumulative_hazard(age + t) - oracle.cumulative_hazard(age))
    if curve == "hazard":
        return mp.log(oracle.hazard(age + t))
    if curve == "density":
        return mp.log(oracle.density(age + t) / oracle.survival(age))
    if curve == "mean":
        return mp.log(oracle.residual_mean(age))
    target = (1 - t) * oracle.survival(age)
    return mp.findroot(
        lambda y: oracle.survival(age + mp.exp(y)) - target, (mpf(-12), mpf(8)), solver="anderson",
        tol=mpf(10) ** -60,
    )  # fmt: skip


def slopes(curve, t, age):
    """Gradient in the parameters by central differences, of which fifty digits leave thirty."""
    step = mpf(10) ** -15
    found = []
    for i in range(X.size):
        ends = []
        for sign in (1, -1):
            x = [mpf(float(v)) for v in X]
            x[i] += sign * step
            ends.append(rest(Oracle(tuple(x[:1]), tuple(x[1:3]), tuple(x[3:])), curve, t, age))
        found.append((ends[0] - ends[1]) / (2 * step))
    return np.array(found, dtype=float)


@pytest.mark.parametrize("curve", CURVES)
def test_values_and_errors_are_those_of_fifty_digits(curve, mixture):
    t = SHARES if curve == "quantile" else TIMES
    values, errors = evaluate(mixture, COVARIANCE, (curve,), t, AGES)
    oracle = Oracle.from_vector(X)
    for i, (point, age) in enumerate(zip(t, AGES, strict=True)):
        point, age = mpf(float(point)), mpf(float(age))
        assert values[0, i] == pytest.approx(float(rest(oracle, curve, point, age)), rel=1e-9)
        slope = slopes(curve, point, age)
        assert errors[0, i] == pytest.approx(np.sqrt(slope @ COVARIANCE @ slope), rel=1e-7)


def test_several_curves_and_blocks_are_one_curve_at_a_time(mixture):
    many = np.resize(np.arange(5), 1030)
    both = evaluate(
        mixture, COVARIANCE, ("survival", "quantile"), [TIMES[many], SHARES[many]], AGES[many]
    )
    for i, (curve, t) in enumerate((("survival", TIMES), ("quantile", SHARES))):
        alone = evaluate(mixture, COVARIANCE, (curve,), t, AGES)
        for ours, theirs in zip(both, alone, strict=True):
            np.testing.assert_allclose(ours[i], theirs[0][many], rtol=1e-12)
    same = evaluate(mixture, COVARIANCE, ("cdf", "survival"), [TIMES, TIMES], AGES)
    np.testing.assert_array_equal(same[0][0], same[0][1])


def test_without_a_covariance_there_are_values_only(mixture):
    values, errors = evaluate(mixture, None, ("hazard",), TIMES, AGES)
    expected = evaluate(mixture, COVARIANCE, ("hazard",), TIMES, AGES)[0]
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    np.testing.assert_array_equal(errors, 0.0)


@pytest.mark.parametrize("curve", ["survival", "cdf", "hazard", "mean"])
def test_bounds_are_symmetric_on_the_safe_scale_and_in_order(curve):
    values, errors = np.array([-3.0, 0.2, 2.0]), np.array([0.1, 0.5, 4.0])
    low, high = bounds(curve, values, errors, 0.9)
    z = stats.norm.ppf(0.95)
    ends = response_value(curve, values - z * errors), response_value(curve, values + z * errors)
    np.testing.assert_allclose(low, np.minimum(*ends), rtol=1e-12)
    np.testing.assert_allclose(high, np.maximum(*ends), rtol=1e-12)
    middle = response_value(curve, values)
    assert np.all((low < middle) & (middle < high))
    if curve in ("survival", "cdf"):
        assert np.all((low >= 0) & (high <= 1))


def test_at_birth_every_parameter_agrees_and_bounds_are_the_value(mixture):
    values, errors = evaluate(mixture, COVARIANCE, ("survival",), [0.0], [0.0])
    low, high = bounds("survival", values, errors, 0.95)
    np.testing.assert_array_equal([low, high], 1.0)


def test_far_in_the_tail_bounds_stay_numbers(mixture):
    values, errors = evaluate(mixture, COVARIANCE, ("survival",), [1e4, 1e-12], [0.0, 0.0])
    low, high = bounds("survival", values, errors, 0.95)
    assert np.all((low >= 0) & (low <= high) & (high <= 1))


def test_memberships_are_bayes_rule(mixture):
    ages, failed = np.array([0.0, 3.0, 40.0, 40.0]), np.array([False, True, False, True])
    weights = np.exp([0.0, X[0]]) / np.exp([0.0, X[0]]).sum()
    law = stats.weibull_min(np.exp(X[3:])[:, None], scale=np.exp(X[1:3])[:, None])
    with np.errstate(divide="ignore", invalid="ignore"):
        joint = weights[:, None] * np.where(failed, law.pdf(ages), law.sf(ages))
    logits, _ = membership_logits(mixture, None, ages, failed)
    np.testing.assert_allclose(special.expit(logits), joint / joint.sum(0), rtol=1e-9)


@double_precision
def test_errors_of_memberships_are_those_of_finite_differences(mixture):
    ages, failed = np.array([0.0, 3.0, 12.0, 12.0]), np.array([False, True, False, True])
    logits, errors = membership_logits(mixture, COVARIANCE, ages, failed)

    def at(x):
        return membership_logits(weibulls(x), None, ages, failed)[0]

    slopes = np.array([(at(X + step) - at(X - step)) / 2e-5 for step in 1e-5 * np.eye(X.size)])
    expected = np.sqrt(np.einsum("pkn,pq,qkn->kn", slopes, COVARIANCE, slopes))
    np.testing.assert_allclose(errors, expected, rtol=1e-6)
    np.testing.assert_allclose(logits[0], -logits[1], rtol=1e-12)


@double_precision
def test_errors_whose_squares_leave_the_range_of_numbers_are_still_numbers():
    # Lives of one per cent spread: at five times their size H is exp(2000) on paper.
    narrow, covariance = weibulls(np.array([0.0, 7.2])), np.diag([1e-6, 0.01])
    curves = ("density", "cumulative_hazard")
    values, errors = evaluate(narrow, covariance, curves, np.full((2, 1), 5.0), np.zeros(1))
    assert np.all(np.isfinite(values)) and np.all(errors > 0) and np.all(np.isfinite(errors))
    for curve, value, error in zip(curves, values, errors, strict=True):
        low, high = bounds(curve, value, error, 0.95)
        assert low <= response_value(curve, value) <= high
