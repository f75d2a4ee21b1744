"""Effects and parameters of regressions that are known, or known to lie between bounds.

References are the same models with the known part moved into an offset or a family, and SciPy's
maximizer.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

import survjax
from survjax import AcceleratedLifetime, MixtureRegression, ScaledHazard

RNG = np.random.default_rng(3)
X = RNG.normal(size=(160, 2)) + [3.0, -1.0]
LIVES = np.exp(3.0 - 0.5 * X[:, 0] + 0.2 * X[:, 1]) * RNG.weibull(2.0, 160)
END = np.quantile(LIVES, 0.8)
Y = np.column_stack([np.minimum(LIVES, END), LIVES <= END])


def weibull(intercept, effects, shape):
    """Log-likelihood of a Weibull regression."""
    z = shape * (np.log(Y[:, 0]) - intercept - X @ effects)
    return np.sum(Y[:, 1] * (np.log(shape) + z - np.log(Y[:, 0])) - np.exp(z))


def largest(function, start):
    found = optimize.minimize(lambda p: -function(p), start, method="BFGS", options={"gtol": 1e-7})
    return -found.fun


@pytest.fixture(scope="module")
def free():
    return AcceleratedLifetime().fit(X, Y)


def test_a_shape_of_one_is_the_exponential():
    known = AcceleratedLifetime(fixed={"shape": 1.0}).fit(X, Y)
    exponential = AcceleratedLifetime("exponential").fit(X, Y)
    assert known.log_likelihood_ == pytest.approx(exponential.log_likelihood_, rel=1e-12)
    np.testing.assert_allclose(known.parameters_[:3], exponential.parameters_, rtol=1e-7)
    np.testing.assert_allclose(known.covariance_[:3, :3], exponential.covariance_, rtol=1e-6)
    assert known.n_free_ == 3 and known.aic_ == pytest.approx(exponential.aic_)


def test_a_known_effect_is_an_offset():
    known = AcceleratedLifetime(fixed={"log_scale:x0": -0.4}).fit(X, Y)
    moved = AcceleratedLifetime().fit(X[:, 1:], Y, offset=-0.4 * X[:, 0])
    assert known.log_likelihood_ == pytest.approx(moved.log_likelihood_, rel=1e-12)
    np.testing.assert_allclose(known.coef_, [-0.4, *moved.coef_], rtol=1e-7)
    row = known.summary().loc["log_scale:x0"]
    assert row["bounds"] == "fixed" and row["standard_error"] == 0.0 and np.isnan(row["p_value"])
    assert row["lower"] == row["upper"] == pytest.approx(-0.4, abs=1e-15)


def test_a_known_intercept_is_that_of_zero_covariates():
    known = AcceleratedLifetime(fixed={"log_scale:intercept": 3.1}).fit(X, Y)
    value = largest(lambda p: weibull(3.1, p[:2], np.exp(p[2])), [-0.5, 0.2, 0.5])
    assert known.intercept_ == 3.1
    assert known.log_likelihood_ == pytest.approx(value, abs=1e-6)


def test_between_bounds_lies_the_highest_point(free):
    inside = AcceleratedLifetime(bounds={"shape": (1.0, 5.0)}).fit(X, Y)
    np.testing.assert_allclose(inside.parameters_, free.parameters_, rtol=1e-9)
    bounded = AcceleratedLifetime(bounds={"log_scale:x1": (None, 0.0)}).fit(X, Y)
    value = largest(lambda p: weibull(p[0], [p[1], 0.0], np.exp(p[2])), [3.0, -0.5, 0.5])
    assert bounded.log_likelihood_ == pytest.approx(value, abs=1e-6)
    assert bounded.certificate_.status == "maximum at the bounds of log_scale:x1"
    assert bounded.summary()["bounds"]["log_scale:x1"] == "at a bound"
    assert bounded.n_free_ == 4


def test_bounds_and_replicates_stay_between_the_users_own():
    model = AcceleratedLifetime(
        fixed={"log_scale:x0": -0.5}, bounds={"log_scale:x1": (0.15, 0.25)}
    ).fit(X, Y)
    model.bootstrap(40, random_state=0)
    assert model.bootstrap_.parameters[:, 2].min() >= 0.15 - 1e-12
    assert model.bootstrap_.parameters[:, 2].max() <= 0.25 + 1e-12
    np.testing.assert_allclose(model.bootstrap_.parameters[:, 1], -0.5, rtol=1e-12)
    for method in ("delta", "profile", "bootstrap"):
        low, high = model.confidence_interval("parameters", method=method)
        assert 0.15 <= low[2] <= high[2] <= 0.25
        assert low[1] == pytest.approx(-0.5) and high[1] == pytest.approx(-0.5)
        assert low[3] < high[3]


def test_the_profile_of_what_is_free_is_that_of_the_offset():
    known = AcceleratedLifetime(fixed={"log_scale:x0": -0.4}).fit(X, Y)
    moved = AcceleratedLifetime().fit(X[:, 1:], Y, offset=-0.4 * X[:, 0])
    one, other = (m.confidence_interval("parameters", method="profile") for m in (known, moved))
    np.testing.assert_allclose(np.delete(one, 1, axis=1), other, rtol=1e-4)


def test_scaled_hazards_hold_effects_and_parameters_of_the_base():
    known = ScaledHazard("weibull", fixed={"shape": 2.0, "log_ratio:x0": 1.0}).fit(X, Y)
    twin = AcceleratedLifetime(fixed={"shape": 2.0, "log_scale:x0": -0.5}).fit(X, Y)
    assert known.log_likelihood_ == pytest.approx(twin.log_likelihood_, rel=1e-10)
    with pytest.raises(ValueError, match="joint=True"):
        ScaledHazard("weibull", joint=False, fixed={"shape": 2.0}).fit(X, Y)


def test_histories_know_what_is_held():
    unit = np.repeat(np.arange(160), 2)
    entry = np.column_stack([np.zeros(160), 0.4 * Y[:, 0]]).ravel()
    stop = np.column_stack([0.4 * Y[:, 0], Y[:, 0]]).ravel()
    event = np.column_stack([np.zeros(160), Y[:, 1]]).ravel()
    rows = np.column_stack([stop, event])
    held = {"fixed": {"shape": 1.8}, "bounds": {"log_scale:x1": (None, 0.1)}}
    whole = AcceleratedLifetime(**held).fit(X, Y)
    cut = AcceleratedLifetime(**held).fit(np.repeat(X, 2, axis=0), rows, unit=unit, entry=entry)
    np.testing.assert_allclose(cut.parameters_, whole.parameters_, rtol=1e-6)
    assert cut.certificate_.at_bounds == ("log_scale:x1",)


def test_components_of_a_mixture_share_a_known_shape():
    weak = RNG.random(160) < 0.4
    lives = np.where(weak, 2.0 * RNG.weibull(1.0, 160), 60.0 * RNG.weibull(5.0, 160))
    lives *= np.exp(0.3 * (X[:, 0] - 3.0))
    model = MixtureRegression(2, on=["scale"], n_starts=8, fixed={"shape_1": 1.0})
    model.fit(X[:, :1], lives)
    at = model.parameter_names_.index("log_shape_1")
    assert model.converged_
    assert model.parameters_[at] == 0.0 == model.covariance_[at, at]
    assert model.n_free_ == model.parameters_.size - 1


def test_penalties_leave_what_is_known():
    model = AcceleratedLifetime(penalty=0.2, l1_ratio=1.0, fixed={"log_scale:x0": -0.4}).fit(X, Y)
    assert model.coef_[0] == pytest.approx(-0.4, rel=1e-14) and abs(model.coef_[1]) < 0.2


def test_a_file_keeps_what_is_held(tmp_path):
    given = {"fixed": {"log_scale:x0": -0.4}, "bounds": {"log_scale:x1": (None, 0.0)}}
    model = AcceleratedLifetime(**given).fit(X, Y)
    model.save(tmp_path / "model.json")
    loaded = survjax.load(tmp_path / "model.json")
    assert loaded.summary().equals(model.summary()) and loaded.n_free_ == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fixed": {"scale": 1.0}}, "fixed knows the parameters log_scale:intercept"),
        ({"fixed": {"shape": -1.0}}, "must be positive"),
        ({"bounds": {"shape": (2.0, 1.0)}}, "must rise"),
        ({"fixed": {"shape": 1.0}, "penalty": "cv"}, "pass a number"),
        ({"bounds": {"shape": (1, 2)}, "penalty": 0.1, "l1_ratio": 0.5}, "lasso takes no bounds"),
    ],
)
def test_what_cannot_be_held_is_said(options, words):
    with pytest.raises(ValueError, match=words):
        AcceleratedLifetime(**options).fit(X, Y)
