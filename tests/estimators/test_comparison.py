"""Several lifetimes side by side: what the table says is what each fit says alone."""

import numpy as np
import pytest

from survjax import (
    LifetimeModel,
    LogNormal,
    NoFiniteMaximum,
    Observations,
    WeibullMixture,
    compare,
)

FAMILIES = ["weibull", "exponential", "lognormal", "loglogistic"]


@pytest.fixture(scope="module")
def fleet():
    rng = np.random.default_rng(4)
    lives, ends = 30.0 * rng.weibull(2.5, 150), rng.uniform(10.0, 60.0, 150)
    return np.minimum(lives, ends), lives <= ends


@pytest.fixture(scope="module")
def found(fleet):
    return compare(FAMILIES, *fleet)


def test_each_row_is_the_fit_alone_and_the_best_comes_first(fleet, found):
    table = found.table
    assert list(table["aic"]) == sorted(table["aic"]) and list(found.models) == list(table.index)
    assert found.best is found.models[table.index[0]]
    for name in FAMILIES:
        alone = LifetimeModel(name).fit(*fleet)
        assert table.loc[name, "log_likelihood"] == alone.log_likelihood_
        assert table.loc[name, "n_parameters"] == alone.parameters_.size
        assert table.loc[name, ["aic", "bic"]].tolist() == [alone.aic_, alone.bic_]
    p, n = table["n_parameters"], len(fleet[0])
    np.testing.assert_allclose(table["aicc"], table["aic"] + 2 * p * (p + 1) / (n - p - 1))


def test_weights_are_shares_of_relative_likelihoods(fleet, found):
    away = found.table["aic"] - found.table["aic"].iloc[0]
    np.testing.assert_allclose(found.table["weight"], np.exp(-away / 2) / np.exp(-away / 2).sum())
    by_bic = compare(FAMILIES, *fleet, criterion="bic")
    assert list(by_bic.table["bic"]) == sorted(by_bic.table["bic"])
    np.testing.assert_allclose(by_bic.table["weight"].sum(), 1.0)


def test_the_unit_of_time_changes_no_difference(fleet, found):
    hours = compare(FAMILIES, 8766.0 * fleet[0], fleet[1])
    assert list(hours.table.index) == list(found.table.index)
    np.testing.assert_allclose(
        hours.table["aic"].diff()[1:], found.table["aic"].diff()[1:], rtol=1e-7
    )


def test_estimators_lifetimes_and_intervals_take_part(fleet):
    t, event = fleet
    rows = Observations.from_intervals(np.floor(t), np.where(event, np.floor(t) + 1.0, np.inf))
    mixture = WeibullMixture(2)
    given = {"one": "weibull", "two": mixture, "normal logs": LogNormal(0.0, 0.0)}
    found = compare(given, rows)
    assert set(found.table.index) == set(given)
    assert found.table.loc["one", "log_likelihood"] == LifetimeModel().fit(rows).log_likelihood_
    assert not hasattr(mixture, "lifetime_")


def test_a_candidate_without_a_maximum_comes_last_and_says_why(fleet):
    same = compare(["weibull", "exponential"], np.full(9, 5.0))
    assert list(same.table.index) == ["exponential", "weibull"]
    assert np.isnan(same.table.loc["weibull", "aic"]) and list(same.models) == ["exponential"]
    assert "no finite maximum" in same.table.loc["weibull", "status"]
    assert same.table["weight"].tolist()[0] == 1.0
    none = compare(["weibull"], np.full(9, 5.0))
    with pytest.raises(NoFiniteMaximum, match="status"):
        _ = none.best


@pytest.mark.parametrize(
    ("candidates", "match"),
    [
        ("weibull", "must be several"),
        ([], "empty"),
        (["weibull", "weibull"], "different names"),
        (["weibull", "bathtub"], "must be one of"),
        (
            [LifetimeModel(), LifetimeModel("lognormal", resolution=1.0)],
            "read durations in one way",
        ),
    ],
)
def test_what_makes_no_sense_is_one_clear_error(fleet, candidates, match):
    with pytest.raises(ValueError, match=match):
        compare(candidates, *fleet)
    with pytest.raises(ValueError, match="criterion must be"):
        compare(["weibull"], *fleet, criterion="r2")


def test_a_comparison_prints_lines_that_fit_a_screen():
    found = compare(["weibull", "lognormal", "gamma"], [4.0] * 12)
    assert found.table["status"].str.len().max() > 200
    assert max(len(line) for line in repr(found).splitlines()) < 160
    assert repr(found).count("...") == 3
