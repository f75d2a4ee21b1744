"""Bootstrap bounds of many groups: closed forms, late entry, and what has none."""

from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest

from survjax import LifetimeModel, WeibullMixture, fit_groups, load

NAMED = {"duration": "age", "event": "failed"}


def fleet():
    rng = np.random.default_rng(2)
    life, end = 30.0 * rng.weibull(1.3, 150), rng.uniform(10.0, 60.0, 150)
    site = np.repeat(["A", "B", "C"], [40, 50, 60])
    age = np.minimum(life, end)
    return pd.DataFrame({"site": site, "age": age, "failed": life <= end, "entry": 0.2 * age})


@pytest.mark.parametrize("entry", [None, "entry"])
def test_bounds_are_percentiles_of_the_closed_form_on_the_same_draws(entry):
    frame, n = fleet(), 99
    fits = fit_groups(frame, "site", **NAMED, entry=entry, model=LifetimeModel("exponential"))
    found = fits.bootstrap(n, level=0.9, random_state=7)
    seeds = np.random.default_rng(7).integers(0, 2**63, 3)
    for i, (site, own) in enumerate(frame.groupby("site")):
        size = len(own)
        counts = np.random.default_rng(seeds[i]).multinomial(size, np.full(size, 1 / size), n)
        exposed = own["age"] - (own[entry] if entry else 0.0)
        scale = (counts @ exposed) / (counts @ own["failed"])
        estimate = exposed.sum() / own["failed"].sum()
        normal = NormalDist()
        z0 = normal.inv_cdf(np.mean(scale < estimate))
        shares = [normal.cdf(2 * z0 + s * normal.inv_cdf(0.95)) for s in (-1, 1)]
        places = np.floor(shares[0] * (n + 1) - 1), np.ceil(shares[1] * (n + 1) - 1)
        ends = np.sort(scale)[np.array(places, int)]
        row = found.loc[site]
        assert row["n_replicates"] == n
        np.testing.assert_allclose(row["scale"], estimate, rtol=1e-8)
        np.testing.assert_allclose(row[["scale_lower", "scale_upper"]], ends, rtol=1e-8)


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
    pair = fit_groups(frame, "site", **NAMED, model=WeibullMixture(2))
    for one in (pooled, pair):
        with pytest.raises(ValueError, match="model.key..bootstrap"):
            one.bootstrap()
    with pytest.raises(ValueError, match="n_replicates"):
        fits.bootstrap(0)
