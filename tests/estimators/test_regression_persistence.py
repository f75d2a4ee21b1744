"""Saved regressions predict bitwise the same, and no file but a saved one is loaded."""

import functools
import json

import numpy as np
import optax
import pandas as pd
import pytest

import survjax
from survjax import (
    AcceleratedLifetime,
    CoxPH,
    DeepWeibullMixture,
    MixtureRegression,
    ScaledHazard,
    WeibullMixture,
)
from survjax.estimators.saving.persistence import checksum


def fleet():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(120, 2)), columns=["load", "temp"])
    lives = np.exp(2.3 - 0.5 * table["load"].to_numpy()) * rng.weibull(1.7, 120)
    end = rng.uniform(5.0, 40.0, 120)
    return table, np.column_stack([np.minimum(lives, end), lives <= end])


MODELS = {
    "accelerated": AcceleratedLifetime("weibull", shape_on=["temp"]),
    "scaled": ScaledHazard(WeibullMixture(1), penalty=0.01),
    "held": ScaledHazard(survjax.Weibull(2.3, 0.5), joint=False),
    "mixture": MixtureRegression(1, on={"scale": "all"}),
    "deep": DeepWeibullMixture(1, layers=(), n_members=2, max_epochs=3),
    "cox": CoxPH(),
    "strata": CoxPH(ties="breslow"),
}


@functools.cache
def fitted(name):
    x, y = fleet()
    more = {"strata": np.repeat(["a", "b"], 60)} if name == "strata" else {}
    return MODELS[name].fit(x, y, **more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_regression_is_bitwise_the_saved_one(name, folder):
    x, y = fleet()
    model, path = fitted(name), folder / f"{name}.json"
    model.save(path)
    loaded = survjax.load(path)
    more = {"strata": np.repeat(["a", "b"], 3)} if name == "strata" else {}
    cheap = name in ("accelerated", "cox", "strata")
    for call in (
        lambda m: m.predict_survival(x[:6], [1.0, 9.0], **more),
        lambda m: m.predict_rul(x[:6], np.arange(6.0), **more) if cheap else 0,
        lambda m: m.score(x, y) if cheap else 0,
    ):
        np.testing.assert_array_equal(call(loaded), call(model))
    if name != "deep":
        assert loaded.summary().equals(model.summary())
    assert list(loaded.feature_names_in_) == ["load", "temp"]
    loaded.save(folder / "again.json")
    assert (folder / "again.json").read_bytes() == path.read_bytes()
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(x.rename(columns={"temp": "heat"}))


@pytest.mark.parametrize("name", ["accelerated", "mixture", "deep"])
def test_the_file_holds_no_training_rows(name, folder):
    x, y = fleet()
    fitted(name).save(folder / "rows.json")
    text = (folder / "rows.json").read_text()
    assert not any(repr(float(v)) in text for v in [*y[:, 0], *x["load"], *x["temp"]])


def test_what_needs_the_rows_says_so(folder):
    fitted("cox").save(folder / "cox.json")
    loaded = survjax.load(folder / "cox.json")
    for call in (loaded.tests, loaded.proportionality, loaded.residuals):
        with pytest.raises(ValueError, match="needs the rows that were fitted"):
            call()
    whole, kept = fitted("cox").baseline_, loaded.baseline_
    for part in ("times", "values", "lower", "at_risk", "events"):
        np.testing.assert_array_equal(getattr(kept, part), getattr(whole, part))
    assert "a" in fitted("strata").baseline_


def test_what_no_file_can_hold_is_refused(folder):
    x, y = fleet()
    model = DeepWeibullMixture(1, layers=(), n_members=2, max_epochs=3)
    model.fit(x, y).set_params(optimizer=optax.sgd(0.1))
    with pytest.raises(TypeError, match="optimizer=.* cannot be saved"):
        model.save(folder / "no.json")
    with pytest.raises(ValueError, match="call fit before save"):
        CoxPH().save(folder / "no.json")
    assert not (folder / "no.json").exists()


def put(content, path, value):
    """A document with one entry replaced (or taken out), its checksum made right."""
    *way, last = path.split("/")
    place = content
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    if value is put:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    content["sha256"] = checksum(content)
    return content


HOSTILE = [
    ("accelerated", "class", "RegressionEstimator", "class must be one of"),
    ("accelerated", "class", "CoxPH", "parameters must be"),
    ("accelerated", "parameters/family", "cauchy", "family must be one of"),
    ("accelerated", "parameters/shape_on", {"mapping": [1]}, "got an object with 'mapping'"),
    ("accelerated", "parameters/shape_on", {"os.system": "ls"}, "got an object with 'os.system'"),
    ("accelerated", "fitted/_theta", put, "fitted lacks _theta"),
    ("accelerated", "fitted/_theta/0", "nan", "fitted._theta must be finite"),
    ("accelerated", "fitted/_theta/0", 17.0, "parameters_ does not agree"),
    ("accelerated", "fitted/_layout", {}, "_layout does not have the predictors"),
    ("accelerated", "fitted/_layout/log_scale", [0, 1, 7], "does not name columns of the model"),
    ("accelerated", "fitted/_layout/log_scale", [0, 1, 1], "does not name columns of the model"),
    ("accelerated", "fitted/_layout/log_scale", [0, 1], "does not have the 5 entries"),
    ("accelerated", "fitted/_layout/log_scale", [0, -1, 2], "must hold whole numbers, got -1"),
    ("accelerated", "fitted/_layout/log_scale", "all", "must be a list of whole numbers"),
    ("accelerated", "fitted/_scale/0", 0.0, "_scale must be positive"),
    ("accelerated", "fitted/n_features_in_", 3, "n_features_in_ is 3, but 2 are scaled"),
    ("accelerated", "fitted/feature_names_in_", ["a"], "does not fit the other fields"),
    ("accelerated", "fitted/feature_names_in_", ["a", "b"], "parameter_names_ do not agree"),
    ("accelerated", "fitted/_covariance", [[1.0]], "does not fit the other fields"),
    ("accelerated", "fitted/penalty_", -1.0, "must be at least 0"),
    ("scaled", "parameters/baseline/model", "os", "parameters.baseline names an unknown class"),
    ("scaled", "parameters/baseline/parameters", {}, "its parameters must be"),
    ("scaled", "fitted/_base", put, "_base is missing"),
    ("scaled", "fitted/_base/lifetime", "Popen", "is of an unknown kind, 'Popen'"),
    ("scaled", "fitted/_base/lifetime", "Lifetime", "is of an unknown kind"),
    ("scaled", "fitted/_base/fields", {"logits": [], "evil": 1}, "must have the fields"),
    ("held", "parameters/baseline/lifetime/fields/log_scale", "deep", "must be a number"),
    ("mixture", "parameters/n_components", 10**9, "components do not have 2 predictors"),
    ("mixture", "parameters/on", {"mapping": {"weird": "all"}}, "on must be a list of"),
    ("deep", "parameters/n_components", 10**9, "_networks do not fit"),
    ("deep", "parameters/layers", {"tuple": [10**12]}, "a network of these layers has"),
    ("deep", "parameters/n_members", 3, "_networks do not fit n_members"),
    ("deep", "fitted/_order/0", [1.0], "some order"),
    ("deep", "fitted/_networks", [[1.0], [1.0]], "do not fit n_members and n_components"),
    ("deep", "fitted/_networks/0/0", "inf", "fitted._networks must be finite"),
    ("cox", "fitted/coef_/0", 9.0, "coef_ does not agree"),
    ("cox", "fitted/_strata", ["a", "b"], "2 strata do not have 1 baselines"),
    ("cox", "fitted/_strata", [["a"]], "must hold text and numbers, got a list"),
    ("cox", "fitted/_strata", [], "must be a list of labels"),
    ("cox", "fitted/_steps", {}, "must be a list"),
    ("cox", "fitted/_steps/0/times/0", -1.0, "increasing times"),
    ("cox", "fitted/_steps/0/log_steps/3", "nan", "steps that are numbers"),
    ("cox", "fitted/_steps/0/means", [[0.0]], "does not fit the other fields"),
]


@pytest.mark.parametrize(("name", "path", "value", "message"), HOSTILE)
def test_what_is_not_a_saved_regression_is_refused(folder, name, path, value, message):
    fitted(name).save(folder / "good.json")
    bad = folder / "bad.json"
    bad.write_text(json.dumps(put(json.loads((folder / "good.json").read_text()), path, value)))
    with pytest.raises(ValueError, match="is not a model that survjax can load") as caught:
        survjax.load(bad)
    assert message in str(caught.value), caught.value
    assert len(str(caught.value)) < 500
