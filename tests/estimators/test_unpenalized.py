"""Columns that the penalty leaves as they are.

R's survival 3.5-3, of the ridge (columns b and c have a standard deviation of one):

    library(survival)
    i <- 1:40
    d <- data.frame(t = (i * i * 3 + i) %% 19 + i / 100, e = as.integer(i %% 5 != 0),
                    a = as.integer(i %% 3 == 0))
    unit <- function(x) (x - mean(x)) / sqrt(mean((x - mean(x))^2))
    d$b <- unit((i * 17) %% 23); d$c <- unit((i * 5) %% 11)
    fit <- coxph(Surv(t, e) ~ a + ridge(b, c, theta = 40 * 0.2, scale = FALSE), d,
                 control = coxph.control(eps = 1e-13, toler.chol = 1e-14))
    cat(sprintf("%.12g", coef(fit)), "\n")
"""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

import survjax
from survjax import AcceleratedLifetime, CoxPH, FitWarning, MixtureRegression, ScaledHazard

NUMBER = np.arange(1, 41)
TIME, EVENT = (NUMBER * NUMBER * 3 + NUMBER) % 19 + NUMBER / 100, NUMBER % 5 != 0


def unit(x):
    """A column with mean zero and a standard deviation of one."""
    return (x - x.mean()) / x.std()


X = np.column_stack([NUMBER % 3 == 0, unit((NUMBER * 17) % 23), unit((NUMBER * 5) % 11)])
Y = np.column_stack([TIME, EVENT])
FRAME = pd.DataFrame(X, columns=["age", "b", "c"])
FROM_R = [0.0632764472017, 0.0467991376196, 0.0562626507407]


def test_a_ridge_on_some_columns_agrees_with_R():
    model = CoxPH(penalty=0.2, unpenalized=["age"]).fit(FRAME, Y)
    np.testing.assert_allclose(model.coef_, FROM_R, atol=1e-8)


def cox_loss(b):
    """Minus the log partial likelihood, by a loop over failures."""
    eta, total = X @ b, 0.0
    for i in np.flatnonzero(EVENT):
        total += eta[i] - np.log(np.sum(np.exp(eta[TIME[i] <= TIME])))
    return -total


def weibull_loss(theta):
    """Minus the log-likelihood of an accelerated Weibull: intercept, effects, log shape."""
    shape = np.exp(theta[-1])
    z = shape * (np.log(TIME) - theta[0] - X @ theta[1:-1])
    return np.sum(np.exp(z)) - EVENT @ (theta[-1] + z - np.log(TIME))


CASES = {
    "cox": (CoxPH, cox_loss, np.zeros(3), slice(0, 3)),
    "weibull": (AcceleratedLifetime, weibull_loss, np.array([2.0, 0, 0, 0, 0]), slice(1, 4)),
}


@pytest.mark.parametrize("l1_ratio", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("name", CASES)
def test_the_penalized_likelihood_has_its_maximum_there(name, l1_ratio):
    kind, loss, start, effects = CASES[name]
    model = kind(penalty=0.1, l1_ratio=l1_ratio, unpenalized=[0]).fit(X, Y)

    def cost(theta):
        b = theta[effects][1:]
        lasso, ridge = np.sum(np.abs(b)), 0.5 * np.sum(b**2)
        return loss(theta) + 40 * 0.1 * (l1_ratio * lasso + (1 - l1_ratio) * ridge)

    options = {"maxiter": 20_000, "maxfev": 20_000, "xatol": 1e-9, "fatol": 1e-12}
    best = optimize.minimize(cost, start, method="Nelder-Mead", options=options)
    best = optimize.minimize(cost, best.x, method="Nelder-Mead", options=options)
    np.testing.assert_allclose(model.parameters_, best.x, atol=2e-6)
    assert cost(model.parameters_) <= best.fun + 1e-12


MODELS = [
    CoxPH,
    AcceleratedLifetime,
    ScaledHazard,
    lambda **settings: MixtureRegression(1, **settings),
]


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_an_unpenalized_column_alone_fits_as_without_a_penalty(kind, l1_ratio):
    x, settings = FRAME[["age"]], {"penalty": 5.0, "l1_ratio": l1_ratio}
    plain, free = kind().fit(x, Y), kind(unpenalized=["age"], **settings).fit(x, Y)
    np.testing.assert_allclose(free.parameters_, plain.parameters_, atol=1e-9)
    assert free.log_likelihood_ == pytest.approx(plain.log_likelihood_, rel=1e-12)


@pytest.mark.parametrize("kind", MODELS[:3])
def test_a_penalty_chosen_by_cross_validation_leaves_them_too(kind, tmp_path):
    model = kind(penalty="cv", l1_ratio=0.5, unpenalized=["age"]).fit(FRAME, Y)
    path = model.penalty_path_
    assert list(path.columns) == ["penalty", "score", "error", "age", "b", "c"]
    # The largest penalty lets in no other column.
    assert np.all(path.loc[0, ["b", "c"]].abs() < 1e-6)
    assert abs(path.loc[0, "age"]) > 0.01
    settings = {"penalty": model.penalty_, "l1_ratio": 0.5, "unpenalized": [0]}
    again = kind(**settings).fit(FRAME, Y)
    np.testing.assert_allclose(again.parameters_, model.parameters_, atol=1e-7)
    model.save(tmp_path / "model.json")
    loaded = survjax.load(tmp_path / "model.json")
    assert loaded.unpenalized == ["age"]
    np.testing.assert_array_equal(loaded.parameters_, model.parameters_)


@pytest.mark.parametrize("kind", MODELS)
def test_unpenalized_must_name_columns(kind):
    for bad, words in (
        (["weight"], "unpenalized: no column 'weight', the columns are age, b, c"),
        ([3], "unpenalized: there is no column 3, only 0 to 2"),
        (2.5, "unpenalized must list names or positions of columns, got 2.5"),
    ):
        for penalty in (0.0, 0.1):
            with pytest.raises(ValueError, match=words):
                kind(penalty=penalty, unpenalized=bad).fit(FRAME, Y)
    with pytest.raises(ValueError, match="nothing to choose: no column is penalized"):
        kind(penalty="cv", unpenalized="all").fit(FRAME, Y)


@pytest.mark.parametrize("kind", MODELS[:3])
def test_unpenalized_columns_must_not_repeat_each_other_but_penalized_ones_may(kind):
    x = FRAME.assign(again=FRAME["b"])
    with pytest.raises(ValueError, match=r"'again' is a linear .*'b'.* or penalize them"):
        kind(penalty=0.1, unpenalized=["b", "again"]).fit(x, Y)
    free = kind(penalty=0.1, unpenalized=["age", "b"]).fit(FRAME, Y)
    double = kind(penalty=0.1, unpenalized=["age", "b"]).fit(x, Y)
    np.testing.assert_allclose(double.coef_, [*free.coef_, 0.0], atol=1e-7)


def test_an_unpenalized_effect_that_runs_off_is_told():
    event = EVENT & (X[:, 0] == 0)
    y = np.column_stack([TIME, event])
    for settings in ({"penalty": 0.2}, {"penalty": 0.1, "l1_ratio": 1.0}, {"penalty": "cv"}):
        model = CoxPH(unpenalized=["age"], **settings)
        with pytest.warns(FitWarning, match="'age' runs off to infinity.* or penalize them"):
            model.fit(FRAME, y)
        assert model.coef_[0] == -np.inf and not model.converged_
        assert np.isfinite(model.coef_[1:]).all()
    # In the limit, those that never fail are not there.
    model = CoxPH(penalty=0.2, unpenalized=["age"])
    with pytest.warns(FitWarning, match="'age' runs off"):
        model.fit(FRAME, y)
    assert np.isnan(model.covariance_[0]).all()
    assert np.isfinite(model.covariance_[1:, 1:]).all()
    for kind in (AcceleratedLifetime, ScaledHazard):
        with pytest.warns(FitWarning, match=r"the data leave .*age open.* or penalize them"):
            kind(penalty=0.2, unpenalized=["age"]).fit(FRAME, y)
