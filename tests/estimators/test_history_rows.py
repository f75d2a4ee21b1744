"""Event logs and readings of every kind become the rows that they say, or get one clear error."""

import datetime

import narwhals.stable.v1 as nw
import numpy as np
import pandas as pd
import pytest

from survjax import history_rows

LIVES = pd.DataFrame({"unit": ["a", "b"], "end": [10.0, 8.0], "failed": [True, False]})
READINGS = pd.DataFrame({"unit": ["a", "a", "b"], "time": [0.0, 4.0, 1.0], "load": [1.0, 2.0, 3.0]})
ROWS = [[0.0, 4.0, 0, 1.0], [4.0, 10.0, 1, 2.0], [1.0, 8.0, 0, 3.0]]
SPANS = {"end": pd.to_timedelta([9, 8])}
DAY = pd.Timestamp("2024-03-01")


def told(found):
    return found[["start", "stop", "event", "load"]].to_numpy(float).tolist()


def dates(values, zone=None):
    return DAY.tz_localize(zone) + pd.to_timedelta(values, "D")


@pytest.mark.parametrize("seed", range(6))
def test_rows_are_those_of_a_search_by_hand(seed):
    rng = np.random.default_rng(seed)
    lives = pd.DataFrame({"unit": rng.integers(0, 8, 30), "begin": rng.integers(0, 9, 30) * 1.0})
    lives["end"] = lives["begin"] + rng.integers(1, 9, 30)
    lives["failed"] = rng.random(30) < 0.5
    readings = pd.DataFrame({"unit": rng.integers(0, 8, 200), "time": rng.integers(-2, 15, 200)})
    readings["load"] = np.arange(200.0)
    first = readings.groupby("unit")["time"].min()
    lives = lives[lives["end"] > first.reindex(lives["unit"]).to_numpy()]
    expected = []
    for life, row in enumerate(lives.itertuples()):
        mine = readings[(readings["unit"] == row.unit) & (readings["time"] < row.end)]
        holds = dict(zip(mine["time"], mine["load"], strict=True))
        early = sorted(t for t in holds if t <= row.begin)
        starts = early[-1:] + sorted(t for t in holds if t > row.begin)
        for t, after in zip(starts, [*starts[1:], None], strict=True):
            stop = row.end if after is None else after
            since = max(t, row.begin) - row.begin
            event = row.failed and after is None
            expected.append([life, row.unit, since, stop - row.begin, event, holds[t]])
    found = history_rows(lives, readings, start="begin")
    np.testing.assert_array_equal(found.to_numpy(float), np.array(expected, float))


@pytest.mark.parametrize(
    "convert",
    [
        lambda frame: frame.convert_dtypes(),
        lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
        lambda frame: frame.astype({"unit": "category"}),
        lambda frame: frame.astype({"unit": object}).set_index(pd.Index([7] * len(frame))),
        lambda frame: pytest.importorskip("polars").from_pandas(frame),
        lambda frame: nw.from_native(frame).to_arrow(),
    ],
)
def test_tables_of_every_kind_give_the_same_rows(convert):
    assert told(history_rows(convert(LIVES), convert(READINGS))) == ROWS


@pytest.mark.parametrize(
    "when",
    [
        dates,
        lambda values: dates(values, "Europe/Berlin"),
        lambda values: dates(values).as_unit("s"),
        lambda values: [DAY.date() + datetime.timedelta(v) for v in values],
    ],
)
def test_dates_of_every_kind_give_the_same_rows(when):
    lives = LIVES.assign(end=when([10, 8]), begin=when([0, 0]))
    found = history_rows(lives, READINGS.assign(time=when([0, 4, 1])), start="begin")
    assert told(found) == ROWS and found.attrs["per"] == "D"


def test_time_differences_need_no_start():
    lives = LIVES.assign(end=pd.to_timedelta([10, 8], "D"))
    readings = READINGS.assign(time=pd.to_timedelta([0, 4, 1], "D"))
    assert told(history_rows(lives, readings)) == ROWS


@pytest.mark.parametrize("name", ["end", "begin", "failed", "time_x"])
def test_readings_may_be_named_like_columns_of_lives(name):
    found = history_rows(LIVES, READINGS.rename(columns={"load": name}))
    assert found[name].tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("lives", "readings", "more", "message"),
    [
        # A reading named like a column of the result took its place.
        ({}, {"stop": [1.0, 2.0, 3.0]}, {}, "'stop' has the name of a column of the result"),
        ({}, {"event": [1.0, 2.0, 3.0]}, {}, "'event' has the name of a column of the result"),
        # Any text, and what is missing, was a failure.
        ({"failed": ["yes", "no"]}, {}, {}, "'failed' of lives must be True or False.*'yes'"),
        ({"failed": [1.0, np.nan]}, {}, {}, "'failed' of lives must be.*nan in row 1"),
        ({"failed": [2, 1]}, {}, {}, "'failed' of lives must be.*got 2 in row 0"),
        ({}, {"time": [0.0, np.nan, 1.0]}, {}, "'time' of readings is missing in row 1"),
        ({"end": [10.0, np.nan]}, {}, {}, "'end' of lives is missing in row 1"),
        ({"end": [10.0, np.inf]}, {}, {}, "'end' of lives must be finite"),
        ({}, {"unit": ["a", None, "b"]}, {}, "'unit' of readings is missing in row 1"),
        ({"unit": [1, 2]}, {}, {}, "no unit in common"),
        ({"end": dates([10, 8]), "b": dates([0, 0])}, {}, {"start": "b"}, "one kind.*numbers"),
        ({"end": ["2024-01-01", "2024-01-02"]}, {}, {}, "holds text.*to_datetime"),
        ({"end": [True, True]}, {}, {}, "'end' of lives must be numbers, got booleans"),
        ({}, {}, {"end": "failed"}, "'failed' of lives is named for two things"),
        (
            {"end": pd.to_timedelta([9, 8])},
            {"time": pd.to_timedelta([0, 4, 1])},
            {"per": "Y"},
            "per",
        ),
    ],
)
def test_what_cannot_be_joined_gets_one_clear_error(lives, readings, more, message):
    with pytest.raises(ValueError, match=message):
        history_rows(LIVES.assign(**lives), READINGS.assign(**readings), **more)


def test_tables_that_are_none_are_told():
    with pytest.raises(ValueError, match="lives must be a DataFrame, got dict"):
        history_rows({"unit": ["a"]}, READINGS)
    twice = pd.concat([READINGS, READINGS[["load"]]], axis=1)
    with pytest.raises(ValueError, match="'load' of readings occurs twice"):
        history_rows(LIVES, twice)
