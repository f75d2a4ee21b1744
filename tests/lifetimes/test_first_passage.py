"""Birnbaum-Saunders and inverse Gaussian lifetimes: exact curves and derivatives, means, fits."""

import jax
import numpy as np
import pytest
from mpmath import mp
from scipy import optimize, stats

from survjax import LifetimeModel
from survjax._core.precision import double_precision
from survjax.lifetimes import BirnbaumSaunders, InverseGaussian, Lifetime
from tests.lifetimes.exact import Exact, derivative_errors, worst_error


def _above(z):
    return mp.erfc(z / mp.sqrt(2)) / 2


def _fatigue(t, log_scale, log_alpha):
    scale, alpha = mp.exp(log_scale), mp.exp(log_alpha)
    z = (mp.sqrt(t / scale) - mp.sqrt(scale / t)) / alpha
    return z, (mp.sqrt(t / scale) + mp.sqrt(scale / t)) / (2 * alpha * t)


def _passage(t, log_mean, log_lambda):
    mean, lam = mp.exp(log_mean), mp.exp(log_lambda)
    root = mp.sqrt(lam / t)
    return root * (t / mean - 1), root * (t / mean + 1), mp.exp(2 * lam / mean), lam


def _passage_density(t, *theta):
    a, _, _, lam = _passage(t, *theta)
    return mp.sqrt(lam / (2 * mp.pi * t**3)) * mp.exp(-(a**2) / 2)


def _passage_tail(sign):
    def tail(t, *theta):
        a, b, factor, _ = _passage(t, *theta)
        return _above(sign * a) - sign * factor * _above(b)

    return tail


EXACT = {
    "birnbaum_saunders": Exact(
        BirnbaumSaunders,
        lambda t, *theta: mp.npdf(_fatigue(t, *theta)[0]) * _fatigue(t, *theta)[1],
        lambda t, *theta: _above(-_fatigue(t, *theta)[0]),
        lambda t, *theta: _above(_fatigue(t, *theta)[0]),
    ),
    "inverse_gaussian": Exact(
        InverseGaussian, _passage_density, _passage_tail(-1), _passage_tail(1)
    ),
}
SCIPY = {
    "birnbaum_saunders": lambda x: stats.fatiguelife(np.exp(x[1]), scale=np.exp(x[0])),
    "inverse_gaussian": lambda x: stats.invgauss(np.exp(x[0] - x[1]), scale=np.exp(x[1])),
}
PARAMETERS = {
    "birnbaum_saunders": [(3.0, -0.7), (3.0, 1.0), (3.0, -4.0)],
    "inverse_gaussian": [(3.0, 4.4), (3.0, 1.0), (3.0, 10.0), (5.0, -1.0)],
}
TIMES = np.array([0.05, 0.5, 3.0, 15.0, 19.0, 20.5, 22.0, 40.0, 90.0, 400.0])
PAIRS = np.array(
    [(3.0, 3.00001), (3.0, 9.0), (19.0, 19.5), (20.0, 31.0), (40.0, 40.1), (60.0, 90.0)]
)


def _cases(table=PARAMETERS):
    return [(name, x) for name, several in table.items() for x in several]


@pytest.mark.parametrize(("name", "x"), _cases())
def test_curves_hold_twelve_digits_in_both_tails(name, x):
    worst = worst_error(EXACT[name], x, TIMES, PAIRS)
    assert max(worst.values()) < 1e-12, worst


@pytest.mark.parametrize(("name", "x"), [case for case in _cases() if case[1][1] > -3.0])
def test_derivatives_of_each_kind_of_row_are_exact(name, x):
    errors = derivative_errors(EXACT[name], x, (3.0, 20.5, 60.0), PAIRS[[0, 1, 3]])
    assert max(errors.values()) < 1e-9, errors


@pytest.mark.slow
@pytest.mark.parametrize("name", EXACT)
@double_precision
def test_quantiles_and_means_agree_with_scipy_and_the_general_rules(name):
    x = PARAMETERS[name][0]
    ours, theirs = EXACT[name].at(x), SCIPY[name](x)
    q = np.array([1e-9, 0.1, 0.5, 0.99])
    np.testing.assert_allclose(theirs.cdf(ours.quantile(q)), q, rtol=1e-9)
    np.testing.assert_allclose(ours.mean(), theirs.mean(), rtol=1e-12)
    ages = np.array([0.0, 5.0, 100.0])
    general = jax.jit(Lifetime.residual_mean)(ours, ages)
    np.testing.assert_allclose(ours.residual_mean(ages), general, rtol=1e-8)
    end = np.exp(float(ours.final_log_hazard()))
    assert float(ours.hazard(1e6)) == pytest.approx(end, rel=1e-3)


@pytest.mark.parametrize("name", EXACT)
def test_a_fit_is_the_maximum_that_a_direct_search_finds_in_any_unit_of_time(name):
    rng = np.random.default_rng(8)
    lives = SCIPY[name](PARAMETERS[name][0]).rvs(150, random_state=rng)
    end = rng.uniform(10.0, 50.0, 150)
    durations, failed = np.minimum(lives, end), lives <= end

    def loss(x):
        theirs = SCIPY[name](x)
        return -np.sum(np.where(failed, theirs.logpdf(durations), theirs.logsf(durations)))

    options = {"xatol": 1e-9, "fatol": 1e-11}
    best = optimize.minimize(loss, PARAMETERS[name][0], method="Nelder-Mead", options=options)
    for unit in (1.0, 1e-6, 1e6):
        model = LifetimeModel(name).fit(unit * durations, failed)
        moved = model.log_likelihood_ + failed.sum() * np.log(unit)
        assert model.converged_ and moved == pytest.approx(-best.fun, abs=1e-8)
    assert model.parameters_[0] - np.log(1e6) == pytest.approx(best.x[0], abs=1e-5)
