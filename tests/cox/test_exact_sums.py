"""Sums over risk sets keep their digits, against a plain loop over risk sets."""

from itertools import pairwise

import jax
import numpy as np
import pytest

from survjax._core import parallel as _parallel
from survjax._core.ranges import restarted_cumsum
from survjax.cox import (
    baseline_hazard,
    fit_cox,
    hazard_table,
    log_partial_likelihood,
    martingale_residuals,
    risk_order,
    robust_covariance,
    score_residuals,
)
from survjax.cox.partial_likelihood.derivatives import derivatives
from tests.cox._plain import Plain, risk_sets


def problem(seed):
    """Rows with strata, late entry, ties and weights; covariates shift and drift by up to 1,000."""
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(25, 70)), int(rng.integers(1, 4))
    x = rng.normal(size=(n, p))
    time = rng.exponential(np.exp(-0.4 * x[:, 0])) * 10.0
    event = rng.random(n) < 0.8
    gap = rng.choice([0.0, 1.0, 20.0, 60.0, 300.0, 1000.0])
    strata = rng.integers(0, rng.integers(1, 5), n)
    if rng.random() < 0.7:
        time = np.ceil(time)
    entry = np.zeros(n)
    kind = rng.integers(0, 3)
    if kind >= 1:
        entry = np.floor(time * rng.random(n) * 0.95 * 4) / 4 * (rng.random(n) < 0.7)
    x = x + rng.permutation(5)[strata][:, None] * gap * rng.choice([-1.0, 0.0, 1.0], p)
    weight = rng.choice([0.0, 1.0, 2.0, 3.0], n, p=[0.05, 0.6, 0.2, 0.15])
    if kind == 2:
        # Start-stop rows: each row cut in three, its covariates drifting along time.
        edges = np.stack([entry, entry + 0.3 * (time - entry), entry + 0.6 * (time - entry), time])
        drift = gap / max(time.max(), 1.0) * rng.choice([-1.0, 0.0, 1.0], p)
        entry, time = edges[:-1].ravel(), edges[1:].ravel()
        x = np.tile(x, (3, 1)) + time[:, None] * drift + 0.3 * rng.normal(size=(3 * n, p))
        event = np.concatenate([np.zeros(2 * n, bool), event])
        strata, weight = np.tile(strata, 3), np.tile(weight, 3)
    order = rng.permutation(time.size)
    return x[order], time[order], event[order], entry[order], strata[order], weight[order]


def agree(found, expected, scale):
    np.testing.assert_allclose(found / scale, expected / scale, rtol=1e-9, atol=1e-9)


def check(seed):
    x, time, event, entry, strata, weight = problem(seed)
    ties = ("efron", "breslow")[seed % 2]
    fit = fit_cox(
        time, event, x, entry=entry, strata=strata, sample_weight=weight, ties=ties, tol=1e-13
    )
    sets = risk_sets(time, event, entry, strata, weight, ties)
    plain = Plain(x, event, sets, weight)
    zero = plain.derivatives(np.zeros(x.shape[1]))
    assert fit.null_log_likelihood == pytest.approx(zero[0], rel=1e-11)
    agree(fit.maximum.start_gradient * fit.sets.scale, zero[1], np.abs(zero[1]).max() + 1)
    if not np.isfinite(fit.coef).all():
        return False
    beta, value, hessian = plain.fit()
    agree(fit.coef, beta, fit.standard_error)
    assert fit.log_likelihood == pytest.approx(value, rel=1e-9, abs=1e-9)
    covariance = np.linalg.inv(-hessian)
    spread = np.sqrt(np.diag(covariance))
    agree(fit.covariance, covariance, np.outer(spread, spread))
    martingale, score = plain.residuals(beta)
    agree(martingale_residuals(fit), martingale, 1.0)
    agree(score_residuals(fit), score, 1.0 / spread)
    moved = score @ covariance
    robust = (moved * weight[:, None]).T @ moved
    size = np.sqrt(np.diag(robust))
    agree(robust_covariance(fit), robust, np.outer(size, size))
    at = x[0]
    logs = plain.log_hazards(beta, at)
    for number, label in enumerate(fit.strata):
        table = hazard_table(fit, number)
        z = (at - fit.sets.center) / fit.sets.scale - table.origin
        steps = np.array([logs.get((label, t), np.nan) for t in table.times])
        # Relative errors of hazards; logarithms of size 1000 have no more digits.
        atol = 1e-9 * max(1.0, np.abs(steps).max(initial=0.0) / 100)
        np.testing.assert_allclose(table.log_steps + z @ table.theta, steps, rtol=0, atol=atol)
    return True


@pytest.mark.parametrize("part", range(10))
def test_fits_are_those_of_a_plain_loop_over_risk_sets(part):
    checked = [check(seed) for seed in range(50 * part, 50 * part + 50)]
    assert np.mean(checked) > 0.8


@pytest.mark.parametrize("gap", [20.0, 30.0, 60.0, 100.0, 1000.0, 1e5])
@pytest.mark.parametrize("labels", ["aaaabbbb", "bbbbaaaa"])
def test_a_shift_within_a_stratum_changes_nothing(gap, labels):
    x = np.array([gap, gap + 1, gap + 2, gap + 3, 0, 1, 2, 3])[:, None]
    fit = fit_cox([4, 3, 1, 2, 4, 3, 1, 2], None, x, strata=list(labels))
    assert fit.coef[0] == pytest.approx(1.091363, abs=5e-7)
    assert fit.log_likelihood == pytest.approx(-3.834904, abs=5e-7)
    assert fit.covariance[0, 0] == pytest.approx(0.372654, abs=5e-7)


@pytest.mark.parametrize("drift", [60.0, 1000.0, 1e5])
def test_a_drift_along_time_changes_nothing(drift):
    rng = np.random.default_rng(1)
    n, cuts = 300, 8
    x = rng.normal(size=n)
    life = rng.exponential(np.exp(-0.6 * x)) * 10
    edges = np.linspace(0.0, 20.0, cuts + 1)
    unit, step = np.nonzero(edges[:-1] < life[:, None])
    stop = np.minimum(edges[step + 1], life[unit])
    event, level = life[unit] <= edges[step + 1], x[unit]
    plain = fit_cox(stop, event, level[:, None], entry=edges[step])
    # At each time all units drift by the same amount.
    moved = fit_cox(stop, event, (level + drift / 20 * edges[step])[:, None], entry=edges[step])
    assert moved.coef[0] == pytest.approx(plain.coef[0], rel=1e-9)
    assert moved.log_likelihood == pytest.approx(plain.log_likelihood, rel=1e-11)
    rtol = 1e-9 * max(drift / 1000, 1)
    np.testing.assert_allclose(moved.standard_error, plain.standard_error, rtol=rtol)
    np.testing.assert_allclose(
        martingale_residuals(moved), martingale_residuals(plain), atol=rtol, rtol=0
    )


def test_log_risks_of_any_span_have_their_likelihood():
    # Risks that rise and fall by exp(900) in turn, with rows that enter late and leave early.
    rng = np.random.default_rng(2)
    time = np.arange(1.0, 61.0)
    entry = np.maximum(time - rng.integers(1, 30, 60), 0.0)
    x = (rng.normal(size=60) + 30.0 * rng.integers(-1, 2, 60))[:, None]
    strata, weight = np.zeros(60, int), np.ones(60)
    fit = fit_cox(time, None, x, entry=entry)
    plain = Plain(
        x, np.ones(60, bool), risk_sets(time, weight > 0, entry, strata, weight, "efron"), weight
    )
    for beta in (0.0, 1.0, -15.0, 30.0):
        value, gradient, hessian = derivatives(
            fit.sets, fit.failures, np.array([beta]) * fit.sets.scale
        )
        expected = plain.derivatives(np.array([beta]))
        assert value == pytest.approx(expected[0], rel=1e-12)
        np.testing.assert_allclose(gradient, expected[1] / fit.sets.scale, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(hessian, expected[2] / fit.sets.scale**2, rtol=1e-9, atol=1e-9)


def test_segments_in_parts_and_blocks_give_the_same_sums(monkeypatch):
    x, time, event, entry, strata, weight = (
        np.concatenate(
            [
                problem(seed)[k][:, :1]
                if k == 0
                else problem(seed)[k] + (100 * seed if k == 4 else 0)
                for seed in range(30)
            ]
        )
        for k in range(6)
    )
    event = event > 0
    fit = fit_cox(time, event, x, entry=entry, strata=strata, sample_weight=weight)
    theta = 0.5 * fit.maximum.theta
    whole = derivatives(fit.sets, fit.failures, theta)
    monkeypatch.setattr(_parallel, "BLOCK", 64)
    monkeypatch.setattr(_parallel, "PARALLEL_ROWS", 100)
    monkeypatch.setattr(_parallel, "n_threads", lambda: 3)
    parts = derivatives(fit.sets, fit.failures, theta)
    assert parts[0] == pytest.approx(whole[0], rel=1e-13)
    np.testing.assert_allclose(parts[1], whole[1], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(parts[2], whole[2], rtol=1e-10)


@pytest.mark.parametrize("late", [False, True])
def test_the_likelihood_in_jax_keeps_its_digits(late):
    rng = np.random.default_rng(3)
    time, strata = rng.integers(1, 12, 40).astype(float), rng.integers(0, 3, 40)
    entry = np.floor(time * rng.random(40)) if late else np.zeros(40)
    event, weight = rng.random(40) < 0.7, rng.integers(1, 3, 40).astype(float)
    z = rng.normal(size=40) + 800.0 * strata + 90.0 * time
    with jax.enable_x64(True):
        rows = risk_order(time, event, entry=entry, strata=strata, sample_weight=weight)
        value, slope = jax.value_and_grad(log_partial_likelihood)(z, rows)
    sets = risk_sets(time, event, entry, strata, weight, "efron")
    plain = Plain(z[:, None], event, sets, weight)
    assert float(value) == pytest.approx(plain.derivatives(np.ones(1))[0], rel=1e-12)
    residuals = plain.residuals(np.ones(1))[0]
    np.testing.assert_allclose(slope, weight * residuals, atol=1e-9)


@pytest.mark.parametrize("n_segments", [1, 3, 40, 400])
def test_cumulative_sums_start_anew(n_segments):
    rng = np.random.default_rng(n_segments)
    first = np.append(0, np.sort(rng.choice(np.arange(1, 1000), n_segments - 1, replace=False)))
    values = rng.random((2, 1000)) * 10.0 ** rng.integers(-100, 100, 1000)
    edges = np.append(first, 1000)
    expected = np.concatenate(
        [np.cumsum(values[:, a:b], axis=1) for a, b in pairwise(edges)],
        axis=1,
    )
    np.testing.assert_allclose(restarted_cumsum(values, first), expected, rtol=1e-13)


def test_hazards_of_late_ages_keep_their_digits():
    # The hazard of the first failures hides what comes after them, but not where it is asked for.
    rng = np.random.default_rng(4)
    time = np.arange(1.0, 41.0)
    fit = fit_cox(time, None, rng.normal(size=(40, 1)))
    table = hazard_table(fit)
    steep = type(table)(
        table.times,
        table.log_steps - 2.0 * np.arange(40),
        table.log_spreads - 4.0 * np.arange(40),
        table.means,
        table.theta,
        table.root,
        table.origin,
    )
    until, since = np.array([[40, 35, 3]]), np.array([[30, 34, 0]])
    value, error = steep.log_hazard(np.zeros((1, 1)), until, since)
    for k in range(3):
        part = slice(since[0, k], until[0, k])
        logs = steep.log_steps[part]
        shift = float(-steep.origin @ steep.theta)
        assert value[0, k] == pytest.approx(np.logaddexp.reduce(logs) + shift, rel=1e-13)
        mean = steep.means[:, part] @ np.exp(logs - np.logaddexp.reduce(logs))
        spread = np.exp(
            np.logaddexp.reduce(steep.log_spreads[part]) - 2 * np.logaddexp.reduce(logs)
        )
        pull = (-steep.origin - mean) @ steep.root
        assert error[0, k] == pytest.approx(np.sqrt(spread + pull @ pull), rel=1e-12)


@pytest.mark.parametrize(("time", "value"), [([4, 3, 1, 2], 0.0), ([1, 2, 4, 3], np.inf)])
def test_a_baseline_far_from_the_data_is_zero_or_infinite_without_a_warning(time, value):
    x = np.array([1000.0, 1001, 1002, 1003])[:, None]
    fit = fit_cox(time, None, x)
    assert np.all(baseline_hazard(fit)[None].values == value)
    near = baseline_hazard(fit, [1001.0])[None].values
    shifted = baseline_hazard(fit_cox(time, None, x - 1001.0))[None].values
    np.testing.assert_allclose(near, shifted, rtol=1e-10)
