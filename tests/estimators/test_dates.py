"""Dates become ages, whatever holds them."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest

from survjax import durations_from_dates

START, END = ["2020-01-01", "2021-06-01"], ["2022-01-01", None]


@pytest.mark.parametrize(
    "convert",
    [
        list,
        np.array,
        lambda x: np.array(x, "datetime64[D]"),
        lambda x: pd.Series(pd.to_datetime(pd.Series(x)).to_numpy(), index=["p", "q"]),
        lambda x: pd.to_datetime(pd.Series(x)).dt.tz_localize("UTC"),
        lambda x: pl.Series([d and dt.date.fromisoformat(d) for d in x]),
        lambda x: [d and dt.datetime.fromisoformat(d) for d in x],
    ],
)
def test_dates_of_any_library_give_the_same_ages(convert):
    start = convert(START)
    found = durations_from_dates(start, convert(END), as_of="2024-06-01", entry="2021-01-01")
    assert found["duration"].tolist() == [731.0, 1096.0]
    assert found["failed"].tolist() == [True, False]
    assert found["entry"].tolist() == [366.0, 0.0]
    if isinstance(start, pd.Series):
        assert found.index.equals(start.index)


@pytest.mark.parametrize(("per", "days"), [("hours", 1 / 24), ("W", 7.0), ("year", 365.25)])
def test_units_of_time_are_days_times_a_number(per, days):
    found = durations_from_dates(START, END, as_of="2024-06-01", per=per)
    np.testing.assert_allclose(found["duration"], np.array([731.0, 1096.0]) / days, rtol=1e-15)


def test_an_end_may_be_no_failure_and_a_day_lasts_until_the_next():
    found = durations_from_dates(
        START, ["2022-01-01", "2024-06-01 13:00"], as_of="2024-06-01", failed=[0, 1]
    )
    assert found["failed"].tolist() == [False, True]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"start": ["2020-01-01", "03/04/2020"]}, "'03/04/2020' in row 1"),
        ({"as_of": None}, "missing in row 1.*pass as_of="),
        ({"end": ["2019-01-01", None]}, "row 0 ends .2019-01-01. before it starts"),
        ({"as_of": "2021-07-01"}, "after as_of .2021-07-01. in row 0"),
        ({"start": pd.Series([5.0, 6.0])}, "numbers: is it an age already"),
        ({"per": "fortnight"}, "per must be one of"),
        ({"entry": "2023-01-01"}, "row 0 came under observation"),
        ({"end": ["2022-01-01"]}, "end has 1 entries and start 2"),
        ({"failed": [1, 1]}, "failed is true in row 1"),
        ({"start": [None, "2021-06-01"]}, "start is missing in row 0"),
        ({"as_of": "2021-01-01", "end": [None, None]}, "as_of is before its start"),
        ({"as_of": pd.NaT}, "as_of must be a date"),
    ],
)
def test_what_dates_cannot_say_is_one_clear_error(arguments, words):
    usual = {"start": START, "end": END, "as_of": "2024-06-01"}
    with pytest.raises(ValueError, match=words):
        durations_from_dates(**(usual | arguments))
