"""A family that is two functions gets everything: fits, bounds, remaining life, pictures, files.

Each claim is made twice: for the Gompertz family, which is defined here and nowhere in survjax, and
for survjax's own Weibull, which shows that the claim is a fair one. References are plain formulas,
maximized here.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import optimize

import survjax
from survjax import AcceleratedLifetime, Mixture, ScaledHazard, Weibull, WeibullMixture
from survjax.lifetimes import Lifetime, parameter, pytree
from survjax.plotting import plot_asset_rul, plot_effects, plot_partial_survival
from tests.plain_references import (
    Family,
    check_remaining_life,
    likelihood,
    maximize,
    simulate,
)

#: Half of chi squared's 95 % point: how far the log-likelihood falls to a profile bound.
FALL = 1.9207294103470621
AGES = np.array([0.0, 5.0, 20.0])
KINDS = ("survival", "paper", "hazard", "rul", "history")


@pytree
class Gompertz(Lifetime):
    """A hazard whose log is a line in time, of a slope that is not zero."""

    log_rate: float = parameter()
    slope: float = parameter()

    def log_hazard(self, t):
        return self.log_rate + self.slope * jnp.asarray(t)

    def cumulative_hazard(self, t):
        # Beyond any life it stays where it is, so that it is finite.
        grown = jnp.expm1(jnp.minimum(self.slope * jnp.asarray(t), 500.0))
        return jnp.exp(self.log_rate) * grown / self.slope


def gompertz_hazard(theta, t):
    return jnp.exp(theta[0]) * jnp.expm1(theta[1] * t) / theta[1]


FAMILIES = {
    "gompertz": Family(
        lambda **options: survjax.LifetimeModel(Gompertz(-3.0, 0.05), **options),
        np.array([-3.0, 0.05]),
        lambda theta, t: theta[0] + theta[1] * t,
        gompertz_hazard,
        lambda second, t, value: np.log(value * second / np.expm1(second * t)),
    ),
    "weibull": Family(
        lambda **options: WeibullMixture(1, **options),
        np.array([3.0, 0.3]),
        lambda theta, t: theta[1] - jnp.log(t) + jnp.exp(theta[1]) * (jnp.log(t) - theta[0]),
        lambda theta, t: jnp.exp(jnp.exp(theta[1]) * (jnp.log(t) - theta[0])),
        lambda second, t, value: np.log(t) - np.log(value) / np.exp(second),
    ),
}
BOTH = ["weibull", "gompertz"]


@pytest.fixture(scope="module", params=BOTH)
def fitted(request):
    """A fit to units that entered late, with its family, data, and the reference's maximum."""
    family, units = FAMILIES[request.param], simulate()
    model = family.estimator().fit(units.durations, units.failed, entry=units.entry)
    return model, family, units, maximize(likelihood(family, units), family.start)


def test_a_family_defined_here_gets_a_fit_with_late_entry(fitted):
    model, family, units, (theta, value, covariance) = fitted
    assert model.converged_ and "maximum" in model.certificate_.status
    assert model.log_likelihood_ == pytest.approx(value, rel=1e-11)
    errors = np.sqrt(np.diag(covariance))
    assert np.max(np.abs(model.parameters_ - theta) / errors) < 1e-6
    np.testing.assert_allclose(model.covariance_, covariance, rtol=1e-6)
    mean = model.score(units.durations, units.failed, entry=units.entry)
    assert mean * len(units.durations) == pytest.approx(value, rel=1e-10)
    t = np.array([1.0, 10.0, 30.0])
    with jax.enable_x64(True):
        expected = np.asarray(family.hazard(theta, t))
    np.testing.assert_allclose(model.cumulative_hazard(t), expected, rtol=1e-6)
    np.testing.assert_allclose(model.survival(model.quantile([0.1, 0.6])), [0.9, 0.4], rtol=1e-9)


@pytest.mark.parametrize("name", BOTH)
def test_a_family_defined_here_gets_weights_and_intervals(name):
    family, units = FAMILIES[name], simulate(n=150)
    weight = 0.5 + np.arange(150) % 3
    model = family.estimator().fit(
        units.durations, units.failed, entry=units.entry, sample_weight=weight
    )
    _, value, _ = maximize(likelihood(family, units, weight), family.start)
    assert model.log_likelihood_ == pytest.approx(value, rel=1e-10)

    lower = np.floor(units.durations / 4.0) * 4.0
    upper = np.where(units.failed, lower + 4.0, np.inf)
    lower = np.where(units.failed, lower, units.durations)
    bounded, begun = np.isfinite(upper), lower > 0

    def inside(theta):
        low = jnp.where(begun, family.hazard(theta, np.where(begun, lower, 1.0)), 0.0)
        high = family.hazard(theta, np.where(bounded, upper, 1.0))
        gap = jnp.where(bounded, high - low, 1.0)
        return jnp.sum(-low + jnp.where(bounded, jnp.log(-jnp.expm1(-gap)), 0.0))

    _, value, _ = maximize(inside, family.start)
    model = family.estimator().fit_interval(lower, upper)
    assert model.log_likelihood_ == pytest.approx(value, rel=1e-10)


def test_a_family_defined_here_gets_bounds_by_the_delta_method(fitted):
    model, family, _, (theta, _, covariance) = fitted
    t = np.array([3.0, 12.0, 30.0])
    with jax.enable_x64(True):
        logs, slopes = (
            np.asarray(change(lambda theta: jnp.log(family.hazard(theta, t)))(theta))
            for change in (lambda f: f, jax.jacobian)
        )
    half = 1.959963984540054 * np.sqrt(np.einsum("ti,ij,tj->t", slopes, covariance, slopes))
    bounds = model.confidence_interval("survival", t, method="delta")
    np.testing.assert_allclose(bounds[0], np.exp(-np.exp(logs + half)), rtol=1e-5)
    np.testing.assert_allclose(bounds[1], np.exp(-np.exp(logs - half)), rtol=1e-5)
    low, high = model.confidence_interval("mean", ages=AGES)
    assert np.all((low < model.mean(ages=AGES)) & (model.mean(ages=AGES) < high))
    table = model.summary()
    assert np.all(table["lower"] < table["estimate"]) and np.all(table["estimate"] < table["upper"])


def test_a_family_defined_here_gets_bounds_by_the_profile_likelihood(fitted):
    model, family, units, (theta, value, _) = fitted
    total = likelihood(family, units)
    bounds = model.confidence_interval("survival", 12.0, method="profile")
    for bound in bounds:

        def fall(second, bound=bound):
            first = family.first(second, 12.0, -np.log(bound))
            return value - float(total(np.array([first, second])))

        with jax.enable_x64(True):
            least = optimize.minimize_scalar(fall, bracket=(theta[1], 1.05 * theta[1]), tol=1e-10)
        assert least.fun == pytest.approx(FALL, rel=1e-4)


def test_a_family_defined_here_gets_bounds_by_the_bootstrap(fitted):
    model, *_ = fitted
    t = np.array([3.0, 12.0, 30.0])
    model.bootstrap(200)
    assert model.bootstrap_.parameters.shape == (200 - model.bootstrap_.n_failed, 2)
    low, high = model.confidence_interval("survival", t, method="bootstrap")
    assert np.all((low < model.survival(t)) & (model.survival(t) < high))
    delta = model.confidence_interval("survival", t, method="delta")
    # Two hundred replicates, of which few failures are early, place a bound roughly.
    np.testing.assert_allclose(high - low, delta[1] - delta[0], rtol=0.5)


def test_a_family_defined_here_gets_remaining_life(fitted):
    model, family, _, (theta, _, _) = fitted
    table = model.predict_rul(AGES)
    check_remaining_life(table, lambda t: np.asarray(family.hazard(theta, t)), AGES)
    np.testing.assert_allclose(model.predict(AGES), table["mean"], rtol=1e-9)
    risk = model.failure_probability(AGES, 4.0)
    chance = risk["failure_probability"]
    np.testing.assert_allclose(chance, 1.0 - model.survival(4.0, ages=AGES), rtol=1e-9)
    low, high = model.confidence_interval("cdf", 4.0, ages=AGES)
    np.testing.assert_allclose(risk[["lower", "upper"]], np.column_stack([low, high]), rtol=1e-9)
    interval = model.predict_interval(AGES, 0.9)
    inside = model.survival(interval["lower"], ages=AGES) - model.survival(
        interval["upper"], ages=AGES
    )
    # Wider than the spread of lives alone by what the fit leaves open.
    assert np.all((inside > 0.9) & (inside < 0.95))


@pytest.mark.parametrize("kind", KINDS)
def test_a_family_defined_here_gets_each_picture(fitted, kind):
    model, *_ = fitted
    ax = model.plot(kind, unit="hours") if kind != "history" else model.plot(kind)
    curves = {
        "survival": model.survival,
        "hazard": model.hazard,
        "rul": lambda ages: model.mean(ages=ages),
    }
    drawn = [np.asarray(line.get_xydata(), float) for line in ax.get_lines()]
    assert any(np.isfinite(points).all() and len(points) > 1 for points in drawn)
    if kind in curves:
        smooth = [points for points in drawn if len(points) > 20]
        assert any(np.allclose(p[:, 1], curves[kind](p[:, 0]), rtol=1e-6) for p in smooth)
    plt.close(ax.figure)


def test_a_family_defined_here_gets_a_file(fitted, tmp_path):
    model, *_ = fitted
    model.save(tmp_path / "model.json")
    again = survjax.load(tmp_path / "model.json")
    assert again.predict_rul(AGES).equals(model.predict_rul(AGES))
    assert again.parameter_names_ == model.parameter_names_


TWO = {
    "weibull": lambda: WeibullMixture(2),
    "gompertz": lambda: survjax.LifetimeModel(
        Mixture.of(
            np.array([0.4, 0.6]),
            (
                Weibull.of(scale=np.array([3.0]), shape=np.array([1.2])),
                Gompertz(np.array([-7.0]), np.array([0.2])),
            ),
        )
    ),
}


@pytest.mark.parametrize("name", [pytest.param("weibull", marks=pytest.mark.slow), *BOTH[1:]])
def test_a_family_defined_here_gets_to_be_one_part_of_a_mixture(name):
    rng = np.random.default_rng(6)
    early = 3.0 * rng.weibull(1.2, 160)
    late = np.log1p(rng.exponential(size=240) * 0.2 / np.exp(-7.0)) / 0.2
    lives = np.concatenate([early, late])
    limit = rng.uniform(15.0, 45.0, lives.size)
    durations, failed = np.minimum(lives, limit), lives <= limit
    model = TWO[name]().fit(durations, failed)
    assert model.converged_

    def hazards(theta, t):
        first = jnp.exp(theta[2]) * (jnp.log(t) - theta[1])
        first = theta[2] - jnp.log(t) + first, jnp.exp(first)
        if name == "gompertz":
            return first, (theta[3] + theta[4] * t, gompertz_hazard(theta[3:], t))
        second = jnp.exp(theta[4]) * (jnp.log(t) - theta[3])
        return first, (theta[4] - jnp.log(t) + second, jnp.exp(second))

    def value(theta):
        parts = [
            weight + failed * log_hazard - hazard
            for weight, (log_hazard, hazard) in zip(
                jax.nn.log_softmax(jnp.stack([0.0, theta[0]])),
                hazards(theta, durations),
                strict=True,
            )
        ]
        return jnp.sum(jnp.logaddexp(*parts))

    start = [0.3, 1.0, 0.2] + ([-6.5, 0.18] if name == "gompertz" else [3.4, 1.6])
    _, best, _ = maximize(value, np.array(start))
    assert model.log_likelihood_ == pytest.approx(best, rel=1e-9)
    members = model.membership([0.5, 30.0], [True, True])
    assert members["component_1"][0] > 0.9 and members["component_2"][1] > 0.9
    for k in ("component_1", "component_2"):
        assert np.all((members[f"{k}_lower"] >= 0) & (members[f"{k}_lower"] < members[k]))
        assert np.all((members[k] < members[f"{k}_upper"]) & (members[f"{k}_upper"] <= 1))
    table = model.predict_rul(AGES)
    assert np.all(table["mean_lower"] < table["mean"])
    assert np.all(table["mean"] < table["mean_upper"])


@pytest.fixture(scope="module")
def scaled():
    """A scaled hazard of this file's family, its data, and the reference's maximum."""
    units = simulate(effect=0.5)
    model = ScaledHazard(baseline=Gompertz(-3.0, 0.05), center=False)
    model.fit(units.x, units.y, entry=units.entry)
    family, x = FAMILIES["gompertz"], units.x[:, 0]

    def value(theta):
        log_ratio = theta[2] * x
        base = Family(
            None,
            None,
            lambda theta, t: log_ratio + family.log_hazard(theta, t),
            lambda theta, t: jnp.exp(log_ratio) * family.hazard(theta, t),
            None,
        )
        return likelihood(base, units)(theta)

    return model, maximize(value, np.array([-3.0, 0.05, 0.0]))


def test_a_family_defined_here_gets_columns_that_scale_its_hazard(scaled):
    model, (theta, value, covariance) = scaled
    assert model.converged_
    assert model.log_likelihood_ == pytest.approx(value, rel=1e-10)
    base = [float(model.baseline_.log_rate), float(model.baseline_.slope)]
    errors = np.sqrt(np.diag(covariance))
    assert np.max(np.abs([*base, *model.coef_] - theta) / errors) < 1e-6
    table = model.summary()
    np.testing.assert_allclose(table["standard_error"].iloc[0], errors[2], rtol=1e-6)
    x = np.full((3, 1), 0.7)
    ratio = np.exp(0.7 * theta[2])
    check_remaining_life(
        model.predict_rul(x, AGES), lambda t: ratio * np.asarray(gompertz_hazard(theta, t)), AGES
    )
    interval = model.predict_interval(x, AGES, 0.9)
    assert np.all(interval["lower"] < model.predict(x, AGES))
    assert np.all(model.predict(x, AGES) < interval["upper"])


def test_a_family_defined_here_gets_pictures_of_its_columns(scaled):
    model, _ = scaled
    x = np.array([[-1.0], [1.0]])
    for ax in (
        plot_effects(model),
        plot_partial_survival(model, x, 0, [0.0, 1.0], [1.0, 5.0, 20.0]),
        plot_asset_rul(model, x, [2.0, 9.0]),
    ):
        assert ax.get_lines() or ax.collections
        plt.close(ax.figure)


def test_a_family_defined_here_gets_a_file_of_its_columns(scaled, tmp_path):
    model, _ = scaled
    model.save(tmp_path / "model.json")
    again = survjax.load(tmp_path / "model.json")
    x = np.zeros((3, 1))
    assert again.predict_rul(x, AGES).equals(model.predict_rul(x, AGES))


@pytest.mark.parametrize("name", BOTH)
def test_a_family_defined_here_gets_columns_that_stretch_its_time(name):
    family, units = FAMILIES[name], simulate(effect=0.5)
    model = AcceleratedLifetime(family="weibull" if name == "weibull" else Gompertz(-3.0, 0.05))
    model.fit(units.x, units.y, entry=units.entry)
    x = units.x[:, 0]

    def value(theta):
        log_factor = theta[2] * x
        base = Family(
            None,
            None,
            lambda theta, t: family.log_hazard(theta, t / jnp.exp(log_factor)) - log_factor,
            lambda theta, t: family.hazard(theta, t / jnp.exp(log_factor)),
            None,
        )
        return likelihood(base, units)(theta)

    theta, best, covariance = maximize(value, np.append(family.start, 0.0))
    assert model.log_likelihood_ == pytest.approx(best, rel=1e-10)
    assert abs(model.coef_[0] - theta[2]) < 1e-6 * np.sqrt(covariance[2, 2])
    factor = np.exp(0.7 * theta[2])
    check_remaining_life(
        model.predict_rul(np.full((3, 1), 0.7), AGES),
        lambda t: np.asarray(family.hazard(theta, t / factor)),
        AGES,
    )


@pytest.mark.slow
def test_a_mixture_with_a_family_defined_here_gets_columns_that_scale_its_hazard():
    units = simulate(effect=0.5)
    base = Mixture.of(
        np.array([0.2, 0.8]),
        (
            Weibull.of(scale=np.array([4.0]), shape=np.array([1.5])),
            Gompertz(np.array([-4.0]), np.array([0.09])),
        ),
    )
    model = ScaledHazard(baseline=base, joint=False).fit(units.x, units.y, entry=units.entry)
    assert model.converged_
    # What is held is held: the effect and the intercept solve a Poisson regression.
    x = units.x[:, 0] - model.center_[0]
    with jax.enable_x64(True):
        start = np.asarray(base.cumulative_hazard(units.entry))
        hazard = np.asarray(base.cumulative_hazard(units.durations)) - start
    expected = np.exp(model.intercept_ + model.coef_[0] * x) * hazard
    assert np.sum(expected) == pytest.approx(np.sum(units.failed), rel=1e-8)
    assert np.sum(x * expected) == pytest.approx(np.sum(x * units.failed), abs=1e-6)
