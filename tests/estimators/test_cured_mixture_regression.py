"""Mixture regressions beside a share of units that never fails; the reference is the formula."""

from __future__ import annotations

import numpy as np
import pytest

import survjax
from survjax import AcceleratedLifetime, MixtureRegression, WeibullMixture
from survjax.lifetimes import Cured, Weibull

RNG = np.random.default_rng(1)
N = 500
X = RNG.normal(size=(N, 2)) + [3.0, 0.0]
WEAK = RNG.random(N) < 0.35
LIVES = np.where(WEAK, 2.0 * RNG.weibull(1.0, N), 30.0 * RNG.weibull(4.0, N))
LIVES = LIVES * np.exp(0.3 * (X[:, 0] - 3.0))
LIVES = np.where(RNG.random(N) < 1.0 / (1.0 + np.exp(1.0 - 1.2 * X[:, 1])), np.inf, LIVES)
END = RNG.uniform(20.0, 80.0, N)
Y = np.column_stack([np.minimum(LIVES, END), LIVES <= END])
ON = {"scale": ["x0"], "cured_share": ["x1"]}


@pytest.fixture(scope="module")
def model():
    return MixtureRegression(2, on=ON, cured=True, n_starts=8).fit(X, Y)


def parts(model, x, t):
    """Densities and survivals (2, n) of the components, their weights, and the cured shares."""
    value = dict(zip(model.parameter_names_, model.parameters_, strict=True))
    second = 1.0 / (1.0 + np.exp(-value["logit_weight_2"]))
    share = value["logit_cured_share:intercept"] + value["logit_cured_share:x1"] * x[:, 1]
    density, alive = [], []
    for k in (1, 2):
        log_scale = value[f"log_scale_{k}:intercept"] + value[f"log_scale_{k}:x0"] * x[:, 0]
        shape = np.exp(value[f"log_shape_{k}"])
        hazard = (t / np.exp(log_scale)) ** shape
        alive.append(np.exp(-hazard))
        density.append(shape * hazard / t * np.exp(-hazard))
    weights = np.array([1.0 - second, second])
    return np.array(density), np.array(alive), weights, 1.0 / (1.0 + np.exp(-share))


def test_the_likelihood_is_the_formula(model):
    density, alive, weights, share = parts(model, X, Y[:, 0])
    failed = (1.0 - share) * (weights @ density)
    running = share + (1.0 - share) * (weights @ alive)
    value = np.log(np.where(Y[:, 1] > 0, failed, running)).sum()
    assert model.converged_ and model.log_likelihood_ == pytest.approx(value, rel=1e-12)


def test_effects_are_recovered(model):
    truth = {"log_scale_1:x0": 0.3, "log_scale_2:x0": 0.3, "logit_cured_share:x1": 1.2}
    table = model.summary()
    for name, value in truth.items():
        assert abs(table["estimate"][name] - value) < 3.0 * table["standard_error"][name]
    assert model.cured_share_coef_.shape == (2,) and model.cured_share_coef_[0] == 0.0


def test_memberships_are_bayes_rule(model):
    ages = np.array([1.0, 20.0, 60.0])
    _, alive, weights, share = parts(model, X[:3], ages)
    joint = np.concatenate([(1.0 - share) * weights[:, None] * alive, share[None]])
    found = model.membership(X[:3], ages)
    assert list(found.columns[::3]) == ["component_1", "component_2", "cured"]
    np.testing.assert_allclose(found.iloc[:, ::3].T, joint / joint.sum(axis=0), rtol=1e-8)
    assert np.all(found["cured_lower"] < found["cured"])
    failed = model.membership(X[:3], ages, [True] * 3)
    np.testing.assert_allclose(failed["cured"], 0.0, atol=1e-200)


def test_one_component_is_an_accelerated_life_beside_a_share():
    one = MixtureRegression(1, on=ON, cured=True).fit(X, Y)
    other = AcceleratedLifetime(Cured(Weibull(0.0, 0.0), 0.0), on=ON).fit(X, Y)
    assert one.log_likelihood_ == pytest.approx(other.log_likelihood_, rel=1e-12)


def test_without_columns_it_is_the_mixture(model):
    none = MixtureRegression(2, on=[], cured=True, n_starts=8).fit(X, Y)
    plain = WeibullMixture(2, cured=True).fit(Y[:, 0], Y[:, 1])
    assert none.log_likelihood_ == pytest.approx(plain.log_likelihood_, rel=1e-9)


def test_histories_and_files(model, tmp_path):
    stop = np.column_stack([0.4 * Y[:, 0], Y[:, 0]]).ravel()
    entry = np.column_stack([np.zeros(N), 0.4 * Y[:, 0]]).ravel()
    event = np.column_stack([np.zeros(N), Y[:, 1]]).ravel()
    whole = model.score(X, Y)
    rows = np.repeat(X, 2, axis=0), np.column_stack([stop, event])
    cut = model.score(*rows, entry=entry, unit=np.repeat(np.arange(N), 2))
    assert cut == pytest.approx(whole, rel=1e-10)
    model.save(tmp_path / "model.json")
    loaded = survjax.load(tmp_path / "model.json")
    assert loaded.summary().equals(model.summary())


def test_a_share_is_moved_only_where_there_is_one():
    with pytest.raises(ValueError, match="on must be a list of weight, scale, shape, got"):
        MixtureRegression(2, on=ON).fit(X, Y)
