"""Columns without an estimate, penalties, and input that no model can take."""

import numpy as np
import pytest

from survjax.cox import (
    Penalty,
    _maximize,
    fit_cox,
    robust_covariance,
)
from survjax.cox._degenerate import largest_at_risk
from survjax.cox.risk_sets.sorting import sort_rows
from survjax.nonparametric.rows import check_lifetimes


def plain(seed=0, n=80, p=2):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p))
    return rng.exponential(np.exp(-0.5 * x[:, 0])), rng.random(n) < 0.8, x


def test_a_column_that_repeats_others_gets_no_number_and_is_named():
    time, event, x = plain()
    table = np.column_stack([x[:, 0], x[:, 1], 2 * x[:, 0] - 3 * x[:, 1] + 5, np.full(80, 3.0)])
    fit = fit_cox(time, event, table)
    assert np.isnan(fit.coef).tolist() == [False, False, True, True]
    assert fit.repeats(2).tolist() == [0, 1]
    assert fit.repeats(3).tolist() == []
    np.testing.assert_allclose(fit.coef[:2], fit_cox(time, event, x).coef, rtol=1e-9)
    assert np.isnan(fit.covariance[2]).all()
    assert fit.likelihood_ratio_test().df == 2
    assert fit.wald_test().df == 2
    assert fit.score_test().df == 2
    assert np.isnan(robust_covariance(fit)[2]).all()


def test_a_column_constant_within_strata_gets_no_number():
    time, event, x = plain(1)
    strata = np.arange(80) % 4
    fit = fit_cox(time, event, np.column_stack([x, strata]), strata=strata)
    assert np.isnan(fit.coef).tolist() == [False, False, True]


def test_nearly_equal_columns_still_get_numbers():
    time, event, x = plain(2)
    close = x[:, 0] + 1e-4 * x[:, 1]
    fit = fit_cox(time, event, np.column_stack([x[:, 0], close]))
    assert np.isfinite(fit.coef).all()


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_category_in_which_all_or_none_failed_runs_away(late, sign):
    time, event, x = plain(3)
    entry = 0.3 * time if late else None
    group = (np.arange(80) % 8 == 0) & ~event
    fit = fit_cox(time, event, np.column_stack([x, -sign * group]), entry=entry)
    assert fit.coef[2] == sign * np.inf
    assert fit.converged
    # In the limit those units stand in no risk set.
    rest = ~group
    without = fit_cox(
        time[rest], event[rest], x[rest], entry=None if entry is None else entry[rest]
    )
    np.testing.assert_allclose(fit.coef[:2], without.coef, atol=1e-7)
    np.testing.assert_allclose(fit.covariance[:2, :2], without.covariance, rtol=1e-6)


def test_a_covariate_in_the_order_of_the_failures_runs_away():
    time = np.arange(1.0, 21.0)
    fit = fit_cox(time, None, np.column_stack([-time, np.cos(time)]))
    assert fit.coef[0] == np.inf


@pytest.mark.parametrize("seed", range(10))
def test_a_large_but_finite_coefficient_keeps_its_number(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 2))
    time = np.exp(-4.0 * x[:, 0] + 0.5 * rng.gumbel(size=60))
    fit = fit_cox(time, None, x)
    assert np.isfinite(fit.coef).all()
    assert fit.converged
    assert 4 < fit.coef[0] < 20


@pytest.mark.parametrize(
    ("decrements", "verdict"),
    [
        ([10.0, 0.3, 2e-4, 2e-9, 1.6e-9], (True, False)),  # closed in, then rounding
        ([4.0, 2.5, 1.5, 0.9, 0.55, 0.33], (False, True)),  # even steps, for ever
        ([10.0, 3.0, 0.5, 0.02, 4e-5, 1e-9], (False, False)),  # closing in
    ],
)
def test_rounding_and_endless_climbs_are_told_apart(decrements, verdict):
    assert (_maximize._at_rounding(decrements), _maximize._lingers(decrements)) == verdict


def test_a_ridge_penalty_solves_its_own_equations():
    time, event, x = plain(4, p=3)
    penalty = Penalty(5.0, factor=np.array([1.0, 2.0, 0.0]))
    fit = fit_cox(time, event, x * [1, 10, 0.1], penalty=penalty)
    slope = fit.maximum.gradient * fit.sets.scale
    np.testing.assert_allclose(slope, [5, 10, 0] * fit.coef, atol=1e-7)
    free = fit_cox(time, event, x * [1, 10, 0.1])
    assert np.abs(fit.coef[0]) < np.abs(free.coef[0])
    assert fit.standard_error[0] < free.standard_error[0]


def test_a_ridge_penalty_gives_repeated_columns_equal_shares_and_stops_endless_ones():
    time, event, x = plain(5)
    fit = fit_cox(time, event, np.column_stack([x[:, 0], x[:, 0]]), penalty=Penalty(0.1))
    assert fit.coef[0] == pytest.approx(fit.coef[1], rel=1e-8)
    group = (np.arange(80) % 8 == 0) & ~event
    fit = fit_cox(time, event, np.column_stack([x, group]), penalty=Penalty(0.1))
    assert np.isfinite(fit.coef).all()
    assert fit.coef[2] < -1


@pytest.mark.parametrize("l1_ratio", [1.0, 0.4])
@pytest.mark.parametrize("strength", [2.0, 8.0, 1e4])
def test_a_lasso_meets_its_conditions(strength, l1_ratio):
    time, event, x = plain(6, n=200, p=8)
    fit = fit_cox(time, event, x, penalty=Penalty(strength, l1_ratio))
    slope = fit.maximum.gradient * fit.sets.scale - strength * (1 - l1_ratio) * fit.coef
    used = fit.coef != 0
    limit = strength * l1_ratio
    np.testing.assert_allclose(slope[used], limit * np.sign(fit.coef[used]), atol=1e-6)
    assert np.all(np.abs(slope[~used]) <= limit + 1e-6)
    assert fit.converged
    assert np.isnan(fit.standard_error).all()
    if strength == 1e4:
        assert not used.any()


def test_the_largest_value_at_risk_is_found_with_late_entries_and_strata():
    rng = np.random.default_rng(7)
    time = rng.integers(1, 30, 200).astype(float)
    entry, strata = np.floor(time * rng.random(200)), rng.integers(0, 3, 200)
    event, x = rng.random(200) < 0.5, rng.normal(size=(200, 1))
    sets = sort_rows(check_lifetimes(time, event, entry, merge=False), x, strata)
    top = largest_at_risk(sets, sets.x[0])
    for g in range(sets.n_times):
        t, s = sets.times[g], sets.stratum[g]
        inside = (entry < t) & (time >= t) & (strata == s)
        # Covariates are relative to the mean of their stratum.
        found = (top[g] + sets.origin[0, sets.segment[g]]) * sets.scale[0] + sets.center[0]
        assert found == pytest.approx(x[inside, 0].max())


def test_rounding_noise_in_times_does_not_change_ties():
    rng = np.random.default_rng(8)
    days = rng.integers(1, 15, 60)
    x = rng.normal(size=(60, 1))
    noisy = days * 0.1 + 1e-16 * rng.integers(-3, 4, 60)
    assert fit_cox(noisy, None, x).coef == pytest.approx(fit_cox(days, None, x).coef, rel=1e-10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"event_observed": np.zeros(5)}, "no failure was observed"),
        ({"x": np.ones(5)}, r"x must be a table with a column for each covariate, got \(5,\)"),
        ({"x": np.ones((4, 2))}, "x must have one entry for each of the 5 durations"),
        ({"x": np.array([[1.0], [np.nan], [2], [3], [4]])}, "x must be finite, got nan in row 1"),
        ({"x": np.array([[1.0], [np.inf], [2], [3], [4]])}, "x must be finite, got inf in row 1"),
        ({"durations": [1, 2, np.nan, 4, 5]}, "durations must be numbers, got nan in row 2"),
        ({"entry": [0, 0, 3, 0, 0]}, "entry must be below the unit's duration"),
        ({"strata": [0, 0, 1]}, "strata must have one entry for each"),
        ({"sample_weight": [1, 1, -1, 1, 1]}, "sample_weight must be finite and at least zero"),
        ({"ties": "exact"}, 'ties must be "efron" or "breslow"'),
    ],
)
def test_hostile_input_gets_one_clear_error(change, message):
    arguments = {
        "durations": [1, 2, 3, 4, 5],
        "event_observed": [1, 0, 1, 1, 0],
        "x": np.arange(5.0)[:, None] ** 2 % 7,
    }
    with pytest.raises(ValueError, match=message):
        fit_cox(**(arguments | change))


@pytest.mark.parametrize("mixed", [False, True])
def test_a_column_that_puts_all_failures_in_order_runs_away(mixed):
    time, _, x = plain(4)
    sorting = np.log(time) + mixed * x[:, 1]
    fit = fit_cox(time, None, np.column_stack([sorting, x[:, 1]]))
    assert fit.coef[0] == -np.inf
    assert np.isnan(fit.standard_error[0])
    if mixed:
        assert fit.coef[1] == np.inf


@pytest.mark.parametrize("value", [1e6, 1e12])
def test_a_value_far_outside_does_not_hide_the_others(value):
    time, event, x = plain(5)
    # Such a unit that outlives all others has, at the maximum, no hazard at all.
    x[7, 0] = np.sign(x[:, 0] @ (time < np.median(time))) * -value
    time[7], event[7] = 2 * time.max(), False
    others = np.arange(80) != 7
    fit, expected = fit_cox(time, event, x), fit_cox(time[others], event[others], x[others])
    assert fit.converged
    np.testing.assert_allclose(fit.coef, expected.coef, rtol=1e-6)
    assert fit.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-9)
