"""Rows of every kind: what the constructors keep, refuse, merge and pad."""

import narwhals.stable.v1 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from survjax import Observations


def columns(rows):
    """Every column there is, by name."""
    return {name: value for name, value in vars(rows).items() if value is not None}


def same(ours, theirs):
    assert columns(ours).keys() == columns(theirs).keys()
    for name, column in columns(ours).items():
        np.testing.assert_array_equal(column, getattr(theirs, name), err_msg=name)


def test_plain_rows_keep_no_column_that_nobody_needs():
    rows = Observations.from_durations([3.0, 5.0], [1, 0], entry=[0.0, 0.0], exit=[np.inf] * 2)
    assert set(columns(rows)) == {"lower", "log_lower", "event", "weight"}
    assert all(column.dtype == np.float64 for column in columns(rows).values())


def test_bounds_say_which_kind_a_row_is():
    rows = Observations.from_intervals([2.0, 3.0, 0.0, 4.0], [2.0, np.inf, 5.0, 6.0])
    np.testing.assert_array_equal(rows.event, [1, 0, 0, 0])
    np.testing.assert_array_equal(rows.interval, [0, 0, 1, 1])
    assert (rows.n_rows, rows.n_units, rows.n_events) == (4, 4.0, 3.0)
    for column in columns(rows).values():
        assert np.all(np.isfinite(column))


def test_missing_bounds_are_open_ends():
    bounds = Observations.from_intervals([np.nan, -np.inf, 0.0, 4.0], [5.0, 5.0, 5.0, np.nan])
    same(bounds, Observations.from_intervals([0.0, 0.0, 0.0, 4.0], [5.0, 5.0, 5.0, np.inf]))


def test_running_at_time_zero_says_nothing():
    rows = Observations.from_durations([0.0, 0.0, 4.0], [0, 0, 1])
    np.testing.assert_array_equal(rows.weight, [0, 0, 1])
    assert rows.n_units == 1.0
    assert np.all(np.isfinite(rows.log_lower))
    assert rows.without_padding().n_rows == 1


def test_whole_line_says_nothing_either():
    rows = Observations.from_intervals([0.0, 2.0], [np.inf, 3.0])
    np.testing.assert_array_equal(rows.weight, [0, 1])


@pytest.mark.parametrize(
    ("rounding", "lower", "upper"),
    [("up", [1, 0, 5], [2, 1, np.inf]), ("down", [2, 1, 5], [3, 2, np.inf]),
     ("nearest", [1.5, 0.5, 5], [2.5, 1.5, np.inf])],
)  # fmt: skip
def test_resolution_turns_failures_into_what_they_stand_for(rounding, lower, upper):
    rows = Observations.from_durations([2, 1, 5], [1, 1, 0], resolution=1.0, rounding=rounding)
    same(rows, Observations.from_intervals(lower, upper))
    auto = Observations.from_durations([2, 1, 5], [1, 1, 0], resolution="auto", rounding=rounding)
    same(auto, rows)


def test_auto_resolution_is_the_smallest_gap_not_the_rounding_error():
    times = np.arange(1, 40) * 0.1
    rows = Observations.from_durations(times, resolution="auto")
    np.testing.assert_allclose(rows.upper - rows.lower, 0.1, rtol=1e-9)
    assert rows.lower[0] == 0.0


def test_recording_interval_never_begins_before_entry():
    rows = Observations.from_durations([5.0], [1], entry=[4.5], resolution=1.0)
    assert rows.lower[0] == 4.5
    assert rows.entry[0] == 4.5


def test_an_interval_that_began_before_entry_begins_at_entry():
    rows = Observations.from_intervals([2.0, 0.0], [9.0, 9.0], entry=[4.0, 4.0])
    np.testing.assert_array_equal(rows.lower, [4.0, 4.0])


def test_a_unit_running_among_those_that_failed_by_exit_fails_between():
    limit = {"exit": [9.0, 9.0, 9.0, np.inf]}
    rows = Observations.from_durations([4.0, 4.0, 0.0, 4.0], [1, 0, 0, 0], **limit)
    bounds = Observations.from_intervals([4.0, 4.0, 0.0, 4.0], [4.0, 9.0, np.inf, np.inf], **limit)
    same(rows, bounds)
    same(rows, Observations.from_intervals([4, 4, 0, 4], [4, *[np.inf] * 3], **limit))
    np.testing.assert_array_equal(rows.interval, [0, 1, 0, 0])
    np.testing.assert_array_equal(rows.weight, [1, 1, 0, 1])


@pytest.mark.parametrize(
    ("rounding", "lower", "upper"), [("up", 4.5, 4.8), ("nearest", 4.5, 4.8), ("down", 5.0, 5.4)]
)
def test_recording_interval_lies_between_entry_and_exit(rounding, lower, upper):
    limits = {"entry": [lower], "exit": [upper]}
    rows = Observations.from_durations([5.0], resolution=1.0, rounding=rounding, **limits)
    assert (rows.lower[0], rows.upper[0]) == (lower, upper)


def test_a_running_unit_cannot_have_reached_its_exit():
    with pytest.raises(ValueError, match="beyond it for a unit still running, got 4 in row 1"):
        Observations.from_durations([4.0, 4.0], [1, 0], exit=[4.0, 4.0])


def test_equal_rows_merge_without_loss():
    rng = np.random.default_rng(0)
    t, event = rng.integers(1, 9, 300), rng.integers(0, 2, 300)
    entry, weight = np.where(rng.random(300) < 0.5, 0.5, 0.0), rng.integers(1, 4, 300)
    rows = Observations.from_durations(t, event, entry=entry, sample_weight=weight)
    merged = rows.compressed()
    assert merged.n_rows == len({*zip(t, event, entry, strict=True)})
    assert merged.n_units == weight.sum()
    table = dict.fromkeys(zip(t, event, entry, strict=True), 0.0)
    for a, b, c, w in zip(t, event, entry, weight, strict=True):
        table[a, b, c] += w
    for a, b, c, w in zip(merged.lower, merged.event, merged.entry, merged.weight, strict=True):
        assert table[a, b, c] == w
    shuffled = rows.take(rng.permutation(300)).compressed()
    same(shuffled, merged)


def test_merging_drops_rows_without_weight():
    rows = Observations.from_durations([1.0, 2.0, 3.0], sample_weight=[1.0, 0.0, 2.0])
    assert rows.compressed().n_rows == 2


def test_padding_adds_rows_that_count_nothing():
    rows = Observations.from_intervals([1.0, 0.0], [1.0, 3.0], entry=[0.5, 0.0])
    padded = rows.padded(7)
    assert padded.n_rows == 7
    assert padded.n_units == rows.n_units
    same(padded.without_padding(), rows)
    assert rows.padded(2) is rows
    for column in columns(padded).values():
        assert np.all(np.isfinite(column))


TABLE = {
    "age": [3, 5, 8], "failed": [True, False, True], "since": [0, 1, 2], "units": [1.0, 2.5, 1.0],
    "low": [3.0, 0.0, None], "high": [3.0, 2.0, 4.0],
}  # fmt: skip


@pytest.mark.parametrize(
    "table",
    [pd.DataFrame(TABLE), pd.DataFrame(TABLE).convert_dtypes(), pl.DataFrame(TABLE),
     pa.table(TABLE), nw.from_native(pl.DataFrame(TABLE))],
    ids=["pandas", "nullable", "polars", "arrow", "narwhals"],
)  # fmt: skip
def test_columns_of_any_table_are_read(table):
    rows = Observations.from_frame(
        table, duration="age", event="failed", entry="since", weight="units"
    )
    plain = Observations.from_durations(
        [3, 5, 8], [1, 0, 1], entry=[0, 1, 2], sample_weight=[1, 2.5, 1]
    )
    same(rows, plain)
    bounds = Observations.from_frame(table, lower="low", upper="high")
    same(bounds, Observations.from_intervals([3.0, 0.0, 0.0], [3.0, 2.0, 4.0]))


@pytest.mark.filterwarnings("ignore:every one of the .* rows counts as a failure")
def test_a_table_says_which_columns_it_has():
    table = pl.DataFrame(TABLE)
    with pytest.raises(ValueError, match="no column 'life': the table has age, failed"):
        Observations.from_frame(table, duration="life")
    for wrong in ({}, {"lower": "low"}, {"duration": "age", "upper": "high"}, {"event": "failed"}):
        with pytest.raises(ValueError, match="name either duration"):
            Observations.from_frame(table, **wrong)


def test_a_table_may_name_its_columns_by_numbers():
    rows = Observations.from_frame(pd.DataFrame({0: [3, 5], 1: [1, 0]}), duration=0, event=1)
    same(rows, Observations.from_durations([3, 5], [1, 0]))
    with pytest.raises(ValueError, match="no column 'age': the table has 0"):
        Observations.from_frame(pd.DataFrame({0: [3, 5]}), duration="age")


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        (TABLE, TypeError, "got dict: make one of it"),
        (np.ones((3, 2)), TypeError, "got ndarray: make one of it"),
        (pl.LazyFrame(TABLE), TypeError, "got LazyFrame: call collect"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ValueError, "got DataFrame .*'a' 2 times"),
    ],
    ids=["dict", "array", "lazy", "twice"],
)
def test_what_is_no_table_gets_one_clear_error(table, error, message):
    with pytest.raises(error, match=f"frame must be a table in memory, .*, {message}"):
        Observations.from_frame(table, duration="a")


def test_bounds_take_no_resolution():
    with pytest.raises(ValueError, match="resolution goes with duration"):
        Observations.from_frame(pl.DataFrame(TABLE), lower="low", upper="high", resolution=1.0)


@pytest.mark.parametrize("kind", [pl.Int128, pl.Decimal(10, 2)])
def test_numbers_that_numpy_does_not_know_are_read(kind):
    table = pl.DataFrame({"age": pl.Series([3, 5]).cast(kind)})
    same(Observations.from_frame(table, duration="age"), Observations.from_durations([3, 5]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"lower": [1.0, 5.0], "upper": [2.0, 4.0]},
            "upper must be at least lower, got 4 in row 1",
        ),
        ({"lower": [0.0], "upper": [0.0]}, "upper must be positive"),
        ({"lower": [1.0], "upper": [-1.0]}, "upper must be at least zero"),
        ({"lower": [np.inf], "upper": [np.inf]}, "lower must be finite"),
        ({"lower": [1.0, 2.0], "upper": [3.0]}, "upper must have one entry for each of the 2"),
        ({"lower": [1.0], "upper": [2.0], "entry": [2.0]}, "entry must be below"),
        ({"lower": [1.0], "upper": [2.0], "exit": [1.5]}, "exit must be at least"),
        ({"lower": [1.0], "upper": [2.0], "entry": [np.nan]}, "entry must be numbers"),
        ({"lower": [1.0], "upper": [2.0], "exit": [0.0]}, "exit must be positive"),
        ({"lower": [1.0], "upper": [2.0], "sample_weight": [0.0]}, "sample_weight is zero in all"),
    ],
)
def test_bounds_that_cannot_be_are_refused_with_their_row(arguments, message):
    with pytest.raises(ValueError, match=message):
        Observations.from_intervals(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resolution": 0.0}, "resolution must be a positive width or 'auto', got 0"),
        ({"resolution": True}, "resolution must be a positive width"),
        ({"resolution": "day"}, "resolution must be a positive width or 'auto', got 'day'"),
        ({"resolution": np.nan}, "resolution must be a positive width"),
        ({"resolution": [1.0, 2.0]}, "resolution must be a positive width"),
        ({"resolution": 1e-17}, "coarser than the rounding errors of the durations .up to 2., got"),
        ({"rounding": "ceil"}, "rounding must be 'up', 'nearest' or 'down', got 'ceil'"),
        ({"resolution": 1.0, "rounding": "ceil"}, "rounding must be 'up', 'nearest' or 'down'"),
    ],
)
def test_resolutions_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Observations.from_durations([1.0, 2.0], **arguments)


def test_a_failure_recorded_at_zero_needs_another_rounding():
    with pytest.raises(ValueError, match="a failure recorded at 0 needs rounding"):
        Observations.from_durations([0.0, 2.0], resolution=1.0)
    rows = Observations.from_durations([0.0, 2.0], resolution=1.0, rounding="nearest")
    np.testing.assert_array_equal(rows.upper, [0.5, 2.5])
    np.testing.assert_array_equal(rows.lower, [0.0, 1.5])


def test_arrays_of_the_caller_are_left_as_they_were():
    given = {"durations": np.array([0.0, 2.0, 3.0]), "event_observed": np.array([0, 1, 1])}
    given |= {"entry": np.array([0.0, 1.0, 0.0]), "sample_weight": np.array([1.0, 2.0, 0.0])}
    before = {name: value.copy() for name, value in given.items()}
    for value in given.values():
        value.setflags(write=False)
    rows = Observations.from_durations(given.pop("durations"), given.pop("event_observed"), **given)
    rows.compressed().padded(8)
    for name, value in given.items():
        np.testing.assert_array_equal(value, before[name])
