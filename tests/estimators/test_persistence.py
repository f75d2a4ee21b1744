"""Saved models predict bitwise the same, and no file but a saved model is loaded."""

import copy
import json
import math
import os
import pickle
import stat

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import survjax
from survjax import WeibullMixture
from survjax.estimators.saving.fields import MOST_NUMBERS, decode_number, encode_number
from survjax.estimators.saving.persistence import CLASSES, checksum

TIMES = np.array([0.0, 0.37, 5.0, 33.3, 90.0])


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(3)
    lives = np.concatenate([5.0 * rng.weibull(0.8, 80), 40.0 * rng.weibull(3.0, 120)])
    ends = rng.uniform(15.0, 70.0, 200)
    found = WeibullMixture("bic", max_components=2, max_shape=math.inf, n_starts=np.int64(9))
    found.fit(np.minimum(lives, ends), lives <= ends)
    found.bootstrap(40)
    found.summary()
    return found


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "pumps.json"
    model.save(path)
    return path


def assert_same(one, other):
    for name in ("parameters_", "covariance_", "weights_", "scales_", "shapes_"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("log_likelihood_", "aic_", "bic_", "n_iter_", "converged_", "certificate_"):
        assert getattr(one, name) == getattr(other, name)
    assert one.parameter_names_ == other.parameter_names_
    for curve in ("survival", "hazard"):
        np.testing.assert_array_equal(getattr(one, curve)(TIMES), getattr(other, curve)(TIMES))
    np.testing.assert_array_equal(
        one.confidence_interval("survival", TIMES), other.confidence_interval("survival", TIMES)
    )
    np.testing.assert_array_equal(one.predict_rul(TIMES), other.predict_rul(TIMES))


def test_a_loaded_model_is_bitwise_the_saved_one(model, saved):
    loaded = survjax.load(saved)
    assert_same(model, loaded)
    assert loaded.get_params() == model.get_params() | {"n_starts": 9}
    np.testing.assert_array_equal(loaded.selection_, model.selection_)
    assert loaded.summary().equals(model.summary())
    again = saved.with_name("again.json")
    loaded.save(again)
    assert again.read_bytes() == saved.read_bytes()


def test_a_loaded_model_has_stored_bounds_and_says_what_needs_the_rows(model, saved):
    loaded = survjax.load(saved)
    np.testing.assert_array_equal(
        loaded.confidence_interval("weights", method="profile"),
        model.confidence_interval("weights", method="profile"),
    )
    np.testing.assert_array_equal(
        loaded.confidence_interval("survival", TIMES, method="bootstrap"),
        model.confidence_interval("survival", TIMES, method="bootstrap"),
    )
    for call in (
        lambda: loaded.confidence_interval("survival", TIMES, method="profile"),
        lambda: loaded.confidence_interval("weights", level=0.9, method="profile"),
        lambda: loaded.bootstrap(40),
    ):
        with pytest.raises(ValueError, match="needs the rows that were fitted"):
            call()
    with pytest.raises(AttributeError, match="needs the rows that were fitted"):
        _ = loaded.history_


def test_the_file_holds_no_training_rows(tmp_path):
    durations = np.array([3.14159, 5.77215, 8.31446, 9.80665])
    WeibullMixture(1).fit(durations).save(tmp_path / "one.json")
    text = (tmp_path / "one.json").read_text()
    assert not any(str(value) in text for value in durations)


def test_pickle_and_deepcopy_keep_all_of_a_model(model):
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert_same(model, other)
        assert other.history_.equals(model.history_)


def test_an_unfitted_model_and_a_class_of_ones_own_are_not_saved(model, tmp_path):
    with pytest.raises(ValueError, match="call fit before save"):
        WeibullMixture().save(tmp_path / "no.json")

    class Mine(WeibullMixture):
        pass

    mine = Mine()
    vars(mine).update(vars(model))
    with pytest.raises(TypeError, match="not a class that survjax.load knows"):
        mine.save(tmp_path / "no.json")
    assert list(tmp_path.iterdir()) == []


def test_a_generator_is_saved_as_none(tmp_path):
    model = WeibullMixture(1, random_state=np.random.default_rng(5)).fit([3.0, 4.0, 9.0])
    model.save(tmp_path / "one.json")
    assert survjax.load(tmp_path / "one.json").random_state is None


def test_an_older_file_survives_a_save_that_fails(model, saved, tmp_path, monkeypatch):
    path = tmp_path / "kept.json"
    path.write_text("the older one")

    def fail(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        model.save(path)
    assert path.read_text() == "the older one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_named(model, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder '.*none' to write 'pump\.json' to"):
        model.save(tmp_path / "none" / "pump.json")
    assert list(tmp_path.iterdir()) == []


def test_only_ordinary_files_are_read_and_replaced(model, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, words in ((pipe, "no ordinary file"), (tmp_path, "a folder")):
        with pytest.raises(ValueError, match=f"is {words}: name the file to write"):
            model.save(path)
    with pytest.raises(ValueError, match="it is no ordinary file"):
        survjax.load(pipe)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_every_class_that_a_file_may_name_exists_and_saves_something():
    for name, module in CLASSES.items():
        cls = getattr(__import__(module, fromlist=[name]), name)
        assert cls._saved and callable(cls.save)


def put(content, path, value):
    """A copy of a document with one entry replaced (or taken out), its checksum made right."""
    content = copy.deepcopy(content)
    *way, last = path.split(".")
    place = content
    for step in way:
        place = place[step]
    if value is put:
        del place[last]
    else:
        place[last] = value
    if "sha256" in content and path != "sha256":
        content["sha256"] = checksum(content)
    return content


HOSTILE = [
    ("format", "pickle", 'does not say "format": "survjax model"'),
    ("format", put, 'does not say "format": "survjax model"'),
    ("schema", 2, "its schema is 2, and this version of survjax knows 1: upgrade"),
    ("schema", "1", "schema must be a whole number, got '1'"),
    ("schema", True, "schema must be a whole number, got True"),
    ("class", "os.system", "class must be one of"),
    ("class", ["WeibullMixture"], "class must be one of"),
    ("class", "NoSuchModel", "class must be one of"),
    ("version", 3, "version must be text"),
    ("extra", 1, "its entries must be"),
    ("fitted", put, "its entries must be"),
    ("sha256", "0" * 64, "checksum does not fit"),
    ("parameters", [], "its parameters must be"),
    ("parameters.n_starts", put, "its parameters must be"),
    ("parameters.evil", 1, "its parameters must be"),
    ("parameters.n_starts", {"cls": "os"}, "parameters.n_starts must be a number, text or a list"),
    ("parameters.n_components", -3, "n_components must be a positive whole number"),
    ("parameters.max_shape", {"float": "inv"}, "parameters.max_shape must be a number"),
    ("parameters.tol", "small", "tol must be a finite number above zero, got 'small'"),
    ("parameters.max_shape", None, "max_shape must be a finite number above zero, got None"),
    ("parameters.min_component_weight", [], "min_component_weight must be a finite number"),
    ("parameters.rounding", 5, "rounding must be 'up', 'nearest' or 'down', got 5"),
    ("parameters.resolution", "day", "resolution must be a positive width or 'auto'"),
    ("parameters.random_state", "dice", "random_state must be a whole number"),
    ("fitted", 3, "fitted must be an object, got 3"),
    ("fitted.parameters_", put, "fitted lacks parameters_"),
    ("fitted.__class__", "x", "has the unknown '__class__'"),
    ("fitted.parameters_", "zeros", "fitted.parameters_ must be a 1-dimensional list"),
    ("fitted.parameters_", [[0.1] * 5], "fitted.parameters_ must be a 1-dimensional list"),
    ("fitted.parameters_", [0.1] * 4, "does not fit the other fields"),
    ("fitted.parameters_", [0.1, 0.1, 0.1, 0.1, "nan"], "fitted.parameters_ must be finite"),
    ("fitted.parameters_", [0.1, 0.1, 0.1, 0.1, None], "fitted.parameters_ must be a number"),
    ("fitted.parameters_", [True] * 5, "fitted.parameters_ must be a number, got True"),
    ("fitted.parameters_", [10**400] * 5, "too large for a float"),
    ("fitted.covariance_", [[1.0]], "does not fit the other fields"),
    ("fitted.covariance_", [[1.0] * 5, [1.0] * 4], "rows of different lengths"),
    ("fitted.covariance_", [["nan"] * 5] * 5, "covariance_ must be finite"),
    ("fitted.covariance_", [[-1.0] * 5] * 5, "with a positive diagonal"),
    ("fitted.covariance_", np.tri(5).tolist(), "covariance_ must be symmetric and positive"),
    ("fitted.covariance_", (2 - np.eye(5)).tolist(), "must be symmetric and positive definite"),
    ("fitted.converged_", False, "covariance_ must be NaN where converged_ is false"),
    ("fitted.n_events_", 1e9, "n_events_ is 1e+09 of"),
    ("fitted.log_likelihood_", "inf", "fitted.log_likelihood_ must be finite or NaN"),
    ("fitted.n_units_", -1.0, "fitted.n_units_ must be at least 0"),
    ("fitted.n_units_", 0.0, "n_units_ must be positive"),
    ("fitted.n_iter_", 2.5, "fitted.n_iter_ must be a whole number"),
    ("fitted.converged_", 1, "fitted.converged_ must be true or false"),
    ("fitted.certificate_.message", 1, "fitted.certificate_.message must be text"),
    ("fitted.certificate_.violations", [1], "must be 1 strings"),
    ("fitted.weights_", [0.5, 0.5], "weights_ does not agree with the parameters"),
    ("fitted.parameter_names_", ["a"] * 5, "do not fit parameter_names_"),
    ("fitted.selection_", {"a": [1], "b": [1, 2]}, "columns of different lengths"),
    ("fitted.selection_", {"a": ["x"]}, "fitted.selection_.a must be a number"),
    ("fitted._profiles", {"0.95": [[0.0, 1.0]]}, "a row for each quantity"),
    ("fitted.bootstrap_.kind", "magic", "must be one of rows, parametric"),
    ("fitted.bootstrap_.parameters", [[1.0]], "does not fit the other fields"),
]


@pytest.mark.parametrize(
    ("path", "value", "message"), HOSTILE, ids=lambda v: getattr(v, "__name__", str(v))[:30]
)
def test_what_is_not_a_saved_model_is_refused_with_a_reason(saved, tmp_path, path, value, message):
    content = put(json.loads(saved.read_text()), path, value)
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="is not a model that survjax can load") as caught:
        survjax.load(bad)
    assert message in str(caught.value), caught.value
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (pickle.dumps({"a": 1}), "not text in UTF-8"),
        (b"PK\x03\x04\xff\xfe", "not text in UTF-8"),
        (b"durations,events\n3,1\n", "it is not JSON"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 200_000, "nested too deeply"),
        (b'{"format": "survjax model", "format": 1}', "an entry appears twice"),
        (b'{"format": NaN}', "NaN is not JSON"),
        (b'{"format": 1e999}', "too large"),
        (b'{"schema": ' + b"9" * 5000 + b"}", "not a model"),
        (b"null", "does not say"),
        (b'"survjax model"', "does not say"),
        (b"[]", "does not say"),
    ],
    ids=range(14),
)
def test_bytes_that_are_no_document_are_refused_with_a_reason(tmp_path, raw, message):
    path = tmp_path / "bad.json"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=message):
        survjax.load(path)


def test_a_file_beyond_all_size_is_refused_unread(tmp_path):
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(2**40)  # a sparse file: it claims a terabyte and takes no space
    with pytest.raises(ValueError, match="larger than 64 MiB"):
        survjax.load(path)


def test_arrays_beyond_all_size_are_refused(saved, tmp_path):
    content = json.loads(saved.read_text())
    content["fitted"]["bootstrap_"]["parameters"] = [[0] * 5] * (MOST_NUMBERS // 5 + 1)
    content["sha256"] = checksum(content)
    path = tmp_path / "wide.json"
    path.write_text(json.dumps(content, separators=(",", ":")))
    with pytest.raises(ValueError, match="entries: this is no saved model"):
        survjax.load(path)


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        survjax.load(tmp_path / "nothing.json")


@given(st.floats())
def test_every_float_comes_back_with_all_its_bits(value):
    text = json.dumps(encode_number(value), allow_nan=False)
    back = decode_number(json.loads(text), "value", finite=False)
    assert np.float64(back).tobytes() == np.float64(value).tobytes() or value != value


@settings(max_examples=60)
@given(data=st.data())
def test_a_file_with_any_byte_changed_never_loads_as_something_else(saved, model, data):
    raw = bytearray(saved.read_bytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255))
    path = saved.with_name("changed.json")
    path.write_bytes(bytes(raw))
    try:
        loaded = survjax.load(path)
    except ValueError as error:
        assert "is not a model that survjax can load" in str(error)
    else:  # white space, or the same number written otherwise
        np.testing.assert_array_equal(loaded.parameters_, model.parameters_)


def test_certificates_of_earlier_files_are_read(saved, tmp_path):
    content = json.loads(saved.read_text())
    found = content["fitted"]["certificate_"]["violations"]
    content = put(content, "fitted.certificate_.violations", put)
    content = put(content, "fitted.certificate_.faults", found)
    earlier = tmp_path / "earlier.json"
    earlier.write_text(json.dumps(content))
    assert survjax.load(earlier).certificate_ == survjax.load(saved).certificate_
