"""Curves and residual lives against reference values with 18 digits, and what must hold at zero."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from survjax._core.precision import double_precision
from survjax.lifetimes import Conditional, Exponential, Mixture, Weibull
from tests.references import results

SINGLE = ["weibull_100_2.5", "weibull_100_0.7", "weibull_50_12"]
MIXED = ["weibull_mixture_0.3_10_0.8__0.7_100_4", "weibull_mixture_aarset_like"]


@double_precision
def lifetime_of(params):
    """The lifetime of a case, from its decimal strings."""
    if isinstance(params["eta"], str):
        return Weibull.of(float(params["eta"]), float(params["beta"]))
    numbers = {name: np.array([float(v) for v in values]) for name, values in params.items()}
    return Mixture.of(numbers["p"], Weibull.of(numbers["eta"], numbers["beta"]))


def column(points, name):
    return np.array([float(point[name]) for point in points])


@pytest.mark.parametrize("case", SINGLE + MIXED)
@double_precision
def test_curves_agree_with_eighteen_digit_references(real_data, case):
    reference = results(real_data, "derived_mpmath")[case]
    life, points = lifetime_of(reference["params"]), reference["points"]
    t = column(points, "t")
    np.testing.assert_allclose(life.survival(t), column(points, "S"), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(life.density(t), column(points, "pdf"), rtol=1e-12)
    np.testing.assert_allclose(life.hazard(t), column(points, "hazard"), rtol=1e-12)
    positive = column(points, "cumhaz") > 0
    np.testing.assert_allclose(
        np.asarray(life.cumulative_hazard(t))[positive],
        column(points, "cumhaz")[positive],
        rtol=1e-12,
    )


@pytest.mark.parametrize("case", SINGLE + MIXED)
@double_precision
def test_remaining_life_agrees_with_eighteen_digit_references(real_data, case):
    reference = results(real_data, "derived_mpmath")[case]
    life, points = lifetime_of(reference["params"]), reference["residual"]
    age = column(points, "age")
    np.testing.assert_allclose(
        life.residual_mean(age), column(points, "mean_residual_life"), rtol=1e-12
    )
    rest = life.given(age)
    for q, name in ((0.1, "rul_q10"), (0.5, "rul_median"), (0.9, "rul_q90")):
        np.testing.assert_allclose(rest.quantile(q), column(points, name), rtol=1e-11)
    np.testing.assert_allclose(rest.survival(10.0), column(points, "cond_surv_10"), rtol=1e-12)


@double_precision
def test_extreme_tail_keeps_its_digits(real_data):
    reference = results(real_data, "derived_mpmath")["extreme_tail_mixture"]
    life, points = lifetime_of(reference["params"]), reference["points"]
    t = column(points, "t")
    np.testing.assert_allclose(life.log_survival(t), column(points, "logS"), rtol=1e-12)
    np.testing.assert_allclose(life.log_hazard(t), column(points, "log_hazard"), rtol=1e-12)


FAMILIES = {
    "falling": lambda: Weibull.of(40.0, 0.7),
    "constant": lambda: Weibull.of(40.0, 1.0),
    "rising": lambda: Weibull.of(40.0, 3.0),
    "exponential": lambda: Exponential.of(40.0),
    "mixture": lambda: Mixture.of(
        [0.4, 0.6], Weibull.of(jnp.array([5.0, 40.0]), jnp.array([0.8, 3.0]))
    ),
    "two families": lambda: Mixture.of(
        [0.3, 0.7],
        (Weibull.of(jnp.array([60.0]), jnp.array([2.0])), Exponential.of(jnp.array([9.0]))),
    ),
    "aged": lambda: Conditional(Weibull.of(40.0, 3.0), 25.0),
    "aged mixture": lambda: Mixture.of(
        [0.4, 0.6], Weibull.of(jnp.array([5.0, 40.0]), jnp.array([0.8, 3.0]))
    ).given(12.0),
}


@pytest.fixture(params=FAMILIES)
def life(request):
    return double_precision(FAMILIES[request.param])()


T = np.array([0.01, 0.5, 3.0, 11.0, 37.0, 80.0])


@double_precision
def test_hazard_is_density_over_survival_and_the_slope_of_the_cumulative_hazard(life):
    np.testing.assert_allclose(life.hazard(T), life.density(T) / life.survival(T), rtol=1e-13)
    slope = jax.vmap(jax.grad(life.cumulative_hazard))(T)
    np.testing.assert_allclose(life.hazard(T), slope, rtol=1e-11)
    np.testing.assert_allclose(life.survival(T), np.exp(-life.cumulative_hazard(T)), rtol=1e-14)
    np.testing.assert_allclose(life.cdf(T) + life.survival(T), 1.0, rtol=1e-14)


@double_precision
def test_survival_starts_at_one_and_falls(life):
    assert float(life.survival(0.0)) == 1.0
    assert float(life.cumulative_hazard(0.0)) == 0.0
    assert np.all(np.diff(life.survival(np.linspace(0.0, 200.0, 401))) < 0)


@double_precision
def test_quantile_inverts_the_failed_share(life):
    shares = np.array([1e-9, 0.01, 0.3, 0.5, 0.9, 0.9999])
    np.testing.assert_allclose(life.cdf(life.quantile(shares)), shares, rtol=1e-12)
    assert float(life.quantile(0.0)) == 0.0


@double_precision
def test_mean_is_the_integral_of_the_survival(life):
    # Simpson's rule in log time, far beyond both ends.
    x = np.linspace(np.log(1e-9), np.log(1e5), 20_001)
    weights = np.ones(x.size)
    weights[1:-1:2], weights[2:-1:2] = 4.0, 2.0
    integral = (
        (x[1] - x[0]) / 3 * np.sum(weights * np.asarray(life.survival(np.exp(x))) * np.exp(x))
    )
    assert float(life.mean()) == pytest.approx(integral, rel=1e-8)


@double_precision
def test_aging_twice_is_aging_once(life):
    once, twice = life.given(9.0), life.given(4.0).given(5.0)
    np.testing.assert_allclose(twice.survival(T), once.survival(T), rtol=1e-12)
    np.testing.assert_allclose(twice.hazard(T), life.hazard(9.0 + T), rtol=1e-12)
    np.testing.assert_allclose(
        once.survival(T), life.survival(9.0 + T) / life.survival(9.0), rtol=1e-12
    )
    np.testing.assert_allclose(twice.mean(), life.residual_mean(9.0), rtol=1e-11)


@double_precision
def test_drawn_lives_follow_the_curve(life):
    drawn = np.asarray(life.sample(jax.random.key(3), (4000,)))
    assert drawn.shape == (4000,) and np.all(drawn > 0)
    # Kolmogorov's distance: 1.95 / sqrt(n) is exceeded once in a thousand.
    failed = np.sort(np.asarray(life.cdf(drawn)))
    distance = np.max(np.abs(failed - (np.arange(4000) + 0.5) / 4000))
    assert distance < 1.95 / np.sqrt(4000)


@pytest.mark.parametrize(
    ("name", "at_zero"),
    [
        ("falling", np.inf),
        ("constant", 1 / 40),
        ("rising", 0.0),
        ("exponential", 1 / 40),
        ("mixture", np.inf),
        ("two families", 0.7 / 9.0),
    ],
)
@double_precision
def test_hazard_at_birth_is_set_by_the_shape(name, at_zero):
    assert float(FAMILIES[name]().hazard(0.0)) == pytest.approx(at_zero, rel=1e-14)


@double_precision
def test_gradients_at_birth_and_beyond_the_end_are_finite():
    t = np.array([0.0, 1e-300, 1e-9, 1.0, 1e9, 1e300])

    def total(logits, log_scale, log_shape, curve):
        life = Mixture(logits, Weibull(log_scale, log_shape))
        value = getattr(life, curve)(t)
        return jnp.sum(jnp.where(jnp.isfinite(value), value, 0.0))

    point = (np.array([0.3]), np.log([5.0, 40.0]), np.log([0.8, 3.0]))
    for curve in ("log_hazard", "cumulative_hazard", "survival", "log_density"):
        for part in jax.grad(total, argnums=(0, 1, 2))(*point, curve):
            assert not np.any(np.isnan(part)), curve


@double_precision
def test_components_that_have_died_out_do_not_disturb_the_living():
    # At age 60 the first two components are gone (H = 1e20 and 1e8), the third is left.
    steep = Weibull.of(jnp.array([8.6, 15.0, 40.0]), jnp.array([24.0, 13.3, 1.7]))
    rest = Mixture.of([0.5, 0.2, 0.3], steep).given(60.0)
    alone = Weibull.of(40.0, 1.7).given(60.0)
    np.testing.assert_allclose(rest.survival(T), alone.survival(T), rtol=1e-12)
    np.testing.assert_allclose(rest.quantile(0.5), alone.quantile(0.5), rtol=1e-12)
    np.testing.assert_allclose(rest.mean(), alone.mean(), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_ages_beyond_any_life_leave_curves_finite_and_survival_zero(dtype):
    with jax.enable_x64(dtype is np.float64):
        pair = Mixture.of(dtype([0.1, 0.9]), Weibull.of(dtype([5.0, 10.0]), dtype([44.0, 2.0])))
        times = dtype([1e8, 1e20, 1e37] if dtype is np.float32 else [1e8, 1e200, 1e300])
        for life in (pair, pair.given(jnp.zeros(3, dtype)), pair.given(jnp.full(3, dtype(7.0)))):
            hazards = np.asarray(life.cumulative_hazard(times))
            assert np.all(np.isfinite(hazards))
            assert np.all(np.diff(hazards) > 0)
            assert np.all(np.asarray(life.survival(times)) == 0)
            assert np.all(np.isfinite(np.asarray(life.log_hazard(times))))
