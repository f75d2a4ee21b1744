"""What is known of a curve, and where: follow-up, times asked for, causes, and how it is shown."""

import pickle

import numpy as np
import pandas as pd
import pytest

from survjax._core.ranges import interval_sums, range_sums
from survjax.nonparametric import (
    aalen_johansen,
    kaplan_meier,
    log_rank,
    nelson_aalen,
    restricted_mean,
    turnbull,
)


def test_beyond_the_end_of_follow_up_every_curve_is_unknown():
    time, event = [1, 2, 3], [1, 0, 0]
    for curve in (
        kaplan_meier(time, event),
        nelson_aalen(time, event),
        aalen_johansen(time, event)[1],
        turnbull(time, [1, np.inf, np.inf]),
    ):
        assert curve.end == 3 and not curve.complete
        assert not np.isnan(curve(3))
        assert np.isnan([curve(3.1), curve(np.inf), curve.before(3.1), *curve.bounds(3.1)]).all()
        assert np.isnan(curve.standard_error(3.1))
        assert curve.known_at([2.9, 3, 3.1, np.inf, np.nan]).tolist() == [True, True] + [False] * 3
    assert np.isnan(restricted_mean(kaplan_meier(time, event), 100)).all()
    assert restricted_mean(kaplan_meier(time, event), 3)[0] == pytest.approx(1 + 2 * 2 / 3)


def test_a_curve_that_has_ended_keeps_its_final_value():
    time = [1, 2, 3]
    assert kaplan_meier(time)([3, 9, np.inf]).tolist() == [0, 0, 0]
    shares = aalen_johansen(time, ["a", "b", "a"])
    assert shares["a"](9) == pytest.approx(2 / 3) and shares.survival(9) == 0
    assert turnbull(time, time)(9) == 0
    assert restricted_mean(kaplan_meier(time), 100)[0] == pytest.approx(2)
    # A cumulative hazard goes on.
    assert np.isnan(nelson_aalen(time)(9))


def test_the_end_is_reached_up_to_rounding():
    # The last unit ran until 0.3, and nobody was seen beyond.
    curve = kaplan_meier([0.1, 0.2, 0.3], [1, 1, 0])
    assert curve(0.1 * 3) == pytest.approx(1 / 3)
    assert restricted_mean(curve, 0.1 * 3)[0] == pytest.approx(0.1 * (1 + 2 / 3 + 1 / 3))
    assert np.isnan(curve(0.3 + 1e-6))


def test_rows_of_weight_zero_are_not_followed():
    curve = kaplan_meier([1, 2, 9], [1, 0, 0], sample_weight=[1, 1, 0])
    assert curve.end == 2


def test_a_time_equal_to_an_event_up_to_rounding_is_that_event():
    curve = kaplan_meier([0.1 * 3, 1, 2])
    assert curve(0.3) == pytest.approx(2 / 3)
    assert curve.before(0.3) == 1
    assert curve([[0.3, 0.2999]]).tolist() == [[curve(0.1 * 3), 1]]
    back = kaplan_meier([0.3, 1, 2])
    assert back.before(0.1 * 3) == 1
    assert np.isnan(curve(np.nan))
    assert curve([]).size == 0


def test_where_all_have_failed_of_one_cause_the_share_is_one():
    for n in (6, 10, 12, 49):
        share = aalen_johansen(np.arange(1, n + 1), np.ones(n, int))[1]
        assert (share.values[-1], share.lower[-1], share.upper[-1]) == (1, 1, 1)


def test_a_share_that_ends_before_others_came_is_said():
    with pytest.warns(UserWarning, match="reaches 0 at 1 although 2 of 3 units"):
        aalen_johansen([1, 5, 6], [1, 2, 1], entry=[0, 2, 2])


def test_missing_causes_of_any_kind_mean_still_running():
    expected = aalen_johansen([1, 2, 3], [1, 0, 2])
    for causes in (
        pd.array([1, None, 2], dtype="Int64"),
        pd.Series([1, None, 2]),
        [1, None, 2],
        [1, pd.NA, 2],
        np.array([1, np.nan, 2]),
    ):
        found = aalen_johansen([1, 2, 3], causes)
        assert found.causes == (1, 2)
        np.testing.assert_array_equal(found[2].values, expected[2].values)
    assert aalen_johansen([1, 2, 3], ["a", " ", "b"]).causes == ("a", "b")


@pytest.mark.parametrize("text", ["0", "nan", "None", "False", "<NA>", b"0", "0.0"])
def test_text_that_may_mean_still_running_is_refused(text):
    with pytest.raises(ValueError, match="causes has the text .* in row 1, which may mean"):
        aalen_johansen([1, 2, 3], np.array(["1", text, "2"], dtype=object))


def test_weights_of_very_different_sizes_keep_their_digits():
    # Those who enter late must not drown those watched before.
    early = kaplan_meier([1, 2, 3], [1, 1, 0])
    late = kaplan_meier(
        [1, 2, 3, 9, 9], [1, 1, 0, 0, 0], entry=[0, 0, 0, 5, 5], sample_weight=[1, 1, 1, 1e17, 3e17]
    )
    np.testing.assert_array_equal(late.values, early.values)
    np.testing.assert_array_equal(late.at_risk, early.at_risk)
    # One survivor beside 1e14 failures is still running.
    assert kaplan_meier([1, 2], [1, 0], sample_weight=[1e14, 1]).values[0] == pytest.approx(1e-14)


def test_sums_over_intervals_only_add():
    rng = np.random.default_rng(1)
    for size in (1, 2, 3, 8, 13, 64):
        first = rng.integers(0, size + 1, 200)
        stop = np.minimum(first + rng.integers(0, size + 1, 200), size)
        for weight in (10.0 ** rng.uniform(-20, 20, 200), rng.integers(1, 5, 200).astype(float)):
            inside = (first <= np.arange(size)[:, None]) & (np.arange(size)[:, None] < stop)
            expected = [np.sort(weight[row]).sum() for row in inside]
            np.testing.assert_allclose(interval_sums(first, stop, weight, size), expected, 1e-13)
        values = 10.0 ** rng.uniform(-20, 20, size)
        expected = [values[a:b].sum() for a, b in zip(first, stop, strict=True)]
        np.testing.assert_allclose(range_sums(values, first, stop), expected, 1e-13)


def test_bounds_of_tiny_weights_are_wide_and_no_overflow():
    options = {"sample_weight": [1e-9, 1e-9, 1e-9]}
    upper = nelson_aalen([1, 2, 3], **options).upper
    assert np.isinf(upper).all()
    for transform in ("log", "log-log", "plain"):
        curve = kaplan_meier([1, 2, 3], transform=transform, **options)
        assert curve.upper.tolist() == [1, 1, 1] and curve.lower.tolist() == [0, 0, 0]


def test_results_are_shown_in_a_line():
    rng = np.random.default_rng(2)
    curve = kaplan_meier(rng.random(500), rng.random(500) < 0.9)
    assert repr(curve).startswith("<StepCurve: 4") and len(repr(curve)) < 120
    assert repr(kaplan_meier([3, 4], [0, 0])) == (
        "<StepCurve: no step, 1 throughout, followed to 4>"
    )
    assert "causes 'a', 'b'; survival <StepCurve: 2 steps" in repr(
        aalen_johansen([1, 2, 3], ["a", "b", None])
    )
    assert repr(log_rank([2, 3, 9, 4, 8, 12], groups=list("aaabbb"))) == (
        "<LogRank: statistic 0.89901, df 1, p-value 0.343; groups 'a', 'b'>"
    )


def test_a_curve_survives_pickling_before_its_bounds_are_asked_for():
    curve = kaplan_meier([1, 2, 3], [1, 1, 0])
    again = pickle.loads(pickle.dumps(curve))
    np.testing.assert_array_equal(again.lower, curve.lower)
    np.testing.assert_array_equal(again.variance, curve.variance)
