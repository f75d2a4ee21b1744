"""Normal, logistic and Gumbel lifetimes: exact curves and derivatives, mass below zero, fits."""

import jax
import numpy as np
import pytest
from mpmath import mp
from scipy import stats
from scipy.integrate import quad

from survjax import LifetimeModel
from survjax._core.precision import double_precision
from survjax.lifetimes import Gumbel, Lifetime, Logistic, Mixture, Normal
from tests.lifetimes.exact import Exact, derivative_errors, worst_error


def _standard(density, failed, survival):
    def at(function, jacobian):
        def of(t, location, log_scale):
            scale = mp.exp(log_scale)
            return function((t - location) / scale) / (scale if jacobian else 1)

        return of

    return at(density, True), at(failed, False), at(survival, False)


EXACT = {
    "normal": Exact(
        Normal,
        *_standard(
            mp.npdf,
            lambda z: mp.erfc(-z / mp.sqrt(2)) / 2,
            lambda z: mp.erfc(z / mp.sqrt(2)) / 2,
        ),
    ),
    "logistic": Exact(
        Logistic,
        *_standard(
            lambda z: mp.exp(-z) / (1 + mp.exp(-z)) ** 2,
            lambda z: 1 / (1 + mp.exp(-z)),
            lambda z: 1 / (1 + mp.exp(z)),
        ),
    ),
    "gumbel": Exact(
        Gumbel,
        *_standard(
            lambda z: mp.exp(z - mp.exp(z)),
            lambda z: -mp.expm1(-mp.exp(z)),
            lambda z: mp.exp(-mp.exp(z)),
        ),
    ),
}
SCIPY = {"normal": stats.norm, "logistic": stats.logistic, "gumbel": stats.gumbel_l}
#: Locations and scales: far from zero, and around it.
PARAMETERS = [(40.0, np.log(4.0)), (-3.0, 0.5), (2.0, 3.0)]
TIMES = [1e-6, 1.0, 12.0, 36.0, 40.0, 41.0, 55.0, 61.0]
PAIRS = [(1e-6, 1.0), (12.0, 12.001), (30.0, 36.0), (39.0, 39.00000001), (40.0, 41.0), (50.0, 58.0)]


@pytest.mark.parametrize("x", PARAMETERS)
@pytest.mark.parametrize("name", EXACT)
def test_curves_hold_twelve_digits_in_both_tails(name, x):
    # A Gumbel of scale one has died out by any of the later times.
    times = [t for t in TIMES if name != "gumbel" or (t - x[0]) / np.exp(x[1]) < 6.0]
    pairs = [p for p in PAIRS if name != "gumbel" or (p[1] - x[0]) / np.exp(x[1]) < 6.0]
    worst = worst_error(EXACT[name], x, times, pairs)
    assert max(worst.values()) < 1e-12, worst


@pytest.mark.parametrize("x", PARAMETERS[:2])
@pytest.mark.parametrize("name", EXACT)
def test_derivatives_of_each_kind_of_row_are_exact(name, x):
    times, pairs = (36.0, 41.0, 55.0), ((30.0, 36.0), (39.0, 39.001), (45.0, 52.0))
    if x[0] < 0:
        times, pairs = (1.0, 3.0), ((0.5, 0.501), (1.0, 2.0))
    errors = derivative_errors(EXACT[name], x, times, pairs)
    assert max(errors.values()) < 1e-9, errors


@pytest.mark.parametrize("name", EXACT)
@double_precision
def test_curves_are_those_of_scipy_after_time_zero_and_quantiles_before_it_are_zero(name):
    theirs = SCIPY[name](loc=3.0, scale=4.0)
    ours = EXACT[name].at((3.0, np.log(4.0)))
    t = np.array([0.0, 1e-3, 2.0, 5.0, 9.0])
    np.testing.assert_allclose(ours.survival(t), theirs.sf(t), rtol=1e-13)
    np.testing.assert_allclose(ours.density(t[1:]), theirs.pdf(t[1:]), rtol=1e-13)
    assert float(ours.survival(-1.0)) == 1.0 and float(ours.density(-1.0)) == 0.0
    q = np.array([0.01, 0.5, 0.999, 1.0 - 1e-12])
    np.testing.assert_allclose(ours.quantile(q), np.maximum(theirs.ppf(q), 0.0), rtol=1e-10)
    at_birth = float(ours.log_interval_probability(0.0, 1e-12))
    assert at_birth == pytest.approx(theirs.logcdf(0.0), rel=1e-9)
    assert float(ours.log_interval_probability(0.0, np.inf)) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("name", EXACT)
@double_precision
def test_mean_remaining_life_and_its_quantiles_agree_with_the_general_rules(name):
    ours = EXACT[name].at((40.0, np.log(8.0)))
    ages = np.array([0.0, 10.0, 40.0, 60.0, 80.0])
    general = jax.jit(Lifetime.residual_mean)(ours, ages)
    np.testing.assert_allclose(ours.residual_mean(ages), general, rtol=1e-9)
    rest = ours.given(30.0)
    target = np.array([1e-9, 0.3, 5.0])
    life = jax.jit(lambda rest: rest.inverse_cumulative_hazard(target))(rest)
    np.testing.assert_allclose(rest.cumulative_hazard(life), target, rtol=1e-11)
    assert np.isnan(ours.residual_mean(-1.0))


@pytest.mark.parametrize("name", EXACT)
def test_fits_follow_the_unit_of_time_and_take_units_found_failed_at_birth(name):
    rng = np.random.default_rng(3)
    lives = np.maximum(SCIPY[name](loc=9.0, scale=6.0).rvs(300, random_state=rng), 0.0)
    lower = np.floor(lives / 2.0) * 2.0
    upper = np.where(rng.random(300) < 0.8, lower + 2.0, np.inf)

    def total(location, scale):
        theirs = SCIPY[name](loc=location, scale=scale)
        begun = np.where(lower > 0, theirs.cdf(lower), 0.0)
        return np.sum(np.log(np.where(np.isfinite(upper), theirs.cdf(upper), 1.0) - begun))

    fits = {
        unit: LifetimeModel(name).fit_interval(unit * lower, unit * upper)
        for unit in (1.0, 1e-6, 1e6)
    }
    location, log_scale = fits[1.0].parameters_
    assert fits[1.0].log_likelihood_ == pytest.approx(total(location, np.exp(log_scale)), abs=1e-8)
    for step in ((0.05, 1.0), (-0.05, 1.0), (0.0, 1.02), (0.0, 0.98)):
        near = total(location + step[0], np.exp(log_scale) * step[1])
        assert near < fits[1.0].log_likelihood_
    for unit, fit in fits.items():
        assert fit.converged_
        assert fit.log_likelihood_ == pytest.approx(fits[1.0].log_likelihood_, abs=1e-9)
        assert fit.parameters_[0] == pytest.approx(unit * location, rel=1e-9)


@pytest.mark.parametrize("name", EXACT)
def test_curves_of_a_fit_are_those_of_its_law_and_a_unit_in_service_has_outlived_time_zero(name):
    lives = np.abs(SCIPY[name](loc=9.0, scale=6.0).rvs(60, random_state=1)) + 0.01
    model = LifetimeModel(name).fit(lives)
    location, log_scale = model.parameters_
    law = SCIPY[name](loc=location, scale=np.exp(log_scale))
    t = np.array([0.5, 3.0, 9.0, 20.0])
    np.testing.assert_allclose(model.survival(t), law.sf(t), rtol=1e-10)
    np.testing.assert_allclose(model.density(t), law.pdf(t), rtol=1e-10)
    np.testing.assert_allclose(model.quantile([0.5, 0.9]), law.ppf([0.5, 0.9]), rtol=1e-8)
    assert model.quantile(0.5 * law.cdf(0.0)) == pytest.approx(0.0, abs=1e-200)
    np.testing.assert_allclose(
        model.survival(t, ages=2.0), law.sf(t + 2.0) / law.sf(2.0), rtol=1e-9
    )
    mean = quad(law.sf, 0.0, 150.0, epsabs=0.0, epsrel=1e-11)[0]
    assert model.mean() == pytest.approx(mean, rel=1e-8)
    later = quad(lambda s: law.sf(2.0 + s), 0.0, 150.0, epsabs=0.0, epsrel=1e-11)[0]
    assert model.mean(ages=2.0) == pytest.approx(later / law.sf(2.0), rel=1e-8)


@pytest.mark.slow
@double_precision
def test_a_mixture_with_mass_below_zero_has_the_survival_of_its_components():
    both = Mixture(np.array([0.4]), Normal(np.array([3.0, 30.0]), np.log(np.array([4.0, 5.0]))))
    t, weights = np.array([0.5, 3.0, 25.0]), np.asarray(both.weights)
    exact = weights @ [stats.norm.sf(t, 3.0, 4.0), stats.norm.sf(t, 30.0, 5.0)]
    np.testing.assert_allclose(both.given(0.0).survival(t), exact, rtol=1e-12)
    np.testing.assert_allclose(both.given(0.0).quantile(1.0 - exact), t, rtol=1e-9)
