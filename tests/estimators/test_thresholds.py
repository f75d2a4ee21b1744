"""Lifetimes beyond a threshold: units that are younger than it, and likelihoods without an end."""

import numpy as np
import pytest
from scipy import optimize, stats

from survjax import LifetimeModel, NoFiniteMaximum, Observations
from survjax.lifetimes import (
    Cured,
    Delayed,
    Gamma,
    LogLogistic,
    LogNormal,
    Shifted,
    Weibull,
    ZeroInflated,
)

ONE = Weibull(0.0, 0.0)


@pytest.mark.parametrize("base", [ONE, LogNormal(0.0, 0.0), Gamma(0.0, 0.0)])
def test_units_that_run_or_enter_before_a_known_threshold_say_nothing_of_what_comes_later(base):
    rng = np.random.default_rng(8)
    beyond, ends = 30.0 * rng.weibull(1.6, 80), rng.uniform(0.0, 60.0, 80)
    time, failed = np.minimum(beyond, ends), beyond <= ends
    plain = LifetimeModel(base).fit(time, failed)
    ages = np.concatenate([time + 5.0, [1.0, 3.0, 5.0]])
    events = np.concatenate([failed, [0, 0, 0]])
    young = LifetimeModel(Delayed(base, 5.0)).fit(ages, events)
    assert young.log_likelihood_ == pytest.approx(plain.log_likelihood_, abs=1e-8)
    np.testing.assert_allclose(young.parameters_, plain.parameters_, atol=1e-6)
    entry = np.where(np.arange(83) % 2 == 0, 0.9, 0.0)
    late = LifetimeModel(Delayed(base, 5.0)).fit(ages, events, entry=entry)
    assert late.log_likelihood_ == pytest.approx(plain.log_likelihood_, abs=1e-8)


def test_a_threshold_is_fitted_beside_units_younger_than_it():
    rng = np.random.default_rng(3)
    lives, ends = 40.0 + 30.0 * rng.weibull(2.5, 150), rng.uniform(0.0, 110.0, 150)
    time, failed = np.minimum(lives, ends), lives <= ends
    model = LifetimeModel(Shifted(ONE, 0.0)).fit(time, failed)

    def loss(x):
        law = stats.weibull_min(np.exp(x[1]), x[2], np.exp(x[0]))
        return -np.sum(np.where(failed, law.logpdf(time), law.logsf(time)))

    exact = {"fatol": 1e-12, "xatol": 1e-9}
    start = model.parameters_ + 0.05
    best = optimize.minimize(loss, start, method="Nelder-Mead", options=exact)
    assert (time < model.parameters_[2]).any()
    assert model.log_likelihood_ == pytest.approx(-best.fun, abs=1e-8)
    np.testing.assert_allclose(model.parameters_, best.x, rtol=1e-4)


def test_units_dead_on_arrival_stand_beside_a_known_threshold():
    lives = 20.0 + 30.0 * np.random.default_rng(5).weibull(1.7, 60)
    later = LifetimeModel(Delayed(ONE, 20.0)).fit(lives)
    both = LifetimeModel(ZeroInflated(Delayed(ONE, 20.0), 0.0)).fit(np.append(lives, [0.0] * 15))
    share = 60 * np.log(60 / 75) + 15 * np.log(15 / 75)
    assert both.log_likelihood_ == pytest.approx(later.log_likelihood_ + share, abs=1e-8)
    assert both.summary()["estimate"]["zero_share"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("base", "limit"),
    [
        (ONE, "gumbel"),
        (LogNormal(0.0, 0.0), "normal"),
        (LogLogistic(0.0, 0.0), "logistic"),
        (Gamma(0.0, 0.0), "normal"),
    ],
)
def test_a_threshold_that_runs_far_below_all_lives_is_no_answer(base, limit):
    """Lives with a long lower tail: the first failure is no better place for it."""
    lives = np.round(100.0 + 8.0 * np.log(np.random.default_rng(0).exponential(size=40)), 2)
    there = LifetimeModel(limit).fit(lives)
    with pytest.raises(NoFiniteMaximum) as told:
        LifetimeModel(Shifted(base, 0.0)).fit(lives)
    assert f"climbs to the {limit}" in str(told.value)
    assert f"{there.log_likelihood_:.8f}, is the supremum" in str(told.value)
    bounded = LifetimeModel(Shifted(base, 0.0), bounds={"threshold": (0, None)}).fit(lives)
    assert bounded.log_likelihood_ == pytest.approx(LifetimeModel(base).fit(lives).log_likelihood_)


def test_nearly_all_failures_at_one_time_leave_a_curve_to_begin_at():
    lower, upper = [18.0, 18.0, 20.5, 33.0, 38.0], [18.0, 20.5, 23.0, 37.0, 38.0]
    rows = Observations.from_intervals(lower, upper, sample_weight=[1.0, 5.0, 9.0, 40.0, 5000.0])
    base = LifetimeModel("weibull").fit(rows)
    with pytest.raises(NoFiniteMaximum, match="cured weibull climbs to the weibull") as told:
        LifetimeModel(Cured(ONE, 0.0)).fit(rows)
    assert f"{base.log_likelihood_:.8f}" in str(told.value)


def test_a_base_that_has_no_width_left_is_named_without_a_family_on_time():
    # Its quantiles, far above the threshold, are one number in double precision.
    narrow = Shifted(Weibull(np.log(1e17), 40.0), -1e17)
    assert narrow.nearby_base() is None
    assert type(Shifted(Weibull(np.log(1e4), 4.0), -1e4).nearby_base()).__name__ == "Gumbel"
