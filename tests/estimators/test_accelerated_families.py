"""Covariates that stretch the time of families without a log scale of their own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import survjax
from survjax import AcceleratedLifetime, Mixture, Weibull
from survjax.lifetimes import Gompertz, LogNormal
from tests.plain_references import maximize

HAZARDS = {
    "gumbel": (
        [20.0, 1.5],
        lambda theta, t: (t - theta[0]) / jnp.exp(theta[1]) - theta[1],
        lambda theta, t: jnp.exp((t - theta[0]) / jnp.exp(theta[1])),
    ),
    "gompertz": (
        [-4.0, 0.05],
        lambda theta, t: theta[0] + theta[1] * t,
        lambda theta, t: jnp.exp(theta[0]) * jnp.expm1(theta[1] * t) / theta[1],
    ),
}


def fleet(n=250, unit=1.0, seed=4):
    """Lives stretched by two columns, some still running, some seen late; time in a unit."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.normal(size=n), 50.0 + 10.0 * rng.random(n)])
    factor = np.exp(0.3 * x[:, 0] - 0.02 * (x[:, 1] - 55.0))
    base = np.maximum(stats.gumbel_l(loc=25.0, scale=5.0).rvs(n, random_state=rng), 0.5)
    life, end, entry = base * factor, rng.uniform(10.0, 50.0, n), rng.uniform(0.0, 8.0, n)
    seen = np.minimum(life, end) > entry
    time, failed = np.minimum(life, end)[seen], (life <= end)[seen]
    return x[seen], np.column_stack([unit * time, failed]), unit * entry[seen]


@pytest.mark.parametrize("name", list(HAZARDS))
def test_the_fit_is_the_maximum_of_the_likelihood_written_out(name):
    start, log_hazard, hazard = HAZARDS[name]
    x, y, entry = fleet()
    model = AcceleratedLifetime(name).fit(x, y, entry=entry)
    assert model.converged_
    center = x.mean(axis=0)
    np.testing.assert_allclose(model.center_, center, rtol=1e-13)
    t, failed = y.T

    def value(theta):
        factor = jnp.exp((x - center) @ theta[2:])
        rate = log_hazard(theta, t / factor) - jnp.log(factor)
        return jnp.sum(failed * rate - hazard(theta, t / factor) + hazard(theta, entry / factor))

    theta, best, covariance = maximize(value, np.array([*start, 0.0, 0.0]))
    assert model.log_likelihood_ == pytest.approx(best, rel=1e-10)
    errors = np.sqrt(np.diag(covariance))
    base = [float(part) for part in jax.tree.leaves(model.baseline_)]
    assert np.max(np.abs(np.array([*base, *model.coef_]) - theta) / errors) < 1e-6
    np.testing.assert_allclose(np.sqrt(np.diag(model.covariance_)), errors[[2, 3, 0, 1]], rtol=1e-5)
    at = np.exp((x[:3] - center) @ theta[2:])
    with jax.enable_x64(True):
        # A Gumbel's time reaches below zero: a new asset may have failed already.
        expected = np.exp(-np.asarray(hazard(theta, 12.0 / at)))
    found = model.predict_survival(x[:3], [12.0], level=None)
    np.testing.assert_allclose(found.iloc[:, 0], expected, rtol=1e-6)


def test_another_unit_of_time_is_the_same_fit():
    x, y, entry = fleet()
    days = AcceleratedLifetime("gumbel").fit(x, y, entry=entry)
    x, y, entry = fleet(unit=8760.0)
    hours = AcceleratedLifetime("gumbel").fit(x, y, entry=entry)
    assert days.converged_ and hours.converged_
    np.testing.assert_allclose(days.coef_, hours.coef_, rtol=1e-7)
    n_failed = y[:, 1].sum()
    shift = n_failed * np.log(8760.0)
    assert days.log_likelihood_ - shift == pytest.approx(hours.log_likelihood_, rel=1e-10)


def test_a_mixture_may_be_stretched_and_saved(tmp_path):
    x, y, _ = fleet()
    early = np.column_stack([np.linspace(0.05, 2.0, 40), np.ones(40)])
    x, y = np.vstack([x, x[:40]]), np.vstack([y, early])
    two = Mixture.of([0.2, 0.8], Weibull.of([1.0, 25.0], [1.0, 5.0]))
    model = AcceleratedLifetime(two).fit(x, y)
    assert model.converged_
    assert model.log_likelihood_ > AcceleratedLifetime().fit(x, y).log_likelihood_ + 20.0
    model.save(tmp_path / "model.json")
    again = survjax.load(tmp_path / "model.json")
    rul = model.predict_rul(x[:4], [0.0, 1.0, 5.0, 20.0])
    assert again.predict_rul(x[:4], [0.0, 1.0, 5.0, 20.0]).equals(rul)
    assert np.all((rul["mean_lower"] < rul["mean"]) & (rul["mean"] < rul["mean_upper"]))


def test_a_history_that_never_changes_is_one_row_a_unit():
    x, y, entry = fleet(120)
    whole = AcceleratedLifetime("gompertz").fit(x, y, entry=entry)
    half = 0.5 * (entry + y[:, 0])
    first = np.column_stack([half, np.zeros(half.size)])
    unit = np.tile(np.arange(half.size), 2)
    split = AcceleratedLifetime("gompertz").fit(
        np.vstack([x, x]), np.vstack([first, y]), entry=np.append(entry, half), unit=unit
    )
    assert split.log_likelihood_ == pytest.approx(whole.log_likelihood_, rel=1e-10)
    np.testing.assert_allclose(split.coef_, whole.coef_, rtol=1e-6)
    ages = split.effective_ages(
        np.vstack([x, x]), np.append(half, y[:, 0]), unit=unit, entry=np.append(entry, half)
    )
    np.testing.assert_allclose(ages["effective_age"], y[:, 0], rtol=1e-12)


def test_a_family_of_location_and_scale_is_the_same_by_name_and_as_an_object():
    x, y, entry = fleet(150)
    named = AcceleratedLifetime("lognormal").fit(x, y, entry=entry)
    given = AcceleratedLifetime(LogNormal(3.0, 0.0)).fit(x, y, entry=entry)
    np.testing.assert_array_equal(named.parameters_, given.parameters_)
    base = named.baseline_
    zero = named.predict_survival(np.zeros((1, 2)), [12.0], level=None).iloc[0, 0]
    assert float(base.survival(12.0)) == pytest.approx(zero, rel=1e-6)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (AcceleratedLifetime("gompertz", shape_on="all"), "Gompertz has no shape"),
        (AcceleratedLifetime("cauchy"), "family must be one of"),
        (AcceleratedLifetime(Gompertz), "the class Gompertz itself"),
        (AcceleratedLifetime(3.0), "name of a family or a Lifetime"),
    ],
)
def test_what_is_no_family_is_refused_in_words(model, said):
    x, y, _ = fleet(30)
    with pytest.raises(ValueError, match=said):
        model.fit(x, y)
