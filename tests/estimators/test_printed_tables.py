"""What a print of a table of results shows, and that its parts are plain pandas frames."""

import pickle

import numpy as np
import pandas as pd
import pytest

from survjax import LifetimeModel


@pytest.fixture(scope="module")
def model():
    lives = [1500, 1750, 2250, 4000, 4300, 5000, 7000, 9000, 9500, 10_000]
    return LifetimeModel("weibull").fit(lives, [1, 0, 1, 1, 1, 0, 1, 0, 1, 0])


@pytest.fixture
def narrow():
    """A terminal of 80 columns, as pandas finds it."""
    with pd.option_context("display.max_columns", 0, "display.width", 80):
        yield


def test_bounds_are_printed_in_a_narrow_terminal_and_tests_of_nothing_are_not(model, narrow):
    table = model.summary()
    head = str(table).splitlines()[0].split()
    assert head == ["estimate", "standard_error", "lower", "upper", "bounds"]
    assert list(table.columns[-3:]) == ["z", "p_value", "ratio"]
    assert str(table.round(1)).splitlines()[0].split() == head
    lives = str(model.predict_rul([2000.0]))
    assert "mean_upper" in lives and "q90_upper" in lives and "..." not in lives
    assert max(map(len, lives.splitlines())) <= 80
    assert pd.get_option("display.max_columns") == 0


def test_what_the_user_has_set_for_pandas_counts(model):
    with pd.option_context("display.max_columns", 3):
        assert "..." in str(model.summary())


def test_parts_and_copies_of_a_table_are_plain_frames(model):
    table = model.summary()
    for part in (
        table.iloc[:, :4],
        table.copy(),
        pickle.loads(pickle.dumps(table)),
    ):
        assert type(part) is pd.DataFrame
    pd.testing.assert_frame_equal(table, table.copy())
    pd.testing.assert_frame_equal(table.copy(), table)
    np.testing.assert_array_equal(table["estimate"], table.copy()["estimate"])
