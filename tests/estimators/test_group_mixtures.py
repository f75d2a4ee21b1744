"""Mixtures of two Weibulls in many groups: each group's answer is that of its own search."""

import numpy as np
import pandas as pd
import pytest

from survjax import WeibullMixture, fit_groups
from survjax.fitting.groups.mixtures.ranked import agreeing
from survjax.uncertainty.modes import parameter_bounds
from tests.studies.group_mixtures import compared

NAMED = {"duration": "age", "event": "failed"}
YEAR = 365.25 * 86_400.0


def fleet(n_groups=10, size=50):
    """Lives of which a third are short, and of one group none are told apart."""
    rng = np.random.default_rng(5)
    few = size // 3
    short = 5.0 * rng.weibull(0.8, (n_groups, few))
    long = 40.0 * rng.weibull(3.0, (n_groups, size - few))
    life = np.concatenate([short, long], axis=1) * np.exp(0.3 * rng.normal(size=(n_groups, 1)))
    life[-1] = 30.0 * rng.weibull(1.5, size)
    life, end = life.ravel(), rng.uniform(10.0, 90.0, life.size)
    entry = np.where(rng.random(life.size) < 0.3, 0.2 * np.minimum(life, end), 0.0)
    group = np.repeat(np.arange(n_groups), size)
    age = np.minimum(life, end)
    return pd.DataFrame({"site": group, "age": age, "failed": life <= end, "entry": entry})


@pytest.fixture(scope="module")
def fits():
    return fit_groups(fleet(), "site", **NAMED, model=WeibullMixture(2))


def test_each_group_has_the_answer_and_the_bounds_of_its_own_fit(fits):
    frame, table, answers = fleet(), fits.table, fits._answers
    assert answers.searched.which.size >= 8
    n_compared = 0
    n_maxima = np.diff(answers.maxima.begins)
    for key, n in zip(answers.searched.which[:6], n_maxima, strict=False):
        own, row = frame[frame["site"] == key], table.loc[key]
        alone = WeibullMixture(2).fit(own["age"], own["failed"])
        assert row["log_likelihood"] == pytest.approx(alone.log_likelihood_, abs=1e-9)
        held = alone.parameters_, alone.covariance_, alone._maxima
        # Steps that differ far from maxima may meet another of the lower ones.
        if n != (1 if alone._maxima is None else len(alone._maxima.weights)):
            continue
        n_compared += 1
        bounds = parameter_bounds(alone._template, *held, 0.95)
        for quantity, ends in zip(alone._template.quantities, bounds, strict=True):
            found = row[[f"{quantity.name}_lower", f"{quantity.name}_upper"]].astype(float)
            np.testing.assert_allclose(found, ends, rtol=1e-6)
        lives = alone.predict_rul([12.0], [0.1, 0.5], 0.9)
        unit = pd.DataFrame({"site": [key], "age": [12.0]})
        found = fits.predict_rul(unit, quantiles=[0.1, 0.5], level=0.9)
        np.testing.assert_allclose(found.to_numpy(), lives.to_numpy(), rtol=1e-6)
    assert n_compared >= 4


@pytest.mark.slow
def test_hard_problems_of_any_unit_have_the_answers_of_their_own_fits():
    pairs, _, _ = compared(list(range(24)))
    assert sum(pair.side_by_side for pair in pairs) >= 12
    assert max(abs(pair.gain) for pair in pairs) < 1e-6
    assert all(pair.same_certificate for pair in pairs)


def test_a_model_of_a_group_is_the_answer_in_the_table_with_its_certificate(fits):
    key = fits._answers.searched.which[0]
    model, row = fits.model(key), fits.table.loc[key]
    assert model.log_likelihood_ == row["log_likelihood"] and model.converged_
    np.testing.assert_allclose(model.parameters_, fits._answers.x[key])
    np.testing.assert_allclose(model.scales_, row[["scale_1", "scale_2"]].astype(float))
    certificate = model.certificate_
    assert certificate.smallest_eigenvalue > 0 and certificate.gradient < 1e-6
    assert certificate.n_starts > 8 and certificate.n_agreeing >= 1
    assert list(model.summary().index[:2]) == ["weight_1", "weight_2"]


def test_neither_order_nor_unit_nor_neighbors_change_an_answer(fits):
    frame = fleet().sample(frac=1.0, random_state=1)
    frame = frame[frame["site"] != 3]
    frame["age"] *= YEAR
    found = fit_groups(frame, "site", **NAMED, model=WeibullMixture(2)).table
    before = fits.table.drop(3)
    for name in ("scale_1", "scale_2", "scale_1_lower", "scale_2_error"):
        np.testing.assert_allclose(found[name] / YEAR, before[name], rtol=1e-7)
    for name in ("shape_1", "shape_2_upper", "weight_1", "weight_2_error"):
        np.testing.assert_allclose(found[name], before[name], rtol=1e-7)
    assert (found["status"] == before["status"]).all()


def test_late_entry_and_weights_count(fits):
    frame = fleet(4)
    frame["weight"] = 1.0 + frame.index % 2
    columns = {**NAMED, "entry": "entry", "weight": "weight"}
    found = fit_groups(frame, "site", **columns, model=WeibullMixture(2))
    own = frame[frame["site"] == 1]
    alone = WeibullMixture(2).fit(
        own["age"], own["failed"], entry=own["entry"], sample_weight=own["weight"]
    )
    value = found.table.loc[1, "log_likelihood"]
    assert value == pytest.approx(alone.log_likelihood_, abs=1e-9)


def test_groups_that_no_mixture_fits_are_left_to_their_own_search(fits):
    frame = fleet()[["site", "age", "failed"]].query("site < 2")
    hostile = [
        pd.DataFrame({"site": 70, "age": [3.0, 9.0, 12.0], "failed": False}),
        pd.DataFrame({"site": 71, "age": [7.0] * 8, "failed": True}),
        pd.DataFrame({"site": 72, "age": [1.0, 2.0, 4.0], "failed": [True, False, True]}),
    ]
    found = fit_groups(pd.concat([frame, *hostile]), "site", **NAMED, model=WeibullMixture(2))
    table = found.table
    assert not table.loc[[70, 71], "converged"].any() and table.loc[[0, 1], "converged"].all()
    assert table.loc[0, "log_likelihood"] == pytest.approx(
        fits.table.loc[0, "log_likelihood"], abs=1e-9
    )


def test_points_agree_with_the_first_of_their_group_that_is_near():
    group = np.array([1, 0, 1, 1, 0])
    points = np.array([[0.0], [0.0], [0.01], [0.5], [0.3]])
    assert agreeing(group, points, 0.1).tolist() == [0, 1, 0, 3, 4]
    value = np.array([2.0, 1.0, 3.0, 1.0, 1.0])
    assert agreeing(group, points, 0.1, value).tolist() == [0, 1, 2, 3, 4]
