"""One function is enough: the hazard follows from its integral, the integral from the hazard.

References are survjax's own families, which say both by formula, and plain formulas.
"""

from __future__ import annotations

import math
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import survjax
from survjax import AcceleratedLifetime, LifetimeModel, Mixture, ScaledHazard, Weibull
from survjax._core.precision import double_precision
from survjax.estimators.saving.kinds import Distribution
from survjax.lifetimes import (
    Accelerated,
    Gompertz,
    Lifetime,
    LogLogistic,
    lifetime_from,
    parameter,
    pytree,
)
from survjax.lifetimes._derived.mean_life import mean_life
from tests.plain_references import simulate


def weibull_hazard(t, log_scale, log_shape):
    return log_shape - log_scale + (jnp.exp(log_shape) - 1.0) * (jnp.log(t) - log_scale)


def weibull_integral(t, log_scale, log_shape):
    return jnp.exp(jnp.exp(log_shape) * (jnp.log(t) - log_scale))


def gompertz_hazard(t, log_rate, growth):
    return log_rate + growth * t


def loglogistic_hazard(t, log_scale, log_shape):
    z = jnp.exp(log_shape) * (jnp.log(t) - log_scale)
    return log_shape - jnp.log(t) + jax.nn.log_sigmoid(z)


BOTH = {"log_scale": 1.0, "log_shape": 0.3}


@pytree
class OnlyHazard(Lifetime):
    log_scale: float = parameter()
    log_shape: float = parameter()

    def log_hazard(self, t):
        return weibull_hazard(jnp.asarray(t), self.log_scale, self.log_shape)


@pytree
class OnlyIntegral(Lifetime):
    log_scale: float = parameter()
    log_shape: float = parameter()

    def cumulative_hazard(self, t):
        return weibull_integral(jnp.asarray(t), self.log_scale, self.log_shape)


HALVES = {
    "hazard": OnlyHazard,
    "integral": OnlyIntegral,
    "hazard function": lambda *x: lifetime_from(
        log_hazard=weibull_hazard, parameters=dict(zip(BOTH, x, strict=True))
    ),
    "integral function": lambda *x: lifetime_from(
        cumulative_hazard=weibull_integral, parameters=dict(zip(BOTH, x, strict=True))
    ),
}


@pytest.mark.parametrize("half", ["hazard", "integral function"])
@pytest.mark.parametrize("shape", [0.15, 3.0, 40.0])
def test_the_other_function_is_right_to_twelve_digits(half, shape):
    with jax.enable_x64(True):
        own, reference = HALVES[half](1.0, np.log(shape)), Weibull(1.0, np.log(shape))
        t = np.exp(1.0) * np.array([1e-3, 0.1, 0.7, 1.0, 1.3, 2.0])
        for curve in ("log_hazard", "cumulative_hazard", "log_density", "log_survival"):
            found, expected = (np.asarray(getattr(x, curve)(t)) for x in (own, reference))
            np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12, err_msg=curve)
        gained, expected = (np.asarray(x.log_increment(t, 1e-6 * t)) for x in (own, reference))
        # A difference of two hazards has lost the digits that quadrature keeps.
        np.testing.assert_allclose(gained, expected, atol=1e-10 if "hazard" in half else 1e-6)


def test_what_remains_follows_from_one_function():
    with jax.enable_x64(True):
        own, reference = (x(1.0, 1.0).given(2.0) for x in (HALVES["hazard"], Weibull))
        np.testing.assert_allclose(own.mean(), reference.mean(), rtol=1e-8)
        np.testing.assert_allclose(own.quantile(0.9), reference.quantile(0.9), rtol=1e-9)


@pytest.mark.parametrize(
    ("function", "family", "parameters", "times"),
    [
        (gompertz_hazard, Gompertz, {"log_rate": -9.0, "growth": 0.3}, [1e-6, 1.0, 30.0, 200.0]),
        (gompertz_hazard, Gompertz, {"log_rate": -1.0, "growth": -2.0}, [1e-6, 1.0, 30.0, 1e4]),
        (loglogistic_hazard, LogLogistic, {"log_scale": 1.0, "log_shape": 1.0}, [1e-6, 1.0, 1e3]),
    ],
)
def test_hazards_that_soar_or_die_out_are_integrated(function, family, parameters, times):
    with jax.enable_x64(True):
        own = lifetime_from(log_hazard=function, parameters=parameters)
        reference = family(*parameters.values())
        t = np.array(times)
        found = np.asarray(own.cumulative_hazard(t))
        np.testing.assert_allclose(found, reference.cumulative_hazard(t), rtol=1e-11)
        assert np.isfinite(own.cumulative_hazard(1e6))


@pytest.mark.parametrize("half", ["hazard", "integral"])
def test_the_other_function_has_exact_first_and_second_derivatives(half):
    t = np.array([1e-3, 0.5, 2.7, 6.0])

    def terms(make, x):
        aged = Accelerated(make(x[0], x[1]), x[2])
        return jnp.sum(aged.log_density(t) + aged.log_interval_probability(t, 1.5 * t))

    with jax.enable_x64(True):
        x = jnp.array([1.0, 0.4, 0.2])
        found, expected = (
            np.asarray(jax.jit(jax.hessian(lambda x, make=make: terms(make, x)))(x))
            for make in (HALVES[half], Weibull)
        )
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("half", [h for h in HALVES if "function" in h])
def test_functions_get_the_limits_that_every_lifetime_has(half):
    t = np.array([-1.0, 0.0, np.inf, np.nan])
    with jax.enable_x64(True):
        for shape in (0.5, 1.0):
            own, reference = HALVES[half](0.0, np.log(shape)), Weibull(0.0, np.log(shape))
            for curve in ("log_hazard", "cumulative_hazard", "survival", "density"):
                found, expected = (np.asarray(getattr(x, curve)(t)) for x in (own, reference))
                np.testing.assert_allclose(found, expected, atol=1e-12, err_msg=curve)
            ends = [float(x.final_log_hazard()) for x in (own, reference)]
            assert ends[0] == pytest.approx(ends[1], abs=1e-12)


def test_a_function_of_single_precision_is_integrated_in_single_precision():
    own = HALVES["hazard function"](1.0, 0.3)
    found = own.cumulative_hazard(np.array([0.1, 3.0], np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, Weibull(1.0, 0.3).cumulative_hazard([0.1, 3.0]), rtol=1e-5)


@pytest.mark.parametrize("half", ["hazard function", "integral function"])
def test_one_function_gets_the_fit_that_both_get(half):
    units = simulate(n=80)
    given = {"durations": units.durations, "event_observed": units.failed, "entry": units.entry}
    own, reference = (LifetimeModel(x(1.0, 0.0)).fit(**given) for x in (HALVES[half], Weibull))
    assert own.converged_
    assert own.log_likelihood_ == pytest.approx(reference.log_likelihood_, rel=1e-12)
    np.testing.assert_allclose(own.covariance_, reference.covariance_, rtol=1e-7)
    tables = [model.predict_rul([0.0, 9.0]) for model in (own, reference)]
    np.testing.assert_allclose(*tables, rtol=1e-7)


def test_one_function_gets_intervals_and_columns():
    units, makes = simulate(n=80, effect=0.5), (HALVES["hazard"], Weibull)
    lower = np.floor(units.durations)
    upper = np.where(units.failed, lower + 1.0, np.inf)
    fits = [LifetimeModel(x(1.0, 0.0)).fit_interval(lower, upper) for x in makes]
    assert fits[0].log_likelihood_ == pytest.approx(fits[1].log_likelihood_, rel=1e-10)
    for model in (lambda x: AcceleratedLifetime(family=x), lambda x: ScaledHazard(baseline=x)):
        pair = [model(x(1.0, 0.0)).fit(units.x, units.y) for x in makes]
        assert pair[0].log_likelihood_ == pytest.approx(pair[1].log_likelihood_, rel=1e-10)
        np.testing.assert_allclose(pair[0].coef_, pair[1].coef_, rtol=1e-6)


def test_a_function_is_one_part_of_a_mixture():
    rng = np.random.default_rng(6)
    lives = np.concatenate([3.0 * rng.weibull(1.2, 160), 30.0 * rng.weibull(4.0, 240)])
    parts = [
        lifetime_from(
            cumulative_hazard=weibull_integral,
            parameters={"log_scale": np.array([3.0]), "log_shape": np.array([1.0])},
        ),
        Weibull(np.array([3.0]), np.array([1.0])),
    ]
    early = Weibull(np.array([1.0]), np.array([0.0]))
    own, reference = (
        LifetimeModel(Mixture.of(np.array([0.4, 0.6]), (early, part))).fit(lives) for part in parts
    )
    assert own.converged_
    assert own.log_likelihood_ == pytest.approx(reference.log_likelihood_, rel=1e-10)


def test_a_file_names_a_function_at_the_top_of_a_module(tmp_path):
    model = LifetimeModel(HALVES["hazard function"](1.0, 0.0)).fit([3.0, 5.0, 8.0, 9.0])
    model.save(tmp_path / "model.json")
    text = (tmp_path / "model.json").read_text()
    assert "weibull_hazard[log_scale, log_shape]" in text
    again = survjax.load(tmp_path / "model.json")
    assert again.summary().equals(model.summary())
    unknown = {"lifetime": "os:system[log_scale]", "fields": {"log_scale": 0.0}}
    with pytest.raises(ValueError, match="made by lifetime_from, before a file"):
        Distribution().decode(unknown, "lifetime", {})
    copy = pickle.loads(pickle.dumps(model.lifetime_))
    assert type(copy) is type(model.lifetime_)


def test_a_lambda_can_be_fitted_but_not_saved(tmp_path):
    own = lifetime_from(log_hazard=lambda t, log_rate: log_rate, parameters={"log_rate": 0.0})
    model = LifetimeModel(own).fit([3.0, 5.0, 8.0, 9.0])
    assert float(model.lifetime_.log_rate) == pytest.approx(np.log(4 / 25), rel=1e-9)
    with pytest.raises(TypeError, match="at the top of a module .*<lambda>"):
        model.save(tmp_path / "model.json")


def test_the_same_functions_make_the_same_class():
    first, second = (HALVES["hazard function"](x, 0.0) for x in (0.0, 1.0))
    assert type(first) is type(second)
    assert type(first) is not type(HALVES["integral function"](0.0, 0.0))


def test_a_family_of_neither_function_is_refused():
    @pytree
    class Nothing(Lifetime):
        log_scale: float = parameter()

    with pytest.raises(TypeError, match="Nothing must define log_hazard, cumulative_hazard"):
        Nothing(0.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"parameters": {"a": 0.0}}, "needs a function"),
        ({"log_hazard": weibull_hazard, "parameters": {}}, "needs parameters"),
        ({"log_hazard": weibull_hazard, "parameters": {"scale": 0.0}}, "by name"),
        ({"log_hazard": lambda t, mean: mean, "parameters": {"mean": 0.0}}, "no method"),
        ({"log_hazard": 3.0, "parameters": {"a": 0.0}}, "must be a function"),
    ],
)
def test_functions_and_names_that_do_not_fit_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        lifetime_from(**given)


@double_precision
def test_means_are_exact_however_steeply_units_fail():
    for shape in (0.2, 5.0, 200.0, 1e4):
        weibull = Weibull(np.log(10.0), np.log(shape))
        found = mean_life(weibull, ())
        assert found == pytest.approx(10.0 * math.gamma(1.0 + 1.0 / shape), rel=1e-10)


def test_powers_of_time_have_intervals_from_zero():
    def power(t, log_scale, log_shape):
        return (t / jnp.exp(log_scale)) ** jnp.exp(log_shape)

    upper = np.array([1.0, 2.0, 2.0, 3.0, 4.0, 6.0])
    rows = [0.0, 0.0, 1.0, 0.0, 2.0, 4.0], upper
    own = lifetime_from(cumulative_hazard=power, parameters=BOTH)
    found, known = (LifetimeModel(lifetime).fit_interval(*rows) for lifetime in (own, "weibull"))
    assert found.converged_
    np.testing.assert_allclose(found.parameters_, known.parameters_, rtol=1e-6)


@pytest.mark.parametrize(
    "function",
    [
        lambda t, log_scale: np.log(t) - log_scale,
        lambda t, log_scale: math.log(t) - log_scale,
        lambda t, log_scale: t if log_scale > 0 else -t,
    ],
)
def test_a_function_that_is_not_written_in_jax_is_refused(function):
    with pytest.raises(ValueError, match="must be written in jax.numpy.*jnp.where in place of if"):
        lifetime_from(log_hazard=function, parameters={"log_scale": 0.0})
