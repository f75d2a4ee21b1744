"""The last step, taken without a pass: the same point, and evidence that is no better."""

import numpy as np
import pytest

from survjax import AcceleratedLifetime, Observations
from survjax._core.precision import double_precision
from survjax.fitting.regression.fit import likelihood_of, maximize
from survjax.fitting.regression.penalties import Penalty
from survjax.fitting.regression.starts import START_ROWS
from survjax.lifetimes import Weibull
from survjax.likelihood.regression.columns import Columns
from survjax.likelihood.regression.forms import Predictor, accelerated
from survjax.optimize import last_step

FORM = accelerated(Weibull(0.0, 0.0))
LAYOUT = (Predictor("log_scale", (0, 1, 2)), Predictor("log_shape", (0,)))


class Counted:
    """A likelihood that counts its passes."""

    def __init__(self, likelihood):
        self.likelihood, self.n_units, self.passes = likelihood, likelihood.n_units, 0
        self.form, self.layout = likelihood.form, likelihood.layout

    def __call__(self, theta):
        self.passes += 1
        return self.likelihood(theta)


def fleet(n, seed, outlier=False):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    lives = 30.0 * np.exp(0.4 * x[:, 0]) * rng.weibull(1.7, n)
    end = rng.uniform(10.0, 60.0, n)
    time = np.minimum(lives, end)
    if outlier:
        time[0] *= 1e4
    return x, Observations.from_durations(time, lives <= end)


@pytest.mark.parametrize("hessian_drift", [1e-7, 1e-6])
@pytest.mark.parametrize("ridge", [0.0, 3.0])
@pytest.mark.parametrize("outlier", [False, True])
@double_precision
def test_the_point_is_that_of_one_more_pass_and_the_decrement_bounds_the_true_one(
    ridge, outlier, hessian_drift, monkeypatch
):
    saved = 0
    for seed in range(20):
        x, rows = fleet(5000, seed, outlier)
        likelihood = likelihood_of(FORM, LAYOUT, rows, x, Columns.of(x, rows.weight))
        penalty = Penalty(np.array([0.0, ridge, ridge, 0.0]), np.zeros(4)) if ridge else None
        ends = []
        for safety in (last_step.SAFETY, np.inf):
            with monkeypatch.context() as context:
                context.setattr(last_step, "SAFETY", safety)
                counted = Counted(likelihood)
                ends.append(
                    (
                        maximize(counted, np.zeros(4), 1e-9, 100, penalty, hessian_drift),
                        counted.passes,
                    )
                )
        (ours, n_ours), (full, n_full) = ends
        assert ours.code == full.code
        if n_ours == n_full:
            continue
        saved += 1
        assert n_ours == n_full - 1
        np.testing.assert_array_equal(ours.x, full.x)
        assert full.decrement <= 2.0 * ours.decrement + 1e-11
        assert ours.decrement <= 1e-9
        np.testing.assert_allclose(ours.value, full.value, rtol=1e-14)
        errors = [np.sqrt(np.diag(np.linalg.inv(-end.hessian))) for end in (ours, full)]
        np.testing.assert_allclose(errors[0], errors[1], rtol=hessian_drift)
    assert saved > 5


def test_a_step_is_not_sure_before_two_have_shown_the_way():
    for before, now in ((np.inf, 1e-5), (2.0, 1e-5), (0.5, 1e-3), (1e-5, 0.9e-5)):
        assert not last_step.predict_decrement(before, now, 1e4, 1e-9, 1e-6)[1]
    expected, sure = last_step.predict_decrement(0.01, 1e-6, 1e4, 1e-9, 1e-6)
    assert sure and expected == pytest.approx(1e-14)


def test_a_looser_tolerance_is_kept_too():
    # Only of many rows is a last step taken unseen.
    x, rows = fleet(4 * START_ROWS + 1, 3)
    y = np.column_stack([rows.lower, rows.event])
    loose, tight = (AcceleratedLifetime(tol=tol).fit(x, y) for tol in (1e-6, 1e-12))
    error = np.sqrt(np.diag(tight.covariance_))
    assert np.max(np.abs(loose.parameters_ - tight.parameters_) / error) < 1e-6
    np.testing.assert_allclose(np.sqrt(np.diag(loose.covariance_)), error, rtol=1e-3)
