"""A likelihood-ratio test is the textbook's, and refuses what the textbook refuses."""

import numpy as np
import pytest
from scipy.stats import chi2

from survjax import (
    AcceleratedLifetime,
    LifetimeModel,
    MixtureRegression,
    Observations,
    WeibullMixture,
    likelihood_ratio_test,
    load,
)

RNG = np.random.default_rng(8)
N = 80
LIVES, ENDS = 20.0 * RNG.weibull(1.6, N) + 0.1, RNG.uniform(10.0, 50.0, N)
T, EVENT = np.minimum(LIVES, ENDS), LIVES <= ENDS
X = RNG.normal(size=(N, 3))
Y = np.column_stack([T, EVENT])


def fitted(name, *data):
    return LifetimeModel(name).fit(*(data or (T, EVENT)))


@pytest.fixture(scope="module")
def weibull():
    return fitted("weibull")


def test_the_statistic_is_twice_the_gain_and_its_tail_is_the_p_value(weibull):
    small = fitted("exponential")
    found = likelihood_ratio_test(small, weibull)
    gain = weibull.log_likelihood_ - small.log_likelihood_
    assert found.statistic == pytest.approx(2.0 * gain, rel=1e-14)
    assert (found.df, found.method, found.replicates) == (1, "chi2", None)
    assert found.p_value == pytest.approx(chi2.sf(2.0 * gain, 1), rel=1e-12)


def test_regressions_are_tested_by_their_columns_in_any_basis(weibull):
    small, large = AcceleratedLifetime().fit(X[:, :1], Y), AcceleratedLifetime().fit(X, Y)
    found = likelihood_ratio_test(small, large)
    assert found.df == 2
    mixed = AcceleratedLifetime().fit(X @ RNG.normal(size=(3, 3)), Y)
    other = likelihood_ratio_test(small, mixed)
    assert other.statistic == pytest.approx(found.statistic, abs=1e-7)
    with pytest.raises(ValueError, match="columns of larger do not hold"):
        likelihood_ratio_test(small, AcceleratedLifetime().fit(X[:, 1:], Y))
    exponential = AcceleratedLifetime("exponential").fit(X, Y)
    assert likelihood_ratio_test(exponential, large).df == 1
    with pytest.raises(ValueError, match="LogNormal does not hold Exponential"):
        likelihood_ratio_test(exponential, AcceleratedLifetime("lognormal").fit(X, Y))
    with pytest.raises(ValueError, match="penalized"):
        likelihood_ratio_test(AcceleratedLifetime(penalty=0.1).fit(X[:, :1], Y), large)
    with pytest.raises(ValueError, match="cannot be tested against each other"):
        likelihood_ratio_test(weibull, large)


@pytest.mark.parametrize(
    ("small", "large", "holds"),
    [
        ("weibull", "generalized_gamma", True),
        ("exponential", "gompertz", True),
        ("loglogistic", "generalized_gamma", False),
        ("normal", "piecewise_exponential", False),
        ("exponential", "loglogistic", False),
    ],
)
def test_only_families_that_hold_the_smaller_one_are_tested(small, large, holds):
    few, many = fitted(small), fitted(large)
    if holds:
        assert 0 <= likelihood_ratio_test(few, many).p_value <= 1
    else:
        with pytest.raises(ValueError, match="does not hold"):
            likelihood_ratio_test(few, many)


def test_other_rows_units_and_records_are_refused(weibull, tmp_path):
    for rows in ((T[1:], EVENT[1:]), (24.0 * T, EVENT), (T, 1 - EVENT)):
        with pytest.raises(ValueError, match="same rows"):
            likelihood_ratio_test(fitted("exponential", *rows), weibull)
    rounded = LifetimeModel("exponential", resolution=1.0).fit(np.ceil(T), EVENT)
    with pytest.raises(ValueError, match="same rows"):
        likelihood_ratio_test(rounded, weibull)
    order = RNG.permutation(N)
    assert likelihood_ratio_test(fitted("exponential", T[order], EVENT[order]), weibull).df == 1
    weibull.save(tmp_path / "model.json")
    with pytest.raises(ValueError, match="rows that were fitted"):
        likelihood_ratio_test(fitted("exponential"), load(tmp_path / "model.json"))


def test_equal_numbers_of_parameters_and_wrong_arguments_are_refused(weibull):
    with pytest.raises(ValueError, match="more parameters"):
        likelihood_ratio_test(weibull, fitted("lognormal"))
    with pytest.raises(ValueError, match="method must be"):
        likelihood_ratio_test(weibull, weibull, "wald")
    with pytest.raises(ValueError, match="not fitted"):
        likelihood_ratio_test(weibull, LifetimeModel())


def test_numbers_of_components_go_to_the_bootstrap():
    rows = Observations.from_durations(np.r_[RNG.weibull(0.9, 25), 30 + 9 * RNG.weibull(4.0, 35)])
    one, two = (WeibullMixture(k).fit(rows) for k in (1, 2))
    with pytest.raises(ValueError, match="method='bootstrap'"):
        likelihood_ratio_test(one, two)
    with pytest.raises(ValueError, match="method='bootstrap'"):
        x = RNG.normal(size=(60, 1))
        models = (MixtureRegression(k).fit(x, rows.lower) for k in (1, 2))
        likelihood_ratio_test(*models)
    found = likelihood_ratio_test(one, two, "bootstrap", n_replicates=19)
    assert found.df == 3 and found.p_value == 1.0 / (1 + len(found.replicates))
    again = likelihood_ratio_test(one, two, "bootstrap", n_replicates=19)
    np.testing.assert_array_equal(found.replicates, again.replicates)


def test_the_bootstrap_agrees_with_chi_squared_where_that_holds(capsys):
    small, large = fitted("exponential"), fitted("weibull")
    found = likelihood_ratio_test(small, large, "bootstrap", n_replicates=199, progress=True)
    assert "199 of 199 replicates" in capsys.readouterr().err
    assert len(found.replicates) == 199
    assert chi2.cdf(found.replicates, 1).mean() == pytest.approx(0.5, abs=0.08)
    with pytest.raises(ValueError, match="fit both to all columns"):
        likelihood_ratio_test(
            AcceleratedLifetime().fit(X[:, :1], Y), AcceleratedLifetime().fit(X, Y), "bootstrap"
        )
    with pytest.raises(ValueError, match="at least 19"):
        likelihood_ratio_test(small, large, "bootstrap", n_replicates=3)


def test_a_known_parameter_is_no_parameter_and_both_must_hold_it():
    lives = 9.0 * np.random.default_rng(4).weibull(1.6, 80)
    free = LifetimeModel("weibull").fit(lives)
    known = LifetimeModel("weibull", fixed={"shape": 1.0}).fit(lives)
    alone = LifetimeModel("exponential").fit(lives)
    found, other = likelihood_ratio_test(known, free), likelihood_ratio_test(alone, free)
    assert found.df == other.df == 1
    assert found.statistic == pytest.approx(other.statistic, abs=1e-8)
    with pytest.raises(ValueError, match="more parameters than smaller, got 1 and 1"):
        likelihood_ratio_test(alone, known)
    held = LifetimeModel("exponentiated_weibull", fixed={"power": 2.0}).fit(lives)
    with pytest.raises(ValueError, match="smaller does not hold alike"):
        likelihood_ratio_test(alone, held)
