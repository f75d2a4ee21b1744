"""Columns that move a cured share, a shape, or any other parameter of a regression.

References are the formulas written out, lifelines' regressions of one's own hazard, and models
that are the same in other words.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import survjax
from survjax import AcceleratedLifetime, FitWarning, ScaledHazard, ScaledOdds, lifetimes
from survjax.lifetimes import Cured, Gompertz, LogNormal, Weibull

RNG = np.random.default_rng(5)
N = 600
X = RNG.normal(size=(N, 2)) + [3.0, 0.0]
SHARE = 1.0 / (1.0 + np.exp(0.5 - 1.0 * X[:, 1]))
LIVES = np.where(RNG.random(N) < SHARE, np.inf, np.exp(1 - 0.5 * X[:, 0]) * RNG.weibull(2.0, N))
END = RNG.uniform(0.5, 3.0, N)
Y = np.column_stack([np.minimum(LIVES, END), LIVES <= END])
CURED = Cured(Weibull(0.0, 0.0), 0.0)


def cured_weibull(parameters, y=Y, entry=None):
    """Log-likelihood with the log scale on both columns, the share's logit on the second."""
    log_scale = parameters[0] + X @ parameters[1:3]
    shape, logit = np.exp(parameters[3]), parameters[4] + parameters[5] * X[:, 1]
    share = 1.0 / (1.0 + np.exp(-logit))
    z = shape * (np.log(y[:, 0]) - log_scale)
    alive = np.log(share + (1.0 - share) * np.exp(-np.exp(z)))
    failed = np.log1p(-share) + np.log(shape) + z - np.log(y[:, 0]) - np.exp(z)
    terms = np.where(y[:, 1] > 0, failed, alive)
    if entry is not None:
        before = np.exp(shape * (np.log(entry) - log_scale))
        terms = terms - np.log(share + (1.0 - share) * np.exp(-before))
    return terms.sum()


@pytest.fixture(scope="module")
def cured():
    return AcceleratedLifetime(CURED, on={"cured_share": ["x1"]}).fit(X, Y)


def test_the_likelihood_is_the_formula_and_its_maximum_is_flat(cured):
    assert cured.converged_
    value = cured_weibull(cured.parameters_)
    assert cured.log_likelihood_ == pytest.approx(value, rel=1e-12)
    for i in range(6):
        step = 1e-4 * np.eye(6)[i]
        ends = [cured_weibull(cured.parameters_ + side * step) for side in (-1, 1)]
        assert abs(ends[1] - ends[0]) / 2e-4 < 2e-3
        assert max(ends) < value


def test_the_errors_are_those_of_the_information(cured):
    h = 1e-4
    hessian = np.zeros((6, 6))
    for i in range(6):
        for j in range(6):
            four = [
                a * b * cured_weibull(cured.parameters_ + h * (a * np.eye(6)[i] + b * np.eye(6)[j]))
                for a in (-1, 1)
                for b in (-1, 1)
            ]
            hessian[i, j] = sum(four) / (4 * h * h)
    np.testing.assert_allclose(cured.covariance_, np.linalg.inv(-hessian), rtol=2e-4, atol=1e-6)


def test_a_regression_recovers_what_moved_the_share(cured):
    truth = [1.0, -0.5, 0.0, np.log(2.0), -0.5, 1.0]
    errors = np.sqrt(np.diag(cured.covariance_))
    assert np.all(np.abs(cured.parameters_ - truth) < 3.0 * errors)
    assert cured.parameter_names_[-1] == "logit_cured_share:x1"
    assert cured.coef_.shape == (2,) and not hasattr(cured, "baseline_")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_lifelines_says_the_same(cured):
    lifelines = pytest.importorskip("lifelines")
    import autograd.numpy as anp
    import pandas as pd

    class CureModel(lifelines.fitters.ParametricRegressionFitter):
        _fitted_parameter_names = ("lambda_", "share_", "rho_")

        def _cumulative_hazard(self, params, t, columns):
            scale = anp.exp(anp.dot(columns["lambda_"], params["lambda_"]))
            shape = anp.exp(anp.dot(columns["rho_"], params["rho_"]))
            share = 1.0 / (1.0 + anp.exp(-anp.dot(columns["share_"], params["share_"])))
            return -anp.log(share + (1.0 - share) * anp.exp(-((t / scale) ** shape)))

    table = pd.DataFrame({"x0": X[:, 0], "x1": X[:, 1], "t": Y[:, 0], "e": Y[:, 1]})
    columns = {"lambda_": "1 + x0 + x1", "share_": "1 + x1", "rho_": "1"}
    other = CureModel().fit(table, "t", "e", regressors=columns)
    assert cured.log_likelihood_ == pytest.approx(other.log_likelihood_, rel=1e-8)


def test_late_entry_and_intervals(cured):
    entry = 0.2 * Y[:, 0]
    late = AcceleratedLifetime(CURED, on={"cured_share": ["x1"]}).fit(X, Y, entry=entry)
    value = cured_weibull(late.parameters_, entry=entry)
    assert late.log_likelihood_ == pytest.approx(value, rel=1e-12)
    lower = np.where(Y[:, 1] > 0, np.maximum(Y[:, 0] - 1e-4, 0.0), Y[:, 0])
    upper = np.where(Y[:, 1] > 0, Y[:, 0], np.inf)
    narrow = AcceleratedLifetime(CURED, on={"cured_share": ["x1"]})
    narrow.fit(X, survjax.survival_target(lower, upper))
    np.testing.assert_allclose(narrow.parameters_, cured.parameters_, atol=5e-3)


def test_histories_of_constant_covariates_are_whole_lives(cured):
    stop = np.column_stack([0.4 * Y[:, 0], Y[:, 0]]).ravel()
    entry = np.column_stack([np.zeros(N), 0.4 * Y[:, 0]]).ravel()
    event = np.column_stack([np.zeros(N), Y[:, 1]]).ravel()
    model = AcceleratedLifetime(CURED, on={"cured_share": ["x1"]}).fit(
        np.repeat(X, 2, axis=0),
        np.column_stack([stop, event]),
        entry=entry,
        unit=np.repeat(np.arange(N), 2),
    )
    np.testing.assert_allclose(model.parameters_, cured.parameters_, rtol=1e-5, atol=1e-6)


def test_predictions_are_those_of_the_units_own_lifetime(cured):
    some = X[:3]
    q = cured.parameters_
    found = cured.predict_survival(some, [2.0])
    for row, x in zip(np.ravel(found.iloc[:, 0]), some, strict=True):
        base = Weibull(q[0] + x @ q[1:3], q[3])
        own = Cured(base, q[4] + q[5] * x[1])
        assert row == pytest.approx(float(own.survival(2.0)), rel=1e-6)
    table = cured.predict_rul(some, ages=[0.0, 0.5, 1.0])
    assert np.all(np.isinf(table["mean"]))


def test_the_chance_to_be_cured_grows_with_age(cured):
    found = cured.membership(np.repeat(X[:1], 3, axis=0), [0.0, 0.5, 2.0])
    logit = cured.parameters_[4] + cured.parameters_[5] * X[0, 1]
    assert found["cured"].iloc[0] == pytest.approx(1.0 / (1.0 + np.exp(-logit)), rel=1e-10)
    assert np.all(np.diff(found["cured"]) > 0) and np.all(found["cured_lower"] < found["cured"])
    with pytest.raises(ValueError, match="of one kind"):
        AcceleratedLifetime().fit(X, END).membership(X[:2], [1.0, 2.0])


def test_a_share_that_runs_to_none_is_said():
    lives = np.exp(1 - 0.5 * X[:, 0]) * RNG.weibull(2.0, N)
    with pytest.warns(FitWarning, match="share of Cured runs to none for every row"):
        model = AcceleratedLifetime(CURED, on={"cured_share": ["x1"]}).fit(X, lives)
    plain = AcceleratedLifetime().fit(X, lives)
    assert not model.converged_
    assert model.log_likelihood_ == pytest.approx(plain.log_likelihood_, abs=1e-6)


def test_the_unit_of_time_and_of_columns_moves_intercepts_and_slopes_only(cured):
    other = AcceleratedLifetime(CURED, on={"cured_share": ["x1"]})
    other.fit(X * [1.0, 10.0] + 5.0, Y * [100.0, 1.0])
    np.testing.assert_allclose(other.parameters_[[1, 3]], cured.parameters_[[1, 3]], rtol=1e-7)
    np.testing.assert_allclose(other.parameters_[5], 0.1 * cured.parameters_[5], rtol=1e-7)


def test_shape_on_is_a_choice_of_columns():
    one = AcceleratedLifetime("lognormal", shape_on=["x0"]).fit(X, END)
    other = AcceleratedLifetime("lognormal", on={"shape": [0]}).fit(X, END)
    np.testing.assert_array_equal(one.parameters_, other.parameters_)


def test_the_scale_may_leave_columns_out():
    model = AcceleratedLifetime(on={"scale": ["x1"], "shape": ["x0"]}).fit(X, END)
    assert model.parameter_names_ == (
        "log_scale:intercept",
        "log_scale:x1",
        "log_shape:intercept",
        "log_shape:x0",
    )
    assert model.coef_[0] == 0.0 and model.coef_[1] != 0.0
    alone = AcceleratedLifetime(shape_on=[1]).fit(X[:, [1, 0]], END)
    assert alone.log_likelihood_ > model.log_likelihood_


def test_parameters_of_a_base_without_a_scale_move_too():
    model = AcceleratedLifetime(Gompertz(0.0, 0.0), on={"growth": ["x0"]}).fit(X, END)
    assert "growth:x0" in model.parameter_names_ and model.converged_


def test_scaled_hazards_of_weibulls_are_accelerated_ones_shape_by_shape():
    """h0 exp(x'b) and a log shape on a group: Weibulls of their own in each group."""
    group = (X[:, 1] > 0).astype(float)[:, None]
    both = ScaledHazard("weibull", on={"shape": "all"}).fit(group, END)
    other = AcceleratedLifetime(shape_on="all").fit(group, END)
    assert both.log_likelihood_ == pytest.approx(other.log_likelihood_, rel=1e-12)


def test_scaled_odds_of_loglogistic_lives_are_accelerated_ones():
    model, other = ScaledOdds().fit(X, Y), AcceleratedLifetime("loglogistic").fit(X, Y)
    assert model.log_likelihood_ == pytest.approx(other.log_likelihood_, rel=1e-12)
    np.testing.assert_allclose(model.coef_, -other.shape_ * other.coef_, rtol=1e-7)
    np.testing.assert_allclose(
        model.predict_survival(X[:4], [0.5, 2.0]), other.predict_survival(X[:4], [0.5, 2.0])
    )


def test_scaled_odds_of_any_base_are_the_lifetime_of_each_row(tmp_path):
    model = ScaledOdds("weibull", center=False).fit(X, Y)
    base = model.baseline_
    rows = lifetimes.ProportionalOdds(base, X @ model.coef_)
    terms = Y[:, 1] * np.asarray(rows.log_hazard(Y[:, 0])) - np.asarray(
        rows.cumulative_hazard(Y[:, 0])
    )
    assert model.log_likelihood_ == pytest.approx(terms.sum(), rel=1e-5)
    model.save(tmp_path / "odds.json")
    assert survjax.load(tmp_path / "odds.json").summary().equals(model.summary())


def test_scaled_odds_know_late_entry_and_right_truncation():
    failed = END < 2.5
    given = {"entry": 0.3 * END[failed], "exit": np.full(failed.sum(), 2.5)}
    model = ScaledOdds().fit(X[failed], END[failed], **given)
    other = AcceleratedLifetime("loglogistic").fit(X[failed], END[failed], **given)
    assert model.log_likelihood_ == pytest.approx(other.log_likelihood_, rel=1e-10)


def test_odds_are_of_whole_lives():
    with pytest.raises(ValueError, match="odds of failure are of whole lives"):
        ScaledOdds().fit(X, Y, unit=np.arange(N))
    with pytest.raises(ValueError, match="baseline must be"):
        ScaledOdds(3.0).fit(X, Y)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"on": {"power": "all"}}, "on knows the parameters scale, shape"),
        ({"on": "all"}, "on must be a dict"),
        ({"on": {"shape": ["x9"]}}, "no column 'x9'"),
        ({"on": {"shape": [0]}, "shape_on": [0]}, "say the same"),
        ({"family": "gompertz", "on": {"factor": []}}, "without a column"),
    ],
)
def test_columns_that_cannot_be_are_said(options, words):
    with pytest.raises(ValueError, match=words):
        AcceleratedLifetime(**options).fit(X, END)


def test_a_file_knows_which_columns_moved_what(tmp_path, cured):
    cured.save(tmp_path / "cured.json")
    loaded = survjax.load(tmp_path / "cured.json")
    assert loaded.summary().equals(cured.summary())
    times = [0.5, 1.0]
    assert loaded.predict_survival(X[:2], times).equals(cured.predict_survival(X[:2], times))


def test_lognormal_lives_beside_a_share():
    model = AcceleratedLifetime(Cured(LogNormal(0.0, 0.0), 0.0)).fit(X, Y)
    assert model.converged_ and model.parameter_names_[-1] == "logit_cured_share"
    assert float(model.baseline_.share) == pytest.approx(
        1.0 / (1.0 + np.exp(-model.parameters_[-1]))
    )


def test_a_column_moves_a_parameter_and_not_time(tmp_path):
    x = np.random.default_rng(3).normal(size=(300, 1))
    growth = 0.02 * np.exp(0.5 * x[:, 0])
    u = np.random.default_rng(4).random(300)
    life = np.log1p(-np.log(u) * growth / 0.01) / growth
    y = np.column_stack([np.minimum(life, 80.0), life <= 80.0])
    model = AcceleratedLifetime("gompertz", on={"growth": [0], "factor": []}).fit(x, y)
    assert list(model.summary().index) == ["log_rate", "growth:intercept", "growth:x0"]
    rate, at, slope = model.parameters_
    g = at + slope * x[:, 0]
    terms = y[:, 1] * (rate + g * y[:, 0]) - np.exp(rate) * np.expm1(g * y[:, 0]) / g
    assert model.log_likelihood_ == pytest.approx(terms.sum(), rel=1e-12)
    assert slope / model.summary()["standard_error"]["growth:x0"] > 3.0
    model.save(tmp_path / "model.json")
    again, ages = survjax.load(tmp_path / "model.json"), [5.0, 9.0]
    pd.testing.assert_frame_equal(again.predict_rul(x[:2], ages), model.predict_rul(x[:2], ages))
    with pytest.raises(ValueError, match="offset is part of the factor on time"):
        model.fit(x, y, offset=np.ones(300))
