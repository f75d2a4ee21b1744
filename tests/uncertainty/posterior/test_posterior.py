"""Posterior draws against exact posteriors, quadrature and the normal approximation."""

import numpy as np
import pytest
from scipy import stats

import survjax
from survjax import FitWarning, LifetimeModel, WeibullMixture, priors
from survjax._core.precision import double_precision
from survjax.estimators.posterior.draws import Posterior
from survjax.lifetimes import Cured, Weibull
from survjax.plotting import plot_posterior
from survjax.uncertainty.posterior.chains import Chains
from survjax.uncertainty.posterior.convergence import bulk_size
from survjax.uncertainty.posterior.propriety import endless

blackjax = pytest.importorskip("blackjax")

TIMES = np.array([500.0, 800.0, 800.0, 1000.0, 1000.0])
ONE = np.array([1, 0, 0, 0, 0])
SHAPE = priors.LogNormal(2.0, 1.5)


@pytest.fixture(scope="module")
def model():
    return LifetimeModel("weibull", priors={"shape": SHAPE}).fit(TIMES, ONE)


@pytest.fixture(scope="module")
def posterior(model):
    return model.posterior()


@pytest.fixture(scope="module")
def grid():
    """The posterior of one failure on a grid of log scale and log shape, by SciPy."""
    y, x = np.linspace(5.5, 22.0, 1500), np.linspace(-2.0, 3.0, 400)
    log_scale, log_shape = np.meshgrid(y, x, indexing="ij")
    shape = np.exp(log_shape)
    z = shape * (np.log(TIMES)[:, None, None] - log_scale)
    logs = log_shape + z[0] - np.exp(z).sum(axis=0)
    logs += stats.norm(np.log(2.0), np.log(1.5)).logpdf(log_shape)
    weight = np.exp(logs - logs.max())
    return np.exp(log_scale), shape, weight / weight.sum()


def quantiles(values, weight, shares):
    order = np.argsort(values, axis=None)
    return np.interp(shares, np.cumsum(weight.ravel()[order]), values.ravel()[order])


def errors(draws, shares):
    """Monte Carlo errors of quantiles, by the density and the independent draws."""
    size = bulk_size(draws)
    h = 0.02
    low, high = (np.quantile(draws, np.clip(shares + s * h, 0.005, 0.995)) for s in (-1, 1))
    return np.sqrt(shares * (1 - shares) / size) * (high - low) / (2 * h)


def test_draws_are_those_of_the_posterior_by_quadrature(model, posterior, grid):
    scale, shape, weight = grid
    shares = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    draws = posterior.draws
    for name, values in (("scale", np.log(scale)), ("shape", np.log(shape))):
        own = np.log(draws[name].to_numpy()).reshape(4, -1)
        gap = np.quantile(own, shares) - quantiles(values, weight, shares)
        assert np.abs(gap / errors(own, shares)).max() < 4.0
    table = posterior.summary()
    assert table.loc["shape", "prior"] == "LogNormal(median=2, factor=1.5)"
    assert (table["r_hat"] < 1.02).all()
    assert (table["lower"] < table["median"]).all()


def test_curves_and_intervals_are_averages_over_the_posterior(posterior, grid):
    scale, shape, weight = grid
    table = posterior.survival([300.0, 900.0])
    for t, row in zip((300.0, 900.0), table.to_numpy(), strict=True):
        values = np.exp(-((t / scale) ** shape))
        expected = quantiles(values, weight, np.array([0.5, 0.025, 0.975]))
        np.testing.assert_allclose(row, expected, atol=0.03)
    ages = np.array([0.0, 500.0])
    found = posterior.predict_interval(ages, level=0.8)
    for age, row in zip(ages, found.to_numpy(), strict=True):
        past = (age / scale) ** shape
        for bound, share in zip(row, (0.1, 0.9), strict=True):
            beyond = np.exp(past - ((age + bound) / scale) ** shape)
            assert 1.0 - np.sum(weight * beyond) == pytest.approx(share, abs=0.02)
    lives = posterior.predict_rul(ages, quantiles=(0.5,))
    assert list(lives.columns[:3]) == ["mean", "mean_lower", "mean_upper"]
    q50 = (scale**shape * ((500.0 / scale) ** shape + np.log(2.0))) ** (1.0 / shape) - 500.0
    expected = quantiles(np.log(q50), weight, np.array([0.5, 0.025, 0.975]))
    np.testing.assert_allclose(np.log(lives.to_numpy()[1, 3:]), expected, atol=0.3)


def test_one_seed_gives_the_same_draws_and_another_others(model, posterior):
    again, other = model.posterior(), model.posterior(random_state=7)
    np.testing.assert_array_equal(again.parameters, posterior.parameters)
    assert not np.array_equal(other.parameters, posterior.parameters)


def test_draws_do_not_depend_on_the_unit_of_time(posterior):
    known = {"shape": SHAPE}
    other = LifetimeModel("weibull", priors=known).fit(TIMES * 1e-6, ONE).posterior()
    moved = other.parameters - posterior.parameters
    # Chains part where rounding decides a draw, so medians are compared.
    middle = np.median(moved.reshape(-1, 2), axis=0)
    np.testing.assert_allclose(middle, [np.log(1e-6), 0.0], atol=0.05)


def test_a_fixed_shape_has_the_conjugate_posterior():
    """Flat in the log of the scale, the rate of an exponential is gamma(failures, total time)."""
    event = np.array([1, 0, 1, 0, 1])
    model = LifetimeModel("weibull", fixed={"shape": 1.0}).fit(TIMES, event)
    found = model.posterior()
    law = stats.invgamma(3.0, scale=TIMES.sum())
    draws = found.draws["scale"].to_numpy().reshape(4, -1)
    shares = np.array([0.05, 0.5, 0.95])
    gap = np.quantile(np.log(draws), shares) - np.log(law.ppf(shares))
    assert np.abs(gap / errors(np.log(draws), shares)).max() < 4.0
    assert (found.draws["shape"] == 1.0).all()
    assert found.summary().loc["shape", "prior"] == "fixed"


def test_with_many_failures_the_posterior_is_the_normal_approximation():
    # Weights stand for many units; rows of one size share the compiled program.
    share = (np.arange(100) + 0.5) / 100
    lives = 50.0 * (-np.log1p(-share)) ** (1 / 2.5)
    known = {"shape": priors.LogNormal(2.0, 100.0)}
    model = LifetimeModel("weibull", priors=known).fit(lives, sample_weight=np.full(100, 40.0))
    found = model.posterior()
    points = found.parameters.reshape(-1, 2)
    spread = np.sqrt(np.diag(model.covariance_))
    assert np.abs(points.mean(axis=0) - model.parameters_).max() < (0.1 * spread).max()
    np.testing.assert_allclose(np.cov(points.T), model.covariance_, rtol=0.15, atol=1e-6)
    assert not found.problems


@pytest.mark.parametrize(
    ("event", "given", "names"),
    [
        (ONE, {}, ("shape",)),
        (ONE, {"priors": {"shape": SHAPE}}, ()),
        (ONE, {"fixed": {"shape": 2.0}}, ()),
        ([1, 1, 0, 0, 0], {}, ()),
    ],
)
def test_one_failure_has_no_posterior_without_a_prior_on_the_shape(event, given, names):
    """Flat in both logs, the shape's density falls as shape^(failures - 1) toward zero."""
    fitted = LifetimeModel("weibull", **given).fit(TIMES, event)
    given = (fitted._template, fitted.parameters_, fitted.covariance_, fitted._rows)
    found = double_precision(endless)(*given)
    assert set(names) <= set(found)
    assert bool(found) == bool(names)
    if names:
        with pytest.raises(ValueError, match=r"no finite mass.*priors="):
            fitted.posterior()


def test_lives_that_never_end_are_infinite_in_tables_of_draws(posterior, model):
    """Draws of a fit with a cured share, given without a sampler."""
    cured = LifetimeModel(
        Cured(Weibull(0.0, 0.0), 0.0),
        priors={"cured_share": priors.Beta(1.0, 3.0), "shape": SHAPE},
    ).fit(TIMES, [1, 1, 1, 0, 0])
    rng = np.random.default_rng(0)
    draws = cured.parameters_ + 0.3 * rng.normal(size=(2, 50, 3))
    found = Posterior(draws, cured)
    table = found.summary()
    assert list(table["prior"]) == [
        "flat",
        "LogNormal(median=2, factor=1.5)",
        "Beta(successes=1, failures=3)",
        "",
        "",
        "",
    ]
    assert np.isinf(table.loc["mean", "median"])
    assert np.isfinite(table.loc["q10", ["median", "lower", "upper"]].to_numpy(float)).all()
    assert np.isinf(found.predict_interval([0.0])["upper"]).all()
    single = WeibullMixture(1).fit(TIMES, [1, 1, 1, 0, 0])
    assert list(Posterior(posterior.parameters, single).draws.columns[2:]) == ["scale_1", "shape_1"]


def test_what_has_no_posterior_is_refused(tmp_path, model):
    rng = np.random.default_rng(0)
    lives = np.concatenate([5 * rng.weibull(1.0, 40), 40 * rng.weibull(3.0, 60)])
    with pytest.raises(ValueError, match="mixture"):
        WeibullMixture(2).fit(lives).posterior()
    with pytest.raises(ValueError, match="bounds="):
        LifetimeModel("weibull", bounds={"shape": (1.0, 5.0)}).fit(lives).posterior()
    for wrong in ({"n_draws": 10}, {"n_chains": 1}, {"n_warmup": 5}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            model.posterior(**wrong)
    model.save(tmp_path / "one.json")
    with pytest.raises(ValueError, match="rows"):
        survjax.load(tmp_path / "one.json").posterior()


def test_chains_that_have_not_settled_are_told_of(model, posterior, monkeypatch):
    apart = posterior.parameters + np.arange(4.0)[:, None, None]
    found = Posterior(apart, model, 500)
    assert [word.split()[0] for word in found.problems[-2:]] == ["the", "500"]
    assert any("R-hat of scale" in word for word in found.problems)
    chains = Chains(apart, 0)
    monkeypatch.setattr("survjax.estimators.posterior.method.draw_chains", lambda *_, **__: chains)
    with pytest.warns(FitWarning, match="R-hat"):
        model.posterior()


def test_pictures_show_the_draws_and_the_prior(posterior):
    ax = plot_posterior(posterior, unit="hours")
    assert ax.get_xlabel() == "age (hours)"
    ax = posterior.plot(parameter="shape")
    assert "prior" in [text.get_text() for text in ax.get_legend().get_texts()]
    line = next(line for line in ax.lines if line.get_label() == "prior")
    x, y = line.get_data()
    np.testing.assert_allclose(y, stats.lognorm(np.log(1.5), scale=2.0).pdf(x), rtol=1e-9)
    with pytest.raises(ValueError, match="parameter"):
        posterior.plot(parameter="width")
