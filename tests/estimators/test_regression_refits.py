"""A refit of a regression has the optimum of a fit to all rows, and says what moved it."""

import numpy as np
import pandas as pd
import pytest

from survjax import AcceleratedLifetime, MixtureRegression, ScaledHazard, load
from survjax.priors import Normal

OLD, ALL = 180, 196


def lives():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(ALL, 2))
    life = np.exp(3.0 - 0.5 * x[:, 0] + 0.2 * x[:, 1]) * rng.weibull(2.0, ALL)
    end = rng.uniform(10.0, 60.0, ALL)
    return x, np.column_stack([np.minimum(life, end), life <= end])


X, Y = lives()
NEW = pd.DataFrame(X[OLD:], columns=["load", "heat"], index=[f"unit {i}" for i in range(ALL - OLD)])
COLD = pd.DataFrame(X, columns=NEW.columns)
MODELS = {
    "weibull": AcceleratedLifetime(),
    "gamma": AcceleratedLifetime("gamma"),
    "penalty": AcceleratedLifetime(penalty=0.05),
    "lasso": ScaledHazard(penalty=0.02, l1_ratio=0.5),
    "held": AcceleratedLifetime(fixed={"shape": 2.0}),
    "prior": AcceleratedLifetime(priors={"load": Normal(0.0, 0.2)}),
    "hazard": ScaledHazard(),
    "pieces": ScaledHazard("piecewise_exponential"),
    "two steps": ScaledHazard(joint=False),
    "mixture": MixtureRegression(1),
}


def unfitted(name):
    model = MODELS[name]
    return type(model)(**model.get_params(deep=False))


@pytest.mark.parametrize("name", MODELS)
def test_a_refit_has_the_optimum_of_a_fit_to_all_rows(name):
    before = unfitted(name).fit(COLD[:OLD], Y[:OLD])
    kept = before.parameters_.copy()
    now, cold = before.refit(NEW, Y[OLD:]), unfitted(name).fit(COLD, Y)
    np.testing.assert_allclose(now.parameters_, cold.parameters_, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(now.covariance_, cold.covariance_, rtol=1e-5, atol=1e-9)
    assert now.log_likelihood_ == pytest.approx(cold.log_likelihood_, abs=1e-8)
    assert now.certificate_.status == cold.certificate_.status
    assert now.n_units_ == ALL and now.parameter_names_ == cold.parameter_names_
    np.testing.assert_array_equal(before.parameters_, kept)
    if name in ("weibull", "gamma", "hazard", "mixture"):
        assert now.n_iter_ <= 3


def test_late_entry_offsets_and_weights_of_new_rows_count():
    given = {"entry": 0.1 * Y[:, 0], "sample_weight": 1.0 + np.arange(ALL) % 2}
    offset = 0.1 * X[:, 1]
    cold = AcceleratedLifetime().fit(COLD[["load"]], Y, offset=offset, **given)
    part = {name: values[:OLD] for name, values in given.items()}
    more = {name: values[OLD:] for name, values in given.items()}
    before = AcceleratedLifetime().fit(COLD[["load"]][:OLD], Y[:OLD], offset=offset[:OLD], **part)
    now = before.refit(NEW[["load"]], Y[OLD:], offset=offset[OLD:], **more)
    np.testing.assert_allclose(now.parameters_, cold.parameters_, rtol=1e-8)
    assert now.moved_by(2).shape == (2, 4 + now.parameters_.size)


def test_what_has_moved_is_the_sum_of_what_each_new_row_moved_to_first_order():
    many = np.repeat(np.arange(OLD), 20)
    before = AcceleratedLifetime().fit(COLD.iloc[many], Y[many])
    now = before.refit(NEW, Y[OLD:])
    changed, moved = now.changed_since(before), now.moved_by(ALL)
    assert list(changed.index) == list(now.parameter_names_)
    np.testing.assert_allclose(changed["after"] - changed["before"], changed["change"])
    np.testing.assert_allclose(changed["standard_error"], np.sqrt(np.diag(now.covariance_)))
    total = moved[list(now.parameter_names_)].sum()
    assert np.abs(total - changed["change"]).max() < 0.03 * np.abs(changed["change"]).max()
    assert set(moved.index) == set(NEW.index) and moved["distance"].is_monotonic_decreasing
    row = NEW.index.get_loc(moved.index[0])
    assert moved["duration"].iloc[0] == Y[OLD + row, 0]


def test_what_cannot_be_refitted_says_why(tmp_path):
    model = AcceleratedLifetime().fit(COLD[:OLD], Y[:OLD])
    model.save(tmp_path / "model.json")
    with pytest.raises(ValueError, match="refit"):
        load(tmp_path / "model.json").refit(NEW, Y[OLD:])
    with pytest.raises(ValueError, match="call refit on an earlier fit"):
        model.moved_by()
    with pytest.raises(ValueError, match="previous must be a fitted AcceleratedLifetime"):
        model.changed_since(ScaledHazard().fit(COLD[:OLD], Y[:OLD]))
    unit = np.arange(OLD)
    with pytest.raises(ValueError, match="refit takes units of one row"):
        ScaledHazard().fit(COLD[:OLD], Y[:OLD], unit=unit).refit(NEW, Y[OLD:])
    with pytest.raises(ValueError, match="feature|column"):
        model.refit(NEW[["load"]], Y[OLD:])
    model.shape_on = "load"
    with pytest.raises(ValueError, match="settings were changed"):
        model.refit(NEW, Y[OLD:])
