"""Several causes: references, what must not matter, and what is said where there is no answer."""

import numpy as np
import pandas as pd
import pytest

from survjax import CompetingRisks, LifetimeModel, NoFiniteMaximum, Observations, load
from survjax.lifetimes import Weibull

CAUSES = {"wear": "weibull", "shock": "exponential"}


def simulated(n=60, seed=3):
    """Durations that wear, shock or the end of a study end, with late entry."""
    rng = np.random.default_rng(seed)
    wear, shock = 10.0 * rng.weibull(2.5, 4 * n), rng.exponential(14.0, 4 * n)
    end, entry = rng.uniform(4.0, 14.0, 4 * n), rng.uniform(0.0, 4.0, 4 * n)
    t = np.minimum(np.minimum(wear, shock), end)
    seen = t > entry
    cause = np.where(t == end, None, np.where(t == wear, "wear", "shock"))
    return t[seen][:n], cause[seen][:n], entry[seen][:n]


T, CAUSE, ENTRY = simulated()
MASKED = [{"wear", "shock"} if i % 6 == 0 and c else c for i, c in enumerate(CAUSE)]


@pytest.fixture(scope="module")
def model():
    return CompetingRisks(CAUSES).fit(T, CAUSE, entry=ENTRY)


@pytest.fixture(scope="module")
def masked():
    return CompetingRisks(CAUSES).fit(T, MASKED, entry=ENTRY)


def test_one_cause_is_a_lifetime_model(model):
    failed = np.array([c == "wear" for c in CAUSE])
    alone = LifetimeModel("weibull").fit(T, failed, entry=ENTRY)
    single = CompetingRisks({"wear": "weibull"}).fit(T, np.where(failed, "wear", None), entry=ENTRY)
    assert single.log_likelihood_ == alone.log_likelihood_
    np.testing.assert_array_equal(single.covariance_, alone.covariance_)
    ages = pd.Series([0.0, 5.0], index=["x", "y"])
    pd.testing.assert_frame_equal(single.predict_rul(ages), alone.predict_rul(ages), rtol=1e-9)
    whole = alone.failure_probability(ages, 3.0)
    for cause in (None, "wear"):
        found = single.failure_probability(ages, 3.0, cause=cause)
        pd.testing.assert_frame_equal(found, whole, rtol=1e-7)
    # The other cause's part of the likelihood is its own.
    np.testing.assert_allclose(model.parameters_[:2], alone.parameters_, rtol=1e-12)
    assert model._rows.n_units == T.size


def test_shares_of_causes_add_up(model, masked):
    for fit in (model, masked):
        t = np.array([0.5, 3.0, 9.0, 30.0])
        ended = sum(fit.cumulative_incidence(t, c, level=None) for c in CAUSES)
        np.testing.assert_allclose(ended + fit.survival(t), 1.0, rtol=1e-11)
        ages = np.array([0.0, 2.0, 8.0])
        each = [fit.failure_probability(ages, 2.0, cause=c) for c in CAUSES]
        total = fit.failure_probability(ages, 2.0)["failure_probability"]
        np.testing.assert_allclose(sum(f["failure_probability"] for f in each), total, rtol=1e-11)
        last = [fit.probability_of(c, ages)["probability"] for c in CAUSES]
        np.testing.assert_allclose(sum(last), 1.0, rtol=1e-11)
        rates = sum(fit.hazard(t, c) for c in CAUSES)
        np.testing.assert_allclose(rates, fit.hazard(t), rtol=1e-13)
        sums = sum(fit.cumulative_hazard(t, c, ages=1.0) for c in CAUSES)
        np.testing.assert_allclose(sums, fit.cumulative_hazard(t, ages=1.0), rtol=1e-12)


def test_bounds_are_those_of_differences(model):
    def value(x, t):
        moved = CompetingRisks(CAUSES)
        vars(moved).update(vars(model))
        moved.parameters_ = x
        moved._derive()
        return np.log(-np.log1p(-moved.cumulative_incidence(t, "wear", level=None)))

    t = np.array([1.0, 6.0, 40.0])
    found = model.cumulative_incidence(t, "wear", level=0.9)
    step = 1e-5
    slope = np.array(
        [
            (value(model.parameters_ + e, t) - value(model.parameters_ - e, t)) / (2 * step)
            for e in step * np.eye(3)
        ]
    )
    error = np.sqrt(np.einsum("pn,pq,qn->n", slope, model.covariance_, slope))
    for bound, side in (("lower", -1.0), ("upper", 1.0)):
        end = value(model.parameters_, t) + side * 1.6448536269514722 * error
        np.testing.assert_allclose(found[bound], -np.expm1(-np.exp(end)), rtol=1e-6)


def test_answers_keep_the_index_of_the_caller(model):
    ages = pd.Series([2.0, 5.0], index=["x", "y"])
    for found in (
        model.failure_probability(ages, 1.0, cause="wear"),
        model.probability_of("shock", ages),
        model.predict_rul(ages, cause="wear"),
    ):
        assert list(found.index) == ["x", "y"]
        assert (found.iloc[:, 1] <= found.iloc[:, 0]).all()
    assert list(model.cumulative_incidence([1.0, 2.0], "wear").index) == [1.0, 2.0]
    assert isinstance(model.cumulative_incidence(2.0, "wear", level=None), float)
    empty = model.cumulative_incidence([0.0], "wear")
    assert (empty.to_numpy() == 0.0).all()


@pytest.mark.slow
def test_latent_lives_of_a_cause_are_those_of_its_lifetime(model):
    found = model.predict_rul([3.0], cause="wear")
    assert found["q50"][0] == pytest.approx(
        float(model.lifetimes_["wear"].given(3.0).quantile(0.5)), rel=1e-6
    )
    assert (model.predict_rul([3.0])["q50"] < found["q50"]).all()
    low, high = model.confidence_interval("scale", cause="wear")
    assert low < model.summary().loc["wear.scale", "estimate"] < high
    profile = model.confidence_interval("scale", cause="wear", method="profile")
    assert profile == pytest.approx((low, high), rel=0.1)
    low, high = model.confidence_interval("survival", 3.0)
    assert low < model.survival(3.0) < high


def test_the_unit_of_time_and_the_order_of_rows_change_nothing(masked):
    order = np.random.default_rng(0).permutation(T.size)
    again = CompetingRisks(CAUSES).fit(T[order], [MASKED[i] for i in order], entry=ENTRY[order])
    np.testing.assert_array_equal(again.parameters_, masked.parameters_)
    days = CompetingRisks(CAUSES).fit(365.25 * T, MASKED, entry=365.25 * ENTRY)
    moved = masked.parameters_ + np.array([1.0, 0.0, 1.0]) * np.log(365.25)
    np.testing.assert_allclose(days.parameters_, moved, rtol=1e-9)
    found = days.failure_probability(365.25 * T[:3], 365.25, cause="shock")
    expected = masked.failure_probability(T[:3], 1.0, cause="shock")
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_weights_stand_for_repeated_rows(masked):
    weight = 1.0 + np.arange(T.size) % 3
    rows = np.repeat(np.arange(T.size), weight.astype(int))
    for cause in (list(CAUSE), MASKED):
        one = CompetingRisks(CAUSES).fit(T, cause, entry=ENTRY, sample_weight=weight)
        many = CompetingRisks(CAUSES).fit(T[rows], [cause[i] for i in rows], entry=ENTRY[rows])
        np.testing.assert_allclose(one.parameters_, many.parameters_, rtol=1e-10)
        assert one.log_likelihood_ == pytest.approx(many.log_likelihood_, rel=1e-12)
        score = one.score(T, cause, entry=ENTRY, sample_weight=weight)
        assert score * weight.sum() == pytest.approx(one.log_likelihood_, rel=1e-11)


@pytest.mark.parametrize("kind", ["separate", "masked"])
def test_files_keep_every_answer(kind, model, masked, tmp_path):
    fit = {"separate": model, "masked": masked}[kind]
    fit.save(tmp_path / "model.json")
    again = load(tmp_path / "model.json")
    for one, other in (
        (fit.summary(), again.summary()),
        (
            fit.failure_probability([1.0, 4.0], 2.0, cause="wear"),
            again.failure_probability([1.0, 4.0], 2.0, cause="wear"),
        ),
        (fit.predict_rul([4.0], cause="shock"), again.predict_rul([4.0], cause="shock")),
    ):
        pd.testing.assert_frame_equal(one, other)
    assert again.certificate_ == fit.certificate_ and again.aic_ == fit.aic_
    with pytest.raises(ValueError, match="needs the rows"):
        again.confidence_interval("scale", cause="wear", method="profile")


def test_files_keep_causes_that_are_numbers(tmp_path):
    fit = CompetingRisks({1: "weibull", 2: Weibull.of(1.0, 1.0)}).fit(
        [1.0, 2.0, 3.0, 5.0], [1, 2] * 2
    )
    fit.save(tmp_path / "model.json")
    again = load(tmp_path / "model.json")
    assert list(again.lifetimes_) == [1, 2]
    np.testing.assert_array_equal(again.parameters_, fit.parameters_)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cause": None}, "cause is missing"),
        ({"cause": ["rust", *CAUSE[1:]]}, r"'rust' in row 0 \(1 such row\)"),
        ({"cause": CAUSE[1:]}, "one entry for each of the 60 durations"),
        ({"durations": [np.nan, *T[1:]]}, "durations must be numbers, got nan in row 0"),
        ({"durations": [0.0, *T[1:]], "cause": ["wear", *CAUSE[1:]]}, "must be positive"),
        ({"sample_weight": np.ones(3)}, "sample_weight must have one entry"),
        ({"entry": T + 1.0}, "entry"),
    ],
)
def test_hostile_input_is_one_clear_error(change, message):
    given = {"durations": T, "cause": CAUSE} | change
    with pytest.raises(ValueError, match=message):
        CompetingRisks(CAUSES).fit(**given)


@pytest.mark.parametrize(
    ("causes", "message"),
    [
        (None, "causes must be a dict"),
        (["wear"], "causes must be a dict"),
        ({}, "causes is empty"),
        ({"wear": "weibul"}, "cause 'wear': lifetime must be one of"),
        ({"": "weibull"}, "means a unit still running"),
    ],
)
def test_causes_are_checked(causes, message):
    with pytest.raises(ValueError, match=message):
        CompetingRisks(causes).fit(T, CAUSE)


def test_a_cause_without_an_answer_is_named():
    with pytest.raises(NoFiniteMaximum, match="has ended of cause 'rust'"):
        CompetingRisks({**CAUSES, "rust": "weibull"}).fit(T, CAUSE)
    with pytest.raises(NoFiniteMaximum, match="none of the 60 units has ended of any cause"):
        CompetingRisks(CAUSES).fit(T, [None] * T.size)
    with pytest.raises(NoFiniteMaximum, match="cause 'b': the likelihood"):
        CompetingRisks({"a": "weibull", "b": "weibull"}).fit([1.0, 2.0, 3.0], ["a", "a", "b"])


def test_observations_and_their_causes_must_agree():
    rows = Observations.from_durations([1.0, 2.0, 3.0], [1, 0, 1])
    with pytest.raises(ValueError, match=r"row 2 ended, and has no cause \(1 such row\)"):
        CompetingRisks(CAUSES).fit(rows, ["wear", None, None])
    with pytest.raises(ValueError, match=r"row 1 still runs, and has a cause"):
        CompetingRisks(CAUSES).fit(rows, ["wear", "wear", "shock"])


def test_what_is_asked_of_an_unknown_cause_is_an_error(model):
    with pytest.raises(ValueError, match="cause must be one of 'wear', 'shock', got 'rust'"):
        model.failure_probability([1.0], cause="rust")
    with pytest.raises(ValueError, match="not fitted yet"):
        CompetingRisks(CAUSES).cumulative_incidence([1.0], "wear")


def test_the_picture_shows_curves_over_steps(model, masked):
    lines = model.plot().get_lines()
    assert len(lines) == 5
    assert [line.get_label() for line in lines[::2]] == ["wear", "shock", "Aalen-Johansen (data)"]
    assert len(masked.plot().get_lines()) == 2
    assert model.plot("survival").get_title(loc="left") == "Survival"
