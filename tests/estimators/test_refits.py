"""A refit has the optimum of a fit to all rows, and says what moved it."""

import numpy as np
import pandas as pd
import pytest

from survjax import LifetimeModel, Observations, WeibullMixture, load
from survjax.data.joining import joined_rows
from survjax.lifetimes import Weibull
from survjax.priors import LogNormal

OLD, ALL = 180, 198


def lives():
    rng = np.random.default_rng(3)
    life = np.r_[4.0 * rng.weibull(0.9, 66), 40.0 * rng.weibull(3.0, 132)]
    rng.shuffle(life)
    end = rng.uniform(10.0, 90.0, ALL)
    return np.minimum(life, end), life <= end


T, E = lives()
NEW = pd.Series(T[OLD:], index=[f"unit {i}" for i in range(ALL - OLD)])
MODELS = {
    "weibull": LifetimeModel(),
    "normal": LifetimeModel("normal"),
    "mixture": WeibullMixture(2),
    "fixed": WeibullMixture(2, fixed={"shape_2": 3.0}),
    "bounded": LifetimeModel(bounds={"shape": (1.5, None)}),
    "prior": LifetimeModel(priors={"shape": LogNormal(2.0, 1.5)}),
    "criterion": WeibullMixture("bic", max_components=2),
    "pieces": LifetimeModel("piecewise_exponential"),
}


def unfitted(name):
    model = MODELS[name]
    return type(model)(**model.get_params())


@pytest.mark.parametrize("name", MODELS)
def test_a_refit_has_the_optimum_of_a_fit_to_all_rows(name):
    before = unfitted(name).fit(T[:OLD], E[:OLD])
    kept = before.parameters_.copy()
    now, cold = before.refit(NEW, E[OLD:]), unfitted(name).fit(T, E)
    np.testing.assert_allclose(now.parameters_, cold.parameters_, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(now.covariance_, cold.covariance_, rtol=1e-6, atol=1e-12)
    assert now.log_likelihood_ == pytest.approx(cold.log_likelihood_, abs=1e-9)
    assert now.certificate_.status == cold.certificate_.status
    assert now.n_units_ == ALL and now is not before
    np.testing.assert_array_equal(before.parameters_, kept)
    again = now.refit([])
    np.testing.assert_allclose(again.parameters_, now.parameters_, rtol=1e-9, atol=1e-9)


@pytest.fixture(scope="module")
def pair():
    before = LifetimeModel().fit(T[:OLD], E[:OLD])
    return before, before.refit(NEW, E[OLD:])


def test_changes_are_in_units_of_the_error_and_the_new_rows_add_up_to_them(pair):
    before, now = pair
    table, parts = now.changed_since(before), now.moved_by(100)
    assert list(table.index) == ["scale", "shape"]
    np.testing.assert_allclose(table["change"], table["after"] - table["before"])
    np.testing.assert_allclose(
        table["change_over_error"] * table["standard_error"], table["change"]
    )
    np.testing.assert_allclose(table["after"], now.summary().loc[["scale", "shape"], "estimate"])
    # The parts of the rows add up to Newton's first step, which is most of the way.
    np.testing.assert_allclose(parts[["scale", "shape"]].sum(), table["change"], rtol=0.2)
    assert set(parts.index) == set(NEW.index) and len(now.moved_by(3)) == 3
    assert parts["distance"].is_monotonic_decreasing
    first = parts.index[0]
    assert parts.loc[first, "duration"] == NEW[first]


def test_a_rows_part_is_what_leaving_it_out_changes():
    # Many rows, so that one step is the whole way.
    rng = np.random.default_rng(1)
    life = 30.0 * rng.weibull(1.5, 3000)
    before = LifetimeModel().fit(life[:-2])
    now = before.refit(life[-2:])
    without = LifetimeModel().fit(life[:-1])
    moved = now.moved_by().sort_index()[["scale", "shape"]].to_numpy()
    change = now.changed_since(without)["change"].to_numpy()
    np.testing.assert_allclose(moved[1], change, rtol=0.05)


def test_the_unit_of_time_does_not_matter(pair):
    year = 365.25 * 86_400.0
    before = LifetimeModel().fit(T[:OLD] * year, E[:OLD])
    now = before.refit(NEW * year, E[OLD:])
    found, known = now.changed_since(before), pair[1].changed_since(pair[0])
    np.testing.assert_allclose(found.loc["scale", "change"] / year, known.loc["scale", "change"])
    np.testing.assert_allclose(found["change_over_error"], known["change_over_error"], rtol=1e-6)
    np.testing.assert_allclose(now.moved_by()["distance"], pair[1].moved_by()["distance"])


def test_little_news_takes_few_steps(pair):
    assert pair[1].refit([30.0], [1]).n_iter_ <= 3


def test_new_kinds_of_rows_join_the_old_ones(pair):
    before = pair[0]
    more = Observations.from_intervals([5.0, 9.0], [8.0, np.inf], entry=[2.0, 0.0])
    now = before.refit(more)
    old = Observations.from_durations(T[:OLD], E[:OLD])
    cold = LifetimeModel().fit(joined_rows(old, more))
    np.testing.assert_allclose(now.parameters_, cold.parameters_, atol=1e-9)
    late = before.refit([50.0, 60.0], [0, 1], entry=[40.0, 20.0], sample_weight=[2.0, 1.0])
    assert late.n_units_ == OLD + 3 and list(late.moved_by()["weight"]) != [1.0, 1.0]


def test_what_makes_no_refit_says_why(pair, tmp_path):
    before, now = pair
    with pytest.raises(ValueError, match="at least zero"):
        before.refit([3.0, -1.0])
    with pytest.raises(ValueError, match="one entry for each"):
        before.refit([3.0, 4.0], [1])
    before.save(tmp_path / "model.json")
    with pytest.raises(ValueError, match="needs the rows"):
        load(tmp_path / "model.json").refit([3.0])
    changed = LifetimeModel().fit(T, E).set_params(lifetime="lognormal")
    assert changed.parameter_names_ == before.parameter_names_
    with pytest.raises(ValueError, match="settings were changed"):
        changed.refit([3.0])
    with pytest.raises(ValueError, match="previous must be"):
        now.changed_since(WeibullMixture(2))
    with pytest.raises(ValueError, match="refit"):
        before.moved_by()
    with pytest.raises(ValueError, match="most"):
        now.moved_by(0)
    own = LifetimeModel(Weibull(0.0, 0.0)).fit(T, E)
    assert own.refit(now._added[0]).n_units_ == 2 * ALL - OLD


def test_another_fit_forgets_which_rows_were_new(pair):
    model = pair[0].refit(NEW, E[OLD:]).fit(T, E)
    with pytest.raises(ValueError, match="refit"):
        model.moved_by()
