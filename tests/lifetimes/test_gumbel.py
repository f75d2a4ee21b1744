"""Gumbel lifetimes (smallest extreme values) against SciPy, and fits against a direct search."""

import numpy as np
import pytest
from scipy import optimize, stats

from survjax import LifetimeModel
from survjax._core.precision import double_precision
from survjax.lifetimes import Gumbel

TIMES = np.array([1e-6, 1.0, 20.0, 40.0, 55.0, 70.0])


@double_precision
def test_curves_are_those_of_scipy():
    theirs, ours = stats.gumbel_l(40.0, 8.0), Gumbel.of(40.0, 8.0)
    np.testing.assert_allclose(ours.survival(TIMES), theirs.sf(TIMES), rtol=1e-11)
    np.testing.assert_allclose(ours.density(TIMES), theirs.pdf(TIMES), rtol=1e-11)
    q = np.array([0.1, 0.5, 0.99])
    np.testing.assert_allclose(ours.quantile(q), theirs.ppf(q), rtol=1e-13)


@double_precision
def test_remaining_life_and_increments_agree_with_the_hazard():
    motor = Gumbel.of(40.0, 8.0)
    exact = motor.cumulative_hazard(35.0 + TIMES) - motor.cumulative_hazard(35.0)
    np.testing.assert_allclose(motor.increment(35.0, TIMES), exact, rtol=1e-8)
    rest = motor.given(35.0)
    np.testing.assert_allclose(rest.cumulative_hazard(rest.quantile(0.3)), -np.log(0.7), rtol=1e-12)
    t = np.linspace(0.0, 60.0, 200_001)
    survival = stats.gumbel_l(40.0, 8.0).sf(35.0 + t) / stats.gumbel_l(40.0, 8.0).sf(35.0)
    assert float(motor.residual_mean(35.0)) == pytest.approx(np.trapezoid(survival, t), rel=1e-8)


def test_a_fit_is_the_maximum_that_a_direct_search_finds():
    rng = np.random.default_rng(1)
    life = stats.gumbel_l(40.0, 8.0).rvs(200, random_state=rng)
    life = np.where(life > 0, life, 1.0)
    end = rng.uniform(20.0, 60.0, 200)
    durations, failed = np.minimum(life, end), life <= end
    model = LifetimeModel("gumbel").fit(durations, failed)

    def loss(x):
        theirs = stats.gumbel_l(x[0], np.exp(x[1]))
        return -np.sum(np.where(failed, theirs.logpdf(durations), theirs.logsf(durations)))

    options = {"xatol": 1e-9, "fatol": 1e-11}
    best = optimize.minimize(loss, [30.0, 2.0], method="Nelder-Mead", options=options)
    assert model.log_likelihood_ == pytest.approx(-best.fun, abs=1e-8)
    np.testing.assert_allclose(model.parameters_, best.x, atol=1e-4)
    assert model.parameter_names_ == ("location", "log_scale")
