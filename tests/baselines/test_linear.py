"""Linear regression: against closed forms and other programs' formulas, by every solver."""

import numpy as np
import optax
import pandas as pd
import pytest
from scipy import linalg, stats
from sklearn.base import clone
from sklearn.linear_model import LinearRegression as Reference

from survjax.baselines import LinearRegression
from survjax.estimators.messages import FitWarning

SOLVERS = ["ols", "newton", "cg", "gd", optax.lbfgs()]
NAMES = ["ols", "newton", "cg", "gd", "lbfgs"]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)) * [1.0, 100.0, 0.01] + [0.0, 1000.0, 3.0]
    return X, 3.0 + X @ [1.0, -0.02, 30.0] + 0.5 * rng.normal(size=200)


def textbook(X, y):
    """Estimates, standard errors and log-likelihood by the normal equations, in long double."""
    Z = np.column_stack([np.ones(len(X)), X])
    q, r = linalg.qr(Z, mode="economic")
    estimate = linalg.solve_triangular(r, q.T @ y)
    rest = y - Z @ estimate
    sigma = np.sqrt(rest @ rest / (len(y) - Z.shape[1]))
    inverse = linalg.inv(r) @ linalg.inv(r).T
    likelihood = stats.norm.logpdf(rest, scale=np.sqrt(np.mean(rest**2))).sum()
    return estimate, sigma * np.sqrt(np.diag(inverse)), sigma, likelihood


@pytest.mark.parametrize("solver", SOLVERS, ids=NAMES)
def test_every_solver_gives_the_textbook_answer(table, solver):
    model = LinearRegression(solver).fit(*table)
    estimate, error, sigma, likelihood = textbook(*table)
    np.testing.assert_allclose(model.parameters_, estimate, rtol=1e-6)
    np.testing.assert_allclose(model.standard_errors_, error, rtol=1e-7)
    assert model.sigma_ == pytest.approx(sigma, rel=1e-9)
    assert model.log_likelihood_ == pytest.approx(likelihood, rel=1e-10)
    assert model.converged_
    assert type(model.intercept_) is float and type(model.coef_) is np.ndarray


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("solver", ["ols", "newton"])
def test_weights_and_intercept_agree_with_scikit_learn(table, solver, intercept):
    X, y = table
    weight = np.random.default_rng(1).integers(0, 4, len(y))
    model = LinearRegression(solver, fit_intercept=intercept).fit(X, y, weight)
    other = Reference(fit_intercept=intercept).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(model.coef_, other.coef_, rtol=1e-8)
    np.testing.assert_allclose(model.predict(X), other.predict(X), rtol=1e-8)
    repeated = LinearRegression(solver, fit_intercept=intercept).fit(
        np.repeat(X, weight, axis=0), np.repeat(y, weight)
    )
    np.testing.assert_allclose(model.standard_errors_, repeated.standard_errors_, rtol=1e-8)
    assert model.sigma_ == pytest.approx(repeated.sigma_, rel=1e-10)


def test_newton_takes_one_step(table):
    assert LinearRegression("newton").fit(*table).n_iter_ == 1


def test_a_line_is_recovered_by_five_hundred_steps():
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, 10_000)
    y = 3 + 2 * x + 0.5 * rng.normal(size=10_000)
    model = LinearRegression(optax.sgd(0.05), max_iter=500, tol=1e-10)
    model.fit(x[:, None], y, validation_data=(x[:100, None], y[:100]))
    assert abs(model.intercept_ - 3) < 0.02
    assert abs(model.coef_[0] - 2) < 0.02
    assert abs(model.sigma_ - 0.5) < 0.01
    history = model.history_
    assert list(history.columns) == [
        "intercept", "x0", "sigma", "objective", "validation_objective",
    ]  # fmt: skip
    assert history.index.name == "iteration"
    assert np.all(np.diff(history["objective"]) < 1e-12)
    last = history.iloc[-1]
    assert last["objective"] == pytest.approx(-model.log_likelihood_ / 10_000, rel=1e-9)
    rest = y[:100] - model.predict(x[:100, None])
    expected = -stats.norm.logpdf(rest, scale=last["sigma"]).mean()
    assert last["validation_objective"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n_steps", [3, 40])
def test_the_history_is_the_likelihood_at_each_point(table, n_steps):
    X, y = table
    with pytest.warns(FitWarning, match="max_iter"):
        model = LinearRegression("gd", learning_rate=0.01, max_iter=n_steps).fit(X, y)
    for _, row in model.history_.iterrows():
        rest = y - row["intercept"] - X @ row[["x0", "x1", "x2"]].to_numpy()
        sigma = np.sqrt(np.mean(rest**2))
        assert row["sigma"] == pytest.approx(sigma, rel=1e-9)
        expected = -stats.norm.logpdf(rest, scale=sigma).mean()
        assert row["objective"] == pytest.approx(expected, rel=1e-9)


def test_nearly_dependent_columns_lose_no_more_digits_than_they_must():
    t = np.linspace(0, 1, 500)
    X = np.vander(t, 9, increasing=True)[:, 1:]  # condition number 1e7 after standardizing
    truth = np.arange(1.0, 9.0)
    model = LinearRegression().fit(X, 1 + X @ truth)
    np.testing.assert_allclose(model.coef_, truth, rtol=1e-6)
    np.testing.assert_allclose(model.predict(X), 1 + X @ truth, rtol=1e-12)


def test_dependent_columns_share_the_effect_with_the_least_norm():
    rng = np.random.default_rng(0)
    x = rng.normal(size=100)
    with pytest.warns(FitWarning, match="the rows do not determine x0, x1: .* depend on each"):
        model = LinearRegression().fit(np.column_stack([x, x, np.full(100, 7.0)]), 4 * x + 1)
    np.testing.assert_allclose(model.coef_, [2.0, 2.0, 0.0], atol=1e-12)
    assert model.degrees_of_freedom_ == 98


@pytest.mark.parametrize("solver", ["ols", "newton"])
@pytest.mark.parametrize("intercept", [True, False])
def test_only_what_the_rows_determine_has_an_error(table, solver, intercept):
    X, y = table
    more = np.column_stack([X, X[:, 0] - 2 * X[:, 1]])
    settings = {"solver": solver, "fit_intercept": intercept}
    with pytest.warns(FitWarning, match="do not determine x0, x1, x3: .*drop columns"):
        model = LinearRegression(**settings).fit(more, y)
    plain = LinearRegression(**settings).fit(X, y)
    assert np.isnan(model.standard_errors_).tolist() == [False, True, True, False, True]
    np.testing.assert_allclose(model.standard_errors_[3], plain.standard_errors_[3], rtol=1e-7)
    np.testing.assert_allclose(model.predict(more), plain.predict(X), rtol=1e-6)
    assert model.sigma_ == pytest.approx(plain.sigma_, rel=1e-8)


@pytest.mark.parametrize("solver", ["ols", "newton"])
def test_a_constant_column_is_left_out(table, solver):
    X, y = table
    model = LinearRegression(solver).fit(np.column_stack([X, np.full(200, 7.0)]), y)
    plain = LinearRegression(solver).fit(X, y)
    np.testing.assert_allclose(model.parameters_, [*plain.parameters_, 0.0], rtol=1e-9)
    expected = [*plain.standard_errors_, np.nan]
    np.testing.assert_allclose(model.standard_errors_, expected, rtol=1e-8)
    assert model.degrees_of_freedom_ == plain.degrees_of_freedom_


@pytest.mark.parametrize("solver", ["ols", "newton"])
@pytest.mark.parametrize("unit", [1e-200, 1e200, 1e-320])
def test_numbers_whose_squares_are_lost_are_refused(table, solver, unit):
    X, y = table
    with pytest.raises(ValueError, match="column 1 of X goes from .* give it in another unit"):
        LinearRegression(solver).fit(X * [1.0, unit, 1.0], y)
    with pytest.raises(ValueError, match="y goes from .* in another unit"):
        LinearRegression(solver).fit(X, y * unit)


@pytest.mark.parametrize("solver", ["ols", "newton", "cg"])
@pytest.mark.parametrize("unit", [1e-60, 1e60])
def test_far_units_move_the_answer_only(table, solver, unit):
    X, y = table
    plain, moved = (LinearRegression(solver).fit(X * u, y / u) for u in (1.0, unit))
    np.testing.assert_allclose(moved.coef_ * unit**2, plain.coef_, rtol=1e-7)
    np.testing.assert_allclose(
        moved.standard_errors_[1:] * unit**2, plain.standard_errors_[1:], rtol=1e-7
    )


def test_a_far_origin_costs_no_digits():
    rng = np.random.default_rng(0)
    year = 2000 + rng.uniform(-5, 5, 300)
    y = 1.5 * (year - 2000) + rng.normal(size=300)
    near = LinearRegression().fit(year[:, None] - 2000, y)
    far = LinearRegression().fit((year + 1e7)[:, None], y)
    np.testing.assert_allclose(far.coef_, near.coef_, rtol=1e-7)
    np.testing.assert_allclose(far.standard_errors_[1], near.standard_errors_[1], rtol=1e-7)


def test_more_rows_than_one_block_change_nothing():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(9001, 4))
    y = X @ [1.0, 2.0, 3.0, 4.0] + rng.normal(size=9001)
    estimate, error, sigma, _ = textbook(X, y)
    for solver in ("ols", "newton"):
        model = LinearRegression(solver).fit(X, y)
        np.testing.assert_allclose(model.parameters_, estimate, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(model.standard_errors_, error, rtol=1e-9)
        assert model.sigma_ == pytest.approx(sigma, rel=1e-10)


def test_the_summary_gives_students_bounds_under_the_columns_own_names(table):
    X, y = table
    frame = pd.DataFrame(X, columns=["load", "speed", "heat"])
    model = LinearRegression().fit(frame, y)
    table_ = model.summary(0.9)
    assert list(table_.index) == ["intercept", "load", "speed", "heat"]
    reach = stats.t(196).ppf(0.95) * table_["standard_error"]
    np.testing.assert_allclose(table_["upper"] - table_["estimate"], reach, rtol=1e-12)
    slope = stats.linregress(X[:, 0], y)
    alone = LinearRegression().fit(X[:, :1], y).summary()
    assert alone.loc["x0", "p_value"] == pytest.approx(slope.pvalue, rel=1e-8)
    assert alone.loc["x0", "standard_error"] == pytest.approx(slope.stderr, rel=1e-10)
    assert alone.loc["intercept", "standard_error"] == pytest.approx(
        slope.intercept_stderr, rel=1e-10
    )


def test_bounds_cover_as_often_as_they_say():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        x = rng.normal(size=12)
        model = LinearRegression().fit(x[:, None], 2 * x + rng.normal(size=12))
        row = model.summary(0.8).loc["x0"]
        hits += row["lower"] <= 2.0 <= row["upper"]
    assert abs(hits / 400 - 0.8) < 0.06  # three standard errors


def test_one_row_says_nothing_of_the_error():
    model = LinearRegression().fit([[1.0, 2.0]], [3.0])
    assert model.predict([[1.0, 2.0]])[0] == 3.0
    assert np.isnan(model.sigma_)
    assert np.all(np.isnan(model.standard_errors_))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"solver": "qr"}, "solver must be 'ols', 'newton', 'cg', 'gd' or an optax"),
        ({"solver": "gd", "max_iter": 0}, "max_iter must be a whole number of at least 1, got 0"),
        ({"solver": "gd", "learning_rate": -1.0}, "learning_rate must be a finite number above"),
        ({"solver": "gd", "tol": -1.0}, "tol must be a finite number at least zero, got -1.0"),
    ],
)
def test_wrong_settings_are_refused_in_fit(table, settings, message):
    model = LinearRegression(**settings)
    with pytest.raises(ValueError, match=message):
        model.fit(*table)


def test_wrong_data_are_refused(table):
    X, y = table
    with pytest.raises(ValueError, match="validation_data must be a pair"):
        LinearRegression().fit(X, y, validation_data=X)
    with pytest.raises(ValueError, match="NaN"):
        LinearRegression().fit(np.where(X > 1200, np.nan, X), y)
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        LinearRegression().fit(X, y).summary(95)


def test_a_clone_with_an_optax_solver_fits_the_same(table):
    model = LinearRegression(optax.lbfgs(), max_iter=50, tol=1e-6)
    again = clone(model).fit(*table)
    np.testing.assert_array_equal(again.coef_, model.fit(*table).coef_)
