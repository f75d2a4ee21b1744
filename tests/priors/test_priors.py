"""Priors on parameters: the mode of the posterior, with its curvature and profile."""

import json

import numpy as np
import pytest
from scipy import optimize, stats

import survjax
from survjax import (
    LifetimeModel,
    NoFiniteMaximum,
    WeibullMixture,
    compare,
    likelihood_ratio_test,
    priors,
)
from survjax.lifetimes import Cured, Normal, Weibull
from survjax.likelihood.vector.prior_terms import prior_terms
from survjax.likelihood.vector.template import Template

TIMES = np.array([500.0, 800.0, 800.0, 1000.0, 1000.0])
ONE = np.array([1, 0, 0, 0, 0])
LAST = np.array([0, 0, 0, 0, 1])
SHAPE = priors.LogNormal(2.0, 1.5)


def log_posterior(x, times, event, law):
    """By SciPy alone: flat in log scale, a law of the log shape."""
    life = stats.weibull_min(np.exp(x[1]), scale=np.exp(x[0]))
    rows = np.where(event, life.logpdf(times), life.logsf(times))
    return rows.sum() + law.logpdf(x[1])


@pytest.mark.parametrize(
    ("prior", "template", "law"),
    [
        (
            priors.LogNormal(3.0, 1.7),
            Weibull(0.0, 0.0),
            lambda x: stats.lognorm(np.log(1.7), scale=3.0).logpdf(np.exp(x)) + x,
        ),
        (
            priors.Gamma(2.5, 0.7),
            Weibull(0.0, 0.0),
            lambda x: stats.gamma((2.5 / 0.7) ** 2, scale=0.49 / 2.5).logpdf(np.exp(x)) + x,
        ),
    ],
    ids=["lognormal", "gamma"],
)
def test_densities_on_the_log_scale_are_those_of_scipy_with_derivatives(prior, template, law):
    terms = prior_terms(Template(template), {"shape": prior})
    for x in (-2.0, 0.3, 1.5):
        point = np.array([50.0, x])
        value, gradient, hessian = terms.derivatives(point)
        assert value == pytest.approx(law(x), rel=1e-12)
        step = 1e-5
        ends = [terms.derivatives(point + np.array([0.0, s])) for s in (-step, step)]
        assert gradient[1] == pytest.approx((ends[1][0] - ends[0][0]) / (2 * step), rel=1e-6)
        slope = (ends[1][1] - ends[0][1]) / (2 * step)
        np.testing.assert_allclose(hessian[:, 1], slope, rtol=1e-6, atol=1e-12)
    far = terms.derivatives(np.array([1e4, 0.0]))
    assert all(np.isfinite(part).all() for part in far)


def test_shares_and_parameters_of_either_sign_have_priors_of_their_own():
    cured = Template(Cured(Weibull(0.0, 0.0), 0.0))
    terms = prior_terms(cured, {"cured_share": priors.Beta(2.0, 5.0)})
    where = cured.read_names.index("cured_share")
    x = np.zeros(cured.size)
    for logit in (-800.0, -1.0, 2.0, 800.0):
        x[where] = logit
        share = stats.beta(2.0, 5.0)
        value, gradient, hessian = terms.derivatives(x)
        assert np.isfinite([value, *gradient, *hessian.ravel()]).all()
        if abs(logit) < 10:
            p = 1.0 / (1.0 + np.exp(-logit))
            assert value == pytest.approx(share.logpdf(p) + np.log(p * (1.0 - p)), rel=1e-12)
            assert gradient[where] == pytest.approx(2.0 - 7.0 * p, rel=1e-12)
    normal = Template(Normal(0.0, 0.0))
    terms = prior_terms(normal, {"location": priors.Normal(3.0, 2.0)})
    assert terms.derivatives(np.array([1.0, 0.0]))[0] == pytest.approx(stats.norm(3, 2).logpdf(1.0))


@pytest.mark.parametrize("event", [ONE, LAST], ids=["in the middle", "at the end"])
def test_the_mode_and_its_errors_are_those_of_the_posterior_by_scipy(event):
    law = stats.norm(np.log(2.0), np.log(1.5))
    found = optimize.minimize(
        lambda x: -log_posterior(x, TIMES, event, law),
        [7.0, 0.7],
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-13},
    )
    model = LifetimeModel("weibull", priors={"shape": SHAPE}).fit(TIMES, event)
    np.testing.assert_allclose(model.parameters_, found.x, atol=1e-6)
    assert model.log_posterior_ == pytest.approx(-found.fun, abs=1e-9)
    own = log_posterior(model.parameters_, TIMES, event, stats.uniform(-50, 100)) + np.log(100)
    assert model.log_likelihood_ == pytest.approx(own, abs=1e-9)
    h = 1e-4
    hessian = np.empty((2, 2))
    for i, j in np.ndindex(2, 2):
        signs = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
        points = [found.x + h * (a * np.eye(2)[i] + b * np.eye(2)[j]) for a, b in signs]
        values = [log_posterior(x, TIMES, event, law) for x in points]
        hessian[i, j] = (values[0] - values[1] - values[2] + values[3]) / (4 * h * h)
    np.testing.assert_allclose(model.covariance_, np.linalg.inv(-hessian), rtol=1e-3)


def test_profile_bounds_are_where_the_posterior_has_fallen_by_the_chi_squared_quantile():
    model = LifetimeModel("weibull", priors={"shape": SHAPE}).fit(TIMES, ONE)
    law = stats.norm(np.log(2.0), np.log(1.5))

    def profile(log_scale):
        found = optimize.minimize_scalar(
            lambda s: -log_posterior(np.array([log_scale, s]), TIMES, ONE, law),
            bounds=(-1.0, 3.0),
            method="bounded",
            options={"xatol": 1e-10},
        )
        return -found.fun

    fall = 0.5 * stats.chi2(1).ppf(0.95)
    for bound in model.confidence_interval("scale", method="profile"):
        assert model.log_posterior_ - profile(np.log(bound)) == pytest.approx(fall, abs=2e-3)
    # A curve's bounds come of another program, which must know the prior as well.
    at = model.quantile(1.0 - np.exp(-1.0))
    assert at == pytest.approx(model.lifetime_.scale)
    ours = model.confidence_interval("quantile", 1.0 - np.exp(-1.0), method="profile")
    scale = model.confidence_interval("scale", method="profile")
    np.testing.assert_allclose(ours, scale, rtol=1e-3)


def test_the_unit_of_time_moves_only_what_has_one():
    known = {"shape": SHAPE, "scale": priors.LogNormal(2000.0, 2.0)}
    model = LifetimeModel("weibull", priors=known).fit(TIMES, LAST)
    for unit in (1e-30, 3600.0):
        there = {"shape": SHAPE, "scale": priors.LogNormal(2000.0 * unit, 2.0)}
        other = LifetimeModel("weibull", priors=there).fit(TIMES * unit, LAST)
        moved = other.parameters_ - model.parameters_
        np.testing.assert_allclose(moved, [np.log(unit), 0.0], atol=1e-9)
        np.testing.assert_allclose(other.covariance_, model.covariance_, rtol=1e-7)
        gap = other.log_posterior_ - model.log_posterior_
        assert gap == pytest.approx(-np.log(unit), abs=1e-8)


def test_no_failure_is_enough_where_every_parameter_has_a_prior():
    known = {"shape": SHAPE, "scale": priors.Gamma(2000.0, 1000.0)}
    model = LifetimeModel("weibull", priors=known).fit(TIMES, np.zeros(5))
    assert model.converged_
    assert model.lifetime_.scale > 2000.0
    for part in ({"shape": SHAPE}, None):
        with pytest.raises(NoFiniteMaximum, match="prior"):
            LifetimeModel("weibull", priors=part).fit(TIMES, np.zeros(5))


def test_one_failure_without_a_prior_is_told_of_priors_and_fixed_values():
    with pytest.raises(NoFiniteMaximum, match=r"fixed=.*priors="):
        LifetimeModel("weibull").fit(TIMES, LAST)


def test_a_summary_names_the_priors_and_no_criterion_compares_such_fits():
    model = LifetimeModel("weibull", priors={"shape": SHAPE}).fit(TIMES, ONE)
    table = model.summary()
    assert table.loc["shape", "prior"] == "LogNormal(median=2, factor=1.5)"
    assert table.loc["scale", "prior"] == "flat"
    assert "log-posterior" in model._repr_html_()
    assert np.isnan(model.aic_)
    assert np.isnan(model.bic_)
    lives = np.array([3.0, 5.0, 8.0, 9.0])
    with pytest.raises(ValueError, match="priors"):
        compare({"one": LifetimeModel("weibull", priors={"shape": SHAPE})}, lives)
    small = LifetimeModel("exponential").fit(lives)
    large = LifetimeModel("weibull", priors={"shape": SHAPE}).fit(lives)
    with pytest.raises(ValueError, match="priors"):
        likelihood_ratio_test(small, large)
    with pytest.raises(ValueError, match="priors"):
        WeibullMixture("bic", priors={"shape": SHAPE}).fit(lives)


def test_saved_files_carry_the_priors(tmp_path):
    known = {"shape": priors.Gamma(2.0, 0.8), "scale": priors.LogNormal(2000.0, 2.0)}
    model = LifetimeModel("weibull", priors=known).fit(TIMES, ONE)
    model.save(tmp_path / "pump.json")
    same = survjax.load(tmp_path / "pump.json")
    assert same.priors == known
    assert same.log_posterior_ == model.log_posterior_
    assert same.summary().equals(model.summary())
    content = json.loads((tmp_path / "pump.json").read_text())
    mapping = content["parameters"]["priors"]["mapping"]
    assert mapping["shape"] == {"prior": {"name": "Gamma", "mean": 2.0, "sd": 0.8}}
    from survjax.estimators.saving.persistence import checksum, restore

    for wrong in (
        {"name": "Cauchy"},
        {"name": "Gamma", "mean": -1.0, "sd": 1.0},
        {"name": "Gamma"},
    ):
        mapping["shape"] = {"prior": wrong}
        content["sha256"] = checksum(content)
        with pytest.raises(ValueError, match=r"prior|Gamma|mean"):
            restore(content)


def test_components_share_a_prior_or_are_told_apart_by_theirs():
    rng = np.random.default_rng(3)
    lives = np.concatenate([5 * rng.weibull(1.0, 60), 40 * rng.weibull(3.0, 90)])
    free = WeibullMixture(2).fit(lives)
    vague = priors.LogNormal(1.5, 1e4)
    same = WeibullMixture(2, priors={"shape": vague}).fit(lives)
    np.testing.assert_allclose(same.parameters_, free.parameters_, atol=1e-3)
    assert same.log_likelihood_ <= free.log_likelihood_
    late = {"shape_1": priors.LogNormal(3.0, 1.05), "shape_2": priors.LogNormal(1.0, 1.05)}
    apart = WeibullMixture(2, priors=late).fit(lives)
    assert apart.scales_[0] > apart.scales_[1]
    np.testing.assert_allclose(apart.shapes_, [3.0, 1.0], rtol=0.1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"shap": SHAPE}, "knows the parameters"),
        ({"shape": priors.Normal(2.0, 1.0)}, "either sign"),
        ({"shape": 2.0}, "survjax.priors"),
        ([SHAPE], "dict"),
    ],
)
def test_priors_that_make_no_sense_are_refused(given, words):
    with pytest.raises(ValueError, match=words):
        LifetimeModel("weibull", priors=given).fit(TIMES, ONE)


def test_a_fixed_parameter_has_no_prior_and_none_has_two():
    with pytest.raises(ValueError, match="fixed"):
        LifetimeModel("weibull", priors={"shape": SHAPE}, fixed={"shape": 2.0}).fit(TIMES, ONE)
    both = {"shape": SHAPE, "shape_1": SHAPE}
    with pytest.raises(ValueError, match="two priors"):
        WeibullMixture(2, priors=both).fit(TIMES, ONE)
    for wrong in (lambda: priors.LogNormal(2.0, 0.9), lambda: priors.Gamma(1.0, np.inf)):
        with pytest.raises(ValueError, match=r"factor|sd"):
            wrong()
    law = priors.LogNormal.between(1.0, 4.0, 0.9)
    below = stats.lognorm(np.log(law.factor), scale=law.median).cdf([1.0, 4.0])
    np.testing.assert_allclose(below, [0.05, 0.95])
