"""Priors on effects and shapes of regressions: the mode of the posterior, in the units of X."""

import numpy as np
import pytest
from scipy import optimize, stats

import survjax
from survjax import AcceleratedLifetime, FitWarning, ScaledHazard, likelihood_ratio_test, priors

RNG = np.random.default_rng(8)
N = 60
X = np.column_stack([RNG.normal(20.0, 5.0, N), RNG.random(N) < 0.3])
LIVES = np.exp(4.0 - 0.05 * X[:, 0]) * RNG.weibull(2.0, N)
Y = np.column_stack([np.minimum(LIVES, 25.0), LIVES <= 25.0])
KNOWN = {"x0": priors.Normal(-0.02, 0.01), "shape": priors.LogNormal(3.0, 1.2)}


def test_the_mode_is_that_of_the_posterior_by_scipy():
    model = AcceleratedLifetime(priors=KNOWN).fit(X, Y)
    names = model.parameter_names_

    def log_posterior(theta):
        shape = np.exp(theta[3])
        life = stats.weibull_min(shape, scale=np.exp(theta[0] + X @ theta[1:3]))
        rows = np.where(Y[:, 1], life.logpdf(Y[:, 0]), life.logsf(Y[:, 0]))
        known = stats.norm(-0.02, 0.01).logpdf(theta[1])
        return rows.sum() + known + stats.norm(np.log(3.0), np.log(1.2)).logpdf(theta[3])

    assert names == ("log_scale:intercept", "log_scale:x0", "log_scale:x1", "log_shape")
    assert model.log_posterior_ == pytest.approx(log_posterior(model.parameters_), rel=1e-10)
    # Centered, so that the simplex is not narrow.
    center = np.array([0.0, 20.0, 0.0, 0.0])
    change = np.eye(4)
    change[0, 1] = -center[1]

    def centered(u):
        return -log_posterior(change @ u)

    start = np.linalg.solve(change, model.parameters_) + 0.01
    found = optimize.minimize(
        centered,
        start,
        method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-12, "maxiter": 5000, "maxfev": 5000},
    )
    np.testing.assert_allclose(model.parameters_, change @ found.x, atol=2e-5)
    table = model.summary()
    assert table.loc["log_scale:x0", "prior"] == "Normal(mean=-0.02, sd=0.01)"
    assert table.loc["log_shape", "prior"] == "LogNormal(median=3, factor=1.2)"
    assert table.loc["log_scale:x1", "prior"] == "flat"
    assert np.isnan(model.aic_)


@pytest.mark.parametrize("make", [AcceleratedLifetime, ScaledHazard])
def test_normal_priors_around_zero_are_a_ridge(make):
    ridge = make(penalty=0.05).fit(X, Y)
    sd = 1.0 / (np.sqrt(0.05 * N) * X.std(axis=0))
    known = {f"x{j}": priors.Normal(0.0, s) for j, s in enumerate(sd)}
    model = make(priors=known).fit(X, Y)
    np.testing.assert_allclose(model.parameters_, ridge.parameters_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(model.covariance_, ridge.covariance_, rtol=1e-6, atol=1e-12)
    assert model.log_likelihood_ == pytest.approx(ridge.log_likelihood_, rel=1e-10)


def test_a_column_without_failures_has_a_finite_effect():
    y = Y.copy()
    y[X[:, 1] == 1, 1] = 0
    with pytest.warns(FitWarning, match="no proper maximum"):
        AcceleratedLifetime().fit(X, y)
    model = AcceleratedLifetime(priors={"x1": priors.Normal(0.0, 1.0)}).fit(X, y)
    assert model.converged_
    assert 0.0 < model.coef_[1] < 3.0
    low, high = model.confidence_interval("parameters", method="profile")
    assert np.isfinite([low, high]).all()
    # The likelihood falls on one side only: the profile leans to the other.
    assert high[2] - model.coef_[1] > model.coef_[1] - low[2]


def test_many_rows_and_histories_have_the_same_priors():
    many = np.tile(np.arange(N), 200)
    known = {"x0": priors.Normal(-0.02, 0.0005)}
    rows = AcceleratedLifetime(priors=known).fit(X[many], Y[many])
    counts = AcceleratedLifetime(priors=known).fit(X, Y, sample_weight=np.full(N, 200.0))
    np.testing.assert_allclose(rows.parameters_, counts.parameters_, rtol=1e-6)
    plain = AcceleratedLifetime(priors=KNOWN).fit(X, Y)
    units = AcceleratedLifetime(priors=KNOWN).fit(X, Y, unit=np.arange(N), entry=np.zeros(N))
    np.testing.assert_allclose(units.parameters_, plain.parameters_, rtol=1e-6)


def test_files_keep_priors_and_what_makes_no_sense_is_refused(tmp_path):
    model = AcceleratedLifetime(priors=KNOWN).fit(X, Y)
    model.save(tmp_path / "pump.json")
    same = survjax.load(tmp_path / "pump.json")
    assert same.priors == KNOWN
    assert same.log_posterior_ == model.log_posterior_
    with pytest.raises(ValueError, match="priors"):
        likelihood_ratio_test(AcceleratedLifetime("exponential").fit(X, Y), model)
    for given, words in (
        ({"priors": {"x7": priors.Normal(0.0, 1.0)}}, "knows the parameters"),
        ({"priors": {"x0": priors.LogNormal(1.0, 2.0)}}, "positive"),
        ({"priors": KNOWN, "penalty": 0.1}, "penalty"),
    ):
        with pytest.raises(ValueError, match=words):
            AcceleratedLifetime(**given).fit(X, Y)
    with pytest.raises(ValueError, match="joint"):
        ScaledHazard(joint=False, priors=KNOWN).fit(X, Y)


@pytest.mark.parametrize(
    ("name", "fixed"), [("x0", {"log_scale:x0": 0.5}), ("shape", {"shape": 1.0})]
)
def test_what_is_fixed_has_no_prior(name, fixed):
    rng = np.random.default_rng(0)
    x, life = rng.normal(size=(60, 1)), rng.weibull(2.0, 60)
    prior = priors.LogNormal(2.0, 1.2) if name == "shape" else priors.Normal(0.0, 1.0)
    model = AcceleratedLifetime(priors={name: prior}, fixed=fixed)
    with pytest.raises(ValueError, match=f"{name} is fixed, and so has no prior"):
        model.fit(x, life)
