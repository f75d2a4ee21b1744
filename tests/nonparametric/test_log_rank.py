"""Log-rank tests: against their definition in exact fractions, R and lifelines."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from survjax import log_rank, pairwise_log_rank
from survjax.nonparametric import log_rank_pairs

TENTHS = (lambda k: k / 10, lambda k: k * 0.1, lambda k: sum([0.1] * k))
# aml of R's survival: time, status, maintained (1) or not (0).
AML = np.array(
    [
        (9, 1, 1), (13, 1, 1), (13, 0, 1), (18, 1, 1), (23, 1, 1), (28, 0, 1), (31, 1, 1),
        (34, 1, 1), (45, 0, 1), (48, 1, 1), (161, 0, 1), (5, 1, 0), (5, 1, 0), (8, 1, 0),
        (8, 1, 0), (12, 1, 0), (16, 0, 0), (23, 1, 0), (27, 1, 0), (30, 1, 0), (33, 1, 0),
        (43, 1, 0), (45, 1, 0),
    ]
).T  # fmt: skip


def weights_of(name, p, q, table):
    """Weight of each event time, from the (n, d) of all times so far."""
    before, peto, found = Fraction(1), Fraction(1), []
    for n, d in table:
        peto *= 1 - d / (n + 1)
        weight = {
            "logrank": 1.0,
            "gehan-breslow": float(n),
            "tarone-ware": float(n) ** 0.5,
            "peto": float(peto),
            "fleming-harrington": float(before) ** p * float(1 - before) ** q,
        }[name]
        found.append(Fraction(weight))
        before *= 1 - d / n
    return found


def by_loops(rows, name, p, q, k):
    """Observed minus expected, and its covariance, one event time after the other."""
    u, v = [Fraction(0)] * k, [[Fraction(0)] * k for _ in range(k)]
    for stratum in {row["stratum"] for row in rows}:
        inside = [row for row in rows if row["stratum"] == stratum and row["weight"] > 0]
        table = []
        for t in sorted({row["time"] for row in inside if row["event"]}):
            risk = [row for row in inside if row["time"] >= t and (row["entry"] < t)]
            fail = [row for row in risk if row["event"] and row["time"] == t]
            n_g = [
                sum((r["weight"] for r in risk if r["group"] == g), Fraction(0)) for g in range(k)
            ]
            d_g = [
                sum((r["weight"] for r in fail if r["group"] == g), Fraction(0)) for g in range(k)
            ]
            table.append((sum(n_g), sum(d_g), n_g, d_g))
        found = weights_of(name, p, q, [(n, d) for n, d, _, _ in table])
        for (n, d, n_g, d_g), w in zip(table, found, strict=True):
            spread = min((n - d) / (n - 1), Fraction(1)) if n > 1 else Fraction(int(n > d))
            for g in range(k):
                u[g] += w * (d_g[g] - d * n_g[g] / n)
                for h in range(k):
                    part = n_g[g] / n * ((g == h) - n_g[h] / n)
                    v[g][h] += w**2 * d * spread * part
    return u, v


def quadratic_form(u, v):
    """Rank of v and u' v^- u, by elimination in exact fractions."""
    size = len(u)
    table = [[*row, right] for row, right in zip(v, u, strict=True)]
    pivots = []
    for column in range(size):
        spot = next((i for i in range(len(pivots), size) if table[i][column] != 0), None)
        if spot is None:
            continue
        at = len(pivots)
        table[at], table[spot] = table[spot], table[at]
        table[at] = [x / table[at][column] for x in table[at]]
        for i in range(size):
            if i != at:
                factor = table[i][column]
                table[i] = [x - factor * y for x, y in zip(table[i], table[at], strict=True)]
        pivots.append(column)
    return len(pivots), sum((table[i][-1] * u[c] for i, c in enumerate(pivots)), Fraction(0))


row = st.tuples(
    st.integers(1, 6), st.booleans(), st.integers(0, 5), st.integers(0, 3), st.integers(0, 2),
    st.integers(0, 1), st.integers(0, 2),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "p", "q"),
    [
        ("logrank", 0, 0), ("gehan-breslow", 0, 0), ("tarone-ware", 0, 0), ("peto", 0, 0),
        ("fleming-harrington", 1, 0), ("fleming-harrington", 0.5, 2),
    ],
)  # fmt: skip
@given(
    st.lists(row, min_size=2, max_size=14),
    st.booleans(),
    st.booleans(),
    st.sampled_from([(0, 1, 2, 3), (0, 0.37, 0.74, 1.11), (0, 1, 1e17, 1e-17)]),
)
def test_the_statistic_is_the_quadratic_form_of_its_definition(
    name, p, q, table, late, stratified, sizes
):
    rows = [
        {
            "time": time,
            "event": event,
            "entry": entry if late and 0 < entry < time else -1,
            "weight": Fraction(float(sizes[max(weight, i == 0)])),
            "group": group,
            "stratum": stratum if stratified else 0,
        }
        for i, (time, event, entry, weight, group, stratum, _) in enumerate(table)
    ]
    groups = [r["group"] for r in rows]
    if len(set(groups)) < 2:
        return
    numbers = {g: i for i, g in enumerate(sorted(set(groups)))}
    rows = [r | {"group": numbers[r["group"]]} for r in rows]
    u, v = by_loops(rows, name, p, q, len(numbers))
    rank, statistic = quadratic_form(u, v)
    options = {
        "groups": groups,
        "strata": [r["stratum"] for r in rows] if stratified else None,
        "sample_weight": [float(r["weight"]) for r in rows],
        "weighting": name,
        "p": p,
        "q": q,
    }
    durations = [TENTHS[r[6]](r[0]) for r in table]
    if late:
        options["entry"] = [
            TENTHS[-1 - r[6]](max(x["entry"], 0)) for r, x in zip(table, rows, strict=True)
        ]
    call = durations, [r["event"] for r in rows]
    if rank == 0:
        with pytest.raises(ValueError, match="fewer than two groups were at risk"):
            log_rank(*call, **options)
        return
    result = log_rank(*call, **options)
    assert result.df == rank
    assert result.statistic == pytest.approx(float(statistic), rel=1e-9, abs=1e-12)
    assert result.p_value == pytest.approx(chi2.sf(float(statistic), rank), rel=1e-8)
    np.testing.assert_allclose(result.variance, np.array(v, dtype=float), rtol=1e-9, atol=1e-12)
    difference = result.observed - result.expected
    slack = 1e-9 + 1e-15 * result.observed.max()
    np.testing.assert_allclose(difference, np.array(u, dtype=float), atol=slack)


@pytest.mark.parametrize("alone", ["A", "Z"])
def test_a_group_alone_in_its_stratum_takes_no_degree_of_freedom(alone):
    # survdiff(Surv(c(1, 2, 3, 4, 5)) ~ c("B", "C", "B", "C", "B")): 0.0739 on 1 df, p = 0.786
    groups = [name.replace("A", alone) for name in "AAABCBCB"]
    result = log_rank([1, 2, 3, 1, 2, 3, 4, 5], groups=groups, strata=[1] * 3 + [2] * 5)
    assert result.df == 1
    assert result.statistic == pytest.approx(0.0739, abs=5e-5)
    assert result.p_value == pytest.approx(0.7857, abs=5e-5)


def test_groups_that_never_meet_are_compared_in_their_own_sets():
    # A with B in one stratum, C with D in the other: two tests of one degree each.
    rng = np.random.default_rng(0)
    time, half = rng.integers(1, 9, 60), np.repeat([0, 1], 30)
    groups = np.where(half == 0, "ab", "cd").astype("U2")
    groups = np.array([pair[i] for pair, i in zip(groups, rng.integers(0, 2, 60), strict=True)])
    both = log_rank(time, groups=groups, strata=half)
    parts = [log_rank(time[half == s], groups=groups[half == s]) for s in (0, 1)]
    assert both.df == 2
    assert both.statistic == pytest.approx(sum(part.statistic for part in parts), rel=1e-12)


def test_failures_that_leave_nobody_cannot_be_compared():
    with pytest.raises(ValueError, match="the differences have no variance"):
        log_rank([2, 2], groups=[0, 1])


def test_rho_of_R_is_p_of_fleming_and_harrington():
    # survdiff(Surv(time, status) ~ x, data = aml, rho = 1): chisq, then obs and exp of both.
    result = log_rank(AML[0], AML[1], groups=1 - AML[2], weighting="fleming-harrington", p=1)
    assert result.statistic == pytest.approx(2.77927954475177, rel=1e-12)
    np.testing.assert_allclose(result.observed, [3.84541062801932, 7.18150448585231], rtol=1e-12)
    np.testing.assert_allclose(result.expected, [6.14285714285714, 4.88405797101449], rtol=1e-12)
    plain = log_rank(AML[0], AML[1], groups=1 - AML[2])
    assert plain.statistic == pytest.approx(3.39638869897760, rel=1e-12)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ({}, {}),
        ({"weighting": "gehan-breslow"}, {"weightings": "wilcoxon"}),
        ({"weighting": "tarone-ware"}, {"weightings": "tarone-ware"}),
        ({"weighting": "peto"}, {"weightings": "peto"}),
        *(
            (
                {"weighting": "fleming-harrington", "p": p, "q": q},
                {"weightings": "fleming-harrington", "p": p, "q": q},
            )
            for p, q in [(1, 0), (0, 1), (0.5, 0.5), (1, 2)]
        ),
    ],
)
def test_every_weighting_agrees_with_lifelines(mine, theirs):
    reference = pytest.importorskip("lifelines.statistics", reason="lifelines is missing")
    rng = np.random.default_rng(3)
    # lifelines reads its Kaplan-Meier weights at all times: here each time has a failure.
    time, group = rng.integers(1, 25, 200), rng.integers(0, 3, 200)
    event = rng.random(200) < 0.7
    event[np.unique(time, return_index=True)[1]] = True
    expected = reference.multivariate_logrank_test(time, group, event, **theirs)
    found = log_rank(time, event, groups=group, **mine)
    assert found.statistic == pytest.approx(expected.test_statistic, rel=1e-9)
    assert found.p_value == pytest.approx(expected.p_value, rel=1e-9)
    pairs = pairwise_log_rank(time, event, groups=group, adjust="none", **mine)
    table = reference.pairwise_logrank_test(time, group, event, **theirs).summary
    if not theirs or theirs["weightings"] != "fleming-harrington":  # there S needs every time
        np.testing.assert_allclose(pairs["statistic"], table["test_statistic"], rtol=1e-9)
        np.testing.assert_allclose(pairs["p_value"], table["p"], rtol=1e-9)


@pytest.mark.parametrize("weighting", ["logrank", "gehan-breslow", "tarone-ware", "peto"])
def test_weights_are_repeated_rows_in_every_weighting(weighting):
    rng = np.random.default_rng(4)
    time, event = rng.integers(2, 12, 40), rng.random(40) < 0.8
    group, count, entry = (rng.integers(0, high, 40) for high in (3, 4, 2))
    back = rng.permutation(np.repeat(np.arange(40), count))
    weighted = log_rank(
        time, event, groups=group, entry=entry, sample_weight=count, weighting=weighting
    )
    repeated = log_rank(
        time[back], event[back], groups=group[back], entry=entry[back], weighting=weighting
    )
    assert repeated.statistic == pytest.approx(weighted.statistic, rel=1e-11)


def test_weights_of_very_different_sizes_keep_their_digits():
    # Late entries of 1e17 must not drown a risk set of three.
    time, entry = [1, 2, 3, 9, 9], [0, 0, 0, 5, 5]
    weight = [1, 1, 1, 1e17, 1e17]
    small = log_rank(time[:3], [1, 1, 0], groups=[0, 1, 1], sample_weight=weight[:3])
    large = log_rank(
        time, [1, 1, 0, 0, 0], groups=[0, 1, 1, 0, 1], entry=entry, sample_weight=weight
    )
    assert large.statistic == pytest.approx(small.statistic, rel=1e-12)


def test_pairs_of_groups_with_a_weak_link_keep_their_digits():
    # Two strata of two groups each, and a third where one of each meet, 1e-20 of the weight.
    rng = np.random.default_rng(5)
    time, half = rng.integers(1, 9, 60), np.repeat([0, 1], 30)
    groups = 2 * half + rng.integers(0, 2, 60)
    apart = log_rank(time, groups=groups, strata=half)
    joined = log_rank(
        [*time, 1, 2],
        groups=[*groups, 1, 2],
        strata=[*half, 2, 2],
        sample_weight=[*np.ones(60), 1e-20, 1e-20],
    )
    assert (apart.df, joined.df) == (2, 3)
    assert joined.statistic == pytest.approx(apart.statistic, rel=1e-9)


def test_holm_and_bonferroni_adjust_for_the_pairs_that_were_tested():
    # p.adjust(p, "holm") and "bonferroni" of R, for p = c(0.01, 0.04, 0.03)
    from survjax.estimators.pairwise_log_rank import adjusted

    p = np.array([0.01, np.nan, 0.04, 0.03])
    np.testing.assert_allclose(adjusted(p, "holm"), [0.03, np.nan, 0.06, 0.06])
    np.testing.assert_allclose(adjusted(p, "bonferroni"), [0.03, np.nan, 0.12, 0.09])
    np.testing.assert_array_equal(adjusted(p, "none"), p)
    assert adjusted(np.array([0.6, 0.7]), "holm").tolist() == [1, 1]


def test_pairs_that_never_met_are_unknown():
    table = pairwise_log_rank(
        [1, 2, 3, 4, 1, 2, 3, 4], groups=list("aabbcccc"), strata=[0, 0, 0, 0, 1, 1, 1, 1]
    )
    assert table[["group_a", "group_b"]].agg("".join, axis=1).tolist() == ["ab", "ac", "bc"]
    assert table["df"].tolist() == [1, 0, 0]
    assert table["p_value"].isna().tolist() == [False, True, True]
    assert table["p_adjusted"][0] == table["p_value"][0]
    assert isinstance(table, pd.DataFrame)
    names, results = log_rank_pairs([1, 2, 3, 4], groups=list("aabb"))
    assert names == ["a", "b"] and results[0].p_value == pytest.approx(table["p_value"][0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weighting": "wilcoxon"}, "weighting must be one of logrank, gehan-breslow"),
        (
            {"weighting": "fleming-harrington", "p": -1},
            "p must be a finite number at least zero, got -1",
        ),
        (
            {"weighting": "fleming-harrington", "q": np.nan},
            "q must be a finite number at least zero",
        ),
        ({"p": 1}, 'p and q belong to "fleming-harrington"'),
    ],
)
def test_weights_without_meaning_are_refused(options, message):
    for test in (log_rank, pairwise_log_rank):
        with pytest.raises(ValueError, match=message):
            test([1, 2, 3], groups=[0, 1, 0], **options)


def test_an_unknown_adjustment_is_refused():
    with pytest.raises(ValueError, match="adjust must be one of holm, bonferroni, none"):
        pairwise_log_rank([1, 2, 3], groups=[0, 1, 0], adjust="fdr")
