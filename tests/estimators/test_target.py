"""Targets of regressions from columns of durations and events."""

import numpy as np
import pytest

from survjax import survival_target


def test_events_may_be_given_by_the_name_that_they_have_elsewhere():
    named = survival_target([3.0, 5.0], event_observed=[1, 0])
    np.testing.assert_array_equal(named, survival_target([3.0, 5.0], [True, False]))
    for wrong in ({}, {"upper": [4.0, 6.0], "event_observed": [1, 0]}):
        with pytest.raises(TypeError, match="takes upper or event_observed, and one of them only"):
            survival_target([3.0, 5.0], **wrong)
