"""Fits of many groups in files: what is read predicts as what was saved."""

import json

import numpy as np
import pandas as pd
import pytest

import survjax
from survjax import WeibullMixture, fit_groups
from survjax.estimators.groups.saved import Levels
from survjax.estimators.saving.persistence import checksum

NAMED = {"duration": "age", "event": "failed"}


def fleet():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"site": np.repeat([1, 2, 3, 4, 5], 24), "line": ["a", "b"] * 60})
    frame["age"] = 30.0 * rng.weibull(2.0, 120)
    frame["failed"] = frame.index % 3 > 0
    frame.loc[frame["site"] == 5, "failed"] = False
    return frame


def mixed():
    rng = np.random.default_rng(2)
    life = np.concatenate([4.0 * rng.weibull(0.9, (3, 16)), 40.0 * rng.weibull(3.0, (3, 34))], 1)
    return pd.DataFrame({"site": np.repeat(["x", "y", "z"], 50), "age": life.ravel()}).assign(
        failed=True
    )


@pytest.fixture(scope="module")
def kinds():
    plain = fit_groups(fleet(), ["site", "line"], **NAMED)
    pooled = fit_groups(fleet(), "site", **NAMED, pooling="empirical-bayes")
    return {
        "plain": (plain, fleet()),
        "pooled": (pooled, fleet()),
        "mixtures": (fit_groups(mixed(), "site", **NAMED, model=WeibullMixture(2)), mixed()),
        "alone": (fit_groups(mixed(), "site", **NAMED, model=WeibullMixture("bic")), mixed()),
    }


@pytest.mark.parametrize("kind", ["plain", "pooled", "mixtures", "alone"])
def test_what_is_read_is_what_was_saved(kinds, kind, tmp_path):
    fits, frame = kinds[kind]
    path = tmp_path / "fits.json"
    fits.save(path)
    read = survjax.load(path)
    pd.testing.assert_frame_equal(read.table, fits.table, check_exact=True)
    pd.testing.assert_frame_equal(
        read.predict_rul(frame[::9]), fits.predict_rul(frame[::9]), check_exact=True
    )
    assert repr(read) == repr(fits) and len(read) == len(fits)
    assert (read.unpooled is None) == (fits.unpooled is None)
    again = tmp_path / "again.json"
    read.save(again)
    assert again.read_bytes() == path.read_bytes()


def test_a_model_of_a_group_needs_its_rows_or_is_in_the_file(kinds, tmp_path):
    for kind in ("plain", "alone"):
        kinds[kind][0].save(tmp_path / f"{kind}.json")
    with pytest.raises(ValueError, match="needs the rows"):
        survjax.load(tmp_path / "plain.json").model((1, "a"))
    alone, read = kinds["alone"][0], survjax.load(tmp_path / "alone.json")
    np.testing.assert_array_equal(read.model("x").parameters_, alone.model("x").parameters_)


def changed(path, change):
    content = json.loads(path.read_text())
    change(content["fitted"])
    content["sha256"] = checksum(content)
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f["key_codes"][0].__setitem__(0, 99), "key_codes"),
        (lambda f: f["key_codes"][0].__setitem__(0, f["key_codes"][0][1]), "twice"),
        (lambda f: f["x"].pop(), "shape"),
        (lambda f: f["converged"].pop(), "converged"),
        (lambda f: f["maxima"]["begins"].__setitem__(0, 1), "maxima"),
        (lambda f: f.pop("status"), "lacks status"),
        (lambda f: f.__setitem__("drawn", [0.0, 0.0, 0.0]), "together"),
        (lambda f: f.__setitem__("unpooled", {"format": "other"}), "unpooled"),
    ],
)
def test_files_that_no_fit_gives_are_refused(kinds, tmp_path, change, words):
    path = tmp_path / "fits.json"
    kinds["mixtures"][0].save(path)
    with pytest.raises(ValueError, match=words):
        survjax.load(changed(path, change))
    path.write_text(path.read_text()[:-200])
    with pytest.raises(ValueError, match="not a model"):
        survjax.load(path)


@pytest.mark.parametrize(
    "months",
    [
        pd.date_range("2024-10-27", periods=3, freq="h", tz="Europe/Prague"),
        pd.date_range("2024-01-31", periods=3, tz="UTC").as_unit("s"),
        pd.date_range("2024-01-31", periods=3),
        pd.period_range("2024-01", periods=3, freq="M"),
        pd.timedelta_range("1D", periods=3),
    ],
    ids=["zone", "utc", "plain", "periods", "differences"],
)
def test_keys_may_be_dates(months, tmp_path):
    frame = fleet()[:72].assign(month=np.repeat(months, 24), failed=True)
    path = tmp_path / "fits.json"
    for by in ("month", ["line", "month"]):
        fits = fit_groups(frame, by, **NAMED)
        fits.save(path)
        read = survjax.load(path)
        pd.testing.assert_index_equal(read.keys, fits.keys)
        pd.testing.assert_frame_equal(read.table, fits.table, check_exact=True)
    levels = Levels().encode(months)
    for wrong in ({"type": "float64"}, {"type": "datetime64[ns, Nowhere]"}, {"counts": [0.5] * 3}):
        with pytest.raises(ValueError, match="key_levels"):
            Levels().decode({**levels, **wrong}, "key_levels", {})
