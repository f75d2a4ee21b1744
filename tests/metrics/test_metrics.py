"""Concordance, AUC, Brier and log scores: against R, scikit-survival, and pair by pair."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survjax.metrics import (
    brier_score,
    concordance,
    cumulative_dynamic_auc,
    integrated_brier_score,
    log_score,
)
from survjax.nonparametric import censoring_curve

NAMES = ["veteran", "lung", "pbc", "hdfail_st3000"]


def load(real_data, name):
    """Rows, reference values of scikit-survival and of R, and the predictions they were fed."""
    folder = real_data / "reference"
    ours = json.loads((folder / "metrics_sksurv.json").read_text())["cases"][name]
    r = json.loads((folder / "metrics_r.json").read_text())["cases"][name]
    frame = pd.read_csv(real_data / ours["data"])
    risk = frame.risk.to_numpy()
    survival = np.exp(-ours["rate0"] * np.outer(np.exp(risk), ours["times"]))
    return frame, ours, r, np.array(ours["times"], dtype=float), risk, survival


@pytest.mark.parametrize("name", NAMES)
def test_harrell_agrees_with_R_in_every_count_and_the_error(real_data, name):
    frame, _, r, _, risk, _ = load(real_data, name)
    result = concordance(frame.time, frame.event, risk)
    assert result.index == pytest.approx(r["harrell"], rel=1e-12)
    assert result.standard_error == pytest.approx(r["harrell_se"], rel=1e-12)
    assert result.concordant == r["count"]["concordant"]
    assert result.discordant == r["count"]["discordant"]
    assert result.tied_risk == r["count"]["tied.x"]


@pytest.mark.parametrize("name", NAMES)
def test_with_weights_read_before_the_failure_scores_agree_with_R(real_data, name):
    frame, _, r, times, risk, survival = load(real_data, name)
    rows = frame.time, frame.event
    uno = concordance(*rows, risk, weighting="uno")
    assert uno.index == pytest.approx(r["uno_nG2_no_tau"], rel=1e-12)
    cut = concordance(*rows, risk, weighting="uno", horizon=times[-1])
    assert cut.index == pytest.approx(r["uno_nG2_tau"], rel=1e-12)
    brier, auc = brier_score(*rows, survival, times), cumulative_dynamic_auc(*rows, risk, times)
    np.testing.assert_allclose(brier, r["riskRegression"]["brier"], rtol=1e-12)
    np.testing.assert_allclose(auc.auc, r["riskRegression"]["auc"], rtol=1e-12)


@pytest.mark.parametrize("part", ["all", "train_to_test"])
@pytest.mark.parametrize("name", NAMES)
def test_with_weights_read_at_the_failure_scores_agree_with_scikit_survival(real_data, name, part):
    frame, ours, _, times, risk, survival = load(real_data, name)
    expected = ours[part]
    kept, options = np.ones(len(frame), bool), {"censoring_at": "at"}
    if part == "train_to_test":
        kept = frame.train.to_numpy() == 0
        options["censoring"] = censoring_curve(frame.time[~kept], frame.event[~kept])
    rows = frame.time[kept], frame.event[kept]
    risk, survival = risk[kept], survival[kept]
    uno = concordance(*rows, risk, weighting="uno", horizon=times[-1], **options)
    assert uno.index == pytest.approx(expected["uno_c"], rel=1e-12)
    if "brier" in expected:
        brier = brier_score(*rows, survival, times, **options)
        np.testing.assert_allclose(brier, expected["brier"], rtol=1e-12)
        whole = integrated_brier_score(*rows, survival, times, **options)
        assert whole == pytest.approx(expected["integrated_brier"], rel=1e-12)
    if "cumulative_dynamic_auc" in expected:
        auc = cumulative_dynamic_auc(*rows, risk, times, **options)
        np.testing.assert_allclose(auc.auc, expected["cumulative_dynamic_auc"], rtol=1e-12)
        assert auc.mean == pytest.approx(expected["mean_auc"], rel=1e-12)


def pair_by_pair(time, event, risk, entry, weight):
    """Concordant, discordant and tied weight, from the definition."""
    i, j = np.arange(time.size)[:, None], np.arange(time.size)
    later = (time[j] > time[i]) | ((time[j] == time[i]) & ~event[j])
    pairs = weight[i] * weight[j] * (event[i] & later & (entry[j] < time[i]))
    return (
        np.sum(pairs * (risk[i] > risk[j])),
        np.sum(pairs * (risk[i] < risk[j])),
        np.sum(pairs * (risk[i] == risk[j])),
    )


rows = st.lists(
    st.tuples(st.integers(1, 8), st.booleans(), st.integers(-3, 3), st.floats(0, 0.99)),
    min_size=2,
    max_size=30,
)


@given(rows)
def test_counting_in_one_sweep_equals_counting_pair_by_pair(rows):
    time, event, risk, share = (np.array(column) for column in zip(*rows, strict=True))
    entry = np.where(share > 0.5, np.floor(share * time), 0.0)
    entry = np.where(entry == 0, -1.0, entry)
    weight = 1.0 + (np.arange(time.size) % 3)
    expected = pair_by_pair(time, event, risk, entry, weight)
    options = {"entry": np.maximum(entry, 0), "sample_weight": weight}
    if sum(expected) == 0:
        with pytest.raises(ValueError, match="no two units can be compared"):
            concordance(time, event, risk, **options)
        return
    result = concordance(time, event, risk, **options)
    found = result.concordant, result.discordant, result.tied_risk
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert result.index == pytest.approx((expected[0] + expected[2] / 2) / sum(expected))


def test_the_standard_error_is_the_jackknife_of_small_changes_in_weight():
    rng = np.random.default_rng(7)
    time, event, risk = rng.integers(1, 20, 40), rng.random(40) < 0.6, rng.normal(size=40).round(1)
    entry = np.minimum(rng.integers(0, 4, 40), time - 1)

    def index(weight):
        return concordance(time, event, risk, entry=entry, sample_weight=weight).index

    slopes = []
    for row in range(40):
        bump = 1e-4 * (np.arange(40) == row)
        slopes.append((index(1 + bump) - index(1 - bump)) / 2e-4)
    error = concordance(time, event, risk, entry=entry).standard_error
    assert error == pytest.approx(np.sqrt(np.sum(np.square(slopes))), rel=1e-7)


def test_only_the_order_of_risks_matters_and_reversal_mirrors_the_index():
    rng = np.random.default_rng(8)
    time, event, risk = rng.random(200), rng.random(200) < 0.5, rng.normal(size=200)
    straight = concordance(time, event, risk)
    stretched = concordance(time * 1e-6, event, np.exp(3 * risk))
    assert straight == stretched
    assert float(concordance(time, event, -risk)) == pytest.approx(1 - straight.index)
    assert concordance(time, None, -time).index == 1
    assert concordance(time, None, np.zeros(200)).index == 0.5


def test_without_censoring_weights_change_nothing():
    rng = np.random.default_rng(9)
    time, risk = rng.random(100), rng.normal(size=100)
    assert concordance(time, None, risk, weighting="uno") == concordance(time, None, risk)
    chance = rng.random(100)
    simple = np.where(time <= 0.5, chance, 1 - chance) ** 2
    np.testing.assert_allclose(brier_score(time, None, chance, 0.5), simple.mean(), rtol=1e-14)
    simple = -np.log(np.where(time <= 0.5, 1 - chance, chance))
    np.testing.assert_allclose(log_score(time, None, chance, 0.5), simple.mean(), rtol=1e-13)


def test_weights_are_repeated_rows_in_every_score():
    rng = np.random.default_rng(10)
    time, event, risk = rng.integers(1, 30, 60), rng.random(60) < 0.6, rng.normal(size=60)
    count = rng.integers(0, 4, 60)
    back = np.repeat(np.arange(60), count)
    times, survival = np.array([5.0, 12.0]), rng.random((60, 2))
    for score in (brier_score, log_score, integrated_brier_score):
        weighted = score(time, event, survival, times, sample_weight=count)
        repeated = score(time[back], event[back], survival[back], times)
        np.testing.assert_allclose(weighted, repeated, rtol=1e-12)
    weighted = cumulative_dynamic_auc(time, event, risk, times, sample_weight=count)
    repeated = cumulative_dynamic_auc(time[back], event[back], risk[back], times)
    np.testing.assert_allclose(weighted.auc, repeated.auc, rtol=1e-12)
    assert weighted.mean == pytest.approx(repeated.mean, rel=1e-12)


def test_a_risk_for_each_time_gives_each_time_its_own_area():
    rng = np.random.default_rng(11)
    time, event = rng.random(80), rng.random(80) < 0.7
    table, times = rng.normal(size=(80, 2)), [0.3, 0.6]
    both = cumulative_dynamic_auc(time, event, table, times).auc
    for column in range(2):
        alone = cumulative_dynamic_auc(time, event, table[:, column], times).auc
        assert both[column] == pytest.approx(alone[column], rel=1e-14)


def test_censoring_weights_recover_the_score_of_uncensored_data():
    rng = np.random.default_rng(12)
    life, limit = rng.exponential(1, 40_000), rng.exponential(2, 40_000)
    survival, times = np.exp(-np.outer(rng.uniform(0.5, 2, 40_000), [0.5, 1.0])), [0.5, 1.0]
    truth = brier_score(life, None, survival, times)
    seen = brier_score(np.minimum(life, limit), life <= limit, survival, times)
    np.testing.assert_allclose(seen, truth, atol=0.004)


def test_the_impossible_that_happened_costs_infinitely_much():
    assert log_score([1, 3], None, [[1.0], [1.0]], 2)[0] == np.inf
    assert log_score([1, 3], None, [[0.0], [1.0]], 2)[0] == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: concordance([1, 2], None, [0.1]), "risk must have one entry for each"),
        (lambda: concordance([1, 2], None, [0.1, np.nan]), "risk must be finite, got nan in row 1"),
        (lambda: concordance([1, 2], [0, 0], [1, 2]), "no two units can be compared"),
        (lambda: concordance([1, 2], None, [1, 2], weighting="ipcw"), "weighting must be"),
        (lambda: concordance([1, 2], None, [1, 2], censoring_at="x"), "censoring_at must be"),
        (
            lambda: concordance([1, 2], None, [1, 2], weighting="uno", censoring=[1]),
            "censoring must come from censoring_curve, got an object of type list",
        ),
        (lambda: brier_score([1, 2], None, [[1.5], [0]], 1), "survival must lie between 0 and 1"),
        (lambda: brier_score([1, 2], None, [[0.5]], 1), r"survival must have shape \(2, 1\)"),
        (lambda: brier_score([1, 2], None, [[0.5], [0.5]], -1), "times must be positive"),
        (
            lambda: brier_score([1, 2], None, np.full((2, 2), 0.5), [2, 1]),
            "times must increase strictly",
        ),
        (lambda: integrated_brier_score([1, 2], None, [0.5, 0.5], [1]), "two times at least"),
        (lambda: cumulative_dynamic_auc([1, 2], None, [1, 2], [5]), "no unit runs after time 5"),
        (lambda: cumulative_dynamic_auc([1, 2], [0, 1], [1, 2], [1]), "no unit failed by time 1"),
        (
            lambda: brier_score([3, 4], None, [0.5, 0.5], 3.5, censoring=censoring_curve([1], [0])),
            "all units are censored by time",
        ),
    ],
)
def test_hostile_input_gets_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("measure", [brier_score, log_score])
def test_where_all_units_have_left_there_is_no_score(measure):
    # The last unit left running: of it nothing counted, and the score was too low.
    chances = np.full((5, 1), 0.5)
    with pytest.raises(ValueError, match="all units are censored by time 20"):
        measure([5.0, 3.0, 8.0, 1.0, 9.0], [1, 0, 1, 1, 0], chances, [20.0])
    # Where the last one failed, all is known.
    assert np.isfinite(measure([5.0, 3.0, 8.0, 1.0, 9.0], [1, 0, 1, 1, 1], chances, [20.0]))


@pytest.mark.parametrize("table", [[["a"]] * 3, [[0.5], [0.5, 0.4], [0.5]]])
def test_chances_that_are_no_table_of_numbers_are_told(table):
    with pytest.raises(ValueError, match="survival must be a table of numbers"):
        brier_score([1.0, 2.0, 3.0], None, table, [2.0])


def test_uno_weights_of_late_entries_count_those_at_risk():
    rng = np.random.default_rng(4)
    life, end = rng.weibull(1.5, 200), rng.uniform(0.2, 2.5, 200)
    entry = np.where(np.arange(200) % 2, 0.3, 0.0)
    seen = np.minimum(life, end) > entry
    t, failed, entry = np.minimum(life, end)[seen], (life <= end)[seen], entry[seen]
    risk = rng.normal(size=t.size)
    at_risk, crude = censoring_curve(t, failed, entry=entry), censoring_curve(t, failed)
    ours, right, wrong = (
        concordance(
            t, failed, risk, entry=entry, weighting="uno", horizon=1.0, censoring=curve
        ).index
        for curve in (None, at_risk, crude)
    )
    assert ours == right != wrong
