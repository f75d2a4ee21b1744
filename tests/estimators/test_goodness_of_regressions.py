"""Goodness of fit and numbers of components with covariates, by data drawn from a fit."""

import numpy as np
import pytest
from scipy import stats

import survjax
from survjax import (
    AcceleratedLifetime,
    MixtureRegression,
    ScaledHazard,
    WeibullMixture,
    likelihood_ratio_test,
    survival_target,
)
from survjax.estimators.choosing.replicates import regression_truth_of
from tests.studies.goodness_of_regressions import KINDS, study

RNG = np.random.default_rng(12)
N = 80
X = np.column_stack([RNG.normal(size=N), RNG.random(N) < 0.4])
LIVES = 20.0 * np.exp(-0.5 * X[:, 0]) * RNG.weibull(2.0, N)
Y = np.column_stack([np.minimum(LIVES, 35.0), LIVES <= 35.0])
NAMES = ["kolmogorov_smirnov", "cramer_von_mises", "anderson_darling"]


def test_the_statistics_are_those_of_scipy_on_the_shares_of_each_units_own_life():
    model = AcceleratedLifetime().fit(X, LIVES)
    found = model.goodness_of_fit(19)
    assert list(found.index) == NAMES
    log_scale = model.intercept_ + X @ model.coef_
    shares = stats.weibull_min(model.shape_, scale=np.exp(log_scale)).cdf(LIVES)
    expected = [
        stats.kstest(shares, "uniform").statistic,
        stats.cramervonmises(shares, "uniform").statistic,
    ]
    np.testing.assert_allclose(found["statistic"].iloc[:2], expected, rtol=1e-8)
    u = np.sort(shares)
    ranks = np.arange(1, N + 1)
    squared = -N - np.mean((2 * ranks - 1) * (np.log(u) + np.log1p(-u[::-1])))
    assert found["statistic"].iloc[2] == pytest.approx(squared, rel=1e-8)


def test_a_wrong_family_is_refused_and_one_model_has_one_answer():
    right = AcceleratedLifetime().fit(X, Y).goodness_of_fit(49, random_state=1)
    same = ScaledHazard("weibull").fit(X, Y).goodness_of_fit(49, random_state=1)
    np.testing.assert_allclose(right["statistic"], same["statistic"], rtol=1e-5)
    np.testing.assert_allclose(right["p_value"], same["p_value"], atol=0.021)
    assert right["p_value"].min() > 0.05
    wrong = AcceleratedLifetime("exponential").fit(X, Y).goodness_of_fit(49)
    assert wrong["p_value"].max() <= 0.06


def test_without_an_effect_the_statistics_are_those_of_the_plain_lifetime():
    even = np.tile([0.0, 1.0], N // 2)[:, None]
    pairs = np.repeat(Y[: N // 2], 2, axis=0)
    plain = WeibullMixture(1).fit(pairs[:, 0], pairs[:, 1]).goodness_of_fit(19)
    model = AcceleratedLifetime().fit(even, pairs)
    assert model.coef_[0] == pytest.approx(0.0, abs=1e-9)
    found = model.goodness_of_fit(19)
    np.testing.assert_allclose(found["statistic"], plain["statistic"], rtol=1e-6)


def test_replicates_are_drawn_at_the_columns_and_observed_as_the_data_were():
    lower = 5.0 * np.floor(LIVES / 5.0)
    inspected = survival_target(
        np.minimum(lower, 35.0), np.where(lower < 35.0, lower + 5.0, np.inf)
    )
    kinds = (Y, {}), (Y, {"entry": 0.3 * Y[:, 0]}), (inspected, {}), (LIVES, {"exit": LIVES + 20.0})
    for y, given in kinds:
        model = AcceleratedLifetime().fit(X, y, **given)
        truth = regression_truth_of(model, "this")
        (batch,) = truth.batches(np.random.default_rng(0), 1)
        life = batch.lower if batch.interval is None else 0.5 * (batch.lower + batch.upper)
        slope = np.polyfit(np.tile(X[:, 0], len(life)), np.log(life + 1.0).ravel(), 1)[0]
        assert slope == pytest.approx(-0.4, abs=0.15)
        if "entry" in given:
            assert np.all(batch.lower >= given["entry"])
        if "exit" in given:
            assert np.all(batch.lower <= given["exit"])
        assert model.goodness_of_fit(19)["n_replicates"].min() >= 18


def test_weights_are_units_and_what_cannot_be_drawn_is_refused(tmp_path):
    weight = np.where(np.arange(N) < 10, 2.0, 1.0)
    twice = np.repeat(np.arange(N), weight.astype(int))
    counted = AcceleratedLifetime().fit(X, Y, sample_weight=weight).goodness_of_fit(19)
    repeated = AcceleratedLifetime().fit(X[twice], Y[twice]).goodness_of_fit(19)
    np.testing.assert_allclose(counted["statistic"], repeated["statistic"], rtol=1e-6)
    history = AcceleratedLifetime().fit(X, Y, unit=np.arange(N), entry=np.zeros(N))
    with pytest.raises(ValueError, match="unit="):
        history.goodness_of_fit(19)
    with pytest.raises(ValueError, match="two steps"):
        ScaledHazard(joint=False).fit(X, Y).goodness_of_fit(19)
    with pytest.raises(ValueError, match="fractions"):
        AcceleratedLifetime().fit(X, Y, sample_weight=np.full(N, 1.5)).goodness_of_fit(19)
    AcceleratedLifetime().fit(X, Y).save(tmp_path / "pump.json")
    with pytest.raises(ValueError, match="rows"):
        survjax.load(tmp_path / "pump.json").goodness_of_fit(19)


@pytest.mark.slow
def test_the_number_of_components_is_tested_by_data_drawn_at_the_columns():
    load = X[:, :1]
    weak = RNG.random(N) < 0.4
    mixed = np.where(weak, 4.0 * RNG.weibull(1.5, N), 40.0 * RNG.weibull(4.0, N))
    found = []
    for lives in (20.0 * RNG.weibull(2.0, N), mixed):
        seen = np.column_stack([np.minimum(lives, 45.0), lives <= 45.0])
        one, two = (MixtureRegression(k, on=["scale"], n_starts=4).fit(load, seen) for k in (1, 2))
        found.append(likelihood_ratio_test(one, two, "bootstrap", n_replicates=19))
    assert found[0].p_value > 0.05
    assert found[1].p_value == 1.0 / (1.0 + found[1].replicates.size)
    assert found[1].df == 4


def test_components_are_drawn_at_the_same_columns_only():
    one = MixtureRegression(1, on=["scale"]).fit(X[:, :1], Y)
    two = AcceleratedLifetime().fit(X, Y)
    with pytest.raises(ValueError, match="fit both to all columns"):
        likelihood_ratio_test(one, two, "bootstrap", n_replicates=19)
    with pytest.raises(ValueError, match="of two regressions"):
        likelihood_ratio_test(WeibullMixture(1).fit(Y[:, 0], Y[:, 1]), two, "bootstrap")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_right_model_is_refused_no_more_often_than_the_level_says(kind):
    found = study(kind, "AcceleratedLifetime", 100, 49)
    found = found[np.isfinite(found).all(axis=1)]
    assert np.all(np.mean(found <= 0.05, axis=0) <= 0.05 + 4.0 * np.sqrt(0.05 * 0.95 / len(found)))
