"""Causes with regressions of their own; references are quadrature and fits of each cause alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate
from sklearn.base import clone

from survjax import (
    AcceleratedLifetime,
    CompetingRegression,
    CompetingRisks,
    CoxPH,
    FitWarning,
    LifetimeModel,
    NoFiniteMaximum,
    ScaledHazard,
    load,
    survival_target,
)

RNG = np.random.default_rng(0)
N = 300
X = RNG.normal(size=(N, 1))
WEAR = 10.0 * np.exp(-0.4 * X[:, 0]) * RNG.weibull(3.0, N)
REMOVAL = RNG.exponential(20.0, N)
AGE = np.minimum(np.minimum(WEAR, REMOVAL), 12.0)
CAUSE = np.where(AGE == 12.0, None, np.where(AGE == WEAR, "wear", "removal"))
SOME, AGES = X[:3], np.array([1.0, 2.0, 3.0])


@pytest.fixture(scope="module")
def model():
    causes = {"wear": AcceleratedLifetime(), "removal": "exponential"}
    return CompetingRegression(causes).fit(X, AGE, CAUSE)


def density_and_survival(model, x):
    """The rate at which wear ends units with a covariate, and the survival of both causes."""
    q = model.models_["wear"].parameters_
    rate = np.exp(-model.models_["removal"].parameters_[0])
    shape, scale = np.exp(q[2]), np.exp(q[0] + q[1] * x)

    def alive(t):
        return np.exp(-((t / scale) ** shape) - rate * t)

    return lambda t: shape / scale * (t / scale) ** (shape - 1.0) * alive(t), alive


def test_each_cause_is_its_own_fit(model):
    wear = AcceleratedLifetime().fit(X, np.column_stack([AGE, CAUSE == "wear"]))
    removal = LifetimeModel("exponential").fit(AGE, CAUSE == "removal")
    np.testing.assert_array_equal(model.models_["wear"].parameters_, wear.parameters_)
    total = wear.log_likelihood_ + removal.log_likelihood_
    assert model.log_likelihood_ == pytest.approx(total, rel=1e-14)
    assert model.n_free_ == 4 and model.converged_
    assert "wear.log_scale:x0" in model.summary().index


def test_chances_of_a_cause_are_the_integral(model):
    found = model.failure_probability(SOME, AGES, 2.0, cause="wear")
    for row, x, age in zip(found["failure_probability"], SOME[:, 0], AGES, strict=True):
        density, alive = density_and_survival(model, x)
        expected = integrate.quad(density, age, age + 2.0)[0] / alive(age)
        assert row == pytest.approx(expected, rel=1e-9)
    other = model.failure_probability(SOME, AGES, 2.0, cause="removal")
    both = model.failure_probability(SOME, AGES, 2.0)
    np.testing.assert_allclose(found.iloc[:, 0] + other.iloc[:, 0], both.iloc[:, 0], rtol=1e-12)


def test_the_end_of_all_is_one_of_the_causes(model):
    found = [model.probability_of(SOME, cause, AGES)["probability"] for cause in model.models_]
    np.testing.assert_allclose(sum(found), 1.0, rtol=1e-12)


def test_incidences_and_bounds_are_those_without_covariates():
    """A column of no effect that is held at zero leaves CompetingRisks."""
    causes = {"wear": AcceleratedLifetime(fixed={"log_scale:x0": 0.0}), "removal": "exponential"}
    model = CompetingRegression(causes).fit(X, AGE, CAUSE)
    plain = CompetingRisks({"wear": "weibull", "removal": "exponential"}).fit(AGE, CAUSE)
    times = [3.0, 8.0]
    found = model.cumulative_incidence(X[:1], times, "wear")
    expected = plain.cumulative_incidence(times, "wear")
    for name in expected.columns:
        np.testing.assert_allclose(found[name].iloc[0], expected[name], rtol=1e-6)
    rul, other = model.predict_rul(X[:1], [2.0]), plain.predict_rul([2.0])
    np.testing.assert_allclose(rul, other, rtol=1e-5)


def test_remaining_life_is_until_any_cause(model):
    table = model.predict_rul(SOME, AGES)
    alone = model.models_["wear"].predict_rul(SOME, AGES)
    assert np.all(table["mean"] < alone["mean"])
    alive = density_and_survival(model, SOME[0, 0])[1]
    mean = integrate.quad(alive, 1.0, 100.0)[0] / alive(1.0)
    assert table["mean"].iloc[0] == pytest.approx(mean, rel=1e-6)


def test_columns_keep_the_center_of_each_cause(model):
    causes = {"wear": ScaledHazard("weibull"), "removal": "exponential"}
    other = CompetingRegression(causes).fit(X + 5.0, AGE, CAUSE)
    assert other.log_likelihood_ == pytest.approx(model.log_likelihood_, rel=1e-10)
    one, two = (m.predict_survival(x, [2.0]) for m, x in ((model, SOME), (other, SOME + 5.0)))
    np.testing.assert_allclose(one, two, rtol=1e-5)


def test_the_picture_shows_the_mean_over_units_and_the_steps(model):
    ax = model.plot()
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["wear", "removal", "Aalen-Johansen (data)"] and len(ax.lines) == 5
    t = np.array([2.0, 6.0, 10.0])
    # Of 300 units every other one stands for all.
    found = model._drawn_incidence(t, "wear", 0.95)[0]
    each = [model.failure_probability(X[::2], horizon=h, cause="wear").iloc[:, 0] for h in t]
    np.testing.assert_allclose(found, np.mean(each, axis=1), rtol=1e-5)


def test_penalties_by_cross_validation_need_known_causes():
    causes = {"wear": AcceleratedLifetime(penalty="cv"), "removal": "exponential"}
    masked = [{"wear", "removal"} if c else None for c in CAUSE]
    with pytest.raises(ValueError, match="penalty='cv' needs every cause known"):
        CompetingRegression(causes).fit(X, AGE, masked)


def test_what_cannot_be_a_cause_is_said():
    causes = {"wear": AcceleratedLifetime(), "removal": "exponential"}
    with pytest.raises(ValueError, match="cannot be a CoxPH"):
        CompetingRegression({"wear": CoxPH(), "removal": "weibull"}).fit(X, AGE, CAUSE)
    with pytest.raises(NoFiniteMaximum, match="cause 'theft'"):
        CompetingRegression({**causes, "theft": "weibull"}).fit(X, AGE, CAUSE)
    with pytest.raises(ValueError, match="causes must be a dict"):
        CompetingRegression().fit(X, AGE, CAUSE)


def two_causes(n=60):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 1))
    wear, shock = rng.weibull(2.0, n) * 10.0 * np.exp(0.5 * x[:, 0]), rng.exponential(15.0, n)
    return x, np.minimum(wear, shock), np.where(wear < shock, "wear", "shock")


@pytest.mark.parametrize(
    "wear",
    [AcceleratedLifetime("weibull", penalty="firth"), ScaledHazard(joint=False)],
    ids=["firth", "two steps"],
)
def test_causes_of_more_than_one_likelihood_are_drawn_again_each_by_its_own_fit(wear, tmp_path):
    x, times, cause = two_causes()
    model = CompetingRegression({"wear": wear, "shock": "exponential"}).fit(x, times, cause)
    alone = clone(wear).fit(x, survival_target(times, cause == "wear"))
    own = [model.parameter_names_.index(f"wear.{name}") for name in alone.parameter_names_]
    np.testing.assert_allclose(model.parameters_[own], alone.parameters_, rtol=1e-6)
    model.bootstrap(20, random_state=3)
    # The same units as often, by fits with weights: of the cause's own model, and a plain rate.
    rng = np.random.default_rng(3)
    for i, found in enumerate(model.bootstrap_.parameters[:3]):
        drawn = rng.multinomial(60, np.full(60, 1.0 / 60.0)).astype(float)
        again = clone(wear).fit(x, survival_target(times, cause == "wear"), sample_weight=drawn)
        np.testing.assert_allclose(found[own], again.parameters_, rtol=2e-3, err_msg=str(i))
        scale = (drawn @ times) / drawn[cause == "shock"].sum()
        assert found[-1] == pytest.approx(np.log(scale), rel=1e-6)
    low, high = model.confidence_interval("survival", x[:2], 5.0, method="bootstrap")
    assert (low < high).all()
    model.save(tmp_path / "model.json")
    kept = load(tmp_path / "model.json")
    np.testing.assert_array_equal(kept.bootstrap_.parameters, model.bootstrap_.parameters)
    bounds = kept.confidence_interval("survival", x[:2], 5.0, method="bootstrap")
    np.testing.assert_allclose(bounds, (low, high), rtol=1e-12)


def test_a_file_of_a_regression_keeps_its_replicates(tmp_path):
    x, times, cause = two_causes()
    model = AcceleratedLifetime("weibull").fit(x, survival_target(times, cause == "wear"))
    model.save(tmp_path / "none.json")
    assert not hasattr(load(tmp_path / "none.json"), "bootstrap_")
    model.bootstrap(20).save(tmp_path / "some.json")
    kept = load(tmp_path / "some.json")
    asked = ("survival", x[:2], 5.0)
    np.testing.assert_allclose(
        kept.confidence_interval(*asked, method="bootstrap"),
        model.confidence_interval(*asked, method="bootstrap"),
        rtol=1e-12,
    )


def test_covariates_that_no_cause_sees_are_said():
    causes = {"wear": "weibull", "removal": "exponential"}
    with pytest.warns(FitWarning, match="no cause sees the covariates"):
        blind = CompetingRegression(causes).fit(X, AGE, CAUSE)
    alone = CompetingRisks(causes).fit(AGE, CAUSE)
    assert blind.log_likelihood_ == pytest.approx(alone.log_likelihood_, abs=1e-8)
