"""Aalen-Johansen and log-rank: against R and lifelines, and by invariance."""

import json

import numpy as np
import pandas as pd
import pytest

from survjax.nonparametric import aalen_johansen, kaplan_meier, log_rank


@pytest.mark.parametrize("name", ["mgus2", "pbc", "shockabsorber", "deviceg", "voltage", "bmt"])
def test_cumulative_incidences_agree_with_R(real_data, name):
    case = json.loads((real_data / "reference/r_competing.json").read_text())["cif"][name]
    frame = pd.read_csv(real_data / case["data"])
    shares = aalen_johansen(frame["time"], frame["code"], transform="log")
    assert shares.causes == tuple(range(1, len(case["states"])))
    t, expected = case["time"], np.array(case["pstate"], dtype=float)
    error = np.array(case["std_err"], dtype=float)
    np.testing.assert_allclose(shares.survival(t), expected[:, 0], rtol=1e-12)
    for cause in shares.causes:
        np.testing.assert_allclose(shares[cause](t), expected[:, cause], rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(shares[cause].standard_error(t), error[:, cause], rtol=1e-9)
        for bound, key in zip(shares[cause].bounds(t), ("lower", "upper"), strict=True):
            listed = case[f"{key}_default"]
            limit = np.array([np.nan if row[cause] is None else row[cause] for row in listed])
            known = np.isfinite(limit) & (expected[:, cause] > 0)
            np.testing.assert_allclose(bound[known], limit[known], rtol=1e-9)


def test_with_one_cause_it_is_one_minus_kaplan_meier_and_greenwood():
    rng = np.random.default_rng(5)
    time, event = rng.integers(3, 20, 60), rng.random(60) < 0.7
    entry = rng.integers(0, 3, 60)
    share = aalen_johansen(time, event, entry=entry)[True]
    curve = kaplan_meier(time, event, entry=entry)
    np.testing.assert_allclose(share.values, 1 - curve.values, atol=1e-14)
    np.testing.assert_allclose(share.variance[:-1], curve.variance[:-1], rtol=1e-10)


def test_shares_and_survival_add_up_to_one_at_every_time():
    rng = np.random.default_rng(6)
    time, cause = rng.integers(1, 40, 300), rng.integers(0, 4, 300)
    shares = aalen_johansen(time, cause, sample_weight=rng.random(300))
    grid = np.linspace(0, time.max(), 91)
    total = sum(shares[k](grid) for k in (1, 2, 3)) + shares.survival(grid)
    np.testing.assert_allclose(total, 1, rtol=1e-13)
    assert all(
        np.all((c.lower <= c.values) & (c.values <= c.upper)) for c in shares.curves.values()
    )


def test_labels_of_any_kind_name_the_causes():
    numbers = aalen_johansen([1, 2, 3, 4], [1, 0, 2, 1])
    for causes in (
        ["a", "", "b", "a"],
        pd.Series(["a", None, "b", "a"]),
        np.array(["a", np.nan, "b", "a"], dtype=object),
    ):
        named = aalen_johansen([1, 2, 3, 4], causes)
        assert named.causes == ("a", "b")
        np.testing.assert_array_equal(named["a"].values, numbers[1].values)
        np.testing.assert_array_equal(named["b"].values, numbers[2].values)


@pytest.mark.parametrize("rho", [0, 1])
@pytest.mark.parametrize(
    "name",
    [
        "lung_sex", "veteran_trt", "veteran_cell", "veteran_trt_strat", "ovarian_rx",
        "aml", "gehan", "rats_rx", "bleed_base", "hdfail_3models",
    ],
)  # fmt: skip
def test_log_rank_agrees_with_R(real_data, name, rho):
    case = json.loads((real_data / "reference/r_logrank.json").read_text())["cases"][name]
    frame = pd.read_csv(real_data / case["data"])
    left, right = case["formula"].split(" ~ ")
    time, event = left.removeprefix("Surv(").removesuffix(")").split(", ")
    group, _, stratum = right.partition(" + strata(")
    strata = frame[stratum.removesuffix(")")] if stratum else None
    result = log_rank(
        frame[time],
        frame[event],
        groups=frame[group],
        strata=strata,
        weighting="fleming-harrington",
        p=rho,
    )
    expected = case[f"rho{rho}"]
    assert result.df == expected["df"]
    assert result.statistic == pytest.approx(expected["chisq"], rel=1e-9)
    assert result.p_value == pytest.approx(expected["p"], rel=1e-9)
    order = np.arange(result.df + 1)
    if name == "veteran_cell":  # R keeps its own order of the cell types
        order = [result.groups.index(x) for x in ("squamous", "smallcell", "adeno", "large")]
    if not stratum:
        np.testing.assert_allclose(result.observed[order], expected["observed"], rtol=1e-10)
        np.testing.assert_allclose(result.expected[order], expected["expected"], rtol=1e-10)
    variance = result.variance[np.ix_(order, order)]
    np.testing.assert_allclose(variance, expected["var"], rtol=1e-9, atol=1e-10)


def test_log_rank_with_late_entry_agrees_with_lifelines():
    reference = pytest.importorskip("lifelines.statistics", reason="lifelines is missing")
    rng = np.random.default_rng(2)
    entry, group = rng.integers(0, 5, 200), rng.integers(0, 3, 200)
    time, event = entry + rng.integers(1, 20, 200), rng.random(200) < 0.7
    mine = log_rank(time, event, groups=group, entry=entry)
    weight = rng.integers(1, 4, 200)
    other = reference.multivariate_logrank_test(time, group, event, weights=weight)
    plain = log_rank(time, event, groups=group, sample_weight=weight)
    assert plain.statistic == pytest.approx(other.test_statistic, rel=1e-10)
    # Late entry against repeated comparison of two-by-k tables, written out.
    u, v = np.zeros(3), np.zeros((3, 3))
    for t in np.unique(time[event]):
        risk, fails = (entry < t) & (t <= time), event & (time == t)
        n, d = risk.sum(), fails.sum()
        share = np.bincount(group[risk], minlength=3) / n
        u += np.bincount(group[fails], minlength=3) - d * share
        v += d * (n - d) / max(n - 1, 1) * (np.diag(share) - np.outer(share, share))
    statistic = u[1:] @ np.linalg.solve(v[1:, 1:], u[1:])
    assert mine.statistic == pytest.approx(statistic, rel=1e-11)


def test_log_rank_takes_counts_for_rows_and_ignores_order_and_labels():
    rng = np.random.default_rng(4)
    time, event = rng.integers(1, 12, 40), rng.random(40) < 0.8
    group, count = rng.integers(0, 2, 40), rng.integers(1, 5, 40)
    weighted = log_rank(time, event, groups=group, sample_weight=count)
    rows = rng.permutation(np.repeat(np.arange(40), count))
    named = np.where(group == 1, "a", "b")[rows]
    repeated = log_rank(time[rows], event[rows], groups=named)
    assert repeated.statistic == pytest.approx(weighted.statistic, rel=1e-11)
    assert repeated.groups == ("a", "b")
    np.testing.assert_allclose(repeated.observed, weighted.observed[::-1], rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: log_rank([1, 2], groups=["a", "a"]), "groups has only one value, 'a'"),
        (lambda: log_rank([1, 2], groups=["a"]), "groups must have one entry for each"),
        (lambda: log_rank([1, 2], groups=[0, np.nan]), "groups is missing .* in row 1"),
        (lambda: log_rank([1, 2], [0, 0], groups=[0, 1]), "fewer than two groups were at risk"),
        (lambda: aalen_johansen([1, 2], [1]), "causes must have one entry for each"),
        (lambda: aalen_johansen([1, -2], [1, 2]), "durations must be at least zero"),
    ],
)
def test_hostile_input_gets_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
