"""Every curve of a mixture against 50-digit arithmetic, in any unit, from birth to far tail."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import mp, mpf

from survjax._core.precision import double_precision
from survjax.lifetimes import Mixture, Weibull
from tests.oracle import Oracle, random_vectors


def mixtures(x):
    """One mixture object for many parameter sets (n, 3K - 1), components leading."""
    k = (x.shape[1] + 1) // 3
    x = x.T
    return Mixture(x[: k - 1], Weibull(x[k - 1 : 2 * k - 1], x[2 * k - 1 :]))


@jax.jit
def curves(mixture, t, lower, upper):
    return {
        "log_survival": mixture.log_survival(t),
        "log_hazard": mixture.log_hazard(t),
        "log_density": mixture.log_density(t),
        "cumulative_hazard": mixture.cumulative_hazard(t),
        "interval": mixture.log_interval_probability(lower, upper),
        "left": mixture.log_interval_probability(0.0 * lower, upper),
        "right": mixture.log_interval_probability(lower, np.inf),
    }


def exact_curves(x, t, lower, upper):
    """The same seven numbers in 50 digits."""
    oracle = Oracle.from_vector(x)
    t, lower, upper = mpf(float(t)), mpf(float(lower)), mpf(float(upper))
    hazard = oracle.cumulative_hazard(t)
    density = mp.log(oracle.density(t))
    return {
        "log_survival": -hazard,
        "log_hazard": density + hazard,
        "log_density": density,
        "cumulative_hazard": hazard,
        "interval": mp.log(oracle.interval(lower, upper)),
        "left": mp.log(oracle.failed(upper)),
        "right": mp.log(oracle.survival(lower)),
    }


@double_precision
def worst_error(rng, k, n):
    """Largest error of each curve over n random parameter sets, relative beyond one."""
    x = random_vectors(rng, k, n, spread=rng.uniform(0.0, 1.0, (n, 1)))
    scale = np.exp(x[:, k - 1 : 2 * k - 1].max(axis=1))
    t = scale * 10.0 ** rng.uniform(-6.0, 1.5, n)
    lower = scale * 10.0 ** rng.uniform(-4.0, 1.0, n)
    upper = lower * (1.0 + 10.0 ** rng.uniform(-13.0, 1.0, n))
    ours = {name: np.asarray(v) for name, v in curves(mixtures(x), t, lower, upper).items()}
    worst = dict.fromkeys(ours, 0.0)
    for i in range(n):
        for name, exact in exact_curves(x[i], t[i], lower[i], upper[i]).items():
            size = abs(exact) if name == "cumulative_hazard" else max(1, abs(exact))
            error = abs(mpf(float(ours[name][i])) - exact) / size
            worst[name] = max(worst[name], float(error))
    return worst


@pytest.mark.parametrize("k", [1, 2, 4])
def test_curves_and_interval_probabilities_hold_twelve_digits(k):
    worst = worst_error(np.random.default_rng(k), k, 150)
    assert max(worst.values()) < 1e-12, worst


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_curves_hold_twelve_digits_over_ten_thousand_parameter_sets(k):
    worst = worst_error(np.random.default_rng(100 + k), k, 2500)
    assert max(worst.values()) < 1e-12, worst


@jax.jit
def remaining(mixture, age, shares):
    rest = mixture.given(age)
    return mixture.residual_mean(age), rest.mean(), jax.vmap(rest.quantile)(shares)


@double_precision
def remaining_errors(rng, k, n):
    """Largest relative error of the mean remaining life and of its quantiles."""
    x = random_vectors(rng, k, n, spread=rng.uniform(0.0, 1.0, (n, 1)))
    mixture = mixtures(x)
    reached = 10.0 ** -rng.uniform(0.0, 12.0, n)
    reached[: n // 8] = 1.0
    age = np.array(mixture.inverse_cumulative_hazard(-np.log(reached)))
    shares = np.array([1e-6, 0.1, 0.5, 0.9, 0.999])
    mean, mean_of_rest, quantiles = (
        np.asarray(a) for a in remaining(mixture, age, shares[:, None])
    )
    worst = {"mean": 0.0, "mean of the rest": 0.0, "quantile": 0.0}
    for i in range(n):
        oracle, at = Oracle.from_vector(x[i]), mpf(float(age[i]))
        exact = oracle.residual_mean(at)
        worst["mean"] = max(worst["mean"], float(abs(mpf(float(mean[i])) / exact - 1)))
        error = float(abs(mpf(float(mean_of_rest[i])) / exact - 1))
        worst["mean of the rest"] = max(worst["mean of the rest"], error)
        alive = oracle.survival(at)
        for q, found in zip(shares, quantiles[:, i], strict=True):
            # The error in time is the error in the failed share over the density.
            s = mpf(float(found))
            gap = oracle.interval(at, at + s) / alive - mpf(float(q))
            slope = oracle.density(at + s) / alive
            worst["quantile"] = max(worst["quantile"], float(abs(gap / (slope * s))))
    return worst


@pytest.mark.parametrize("k", [1, 2])
def test_remaining_life_holds_nine_digits_from_birth_to_a_survival_of_1e_minus_12(k):
    worst = remaining_errors(np.random.default_rng(20 + k), k, 60)
    assert max(worst.values()) < 1e-9, worst


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 2, 3])
def test_remaining_life_holds_nine_digits_over_many_parameter_sets(k):
    worst = remaining_errors(np.random.default_rng(200 + k), k, 1000)
    assert max(worst.values()) < 1e-9, worst


@pytest.mark.parametrize("k", [2, 3, 4])
@double_precision
def test_quantiles_of_rest_reach_their_share_however_steep_the_components(k):
    # Components that die out long before the age, gaps between lives, shapes up to 60.
    rng, n = np.random.default_rng(k), 2000
    log_scales = rng.uniform(-3.0, 4.0, (n, k))
    log_shapes = rng.uniform(np.log(0.2), np.log(60.0), (n, k))
    logits = rng.normal(0.0, 2.0, (n, k - 1))
    shares = jnp.asarray(np.tile([1e-6, 0.1, 0.5, 0.9, 1.0 - 1e-9], 4))
    gone = jnp.asarray(np.repeat([0.0, 0.05, 1.0, -np.log(1e-12)], 5))

    def reached(logits, log_scales, log_shapes):
        fleet = Mixture(logits, Weibull(log_scales, log_shapes))
        rest = fleet.given(fleet.inverse_cumulative_hazard(gone))
        return rest.cumulative_hazard(rest.quantile(shares))

    hazards = jax.jit(jax.vmap(reached))(logits, log_scales, log_shapes)
    expected = np.broadcast_to(-np.log1p(-np.asarray(shares)), hazards.shape)
    np.testing.assert_allclose(hazards, expected, rtol=1e-9)


@pytest.mark.parametrize("unit", [1.0, 2.0**-40, 1e12])
@double_precision
def test_errors_of_quantiles_hold_their_digits_in_the_far_tail(unit):
    # Only the second component is left, and the remaining life is 1e-13 of the age.
    x = np.array([0.57, 0.12, 0.4, 2.8, 2.47]) + np.log(unit) * np.array([0, 1, 1, 0, 0])
    age, shape = 13.2 * unit, np.exp(2.47)

    def log_quantile(x):
        return jnp.log(Mixture(x[:1], Weibull(x[1:3], x[3:])).given(age).quantile(0.1))

    # log s = log(target / h(age)) to first order in s / age.
    slope = [0.0, 0.0, shape, 0.0, -1.0 - shape * (np.log(13.2) - 0.4)]
    np.testing.assert_allclose(jax.grad(log_quantile)(x), slope, rtol=1e-9)


@pytest.mark.parametrize("shape", [0.1, 0.3, 0.9, 1.0, 1.7, 4.0, 20.0, 60.0])
@double_precision
def test_the_mean_remaining_life_of_a_weibull_holds_twelve_digits(shape):
    reached = [0.0, 1e-300, 1e-9, 0.01, 0.5, 1 - 1e-9, 1.0, 1 + 1e-9, 2.0, 7.0, 50.0, 1e4, 1e9]
    ages = np.array([7.0 * h ** (1 / shape) for h in reached])
    found = np.asarray(Weibull.of(7.0, shape).residual_mean(ages))
    a = 1 / mpf(shape)
    for age, mean in zip(ages, found, strict=True):
        z = (mpf(float(age)) / 7) ** mpf(shape)
        exact = 7 * a * mp.exp(z) * (mp.gammainc(a, z) if z > 0 else mp.gamma(a))
        assert abs(mpf(float(mean)) / exact - 1) < 1e-12, age


@double_precision
def test_increments_of_the_hazard_keep_their_digits_however_short():
    length = np.array([1e-12, 1e-3, 1.0, 40.0, 1e6])
    for age in (0.0, 1e-5, 3.0, 500.0):
        for shape in (0.4, 3.0, 25.0):
            found = Weibull.of(60.0, shape).increment(age, length)
            for s, h in zip(length, np.asarray(found), strict=True):
                k, start = mpf(shape), mpf(age) / 60
                exact = (start + mpf(float(s)) / 60) ** k - start**k
                if abs(mp.log(exact)) < 600:  # beyond, hazards are bounded
                    assert abs(mpf(float(h)) / exact - 1) < 1e-12, (age, shape, s)


@double_precision
def test_an_inverse_is_found_from_any_start():
    gap = Mixture.of(np.array([0.5, 0.5]), Weibull.of(np.array([1.0, 1e4]), np.array([8.0, 30.0])))
    target = -np.log1p(-np.array([1e-4, 0.3, 0.499, 0.501, 0.9, 0.9999]))
    exact = np.asarray(gap.inverse_cumulative_hazard(target))
    for start in (1e-6, 0.9, 30.0, 1e4, 1e9):
        found = np.asarray(gap.inverse_near(target, np.full(6, start)))
        np.testing.assert_allclose(found, exact, rtol=1e-11)


@pytest.mark.parametrize("age", [0.0, 1.0, 30.0, 1e3])
@pytest.mark.parametrize("shapes", [(0.8, 3.0), (5.0, 5.0), (1.2, 8.0)])
@double_precision
def test_inverses_hold_their_digits_where_hardly_anything_has_failed(shapes, age):
    # Below 1e-15 the sum of the components' survival is one: its logarithm is but rounding.
    mixture = Mixture.of(
        jnp.array([0.3, 0.7]), Weibull.of(scale=jnp.array([5.0, 40.0]), shape=jnp.array(shapes))
    )
    target = jnp.logspace(-200, 2, 64)
    rest = mixture.given(jnp.full(target.shape, age))
    reached = rest.cumulative_hazard(rest.inverse_cumulative_hazard(target))
    np.testing.assert_allclose(reached, target, rtol=1e-9)
