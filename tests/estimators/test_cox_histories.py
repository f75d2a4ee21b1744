"""CoxPH on units whose covariates change: what a unit is, and survival along a plan."""

import itertools

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.model_selection import GroupKFold, cross_val_score

import survjax
from survjax import AcceleratedLifetime, CoxPH
from tests.cox._cases import load
from tests.references import results


def histories(n=150, seed=0):
    """Loads that change every few days."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        goal, age, end = rng.exponential(), 0.0, rng.uniform(8.0, 25.0)
        size = rng.normal()
        while True:
            load = rng.normal()
            rate = 0.01 * np.exp(0.7 * load - 0.4 * size)
            stop = min(age + rng.uniform(1.0, 6.0), end)
            more = rate * (stop**2 - age**2)
            failed = more >= goal
            if failed:
                # Rounded up, so that some fail at one time.
                stop = np.ceil(20 * np.sqrt(goal / rate + age**2)) / 20
            rows.append([i, age, stop, failed, load, size])
            if failed or stop == end:
                break
            goal, age = goal - more, stop
    table = pd.DataFrame(rows, columns=["unit", "start", "stop", "failed", "load", "size"])
    return table.astype({"unit": int})


def whole(n=120, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    lives = 10.0 * rng.exponential(np.exp(-0.7 * x[:, 0])) ** 0.5
    end = rng.uniform(5.0, 25.0, n)
    return x, np.column_stack([np.minimum(lives, end), lives <= end])


def parts(x, y, seed=0):
    """Each life in one to four rows; rows in any order."""
    rng = np.random.default_rng(seed)
    rows = []
    for i, (stop, failed) in enumerate(y):
        edges = [0.0, *np.sort(rng.uniform(0.0, stop, rng.integers(0, 4))), stop]
        rows += [[i, a, b, failed * (b == stop)] for a, b in itertools.pairwise(edges)]
    rows = np.array(rows)[rng.permutation(len(rows))]
    unit = rows[:, 0].astype(int)
    return x[unit], rows[:, 2:], {"entry": rows[:, 1], "unit": unit}


def fit(table, **settings):
    more = {"entry": table["start"], "unit": table["unit"]}
    x, y = table[["load", "size"]], table[["stop", "failed"]].to_numpy(float)
    return CoxPH(**settings).fit(x, y, **more)


@pytest.fixture(scope="module")
def model():
    return fit(histories())


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"robust": True},
        {"penalty": 0.05},
        {"penalty": 0.05, "l1_ratio": 0.5},
        {"penalty": "cv"},
    ],
    ids=["plain", "robust", "ridge", "elastic", "chosen"],
)
def test_cutting_lives_into_rows_changes_nothing(settings):
    x, y = whole()
    expected = CoxPH(**settings).fit(x, y)
    rows, target, more = parts(x, y)
    found = CoxPH(**settings).fit(rows, target, **more)
    assert found.n_units_ == 120 and found.n_events_ == expected.n_events_
    assert found.penalty_ == pytest.approx(expected.penalty_, rel=1e-8)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-8)
    np.testing.assert_allclose(found.covariance_, expected.covariance_, rtol=1e-7, equal_nan=True)
    np.testing.assert_allclose(found.feature_means_, expected.feature_means_, rtol=1e-10)
    np.testing.assert_allclose(found.baseline_.values, expected.baseline_.values, rtol=1e-8)
    assert found.score(rows, target, **more) == pytest.approx(expected.score(x, y), rel=1e-12)


def test_units_change_what_is_counted_and_not_the_estimate(model):
    table = histories()
    x, y = table[["load", "size"]], table[["stop", "failed"]].to_numpy(float)
    plain = CoxPH().fit(x, y, entry=table["start"])
    np.testing.assert_array_equal(model.coef_, plain.coef_)
    np.testing.assert_array_equal(model.covariance_, plain.covariance_)
    assert (model.n_units_, plain.n_units_) == (150, len(table))
    robust = fit(table, robust=True)
    clustered = CoxPH().fit(x, y, entry=table["start"], cluster=table["unit"])
    np.testing.assert_array_equal(robust.covariance_, clustered.covariance_)
    assert not np.allclose(robust.covariance_, CoxPH(robust=True).fit(x, y).covariance_)
    assert robust.tests()["statistic"]["robust_score"] == pytest.approx(
        clustered.tests()["statistic"]["robust_score"]
    )


def test_robust_errors_by_unit_agree_with_r(real_data):
    (time, event, x), options, cluster, expected = load(real_data, "heart_tv_cluster", "efron")
    y = np.column_stack([time, event]).astype(float)
    model = CoxPH(robust=True).fit(x, y, entry=options["entry"], unit=cluster)
    error = np.array(list(expected["robust_se"].values()))
    np.testing.assert_allclose(np.sqrt(np.diag(model.covariance_)), error, rtol=1e-8)
    assert model.n_units_ == np.unique(cluster).size < len(y)
    assert results(real_data, "r_coxph")["heart_tv_cluster"]


ROWS = {"entry": [0.0, 2.0, 0.0], "unit": ["a", "a", "b"]}
ENDS = [[2.0, 0], [5.0, 1], [4.0, 1]]


@pytest.mark.parametrize(
    ("y", "more", "message"),
    [
        (ENDS, {"entry": [0.0, 1.0, 0.0]}, "unit 'a' must follow.*ends at 2.*starts at 1.*overlap"),
        ([[2.0, 1], *ENDS[1:]], {}, "'a' fails at 2 but has rows after that"),
        (ENDS, {"unit": ["a"]}, "unit must have one entry for each of the 3 durations"),
        (ENDS, {"sample_weight": [1.0, 2.0, 1.0]}, "sample_weight must be the same in all rows"),
        (ENDS, {"entry": [0.0, 2.0, 4.0]}, "entry must be below the unit's duration"),
        (ENDS, {"cluster": [0, 1, 1]}, "rows of unit 'a' lie in several clusters"),
    ],
)
def test_units_that_cannot_be_are_refused_by_name(y, more, message):
    x = np.array([[0.0], [1.0], [0.3]])
    with pytest.raises(ValueError, match=message):
        CoxPH().fit(x, y, **ROWS | more)


def test_a_unit_may_be_out_of_sight_for_a_while():
    table = histories()
    seen = table[(table["start"] == 0) | (table["start"] > 6) | (table["failed"] == 1)]
    gone = seen["start"].to_numpy()[1:] > seen["stop"].to_numpy()[:-1]
    assert np.sum(gone & (np.diff(seen["unit"]) == 0)) > 10
    more = {"entry": seen["start"], "unit": seen["unit"]}
    x, y = seen[["load", "size"]], seen[["stop", "failed"]].to_numpy(float)
    assert np.all(np.isfinite(CoxPH().fit(x, y, **more).coef_))
    with pytest.raises(ValueError, match="must follow one another.*fill gaps"):
        AcceleratedLifetime().fit(x, y, **more)


def test_unit_is_routed_through_cross_validation():
    table = histories()
    x, y = table[["load", "size"]], table[["stop", "failed"]].to_numpy(float)
    more = {"entry": table["start"].to_numpy(), "unit": table["unit"].to_numpy()}
    with sklearn.config_context(enable_metadata_routing=True):
        asked = CoxPH().set_fit_request(unit=True, entry=True)
        asked.set_score_request(unit=True, entry=True)
        params = more | {"groups": more["unit"]}
        scores = cross_val_score(asked, x, y, cv=GroupKFold(3), params=params)
    assert np.all(scores > 0.6)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_a_plan_that_changes_nothing_is_the_ordinary_survival(ties):
    model = fit(histories(), ties=ties)
    plan, edges = np.tile([0.7, -0.2], (4, 1)), np.array([1.0, 2.0, 5.0, 9.0, 12.0])
    x = pd.DataFrame(plan, columns=["load", "size"])
    found = model.predict_path(x, edges, level=0.9)
    ahead = edges[1:] - 1.0
    survival = model.predict_survival(x[:1], ahead, 1.0, level=0.9)
    for name in ("survival", "lower", "upper"):
        np.testing.assert_allclose(found.survival[name], survival[name].iloc[0], rtol=1e-10)
    rul = model.predict_rul(x[:1], 1.0, level=0.9, horizon=11.0).iloc[0]
    names = ["restricted_mean", "restricted_mean_lower", "restricted_mean_upper"]
    np.testing.assert_allclose(
        [found.mean, found.mean_lower, found.mean_upper], rul[names], rtol=1e-10
    )
    assert found.horizon == 11.0
    late = model.predict_path(x, edges + 3.0, age=1.0, level=0.9)
    np.testing.assert_array_equal(late.survival, found.survival)
    assert list(late.survival.index) == list(edges[1:] + 3.0)


def test_survival_along_a_plan_is_the_formula():
    # Breslow's sums written out, with the variance of Therneau and Grambsch, section 10.2.4.
    table = histories()
    model = fit(table, ties="breslow")
    plan, edges = np.array([[0.5, 1.0], [-1.0, 1.0], [1.5, 1.0]]), [0.0, 4.0, 7.5, 11.0]
    found = model.predict_path(pd.DataFrame(plan, columns=["load", "size"]), edges)
    x = table[["load", "size"]].to_numpy()
    hazard, spread, pull = 0.0, 0.0, np.zeros(2)
    for k in range(3):
        for t in np.unique(table["stop"][table["failed"] == 1]):
            if not edges[k] < t <= edges[k + 1]:
                continue
            at_risk = (table["start"] < t) & (t <= table["stop"])
            weight = np.where(at_risk, np.exp(x @ model.coef_), 0.0)
            failed = np.sum((table["stop"] == t) & (table["failed"] == 1))
            ratio, mean = np.exp(plan[k] @ model.coef_), weight @ x / weight.sum()
            hazard += ratio * failed / weight.sum()
            spread += ratio**2 * failed / weight.sum() ** 2
            pull += ratio * (plan[k] - mean) * failed / weight.sum()
        error = np.sqrt(spread + pull @ model.covariance_ @ pull) / hazard
        row = found.survival.iloc[k]
        assert row["survival"] == pytest.approx(np.exp(-hazard), rel=1e-10)
        ends = np.exp(-hazard * np.exp(np.array([1.0, -1.0]) * 1.959963984540054 * error))
        np.testing.assert_allclose(row[["lower", "upper"]], ends, rtol=1e-9)


def test_errors_along_a_plan_are_those_of_fits_to_resampled_units():
    table = histories(250)
    plan = pd.DataFrame([[0.5, 1.0], [-1.0, 1.0], [1.0, 1.0]], columns=["load", "size"])
    edges = [0.0, 4.0, 8.0, 12.0]
    found = fit(table, robust=True).predict_path(plan, edges, level=0.68268949)
    rng, again = np.random.default_rng(1), []
    rows_of = list(table.groupby("unit").indices.values())
    for _ in range(300):
        drawn = [rows_of[i] for i in rng.integers(0, 250, 250)]
        names = np.repeat(np.arange(250), [len(rows) for rows in drawn])
        sample = table.iloc[np.concatenate(drawn)].assign(unit=names)
        one = fit(sample).predict_path(plan, edges)
        again.append([*np.log(-np.log(one.survival["survival"])), one.mean])
    lower, upper = (np.log(-np.log(found.survival[name])) for name in ("upper", "lower"))
    half = np.append(0.5 * (upper - lower), 0.5 * (found.mean_upper - found.mean_lower))
    # 300 resamples give a standard deviation within some 8 percent.
    np.testing.assert_allclose(half, np.std(again, axis=0), rtol=0.2)


def test_bounds_along_a_plan_hold_the_truth():
    plan = pd.DataFrame([[1.0, 0.0], [-1.0, 0.0]], columns=["load", "size"])
    rate = 0.01 * np.exp([0.7, -0.7])
    truth = np.exp(-np.cumsum(rate * np.diff(np.array([0.0, 5.0, 9.0]) ** 2)))
    held = []
    for seed in range(200):
        found = fit(histories(100, seed)).predict_path(plan, [0.0, 5.0, 9.0]).survival
        held.append((found["lower"] <= truth) & (truth <= found["upper"]))
    # Two standard errors of 200 simulations are 3 percent.
    np.testing.assert_allclose(np.mean(held, axis=0), 0.95, atol=0.035)


def test_the_gradient_says_what_a_small_change_of_the_plan_does(model):
    plan, edges = np.array([[0.5, 1.0], [-1.0, 1.0], [1.5, 1.0]]), [0.0, 4.0, 7.5, 11.0]
    names = ["load", "size"]
    found, step = model.predict_path(pd.DataFrame(plan, columns=names), edges), 1e-5
    assert list(found.gradient.index) == edges[:-1] and list(found.gradient) == names
    for place in np.ndindex(plan.shape):
        away = np.zeros(plan.shape)
        away[place] = step
        high, low = (
            model.predict_path(pd.DataFrame(plan + side * away, columns=names), edges).mean
            for side in (1, -1)
        )
        slope = (high - low) / (2 * step)
        assert found.gradient.iloc[place] == pytest.approx(slope, rel=1e-6)


def test_before_the_first_failure_all_run_and_beyond_the_last_there_is_no_mean(model):
    plan = pd.DataFrame(np.zeros((2, 2)), columns=["load", "size"])
    first, last = model.baseline_.times[[0, -1]]
    early = model.predict_path(plan, [0.0, first / 4, first / 2])
    np.testing.assert_array_equal(early.survival.to_numpy(), 1.0)
    assert early.mean == early.mean_lower == early.mean_upper == first / 2
    assert np.all(early.gradient == 0.0)
    late = model.predict_path(plan, [0.0, last, last + 1.0])
    assert late.survival["survival"].nunique() == 1
    assert np.isnan([late.mean, late.mean_lower, late.mean_upper]).all()
    assert late.gradient.isna().all(axis=None)


def test_strata_may_change_along_a_plan_and_a_saved_model_follows_it(tmp_path):
    table = histories()
    site = np.where(table["unit"] % 2, "a", "b")
    x, y = table[["load", "size"]], table[["stop", "failed"]].to_numpy(float)
    model = CoxPH().fit(x, y, entry=table["start"], unit=table["unit"], strata=site)
    plan, edges = x.iloc[:2] * 0.0, [0.0, 4.0, 9.0]
    moved = model.predict_path(plan, edges, strata=["a", "b"])
    hazards = {
        s: -np.log(model.predict_survival(plan[:1], [4.0, 9.0], level=None, strata=[s]).iloc[0])
        for s in ("a", "b")
    }
    total = hazards["a"][4.0] + hazards["b"][9.0] - hazards["b"][4.0]
    assert moved.survival["survival"].iloc[1] == pytest.approx(np.exp(-total), rel=1e-10)
    stays = model.predict_path(plan, edges, strata="a")
    assert stays.survival["survival"].iloc[1] == pytest.approx(np.exp(-hazards["a"][9.0]))
    model.save(tmp_path / "cox.json")
    loaded = survjax.load(tmp_path / "cox.json")
    assert loaded.predict_path(plan, edges, strata="a").survival.equals(stays.survival)
    with pytest.raises(ValueError, match="pass strata="):
        model.predict_path(plan, edges)


@pytest.mark.parametrize(
    ("edges", "more", "message"),
    [
        ([0.0, 1.0], {}, "edges must have one entry more than X has rows, got 2 for 2 rows"),
        ([0.0, 2.0, 1.0], {}, "edges must be increasing"),
        ([0.0, 1.0, np.nan], {}, "edges"),
        ([0.0, 1.0, 2.0], {"age": -1.0}, "age must be a finite number at least zero, got -1"),
        ([0.0, 1.0, 2.0], {"level": 2.0}, "level must"),
        ([0.0, 1.0, 2.0], {"strata": "a"}, "fitted without strata"),
    ],
)
def test_plans_that_cannot_be_are_refused(model, edges, more, message):
    with pytest.raises(ValueError, match=message):
        model.predict_path(pd.DataFrame(np.zeros((2, 2)), columns=["load", "size"]), edges, **more)
