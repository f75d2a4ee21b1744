"""Samples at the edge of what can be fitted: the right answer, or a plain word."""

import warnings

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import logsumexp

from survjax import FitWarning, NoFiniteMaximum, WeibullMixture


def lives(n, seed=0):
    rng = np.random.default_rng(seed)
    early = rng.random(n) < 0.4
    return np.where(early, 200 * rng.weibull(1.2, n), 1000 * rng.weibull(3.5, n))


def log_likelihood(x, lower, upper, entry=0.0):
    """From the definition: exact where the bounds agree, else the chance to fall between them."""
    k = (x.size + 1) // 3
    logits = np.r_[0.0, x[: k - 1]]
    log_weights = (logits - logsumexp(logits))[:, None]
    log_scale, shape = x[k - 1 : 2 * k - 1, None], np.exp(x[2 * k - 1 :, None])

    def hazard(t):
        return np.exp(shape * (np.log(np.maximum(t, 1e-300)) - log_scale))

    exact = lower == upper
    time = np.where(exact, lower, 1.0)
    density = np.log(shape / time * hazard(time)) - hazard(time)
    grown = np.where(exact, 1.0, hazard(np.where(np.isinf(upper), 1e9, upper)) - hazard(lower))
    between = np.log(-np.expm1(-grown)) - hazard(lower)
    seen = logsumexp(log_weights + np.where(exact, density, between), axis=0)
    return np.sum(seen - logsumexp(log_weights - hazard(entry), axis=0))


def assert_is_a_maximum(model, lower, upper, entry=0.0):
    assert model.converged_
    x = model.parameters_
    value = log_likelihood(x, lower, upper, entry)
    assert model.log_likelihood_ == pytest.approx(value, rel=1e-9)
    gradient = approx_fprime(x, log_likelihood, 1e-6, lower, upper, entry)
    assert np.sqrt(gradient @ model.covariance_ @ gradient) < 1e-3
    rng = np.random.default_rng(1)
    steps = 0.1 * rng.multivariate_normal(np.zeros(x.size), model.covariance_, 20)
    assert max(log_likelihood(x + step, lower, upper, entry) for step in steps) < value


@pytest.mark.parametrize("width", [1e-3, 1e-6, 1e-8])
def test_durations_that_nearly_agree_have_the_shape_of_their_spread(width):
    spread = np.linspace(-1.0, 1.0, 40)
    model = WeibullMixture(1).fit(70.0 * np.exp(width * spread))
    wide = WeibullMixture(1).fit(np.exp(1.0 * spread))
    # A shape is one over a spread of log times; rounding of the times limits the digits.
    assert model.shapes_[0] * width == pytest.approx(wide.shapes_[0], rel=1e-6 + 1e-14 / width)
    assert model.scales_[0] == pytest.approx(70.0, rel=2 * width)


@pytest.mark.parametrize("n_components", [1, 2])
def test_durations_that_agree_but_for_rounding_are_refused_with_the_reason(n_components):
    durations = 100.0 * (1.0 + 1e-12 * np.arange(20))
    with pytest.raises(NoFiniteMaximum, match=r"differ by 2e-11 of their size only.*resolution="):
        WeibullMixture(n_components).fit(durations)


@pytest.mark.parametrize("n_components", [1, 2])
def test_equal_durations_are_refused_with_the_reason(n_components):
    with pytest.raises(NoFiniteMaximum, match="all failures share one time"):
        WeibullMixture(n_components).fit(np.full(10, 5.0))


def test_units_seen_only_as_they_fail_are_refused_with_the_reason():
    durations = lives(50)
    with pytest.raises(NoFiniteMaximum, match="check entry"):
        WeibullMixture(1).fit(durations, entry=durations * (1 - 1e-12))


def test_one_failure_is_enough_for_one_weibull_only():
    ages = np.arange(1.0, 20.0)
    failed = ages == 6.0
    model = WeibullMixture(1).fit(ages, failed)
    assert_is_a_maximum(model, ages, np.where(failed, ages, np.inf))
    with pytest.warns(FitWarning, match="no interior maximum with 2 components"):
        assert not WeibullMixture(2).fit(ages, failed).converged_


@pytest.mark.parametrize("factor", [1e-300, 1e300])
@pytest.mark.parametrize("n_components", [1, 2])
def test_any_unit_of_time_gives_the_same_fit(n_components, factor):
    usual = WeibullMixture(n_components).fit(lives(300))
    model = WeibullMixture(n_components).fit(lives(300) * factor)
    assert model.converged_
    np.testing.assert_allclose(model.weights_, usual.weights_, rtol=1e-6)
    np.testing.assert_allclose(model.shapes_, usual.shapes_, rtol=1e-6)
    np.testing.assert_allclose(model.scales_ / factor, usual.scales_, rtol=1e-6)


def test_a_weight_of_a_million_counts_as_a_million_units():
    usual = WeibullMixture(2).fit(lives(300))
    with pytest.warns(FitWarning, match="share their time with another"):
        model = WeibullMixture(2).fit(lives(300), sample_weight=np.full(300, 1e6))
    np.testing.assert_allclose(model.parameters_, usual.parameters_, atol=1e-6)
    np.testing.assert_allclose(model.covariance_ * 1e6, usual.covariance_, rtol=1e-5)


def test_weights_that_add_up_to_less_than_a_unit_hold_no_second_component():
    with pytest.warns(FitWarning, match="fewer than 1.5 expected units"):
        model = WeibullMixture(2).fit(lives(300), sample_weight=np.full(300, 1e-3))
    assert not model.converged_


def test_one_failure_in_a_thousand_is_a_fit():
    durations = lives(20_000)
    end = np.quantile(durations, 0.001)
    failed = durations <= end
    model = WeibullMixture(1).fit(np.minimum(durations, end), failed)
    lower = np.minimum(durations, end)
    assert failed.sum() == 20
    assert_is_a_maximum(model, lower, np.where(failed, lower, np.inf))


def test_two_kinds_are_found_from_inspections_left_censoring_and_late_entry():
    durations = lives(300)
    rng = np.random.default_rng(2)
    lower = np.floor(durations / 50) * 50
    assert_is_a_maximum(WeibullMixture(2).fit_interval(lower, lower + 50), lower, lower + 50)
    left = durations < 200
    low, high = np.where(left, 0.0, durations), np.where(left, 200.0, durations)
    assert_is_a_maximum(WeibullMixture(2).fit_interval(low, high), low, high)
    entry = rng.uniform(0, 600, 300)
    seen = durations > entry
    late, entry = durations[seen], entry[seen]
    assert_is_a_maximum(WeibullMixture(2).fit(late, entry=entry), late, late, entry)


@pytest.mark.slow
def test_five_components_are_a_maximum_or_say_that_they_are_none():
    for n in (30, 300):
        durations = lives(n)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", FitWarning)
            model = WeibullMixture(5).fit(durations)
        if model.converged_:
            assert_is_a_maximum(model, durations, durations)
        else:
            assert told
