"""Known parts of a linear predictor.

R's survival 3.5-3:

    library(survival)
    i <- 1:40
    d <- data.frame(t = ((i * i * 3 + i) %% 19 + 1) / 2, e = as.integer(i %% 5 != 0),
                    x = (i * 17) %% 23 / 10, z = as.integer(i %% 3 == 0),
                    o = ((i * 11) %% 13 - 6) / 5, w = 1 + (i * 5) %% 4)
    exact <- survreg.control(rel.tolerance = 1e-14, maxiter = 100)
    show <- function(..., d = "weibull") {
      fit <- survreg(..., dist = d, control = exact)
      cat(sprintf("%.14g", c(coef(fit), -log(fit$scale), fit$loglik[2])), "\n")
    }
    for (d in c("weibull", "lognormal", "loglogistic", "exponential"))
      show(Surv(t, e) ~ x + z + offset(o), d, d = d)
    show(Surv(t, t + 1.5, type = "interval2") ~ x + z + offset(o), d, weights = w)
    coef(glm(e ~ x + z + offset(log(t) + o), poisson, d, control = glm.control(epsilon = 1e-14)))
"""

import numpy as np
import pytest
from scipy import optimize

import survjax
from survjax import (
    AcceleratedLifetime,
    DeepWeibullMixture,
    MixtureRegression,
    ScaledHazard,
    survival_target,
)
from survjax.lifetimes import Exponential

NUMBER = np.arange(1, 41)
TIME, EVENT = ((NUMBER * NUMBER * 3 + NUMBER) % 19 + 1) / 2, NUMBER % 5 != 0
X = np.column_stack([(NUMBER * 17) % 23 / 10, NUMBER % 3 == 0])
OFFSET, WEIGHT = ((NUMBER * 11) % 13 - 6) / 5, 1.0 + (NUMBER * 5) % 4
Y = np.column_stack([TIME, EVENT])

# Coefficients, log shape, log-likelihood.
FROM_R = {
    "weibull": [
        *(1.5824307952194, 0.13086409245971, -0.1019742787672, 0.39261854588391),
        -80.782138655668,
    ],
    "lognormal": [
        *(1.04675074731, 0.23332854377956, 0.028651826453201, 0.22249694851757),
        -80.344234927183,
    ],
    "loglogistic": [
        *(1.0553095904877, 0.25196090268608, -0.026321170859072, 0.75025963177157),
        -81.123249243826,
    ],
    "exponential": [
        *(1.5133923743611, 0.14461354514084, -0.075987978553287),
        -84.328928031166,
    ],
}


@pytest.mark.parametrize("family", FROM_R)
def test_offsets_agree_with_R(family):
    model = AcceleratedLifetime(family).fit(X, Y, offset=OFFSET)
    np.testing.assert_allclose(model.parameters_, FROM_R[family][:-1], atol=1e-8)
    assert model.log_likelihood_ == pytest.approx(FROM_R[family][-1], abs=1e-8)
    assert model.score(X, Y, offset=OFFSET) * 40 == pytest.approx(FROM_R[family][-1], abs=1e-8)
    assert model.converged_


def test_offsets_of_intervals_agree_with_R():
    y = survival_target(TIME, TIME + 1.5)
    model = AcceleratedLifetime().fit(X, y, offset=OFFSET, sample_weight=WEIGHT)
    expected = [1.6764032183415, 0.07572293483197, -0.064536481550971, 0.4596812471387]
    np.testing.assert_allclose(model.parameters_, expected, atol=1e-8)
    assert model.log_likelihood_ == pytest.approx(-208.42206028775, abs=1e-8)


def test_a_held_base_with_an_offset_is_the_Poisson_regression_of_R():
    model = ScaledHazard(Exponential(0.0), joint=False, center=False).fit(X, Y, offset=OFFSET)
    expected = [-1.9194535776855, -0.06598053878518, -0.10128327929452]
    np.testing.assert_allclose(model.parameters_[:3], expected, atol=1e-8)


def test_the_offset_of_a_scaled_hazard_adds_to_the_log_hazard():
    def loss(theta):
        effects, log_scale, shape = theta[:2], theta[2], np.exp(theta[3])
        log_ratio = (X - X.mean(axis=0)) @ effects + OFFSET
        z = shape * (np.log(TIME) - log_scale)
        log_hazard = log_ratio + theta[3] + z - np.log(TIME)
        return np.sum(np.exp(z + log_ratio)) - EVENT @ log_hazard

    options = {"maxiter": 20_000, "maxfev": 20_000, "xatol": 1e-10, "fatol": 1e-13}
    best = optimize.minimize(loss, [0, 0, 2, 0.5], method="Nelder-Mead", options=options)
    model = ScaledHazard().fit(X, Y, offset=OFFSET)
    np.testing.assert_allclose(model.parameters_, best.x, atol=1e-6)
    assert model.log_likelihood_ == pytest.approx(-best.fun, abs=1e-10)


def fleet(n=150):
    """Covariates, an offset that is a multiple of the first, and a target."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 2))
    life = rng.weibull(1.5, n) * np.exp(2 + x @ [0.5, -0.3])
    limit = rng.exponential(20, n)
    return x, 0.3 * x[:, 0], np.column_stack([np.minimum(life, limit), life <= limit])


MODELS = {
    "weibull": AcceleratedLifetime(),
    "hazard": ScaledHazard(),
    "two steps": ScaledHazard(joint=False),
    "ridge": AcceleratedLifetime(penalty="cv", unpenalized=[0]),
    "lasso": ScaledHazard(penalty=0.1, l1_ratio=1.0, unpenalized=[0]),
}


@pytest.mark.parametrize("name", MODELS)
def test_an_offset_along_a_column_moves_its_coefficient_and_no_curve(name):
    x, offset, y = fleet()
    plain = MODELS[name].fit(x, y)
    effects, score = plain.coef_.copy(), plain.score(x, y)
    curve = plain.predict_survival(x, [2.0, 9.0])
    model = MODELS[name].fit(x, y, offset=offset)
    np.testing.assert_allclose(model.coef_, effects - [0.3, 0.0], atol=1e-7)
    assert model.score(x, y, offset=offset) == pytest.approx(score, rel=1e-9)
    found = model.predict_survival(x, [2.0, 9.0], offset=offset)
    np.testing.assert_allclose(found, curve, rtol=1e-6)


def test_every_prediction_takes_the_offset(tmp_path):
    x, offset, y = fleet()
    ages = y[:, 0]
    plain, model = AcceleratedLifetime().fit(x, y), AcceleratedLifetime().fit(x, y, offset=offset)
    for name, rest in (
        ("predict", {"ages": ages}),
        ("predict_rul", {"ages": ages, "quantiles": [0.5]}),
        ("predict_quantile", {"quantiles": [0.5]}),
        ("predict_interval", {}),
        ("failure_probability", {"ages": ages, "horizon": 3.0}),
    ):
        found = getattr(model, name)(x, offset=offset, **rest)
        np.testing.assert_allclose(found, getattr(plain, name)(x, **rest), rtol=1e-6, err_msg=name)
    plan, edges = x[:3], [0, 2, 4, 6]
    followed = model.predict_path(plan, edges, offset=offset[:3])
    assert followed.mean == pytest.approx(plain.predict_path(plan, edges).mean, rel=1e-7)
    assert followed.gradient.shape == (3, 2)
    model.save(tmp_path / "model.json")
    loaded = survjax.load(tmp_path / "model.json")
    np.testing.assert_array_equal(loaded.predict(x, offset=offset), model.predict(x, offset=offset))


def histories(x):
    """Two rows a unit, with covariates that change."""
    rng = np.random.default_rng(2)
    y = fleet()[2]
    middle = y[:, 0] / 3
    stop = np.ravel(np.column_stack([middle, y[:, 0]]))
    event = np.ravel(np.column_stack([np.zeros(len(y)), y[:, 1]]))
    rows = np.repeat(x, 2, axis=0) + 0.3 * rng.normal(size=(2 * len(y), 2))
    options = {
        "entry": np.ravel(np.column_stack([np.zeros(len(y)), middle])),
        "unit": np.repeat(np.arange(len(y)), 2),
    }
    return rows, np.column_stack([stop, event]), options


@pytest.mark.parametrize("name", ["weibull", "hazard"])
def test_offsets_may_change_along_a_history(name):
    x, y, options = histories(fleet()[0])
    offset = 0.3 * x[:, 0]
    plain = MODELS[name].fit(x, y, **options)
    effects, value = plain.coef_.copy(), plain.log_likelihood_
    score = plain.score(x, y, **options)
    ages = None
    if name == "weibull":
        ages = plain.effective_ages(x, y[:, 0], **options)
    model = MODELS[name].fit(x, y, offset=offset, **options)
    np.testing.assert_allclose(model.coef_, effects - [0.3, 0.0], atol=1e-7)
    assert model.log_likelihood_ == pytest.approx(value, rel=1e-10)
    assert model.score(x, y, offset=offset, **options) == pytest.approx(score, rel=1e-10)
    if ages is not None:
        found = model.effective_ages(x, y[:, 0], offset=offset, **options)
        np.testing.assert_allclose(found, ages, rtol=1e-7)


@pytest.mark.parametrize(
    ("model", "amount"), [(AcceleratedLifetime(), -20.0), (ScaledHazard(), 5.0)]
)
def test_one_offset_for_all_changes_no_effect(model, amount):
    x, _, y = fleet()
    effects, value = model.fit(x, y).coef_.copy(), model.log_likelihood_
    model.fit(x, y, offset=np.full(len(x), amount))
    np.testing.assert_allclose(model.coef_, effects, atol=1e-7)
    assert model.log_likelihood_ == pytest.approx(value, rel=1e-10)


def test_many_rows_take_their_start_from_some_with_offsets_too():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(45_000, 2))
    y = rng.weibull(1.5, 45_000) * np.exp(2 + x @ [0.5, -0.3])
    plain = AcceleratedLifetime().fit(x, y)
    model = AcceleratedLifetime().fit(x, y, offset=2.0 * x[:, 0])
    np.testing.assert_allclose(model.coef_, plain.coef_ - [2.0, 0.0], atol=1e-8)


def test_offsets_that_make_no_sense_are_one_clear_error():
    for bad, words in (
        (np.ones(3), "one entry for each of the 40 rows of X, got 3"),
        (np.where(NUMBER == 7, np.nan, 0.0), r"offset must be finite, got nan in row 6 \(1 such"),
        (["a"] * 40, "offset must be numbers, got text"),
        (1.0, "offset must be one-dimensional, got a float"),
    ):
        with pytest.raises(ValueError, match=words):
            AcceleratedLifetime().fit(X, Y, offset=bad)
    mixture = MixtureRegression(1).fit(X, Y)
    with pytest.raises(ValueError, match="MixtureRegression takes no offset: AcceleratedLifetime"):
        mixture.predict(X, offset=OFFSET)
    with pytest.raises(ValueError, match="MixtureRegression takes no offset: AcceleratedLifetime"):
        MixtureRegression(1).fit(X, Y, offset=OFFSET)
    with pytest.raises(TypeError, match="offset"):
        DeepWeibullMixture().fit(X, Y, offset=OFFSET)
