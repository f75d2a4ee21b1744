"""Tables of any make and type have the answers of plain ones, or one line says what is wrong."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from survjax import CompetingRisks, LifetimeModel, ScaledHazard, WeibullMixture, fit_groups

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")
NAMED = {"duration": "age", "event": "failed"}


def fleet():
    rng = np.random.default_rng(0)
    age = np.round(30.0 * rng.weibull(1.5, 120), 6)
    return pd.DataFrame(
        {"site": np.repeat(["A", "B", "C"], 40), "age": age, "failed": rng.random(120) < 0.7}
    )


def arrow(**columns):
    frame = fleet()
    return pa.table({name: columns.get(name, pa.array(frame[name])) for name in frame})


def decimals():
    return [Decimal(f"{age:.6f}") for age in fleet()["age"]]


def query():
    units = fleet()  # which the query reads
    duckdb = pytest.importorskip("duckdb")
    ages = "age::decimal(18, 6) as age"
    assert len(units)
    return duckdb.sql(f"select site, {ages}, failed from units order by site")


SAME = {
    "categories unused": lambda: fleet().assign(
        site=pd.Categorical(fleet()["site"], categories=["Z", "C", "B", "A"])
    ),
    "polars": lambda: pl.from_pandas(fleet()),
    "polars categories": lambda: pl.from_pandas(fleet()).with_columns(
        pl.col("site").cast(pl.Enum(["Z", "A", "B", "C"]))
    ),
    "keys by dictionary": lambda: arrow(site=pa.array(fleet()["site"]).dictionary_encode()),
    "ages by dictionary": lambda: arrow(age=pa.array(fleet()["age"]).dictionary_encode()),
    "flags by dictionary": lambda: arrow(
        failed=pa.array(fleet()["failed"].astype(int)).dictionary_encode()
    ),
    "decimals": lambda: fleet().assign(age=decimals()),
    "decimals of Arrow": lambda: arrow(age=pa.array(decimals())),
    "a reader": lambda: arrow().to_reader(),
    "a query": query,
}


@pytest.mark.parametrize("make", SAME.values(), ids=SAME)
def test_the_same_numbers_in_other_types_have_the_same_answers(make):
    expected, found = (fit_groups(t, "site", **NAMED).table for t in (fleet(), make()))
    assert found.index.tolist() == ["A", "B", "C"]
    np.testing.assert_allclose(found["scale"], expected["scale"], rtol=1e-12)
    np.testing.assert_allclose(found["shape_upper"], expected["shape_upper"], rtol=1e-12)


def test_keys_of_several_types_stay_apart():
    frame = fleet()
    mixed = frame.assign(site=frame["site"].map({"A": 1, "B": "1", "C": 2}).astype(object))
    found, expected = (fit_groups(t, "site", **NAMED).table for t in (mixed, frame))
    assert found.index.tolist() == [1, 2, "1"]
    np.testing.assert_allclose(found.loc["1", "scale"], expected.loc["B", "scale"], rtol=1e-12)


@pytest.mark.parametrize("pair", [(True, 1), (1, np.True_), (False, 0.0)], ids=str)
def test_a_flag_and_the_number_that_it_equals_are_no_one_group(pair):
    frame = fleet()
    mixed = np.array([*pair, "C"], object)[np.repeat([0, 1, 2], 40)]
    for by in ("site", ["site", "depot"]):
        with pytest.raises(ValueError, match="site must not hold flags beside the numbers"):
            fit_groups(frame.assign(site=mixed, depot="D"), by, **NAMED)


@pytest.mark.parametrize("keys", [(True, "B", 2), (True, 2, 3), (True, False, "C")], ids=str)
@pytest.mark.parametrize("more", [[], ["depot"]], ids=["one column", "two columns"])
def test_units_of_a_flag_are_not_those_of_the_number_that_it_equals(keys, more):
    frame = fleet().assign(depot="D")
    site = np.array([*keys], object)[np.repeat([0, 1, 2], 40)]
    by = ["site", *more] if more else "site"
    fits = fit_groups(frame.assign(site=site), by, **NAMED)
    assert len(fits.table) == 3
    one = frame[:2].assign(site=np.array([True, True], object))
    assert np.isfinite(fits.predict_rul(one, age="age")["mean"]).all()
    for number in (np.array([1, 1], object), np.array([1, 1]), np.array([1.0, 1.0])):
        with pytest.raises(ValueError, match="1 of 1 groups were not among those"):
            fits.predict_rul(frame[:2].assign(site=number), age="age")


@pytest.mark.parametrize("make", [pl.from_pandas, pa.Table.from_pandas], ids=["polars", "arrow"])
def test_keys_with_a_time_zone_are_the_same_from_any_table(make):
    days = pd.Timestamp("2024-03-30 23:30", tz="Europe/Prague") + pd.to_timedelta([0, 1, 2], "D")
    frame = fleet().assign(site=np.repeat(np.asarray(days, object), 40))
    frame["site"] = pd.DatetimeIndex(frame["site"])
    expected, found = (fit_groups(t, "site", **NAMED).table for t in (frame, make(frame)))
    assert [key.isoformat() for key in found.index] == [key.isoformat() for key in expected.index]
    np.testing.assert_allclose(found["scale"], expected["scale"], rtol=1e-12)


@pytest.mark.parametrize(
    "model", [LifetimeModel(), WeibullMixture(2), LifetimeModel("lognormal")], ids=str
)
def test_groups_in_units_far_apart_have_one_answer(model):
    frame = fleet()
    units = [1e-9, 1.0, 1e12]
    both = pd.concat([frame.assign(site=unit, age=frame["age"] * unit) for unit in units])
    table = fit_groups(both, "site", **NAMED, model=model).table
    assert table["converged"].all()
    scales = [name for name in table if name in ("scale", "scale_1", "scale_2")]
    for name in scales:
        np.testing.assert_allclose(table[name] / units, table.loc[1.0, name], rtol=1e-9)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"site": [None, *"AB" * 59, "C"]}, "site must say the group of every row, got 1"),
        ({"site": [np.nan, *[1.0] * 119]}, "site must say the group of every row, got 1"),
        ({"age": pd.date_range("2020", periods=120)}, "durations must be numbers, got dates"),
        ({"age": pd.to_timedelta(np.arange(1.0, 121.0), unit="D")}, "got time differences"),
        ({"age": [None, *range(1, 120)]}, "durations must be numbers, got nan in row 0"),
        ({"failed": [None, *[True] * 119]}, "event_observed must be True or False"),
        ({"weight": [np.nan, *[1.0] * 119]}, "sample_weight must be finite"),
        ({"entry": [np.nan, *[0.0] * 119]}, "entry must be numbers, got nan in row 0"),
    ],
)
def test_what_is_missing_or_no_number_is_one_line(columns, words):
    named = NAMED | {name: name for name in columns if name in ("weight", "entry")}
    with pytest.raises(ValueError, match=words) as caught:
        fit_groups(fleet().assign(**columns), "site", **named)
    assert "\n" not in str(caught.value)


def test_two_columns_of_one_name_are_refused():
    twice = pd.concat([fleet(), fleet()[["age"]]], axis=1)
    with pytest.raises(ValueError, match="Expected unique column names"):
        fit_groups(twice, "site", **NAMED)


def test_models_that_are_of_no_single_lifetime_say_what_to_do():
    for model in (CompetingRisks({"wear": "weibull"}), ScaledHazard()):
        with pytest.raises(ValueError, match=r"take the group as a column, and of several causes"):
            fit_groups(fleet(), "site", **NAMED, model=model)
