"""Regression estimators are citizens of scikit-learn."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import (
    check_sample_weight_equivalence_on_dense_data,
    parametrize_with_checks,
)

from survjax import (
    AcceleratedLifetime,
    DeepWeibullMixture,
    MixtureRegression,
    ScaledHazard,
    survival_target,
)

MODELS = [AcceleratedLifetime(), ScaledHazard(), MixtureRegression(1, on=["scale"])]
# A check that cannot apply, with the reason.
NOT_APPLICABLE = {
    "check_sample_weight_equivalence_on_sparse_data": "as on dense data, below",
    "check_sample_weight_equivalence_on_dense_data": "it has more columns than rows: without a "
    "penalty they are collinear, and said so; with one, covariates explain the lives exactly, and "
    "a shape has no finite maximum. ScaledHazard with a ridge runs it below",
}


# Some checks have lives that covariates explain exactly: the warning about it is right.
@pytest.mark.filterwarnings("ignore::survjax.FitWarning")
@parametrize_with_checks(MODELS, expected_failed_checks=lambda estimator: NOT_APPLICABLE)
def test_scikit_learn_checks_pass(estimator, check):
    check(estimator)


# The default number of components, and networks: the same checks at a higher price.
DEAR = [MixtureRegression(), DeepWeibullMixture(layers=(2,), n_members=2, max_epochs=3)]
NOT_FOR_NETWORKS = {
    "check_sample_weight_equivalence_on_dense_data": "samples and batches are drawn by rows: "
    "weights mean repetition on average, and not draw by draw",
    "check_sample_weight_equivalence_on_sparse_data": "as on dense data",
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::survjax.FitWarning")
@parametrize_with_checks(
    DEAR,
    expected_failed_checks=lambda estimator: (
        NOT_APPLICABLE if isinstance(estimator, MixtureRegression) else NOT_FOR_NETWORKS
    ),
)
def test_scikit_learn_checks_pass_at_a_higher_price(estimator, check):
    check(estimator)


def test_weights_mean_repetition_also_with_more_columns_than_rows():
    model = ScaledHazard(penalty=0.1)
    check_sample_weight_equivalence_on_dense_data("ScaledHazard", model)


def test_lives_that_covariates_explain_exactly_are_no_fit(fleet):
    x = np.random.default_rng(0).normal(size=(15, 30))
    with pytest.warns(UserWarning, match="the covariates explain the lives exactly"):
        AcceleratedLifetime(penalty=0.1).fit(x, np.arange(1.0, 16.0))


def test_entry_weights_and_units_are_routed(fleet):
    x, y = fleet[0][["load"]], fleet[1]
    entry = 0.2 * y[:, 0]
    with sklearn.config_context(enable_metadata_routing=True):
        model = AcceleratedLifetime().set_fit_request(entry=True, sample_weight=True)
        model.set_score_request(entry=True, sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipe = make_pipeline(scaler, model)
        params = {"entry": entry, "sample_weight": np.ones(120)}
        routed = cross_val_score(pipe, x, y, cv=3, params=params)
        ignored = cross_val_score(
            make_pipeline(StandardScaler(), AcceleratedLifetime()), x, y, cv=3
        )
    assert np.all(np.isfinite(routed)) and not np.allclose(routed, ignored)


@pytest.fixture(scope="module")
def fleet():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"load": rng.normal(size=120), "site": rng.choice(["a", "b"], 120)})
    table.index = [f"unit {i}" for i in range(120)]
    lives = np.exp(3.0 - 0.5 * table["load"].to_numpy()) * rng.weibull(2.0, 120)
    return table, np.column_stack([np.minimum(lives, 40.0), lives <= 40.0])


def test_every_form_of_the_target_gives_the_same_fit(fleet):
    x, y = fleet[0][["load"]], fleet[1]
    structured = np.empty(len(y), dtype=[("failed", bool), ("days", float)])
    structured["failed"], structured["days"] = y[:, 1], y[:, 0]
    frame = pd.DataFrame({"failed": y[:, 1] == 1, "days": y[:, 0]}, index=x.index)
    bounds = survival_target(y[:, 0], np.where(y[:, 1] == 1, y[:, 0], np.inf))
    expected = AcceleratedLifetime().fit(x, y).parameters_
    for target in (structured, frame, bounds):
        found = AcceleratedLifetime().fit(x, target).parameters_
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_pipelines_searches_and_cross_validation_work(fleet):
    x, y = fleet
    encode = make_column_transformer(
        (OneHotEncoder(drop="first"), ["site"]), (StandardScaler(), ["load"])
    )
    model = make_pipeline(encode, AcceleratedLifetime())
    scores = cross_val_score(model, x, y, cv=3)
    assert np.all(np.isfinite(scores))
    search = GridSearchCV(model, {"acceleratedlifetime__penalty": [0.0, 0.1]}, cv=3).fit(x, y)
    assert search.best_score_ >= scores.mean() - 1e-9
    assert clone(model).fit(x, y).predict(x).shape == (120,)


def test_text_and_missing_values_are_named_with_the_transformer_to_use(fleet):
    x, y = fleet
    with pytest.raises(ValueError, match="'site'.*OneHotEncoder"):
        AcceleratedLifetime().fit(x, y)
    holed = x[["load"]].assign(wear=np.where(np.arange(120) == 7, np.nan, 1.0))
    with pytest.raises(ValueError, match="'wear' has 1 missing value, the first in row 7.*Simple"):
        AcceleratedLifetime().fit(holed, y)


def test_collinear_columns_are_named(fleet):
    x, y = fleet[0][["load"]], fleet[1]
    x = x.assign(kilo=x["load"] / 1000.0 + 3.0, one=2.0)
    with pytest.raises(ValueError, match="'one' is constant; 'kilo' is a linear comb.*'load'"):
        AcceleratedLifetime().fit(x, y)
    assert np.all(np.isfinite(AcceleratedLifetime(penalty=0.1).fit(x[["load", "kilo"]], y).coef_))
