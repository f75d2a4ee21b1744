"""CoxPH: a citizen of scikit-learn, its predictions, and what it says when there is no answer."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import (
    check_sample_weight_equivalence_on_dense_data,
    parametrize_with_checks,
)

from survjax import CoxPH, FitWarning, NoFiniteMaximum, load, survival_target
from survjax.cox import (
    Penalty,
    fit_cox,
    log_partial_likelihood,
    risk_order,
)
from survjax.metrics import concordance
from survjax.nonparametric import kaplan_meier

NOT_APPLICABLE = {
    "check_sample_weight_equivalence_on_sparse_data": "as on dense data, below",
    "check_sample_weight_equivalence_on_dense_data": "it has more columns than rows, which "
    "without a penalty are collinear, and said so; run below with a penalty",
}


# Some checks have lives that a column puts in order: the warning about it is right.
@pytest.mark.filterwarnings("ignore::survjax.FitWarning")
@parametrize_with_checks([CoxPH()], expected_failed_checks=lambda estimator: NOT_APPLICABLE)
def test_scikit_learn_checks_pass(estimator, check):
    check(estimator)


def test_weights_mean_repetition_also_with_more_columns_than_rows():
    for ties in ("efron", "breslow"):
        check_sample_weight_equivalence_on_dense_data("CoxPH", CoxPH(penalty=0.1, ties=ties))


@pytest.fixture(scope="module")
def fleet():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"load": rng.normal(size=200), "site": rng.choice(["a", "b"], 200)})
    table.index = [f"unit {i}" for i in range(200)]
    hazard = np.exp(0.7 * table["load"].to_numpy() + 0.4 * (table["site"] == "b").to_numpy())
    lives = rng.exponential(10 / hazard)
    return table, np.column_stack([np.minimum(lives, 15.0), lives <= 15.0])


def test_every_form_of_the_target_gives_the_same_fit(fleet):
    x, y = fleet[0][["load"]], fleet[1]
    structured = np.empty(len(y), dtype=[("failed", bool), ("days", float)])
    structured["failed"], structured["days"] = y[:, 1], y[:, 0]
    frame = pd.DataFrame({"failed": y[:, 1] == 1, "days": y[:, 0]}, index=x.index)
    expected = CoxPH().fit(x, y)
    for target in (structured, frame):
        np.testing.assert_array_equal(CoxPH().fit(x, target).coef_, expected.coef_)
    assert expected.parameter_names_ == ("load",)
    all_failed = CoxPH().fit(x, y[:, 0])
    assert all_failed.n_events_ == 200


def test_pipelines_searches_and_cross_validation_work(fleet):
    x, y = fleet
    encode = make_column_transformer(
        (OneHotEncoder(drop="first"), ["site"]), (StandardScaler(), ["load"])
    )
    model = make_pipeline(encode, CoxPH())
    scores = cross_val_score(model, x, y, cv=3)
    assert np.all(scores > 0.6)
    search = GridSearchCV(model, {"coxph__penalty": [0.0, 0.1]}, cv=3).fit(x, y)
    assert search.best_score_ >= scores.mean() - 1e-9
    assert clone(model).fit(x, y).predict(x).shape == (200,)


def test_predict_is_the_log_risk_and_score_its_concordance(fleet):
    x, y = fleet[0][["load"]], fleet[1]
    model = CoxPH().fit(x, y)
    risk = model.predict(x)
    np.testing.assert_allclose(risk, x.to_numpy() @ model.coef_)
    assert model.score(x, y) == concordance(y[:, 0], y[:, 1], risk).index
    assert model.hazard_ratios_[0] == pytest.approx(np.exp(model.coef_[0]))


def test_survival_and_quantiles_are_inverse_to_each_other(fleet):
    x, y = fleet[0][["load"]], fleet[1]
    model = CoxPH().fit(x, y)
    ages = np.linspace(0, 8, 200)
    table = model.predict_quantile(x, (0.1, 0.4), ages=ages)
    assert list(table.index) == list(x.index)
    assert list(table.columns)[:4] == ["q10", "q10_lower", "q10_upper", "q40"]
    for i in range(0, 200, 17):
        t = table["q10"].iloc[i]
        if np.isfinite(t):
            row = x.iloc[[i]]
            before, at = model.predict_survival(row, [t - 1e-9, t], ages[[i]], level=None).iloc[0]
            assert before > 0.9 >= at - 1e-9
    finite = np.isfinite(table["q10_upper"])
    assert (table["q10_lower"] <= table["q10"]).all()
    assert (table["q10"] <= table["q10_upper"]).all()
    assert finite.sum() > 100
    pd.testing.assert_frame_equal(model.predict_rul(x, ages, (0.1, 0.4)), table)


def test_bounds_of_quantiles_are_where_bounds_of_survival_cross(fleet):
    x, y = fleet[0][["load"]].iloc[:5], fleet[1]
    model = CoxPH().fit(fleet[0][["load"]], y)
    times = np.unique(y[y[:, 1] == 1, 0])
    curve = model.predict_survival(x, times)
    table = model.predict_quantile(x, [0.3])
    for what, name in (("survival", "q30"), ("lower", "q30_lower"), ("upper", "q30_upper")):
        values = curve[what].to_numpy()
        place = np.argmax(values <= 0.7 + 1e-12, axis=1)
        reached = (values <= 0.7 + 1e-12).any(axis=1)
        expected = np.where(reached, times[place], np.inf)
        np.testing.assert_allclose(table[name], expected)


def test_survival_of_units_that_reached_an_age_is_a_ratio(fleet):
    x, y = fleet[0][["load"]], fleet[1]
    model = CoxPH().fit(x, y)
    given = model.predict_survival(x, [2.0], ages=3.0, level=None)[2.0]
    whole = model.predict_survival(x, [3.0, 5.0], level=None)
    np.testing.assert_allclose(given, whole[5.0] / whole[3.0], rtol=1e-10)


def test_bounds_of_survival_hold_what_they_promise():
    rng = np.random.default_rng(1)
    held = []
    for _ in range(150):
        x = rng.normal(size=(100, 1))
        lives = rng.exponential(np.exp(-0.5 * x[:, 0]))
        y = np.column_stack([np.minimum(lives, 2.0), lives <= 2.0])
        found = CoxPH().fit(x, y).predict_survival([[1.0]], [0.4]).iloc[0]
        truth = np.exp(-0.4 * np.exp(0.5))
        held.append(found["lower", 0.4] <= truth <= found["upper", 0.4])
    assert 0.89 <= np.mean(held) <= 1.0


def test_the_baseline_is_the_curve_of_an_average_unit(fleet):
    x, y = fleet[0][["load"]], fleet[1]
    model = CoxPH().fit(x, y)
    average = model.predict_survival(x.mean().to_frame().T, [1.0, 5.0], level=None).to_numpy()[0]
    np.testing.assert_allclose(np.exp(-model.baseline_([1.0, 5.0])), average, rtol=1e-12)
    population = model.predict_survival(x, [5.0], level=None).mean()
    assert population[5.0] == pytest.approx(float(kaplan_meier(*y.T)(5.0)), abs=0.01)


def test_strata_have_baselines_of_their_own(fleet):
    x, y = fleet
    model = CoxPH().fit(x[["load"]], y, strata=x["site"])
    assert set(model.baseline_) == {"a", "b"}
    found = model.predict_survival(x[["load"]], [4.0], strata=x["site"], level=None)[4.0]
    for site in ("a", "b"):
        rows = (x["site"] == site).to_numpy()
        flat = 0 * x[["load"]][rows] + model.feature_means_[0]
        own = model.predict_survival(flat, [4.0], strata=x["site"][rows], level=None)[4.0]
        np.testing.assert_allclose(own, np.exp(-model.baseline_[site](4.0)), rtol=1e-10)
    assert found.between(0, 1).all()
    with pytest.raises(ValueError, match="fitted with strata .'a', 'b'.: pass strata="):
        model.predict_survival(x[["load"]], [4.0])
    with pytest.raises(ValueError, match="no unit of stratum 'c' was fitted"):
        model.predict_survival(x[["load"]].iloc[:1], [4.0], strata=["c"])


@pytest.mark.parametrize(
    "kinds", [[1, 2], ["1", 2], [True, False], [0.5, 1.5], ["a", "b"]], ids=str
)
def test_strata_may_have_labels_of_any_kind(fleet, kinds):
    x, y = fleet[0][["load"]], fleet[1]
    second = (fleet[0]["site"] == "b").to_numpy()
    labels = pd.Series([kinds[int(k)] for k in second], dtype=object)
    model, expected = CoxPH().fit(x, y, strata=labels), CoxPH().fit(x, y, strata=second)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-12)
    found = model.predict_survival(x, [4.0], strata=labels)
    pd.testing.assert_frame_equal(found, expected.predict_survival(x, [4.0], strata=second))
    labels[3] = None
    with pytest.raises(ValueError, match=r"strata is missing \(NaN\) in row 3"):
        CoxPH().fit(x, y, strata=labels)


def test_rows_of_one_unit_are_clustered(fleet):
    x, y = fleet[0][["load"]], fleet[1]
    cut = y[:, 0] * 0.5
    doubled = pd.concat([x, x], ignore_index=True)
    rows = np.concatenate([np.column_stack([cut, np.zeros(200)]), y])
    entry = np.concatenate([np.zeros(200), cut])
    model = CoxPH(robust=True).fit(x, y)
    parts = CoxPH().fit(doubled, rows, entry=entry, cluster=np.tile(np.arange(200), 2))
    np.testing.assert_allclose(parts.coef_, model.coef_, rtol=1e-9)
    np.testing.assert_allclose(parts.covariance_, model.covariance_, rtol=1e-8)
    assert not np.allclose(model.covariance_, CoxPH().fit(x, y).covariance_, rtol=1e-3)


def test_penalties_are_free_of_units_and_of_the_number_of_rows(fleet):
    x, y = fleet[0][["load"]].assign(wear=np.cos(np.arange(200))), fleet[1]
    model = CoxPH(penalty=0.2, l1_ratio=0.5, ties="breslow").fit(x, y)
    other = CoxPH(penalty=0.2, l1_ratio=0.5, ties="breslow").fit(
        pd.concat([x, x]) * 1000.0, np.concatenate([y, y])
    )
    np.testing.assert_allclose(other.coef_ * 1000.0, model.coef_, rtol=1e-6, atol=1e-9)
    assert model.coef_[1] == 0
    assert 0 < model.coef_[0] < CoxPH().fit(x, y).coef_[0]


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_a_penalty_is_chosen_by_the_partial_likelihood_of_units_held_out(l1_ratio):
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(200, 6)), columns=list("abcdef"))
    lives = rng.exponential(np.exp(-x.to_numpy()[:, :2] @ [0.8, -0.5]))
    y = np.column_stack([np.minimum(lives, 2.0), lives < 2.0])
    model = CoxPH(penalty="cv", l1_ratio=l1_ratio).fit(x, y)
    path = model.penalty_path_
    assert list(path) == ["penalty", "score", "error", *"abcdef"]
    assert model.penalty_ == path["penalty"][path["score"].idxmax()]
    same = CoxPH(penalty=model.penalty_, l1_ratio=l1_ratio).fit(x, y)
    np.testing.assert_allclose(model.coef_, same.coef_)
    assert np.abs(path.loc[0, list("abcdef")]).max() < 0.02
    assert path["score"].max() > path["score"][0] + 0.05
    # By hand: what the units of each fold add to the log partial likelihood of all.
    scores, row = [], path["score"].idxmax()
    fold, shuffled = np.empty(200, int), np.random.default_rng(0).permutation(200)
    # In turn, failures first, in a random order of their places among sorted rows.
    rows = sorted(range(200), key=lambda unit: (*y[unit], *x.iloc[unit]))
    place = {unit: number for number, unit in enumerate(rows)}
    order = sorted(range(200), key=lambda unit: (y[unit, 1] == 0, shuffled[place[unit]]))
    fold[order] = np.arange(200) % 5
    for k in range(5):
        inside = fold != k
        part = fit_cox(
            *y[inside].T,
            x[inside].to_numpy(),
            penalty=Penalty(model.penalty_ * inside.sum(), l1_ratio, unit=x.to_numpy().std(axis=0)),
        )
        whole = log_partial_likelihood(x.to_numpy() @ part.coef, risk_order(*y.T))
        scores.append((float(whole) - part.log_likelihood) / (~inside).sum())
    assert path["score"][row] == pytest.approx(np.mean(scores), abs=1e-4)


def test_the_lasso_agrees_with_scikit_survival(fleet):
    reference = pytest.importorskip("sksurv.linear_model", reason="scikit-survival is missing")
    rng = np.random.default_rng(3)
    x = rng.normal(size=(200, 6))
    time = rng.exponential(np.exp(-x @ [0.8, -0.5, 0.2, 0, 0, 0]))
    event = rng.random(200) < 0.8
    y = np.array(list(zip(event, time, strict=True)), dtype=[("e", bool), ("t", float)])
    other = reference.CoxnetSurvivalAnalysis(
        alphas=[0.08], l1_ratio=0.7, normalize=False, tol=1e-14, max_iter=100_000
    ).fit(x / x.std(axis=0), y)
    model = CoxPH(penalty=0.08, l1_ratio=0.7, ties="breslow").fit(x, y)
    np.testing.assert_allclose(model.coef_ * x.std(axis=0), other.coef_[:, 0], atol=1e-5)


def test_tables_tell_names_and_tests(fleet):
    x, y = fleet[0][["load"]].assign(wear=np.cos(np.arange(200))), fleet[1]
    model = CoxPH().fit(x, y)
    summary = model.summary()
    assert list(summary.index) == ["load", "wear"]
    assert summary.loc["load", "p_value"] < 1e-6 < summary.loc["wear", "p_value"]
    np.testing.assert_allclose(summary["ratio"], model.hazard_ratios_)
    tests = model.tests()
    assert (tests["df"] == 2).all()
    assert (tests["p_value"] < 1e-6).all()
    drift = model.proportionality()
    assert list(drift.index) == ["load", "wear", "overall"]
    assert (drift["p_value"] > 0.001).all()
    assert np.all(np.diff(model.history_["log_likelihood"]) > -1e-9)
    assert model.aic_ == pytest.approx(4 - 2 * model.log_likelihood_)


def test_residuals_come_in_the_order_of_the_rows(fleet):
    x, y = fleet[0][["load"]], fleet[1]
    model = CoxPH().fit(x, y)
    assert model.residuals().sum() == pytest.approx(0, abs=1e-9)
    assert model.residuals("deviance").shape == (200,)
    assert model.residuals("score").sum()["load"] == pytest.approx(0, abs=1e-8)
    assert model.residuals("influence").shape == (200, 1)
    schoenfeld = model.residuals("schoenfeld")
    assert schoenfeld.shape == (int(model.n_events_), 1)
    assert schoenfeld.index.is_monotonic_increasing
    scaled = model.residuals("scaled_schoenfeld")["load"].mean()
    assert scaled == pytest.approx(model.coef_[0], abs=1e-8)
    with pytest.raises(ValueError, match="kind must be one of cox_snell"):
        model.residuals("pearson")


def test_a_column_that_runs_away_is_named_and_gets_no_number(fleet):
    x, y = fleet[0][["load"]], fleet[1]
    x = x.assign(spare=((np.arange(200) % 5 == 0) & (y[:, 1] == 0)).astype(float))
    with pytest.warns(FitWarning, match="no proper maximum: 'spare' runs off to infinity"):
        model = CoxPH().fit(x, y)
    assert model.coef_[1] == -np.inf
    assert np.isnan(model.summary().loc["spare", "standard_error"])
    assert not model.converged_
    assert np.isfinite(model.predict(x)).all()
    chances = model.predict_survival(x, [5.0])
    assert (chances["survival", 5.0][x["spare"] == 1] > 0.999).all()
    assert np.isfinite(CoxPH(penalty=0.01).fit(x, y).coef_).all()


def test_collinear_columns_are_named(fleet):
    x, y = fleet[0][["load"]], fleet[1]
    x = x.assign(kilo=x["load"] / 1000.0 + 3.0, one=2.0)
    with pytest.raises(ValueError, match="'kilo' is a linear comb.*'load'; 'one' is constant"):
        CoxPH().fit(x, y)
    assert np.all(np.isfinite(CoxPH(penalty=0.1).fit(x[["load", "kilo"]], y).coef_))


def test_columns_constant_where_it_counts_are_told_from_constant_ones(fleet):
    x, y = fleet[0][["load"]], fleet[1]
    strata = fleet[0]["site"]
    with pytest.raises(ValueError, match="'b' is constant among all units at risk together"):
        CoxPH().fit(x.assign(b=(strata == "b").astype(float)), y, strata=strata)


def test_a_failure_at_time_zero_and_a_chosen_penalty_outlive_saving(fleet, tmp_path):
    x, y = fleet[0][["load"]], fleet[1].copy()
    y[0] = 0.0, 1.0
    model = CoxPH(penalty="cv").fit(x, y)
    model.save(tmp_path / "model.json")
    again = load(tmp_path / "model.json")
    assert again.penalty_ == model.penalty_
    pd.testing.assert_frame_equal(again.penalty_path_, model.penalty_path_)
    pd.testing.assert_frame_equal(
        again.predict_survival(x, [0.0, 3.0]), model.predict_survival(x, [0.0, 3.0])
    )
    with pytest.raises(ValueError, match="needs the rows that were fitted"):
        again.tests()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x, y: CoxPH().fit(x, y * [1, 0]), NoFiniteMaximum, "none of the 200 units has"),
        (lambda x, y: CoxPH(penalty=-1).fit(x, y), ValueError, "penalty must be a number of at"),
        (lambda x, y: CoxPH(l1_ratio=2).fit(x, y), ValueError, "l1_ratio must lie between"),
        (lambda x, y: CoxPH(ties="exact").fit(x, y), ValueError, "ties must be"),
        (lambda x, y: CoxPH().fit(x, y[:-1]), ValueError, "X has 200 rows but y has 199"),
        (
            lambda x, y: CoxPH().fit(x, survival_target(y[:, 0], y[:, 0] + 1)),
            ValueError,
            "not intervals",
        ),
        (
            lambda x, y: CoxPH().fit(x, y).predict_quantile(x, [1.5]),
            ValueError,
            "quantiles must lie between 0 and 1",
        ),
        (
            lambda x, y: CoxPH().fit(x, y).predict_survival(x, [1.0], strata=["a"] * 200),
            ValueError,
            "fitted without strata",
        ),
        (
            lambda x, y: CoxPH().fit(x, y, cluster=[1, 2]),
            ValueError,
            "cluster must have one entry for each",
        ),
    ],
)
def test_hostile_input_gets_one_clear_error(fleet, call, error, message):
    with pytest.raises(error, match=message):
        call(fleet[0][["load"]], fleet[1])


def test_a_climb_cut_short_is_said(fleet):
    with pytest.warns(FitWarning, match="stopped after 1 Newton steps"):
        CoxPH(max_iter=1).fit(fleet[0][["load"]], fleet[1])
