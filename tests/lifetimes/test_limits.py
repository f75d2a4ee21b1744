"""Every lifetime at times 0, infinite, NaN, negative, tiny and huge: the limit, or NaN of NaN."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from survjax._core.precision import double_precision
from survjax.lifetimes import (
    Accelerated,
    Conditional,
    Exponential,
    LogLogistic,
    LogNormal,
    Mixture,
    ProportionalHazards,
    Weibull,
)

PAIR = {"scale": [3.0, 10.0], "shape": [0.5, 2.0]}


def pair():
    return Mixture.of([0.4, 0.6], Weibull.of(*(jnp.array(part) for part in PAIR.values())))


def two_families():
    late = Weibull.of(jnp.array([3.0]), jnp.array([2.0]))
    return Mixture.of([0.4, 0.6], (late, Exponential.of(jnp.array([3.0]))))


#: Each lifetime, its hazard at zero and at infinity, worked out by hand from the formulas.
CASES = {
    "Weibull, falling": (lambda: Weibull.of(3.0, 0.5), np.inf, 0.0),
    "Weibull, constant": (lambda: Weibull.of(3.0, 1.0), 1 / 3, 1 / 3),
    "Weibull, rising": (lambda: Weibull.of(3.0, 2.0), 0.0, np.inf),
    "exponential": (lambda: Exponential.of(3.0), 1 / 3, 1 / 3),
    "log-logistic, falling": (lambda: LogLogistic.of(3.0, 0.5), np.inf, 0.0),
    "log-logistic, shape 1": (lambda: LogLogistic.of(3.0, 1.0), 1 / 3, 0.0),
    "log-logistic, humped": (lambda: LogLogistic.of(3.0, 2.0), 0.0, 0.0),
    "lognormal": (lambda: LogNormal.of(3.0, 0.7), 0.0, 0.0),
    "mixture": (pair, np.inf, 0.0),
    "mixture of two families": (two_families, 0.2, 1 / 3),
    "hazard ratio": (lambda: ProportionalHazards(Weibull.of(3.0, 1.0), np.log(2.0)), 2 / 3, 2 / 3),
    "hazard ratio, lognormal": (
        lambda: ProportionalHazards(LogNormal.of(3.0, 0.7), 0.5),
        0.0,
        0.0,
    ),
    "time factor": (lambda: Accelerated(Weibull.of(3.0, 1.0), np.log(2.0)), 1 / 6, 1 / 6),
    "time factor, falling": (lambda: Accelerated(Weibull.of(3.0, 0.5), 0.5), np.inf, 0.0),
    "aged": (lambda: Conditional(Weibull.of(3.0, 2.0), 4.0), 8 / 9, np.inf),
    "aged mixture": (lambda: two_families().given(1.0), None, 1 / 3),
}


#: Cases that take long: everything of them, since what one test works out serves the others.
LONG = {"aged mixture", "mixture of two families", "hazard ratio, lognormal"}
ALL = [pytest.param(c, marks=pytest.mark.slow) if c in LONG else c for c in CASES]


CURVES = (
    "log_hazard",
    "hazard",
    "cumulative_hazard",
    "survival",
    "log_survival",
    "cdf",
    "log_density",
    "density",
)
TIMES = np.array([-1.0, 0.0, np.inf, np.nan, 1e-300, 2.0, 1e300])
SHARES = np.array([0.0, 1.0, np.nan, -0.1, 1.1, 0.5, 0.9])
AGES = np.array([0.0, np.inf, np.nan, -1.0, 1e-300, 1e300, 2.0])


def traced(name, at):
    """The values of one curve and their slopes in a lifetime's parameters, for any lifetime."""

    def both(life):
        found = jax.vmap(getattr(life, name))(jnp.asarray(at))
        return found, found

    return jax.jacrev(both, has_aux=True)


# The cases share single operations, and lifetimes of one kind the programs that hold long loops;
# everything in one program for each case would take minutes to compile.
EAGER = {name: traced(name, TIMES) for name in CURVES} | {"quantile": traced("quantile", SHARES)}
MEAN = jax.jit(traced("residual_mean", AGES))
MEAN_AT_AGES = jax.jit(jax.vmap(lambda life, age: life.given(age).mean(), (None, 0)))


def lifetime(case):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), CASES[case][0]())


@functools.cache
@double_precision
def values(case):
    """Every curve at every time, and the slopes of each value in the parameters."""
    life = lifetime(case)
    both = {"residual_mean": MEAN(life)}
    with jax.disable_jit():
        both |= {name: function(life) for name, function in EAGER.items()}
    both = jax.tree.map(np.asarray, both)
    found = {name: value for name, (_, value) in both.items()}
    return found, {name: slope for name, (slope, _) in both.items()}


@functools.cache
@double_precision
def aged(case):
    """Curves of the life that is left at each age, at remaining times 0, 2 and infinity."""
    life, ages = lifetime(case), jnp.asarray(AGES)

    @functools.partial(jax.vmap, in_axes=(0, None))
    def at(age, t):
        rest = life.given(age)
        return {
            **{name: getattr(rest, name)(t) for name in ("survival", "hazard", "density")},
            "quantile": rest.quantile(jnp.array([0.0, 0.5, 1.0])),
        }

    with jax.disable_jit():
        found = at(ages, jnp.array([0.0, 2.0, jnp.inf]))
    return jax.tree.map(np.asarray, found | {"mean": MEAN_AT_AGES(life, ages)})


@pytest.mark.parametrize("case", ALL)
def test_curves_at_the_ends_of_time_are_their_limits(case):
    found, _ = values(case)
    _, at_zero, at_end = CASES[case]
    expected = {
        "cumulative_hazard": [0.0, 0.0, np.inf, np.nan],
        "survival": [1.0, 1.0, 0.0, np.nan],
        "log_survival": [0.0, 0.0, -np.inf, np.nan],
        "cdf": [0.0, 0.0, 1.0, np.nan],
        "density": [0.0, found["hazard"][1], 0.0, np.nan],
        "log_density": [-np.inf, found["log_hazard"][1], -np.inf, np.nan],
    }
    for name, limits in expected.items():
        np.testing.assert_allclose(found[name][:4], limits, rtol=1e-13, err_msg=name)
    hazards = [0.0, found["hazard"][1] if at_zero is None else at_zero, at_end, np.nan]
    np.testing.assert_allclose(found["hazard"][:4], hazards, rtol=1e-13)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(found["log_hazard"][:4], np.log(hazards), rtol=1e-13)


@pytest.mark.parametrize("case", ALL)
def test_tiny_and_huge_times_are_near_the_limits(case):
    found, _ = values(case)
    for name in CURVES:
        assert not np.isnan(found[name][4:]).any(), name
    assert np.all(np.isfinite(found["cumulative_hazard"][4:]))
    np.testing.assert_allclose(found["survival"][[4, 6]], [1.0, 0.0], atol=1e-140)
    np.testing.assert_allclose(found["cdf"][[4, 6]], [0.0, 1.0], atol=1e-140)
    assert found["density"][6] == 0.0


@pytest.mark.parametrize("case", ALL)
def test_quantiles_run_from_zero_to_infinity_and_are_nan_of_what_is_no_share(case):
    found, _ = values(case)
    np.testing.assert_array_equal(found["quantile"][:5], [0.0, np.inf, np.nan, np.nan, np.nan])
    assert 0.0 < found["quantile"][5] < found["quantile"][6] < np.inf


@pytest.mark.parametrize("case", ALL)
def test_the_mean_remaining_life_ends_at_one_over_the_last_hazard(case):
    found, _ = values(case)
    mean = found["residual_mean"]
    with np.errstate(divide="ignore"):
        limit = 1.0 / np.float64(CASES[case][2])
    np.testing.assert_allclose(mean[1], limit, rtol=1e-12)
    assert np.isnan(mean[2]) and np.isnan(mean[3])
    np.testing.assert_allclose(mean[4], mean[0], rtol=1e-9)
    if 0.0 < limit < np.inf:
        np.testing.assert_allclose(mean[5], limit, rtol=1e-6)
    else:
        assert mean[5] > 1e100 if limit else mean[5] < 1e-100


@pytest.mark.parametrize("case", ALL)
def test_slopes_are_never_nan_where_the_value_is_finite(case):
    found, slopes = values(case)
    for name, table in found.items():
        for leaf in jax.tree.leaves(slopes[name]):
            assert not np.isnan(leaf[np.isfinite(table)]).any(), name


@pytest.mark.parametrize("case", ALL)
def test_the_life_that_is_left_has_limits_too(case):
    rest, last = aged(case), CASES[case][2]
    for name, table in rest.items():
        wrong = np.isnan(table)
        # NaN of a NaN age and of a negative one; nowhere else.
        np.testing.assert_array_equal(wrong.reshape(len(AGES), -1).all(axis=1)[[2, 3]], True, name)
        assert not wrong[[0, 1, 4, 5, 6]].any(), name
    # At an infinite age the hazard is constant.
    with np.errstate(divide="ignore"):
        scale = 1.0 / np.float64(last)
    for name, limits in (
        ("survival", [1.0, np.exp(-2.0 * last), 0.0]),
        ("hazard", [last, last, last]),
        ("quantile", [0.0, np.log(2.0) * scale, np.inf]),
    ):
        np.testing.assert_allclose(rest[name][1], limits, rtol=1e-9, err_msg=name)
    np.testing.assert_allclose(rest["mean"][1], scale, rtol=1e-9)
    if 0.0 < scale < np.inf:
        np.testing.assert_allclose(rest["survival"][5], rest["survival"][1], rtol=1e-6)
