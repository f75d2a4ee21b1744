"""Priors on the weights of mixtures, and on mixtures with covariates."""

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import logsumexp

import survjax
from survjax import MixtureRegression, WeibullMixture, priors
from survjax.likelihood.regression.constraints import named_coefficients
from survjax.likelihood.vector.prior_terms import prior_terms
from survjax.likelihood.vector.template import Template
from survjax.likelihood.weibulls import weibulls

RNG = np.random.default_rng(4)
N = 150
EARLY = RNG.random(N) < 0.35
LIVES = np.where(EARLY, 5.0 * RNG.weibull(1.1, N), 40.0 * RNG.weibull(3.5, N))
SEEN = LIVES <= 45.0
TIMES = np.minimum(LIVES, 45.0)
LOAD = RNG.normal(size=(N, 1))
FASTER = TIMES * np.exp(-0.3 * LOAD[:, 0])


def log_weights(logits):
    logits = np.append(0.0, logits)
    return logits - logsumexp(logits)


def log_likelihood(logits, scales, shapes, times):
    """By SciPy alone; scales (K,) or (K, n)."""
    rows = []
    for scale, shape in zip(scales, shapes, strict=True):
        life = stats.weibull_min(shape, scale=scale)
        rows.append(np.where(SEEN, life.logpdf(times), life.logsf(times)))
    return logsumexp(np.array(rows) + log_weights(logits)[:, None], axis=0).sum()


def highest(function, start):
    """The highest point near a start, and the inverse of its curvature."""
    found = optimize.minimize(
        lambda x: -function(x),
        start,
        method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-11, "maxiter": 20_000, "maxfev": 20_000},
    )
    return found.x, -found.fun


def test_the_density_of_weights_on_the_scale_of_logits_is_that_of_scipy_with_its_jacobian():
    template = Template(weibulls(3, False).lifetime)
    counts = np.array([2.0, 5.0, 0.5])
    terms = prior_terms(template, {"weights": priors.Dirichlet(counts)})
    at = template.logits
    x = np.zeros(template.size)
    for logits in ([0.3, -1.2], [4.0, 2.0]):
        x[at] = logits
        weights = np.exp(log_weights(logits))
        jacobian = np.log(weights).sum()
        value, gradient, hessian = terms.derivatives(x)
        law = stats.dirichlet(counts)
        assert value == pytest.approx(law.logpdf(weights) + jacobian, rel=1e-11)
        step = 1e-6
        for i, j in enumerate(at):
            ends = [terms.derivatives(x + s * np.eye(x.size)[j]) for s in (-step, step)]
            assert gradient[j] == pytest.approx((ends[1][0] - ends[0][0]) / (2 * step), rel=1e-6)
            slopes = (ends[1][1] - ends[0][1])[at] / (2 * step)
            np.testing.assert_allclose(hessian[at[i], at], slopes, rtol=1e-5)
    x[at] = [800.0, -800.0]
    assert all(np.isfinite(part).all() for part in terms.derivatives(x))


@pytest.mark.parametrize(
    "known",
    [{"weights": priors.Dirichlet((60.0, 20.0))}, {"weight_2": priors.Beta(20.0, 60.0)}],
    ids=["dirichlet", "beta"],
)
def test_the_mode_of_a_mixture_is_that_of_the_posterior_by_scipy(known):
    model = WeibullMixture(2, priors=known).fit(TIMES, SEEN)

    def log_posterior(x):
        weights = log_weights(x[:1])
        law = stats.dirichlet([60.0, 20.0]).logpdf(np.exp(weights)) + weights.sum()
        return log_likelihood(x[:1], np.exp(x[1:3]), np.exp(x[3:]), TIMES) + law

    x, top = highest(log_posterior, model.parameters_ + 0.02)
    np.testing.assert_allclose(model.parameters_, x, atol=1e-5)
    assert model.log_posterior_ == pytest.approx(top, abs=1e-8)
    table = model.summary()
    assert set(table["prior"][["weight_1", "weight_2"]]) == {str(next(iter(known.values())))}
    # A profile of the posterior: what is left at its ends is lower by the quantile.
    low, high = (float(end[0]) for end in model.confidence_interval("weights", method="profile"))
    for bound in (low, high):
        logit = np.log(1.0 / bound - 1.0)
        end = highest(lambda y: log_posterior(np.append(logit, y)), model.parameters_[1:])[1]  # noqa: B023
        assert top - end == pytest.approx(0.5 * stats.chi2(1).ppf(0.95), abs=5e-3)


def test_equal_counts_leave_components_in_the_order_of_their_medians():
    free = WeibullMixture(2).fit(TIMES, SEEN)
    equal = WeibullMixture(2, priors={"weights": priors.Dirichlet(400.0)}).fit(TIMES, SEEN)
    np.testing.assert_allclose(equal.weights_, 0.5, atol=0.05)
    assert np.all(np.diff(equal.scales_) > 0)
    vague = WeibullMixture(2, priors={"weights": priors.Dirichlet(1e-6)}).fit(TIMES, SEEN)
    np.testing.assert_allclose(vague.parameters_, free.parameters_, atol=1e-5)


def test_the_mode_of_a_mixture_with_covariates_is_that_of_the_posterior_by_scipy(tmp_path):
    known = {
        "log_scale:x0": priors.Normal(0.0, 0.05),
        "shape": priors.LogNormal(2.0, 1.3),
        "weights": priors.Dirichlet(10.0),
    }
    model = MixtureRegression(2, on=["scale"], priors=known, n_starts=16).fit(
        LOAD, np.column_stack([FASTER, SEEN])
    )
    assert model.converged_

    def log_posterior(x):
        logit, *lines = x[:5]
        scales = np.exp([lines[i] + lines[i + 1] * LOAD[:, 0] for i in (0, 2)])
        weights = log_weights([logit])
        law = stats.dirichlet([10.0, 10.0]).logpdf(np.exp(weights)) + weights.sum()
        law += stats.norm(0.0, 0.05).logpdf([x[2], x[4]]).sum()
        law += stats.norm(np.log(2.0), np.log(1.3)).logpdf(x[5:]).sum()
        return log_likelihood([logit], scales, np.exp(x[5:]), FASTER) + law

    assert model.log_posterior_ == pytest.approx(log_posterior(model.parameters_), rel=1e-10)
    x, top = highest(log_posterior, model.parameters_ + 0.01)
    np.testing.assert_allclose(model.parameters_, x, atol=1e-4)
    assert model.log_posterior_ >= top - 1e-8
    step, p = 1e-3, x.size
    hessian = np.empty((p, p))
    for i, j in np.ndindex(p, p):
        corners = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
        moved = [
            model.parameters_ + step * (a * np.eye(p)[i] + b * np.eye(p)[j]) for a, b in corners
        ]
        values = [log_posterior(point) for point in moved]
        hessian[i, j] = (values[0] - values[1] - values[2] + values[3]) / (4 * step * step)
    np.testing.assert_allclose(model.covariance_, np.linalg.inv(-hessian), rtol=2e-3, atol=1e-5)
    assert np.isnan([model.aic_, model.bic_, model.icl_]).all()
    assert list(model.summary()["prior"]) == [
        "Dirichlet(counts=10)",
        "flat",
        "Normal(mean=0, sd=0.05)",
        "flat",
        "Normal(mean=0, sd=0.05)",
        *2 * ["LogNormal(median=2, factor=1.3)"],
    ]
    model.bootstrap(20, random_state=0)
    for method in ("delta", "profile", "bootstrap"):
        low, high = model.confidence_interval("parameters", method=method)
        assert np.all((low < model.parameters_) & (model.parameters_ < high))
    model.save(tmp_path / "pump.json")
    same = survjax.load(tmp_path / "pump.json")
    assert same.priors == known
    assert same.log_posterior_ == model.log_posterior_


def test_one_finder_knows_what_people_call_coefficients():
    names = ("logit_weight_2", "log_scale_1:intercept", "log_scale_1:load", "log_scale_2:intercept")
    names = (*names, "log_scale_2:load", "log_shape_1", "log_shape_2")

    def at(name):
        return [(place.position, place.link) for place in named_coefficients(names, name, "fixed")]

    assert at("shape") == [(5, "log"), (6, "log")]
    assert at("shape_2") == [(6, "log")]
    assert at("log_scale:load") == [(2, "identity"), (4, "identity")]
    assert at("log_scale_2:load") == [(4, "identity")]
    assert at("weight_2") == [(0, "logit")]
    with pytest.raises(ValueError, match="log_scale_1:load or log_scale_2:load"):
        at("load")
    with pytest.raises(ValueError, match="fixed knows the parameters"):
        at("lode")


@pytest.mark.parametrize(
    ("k", "known", "words"),
    [
        (3, {"weight_2": priors.Beta(2.0, 2.0)}, "Dirichlet"),
        (2, {"weights": priors.Beta(2.0, 2.0)}, "Beta of weight_1"),
        (3, {"weights": priors.Dirichlet((1.0, 2.0))}, "2 counts for 3"),
        (2, {"weights": priors.Dirichlet(1.0), "weight_1": priors.Beta(2.0, 2.0)}, "two priors"),
        (1, {"weights": priors.Dirichlet(1.0)}, "no weights"),
        (2, {"shape": priors.Dirichlet(1.0)}, "weights of a mixture"),
    ],
)
def test_what_makes_no_sense_of_weights_is_refused(k, known, words):
    with pytest.raises(ValueError, match=words):
        WeibullMixture(k, priors=known).fit(TIMES, SEEN)


def test_weights_that_columns_move_have_no_prior_together():
    known = {"weights": priors.Dirichlet(2.0)}
    with pytest.raises(ValueError, match="no weights that all units share"):
        MixtureRegression(2, priors=known).fit(LOAD, FASTER)
    with pytest.raises(ValueError, match="counts"):
        priors.Dirichlet((1.0, -2.0))
