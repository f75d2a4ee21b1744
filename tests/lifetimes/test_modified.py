"""Lifetimes that wrap a lifetime, against exact curves and what they promise at the edges."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

from survjax._core.precision import double_precision
from survjax._core.pytree import in_double
from survjax.lifetimes import (
    Cured,
    Delayed,
    Exponential,
    Gompertz,
    Gumbel,
    LogLogistic,
    Mixture,
    Normal,
    ProportionalOdds,
    Shifted,
    Weibull,
    ZeroInflated,
)
from tests.lifetimes.exact import Exact, derivative_errors, worst_error

TIMES = np.array([1e-6, 0.01, 1.0, 10.0, 25.0, 40.0, 90.0])
PAIRS = [(1e-4, 1e-3), (1.0, 1.0001), (10.0, 20.0), (30.0, 30.01), (30.0, 31.0), (80.0, 200.0)]
LATE = np.array([0.5, 20.0, 200.0])


def weibull(t, log_scale, log_shape):
    """Density and both tails; nothing has failed by time zero."""
    if t <= 0:
        return mpf(0), mpf(0), mpf(1)
    shape = mp.exp(log_shape)
    hazard = (t / mp.exp(log_scale)) ** shape
    return shape / t * hazard * mp.exp(-hazard), -mp.expm1(-hazard), mp.exp(-hazard)


def cured(t, log_scale, log_shape, logit):
    density, failed, alive = weibull(t, log_scale, log_shape)
    never, fails = 1 / (1 + mp.exp(-logit)), 1 / (1 + mp.exp(logit))
    return fails * density, fails * failed, never + fails * alive


def inflated(t, log_scale, log_shape, logit):
    if t <= 0:  # an interval from zero holds what failed there
        return mpf(0), mpf(0), mpf(1)
    density, failed, alive = weibull(t, log_scale, log_shape)
    at_zero, later = 1 / (1 + mp.exp(-logit)), 1 / (1 + mp.exp(logit))
    return later * density, at_zero + later * failed, later * alive


def odds(t, log_scale, log_shape, log_ratio):
    density, failed, alive = weibull(t, log_scale, log_shape)
    ratio = mp.exp(log_ratio)
    both = alive + ratio * failed
    return ratio * density / both**2, ratio * failed / both, alive / both


def exact(wrap, curves):
    """The wrapped Weibull, and its exact curves."""
    parts = [lambda t, *x, i=i: curves(t, *x)[i] for i in range(3)]
    return Exact(lambda log_scale, log_shape, own: wrap(Weibull(log_scale, log_shape), own), *parts)


CURED, INFLATED = exact(Cured, cured), exact(ZeroInflated, inflated)
ODDS = exact(ProportionalOdds, odds)


@pytest.mark.parametrize("log_shape", [-0.7, 0.9])
@pytest.mark.parametrize("own", [-40.0, 0.3, 40.0])
@pytest.mark.parametrize("law", [CURED, INFLATED, ODDS], ids=["cured", "inflated", "odds"])
def test_curves_keep_their_digits_in_both_tails(law, own, log_shape):
    for name, error in worst_error(law, (np.log(25.0), log_shape, own), TIMES, PAIRS).items():
        assert error < 1e-12, name


@pytest.mark.parametrize("own", [-20.0, 0.3, 5.0])
@pytest.mark.parametrize("law", [CURED, INFLATED], ids=["cured", "inflated"])
def test_derivatives_of_every_kind_of_row_are_exact(law, own):
    errors = derivative_errors(law, (np.log(25.0), 0.4, own), TIMES[1:], PAIRS[1:5])
    for name, error in errors.items():
        assert error < 1e-11, name


@double_precision
def test_a_shifted_lifetime_is_its_base_later():
    base, threshold = Weibull.of(30.0, 0.7), 12.5
    for shifted in (Shifted(base, threshold), Delayed(base, threshold)):
        later = threshold + LATE
        for name in ("log_hazard", "cumulative_hazard", "log_density"):
            np.testing.assert_array_equal(
                getattr(shifted, name)(later), getattr(base, name)(later - threshold)
            )
        before = np.array([0.0, 3.0, 12.0])
        np.testing.assert_array_equal(shifted.log_hazard(before), -np.inf)
        np.testing.assert_array_equal(shifted.cumulative_hazard(before), 0.0)
        np.testing.assert_allclose(
            shifted.log_interval_probability(before, 20.0), np.log(base.cdf(7.5)), rtol=1e-13
        )
        np.testing.assert_allclose(shifted.quantile(0.3), threshold + base.quantile(0.3))
        np.testing.assert_allclose(shifted.mean(), threshold + base.mean(), rtol=1e-12)
        np.testing.assert_allclose(shifted.given(5.0).mean(), 7.5 + base.mean(), rtol=1e-10)
        np.testing.assert_allclose(shifted.residual_mean(20.0), base.residual_mean(7.5), rtol=1e-10)


@double_precision
def test_what_never_fails_has_no_mean_and_no_late_quantile():
    some = Cured.of(Weibull.of(10.0, 2.0), share=0.3)
    assert np.isinf(some.mean()) and np.isinf(some.residual_mean(5.0))
    assert np.isinf(some.quantile(0.7001)) and np.isfinite(some.quantile(0.6999))
    assert float(some.cumulative_hazard(np.inf)) == pytest.approx(-np.log(0.3), rel=1e-14)
    lives = np.asarray(some.sample(jax.random.key(0), (4000,)))
    assert np.isinf(lives).mean() == pytest.approx(0.3, abs=0.03)
    # Those that have run long are cured.
    assert float(some.given(40.0).share) == pytest.approx(1.0, abs=1e-6)


@double_precision
def test_cured_units_beside_a_base_that_lasts_keep_its_limit():
    lasting = Cured.of(Gompertz.of(0.02, -0.1), share=0.3)
    expected = 0.3 + 0.7 * np.exp(-0.2)
    assert float(lasting.survival(np.inf)) == pytest.approx(expected, rel=1e-13)
    assert float(lasting.survival(1e300)) == pytest.approx(expected, rel=1e-13)


@double_precision
def test_units_dead_on_arrival_fail_at_time_zero_and_no_later():
    some = ZeroInflated.of(Weibull.of(10.0, 2.0), share=0.2)
    assert float(some.cdf(0.0)) == pytest.approx(0.2) and float(some.cdf(-1.0)) == 0.0
    np.testing.assert_allclose(some.quantile(np.array([0.1, 0.2])), 0.0, atol=1e-6)
    assert float(some.mean()) == pytest.approx(0.8 * float(some.base.mean()), rel=1e-9)
    # A new unit may be dead; one that has run is not.
    assert float(some.given(0.0).survival(1.0)) == pytest.approx(float(some.survival(1.0)))
    old = some.base.given(1e-9).survival(1.0)
    assert float(some.given(1e-9).survival(1.0)) == pytest.approx(float(old))
    np.testing.assert_allclose(some.log_interval_probability(0.0, 0.0), np.log(0.2), rtol=1e-14)


@double_precision
def test_the_odds_of_a_loglogistic_are_those_of_another_scale():
    base, ratio = LogLogistic.of(40.0, 2.0), 4.0
    ours = ProportionalOdds(base, np.log(ratio))
    theirs = LogLogistic.of(40.0 / np.sqrt(ratio), 2.0)
    np.testing.assert_allclose(ours.survival(LATE), theirs.survival(LATE), rtol=1e-13)
    np.testing.assert_allclose(ours.quantile(0.3), theirs.quantile(0.3), rtol=1e-12)
    rest = ours.given(20.0)
    np.testing.assert_allclose(
        rest.survival(LATE), theirs.survival(20.0 + LATE) / theirs.survival(20.0), rtol=1e-12
    )


PLAIN = in_double(Weibull.of(20.0, 1.3))
PAIR = in_double(Mixture.of([0.4, 0.6], Weibull.of(jnp.array([3.0, 20.0]), jnp.array([0.7, 2.0]))))
NESTED = {
    "cured mixture": lambda own: Cured(PAIR, own),
    "cured, shifted": lambda own: Cured(Shifted(PLAIN, 2.0), own),
    "shifted, cured": lambda own: Shifted(Cured(PLAIN, own), 2.0),
    "inflated, cured": lambda own: ZeroInflated(Cured(PLAIN, own), -1.0),
    "cured, inflated": lambda own: Cured(ZeroInflated(PLAIN, own), 0.3),
    "odds, cured": lambda own: ProportionalOdds(Cured(PLAIN, own), 0.4),
    "shifted below zero": lambda own: Shifted(PLAIN, -jnp.exp(own)),
    "mixture of cured": lambda own: Mixture.of(
        [0.4, 0.6], Cured(PAIR.components, jnp.array([0.3, 0.0]) + own)
    ),
}


@functools.cache
def measured(name):
    """A program of all that the claims below are about."""

    def at(own, start, length, share):
        life = NESTED[name](own)
        rest = life.given(start)
        ends = jnp.stack([start, start + length])
        hazards, alive = life.cumulative_hazard(ends), life.survival(ends)
        time = life.quantile(share)
        return {
            "hazards": hazards,
            "increment": life.increment(start, length),
            "rest": rest.cumulative_hazard(length),
            "between": jnp.exp(life.log_interval_probability(start, start + length)),
            "lost": alive[0] - alive[1],
            "time": time,
            "failed": life.cdf(time),
        }

    return jax.jit(at)


@pytest.mark.parametrize("name", NESTED)
@settings(max_examples=40, deadline=None)
@given(
    own=st.floats(-6.0, 3.0),
    start=st.floats(0.01, 60.0),
    length=st.floats(1e-3, 40.0),
    share=st.floats(0.001, 0.999),
)
@double_precision
def test_hazards_rise_increments_are_their_differences_and_quantiles_invert(
    name, own, start, length, share
):
    found = jax.tree.map(np.asarray, measured(name)(own, start, length, share))
    first, last = found["hazards"]
    assert 0.0 <= first <= last < np.inf
    increment = float(found["increment"])
    assert increment == pytest.approx(last - first, rel=1e-9, abs=1e-13 * (1.0 + last))
    assert float(found["rest"]) == pytest.approx(increment, rel=1e-9, abs=1e-300)
    assert float(found["between"]) == pytest.approx(float(found["lost"]), rel=1e-9, abs=1e-15)
    if np.isfinite(found["time"]) and found["time"] > 0:
        assert float(found["failed"]) == pytest.approx(share, rel=1e-9)


EXTREME = np.array([-1.0, 0.0, 1e-300, 1e-3, 3.0, 1e3, 1e300, np.inf])


@pytest.mark.parametrize("name", NESTED)
@double_precision
def test_derivatives_are_never_nan_where_the_value_is_finite(name):
    curves = ("log_hazard", "cumulative_hazard", "log_density")

    def at(own):
        life = NESTED[name](own)
        found = jnp.stack([getattr(life, curve)(jnp.asarray(EXTREME)) for curve in curves])
        return found, found

    forward, backward = (jax.jit(change(at, has_aux=True)) for change in (jax.jacfwd, jax.jacrev))
    for own in (-600.0, -3.0, 3.0):
        for derivative in (forward, backward):
            slope, value = derivative(own)
            assert not np.isnan(value).any()
            assert not np.isnan(np.where(np.isfinite(value), slope, 0.0)).any()


@double_precision
def test_nothing_is_known_of_nan_times():
    for make in NESTED.values():
        life = make(0.1)
        assert np.isnan(life.cumulative_hazard(np.nan)) and np.isnan(life.log_hazard(np.nan))


@double_precision
def test_a_share_that_cannot_be_told_from_none_leaves_the_base():
    base, t = Exponential.of(5.0), np.array([0.1, 3.0, 30.0])
    for none in (Cured(base, -800.0), ZeroInflated(base, -800.0), ProportionalOdds(base, 0.0)):
        np.testing.assert_allclose(none.cumulative_hazard(t), base.cumulative_hazard(t), rtol=1e-13)
        np.testing.assert_allclose(none.log_hazard(t), base.log_hazard(t), atol=1e-13)


@pytest.mark.parametrize("base", [Normal(5.0, 1.4), Gumbel(5.0, 1.4)], ids=["normal", "gumbel"])
@pytest.mark.parametrize("wrap", [lambda b: Cured(b, -0.5), lambda b: ProportionalOdds(b, 0.7)])
def test_a_new_unit_may_have_failed_before_time_zero(base, wrap):
    lifetime, t = wrap(base), np.array([0.1, 3.0, 9.0])
    np.testing.assert_allclose(lifetime.given(0.0).survival(t), lifetime.survival(t), rtol=1e-5)
    aged = lifetime.survival(t + 2.0) / lifetime.survival(2.0)
    np.testing.assert_allclose(lifetime.given(2.0).survival(t), aged, rtol=1e-5)
