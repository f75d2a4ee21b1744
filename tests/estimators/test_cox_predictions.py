"""Cox: restricted means and chances to fail, against the survival curve and resampling."""

import numpy as np
import pytest

import survjax
from survjax import CoxPH


def fleet(seed=0, n=200):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    lives = 10.0 * rng.exponential(np.exp(-0.7 * x[:, 0])) ** 0.5
    end = rng.uniform(5.0, 25.0, n)
    return x, np.column_stack([np.minimum(lives, end), lives <= end])


@pytest.fixture(scope="module")
def model():
    return CoxPH().fit(*fleet())


def test_it_is_the_area_under_the_survival_curve(model):
    x, ages, ahead = fleet()[0][:5], np.array([0.0, 0.0, 2.0, 3.3, 4.0]), 6.0
    table = model.predict_rul(x, ages, horizon=ahead)
    middle = (np.arange(60_000) + 0.5) * ahead / 60_000
    curve = model.predict_survival(x, middle, ages, level=None).to_numpy()
    np.testing.assert_allclose(table["restricted_mean"], ahead * curve.mean(axis=1), rtol=1e-4)
    plain = model.predict_rul(x, ages)
    assert list(table)[:3] == [f"restricted_mean{s}" for s in ("", "_lower", "_upper")]
    assert table[list(plain)].equals(plain)


def test_its_errors_are_those_of_fits_to_resampled_units():
    x, y = fleet()
    at, ages = np.array([[0.0, 0.0], [1.0, -1.0], [-1.0, 0.5]]), np.array([0.0, 2.0, 4.0])
    table = CoxPH().fit(x, y).predict_rul(at, ages, horizon=6.0, level=0.68268949)
    rng, found = np.random.default_rng(1), []
    for _ in range(300):
        rows = rng.integers(0, len(x), len(x))
        again = CoxPH().fit(x[rows], y[rows]).predict_rul(at, ages, horizon=6.0)
        found.append(again["restricted_mean"])
    half = 0.5 * (table["restricted_mean_upper"] - table["restricted_mean_lower"])
    # 300 resamples give a standard deviation within some 8 percent.
    np.testing.assert_allclose(half, np.std(found, axis=0), rtol=0.25)


def test_beyond_the_last_failure_there_is_none(model):
    x = np.zeros((2, 2))
    last = model.baseline_.times[-1]
    table = model.predict_rul(x, [0.0, 1.0], horizon=last - 0.5)
    assert np.isfinite(table["restricted_mean"][0]) and np.isnan(table["restricted_mean"][1])
    assert np.isnan(table["restricted_mean_upper"][1])
    each = model.predict_rul(x, [0.0, 1.0], horizon=[last, last - 1.0])
    assert np.all(np.isfinite(each["restricted_mean"]))
    assert np.all(each["restricted_mean_upper"] <= [last, last - 1.0])
    with pytest.raises(ValueError, match="horizon must be positive"):
        model.predict_rul(x, horizon=0.0)


def test_before_the_first_failure_nobody_is_lost(model):
    first = model.baseline_.times[0]
    table = model.predict_rul(np.zeros((1, 2)), horizon=first / 2)
    columns = ["restricted_mean", "restricted_mean_lower", "restricted_mean_upper"]
    np.testing.assert_allclose(table[columns].to_numpy()[0], first / 2, rtol=1e-12)


def test_strata_have_their_own_and_a_saved_model_too(tmp_path):
    x, y = fleet()
    groups = np.repeat(["a", "b"], 100)
    model = CoxPH().fit(x, y, strata=groups)
    model.save(tmp_path / "cox.json")
    given = {"strata": ["a", "b"], "horizon": 5.0}
    table = model.predict_rul(np.zeros((2, 2)), **given)
    assert table["restricted_mean"].nunique() == 2
    loaded = survjax.load(tmp_path / "cox.json").predict_rul(np.zeros((2, 2)), **given)
    assert loaded.equals(table)


def test_the_chance_to_fail_is_what_survival_leaves(model):
    x, ages = fleet()[0][:4], np.array([0.0, 1.0, 2.5, 3.0])
    found = model.failure_probability(x, ages, horizon=[2.0, 2.0, 2.0, 0.0])
    alive = model.predict_survival(x, [2.0], ages)
    np.testing.assert_allclose(
        found["failure_probability"][:3], 1 - alive["survival", 2.0][:3], rtol=1e-12
    )
    np.testing.assert_allclose(found["lower"][:3], 1 - alive["upper", 2.0][:3], rtol=1e-12)
    np.testing.assert_allclose(found["upper"][:3], 1 - alive["lower", 2.0][:3], rtol=1e-12)
    assert found.loc[3].tolist() == [0.0, 0.0, 0.0]
    assert model.failure_probability(x, 1.0, horizon=1e6).isna().all(axis=None)
    with pytest.raises(ValueError, match="horizon must be at least zero, got -1"):
        model.failure_probability(x, 1.0, horizon=-1.0)
