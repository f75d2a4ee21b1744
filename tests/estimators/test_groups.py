"""Many fleets at once: each group's answer is its own fit's, whoever else is there."""

import numpy as np
import pandas as pd
import pytest

from survjax import LifetimeModel, NoFiniteMaximum, WeibullMixture, fit_groups
from survjax.lifetimes import Weibull

BOUNDED = ("scale", "shape")


def fleet(n_groups=6, seed=0, sizes=(12, 25, 40)):
    """Weibull lives of groups of several sizes, some of them censored and entered late."""
    rng = np.random.default_rng(seed)
    n = np.resize(sizes, n_groups)
    group = np.repeat(np.arange(n_groups), n)
    scale, shape = 40.0 * np.exp(0.4 * rng.normal(size=n_groups)), rng.uniform(0.8, 2.5, n_groups)
    life = scale[group] * rng.weibull(shape[group])
    entry = 0.3 * life * rng.random(group.size)
    end = rng.uniform(25.0, 70.0, group.size)
    end = np.maximum(end, 1.2 * entry)
    low = np.floor(np.minimum(life, end) / 5.0) * 5.0
    return pd.DataFrame(
        {
            "site": [f"site {g}" for g in group],
            "age": np.minimum(life, end),
            "failed": life <= end,
            "entry": entry,
            "weight": 1.0 + group % 2 + np.arange(group.size) % 3,
            "low": low,
            "high": np.where(life <= end, low + 5.0, np.inf),
        }
    )


KINDS = {
    "plain": {"duration": "age", "event": "failed"},
    "late entry and weights": {
        "duration": "age",
        "event": "failed",
        "entry": "entry",
        "weight": "weight",
    },
    "intervals": {"lower": "low", "upper": "high"},
}
SOME = [("weibull", kind) for kind in KINDS] + [
    ("lognormal", "plain"),
    ("exponential", "plain"),
    pytest.param("gompertz", "late entry and weights", marks=pytest.mark.slow),
    pytest.param("gamma", "plain", marks=pytest.mark.slow),
    pytest.param("logistic", "plain", marks=pytest.mark.slow),
    pytest.param("generalized_gamma", "plain", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("family", "kind"), SOME)
def test_each_group_has_the_answer_of_its_own_fit(family, kind):
    frame = fleet()
    fits = fit_groups(frame, "site", **KINDS[kind], model=LifetimeModel(family))
    # Few units may leave a family of three parameters without a maximum.
    converged = fits.table["converged"]
    assert converged.sum() >= (4 if family == "generalized_gamma" else len(converged))
    assert fits._answers.own.which.size >= converged.sum() - 1
    for key in fits.table.index[converged][:3]:
        alone, row = fits.model(key), fits.table.loc[key]
        assert row["log_likelihood"] == pytest.approx(alone.log_likelihood_, abs=1e-9)
        summary = alone.summary()
        for name in summary.index.drop("mean"):
            if f"{name}_lower" in row:
                found = row[[name, f"{name}_lower", f"{name}_upper"]].astype(float)
                expected = summary.loc[name, ["estimate", "lower", "upper"]].astype(float)
                np.testing.assert_allclose(found, expected, rtol=1e-7)
            if f"{name}_error" in row:
                error = summary.loc[name, "standard_error"]
                assert row[f"{name}_error"] == pytest.approx(error, rel=1e-7)


@pytest.fixture(scope="module")
def fits():
    return fit_groups(fleet(), "site", duration="age", event="failed")


def test_a_model_of_one_group_is_an_estimator_that_was_fitted_alone(fits):
    own = fleet()
    own = own[own["site"] == "site 1"]
    alone = LifetimeModel().fit(own["age"], own["failed"])
    np.testing.assert_allclose(fits.model("site 1").parameters_, alone.parameters_, rtol=1e-12)
    np.testing.assert_allclose(fits._answers.x[1], alone.parameters_, rtol=1e-10)
    assert fits.model("site 1") is fits.model("site 1")


def test_remaining_lives_are_those_of_each_group_with_the_callers_index(fits):
    units = fleet().iloc[[50, 3, 3, 20]]
    units.index = ["a", "b", "c", "d"]
    found = fits.predict_rul(units, age="age", level=0.9)
    assert list(found.index) == ["a", "b", "c", "d"]
    for (label, unit), (_, row) in zip(units.iterrows(), found.iterrows(), strict=True):
        alone = fits.model(unit["site"]).predict_rul([unit["age"]], level=0.9)
        np.testing.assert_allclose(row, alone.iloc[0], rtol=1e-7, err_msg=label)
    assert list(fits.predict_rul(units).columns) == list(alone.columns)


def with_hostile_groups(frame):
    """The same table with groups that have no finite maximum between the others."""
    rows = [
        pd.DataFrame({"site": "none failed", "age": [3.0, 9.0, 12.0], "failed": False}),
        pd.DataFrame(
            {"site": "one failed", "age": [3.0, 9.0, 12.0], "failed": [False, False, True]}
        ),
        pd.DataFrame({"site": "point mass", "age": [7.0] * 8, "failed": True}),
        pd.DataFrame({"site": "nearly tied", "age": 7.0 + 1e-12 * np.arange(8), "failed": True}),
        pd.DataFrame({"site": "one unit", "age": [5.0], "failed": True}),
        pd.DataFrame({"site": "aged zero", "age": [0.0, 0.0], "failed": False}),
        pd.DataFrame({"site": "far", "age": [1e-280, 3.0, 1e280], "failed": True}),
    ]
    return pd.concat([rows[0], frame, *rows[1:]], ignore_index=True)


def test_groups_without_an_answer_say_why_and_leave_their_neighbors_alone(fits):
    frame = with_hostile_groups(fleet()[["site", "age", "failed"]])
    found = fit_groups(frame, "site", duration="age", event="failed")
    pd.testing.assert_frame_equal(found.table.loc[fits.keys], fits.table, rtol=1e-9)
    table = found.table.drop(fits.keys)
    for key, row in table.iterrows():
        rows = frame[frame["site"] == key]
        if row["converged"]:
            continue
        assert row["status"] == "no finite maximum" and np.isnan(row["scale"])
        with pytest.raises(NoFiniteMaximum) as error:
            LifetimeModel().fit(rows["age"], rows["failed"])
        assert row["message"] == str(error.value)
    assert not table.loc[["none failed", "one failed", "point mass", "one unit"], "converged"].any()
    assert found.predict_rul(frame).loc[frame["site"] == "point mass"].isna().all(axis=None)
    with pytest.raises(NoFiniteMaximum, match="has failed"):
        found.model("none failed")
    assert f"{len(fits)}" in repr(fits) and "interior maximum" in repr(found)


def test_neither_the_order_of_rows_nor_the_unit_of_time_changes_an_answer(fits):
    frame = fleet().sample(frac=1.0, random_state=1)
    turned = fit_groups(frame, "site", duration="age", event="failed")
    pd.testing.assert_frame_equal(turned.table, fits.table, rtol=1e-9)
    year = 365.25 * 86_400.0
    frame["age"] *= year
    seconds = fit_groups(frame, "site", duration="age", event="failed").table
    for name in ("scale", "scale_error", "scale_lower", "q10", "q50_upper"):
        np.testing.assert_allclose(seconds[name] / year, fits.table[name], rtol=1e-9)
    for name in ("shape", "shape_error", "shape_upper"):
        np.testing.assert_allclose(seconds[name], fits.table[name], rtol=1e-9)


def test_groups_of_more_rows_than_a_batch_takes_are_fitted_too():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"site": np.repeat([1, 2], [3000, 30]), "age": rng.weibull(2.0, 3030)})
    fits = fit_groups(frame, "site", duration="age", event=None)
    assert fits.table["converged"].all() and list(fits._answers.alone) == [0]
    alone = LifetimeModel().fit(frame["age"][:3000])
    assert fits.table.loc[1, "scale"] == pytest.approx(
        float(np.exp(alone.parameters_[0])), rel=1e-9
    )


def two_kinds(n_groups=3, n=90):
    rng = np.random.default_rng(5)
    early, late = 4.0 * rng.weibull(0.9, (n_groups, n // 3)), 40.0 * rng.weibull(4.0, (n_groups, n))
    age = np.concatenate([early, late[:, : n - n // 3]], axis=1)
    return pd.DataFrame(
        {
            "site": np.repeat(np.arange(n_groups), n),
            "age": np.minimum(age, 48.0).ravel(),
            "failed": (age <= 48.0).ravel(),
        }
    )


@pytest.mark.parametrize("k", [2, pytest.param("bic", marks=pytest.mark.slow)])
def test_mixtures_of_many_groups_have_the_answers_of_their_own_fits(k):
    frame = pd.concat(
        [two_kinds(), pd.DataFrame({"site": 9, "age": [1.0, 2.0], "failed": [False, False]})]
    )
    model = WeibullMixture(k, max_components=2)
    fits = fit_groups(frame, "site", duration="age", event="failed", model=model)
    for key in (0, 1, 2):
        rows = frame[frame["site"] == key]
        alone = WeibullMixture(k, max_components=2).fit(rows["age"], rows["failed"])
        found = fits.model(key)
        assert found.log_likelihood_ == pytest.approx(alone.log_likelihood_, abs=1e-8)
        np.testing.assert_allclose(found.parameters_, alone.parameters_, rtol=1e-8, atol=1e-8)
        # Steps far from a maximum differ, and lead a start to another now and then.
        own = alone.certificate_
        assert abs(found.certificate_.n_agreeing - own.n_agreeing) <= 0.1 * own.n_starts
        assert fits.table.loc[key, "scale_1"] == pytest.approx(alone.scales_[0], rel=1e-8)
        lives = fits.predict_rul(rows[:2])
        np.testing.assert_allclose(lives, alone.predict_rul(rows["age"][:2]), rtol=1e-6)
    assert fits.table.loc[9, "status"] == "no finite maximum" and len(found.history_) >= 2


def test_a_table_of_any_library_will_do(fits):
    frame = fleet()
    polars, pyarrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    tables = [polars.DataFrame(frame.to_dict("list")), pyarrow.Table.from_pandas(frame)]
    for table in tables:
        found = fit_groups(table, "site", duration="age", event="failed")
        pd.testing.assert_frame_equal(found.table, fits.table)
        assert len(found.predict_rul(table)) == len(frame)
    duckdb = pytest.importorskip("duckdb")
    query = duckdb.sql("select * from frame where age > 0")
    found = fit_groups(query, "site", duration="age", event="failed")
    pd.testing.assert_frame_equal(found.table, fits.table)


def test_keys_are_of_any_kind_and_of_several_columns():
    frame = fleet(4)
    frame["day"] = pd.to_datetime("2026-01-01") + pd.to_timedelta(frame["weight"] % 2, unit="D")
    frame["big"] = frame["site"].str[-1].astype(int) >= 2
    both = fit_groups(frame, ["big", "day"], duration="age", event="failed")
    assert both.keys.names == ["big", "day"] and len(both) == 4
    key = both.keys[1]
    rows = frame[(frame["big"] == key[0]) & (frame["day"] == key[1])]
    alone = LifetimeModel().fit(rows["age"], rows["failed"])
    assert both.table["log_likelihood"].iloc[1] == pytest.approx(alone.log_likelihood_, abs=1e-9)
    assert both.model(key).n_units_ == len(rows)
    assert len(both.predict_rul(frame[5:9])) == 4


def test_keys_with_a_time_zone_and_columns_named_by_numbers_stay_what_they_are(fits):
    frame = fleet()
    days = pd.Timestamp("2026-03-28", tz="Europe/Prague") + pd.to_timedelta(
        pd.factorize(frame["site"])[0], unit="D"
    )
    plain = frame[["age", "failed"]].set_axis([1, 2], axis=1).assign(day=days)
    found = fit_groups(plain, "day", duration=1, event=2)
    assert found.keys.dtype == "datetime64[ns, Europe/Prague]"
    own = found.model(pd.Timestamp("2026-03-29", tz="Europe/Prague"))
    assert own.n_units_ == np.sum(days == found.keys[1])
    assert len(found.predict_rul(plain[:3].rename(columns={1: "age"}), age="age")) == 3
    numbered = plain.rename(columns={"day": 0})
    by_number = fit_groups(numbered, 0, duration=1, event=2)
    pd.testing.assert_frame_equal(
        by_number.table.reset_index(drop=True), found.table.reset_index(drop=True)
    )


def test_what_is_wrong_with_a_table_is_one_error(fits):
    frame = fleet()
    named = {"duration": "age", "event": "failed"}
    with pytest.raises(ValueError, match="no column 'plant'"):
        fit_groups(frame, "plant", **named)
    with pytest.raises(ValueError, match="by must name"):
        fit_groups(frame, [], **named)
    gaps = frame.assign(site=frame["site"].where(frame.index != 7, None))
    with pytest.raises(ValueError, match="site must say the group of every row, got 1 .* row 7"):
        fit_groups(gaps, "site", **named)
    lists = frame.assign(site=[[1]] * len(frame))
    with pytest.raises(ValueError, match="site must hold keys such as names or numbers"):
        fit_groups(lists, "site", **named)
    with pytest.raises(ValueError, match="1 of 1 groups .*: 7\\. Drop"):
        fits.predict_rul(pd.DataFrame({"site": [7], "age": 3.0}))
    with pytest.raises(ValueError, match="age must be numbers|durations must be numbers"):
        fit_groups(frame.assign(age=np.nan), "site", **named)
    with pytest.raises(ValueError, match="model must be the name of a family, a Lifetime, "):
        fit_groups(frame, "site", **named, model=Weibull)
    with pytest.raises(ValueError, match="pooling must be None or"):
        fit_groups(frame, "site", **named, pooling="full")
    with pytest.raises(ValueError, match="1 of 2 groups were not among those .*'site 77'"):
        fits.predict_rul(pd.DataFrame({"site": ["site 1", "site 77"], "age": 3.0}))
    with pytest.raises(KeyError, match="no group 'site 77'"):
        fits.model("site 77")


def test_progress_says_how_many_groups_are_done(capsys):
    fit_groups(fleet(), "site", duration="age", event="failed", progress=True)
    assert capsys.readouterr().err.endswith("6 of 6 groups\n")
