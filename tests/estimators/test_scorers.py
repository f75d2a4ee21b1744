"""Scorers for cross-validation: the measures themselves, through pipelines and searches."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from survjax import (
    AcceleratedLifetime,
    CoxPH,
    brier_score,
    calibration,
    concordance,
    cumulative_dynamic_auc,
    integrated_brier_score,
    interval_coverage,
    log_score,
    survival_scorer,
    survival_target,
)
from survjax.baselines import DiscreteTimeHazard

TIMES = [5.0, 12.0, 20.0]


@pytest.fixture(scope="module")
def fleet():
    rng = np.random.default_rng(0)
    x = pd.DataFrame({"load": rng.normal(size=240), "heat": rng.normal(300, 20, 240)})
    lives = np.exp(3.0 - 0.5 * x["load"].to_numpy()) * rng.weibull(2.0, 240)
    return x, np.column_stack([np.minimum(lives, 35.0), lives <= 35.0])


@pytest.mark.parametrize("model", [AcceleratedLifetime(), CoxPH()], ids=["accelerated", "cox"])
def test_scores_are_the_measures_with_their_signs_turned_where_less_is_better(fleet, model):
    x, y = fleet
    t, e = y.T
    model.fit(x, y)
    s = model.predict_survival(x, TIMES, level=None).to_numpy()
    risk = model.predict(x) if isinstance(model, CoxPH) else -model.predict(x)
    expected = {
        "concordance": concordance(t, e, risk).index,
        "auc": cumulative_dynamic_auc(t, e, 1.0 - s, TIMES).mean,
        "brier": -integrated_brier_score(t, e, s, TIMES),
        "log": -log_score(t, e, s, TIMES).mean(),
    }
    for name, value in expected.items():
        times = None if name == "concordance" else TIMES
        assert survival_scorer(name, times=times)(model, x, y) == pytest.approx(value, rel=1e-12)
    uno = survival_scorer("concordance", weighting="uno", times=[20.0])(model, x, y)
    chance = 1.0 - s[:, 2]
    assert uno == concordance(t, e, chance, weighting="uno", horizon=20.0).index
    one = survival_scorer("brier", times=12.0)(model, x, y)
    assert one == pytest.approx(-brier_score(t, e, s[:, 1], 12.0)[0])
    groups = survival_scorer("calibration", times=12.0)(model, x, y)
    assert groups == pytest.approx(-calibration(t, e, 1.0 - s[:, 1], 12.0).mean_error)


def test_coverage_is_how_far_intervals_are_from_their_level(fleet):
    x, y = fleet
    model = AcceleratedLifetime().fit(x, y)
    bounds = model.predict_interval(x, level=0.8)
    share = interval_coverage(*y.T, bounds["lower"], bounds["upper"]).share
    score = survival_scorer("coverage", level=0.8)(model, x, y)
    assert score == pytest.approx(-abs(share - 0.8))
    with pytest.raises(ValueError, match="CoxPH has no predict_interval"):
        survival_scorer("coverage")(CoxPH().fit(x, y), x, y)


@pytest.mark.parametrize("measure", ["concordance", "auc", "brier", "log"])
def test_pipelines_and_searches_are_opened(fleet, measure):
    x, y = fleet
    scorer = survival_scorer(measure, times=None if measure == "concordance" else TIMES)
    model = make_pipeline(StandardScaler(), CoxPH())
    folds = KFold(3, shuffle=True, random_state=0)
    scores = cross_val_score(model, x, y, cv=folds, scoring=scorer)
    for (train, test), score in zip(folds.split(x), scores, strict=True):
        inner = CoxPH().fit(x.iloc[train], y[train])
        assert scorer(inner, x.iloc[test], y[test]) == pytest.approx(score, rel=1e-9)
    grid = {"coxph__penalty": [0.0, 0.3]}
    search = GridSearchCV(model, grid, cv=folds, scoring=scorer).fit(x, y)
    assert search.cv_results_["mean_test_score"][0] == pytest.approx(scores.mean(), rel=1e-9)
    assert search.score(x, y) == scorer(search.best_estimator_, x, y)


def test_several_measures_judge_one_run_and_scorers_are_cloned(fleet):
    x, y = fleet
    scorers = {"c": survival_scorer(), "brier": clone(survival_scorer("brier", times=TIMES))}
    found = cross_validate(DiscreteTimeHazard(6), x[["load"]], y, scoring=scorers)
    assert np.all(found["test_c"] > 0.55) and np.all(found["test_brier"] > -0.25)


def test_weights_and_entry_are_routed(fleet):
    x, y = fleet
    entry, weight = 0.3 * y[:, 0], np.arange(240) % 3 + 1.0
    with sklearn.config_context(enable_metadata_routing=True):
        model = AcceleratedLifetime().set_fit_request(entry=True, sample_weight=True)
        scorer = survival_scorer().set_score_request(entry=True, sample_weight=True)
        params = {"entry": entry, "sample_weight": weight}
        routed = cross_val_score(model, x, y, cv=3, scoring=scorer, params=params)
    train, test = next(KFold(3).split(x))
    inner = AcceleratedLifetime().fit(
        x.iloc[train], y[train], entry=entry[train], sample_weight=weight[train]
    )
    risk, rows = -inner.predict(x.iloc[test]), y[test].T
    given = {"entry": entry[test], "sample_weight": weight[test]}
    assert routed[0] == pytest.approx(concordance(*rows, risk, **given).index)


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        (survival_scorer("brier"), "'brier' needs times"),
        (survival_scorer("calibration", times=[1.0, 2.0]), "needs one time, got 2"),
        (survival_scorer("accuracy"), "measure must be one of concordance, auc, brier"),
    ],
)
def test_what_a_scorer_cannot_do_is_said(fleet, scorer, message):
    x, y = fleet
    model = AcceleratedLifetime().fit(x, y)
    with pytest.raises(ValueError, match=message):
        scorer(model, x, y)
    with pytest.raises(ValueError, match="not intervals: for those, use the log-likelihood"):
        survival_scorer()(model, x, survival_target(y[:, 0], y[:, 0] + 1))
    with pytest.raises(ValueError, match="'brier' knows no late entry"):
        survival_scorer("brier", times=TIMES)(model, x, y, entry=0.1 * y[:, 0])
