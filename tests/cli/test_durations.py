"""A few durations far beyond all others are said to be, and others are not."""

import numpy as np
import pytest

from survjax.cli.tables.durations import far_away

AGES = np.random.default_rng(0).weibull(1.5, 60) * 10.0


def said(ages):
    return far_away(np.asarray(ages), lambda row: f"line {row + 2}")


def test_a_few_durations_in_another_unit_of_time_are_named():
    ages = AGES.copy()
    ages[[4, 9, 30]] *= 8766.0
    (note,) = said(ages)
    assert note.startswith("3 durations, such as ") and "in line 6, are some " in note
    assert "times as long as the longest other one" in note
    ages = AGES.copy()
    ages[7] = 1e308
    (note,) = said(ages)
    assert note.startswith("the duration 1e+308 in line 9 is some ")


@pytest.mark.parametrize(
    "ages",
    [
        AGES,
        AGES[:10] * [1e6, *[1.0] * 9],  # too few to know what is usual
        np.concatenate([AGES, 1e3 * AGES]),  # half of them
        np.exp(3.0 * np.random.default_rng(1).normal(size=2000)),  # a long tail
        np.zeros(40),
        np.full(40, 3.0),
    ],
)
def test_other_durations_are_not(ages):
    assert said(ages) == ()
