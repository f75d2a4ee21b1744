"""Causes in the columns that users have: labels, sets of labels, missing values."""

import numpy as np
import pandas as pd
import pytest

from survjax.data.causes import allowed_causes, check_labels

LABELS = ("wear", "shock")
EXPECTED = [[1, 0], [0, 0], [0, 1], [1, 1]]


@pytest.mark.parametrize("several", [{"wear", "shock"}, ["shock", "wear"], ("wear", "shock")])
@pytest.mark.parametrize("none", [None, np.nan, pd.NA, 0, False])
def test_a_set_of_labels_says_that_the_cause_is_one_of_these(several, none):
    cause = ["wear", none, "shock", several]
    assert allowed_causes(cause, LABELS, 4).astype(int).tolist() == EXPECTED
    column = pd.Series(cause, index=[9, 8, 7, 6], dtype=object)
    assert allowed_causes(column, LABELS, 4).astype(int).tolist() == EXPECTED


def test_numbers_and_categories_name_causes_as_well():
    expected = EXPECTED[:3]
    for cause in ([1, 0, 2], np.array([1.0, np.nan, 2.0]), np.array([1, 0, 2], np.int8)):
        assert allowed_causes(cause, (1, 2), 3).astype(int).tolist() == expected
    categories = pd.Series(["wear", None, "shock"], dtype="category")
    assert allowed_causes(categories, LABELS, 3).astype(int).tolist() == expected


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        (["wear", "rust", None, "rust"], r"'rust' in row 1 \(2 such rows\).*'wear', 'shock'"),
        (["wear", "", None, None], "label '' in row 1 .*pass None for a unit that still runs"),
        (["wear", "nan", None, None], "pass None for a unit that still runs"),
        (["wear", {"wear", "rust"}, None, None], "'rust' in row 1"),
        (["wear", set(), None, None], "empty set in row 1"),
        (["wear", [["shock"]], None, None], "must hold labels, or sets of labels"),
        (["wear", None], r"one entry for each of the 4 durations, got shape \(2,\)"),
        (np.full((4, 2), "wear"), r"one entry for each of the 4 durations, got shape \(4, 2\)"),
        ("wear", "one entry for each of the 4 durations, got 'wear'"),
        (None, "cause is missing"),
    ],
)
def test_what_is_no_cause_is_one_clear_error(cause, message):
    with pytest.raises(ValueError, match=message):
        allowed_causes(cause, LABELS, 4)


@pytest.mark.parametrize("labels", [(), (None,), ("",), (0,), (np.nan,), (("a", "b"),)])
def test_names_of_causes_are_text_or_numbers(labels):
    with pytest.raises(ValueError, match="causes"):
        check_labels(labels)
