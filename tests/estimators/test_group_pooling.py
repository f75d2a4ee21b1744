"""Groups that borrow strength: what they have in common is found, and bounds hold the truth."""

import matplotlib

matplotlib.use("agg")

import numpy as np
import pandas as pd
import pytest

from survjax import LifetimeModel, NoFiniteMaximum, WeibullMixture, fit_groups
from survjax.plotting import plot_ranking

MEAN = np.array([np.log(40.0), 0.6])
SPREAD = np.array([[0.09, 0.02], [0.02, 0.04]])
NAMED = {"duration": "age", "event": "failed"}


def fleet(n_groups, sizes, seed=1):
    """Groups whose log scales and log shapes are drawn from one normal distribution."""
    rng = np.random.default_rng(seed)
    truth = rng.multivariate_normal(MEAN, SPREAD, n_groups)
    n = rng.choice(sizes, n_groups)
    group = np.repeat(np.arange(n_groups), n)
    life = np.exp(truth[group, 0]) * rng.weibull(1.0, n.sum()) ** np.exp(-truth[group, 1])
    end = rng.uniform(10.0, 60.0, group.size)
    return truth, pd.DataFrame({"site": group, "age": np.minimum(life, end), "failed": life <= end})


@pytest.fixture(scope="module")
def many():
    truth, frame = fleet(400, [3, 5, 10, 30])
    return truth, frame, fit_groups(frame, "site", **NAMED, pooling="empirical-bayes")


def test_pooling_recovers_what_the_groups_have_in_common(many):
    truth, _, fits = many
    prior = fits.pooling.prior
    errors = np.sqrt(np.diag(prior.mean_covariance))
    assert np.all(np.abs(prior.mean - MEAN) < 3.0 * errors)
    np.testing.assert_allclose(np.diag(prior.covariance), np.diag(SPREAD), rtol=0.5)
    gap = fits.pooling.x - truth
    own = fits.unpooled.table["converged"].to_numpy()
    alone = np.log(fits.unpooled.table[["scale", "shape"]].to_numpy()[own]) - truth[own]
    assert np.all(
        np.sqrt(np.mean(gap[own] ** 2, axis=0)) < 0.7 * np.sqrt(np.mean(alone**2, axis=0))
    )
    inside = np.abs(gap) < 1.96 * np.sqrt(np.diagonal(fits.pooling.covariance, axis1=1, axis2=2))
    assert np.all(inside.mean(axis=0) > 0.91)


def test_groups_without_failures_have_bounds_that_know_little(many):
    _, frame, fits = many
    table = fits.table
    none = table[table["n_events"] == 0]
    large = table[table["n_events"] > 15]
    assert len(none) and np.isfinite(none["q50_upper"]).all()
    assert none["drawn"].min() > large["drawn"].max()
    assert none["message"].str.startswith("no maximum of its own: none of the").all()
    assert fits.predict_rul(frame[:20]).notna().all(axis=None)
    with pytest.raises(NoFiniteMaximum):
        fits.model(none.index[0])


def test_pooling_depends_neither_on_the_order_of_groups_nor_on_the_unit_of_time():
    _, frame = fleet(30, [6, 12], seed=4)
    first = fit_groups(frame, "site", **NAMED, pooling="empirical-bayes").table
    frame["site"] = 100 - frame["site"]
    frame["age"] *= 3.0e7
    second = fit_groups(frame, "site", **NAMED, pooling="empirical-bayes").table.iloc[::-1]
    np.testing.assert_allclose(second["q10_lower"] / 3.0e7, first["q10_lower"], rtol=1e-5)
    np.testing.assert_allclose(second["shape_upper"], first["shape_upper"], rtol=1e-5)


def test_pooling_that_has_too_little_to_learn_from_says_so():
    _, frame = fleet(3, [5], seed=2)
    with pytest.raises(NoFiniteMaximum, match="only 3 of 3 have one: at least 4 are needed"):
        fit_groups(frame, "site", **NAMED, pooling="empirical-bayes")
    for model in (WeibullMixture(2), LifetimeModel(fixed={"shape": 2.0})):
        with pytest.raises(ValueError, match="is for lifetimes of one component"):
            fit_groups(frame[:5], "site", **NAMED, model=model, pooling="empirical-bayes")


def test_a_ranking_draws_each_group_with_its_bounds(many, tmp_path):
    _, _, fits = many
    ax = plot_ranking(fits, "q10", most=10, unit="weeks")
    assert ax.get_yticklabels()[0].get_text() == str(fits.table["q10"].idxmin())
    assert len(ax.get_yticks()) == 10 and "390 more" in {text.get_text() for text in ax.texts}
    assert "weeks" in ax.get_xlabel() and "400 groups by site" in ax.get_title(loc="left")
    middle = next(line for line in ax.get_lines() if "pooled" in str(line.get_label()))
    shown = fits.table["q10"].sort_values().to_numpy()
    np.testing.assert_allclose(middle.get_xdata(), [*shown[:5], *shown[-5:]])
    ax = fits.unpooled.plot(most=12)
    assert "without an answer" in ax.get_title(loc="right")
    with pytest.raises(ValueError, match="quantity must be one of scale, shape, q10, q50"):
        fits.plot("mean")
    with pytest.raises(ValueError, match="most must be a whole number"):
        fits.plot(most=1)
