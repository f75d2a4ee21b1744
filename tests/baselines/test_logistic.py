"""Logistic regression: against scikit-learn, known ceilings, and an oracle for separation."""

import numpy as np
import optax
import pandas as pd
import pytest
from scipy.optimize import linprog
from scipy.special import expit, log_expit
from sklearn.linear_model import LogisticRegression as Reference

from survjax.baselines import LogisticRegression
from survjax.baselines._predictor import contrasts
from survjax.estimators.messages import FitWarning


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3)) * [1.0, 50.0, 0.02] + [0.0, 200.0, 1.0]
    logit = X[:, 0] + 0.02 * (X[:, 1] - 200) - 20 * (X[:, 2] - 1)
    return X, np.where(rng.random(300) < expit(logit), "yes", "no")


@pytest.fixture(scope="module")
def classes():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(400, 3))
    logits = np.column_stack([X[:, 0], 0.5 * X[:, 1], X[:, 2] - X[:, 0], np.zeros(400)])
    return X, np.argmax(logits + rng.gumbel(size=(400, 4)), axis=1)


def fisher_information(X, probability):
    Z = np.column_stack([np.ones(len(X)), X])
    return (Z.T * (probability * (1 - probability))) @ Z


@pytest.mark.parametrize(
    "solver", ["newton", "cg", "gd", optax.lbfgs()], ids=["newton", "cg", "gd", "lbfgs"]
)
def test_every_solver_solves_the_score_equations(table, solver):
    X, y = table
    model = LogisticRegression(0.0, solver=solver).fit(X, y)
    assert model.converged_ and not model.separated_
    rest = (y == "yes") - model.predict_proba(X)[:, 1]
    spread = (X - X.mean(axis=0)) / X.std(axis=0)
    assert np.max(np.abs(np.column_stack([np.ones(300), spread]).T @ rest)) < 1e-5
    information = fisher_information(X, model.predict_proba(X)[:, 1])
    np.testing.assert_allclose(
        model.standard_errors_, np.sqrt(np.diag(np.linalg.inv(information))), rtol=1e-6
    )
    likelihood = np.sum(log_expit(np.where(y == "yes", 1, -1) * model.decision_function(X)))
    assert model.log_likelihood_ == pytest.approx(likelihood, rel=1e-10)


@pytest.mark.parametrize("ridge", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("intercept", [True, False])
def test_two_classes_agree_with_scikit_learn(table, ridge, intercept):
    X, y = table
    model = LogisticRegression(ridge, fit_intercept=intercept).fit(X, y)
    other = Reference(
        C=1 / ridge, fit_intercept=intercept, tol=1e-12, solver="newton-cholesky", max_iter=1000
    ).fit(X, y)
    np.testing.assert_allclose(model.coef_, other.coef_, rtol=1e-6)
    np.testing.assert_allclose(model.intercept_, other.intercept_, rtol=1e-6)
    np.testing.assert_allclose(model.predict_proba(X), other.predict_proba(X), rtol=1e-6)
    np.testing.assert_array_equal(model.classes_, other.classes_)


@pytest.mark.parametrize("ridge", [0.01, 5.0])
def test_several_classes_agree_with_scikit_learn(classes, ridge):
    X, y = classes
    model = LogisticRegression(ridge).fit(X, y)
    other = Reference(C=1 / ridge, tol=1e-12, solver="newton-cholesky").fit(X, y)
    np.testing.assert_allclose(model.coef_, other.coef_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(model.predict_proba(X), other.predict_proba(X), rtol=1e-6)
    np.testing.assert_allclose(model.coef_.sum(axis=0), 0.0, atol=1e-12)
    assert model.decision_function(X).shape == (400, 4)


def test_contrasts_keep_lengths_and_sum_to_zero():
    for k in (2, 3, 7):
        basis = contrasts(k)
        np.testing.assert_allclose(basis.T @ basis, np.eye(k - 1), atol=1e-14)
        np.testing.assert_allclose(basis.sum(axis=0), 0.0, atol=1e-14)


def test_the_covariance_of_several_classes_is_the_inverse_information(classes):
    X, y = classes
    model = LogisticRegression(0.0).fit(X, y)
    # Differences to the last class are the parameters of the textbook model.
    size = 4
    take = np.kron(np.column_stack([np.eye(3), -np.ones(3)]), np.eye(size))
    covariance = take @ model.covariance_ @ take.T
    p = model.predict_proba(X)[:, :3]
    Z = np.column_stack([np.ones(400), X])
    bends = p[:, :, None] * np.eye(3) - p[:, :, None] * p[:, None, :]
    information = np.einsum("nab,ni,nj->aibj", bends, Z, Z).reshape(12, 12)
    np.testing.assert_allclose(covariance, np.linalg.inv(information), rtol=1e-6, atol=1e-9)


def test_weights_are_repetitions(table):
    X, y = table
    weight = np.random.default_rng(2).integers(0, 4, 300)
    weighted = LogisticRegression(2.0).fit(X, y, weight)
    repeated = LogisticRegression(2.0).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-8)
    np.testing.assert_allclose(weighted.standard_errors_, repeated.standard_errors_, rtol=1e-8)


@pytest.mark.parametrize("n", [2048, 2049, 5000, 20_001])
def test_more_rows_than_one_chunk_change_nothing(n):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 2))
    y = rng.random(n) < expit(X @ [1.0, -2.0])
    model = LogisticRegression(1.0).fit(X, y)
    other = Reference(C=1.0, tol=1e-12, solver="newton-cholesky").fit(X, y)
    np.testing.assert_allclose(model.coef_, other.coef_, rtol=1e-7)


def test_a_plane_in_a_hundred_dimensions_reaches_the_ceiling_of_its_noise():
    rng = np.random.default_rng(0)
    normal = rng.normal(size=100)
    X = rng.normal(size=(20_000, 100))
    score = X @ normal / np.linalg.norm(normal)
    # Labels flip with the odds of a logistic noise that leaves some 4.5 % on the wrong side.
    y = score + 0.09 * rng.logistic(size=20_000) > 0
    ceiling = np.mean((score > 0) == y)
    train, held = slice(0, 10_000), slice(10_000, None)
    model = LogisticRegression(1.0).fit(X[train], y[train], validation_data=(X[held], y[held]))
    reached = model.history_["validation_accuracy"].iloc[-1]
    assert 0.94 < ceiling < 0.97
    assert ceiling - 0.02 < reached < ceiling + 0.005
    assert reached == pytest.approx(model.score(X[held], y[held]), abs=1e-12)


def test_a_ball_is_not_separable_by_a_plane():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 100)) / np.sqrt(99.33)  # half of it is in the ball
    y = np.sum(X**2, axis=1) < 1
    assert abs(y.mean() - 0.5) < 0.01
    model = LogisticRegression().fit(X[:10_000], y[:10_000])
    assert abs(model.score(X[10_000:], y[10_000:]) - 0.5) < 0.03


def test_the_history_counts_what_each_point_gets_wrong(table):
    X, y = table
    held = X[:50] + 0.1, y[:50]
    with pytest.warns(FitWarning, match="stopped at max_iter"):
        model = LogisticRegression(solver="gd", learning_rate=0.5, max_iter=12)
        model.fit(X, y, validation_data=held)
    assert len(model.history_) == 13
    for _, row in model.history_.iterrows():
        for prefix, (Z, labels) in {"": (X, y), "validation_": held}.items():
            logit = row["intercept"] + Z @ row[["x0", "x1", "x2"]].to_numpy()
            truth = labels == "yes"
            expected = {
                "objective": -np.mean(log_expit(np.where(truth, 1, -1) * logit)),
                "accuracy": np.mean((logit > 0) == truth),
                "false_positives": np.sum((logit > 0) & ~truth),
                "false_negatives": np.sum((logit <= 0) & truth),
                "mean_prediction": np.mean(expit(logit)),
            }
            for name, value in expected.items():
                assert row[prefix + name] == pytest.approx(value, rel=1e-8), name


def test_the_model_of_an_earlier_iteration_can_be_had_back(table, classes):
    model = LogisticRegression().fit(*table)
    for i in range(len(model.history_)):
        accuracy = model.at_iteration(i).score(*table)
        assert accuracy == pytest.approx(model.history_["accuracy"].iloc[i])
    np.testing.assert_array_equal(model.at_iteration(-1).coef_, model.coef_)
    many = LogisticRegression().fit(*classes)
    assert np.ptp(many.at_iteration(0).predict_proba(classes[0])) < 1e-12


def test_the_history_of_several_classes_follows_each_share(classes):
    X, y = classes
    model = LogisticRegression().fit(X, y, validation_data=(X[:99], y[:99]))
    last = model.history_.iloc[-1]
    shares = model.predict_proba(X).mean(axis=0)
    np.testing.assert_allclose([last[f"mean_prediction[{k}]"] for k in range(4)], shares)
    assert last["validation_accuracy"] == pytest.approx(model.score(X[:99], y[:99]))
    np.testing.assert_allclose(shares, np.bincount(y) / 400, atol=1e-9)


def test_logits_of_a_thousand_are_safe():
    model = LogisticRegression(1e-9, max_iter=60).fit([[-1.0], [-0.9], [0.9], [1.0]], [0, 0, 1, 1])
    far = np.array([[-1e6], [1e6]])
    assert np.all(np.isfinite(model.predict_log_proba(far)))
    assert model.predict_log_proba(far).min() < -1e5
    np.testing.assert_array_equal(model.predict_proba(far), [[1, 0], [0, 1]])
    assert np.all(np.isfinite(model.history_))


def lp_separated(X, y):
    """Konis (2007): separated if some direction lowers no row's own odds and raises one."""
    Z = np.column_stack([np.ones(len(X)), X]) * np.where(y, 1.0, -1.0)[:, None]
    found = linprog(-Z.sum(axis=0), A_ub=-Z, b_ub=np.zeros(len(Z)), bounds=(-1, 1))
    return -found.fun > 1e-7


def test_separation_is_found_exactly_where_a_linear_program_finds_it():
    rng = np.random.default_rng(0)
    found = []
    for case in range(60):
        # Small tables of few values: many are separated, or separated but for ties.
        X = rng.integers(-2, 3, size=(int(rng.integers(6, 14)), 2)).astype(float)
        y = X @ [1.0, 0.7] + rng.normal(size=len(X)) * (case % 4) > 0
        if y.all() or not y.any():
            continue
        expected = lp_separated(X, y)
        with pytest.warns(FitWarning) if expected else no_warning():
            model = LogisticRegression(0.0).fit(X, y)
        assert model.separated_ == expected, (X, y)
        assert model.converged_ != expected
        assert np.all(np.isnan(model.standard_errors_)) == expected
        found.append(expected)
    assert 10 < sum(found) < len(found) - 10


def no_warning():
    import contextlib

    return contextlib.nullcontext()


def test_three_separated_classes_are_said_to_be():
    X = np.arange(9.0)[:, None]
    with pytest.warns(FitWarning, match="pass ridge > 0"):
        model = LogisticRegression(0.0).fit(X, np.repeat([0, 1, 2], 3))
    assert model.separated_
    assert model.score(X, np.repeat([0, 1, 2], 3)) == 1.0
    ridged = LogisticRegression(0.1).fit(X, np.repeat([0, 1, 2], 3))
    assert ridged.converged_ and np.all(np.isfinite(ridged.standard_errors_))


@pytest.mark.parametrize("several", [False, True])
def test_only_what_the_rows_determine_has_an_error(table, classes, several):
    X, y = classes if several else table
    more = np.column_stack([X, X[:, 0] - 2 * X[:, 1], np.full(len(X), 7.0)])
    with pytest.warns(FitWarning, match="the rows do not determine .*x0, .*drop columns"):
        model = LogisticRegression(0.0).fit(more, y)
    plain = LogisticRegression(0.0).fit(X, y)
    assert model.converged_
    errors = model.standard_errors_.reshape(-1, 6)
    assert np.all(np.isnan(errors) == [False, True, True, False, True, True])
    expected = plain.standard_errors_.reshape(-1, 4)[:, [0, 3]]
    np.testing.assert_allclose(errors[:, [0, 3]], expected, rtol=1e-6)
    np.testing.assert_allclose(model.predict_proba(more), plain.predict_proba(X), atol=1e-8)
    # A ridge decides between the choices.
    assert np.all(np.isfinite(LogisticRegression(1.0).fit(more, y).standard_errors_))


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_numbers_whose_squares_are_lost_are_refused(table, unit):
    X, y = table
    with pytest.raises(ValueError, match="column 2 of X goes from .* give it in another unit"):
        LogisticRegression(0.0).fit(X * [1.0, 1.0, unit], y)


def test_names_follow_the_columns_and_the_classes(table, classes):
    X, y = table
    model = LogisticRegression().fit(pd.DataFrame(X, columns=["a", "b", "c"]), y)
    assert list(model.summary().index) == ["intercept", "a", "b", "c"]
    many = LogisticRegression().fit(*classes)
    assert many.parameter_names_[:2] == ("0: intercept", "0: x0")
    assert len(many.parameters_) == 16


def test_wrong_data_and_settings_are_refused(table):
    X, y = table
    with pytest.raises(ValueError, match="got one class: 'no'"):
        LogisticRegression().fit(X, np.full(300, "no"))
    with pytest.raises(ValueError, match="ridge must be a finite number at least zero, got -1"):
        LogisticRegression(-1).fit(X, y)
    with pytest.raises(ValueError, match="validation labels must be .*'maybe' in row 1"):
        LogisticRegression().fit(X, y, validation_data=(X[:2], ["no", "maybe"]))
    with pytest.raises(ValueError, match="solver must be 'newton', 'cg', 'gd' or an optax"):
        LogisticRegression(solver="saga").fit(X, y)
