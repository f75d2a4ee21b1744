"""Goodness of fit: the classical statistics, and p-values that hold with fitted parameters."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.integrate import quad

from survjax import LifetimeModel, Observations, WeibullMixture, load
from survjax._core.precision import double_precision
from survjax.uncertainty.parametric.drawn import drawn_like
from survjax.uncertainty.parametric.empirical import distances, expected_pieces

RNG = np.random.default_rng(5)
N = 120
LIVES, ENDS = 20.0 * RNG.weibull(1.6, N) + 0.1, RNG.uniform(10.0, 50.0, N)
T, EVENT = np.minimum(LIVES, ENDS), LIVES <= ENDS


def test_complete_samples_have_the_statistics_of_the_textbook():
    r = RNG.exponential(size=(3, 40))
    found = distances(expected_pieces(r, r), 40)
    for one, row in zip(found, r, strict=True):
        u, i = np.sort(-np.expm1(-row)), np.arange(1, 41)
        a2 = -40 - np.mean((2 * i - 1) * (np.log(u) + np.log1p(-u[::-1])))
        d = stats.kstest(u, "uniform").statistic
        w2 = stats.cramervonmises(u, "uniform").statistic
        np.testing.assert_allclose(one, [d, w2, a2], rtol=1e-11)


@pytest.mark.parametrize("seed", range(5))
def test_other_samples_have_the_integrals_over_the_expected_curve(seed):
    # Exact failures, units still running, left-censored ones, intervals from narrow to wide.
    rng = np.random.default_rng(seed)
    lower = rng.exponential(size=30)
    upper = lower + rng.exponential(size=30) * rng.choice([0.0, 1e-3, 1e-2, 0.5, 3.0], 30)
    upper[:6], lower[10:14] = np.inf, 0.0
    a, b = -np.expm1(-lower), -np.expm1(-upper)

    def curve(u):
        spread = np.clip((u - a) / np.where(b > a, b - a, 1.0), 0.0, 1.0)
        return np.mean(np.where(b > a, spread, u >= a))

    ends = np.unique(np.r_[0.0, a, b, 1.0])

    def integral(weight):
        parts = itertools.pairwise(ends)
        how = {"epsabs": 1e-13, "epsrel": 1e-11}
        return 30 * sum(
            quad(lambda u: (curve(u) - u) ** 2 * weight(u), low, high, **how)[0]
            for low, high in parts
        )

    d, w2, a2 = distances(expected_pieces(lower[None], upper[None]), 30)[0]
    assert w2 == pytest.approx(integral(lambda u: 1.0), rel=1e-8)
    assert a2 == pytest.approx(integral(lambda u: 1.0 / (u * (1.0 - u))), rel=1e-8)
    gaps = [abs(curve(u) - at) for at in ends for u in (at, np.nextafter(at, 0.0))]
    assert d == pytest.approx(max(gaps), rel=1e-7)


def test_a_curve_that_is_even_everywhere_is_at_no_distance():
    u = np.array([0.0, 0.25, 0.5, 0.75])
    # Four equal cells, the last of which has no upper end.
    cells = -np.log1p(-u), np.r_[-np.log1p(-u[1:]), np.inf]
    np.testing.assert_allclose(distances(expected_pieces(*cells), 4), 0.0, atol=1e-14)
    # What is as good as exact is at one place, and nothing is lost far out.
    r = np.r_[RNG.exponential(size=20), 50.0, 800.0, 800.3]
    exact, narrow = (distances(expected_pieces(r, r + more), 23) for more in (0.0, 1e-9))
    np.testing.assert_allclose(narrow, exact, rtol=1e-6)
    assert np.isinf(distances(expected_pieces(np.zeros(3), np.zeros(3)), 3)[2])


def test_statistics_and_p_values_are_those_of_two_hundred_thousand_replicates(real_data):
    reference = json.loads((real_data / "reference" / "families_refs.json").read_text())
    done = 0
    for case in reference["goodness_of_fit"]["fits"]:
        if case["case"] not in ("ball_bearings", "aircondit"):
            continue
        table = pd.read_csv(real_data / case["data"])
        lives = table[next(c for c in ("megacycles", "hours", "time", "x") if c in table)]
        found = LifetimeModel(case["family"]).fit(lives).goodness_of_fit(999)
        names = {"D": "kolmogorov_smirnov", "W2": "cramer_von_mises", "A2": "anderson_darling"}
        for short, name in names.items():
            statistic, p_value = found.loc[name, ["statistic", "p_value"]]
            assert statistic == pytest.approx(case["statistics"][short], rel=1e-6)
            p = case["p_value"][short]
            assert p_value == pytest.approx(p, abs=4.5 * np.sqrt(p * (1 - p) / 999) + 0.003)
        done += 1
    assert done == 4


def fit_of(kind, family="weibull"):
    if kind == "late":
        entry = np.where(np.arange(N) % 2, 3.0, 0.0)
        seen = entry < T
        return LifetimeModel(family).fit(T[seen], EVENT[seen], entry=entry[seen])
    if kind == "rounded":
        return LifetimeModel(family, resolution=2.0).fit(np.ceil(T / 2) * 2, EVENT)
    if kind == "inspected":
        first = RNG.uniform(0.0, 5.0, N)
        count = np.floor((LIVES - first) / 5.0)
        low = np.where(count < 0, 0.0, first + 5.0 * count)
        high = np.where(count < 0, first, first + 5.0 * count + 5.0)
        over = high > 40.0
        low, high = np.where(over, np.minimum(low, 40.0), low), np.where(over, np.inf, high)
        return LifetimeModel(family).fit(Observations.from_intervals(low, high))
    if kind == "exit":
        seen = LIVES < 45.0
        rows = Observations.from_durations(LIVES[seen], exit=np.full(seen.sum(), 45.0))
        return LifetimeModel(family).fit(rows)
    return LifetimeModel(family).fit(T, EVENT)


@pytest.mark.parametrize("kind", ["censored", "late", "rounded", "inspected", "exit"])
def test_the_right_family_is_kept_however_units_were_observed(kind):
    model = fit_of(kind)
    found = model.goodness_of_fit(63, random_state=3)
    assert (found["n_replicates"] >= 61).all()
    assert found["p_value"].min() > 0.02
    assert list(found.index) == ["kolmogorov_smirnov", "cramer_von_mises", "anderson_darling"]


def test_the_wrong_family_is_told_in_any_unit_of_time():
    found = LifetimeModel("exponential").fit(LIVES).goodness_of_fit(199)
    assert found["p_value"].max() < 0.02
    hours = LifetimeModel("exponential").fit(8766.0 * LIVES).goodness_of_fit(199)
    np.testing.assert_allclose(hours["statistic"], found["statistic"], rtol=1e-6)


@double_precision
def test_inspections_of_drawn_lives_are_those_of_the_data():
    # Two schedules, and two of five units leave early: the shares of intervals are the data's own.
    life = 20.0 * RNG.weibull(1.6, 4000) + 0.1
    even = RNG.random(4000) < 0.5
    grid = np.where(even, 10.0, 7.0)
    count = np.floor(life / grid)
    low, high = grid * count, grid * (count + 1)
    over = low >= np.where(even, 30.0, 21.0)
    low = np.where(over, np.where(even, 30.0, 21.0), low)
    rows = Observations.from_intervals(low, np.where(over, np.inf, high))
    truth = LifetimeModel("weibull").fit(rows).lifetime_
    batch = next(drawn_like(truth, rows, np.random.default_rng(0), None))
    bounds = {(a, b) for a, b in zip(low, np.where(over, np.inf, high), strict=True)}
    upper = np.where(batch.interval > 0, batch.upper, np.inf)
    for a, b in bounds:
        share = np.mean((batch.lower == a) & (upper == b))
        assert share == pytest.approx(
            np.mean((low == a) & (high == b) & ~over)
            if np.isfinite(b)
            else np.mean(over & (low == a)),
            abs=0.025,
        )


def test_mixtures_weights_and_what_cannot_be_drawn(tmp_path):
    counts = RNG.integers(1, 3, N)
    model = LifetimeModel("weibull").fit(T, EVENT, sample_weight=counts)
    repeated = LifetimeModel("weibull").fit(np.repeat(T, counts), np.repeat(EVENT, counts))
    pair = (m.goodness_of_fit(19)["statistic"] for m in (model, repeated))
    np.testing.assert_allclose(*pair, rtol=1e-7)
    lives = np.r_[RNG.weibull(1.0, 40), 30 + 9 * RNG.weibull(4.0, 60)]
    found = WeibullMixture(2).fit(lives).goodness_of_fit(19)
    assert found["p_value"].min() > 0.04
    with pytest.raises(ValueError, match="fractions"):
        LifetimeModel().fit(T, EVENT, sample_weight=counts / 3).goodness_of_fit(19)
    mixed = Observations.from_intervals(np.where(EVENT, 0.9 * T, T), np.r_[T[:60], 2 * T[60:]])
    with pytest.raises(ValueError, match="some failures are exact"):
        LifetimeModel().fit(mixed).goodness_of_fit(19)
    model.save(tmp_path / "model.json")
    with pytest.raises(ValueError, match="rows that were fitted"):
        load(tmp_path / "model.json").goodness_of_fit()


@double_precision
def test_drawn_lives_are_found_by_the_inspections_that_are_given():
    ends = np.array([0.0, 5.0, 10.0, 20.0, 30.0, np.inf])
    rows = Observations.from_intervals(ends[:-1], ends[1:], sample_weight=[10, 20, 40, 20, 10])
    model = LifetimeModel("weibull").fit(rows)
    visits = np.tile(ends[1:], (100, 1))
    told = [model.goodness_of_fit(63, 0, inspections=plan) for plan in (ends[1:-1], visits)]
    np.testing.assert_allclose(*told)
    visits[4] = 7.0, 25.0, 40.0, np.inf, np.inf
    batch = next(drawn_like(model.lifetime_, model._rows, RNG, None, visits=visits))
    upper = np.where(batch.interval > 0, batch.upper, np.inf)
    for unit in (0, 4):
        bounds = np.r_[0.0, visits[unit][np.isfinite(visits[unit])], np.inf]
        pairs = set(zip(batch.lower[:, unit], upper[:, unit], strict=True))
        assert pairs <= set(itertools.pairwise(bounds))
        assert len(pairs) > 2


@pytest.mark.parametrize("told", [True, False])
def test_units_inspected_once_have_p_values_that_are_not_all_large(told):
    rng, small = np.random.default_rng(0), 0
    for _ in range(40):
        life, visit = 20.0 * rng.weibull(1.7, 100), rng.uniform(2.0, 50.0, 100)
        low, high = np.where(life > visit, visit, 0.0), np.where(life > visit, np.inf, visit)
        model = LifetimeModel("weibull").fit(Observations.from_intervals(low, high))
        plans = visit[:, None] if told else None
        found = model.goodness_of_fit(63, rng, inspections=plans)
        small += found.loc["cramer_von_mises", "p_value"] <= 0.5
    # Twenty are expected, and four standard errors.
    assert 8 <= small <= 32


@pytest.mark.parametrize(
    "inspections", [[], [3.0, 2.0], [0.0, 2.0], [[np.nan, 3.0]], np.ones((2, 2, 2))]
)
def test_inspections_are_positive_ages_in_order(inspections):
    model = LifetimeModel().fit(Observations.from_intervals([0.0, 3.0, 5.0], [3.0, 5.0, np.inf]))
    with pytest.raises(ValueError, match="inspections must be positive ages"):
        model.goodness_of_fit(19, inspections=inspections)


def test_inspections_are_of_all_units_and_of_failures_in_intervals():
    model = LifetimeModel().fit(Observations.from_intervals([0.0, 3.0, 5.0], [3.0, 5.0, np.inf]))
    with pytest.raises(ValueError, match="for each of 3 units"):
        model.goodness_of_fit(19, inspections=[[5.0, 9.0], [5.0, 9.0]])
    with pytest.raises(ValueError, match="failures are intervals"):
        LifetimeModel().fit(LIVES).goodness_of_fit(19, inspections=[5.0])
