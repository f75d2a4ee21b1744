"""Linear and logistic models: estimates, errors and likelihoods of statsmodels, to 1e-6."""

import numpy as np
import pytest
from scipy.special import expit

from survjax.baselines import LinearRegression, LogisticRegression

api = pytest.importorskip("statsmodels.api", reason="statsmodels is not installed")

RNG = np.random.default_rng(5)
N = 300
# Columns of very different units, as tables have them.
X = RNG.normal(size=(N, 3)) * [1.0, 50.0, 0.02] + [0.0, 200.0, 1.0]
DESIGN = np.column_stack([np.ones(N), X])
ETA = X[:, 0] + 0.02 * (X[:, 1] - 200) - 20 * (X[:, 2] - 1)
COUNTS = RNG.integers(1, 4, N)
LABELS = RNG.random(N) < expit(ETA)
CLASSES = np.argmax(np.outer(ETA, [0.0, 0.5, -0.5]) + RNG.gumbel(size=(N, 3)), axis=1)
NUMBERS = 3 + 2 * ETA + 0.5 * RNG.normal(size=N)


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("solver", ["ols", "newton", "cg"])
def test_least_squares(solver):
    ours, theirs = LinearRegression(solver).fit(X, NUMBERS), api.OLS(NUMBERS, DESIGN).fit()
    close(ours.parameters_, theirs.params)
    close(ours.standard_errors_, theirs.bse)
    close(ours.covariance_, theirs.cov_params())
    close(ours.log_likelihood_, theirs.llf)
    close(ours.sigma_**2, theirs.scale)
    assert ours.degrees_of_freedom_ == theirs.df_resid
    table = ours.summary(level=0.9)
    close(table[["lower", "upper"]], theirs.conf_int(alpha=0.1))
    close(table["p_value"], theirs.pvalues)


def test_least_squares_without_a_constant():
    ours = LinearRegression(fit_intercept=False).fit(X, NUMBERS)
    theirs = api.OLS(NUMBERS, X).fit()
    close(ours.coef_, theirs.params)
    close(ours.standard_errors_[1:], theirs.bse)
    close(ours.log_likelihood_, theirs.llf)


@pytest.mark.parametrize("solver", ["newton", "cg"])
def test_two_classes(solver):
    ours = LogisticRegression(0.0, solver=solver).fit(X, LABELS)
    theirs = api.Logit(LABELS.astype(float), DESIGN).fit(
        method="newton", maxiter=100, tol=1e-10, disp=0
    )
    close(ours.parameters_, theirs.params)
    close(ours.standard_errors_, theirs.bse)
    close(ours.covariance_, theirs.cov_params())
    close(ours.log_likelihood_, theirs.llf)
    close(ours.predict_proba(X)[:, 1], theirs.predict())
    table = ours.summary(level=0.9)
    close(table[["lower", "upper"]], theirs.conf_int(alpha=0.1))
    close(table["p_value"], theirs.pvalues)


def test_two_classes_with_counts_and_without_a_constant():
    family = api.families.Binomial()
    theirs = api.GLM(LABELS.astype(float), X, family=family, freq_weights=COUNTS).fit(tol=1e-14)
    ours = LogisticRegression(0.0, fit_intercept=False).fit(X, LABELS, COUNTS)
    close(ours.coef_[0], theirs.params)
    close(ours.standard_errors_[1:], theirs.bse)
    close(ours.log_likelihood_, theirs.llf)


def test_three_classes():
    ours = LogisticRegression(0.0).fit(X, CLASSES)
    theirs = api.MNLogit(CLASSES, DESIGN).fit(method="newton", maxiter=100, tol=1e-10, disp=0)
    # Theirs are differences to the first class: rows of columns by classes.
    take = np.kron(np.array([[-1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]]), np.eye(4))
    close(take @ ours.parameters_, theirs.params.T.ravel())
    covariance = take @ ours.covariance_ @ take.T
    close(covariance, theirs.cov_params())
    close(np.sqrt(np.diag(covariance)), theirs.bse.T.ravel())
    close(ours.log_likelihood_, theirs.llf)
    close(ours.predict_proba(X), theirs.predict())
