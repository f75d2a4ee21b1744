"""Sums over risk sets keep their digits, against a plain loop over risk sets."""

import jax
import numpy as np
import pytest

from survjax.inference import _parallel
from survjax.inference.partial_likelihood import (
    baseline_hazard,
    fit_cox,
    hazard_table,
    log_partial_likelihood,
    martingale_residuals,
    risk_order,
    robust_covariance,
    score_residuals,
)
from survjax.inference.partial_likelihood._derivatives import derivatives, number_failures
from survjax.inference.partial_likelihood._sums import restarted_cumsum
from tests.inference.partial_likelihood._plain import Plain, risk_sets


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
    agree(fit.climb.start_gradient * fit.sets.scale, zero[1], np.abs(zero[1]).max() + 1)
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
