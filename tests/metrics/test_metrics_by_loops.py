"""Concordance, Brier, AUC, calibration and coverage: against plain loops over rows and pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survjax.metrics import (
    brier_score,
    calibration,
    concordance,
    cumulative_dynamic_auc,
    interval_coverage,
    log_score,
)
from survjax.nonparametric import censoring_curve

TENTHS = (lambda k: k / 10, lambda k: k * 0.1, lambda k: sum([0.1] * k))

row = st.tuples(
    st.integers(1, 6),  # duration in tenths
    st.booleans(),  # failure seen
    st.integers(0, 4),  # risk, or tenths of a probability
    st.integers(0, 3),  # weight
    st.integers(0, 2),  # how the duration was computed
    st.integers(0, 5),  # entry in tenths
    st.integers(0, 1),  # stratum
)
rows = st.lists(row, min_size=2, max_size=12)
way = st.integers(0, 2)


class Data:
    def __init__(self, rows):
        columns = np.array(rows).T
        self.time, self.score, self.weight = columns[0], columns[2], columns[3].astype(float)
        self.event = columns[1].astype(bool)
        self.weight[0] = max(self.weight[0], 1)
        self.durations = np.array([TENTHS[r[4]](r[0]) for r in rows])
        self.entry = np.where(columns[5] < columns[0], columns[5], 0)
        self.entries = np.array(
            [TENTHS[2 - r[4]](int(k)) for r, k in zip(rows, self.entry, strict=True)]
        )
        self.strata = columns[6]

    def censoring(self, t, before):
        """P(not censored by t, or before t): failures leave before censorings of their time."""
        left = 1.0
        for s in sorted({s for s, e in zip(self.time, self.event, strict=True) if not e}):
            lost = self.weight @ ((self.time == s) & ~self.event)
            if (s < t or (s == t and not before)) and lost > 0:
                stay = self.weight @ ((self.time > s) | ((self.time == s) & ~self.event))
                left *= 1 - lost / stay
        return left

    @property
    def end(self):
        return self.time[self.weight > 0].max()

    def survival(self, chosen, t, late):
        """Kaplan-Meier of the chosen rows at t; NaN beyond their last, unless it is 0."""
        w = self.weight * chosen
        entry = np.where(late & (self.entry > 0), self.entry, -1)
        s = 1.0
        for u in sorted(set(self.time[self.event & (w > 0)])):
            if u <= t:
                at_risk = w @ ((self.time >= u) & (entry < u))
                s *= 1 - w @ (self.event & (self.time == u)) / at_risk
        return s if s == 0 or t <= self.time[w > 0].max() else np.nan


def unknown(data, k):
    """Whether the rows cannot say what happened by k: the last of them left running before."""
    last = data.time == data.end
    return k >= data.end and (data.weight @ (last & ~data.event)) > 0


@given(rows, st.integers(1, 7), way)
def test_scores_are_weighted_means_over_rows(rows, k, how):
    data, t = Data(rows), TENTHS[how](k)
    chance = data.score / 10 + 0.3
    call = (data.durations, data.event, chance[:, None], [t])
    if unknown(data, k):
        with pytest.raises(ValueError, match="all units are censored by time"):
            brier_score(*call, sample_weight=data.weight)
        return
    squares = logs = 0.0
    for i in range(data.time.size):
        w, p = data.weight[i], chance[i]
        if data.time[i] > k and w > 0:
            squares += w * (1 - p) ** 2 / data.censoring(k, before=False)
            logs -= w * np.log(p) / data.censoring(k, before=False)
        elif data.event[i] and data.time[i] <= k and w > 0:
            squares += w * p**2 / data.censoring(data.time[i], before=True)
            logs -= w * np.log(1 - p) / data.censoring(data.time[i], before=True)
    total = data.weight.sum()
    found = brier_score(*call, sample_weight=data.weight)
    np.testing.assert_allclose(found, squares / total, rtol=1e-12)
    np.testing.assert_allclose(
        log_score(*call, sample_weight=data.weight), logs / total, rtol=1e-12
    )


@given(rows, st.integers(1, 6), way)
def test_areas_are_shares_of_pairs(rows, k, how):
    data, t = Data(rows), TENTHS[how](k)
    good = total = 0.0
    for i in range(data.time.size):
        for j in range(data.time.size):
            if data.event[i] and data.time[i] <= k < data.time[j]:
                if data.weight[i] * data.weight[j] == 0:
                    continue
                pull = data.weight[i] * data.weight[j]
                pull /= data.censoring(data.time[i], before=True)
                order = np.sign(data.score[i] - data.score[j])
                total, good = total + pull, good + pull * (1 + order) / 2
    call = (data.durations, data.event, data.score, [t])
    if total == 0:
        with pytest.raises(ValueError, match="no unit"):
            cumulative_dynamic_auc(*call, sample_weight=data.weight)
        return
    result = cumulative_dynamic_auc(*call, sample_weight=data.weight)
    np.testing.assert_allclose(result.auc, good / total, rtol=1e-12)


@given(rows, st.one_of(st.none(), st.integers(1, 6)), way, st.booleans(), st.booleans())
def test_concordance_counts_pairs(rows, horizon, how, late, stratified):
    data = Data(rows)
    entry = np.where(late & (data.entry > 0), data.entry, -1)
    strata = data.strata if stratified else np.zeros(data.time.size)
    counts = dict.fromkeys((1, -1, 0), 0.0)
    for i in range(data.time.size):
        for j in range(data.time.size):
            later = data.time[j] > data.time[i] or (
                data.time[j] == data.time[i] and not data.event[j]
            )
            inside = horizon is None or data.time[i] < horizon
            meets = strata[i] == strata[j] and entry[j] < data.time[i]
            if data.event[i] and later and inside and meets:
                order = int(np.sign(data.score[i] - data.score[j]))
                counts[order] += data.weight[i] * data.weight[j]
    options = {
        "horizon": None if horizon is None else TENTHS[how](horizon),
        "entry": np.where(data.entry == 0, 0.0, data.entries) if late else None,
        "strata": strata,
        "sample_weight": data.weight,
    }
    if sum(counts.values()) == 0:
        with pytest.raises(ValueError, match="no two units can be compared"):
            concordance(data.durations, data.event, data.score, **options)
        return
    result = concordance(data.durations, data.event, data.score, **options)
    found = (result.concordant, result.discordant, result.tied_risk)
    np.testing.assert_allclose(found, list(counts.values()), rtol=1e-12)
    # A weight is a count: so it is in the standard error.
    count = np.repeat(np.arange(data.time.size), data.weight.astype(int))
    options["sample_weight"] = None
    options["strata"] = strata[count]
    options["entry"] = None if options["entry"] is None else options["entry"][count]
    repeated = concordance(data.durations[count], data.event[count], data.score[count], **options)
    assert repeated.index == pytest.approx(result.index, rel=1e-12)
    assert repeated.standard_error == pytest.approx(result.standard_error, rel=1e-9, abs=1e-12)


@pytest.mark.filterwarnings("ignore:the curve reaches 0")
@given(rows, st.integers(1, 7), way, st.integers(1, 3), st.booleans())
def test_each_group_of_a_calibration_is_known_as_far_as_it_was_followed(
    rows, k, how, n_groups, late
):
    data, t = Data(rows), TENTHS[how](k)
    chance = data.score / 10
    middle = {}
    for level in sorted(set(chance)):
        below, at = data.weight @ (chance < level), data.weight @ (chance == level)
        share = (below + at / 2) / data.weight.sum()
        middle[level] = min(int(share * n_groups), n_groups - 1)
    group = np.array([middle[c] for c in chance])
    expected = []
    for g in sorted(set(group)):
        chosen = group == g
        if data.weight @ chosen > 0:
            w = data.weight[chosen]
            failed = 1 - data.survival(chosen, k, late)
            expected.append((w @ chance[chosen] / w.sum(), failed, w.sum()))
    call = (data.durations, data.event, chance, t)
    options = {"n_groups": n_groups, "sample_weight": data.weight}
    if late:
        options["entry"] = np.where(data.entry == 0, 0.0, data.entries)
    if all(np.isnan(e[1]) for e in expected):
        with pytest.raises(ValueError, match="no unit is followed to time"):
            calibration(*call, **options)
        return
    table = calibration(*call, **options)
    predicted, observed, n_units = np.array(expected).T
    np.testing.assert_allclose(table.predicted, predicted, rtol=1e-12)
    np.testing.assert_allclose(table.observed, observed, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(table.n_units, n_units)
    for bound in (table.lower, table.upper):
        np.testing.assert_array_equal(np.isnan(bound), np.isnan(observed))
    assert np.isnan(table.mean_error) == np.isnan(observed).any()


@given(rows, st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), way, way), min_size=12))
def test_coverage_is_the_weighted_share_of_rows_inside(rows, intervals):
    data = Data(rows)
    intervals = intervals[: data.time.size]
    low = np.array([i[0] for i in intervals])
    high = low + np.array([i[1] for i in intervals])
    lower = [TENTHS[i[2]](int(k)) for i, k in zip(intervals, low, strict=True)]
    upper = [TENTHS[i[3]](int(k)) for i, k in zip(intervals, high, strict=True)]
    shares, total = dict.fromkeys(("below", "inside", "above"), 0.0), 0.0
    for i in range(data.time.size):
        if data.weight[i] == 0:
            continue
        if data.time[i] > high[i]:
            place, pull = "above", 1 / data.censoring(high[i], before=False)
        elif data.event[i]:
            place = "below" if data.time[i] < low[i] else "inside"
            pull = 1 / data.censoring(data.time[i], before=True)
        else:
            continue
        shares[place] += data.weight[i] * pull
        total += data.weight[i] * pull
    call = (data.durations, data.event, lower, upper)
    if total == 0:
        with pytest.raises(ValueError, match="every unit is censored inside its interval"):
            interval_coverage(*call, sample_weight=data.weight)
        return
    result = interval_coverage(*call, sample_weight=data.weight)
    found = (result.below, result.share, result.above)
    np.testing.assert_allclose(found, np.array(list(shares.values())) / total, atol=1e-14)


def test_a_risky_group_that_all_left_running_is_unknown():
    table = calibration(
        [2, 3, 4, 3.5, 12, 15, 13, 14], [0, 0, 0, 0, 0, 1, 0, 1],
        [0.9, 0.9, 0.8, 0.8, 0.1, 0.1, 0.1, 0.1], 10, n_groups=2,
    )  # fmt: skip
    assert table.observed[0] == 0
    assert np.isnan([table.observed[1], table.lower[1], table.upper[1], table.mean_error]).all()


def test_a_time_equal_to_a_failure_up_to_rounding_counts_it():
    score = brier_score([0.1 * 3, 0.5, 0.7, 1.0], None, [[0.2], [0.6], [0.7], [0.9]], [0.3])
    assert score == pytest.approx(0.075)


def test_beyond_the_censoring_curve_of_the_training_set_no_weight_is_known():
    curve = censoring_curve([1.0, 2.0, 3.0], [1, 0, 1])
    with pytest.raises(ValueError, match="the censoring curve is followed to 3, and 1 rows need"):
        brier_score([1.0, 9.0], None, [[0.5], [0.5]], [5.0], censoring=curve)
    with pytest.raises(ValueError, match="set an earlier horizon"):
        concordance([1.0, 9.0, 10.0], None, [1, 2, 3], weighting="uno", censoring=curve)
    kept = concordance([1, 9, 10], None, [1, 2, 3], weighting="uno", censoring=curve, horizon=3)
    assert kept.index == 0


def test_rows_of_weight_zero_need_no_weight_for_censoring():
    # The last failure, of weight 0, comes after all others were censored.
    found = brier_score([1, 2, 9], [1, 1, 1], np.full((3, 1), 0.5), [9], sample_weight=[1, 1, 0])
    assert found == pytest.approx(0.25)


def test_results_are_shown_in_a_line():
    rng = np.random.default_rng(0)
    time, chance = rng.random(500), rng.random(500)
    shown = repr(cumulative_dynamic_auc(time, None, chance, np.linspace(0.1, 0.9, 200)))
    assert shown.startswith("<DynamicAuc: mean 0.") and len(shown) < 80
    shown = repr(calibration(time, None, chance, 0.5, n_groups=50))
    assert shown.startswith("<Calibration: by 0.5, predicted -> observed: ") and len(shown) < 300


def test_a_horizon_that_is_no_time_is_refused():
    with pytest.raises(ValueError, match="horizon must be a positive number, got nan"):
        concordance([1, 2], None, [1, 2], horizon=np.nan)
