"""WeibullMixture with scikit-learn's tools: clone, searches, cross-validation, joblib, pickle."""

import copy
import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate

from survjax import WeibullMixture

RNG = np.random.default_rng(3)
LIFE = np.where(RNG.random(250) < 0.4, 5 * RNG.weibull(1.5, 250), 60 * RNG.weibull(4.0, 250))
LIMIT = RNG.uniform(20, 90, 250)
T, EVENT = np.minimum(LIFE, LIMIT), LIFE <= LIMIT
FOLDS = KFold(2, shuffle=True, random_state=0)


def test_a_clone_has_the_settings_and_nothing_else():
    model = WeibullMixture(2, n_starts=5, tol=1e-8, random_state=4).fit(T, EVENT)
    again = clone(model)
    assert again.get_params() == model.get_params()
    assert not any(name.endswith("_") for name in vars(again))
    np.testing.assert_array_equal(again.fit(T, EVENT).parameters_, model.parameters_)


def test_parameters_are_set_by_name_and_others_refused():
    model = WeibullMixture().set_params(n_components=3, n_starts=2)
    assert (model.n_components, model.n_starts) == (3, 2)
    assert repr(model) == "WeibullMixture(n_components=3, n_starts=2)"
    with pytest.raises(ValueError, match="has no parameter 'k'; it has n_components, "):
        model.set_params(k=2)


def test_cross_validation_scores_the_held_out_units():
    model = WeibullMixture(1)
    scores = cross_val_score(model, T, EVENT, cv=FOLDS)
    expected = [
        clone(model).fit(T[train], EVENT[train]).score(T[test], EVENT[test])
        for train, test in FOLDS.split(T)
    ]
    np.testing.assert_allclose(scores, expected, rtol=1e-12)


def test_entry_and_weights_are_split_along_with_the_rows():
    entry, weight = 0.2 * T, np.where(EVENT, 2.0, 1.0)
    found = cross_validate(
        WeibullMixture(1), T, EVENT, cv=FOLDS, params={"entry": entry, "sample_weight": weight},
        return_estimator=True,
    )  # fmt: skip
    for model, (train, _) in zip(found["estimator"], FOLDS.split(T), strict=True):
        direct = WeibullMixture(1).fit(
            T[train], EVENT[train], entry=entry[train], sample_weight=weight[train]
        )
        np.testing.assert_array_equal(model.parameters_, direct.parameters_)


def test_a_search_finds_that_two_kinds_predict_better_than_one():
    search = GridSearchCV(WeibullMixture(), {"n_components": [1, 2]}, cv=FOLDS).fit(T, EVENT)
    assert search.best_params_ == {"n_components": 2}
    assert search.best_estimator_.converged_
    direct = WeibullMixture(2).fit(T, EVENT)
    np.testing.assert_array_equal(search.best_estimator_.parameters_, direct.parameters_)


def test_a_fitted_model_travels(tmp_path):
    model = WeibullMixture(2).fit(T, EVENT)
    joblib.dump(model, tmp_path / "model.joblib")
    others = [
        pickle.loads(pickle.dumps(model)), copy.deepcopy(model),
        joblib.load(tmp_path / "model.joblib"),
    ]  # fmt: skip
    ages = [0.0, 10.0, 40.0]
    for other in others:
        np.testing.assert_array_equal(other.parameters_, model.parameters_)
        np.testing.assert_array_equal(other.predict_rul(ages), model.predict_rul(ages))
        assert other.get_params() == model.get_params()


def test_threads_of_joblib_fit_what_a_loop_fits():
    seeds = range(4)
    found = joblib.Parallel(n_jobs=4, backend="threading")(
        joblib.delayed(lambda s: WeibullMixture(2, random_state=s).fit(T, EVENT).parameters_)(s)
        for s in seeds
    )
    for seed, parameters in zip(seeds, found, strict=True):
        direct = WeibullMixture(2, random_state=seed).fit(T, EVENT)
        np.testing.assert_array_equal(parameters, direct.parameters_)
