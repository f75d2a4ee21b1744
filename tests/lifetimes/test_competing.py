"""Competing causes: incidences against mpmath, and what any lifetime promises."""

from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import mp
from numpy.polynomial.legendre import leggauss

from survjax._core.precision import double_precision
from survjax._core.programs import program
from survjax.lifetimes import (
    Competing,
    Exponential,
    Gompertz,
    Gumbel,
    LogNormal,
    Mixture,
    Weibull,
)
from tests.references import results

TIMES = np.array([1e-5, 0.01, 0.4, 1.0, 1.9, 2.5, 1e4])
WEIBULLS = {
    "plain": ((1.0, 2.0), (2.0, 1.0)),
    "steep and flat": ((1.0, 0.3), (2.0, 50.0)),
    "three": ((2.0, 0.2), (1.9, 8.0), (1.5, 1.5)),
    "one long over": ((1.0, 30.0), (1.5, 0.5)),
}


@program
def incidences(lifetime, t):
    return lifetime.incidences(t)


@partial(program, static_argnames=("curve",))
def curve_of(lifetime, t, *, curve):
    return getattr(lifetime, curve)(t)


def competing(*parts):
    return Competing(tuple(Weibull.of(scale=a, shape=b) for a, b in parts))


def exact_incidence(log_density, t):
    """The integral of exp(log density) over (0, t) in log time, to 25 digits."""
    mp.dps = 25
    end = mp.log(mp.mpf(t))
    ends = [end - 300, end - 100, end - 30] + [end - 10 + mp.mpf(j) / 20 for j in range(201)]
    nodes = [(mp.mpf(x), mp.mpf(w)) for x, w in np.transpose(leggauss(24))]
    total = mp.mpf(0)
    for low, high in pairwise(ends):
        half, middle = (high - low) / 2, (high + low) / 2
        total += half * sum(w * mp.exp(log_density(middle + half * x)) for x, w in nodes)
    return total


@pytest.mark.parametrize("name", WEIBULLS)
@double_precision
def test_incidences_of_weibulls_are_those_of_mpmath(name):
    parts = [(mp.mpf(a), mp.mpf(b)) for a, b in WEIBULLS[name]]
    found = np.asarray(incidences(competing(*WEIBULLS[name]), TIMES))
    for k, (scale, shape) in enumerate(parts):

        def log_density(x, scale=scale, shape=shape):
            hazard = sum((mp.exp(x) / a) ** b for a, b in parts)
            return mp.log(shape) + shape * (x - mp.log(scale)) - hazard

        for j in (1, 3, 5):
            expected = exact_incidence(log_density, TIMES[j])
            assert found[k, j] == pytest.approx(float(expected), rel=1e-11)


@double_precision
def test_incidences_are_those_of_the_reference(real_data):
    case = results(real_data, "derived_mpmath")["competing_weibull_cif"]
    parts = zip(*(map(float, case["params"][name]) for name in ("eta", "beta")), strict=True)
    t = np.array([float(row["t"]) for row in case["values"]])
    expected = np.array([[float(x) for x in row["cif"]] for row in case["values"]]).T
    np.testing.assert_allclose(incidences(competing(*parts), t), expected, rtol=1e-12)


@double_precision
def test_what_causes_have_ended_and_what_still_runs_add_up_to_one():
    hidden = Weibull.of(scale=jnp.array([1e-3, 1.0]), shape=jnp.array([20.0, 3.0]))
    fleet = Mixture.of(jnp.array([0.1, 0.9]), hidden)
    whole = Competing((fleet, LogNormal(np.log(1.3), np.log(50.0)), Gompertz.of(0.01, 2.0)))
    t = np.array([5e-4, 1.01e-3, 0.01, 0.3, 1.0, 1.29, 1.4, 3.0, 1e3, np.inf])
    ended = np.asarray(incidences(whole, t)).sum(axis=0)
    np.testing.assert_allclose(ended + np.exp(-whole.cumulative_hazard(t)), 1.0, rtol=1e-11)


@double_precision
def test_one_cause_ends_all_units_that_end():
    alone = Competing((Weibull.of(scale=3.0, shape=0.7),))
    np.testing.assert_allclose(
        incidences(alone, TIMES)[0], Weibull.of(3.0, 0.7).cdf(TIMES), rtol=1e-12
    )
    for curve in ("log_hazard", "cumulative_hazard", "log_density"):
        expected = getattr(alone.causes[0], curve)(TIMES)
        np.testing.assert_allclose(getattr(alone, curve)(TIMES), expected, rtol=1e-13)


@double_precision
def test_exponentials_end_units_in_the_ratio_of_their_rates():
    both = Competing((Exponential.of(3.0), Exponential.of(6.0)))
    t = np.array([0.0, 1e-200, 1e-8, 1.0, 100.0, 1e300, np.inf])
    total = -np.expm1(-t / 2.0)
    found = np.asarray(incidences(both, t))
    np.testing.assert_allclose(found, total * np.array([[2 / 3], [1 / 3]]), rtol=1e-13)
    assert np.isnan(incidences(both, np.full(t.size, np.nan))).all()


@double_precision
def test_incidences_have_the_derivatives_of_their_differences():
    t = np.array([0.3, 2.0, 50.0])
    start = np.log([1.0, 0.7, 2.0, 4.0])

    @jax.jit
    def value(x, t):
        return competing_at(x).log_incidences(t)[0]

    def competing_at(x):
        return Competing((Weibull(x[0], x[1]), Weibull(x[2], x[3])))

    first, second = jax.jit(jax.jacfwd(value)), jax.jit(jax.jacfwd(jax.jacfwd(value)))
    step = 1e-5
    for i in range(4):
        e = step * np.eye(4)[i]
        slope = (value(start + e, t) - value(start - e, t)) / (2 * step)
        np.testing.assert_allclose(first(start, t)[:, i], slope, atol=1e-8)
        bend = (first(start + e, t) - first(start - e, t)) / (2 * step)
        np.testing.assert_allclose(second(start, t)[:, i], bend, atol=1e-7)
    rate = jax.vmap(jax.grad(value, argnums=1), (None, 0))(start, t)
    both = competing_at(start)
    hazard = both.causes[0].hazard(t) * both.survival(t)
    np.testing.assert_allclose(rate, hazard / np.exp(value(start, t)), rtol=1e-9, atol=1e-30)


@double_precision
def test_the_minimum_of_weibulls_of_one_shape_is_a_weibull():
    both, single = (
        competing((2.0, 3.0), (3.0, 3.0)),
        Weibull.of((2.0**-3 + 3.0**-3) ** (-1 / 3), 3.0),
    )
    q, ages = np.array([1e-9, 0.1, 0.5, 0.999]), np.array([0.0, 1.0, 5.0])
    pairs = [("quantile", q, 1e-12), ("residual_mean", ages, 1e-7)]
    for curve, at, rtol in pairs:
        found, expected = (curve_of(life, at, curve=curve) for life in (both, single))
        np.testing.assert_allclose(found, expected, rtol=rtol)
    old, expected = both.given(ages), single.given(ages)
    np.testing.assert_allclose(
        curve_of(old, 0.3, curve="quantile"), expected.quantile(0.3), rtol=1e-11
    )
    np.testing.assert_allclose(
        both.log_interval_probability(1.0, 1.0 + 1e-9),
        single.log_interval_probability(1.0, 1.0 + 1e-9),
        rtol=1e-13,
    )


@double_precision
def test_limits_are_those_of_any_lifetime():
    whole = Competing((Weibull.of(1.0, 0.5), Weibull.of(2.0, 3.0)))
    assert whole.hazard(0.0) == np.inf and whole.hazard(np.inf) == np.inf
    assert whole.survival(0.0) == 1.0 and whole.survival(np.inf) == 0.0
    assert np.isnan(whole.cumulative_hazard(np.nan)) and np.isnan(whole.quantile(-0.1))
    slope = jax.grad(lambda x: Competing((Weibull(x, 0.5), Weibull(x, 3.0))).log_hazard(0.0))(1.0)
    assert not np.isnan(slope)
    assert np.isfinite(whole.cumulative_hazard(1e300)) and np.isfinite(whole.log_hazard(1e300))


@double_precision
def test_hazards_that_level_off_leave_units_running_for_ever():
    whole = Competing((Gompertz.of(0.1, -0.5), Gompertz.of(0.2, -0.4)))
    left = np.exp(-0.1 / 0.5 - 0.2 / 0.4)
    q = 1.0 - left + np.array([-1e-3, 1e-6])
    assert np.isfinite(curve_of(whole, q, curve="quantile")).tolist() == [True, False]
    np.testing.assert_allclose(incidences(whole, np.array([np.inf])).sum(), 1.0 - left, rtol=1e-11)


@double_precision
def test_units_with_negative_times_under_the_model_have_ended_of_nothing():
    whole = Competing((Gumbel.of(1.0, 2.0), Exponential.of(5.0)))
    t = np.array([0.5, 3.0])
    born = np.exp(-whole.cumulative_hazard(0.0))
    ended = np.asarray(incidences(whole, t)).sum(axis=0)
    np.testing.assert_allclose(ended, born - np.exp(-whole.cumulative_hazard(t)), rtol=1e-11)
