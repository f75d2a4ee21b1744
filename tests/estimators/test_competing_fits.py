"""Several causes: intervals, large samples, and causes that are mixtures."""

import numpy as np
import pytest

from survjax import CompetingRisks, LifetimeModel, Observations
from survjax.lifetimes import Mixture, Weibull
from tests.estimators.test_competing import CAUSE, CAUSES, T


def test_intervals_add_the_integral_of_the_hazard_that_ended_them():
    lower = np.array([0.0, 1.0, 2.0, 2.0, 5.0, 3.0, 4.0])
    upper = np.array([1.0, 2.0, 4.0, 2.0, np.inf, 6.0, 5.0])
    cause = [1, 2, 1, 2, None, {1, 2}, 1]
    fit = CompetingRisks({1: "exponential", 2: "exponential"}).fit_interval(lower, upper, cause)
    rate = np.exp(-fit.parameters_)
    total = rate.sum()
    inside = np.exp(-total * lower) - np.exp(-total * upper)
    terms = [
        np.log(rate[0] / total * inside[0]),
        np.log(rate[1] / total * inside[1]),
        np.log(rate[0] / total * inside[2]),
        np.log(rate[1]) - total * 2.0,
        -total * 5.0,
        np.log(inside[5]),
        np.log(rate[0] / total * inside[6]),
    ]
    assert fit.log_likelihood_ == pytest.approx(sum(terms), rel=1e-11)
    assert fit.score(Observations.from_intervals(lower, upper), cause) == pytest.approx(
        sum(terms) / 7, rel=1e-11
    )
    single = LifetimeModel("exponential").fit_interval(lower, upper)
    assert 1.0 / total == pytest.approx(float(np.exp(single.parameters_[0])), rel=1e-9)


def test_rounded_durations_are_intervals():
    rounded = CompetingRisks(CAUSES, resolution=0.01).fit(np.ceil(100 * T) / 100, CAUSE)
    exact = CompetingRisks(CAUSES).fit(T, CAUSE)
    np.testing.assert_allclose(rounded.parameters_, exact.parameters_, atol=0.01)
    n = exact.n_events_
    assert rounded.log_likelihood_ - n * np.log(0.01) == pytest.approx(
        exact.log_likelihood_, abs=0.2
    )


def test_a_large_sample_gives_back_what_it_was_drawn_from():
    rng = np.random.default_rng(5)
    lives = np.stack([8.0 * rng.weibull(2.0, 4000), 9.0 * np.exp(rng.normal(size=4000) / 1.5)])
    cause = np.where(lives.argmin(axis=0) == 0, "a", "b")
    fit = CompetingRisks({"a": "weibull", "b": "lognormal"}).fit(lives.min(axis=0), cause)
    expected = [np.log(8.0), np.log(2.0), np.log(9.0), np.log(1.5)]
    z = (fit.parameters_ - expected) / np.sqrt(np.diag(fit.covariance_))
    assert np.abs(z).max() < 3.5
    drawn = fit.sample(4000, random_state=1)
    share = fit.probability_of("a").iloc[0]
    assert abs((drawn["cause"] == "a").mean() - share["probability"]) < 0.03
    assert abs((cause == "a").mean() - share["probability"]) < 0.03
    assert np.mean(drawn["duration"] > 6.0) == pytest.approx(fit.survival(6.0), abs=0.03)


@pytest.mark.slow
def test_a_cause_may_be_a_mixture():
    rng = np.random.default_rng(2)
    early = rng.random(200) < 0.3
    wear = np.where(early, 2.0 * rng.weibull(1.5, 200), 20.0 * rng.weibull(4.0, 200))
    other = rng.exponential(40.0, 200)
    two = Mixture.of(np.array([0.5, 0.5]), Weibull.of(np.array([1.0, 9.0]), np.ones(2)))
    cause = np.where(wear < other, "wear", "other")
    fit = CompetingRisks({"wear": two, "other": "exponential"}, n_starts=4).fit(
        np.minimum(wear, other), cause
    )
    assert fit.converged_
    names = ["wear.weight_1", "wear.weight_2", "wear.scale_1", "wear.scale_2"]
    assert list(fit.summary().index[:4]) == names
    t = np.array([1.0, 10.0, 25.0])
    ended = sum(fit.cumulative_incidence(t, c, level=None) for c in ("wear", "other"))
    np.testing.assert_allclose(ended + fit.survival(t), 1.0, rtol=1e-10)
