"""Bootstrap bounds of many groups: closed forms, late entry, and what has none."""

import warnings
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest

from survjax import FitWarning, LifetimeModel, WeibullMixture, fit_groups, load
from survjax._core.precision import double_precision
from survjax.lifetimes import LogNormal, Mixture, Shifted, Weibull
from survjax.uncertainty.groups import bootstrap as replicates
from survjax.uncertainty.groups.searched import maxima_by_search

NAMED = {"duration": "age", "event": "failed"}


def fleet():
    rng = np.random.default_rng(2)
    life, end = 30.0 * rng.weibull(1.3, 150), rng.uniform(10.0, 60.0, 150)
    site = np.repeat(["A", "B", "C"], [40, 50, 60])
    age = np.minimum(life, end)
    return pd.DataFrame({"site": site, "age": age, "failed": life <= end, "entry": 0.2 * age})


def two_kinds():
    """Two sites of which a third of the units are short-lived, and one whose units are alike."""
    rng = np.random.default_rng(5)
    life = np.concatenate([5.0 * rng.weibull(0.8, 60), 40.0 * rng.weibull(3.0, 120)])
    site = np.concatenate([np.arange(60) % 2, np.arange(120) % 2, np.full(60, 2)])
    life = np.append(life, 30.0 * rng.weibull(1.5, 60))
    age = np.minimum(life, end := rng.uniform(10.0, 90.0, life.size))
    return pd.DataFrame({"site": site, "age": age, "failed": life <= end, "entry": 0.1 * age})


@pytest.mark.parametrize("entry", [None, "entry"])
def test_bounds_are_percentiles_of_the_closed_form_on_the_same_draws(entry):
    frame, n = fleet(), 99
    fits = fit_groups(frame, "site", **NAMED, entry=entry, model=LifetimeModel("exponential"))
    found = fits.bootstrap(n, level=0.9, random_state=7)
    seeds = np.random.default_rng(7).integers(0, 2**63, 3)
    for i, (site, own) in enumerate(frame.groupby("site")):
        own, size = own.sort_values("age"), len(own)
        counts = np.random.default_rng(seeds[i]).multinomial(size, np.full(size, 1 / size), n)
        exposed = own["age"] - (own[entry] if entry else 0.0)
        scale = (counts @ exposed) / (counts @ own["failed"])
        estimate = exposed.sum() / own["failed"].sum()
        scores = exposed / estimate - own["failed"]
        a = (scores**3).sum() / own["failed"].sum() ** 1.5 / 6
        normal = NormalDist()
        z0 = normal.inv_cdf(np.mean(scale < estimate))
        points = [z0 + s * normal.inv_cdf(0.95) for s in (-1, 1)]
        shares = [normal.cdf(z0 + z / (1 - a * z)) for z in points]
        places = np.floor(shares[0] * (n + 1) - 1), np.ceil(shares[1] * (n + 1) - 1)
        ends = np.sort(scale)[np.array(places, int)]
        row = found.loc[site]
        assert row["n_replicates"] == n
        np.testing.assert_allclose(row["scale"], estimate, rtol=1e-8)
        np.testing.assert_allclose(row[["scale_lower", "scale_upper"]], ends, rtol=1e-8)


LOGNORMALS = Mixture(np.zeros(1), LogNormal(np.zeros(2), np.zeros(2)))


@double_precision
def bounds_of(model, n, seed):
    """Bootstrap bounds of one fit by itself, and its replicates with an interior maximum."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)  # where some replicates have no maximum
        model.bootstrap(n, random_state=int(seed))
    return model._parameter_bounds(0.95, "bootstrap")[0], len(model.bootstrap_.parameters)


@pytest.mark.parametrize(
    ("model", "columns"),
    [
        (WeibullMixture(2), {}),
        (WeibullMixture(2), {"entry": "entry"}),
        (WeibullMixture("bic", max_components=3), {}),
        (LifetimeModel("weibull", bounds={"shape": (0.9, 1.2)}), {}),
        pytest.param(WeibullMixture(2, resolution=1.0), {}, marks=pytest.mark.slow),
        pytest.param(LifetimeModel(LOGNORMALS), {}, marks=pytest.mark.slow),
        pytest.param(LifetimeModel("gamma"), {}, marks=pytest.mark.slow),
        pytest.param(LifetimeModel("piecewise_exponential"), {}, marks=pytest.mark.slow),
        pytest.param(LifetimeModel(Shifted(Weibull(0.0, 0.0), 0.0)), {}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_bounds_are_those_of_the_bootstrap_of_each_fit_on_the_same_draws(model, columns):
    frame, n = two_kinds(), 40
    if model.resolution:
        frame["age"] = np.ceil(frame["age"])
    fits = fit_groups(frame, "site", **NAMED, **columns, model=model)
    found = fits.bootstrap(n, random_state=7)
    seeds = np.random.default_rng(7).integers(0, 2**63, len(fits))
    for seed, key in zip(seeds, fits.keys, strict=True):
        alone = fits.model(key)
        bounds, n_good = bounds_of(alone, n, seed)
        names = [quantity.name for quantity in alone._template.quantities]
        row = found.loc[key]
        assert row["n_replicates"] == n_good
        for name, ends in zip(names, bounds, strict=True):
            assert row[f"{name}_lower"] <= row[name] <= row[f"{name}_upper"]
            np.testing.assert_allclose(row[[f"{name}_lower", f"{name}_upper"]], ends, rtol=1e-6)


def test_a_group_keeps_its_number_of_components():
    frame = two_kinds()
    fits = fit_groups(frame, "site", **NAMED, model=WeibullMixture("bic", max_components=2))
    counts = [fits.model(key).weights_.size for key in fits.keys]
    assert set(counts) == {1, 2}
    found = fits.bootstrap(20)
    assert (found["scale_2"].notna() == (np.array(counts) == 2)).all()
    assert found["scale_1_lower"].notna().all()


def test_neighbors_and_the_order_of_rows_change_no_bound():
    frame, model = two_kinds(), WeibullMixture(2)
    fits = fit_groups(frame, "site", **NAMED, model=model)
    shuffled = fit_groups(frame.sample(frac=1.0, random_state=3), "site", **NAMED, model=model)
    found, other = fits.bootstrap(30), shuffled.bootstrap(30)
    np.testing.assert_allclose(found.to_numpy(float), other.to_numpy(float), rtol=1e-6)
    first = fit_groups(frame[frame["site"] == 0], "site", **NAMED, model=model).bootstrap(30)
    np.testing.assert_allclose(first.to_numpy(float)[0], found.to_numpy(float)[0], rtol=1e-6)


def test_replicates_that_no_known_maximum_leads_to_are_searched(monkeypatch):
    asked = []

    def search(template, rows, settings):
        asked.append(len(rows.weight))
        return maxima_by_search(template, rows, settings)

    monkeypatch.setattr(replicates, "maxima_by_search", search)
    frame = two_kinds()
    few = frame[frame["site"] == 2]
    fits = fit_groups(few, "site", **NAMED, model=WeibullMixture(2))
    found = fits.bootstrap(40).iloc[0]
    assert sum(asked) > 0
    assert 40 - sum(asked) <= found["n_replicates"] <= 40


def test_groups_without_an_answer_have_no_bounds_and_draws_are_repeatable():
    frame = pd.concat(
        [fleet(), pd.DataFrame({"site": "D", "age": [3.0, 4.0], "failed": [False, False]})]
    )
    fits = fit_groups(frame, "site", **NAMED)
    found = fits.bootstrap(40)
    pd.testing.assert_frame_equal(found, fits.bootstrap(40))
    assert found.loc["D"].drop("n_replicates").isna().all() and found.loc["D", "n_replicates"] == 0
    for name in ("scale", "shape"):
        some = found.loc[["A", "B", "C"]]
        assert (some[f"{name}_lower"] < some[name]).all()
        assert (some[name] < some[f"{name}_upper"]).all()
        delta = fits.table.loc[["A", "B", "C"], name]
        np.testing.assert_allclose(some[name], delta, rtol=1e-12)


def test_what_has_no_bootstrap_says_what_to_do(tmp_path):
    frame = fleet()
    fits = fit_groups(frame, "site", **NAMED)
    fits.save(tmp_path / "fits.json")
    with pytest.raises(ValueError, match="bootstrap"):
        load(tmp_path / "fits.json").bootstrap()
    smaller = frame.assign(site=np.arange(len(frame)) // 25)
    pooled = fit_groups(smaller, "site", **NAMED, pooling="empirical-bayes")
    with pytest.raises(ValueError, match="unpooled.bootstrap"):
        pooled.bootstrap()
    with pytest.raises(ValueError, match="n_replicates"):
        fits.bootstrap(0)
