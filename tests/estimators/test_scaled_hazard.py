"""Scaled hazards: recovery, the Poisson identity of the second step, stacked errors."""

import functools

import numpy as np
import pytest
from sklearn.linear_model import PoissonRegressor

from survjax import (
    AcceleratedLifetime,
    LogNormal,
    Mixture,
    ScaledHazard,
    Weibull,
    WeibullMixture,
    survival_target,
)
from survjax._core.precision import double_precision
from survjax.lifetimes import ProportionalHazards

EFFECTS = np.array([0.5, -0.1, 3.0])


def fleet(seed, n=400):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)) * [1.0, 5.0, 0.1] + [0.0, 50.0, 0.0]
    lives = 40.0 * (rng.exponential(size=n) * np.exp(-(x - [0, 50, 0]) @ EFFECTS)) ** (1 / 1.7)
    end = rng.uniform(20.0, 100.0, n)
    return x, np.column_stack([np.minimum(lives, end), lives <= end])


@functools.cache
def in_two_steps(seed):
    return ScaledHazard(joint=False).fit(*fleet(seed))


def test_the_second_step_is_a_poisson_regression_with_offset():
    x, y = fleet(0)
    base = WeibullMixture(1).fit(y[:, 0], y[:, 1])
    fitted = ScaledHazard(WeibullMixture(1), joint=False).fit(x, y)
    exposure = base.cumulative_hazard(y[:, 0])
    glm = PoissonRegressor(alpha=0.0, solver="newton-cholesky", tol=1e-14, max_iter=200)
    z = (x - x.mean(0)) / x.std(0)
    glm.fit(z, y[:, 1] / exposure, sample_weight=exposure)
    np.testing.assert_allclose(fitted.coef_ * x.std(0), glm.coef_, rtol=0, atol=1e-8)
    intercept = fitted.intercept_ + x.mean(0) @ fitted.coef_
    np.testing.assert_allclose(intercept, glm.intercept_, atol=1e-8)


@pytest.mark.parametrize("base", [Weibull.of(40.0, 1.7), LogNormal.of(30.0, 0.8)], ids=str)
def test_the_second_step_is_exact_on_a_base_made_in_single_precision(base):
    import statsmodels.api as sm

    (x, y), weight = fleet(5), np.arange(400) % 3 + 1.0
    entry = 0.3 * y[:, 0]
    fitted = ScaledHazard(base, joint=False).fit(x, y, entry=entry, sample_weight=weight)
    held = fitted.baseline_
    exposure = double_precision(lambda: np.exp(held.log_increment(entry, y[:, 0] - entry)))()
    z = sm.add_constant((x - x.mean(0)) / x.std(0))
    glm = sm.GLM(
        y[:, 1],
        z,
        family=sm.families.Poisson(),
        offset=np.log(np.asarray(exposure)),
        freq_weights=weight,
    ).fit(tol=1e-14, maxiter=100)
    np.testing.assert_allclose(fitted.coef_ * x.std(0), glm.params[1:], atol=1e-8)


def test_with_one_weibull_proportional_hazards_are_accelerated_life():
    x, y = fleet(1)
    scaled, accelerated = ScaledHazard().fit(x, y), AcceleratedLifetime().fit(x, y)
    np.testing.assert_allclose(scaled.log_likelihood_, accelerated.log_likelihood_, rtol=1e-12)
    np.testing.assert_allclose(scaled.coef_, -accelerated.shape_ * accelerated.coef_, rtol=1e-8)
    np.testing.assert_allclose(
        scaled.predict_rul(x[:5], [0, 5, 10, 20, 40.0]),
        accelerated.predict_rul(x[:5], [0, 5, 10, 20, 40.0]),
        rtol=1e-7,
    )


def test_the_joint_fit_covers_and_two_steps_are_drawn_to_zero():
    inside, joint, two = [], [], []
    for seed in range(60):
        x, y = fleet(seed)
        fitted = ScaledHazard().fit(x, y)
        error = np.sqrt(np.diag(fitted.covariance_))[:3]
        inside.append(np.abs(fitted.coef_ - EFFECTS) < 1.96 * error)
        joint.append(fitted.coef_)
        two.append(in_two_steps(seed).coef_)
    assert 0.88 < np.mean(inside) < 0.99
    np.testing.assert_allclose(np.mean(joint, axis=0), EFFECTS, rtol=0.05)
    assert np.all(np.abs(np.mean(two, axis=0)) < 0.98 * np.abs(EFFECTS))


def test_stacked_errors_match_the_spread_of_two_step_fits():
    fits = [in_two_steps(seed) for seed in range(120)]
    parameters = np.array([fitted.parameters_ for fitted in fits])
    stated = np.mean([np.diag(fitted.covariance_) for fitted in fits], axis=0)
    ratio = np.sqrt(stated) / parameters.std(axis=0)
    assert np.all((ratio > 0.8) & (ratio < 1.25)), ratio


def test_a_base_from_elsewhere_is_held_and_carries_its_own_errors():
    x, y = fleet(2)
    known = ScaledHazard(Weibull.of(40.0, 1.7), joint=False).fit(x, y)
    np.testing.assert_allclose(np.exp(known.baseline_.log_scale), 40.0)
    assert np.all(np.diag(known.covariance_)[4:] == 0)
    base = WeibullMixture(1).fit(*fleet(3)[1].T)
    fitted = ScaledHazard(base, joint=False).fit(x, y)
    np.testing.assert_allclose(fitted.covariance_[4:, 4:], base.covariance_)
    glm = ScaledHazard(base.lifetime_, joint=False).fit(x, y)
    assert np.all(np.diag(fitted.covariance_)[:4] >= np.diag(glm.covariance_)[:4])


def test_effects_of_many_orders_of_magnitude_are_fitted_as_those_of_accelerated_life():
    # Columns with heavy tails take the base to hazards of 1e11 and beyond, whose squares must not
    # drown the curvature.
    rng = np.random.default_rng(2)
    x = rng.standard_t(3, size=(5000, 2))
    lives = np.exp(0.3 * np.where(np.arange(5000) == 7, 45.0, x[:, 0])) * rng.weibull(2.0, 5000)
    x[7, 0] = 45.0
    scaled, accelerated = ScaledHazard().fit(x, lives), AcceleratedLifetime().fit(x, lives)
    assert scaled.converged_
    np.testing.assert_allclose(scaled.log_likelihood_, accelerated.log_likelihood_, rtol=1e-12)
    np.testing.assert_allclose(scaled.coef_, -accelerated.shape_ * accelerated.coef_, rtol=1e-8)


def test_the_center_matters_not_with_one_weibull():
    x, y = fleet(4)
    a, b = ScaledHazard().fit(x, y), ScaledHazard(center=False).fit(x, y)
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-6)
    np.testing.assert_allclose(a.log_likelihood_, b.log_likelihood_, rtol=1e-10)


def test_a_base_that_cannot_be_fitted_is_refused():
    for base in (3, AcceleratedLifetime()):
        with pytest.raises(ValueError, match="baseline must be the name of a family, an estimator"):
            ScaledHazard(base).fit(*fleet(0))


@double_precision
def test_remaining_life_over_one_weibull_is_that_of_the_mixture_it_is_named_by():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(300, 2))
    model = ScaledHazard().fit(x, 20.0 * rng.weibull(2.0, 300) * np.exp(0.3 * x[:, 0]))
    ages = np.linspace(0.0, 30.0, 300)
    found = model.predict_rul(x, ages)
    assert isinstance(model.baseline_, Mixture)
    log_ratio = (x - model.center_) @ model.coef_
    rest = ProportionalHazards(model.baseline_, log_ratio).given(ages)
    np.testing.assert_allclose(found["mean"], rest.mean(), rtol=1e-8)
    np.testing.assert_allclose(found["q50"], rest.quantile(0.5), rtol=1e-8)


@pytest.mark.parametrize("joint", [True, False])
def test_rounded_durations_are_intervals_where_the_base_is_told(joint):
    x, y = fleet(7)
    days = np.column_stack([np.ceil(y[:, 0] / 10.0), y[:, 1]])
    told = ScaledHazard(WeibullMixture(1, resolution=1.0), joint=joint).fit(x, days)
    low = np.where(days[:, 1] > 0, days[:, 0] - 1.0, days[:, 0])
    bounds = survival_target(low, np.where(days[:, 1] > 0, days[:, 0], np.inf))
    known = ScaledHazard(WeibullMixture(1), joint=joint).fit(x, bounds)
    assert told.log_likelihood_ == pytest.approx(known.log_likelihood_, rel=1e-12)
    np.testing.assert_allclose(told.coef_, known.coef_, rtol=1e-9)
    assert told.score(x, days) == pytest.approx(known.score(x, bounds), rel=1e-12)
    untold = ScaledHazard(WeibullMixture(1), joint=joint).fit(x, days)
    assert abs(untold.log_likelihood_ - told.log_likelihood_) > 5.0


def test_quantiles_far_from_the_data_reach_their_share():
    rng = np.random.default_rng(11)
    x, weak = rng.normal(size=(300, 2)), rng.random(300) < 0.4
    lives = np.where(weak, 5.0 * rng.weibull(1.2, 300), 40.0 * rng.weibull(4.0, 300))
    y = lives * np.exp(-0.3 * x[:, 0])
    model = ScaledHazard(WeibullMixture(2), joint=False).fit(x, y)
    # A hazard ratio of exp(100): the base has hardly failed by the life that is left.
    far = np.full((1, x.shape[1]), 100.0 / model.coef_[0])
    far[:, 1:] = 0.0
    times = model.predict_quantile(far, [0.1, 0.5, 0.9])
    assert times["q10"][0] < times["q50"][0] < times["q90"][0]
    found = model.failure_probability(far, horizon=times["q50"])["failure_probability"]
    assert found[0] == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize("family", ["normal", "piecewise_exponential"])
def test_any_family_may_be_the_base_by_its_name(family):
    x, y = fleet(3, 250)
    model = ScaledHazard(family).fit(x, y)
    assert model.converged_
    lives = model.predict_rul(x[:4], np.array([1.0, 5.0, 10.0, 60.0])).to_numpy(float)
    assert np.isfinite(lives).all() and (lives >= 0).all()
    assert np.all((lives[:, 1] < lives[:, 0]) & (lives[:, 0] < lives[:, 2]))
    table = model.summary()
    assert np.isfinite(table.loc[["log_ratio:x0"], "ratio"]).all()
    # The exponential of a location means nothing.
    assert family != "normal" or np.isnan(table.loc["location", "ratio"])
    with pytest.raises(ValueError, match=r"baseline must be one of .* got 'weibul'"):
        ScaledHazard("weibul").fit(x, y)
