"""Kaplan-Meier, Nelson-Aalen, restricted means: against R, by hand, and by invariance."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survjax.nonparametric import (
    censoring_curve,
    kaplan_meier,
    nelson_aalen,
    restricted_mean,
)

# How each reference file names its columns: durations, event, and the rest.
COLUMNS = {
    "bearingcage": ("hours", "event", {"sample_weight": "count"}),
    "heart_startstop": ("stop", "event", {"entry": "start"}),
    "channing_gender1": ("age", "death", {"entry": "ageentry"}),
    "channing_gender2": ("age", "death", {"entry": "ageentry"}),
    "relife_power_transformer": ("time", "event", {"entry": "entry"}),
    "shockabsorber": ("miles", "event", {}),
    "genfan": ("hours", "status", {}),
    "gehan_6mp": ("time", "cens", {}),
    "veteran": ("time", "status", {}),
    "aml": ("time", "status", {}),
    "hdfail_st3000": ("time", "status", {}),
    "lung": ("time", "event", {}),
    "lung_sex1": ("time", "event", {}),
    "lung_sex2": ("time", "event", {}),
}


def columns(real_data, name, case):
    duration, event, others = COLUMNS[name]
    frame = pd.read_csv(real_data / case["data"])
    more = {key: frame[column].to_numpy() for key, column in others.items()}
    return (frame[duration].to_numpy(), frame[event].to_numpy()), more


def agree(values, reference, rtol=1e-12):
    expected = np.array([np.nan if x is None else x for x in reference], dtype=float)
    known = np.isfinite(expected)
    np.testing.assert_allclose(np.asarray(values)[known], expected[known], rtol=rtol, atol=1e-14)


@pytest.mark.filterwarnings("ignore:the curve reaches 0")
@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_curves_agree_with_R(real_data, name):
    case = json.loads((real_data / "reference/r_km.json").read_text())["cases"][name]
    rows, more = columns(real_data, name, case)
    t = case["time"]
    curve = kaplan_meier(*rows, **more)
    agree(curve(t), case["surv"])
    agree(curve.standard_error(t), case["greenwood_se"])
    for transform in ("log-log", "log", "plain"):
        lower, upper = kaplan_meier(*rows, **more, transform=transform).bounds(t)
        key = transform.replace("-", "")
        agree(lower, case[f"lower_{key}"])
        agree(upper, case[f"upper_{key}"])
    hazard = nelson_aalen(*rows, **more)
    agree(hazard(t), case["cumhaz_nelson_aalen"])
    agree(hazard.standard_error(t), case["cumhaz_se"])
    for item in case.get("rmst") or []:
        agree(restricted_mean(curve, item["tau"]), [item["rmst"], item["se"]])


@pytest.mark.filterwarnings("ignore:the curve reaches 0")
@pytest.mark.parametrize("name", sorted(set(COLUMNS) - {"channing_gender1"}))
def test_quantiles_and_their_bounds_agree_with_R(real_data, name):
    # channing_gender1 is left out: its curve is flat at exactly one half, where R averages the
    # two ends of the step, and survjax returns the first time by which half have failed.
    case = json.loads((real_data / "reference/r_km.json").read_text())["cases"][name]
    rows, more = columns(real_data, name, case)
    curve, expected = kaplan_meier(*rows, **more), case["quantile"]
    missing = [np.inf if x is None else x for x in expected["est"]]
    np.testing.assert_allclose(curve.quantile(expected["p"]), missing, rtol=1e-12)
    lower, upper = curve.quantile_bounds(expected["p"])
    agree(upper, expected["upper_loglog"])
    if name != "channing_gender2":  # the lower bound rises again after a small risk set
        agree(lower, expected["lower_loglog"])


def test_the_textbook_example_comes_out_by_hand():
    curve = kaplan_meier([6, 6, 6, 6, 7, 9, 10, 10], [1, 1, 1, 0, 1, 0, 1, 0])
    assert curve.times.tolist() == [6, 7, 10]
    assert curve.at_risk.tolist() == [8, 4, 2]
    assert curve.events.tolist() == [3, 1, 1]
    np.testing.assert_allclose(curve.values, [5 / 8, 15 / 32, 15 / 64], rtol=1e-15)
    greenwood = (15 / 64) ** 2 * (3 / (8 * 5) + 1 / (4 * 3) + 1 / (2 * 1))
    assert curve.variance[-1] == pytest.approx(greenwood, rel=1e-14)
    np.testing.assert_allclose(curve.jumps.sum(), 1 - 15 / 64)


def test_the_curve_is_right_continuous_and_before_is_its_left_limit():
    curve = kaplan_meier([1, 2, 3, 4])
    assert curve([0, 1, 1.5, 4, 9]).tolist() == [1, 0.75, 0.75, 0, 0]
    assert curve.before([0, 1, 1.5, 4, 9]).tolist() == [1, 1, 0.75, 0.25, 0]


rows = st.lists(
    st.tuples(
        st.integers(1, 12), st.booleans(), st.integers(0, 3), st.floats(0, 0.9, allow_nan=False)
    ),
    min_size=1,
    max_size=40,
)


@given(rows)
def test_weights_are_repeated_rows_whatever_the_order(rows):
    time, event, count, share = (np.array(column) for column in zip(*rows, strict=True))
    if count.sum() == 0:
        count[0] = 1
    entry = np.floor(share * time)
    weighted = kaplan_meier_quietly(time, event, entry=entry, sample_weight=count)
    back = np.repeat(np.arange(time.size), count)[::-1]
    repeated = kaplan_meier_quietly(time[back], event[back], entry=entry[back])
    np.testing.assert_array_equal(weighted.times, repeated.times)
    for field in ("values", "lower", "upper", "at_risk", "events", "variance"):
        np.testing.assert_allclose(getattr(weighted, field), getattr(repeated, field), rtol=1e-12)


@given(rows)
def test_rescaling_time_moves_only_the_times(rows):
    time, event, _, _ = (np.array(column) for column in zip(*rows, strict=True))
    curve, other = kaplan_meier(time, event), kaplan_meier(time * 3.7e-9, event)
    np.testing.assert_allclose(other.times, curve.times * 3.7e-9, rtol=1e-9)
    np.testing.assert_array_equal(other.values, curve.values)
    np.testing.assert_array_equal(other.lower, curve.lower)


def kaplan_meier_quietly(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the curve reaches 0")
        return kaplan_meier(*args, **kwargs)


def test_fractional_weights_scale_out_of_the_curve_but_not_of_its_error():
    time, event = np.arange(1, 9), np.array([1, 0, 1, 1, 0, 1, 1, 0])
    curve = kaplan_meier(time, event)
    quarter = kaplan_meier(time, event, sample_weight=np.full(8, 0.25))
    np.testing.assert_allclose(quarter.values, curve.values, rtol=1e-15)
    np.testing.assert_allclose(quarter.variance, 4 * curve.variance, rtol=1e-14)


def test_rows_of_weight_zero_leave_no_trace():
    curve = kaplan_meier([2, 3, 5], [1, 1, 1], sample_weight=[1, 0, 1])
    assert curve.times.tolist() == [2, 5]


def test_times_equal_up_to_rounding_are_one_time():
    noisy = kaplan_meier([0.1 + 0.2, 0.3, 0.7, 1 / 3])
    assert noisy.times.size == 3
    assert noisy.events.tolist() == [2, 1, 1]
    assert noisy(0.3) == 0.5


@pytest.mark.parametrize(
    "times",
    [
        1e12 + np.arange(50),  # whole numbers, closer than 1e-9 of their size
        np.random.default_rng(0).random(200_000),  # many continuous values, some very close
        np.array([1.0, 1.0 + 1e-6, 2.0]),
    ],
)
def test_truly_distinct_times_stay_apart(times):
    assert kaplan_meier(times).times.size == np.unique(times).size


def test_an_entry_equal_to_an_event_time_is_not_at_risk_there():
    with pytest.warns(UserWarning, match="reaches 0 at 2"):
        curve = kaplan_meier([2, 5], entry=[0, 2])
    assert curve.at_risk.tolist() == [1, 1]


def test_reaching_zero_before_later_units_entered_is_said():
    with pytest.warns(UserWarning, match=r"reaches 0 at 3 although 2 .*came under observation"):
        curve = kaplan_meier([3, 9, 10], entry=[1, 5, 5])
    assert curve.values.tolist() == [0, 0, 0]


def test_where_the_curve_is_zero_the_bounds_are_zero_and_the_last_upper_one():
    curve = kaplan_meier([1, 2, 3])
    assert curve.lower[-1] == 0
    assert curve.upper[-1] == curve.upper[-2] < 1
    assert kaplan_meier([4.0]).upper.tolist() == [1.0]


def test_without_an_event_the_curve_stays_at_one():
    curve = kaplan_meier([1, 2, 3], [0, 0, 0])
    assert curve.times.size == 0
    assert curve([0, 3]).tolist() == [1, 1]
    assert np.isnan(curve(9))
    assert curve.quantile(0.5) == np.inf
    assert restricted_mean(curve, 3.0) == (3.0, 0.0)
    assert nelson_aalen([1, 2], [0, 0])(2) == 0


def test_quantiles_hit_exactly_are_not_missed_by_rounding():
    # After three of six failures the product is 0.5 up to rounding.
    assert kaplan_meier([1, 2, 3, 4, 5, 6]).quantile(0.5) == 3
    assert kaplan_meier(np.arange(1, 11)).quantile([0, 0.1, 0.3, 0.7, 1]).tolist() == [
        1,
        1,
        3,
        7,
        10,
    ]


def test_failures_come_before_censorings_of_the_same_time():
    curve = censoring_curve([1, 2, 2, 2, 3], [1, 1, 1, 0, 0])
    # At 2 two of the four at risk fail first, so one of two is censored.
    assert curve.at_risk.tolist() == [2, 1]
    assert curve.values.tolist() == [0.5, 0]


def test_the_censoring_curve_agrees_with_scikit_survival():
    reference = pytest.importorskip("sksurv.nonparametric", reason="scikit-survival is missing")
    rng = np.random.default_rng(3)
    time, event = rng.integers(1, 30, 200), rng.random(200) < 0.6
    t, values = reference.kaplan_meier_estimator(event, time, reverse=True)
    np.testing.assert_allclose(censoring_curve(time, event)(t), values, rtol=1e-13)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kaplan_meier([]), "durations is empty"),
        (lambda: kaplan_meier([1, np.nan]), "durations must be numbers, got nan in row 1"),
        (lambda: kaplan_meier([1, -2]), "durations must be at least zero, got -2 in row 1"),
        (lambda: kaplan_meier([1, np.inf]), "durations must be finite, got inf in row 1"),
        (lambda: kaplan_meier([[1, 2]]), "one-dimensional"),
        (lambda: kaplan_meier([1, 2], [1, 2]), "event_observed must be True or False"),
        (lambda: kaplan_meier([1, 2], [1]), "one entry for each of the 2 durations"),
        (lambda: kaplan_meier([1, 2], entry=[0, 2]), "entry must be below the unit's duration"),
        (lambda: kaplan_meier([1, 2], entry=[0]), "entry must have one entry for each"),
        (lambda: kaplan_meier([1, 2], sample_weight=[-1, 1]), "sample_weight must be finite"),
        (lambda: kaplan_meier([1, 2], sample_weight=[0, 0]), "sample_weight is zero in all 2"),
        (lambda: kaplan_meier([1, 2], level=95), "level must lie strictly between 0 and 1"),
        (lambda: kaplan_meier([1, 2], transform="loglog"), "transform must be"),
        (lambda: nelson_aalen([1, 2], transform="log-log"), "transform must be"),
        (lambda: restricted_mean(nelson_aalen([1, 2]), 1.0), "needs a survival curve"),
        (lambda: restricted_mean(kaplan_meier([1, 2]), -1.0), "horizon must be positive"),
        (lambda: nelson_aalen([1, 2]).quantile(0.5), "quantile needs a survival curve"),
        (lambda: kaplan_meier([1, 2]).quantile(50), "q must lie between 0 and 1"),
    ],
)
def test_hostile_input_gets_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
