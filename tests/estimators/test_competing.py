"""Several causes: references, what must not matter, and what is said where there is no answer."""

import json

import numpy as np
import pandas as pd
import pytest

from survjax import CompetingRisks, FitWarning, LifetimeModel, NoFiniteMaximum, Observations, load
from survjax.lifetimes import LogNormal, Mixture, Weibull

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


def reference_rows(folder, case):
    """Durations, causes and weights of a case of the references."""
    files = {
        "shockabsorber": ("reference/csv/shockabsorber.csv", "time", ["m1", "m2"]),
        "deviceg": ("reference/csv/deviceg.csv", "time", ["surge", "wear"]),
        "voltage": ("reference/csv/voltage.csv", "time", ["E", "D"]),
        "devicedconnected": (
            "smrd/devicedconnected.csv",
            "weeks",
            [f"causeoffailure.{name}" for name in ("fm1", "fm2", "fm3", "fmother")],
        ),
    }
    if case == "connectionstrength":
        table = pd.read_csv(folder / "smrd/connectionstrength.csv")
        number = table["mode"].map({"Bond": 1, "Wire": 2}).to_numpy()
        return table["strength"].to_numpy(float), number, table["count"].to_numpy(float)
    file, time, columns = files[case]
    table = pd.read_csv(folder / file)
    flags = table[columns].to_numpy() == 1
    kept = (table[time] > 0).to_numpy() & (flags.sum(axis=1) < 2)
    number = np.where(flags.any(axis=1), flags.argmax(axis=1) + 1, 0)
    return table[time].to_numpy(float)[kept], number[kept], None


def test_fits_and_incidences_are_those_of_the_references(real_data):
    cases = json.loads((real_data / "reference/competing_refs.json").read_text())["fits"]
    for case in cases:
        t, number, weight = reference_rows(real_data, case["case"])
        causes = {part["cause"]: part["family"] for part in case["causes"]}
        fit = CompetingRisks(causes).fit(t, number, sample_weight=weight)
        assert fit.log_likelihood_ == pytest.approx(case["loglik"], rel=1e-12)
        at = [float(time) for time in case["cif"]]
        for i, part in enumerate(case["causes"]):
            found = fit.cumulative_incidence(at, part["cause"], level=None)
            expected = np.array(list(case["cif"].values()))[:, i]
            np.testing.assert_allclose(found, expected, rtol=1e-10)
            values = LifetimeModel(part["family"])
            values._template = None
        if case["model"] == "weibull":
            scales = np.exp(fit.parameters_[::2])
            expected = [part["est"]["scale"] for part in case["causes"]]
            np.testing.assert_allclose(scales, expected, rtol=1e-8)


def test_fits_with_masked_causes_are_those_of_the_references(real_data):
    cases = json.loads((real_data / "reference/competing_refs.json").read_text())["masked"]
    for case in cases:
        t, number, _ = reference_rows(real_data, case["case"])
        cause = [int(k) for k in number]
        for row in case["masked_rows_zero_based"]:
            cause[row] = {1, 2}
        fit = CompetingRisks({1: "weibull", 2: "weibull"}).fit(t, cause)
        assert fit.converged_
        assert fit.log_likelihood_ == pytest.approx(case["loglik"], rel=1e-12)
        np.testing.assert_allclose(np.exp(fit.parameters_), list(case["est"].values()), rtol=1e-8)
        np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance_)), case["se_log"], rtol=1e-6)


def test_three_masked_components_are_those_that_were_published(real_data):
    special = json.loads((real_data / "reference/special_models.json").read_text())
    expected = special["guo2013_masked_series"]
    table = pd.read_csv(real_data / expected["data"])
    cause = [{k for k in (1, 2, 3) if row[f"cand{k}"]} for _, row in table.iterrows()]
    fit = CompetingRisks(dict.fromkeys((1, 2, 3), "weibull")).fit(table["time"], cause)
    assert fit.log_likelihood_ == pytest.approx(expected["loglik"], rel=1e-12)
    np.testing.assert_allclose(np.exp(fit.parameters_[1::2]), expected["shape"], rtol=1e-7)
    np.testing.assert_allclose(np.exp(fit.parameters_[::2]), expected["scale"], rtol=1e-6)
    errors = np.sqrt(np.diag(fit.covariance_))
    np.testing.assert_allclose(sorted(errors), sorted(expected["se_log"]), rtol=1e-5)


def test_causes_that_nothing_tells_apart_are_found_and_said(real_data):
    table = pd.read_csv(real_data / "reliability/doc_cr_ex2.csv")
    t = table.iloc[:, 0].to_numpy(float)
    with pytest.warns(FitWarning, match="no row tells the causes 'a', 'b' apart"):
        fit = CompetingRisks({"a": "weibull", "b": "weibull"}).fit(t, [("a", "b")] * t.size)
    assert fit.log_likelihood_ == pytest.approx(-352.47928086158385, rel=1e-12)


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


def test_rounded_durations_are_intervals(model):
    rounded = CompetingRisks(CAUSES, resolution=0.01).fit(np.ceil(100 * T) / 100, CAUSE)
    exact = CompetingRisks(CAUSES).fit(T, CAUSE)
    np.testing.assert_allclose(rounded.parameters_, exact.parameters_, atol=0.01)
    n = model.n_events_
    assert rounded.log_likelihood_ - n * np.log(0.01) == pytest.approx(
        exact.log_likelihood_, abs=0.2
    )


def test_a_large_sample_gives_back_what_it_was_drawn_from():
    truth = {"a": Weibull.of(8.0, 2.0), "b": LogNormal(np.log(9.0), np.log(1.5))}
    rng = np.random.default_rng(5)
    lives = np.stack([8.0 * rng.weibull(2.0, 20_000), 9.0 * np.exp(rng.normal(size=20_000) / 1.5)])
    cause = np.where(lives.argmin(axis=0) == 0, "a", "b")
    fit = CompetingRisks({"a": "weibull", "b": "lognormal"}).fit(lives.min(axis=0), cause)
    expected = [np.log(8.0), np.log(2.0), np.log(9.0), np.log(1.5)]
    z = (fit.parameters_ - expected) / np.sqrt(np.diag(fit.covariance_))
    assert np.abs(z).max() < 3.5
    drawn = fit.sample(20_000, random_state=1)
    share = fit.probability_of("a").iloc[0]
    assert abs((drawn["cause"] == "a").mean() - share["probability"]) < 0.015
    assert abs((cause == "a").mean() - share["probability"]) < 0.015
    assert drawn["duration"].mean() == pytest.approx(fit.mean(), rel=0.02)
    assert set(truth) == set(fit.lifetimes_)


def test_a_cause_may_be_a_mixture():
    rng = np.random.default_rng(2)
    early = rng.random(400) < 0.3
    wear = np.where(early, 2.0 * rng.weibull(1.5, 400), 20.0 * rng.weibull(4.0, 400))
    other = rng.exponential(40.0, 400)
    two = Mixture.of(np.array([0.5, 0.5]), Weibull.of(np.array([1.0, 9.0]), np.ones(2)))
    cause = np.where(wear < other, "wear", "other")
    fit = CompetingRisks({"wear": two, "other": "exponential"}).fit(np.minimum(wear, other), cause)
    assert fit.converged_
    names = ["wear.weight_1", "wear.weight_2", "wear.scale_1", "wear.scale_2"]
    assert list(fit.summary().index[:4]) == names
    t = np.array([1.0, 10.0, 25.0])
    ended = sum(fit.cumulative_incidence(t, c, level=None) for c in ("wear", "other"))
    np.testing.assert_allclose(ended + fit.survival(t), 1.0, rtol=1e-10)


@pytest.mark.parametrize("kind", ["separate", "masked"])
def test_files_keep_every_answer(kind, model, masked, tmp_path):
    fit = {"separate": model, "masked": masked}[kind]
    fit.save(tmp_path / "model.json")
    again = load(tmp_path / "model.json")
    for one, other in (
        (fit.summary(), again.summary()),
        (fit.failure_probability([1.0, 4.0], 2.0, cause="wear"),) * 2,
        (fit.predict_rul([4.0], cause="shock"), again.predict_rul([4.0], cause="shock")),
    ):
        pd.testing.assert_frame_equal(one, other)
    assert again.certificate_ == fit.certificate_ and again.aic_ == fit.aic_
    with pytest.raises(ValueError, match="there are delta bounds"):
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
    with pytest.raises(ValueError, match="method='profile' is for one cause"):
        model.confidence_interval("survival", 1.0, method="profile")
    with pytest.raises(ValueError, match="not fitted yet"):
        CompetingRisks(CAUSES).cumulative_incidence([1.0], "wear")


def test_the_picture_shows_curves_over_steps(model, masked):
    lines = model.plot().get_lines()
    assert len(lines) == 4
    assert [line.get_label() for line in lines[::2]] == ["wear", "shock"]
    assert len(masked.plot().get_lines()) == 2
    assert model.plot("survival").get_title(loc="left") == "Survival"
