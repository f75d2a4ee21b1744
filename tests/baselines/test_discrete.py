"""Hazards by period: life tables, exact curves, and agreement with what made the data."""

import numpy as np
import pandas as pd
import pytest
from scipy import integrate
from sklearn.linear_model import LogisticRegression as Reference

from survjax import FitWarning, NoFiniteMaximum, kaplan_meier, survival_target
from survjax.baselines import DiscreteTimeHazard, LogisticRegression, MLPClassifier
from survjax.baselines._periods import PiecewiseHazard, choose_edges, person_periods


@pytest.fixture(scope="module")
def fleet():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 2)) * [1.0, 1000.0]
    lives = 10 * np.exp(-0.5 * X[:, 0]) * rng.weibull(2.0, 600)
    ends = rng.uniform(3, 15, 600)
    return X, np.column_stack([np.minimum(lives, ends), lives <= ends])


@pytest.fixture(scope="module")
def model(fleet):
    return DiscreteTimeHazard(8).fit(*fleet)


def test_units_are_cut_at_the_edges():
    edges = np.array([0.0, 1.0, 3.0, 4.0])
    rows = person_periods(
        edges, np.array([0.0, 0.5, 1.0, 0.0]), np.array([2.0, 3.0, 3.5, 9.0]),
        np.array([True, True, False, True]),
    )  # fmt: skip
    found = list(zip(rows.unit, rows.period, rows.failed, rows.share, strict=True))
    assert found == [
        (0, 0, False, 1.0), (0, 1, True, 1.0),  # failed in the second period
        (1, 0, False, 0.5), (1, 1, True, 1.0),  # came in half way; failed at an edge
        (2, 1, False, 1.0), (2, 2, False, 0.5),  # came in at an edge; left half way
        (3, 0, False, 1.0), (3, 1, False, 1.0), (3, 2, False, 1.0),  # beyond the last edge
    ]  # fmt: skip


def test_without_covariates_it_is_the_life_table(fleet):
    _, y = fleet
    edges = [2.0, 4.0, 6.0, 9.0, 15.0]
    flat = DiscreteTimeHazard(edges=edges, ridge=0.0).fit(np.zeros((600, 1)), y)
    rows = person_periods(flat.edges_, np.zeros(600), y[:, 0], y[:, 1] == 1)
    table = flat.predict_survival([[0.0]], flat.edges_[1:]).to_numpy()[0]
    deaths = np.bincount(rows.period, rows.failed)
    exposed = np.bincount(rows.period, rows.share)
    np.testing.assert_allclose(table, np.cumprod(1 - deaths / exposed), rtol=1e-6)


def test_many_periods_approach_kaplan_meier(fleet):
    _, y = fleet
    flat = DiscreteTimeHazard(60, ridge=0.0).fit(np.zeros((600, 1)), y)
    times = np.array([2.0, 5.0, 8.0, 12.0])
    expected = kaplan_meier(y[:, 0], y[:, 1])(times)
    np.testing.assert_allclose(flat.predict_survival([[0.0]], times).iloc[0], expected, atol=0.01)


def test_the_curve_is_that_of_the_data_it_came_from(fleet, model):
    truth = np.exp(-((5.0 / (10 * np.exp(-0.5 * np.array([-1.0, 0.0, 1.0])))) ** 2))
    found = model.predict_survival([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]], [5.0])[5.0]
    np.testing.assert_allclose(found, truth, atol=0.05)
    # A log hazard ratio of 2 x 0.5 per unit; log-odds are a little larger.
    assert 0.9 < model.coef_[0] < 1.4
    assert abs(model.coef_[1]) < 3e-4
    np.testing.assert_allclose(model.feature_effects_["log_odds"], model.coef_)


def test_periods_hold_about_as_many_failures_each(fleet, model):
    _, y = fleet
    counts = np.histogram(y[y[:, 1] == 1, 0], model.edges_)[0]
    assert counts.max() - counts.min() <= 2
    assert model.edges_[0] == 0.0 and model.edges_[-1] == y[:, 0].max()
    assert model.n_units_ == 600 and model.n_events_ == y[:, 1].sum()


def test_predictions_are_one_curve_seen_from_all_sides(model):
    x = np.array([[0.3, 100.0]])
    survival = lambda t: model.predict_survival(x, np.atleast_1d(t)).to_numpy()[0]  # noqa: E731
    for age in (0.0, 4.2):
        quantile = model.predict_quantile(x, [0.1, 0.5, 0.9], ages=age).to_numpy()[0]
        np.testing.assert_allclose(
            survival(age + quantile) / survival(age), [0.9, 0.5, 0.1], rtol=1e-10
        )
        given = model.predict_survival(x, [1.0, 6.0], ages=[age]).to_numpy()[0]
        np.testing.assert_allclose(given, survival([age + 1, age + 6]) / survival(age), rtol=1e-10)
        grid = np.linspace(0, 300, 60_001)
        area = integrate.simpson(survival(age + grid) / survival(age), x=grid)
        assert model.predict(x, ages=age)[0] == pytest.approx(area, rel=1e-5)
    table = model.predict_rul(pd.DataFrame(x, index=["pump"]), ages=[4.2])
    assert list(table.columns) == ["mean", "q10", "q50", "q90"]
    assert list(table.index) == ["pump"]


def test_the_score_is_the_log_density_of_the_curve(fleet, model):
    X, y = fleet
    lives = model._lives(X[:50])
    step = 1e-6
    t = y[:50, :1]
    slope = (lives.cumulative_hazard(t) - lives.cumulative_hazard(t - step)) / step
    expected = np.where(y[:50, 1] == 1, np.log(slope[:, 0]), 0) - lives.cumulative_hazard(t)[:, 0]
    assert model.score(X[:50], y[:50]) == pytest.approx(expected.mean(), rel=1e-5)


def test_entry_says_from_when_a_unit_was_watched(fleet):
    X, y = fleet
    entry = np.where(y[:, 0] > 4, 3.0, 0.0)
    late = DiscreteTimeHazard(edges=[3, 6, 9, 15]).fit(X, y, entry=entry)
    lives = late._lives(X)
    t, begun = y[:, :1], entry[:, None]
    lost = lives.cumulative_hazard(t) - lives.cumulative_hazard(begun)
    expected = np.where(y[:, 1] == 1, lives.log_hazard(t)[:, 0], 0) - lost[:, 0]
    assert late.score(X, y, entry=entry) == pytest.approx(expected.mean(), rel=1e-12)
    # Leaving entry out counts time as survived that nobody watched.
    early = DiscreteTimeHazard(edges=[3, 6, 9, 15]).fit(X, y)
    first = [m.predict_survival(X, [3.0]).to_numpy().mean() for m in (late, early)]
    assert first[1] > first[0] + 0.05


def test_weights_are_repetitions(fleet):
    X, y = fleet
    weight = np.random.default_rng(1).integers(0, 3, 600)
    weighted = DiscreteTimeHazard(6).fit(X, y, sample_weight=weight)
    repeated = DiscreteTimeHazard(6).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight, axis=0))
    np.testing.assert_array_equal(weighted.edges_, repeated.edges_)
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-6)


def test_any_classifier_can_stand_in(fleet):
    X, y = fleet
    ours = DiscreteTimeHazard(6, classifier=LogisticRegression(0.5)).fit(X, y)
    other = DiscreteTimeHazard(6, classifier=Reference(C=2.0, tol=1e-10, max_iter=1000)).fit(X, y)
    np.testing.assert_allclose(ours.predict(X), other.predict(X), rtol=1e-4)


def test_a_network_learns_hazards_that_are_not_proportional():
    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, 3000)
    # One group fails early, the other late: the curves cross and no odds ratio fits.
    lives = np.where(group == 1, 10 * rng.weibull(0.7, 3000), 10 * rng.weibull(5.0, 3000))
    y = np.column_stack([np.minimum(lives, 20), lives < 20])
    network = MLPClassifier((8,), n_restarts=2, max_epochs=60)
    neural = DiscreteTimeHazard(10, classifier=network).fit(group[:, None], y)
    linear = DiscreteTimeHazard(10).fit(group[:, None], y)
    assert neural.score(group[:, None], y) > linear.score(group[:, None], y) + 0.1
    found = neural.predict_survival([[0.0], [1.0]], [7.0])[7.0]
    np.testing.assert_allclose(found, [np.exp(-(0.7**5)), np.exp(-(0.7**0.7))], atol=0.06)
    assert "objective" in neural.classifier_.history_
    assert not hasattr(neural, "coef_")


def test_a_rate_of_zero_and_a_sure_failure_stay_sensible():
    lives = PiecewiseHazard.of(np.array([0.0, 1.0, 2.0]), np.array([[0.5, 0.0], [0.0, 1.0]]))
    np.testing.assert_allclose(lives.mean_after(np.zeros(2))[0], np.inf)
    assert 1.0 < lives.mean_after(np.zeros(2))[1] < 1.1
    assert lives.time_of(np.full((2, 1), 5.0))[0, 0] == np.inf
    assert 1.0 < lives.time_of(np.full((2, 1), 5.0))[1, 0] < 2.0


def test_edges_without_failures_between_them_are_merged():
    edges = choose_edges(np.array([1.0, 1.0, 1.0, 5.0]), np.array([1, 1, 1, 0]) == 1, np.ones(4), 5)
    assert edges.tolist() == [0.0, 1.0, 5.0]


def test_wrong_data_are_refused(fleet):
    X, y = fleet
    with pytest.raises(NoFiniteMaximum, match="none of the 600 units has failed"):
        DiscreteTimeHazard().fit(X, np.column_stack([y[:, 0], np.zeros(600)]))
    with pytest.raises(ValueError, match="entry must be below the duration, got 99 and"):
        DiscreteTimeHazard().fit(X, y, entry=np.full(600, 99.0))
    with pytest.raises(ValueError, match=r"edges must increase, got \[3.0, 2.0\]"):
        DiscreteTimeHazard(edges=[3.0, 2.0]).fit(X, y)
    with pytest.raises(ValueError, match="n_periods must be a whole number"):
        DiscreteTimeHazard(0).fit(X, y)
    with pytest.raises(ValueError, match="exact or right-censored durations only"):
        DiscreteTimeHazard().fit(X, survival_target(y[:, 0], y[:, 0] + 1))
    with pytest.raises(ValueError, match="X has 600 rows but y has 599"):
        DiscreteTimeHazard().fit(X, y[1:])
    with pytest.raises(ValueError, match="MLPClassifier takes no sample_weight"):
        DiscreteTimeHazard(classifier=MLPClassifier()).fit(X, y, sample_weight=np.arange(600))


def test_what_the_model_learns_has_the_names_of_the_columns():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(80, 1)), columns=["load"])
    y = np.column_stack([rng.weibull(2.0, 80), rng.random(80) < 0.7])
    model = DiscreteTimeHazard(2).fit(X, y)
    expected = ["intercept", "period_1", "period_2", "load"]
    assert model.classifier_.summary().index.tolist() == expected
    both = np.column_stack([X, X])
    with pytest.warns(FitWarning, match="the rows do not determine x0, x1: "):
        DiscreteTimeHazard(2, ridge=0.0).fit(both, y)


def test_units_that_all_fail_in_their_first_period_are_no_basis():
    with pytest.raises(NoFiniteMaximum, match="all 3 units failed in the first period"):
        DiscreteTimeHazard(1).fit([[0.0], [1.0], [2.0]], [1.0, 1.0, 1.0])
