"""Quantities that the data leave open are named; heavy censoring alone is no reason to warn."""

import warnings

import numpy as np
import pytest

from survjax import FitWarning, WeibullMixture
from survjax._core.precision import double_precision
from survjax.prediction.curves import evaluate
from survjax.uncertainty.determined import log_errors


def some_never_fail(seed=1, n=2000):
    """One unit in 14 fails, between ages 0 and 60; the rest are never seen to."""
    rng = np.random.default_rng(seed)
    life = np.where(rng.random(n) < 0.074, 20 * rng.weibull(1.5, n), np.inf)
    return np.minimum(life, 60.0), life <= 60.0


def test_a_component_of_units_that_never_fail_is_said_to_be_undetermined():
    with pytest.warns(FitWarning) as told:
        model = WeibullMixture(2).fit(*some_never_fail())
    assert model.converged_
    (message,) = [str(w.message) for w in told]
    assert "component 2 (94% of units)" in message
    assert "longest observed time (60)" in message
    assert "quantiles up to q10 are known" in message
    assert {"mean_2", "mean", "q90"} <= set(model.undetermined_)
    assert not {"mean_1", "q01", "q10"} & set(model.undetermined_)


@pytest.mark.parametrize(("n", "limit"), [(1000, 3.0), (10_000, 2.0), (300, 20.0), (100, 12.0)])
def test_a_weibull_under_heavy_censoring_gets_no_warning(n, limit):
    life = 40 * np.random.default_rng(5).weibull(2.0, n)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = WeibullMixture(1).fit(np.minimum(life, limit), life <= limit)
    assert model.n_events_ < 0.25 * n
    assert model.undetermined_ == ()


def test_two_failures_in_a_short_time_do_not_determine_a_mean():
    # Ten thousand units, two failures at 0.3 and 1: nothing tells 1e2 from 1e6.
    t, event = np.r_[0.3, 1.0, np.full(9998, 1.0)], np.r_[1, 1, np.zeros(9998)]
    with pytest.warns(FitWarning, match="do not determine the mean life, .* factor of more than"):
        model = WeibullMixture(1).fit(t, event)
    assert "mean" in model.undetermined_


@double_precision
def test_errors_of_means_and_quantiles_are_those_of_automatic_differentiation():
    rng = np.random.default_rng(0)
    life = np.where(rng.random(400) < 0.4, 5 * rng.weibull(0.8, 400), 40 * rng.weibull(3.0, 400))
    model = WeibullMixture(2).fit(np.minimum(life, 50.0), life <= 50.0)
    ours = log_errors(model.parameters_, model.covariance_)
    shares = np.array([[0.1, 0.5, 0.9]])
    _, quantiles = evaluate(model.lifetime_, model.covariance_, ("quantile",), shares, np.zeros(3))
    _, mean = evaluate(model.lifetime_, model.covariance_, ("mean",), np.zeros((1, 1)), np.zeros(1))
    np.testing.assert_allclose(ours.quantile_errors[[9, 49, 89]], quantiles[0], rtol=1e-7)
    np.testing.assert_allclose(ours.mean_error, mean[0, 0], rtol=1e-9)
