"""Curves of the data under pictures of covariates: which units they are of."""

import numpy as np
import pandas as pd

import survjax
from survjax.cli._columns import Units
from survjax.cli.covariates.columns import Covariates
from survjax.cli.covariates.steps import rows_of, steps_of

X = pd.DataFrame({
    "maker=A": [1.0, 0, 0, 0, 1, 0], "maker=C": [0.0, 0, 1, 0, 0, 0], "load": [1.0, 2, 2, 3, 3, 3]
})  # fmt: skip
COVARIATES = Covariates(list(X), X.to_numpy(), {"maker": ["B", "A", "C"]}, ())


def where(*of):
    return [np.flatnonzero(rows).tolist() for rows in rows_of(X, *of, COVARIATES)]


def test_the_most_frequent_value_of_a_text_is_told_from_those_that_are_not_drawn():
    assert where(["maker=A"], np.array([[0.0], [1.0]])) == [[1, 3, 5], [0, 4]]
    both = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert where(["maker=A", "maker=C"], both) == [[1, 3, 5], [0, 4], [2]]
    assert where(["load"], np.array([[2.0], [2.5]])) == [[1, 2], []]


def test_a_curve_is_that_of_the_units_alone_and_of_enough_failures():
    ages = np.arange(1.0, 13.0)
    failed = np.arange(12) % 4 > 0
    entry, weight = np.full(12, 0.5), np.linspace(1.0, 2.0, 12)
    upper = np.where(failed, ages, np.inf)
    units = Units(ages, upper, entry, weight, ~failed, [""] * 12, "row")
    rows = ages > 4
    of = entry[rows], weight[rows]
    expected = survjax.kaplan_meier(ages[rows], failed[rows], entry=of[0], sample_weight=of[1])
    np.testing.assert_array_equal(steps_of(units, rows).values, expected.values)
    assert steps_of(units, ages > 9) is None
