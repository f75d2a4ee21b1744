"""Ridge, lasso and elastic net: optimality, paths, and the choice by cross-validation."""

import numpy as np
import pytest

from survjax import AcceleratedLifetime, MixtureRegression, ScaledHazard
from survjax._core.precision import double_precision
from survjax.data.observations import Observations
from survjax.estimators.regression.penalty_path import folds
from survjax.estimators.target import check_survival_y
from survjax.likelihood.regression.likelihood import Likelihood


@pytest.fixture(scope="module")
def fleet():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6)) * [1, 10, 1, 1, 0.1, 1]
    lives = np.exp(2.0 + 0.6 * x[:, 0] - 0.03 * x[:, 1]) * rng.weibull(1.8, 200)
    return x, np.column_stack([np.minimum(lives, 20.0), lives <= 20.0])


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@double_precision
def test_the_optimality_conditions_hold_at_the_penalized_answer(fleet, l1_ratio):
    x, y = fleet
    fitted = AcceleratedLifetime(penalty=0.05, l1_ratio=l1_ratio).fit(x, y)
    inside, rows = fitted._fitted, check_survival_y(y).observations()
    likelihood = Likelihood(inside.form, inside.layout, rows, x, inside.columns)
    gradient = likelihood(inside.theta)[1] / 200
    assert abs(gradient[0]) < 1e-6 and abs(gradient[-1]) < 1e-6
    b, slope = inside.theta[1:-1], gradient[1:-1] - 0.05 * (1 - l1_ratio) * inside.theta[1:-1]
    np.testing.assert_allclose(slope[b != 0], 0.05 * l1_ratio * np.sign(b[b != 0]), atol=1e-6)
    assert np.all(np.abs(slope[b == 0]) <= 0.05 * l1_ratio + 1e-6)
    if l1_ratio == 1.0:
        assert np.all(fitted.coef_[:2] != 0) and np.count_nonzero(fitted.coef_) < 6
        error = np.sqrt(np.diag(fitted.covariance_))[1:-1]
        assert np.all((error > 0) == (fitted.coef_ != 0))


def test_the_path_begins_empty_and_the_choice_beats_both_ends(fleet):
    x, y = fleet
    fitted = AcceleratedLifetime(penalty="cv", l1_ratio=1.0).fit(x, y)
    path = fitted.penalty_path_
    assert np.all(path.iloc[0][["x0", "x1", "x2", "x3", "x4", "x5"]] == 0)
    assert fitted.penalty_ == path["penalty"][path["score"].idxmax()]
    assert path["score"].max() > path["score"].iloc[0] + 0.05
    assert np.all(fitted.coef_[:2] != 0)


def in_rows(x, y):
    """Each unit followed in one to four rows of equal covariates, in any order."""
    pieces = 1 + np.arange(len(y)) % 4
    unit = np.repeat(np.arange(len(y)), pieces)
    place = np.concatenate([np.arange(m) for m in pieces])
    share = (place + np.array([0.0, 1.0])[:, None]) / pieces[unit]
    event = y[unit, 1] * (place == pieces[unit] - 1)
    order = np.random.default_rng(1).permutation(unit.size)
    rows = np.column_stack([share[1] * y[unit, 0], event])[order]
    return x[unit][order], rows, (share[0] * y[unit, 0])[order], unit[order]


@pytest.mark.parametrize(
    "model",
    [
        AcceleratedLifetime(penalty="cv"),
        ScaledHazard(penalty="cv", l1_ratio=0.5),
        ScaledHazard(penalty=0.05, joint=False),
        pytest.param(
            MixtureRegression(2, on=["scale"], n_starts=2, penalty="cv"), marks=pytest.mark.slow
        ),
        MixtureRegression(2, on=["scale"], n_starts=2, penalty=0.05),
    ],
    ids=["ridge", "elastic net", "two steps", "mixture", "mixture, given"],
)
def test_histories_in_rows_are_penalized_as_units_in_one_row(fleet, model):
    x, y = fleet[0][:, :3], fleet[1].copy()
    if isinstance(model, MixtureRegression):
        y[::3] *= [0.02, 1.0]  # frail ones
    whole = model.fit(x, y)
    penalty, parameters, path = (
        whole.penalty_,
        whole.parameters_,
        getattr(whole, "penalty_path_", 0),
    )
    rows, target, entry, unit = in_rows(x, y)
    parts = model.fit(rows, target, entry=entry, unit=unit)
    np.testing.assert_allclose(parts.penalty_, penalty, rtol=1e-9)
    np.testing.assert_allclose(parts.parameters_, parameters, rtol=1e-5, atol=1e-6)
    assert parts.n_units_ == 200
    if model.penalty == "cv":
        np.testing.assert_allclose(parts.penalty_path_, path, rtol=1e-4, atol=1e-5)


def test_no_unit_is_in_two_folds():
    rng = np.random.default_rng(0)
    unit = rng.integers(0, 50, 400).astype(str)
    rows = Observations.from_durations(rng.weibull(2.0, 400))
    found = folds(rows, rng.normal(size=(400, 2)), unit)
    assert all(len(set(found[unit == name])) == 1 for name in unit)
    assert set(found) == set(range(5))


def test_more_columns_than_rows_are_no_problem_with_a_penalty():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 60))
    lives = np.exp(1.0 + x[:, 0]) * rng.weibull(3.0, 40)
    fitted = ScaledHazard(penalty=0.1, l1_ratio=1.0).fit(x, lives)
    assert fitted.converged_ and fitted.coef_[0] == fitted.coef_.min() < 0
    assert np.count_nonzero(fitted.coef_) < 20


def test_penalties_that_make_no_sense_are_refused(fleet):
    with pytest.raises(ValueError, match="penalty must be a number of at least 0, or 'cv'"):
        AcceleratedLifetime(penalty=-1.0).fit(*fleet)
    with pytest.raises(ValueError, match="l1_ratio must lie between"):
        AcceleratedLifetime(penalty=1.0, l1_ratio=2.0).fit(*fleet)


def test_a_penalty_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(2)
    x = rng.standard_t(3, size=(20_000, 2))
    lives = np.exp(0.3 * x[:, 0]) * rng.weibull(2.0, 20_000)
    order = np.argsort(np.abs(x[:, 0]))
    fits = [ScaledHazard(penalty=0.5).fit(x[rows], lives[rows]) for rows in (..., order)]
    np.testing.assert_allclose(fits[0].coef_, fits[1].coef_, rtol=1e-8)
