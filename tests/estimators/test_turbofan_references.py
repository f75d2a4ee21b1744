"""Lives of turbofans: three families, quantiles and remaining lives against R's survreg."""

import numpy as np
import pytest

from survjax import LifetimeModel
from survjax.datasets import load_cmapss
from tests.references import results


@pytest.fixture(params=["FD001", "FD002"])
def turbofans(request, real_data):
    """Results of R, cycles and events of training and test engines, and true remaining lives."""
    engines = load_cmapss(real_data / "cmapss", request.param)
    train, test = (part.groupby("unit")["cycle"].max() for part in (engines.train, engines.test))
    cycles = np.concatenate([train, test]).astype(float)
    failed = np.repeat([True, False], [len(train), len(test)])
    remaining = np.asarray(engines.remaining_life, float).ravel()
    found = results(real_data, "r_industrial")
    own = {k.split("_", 2)[2]: v for k, v in found.items() if request.param in k}
    return own, cycles, failed, test.to_numpy(float), remaining


@pytest.mark.parametrize("family", ["weibull", "lognormal", "loglogistic"])
def test_fit_and_quantiles_are_those_of_r(turbofans, family):
    own, cycles, failed, _, _ = turbofans
    theirs = own[family]
    assert len(cycles) == theirs["n"]
    model = LifetimeModel(family).fit(cycles, failed)
    assert model.log_likelihood_ >= theirs["loglik"] - 1e-8 * abs(theirs["loglik"])
    np.testing.assert_allclose(model.log_likelihood_, theirs["loglik"], rtol=1e-8)
    at, errors = np.array(theirs["quantile"]), np.array(theirs["quantile_se"])
    assert np.max(np.abs(model.quantile(theirs["quantile_p"]) - at) / errors) < 1e-6
    if family == "weibull":
        table = model.summary()
        for name, value in (("shape", "weibull_shape"), ("scale", "weibull_scale")):
            error = theirs[f"se_{name}"]
            assert abs(table.loc[name, "estimate"] - theirs[value]) < 1e-6 * error
            np.testing.assert_allclose(table.loc[name, "standard_error"], error, rtol=1e-5)


def test_remaining_lives_are_those_of_r(turbofans):
    own, cycles, failed, ages, truth = turbofans
    theirs = own["rul_baseline"]
    lives = LifetimeModel("weibull").fit(cycles, failed).predict_rul(ages)
    for name, column in (("median", "q50"), ("mean", "mean")):
        ours = lives[column].to_numpy()
        np.testing.assert_allclose(ours[:5], theirs[f"{name}_rul_first5"], rtol=1e-6)
        error = np.sqrt(np.mean((ours - truth) ** 2))
        np.testing.assert_allclose(error, theirs[f"rmse_{name}_rul"], rtol=1e-7)
    gap = np.mean(np.abs(lives["q50"] - truth))
    np.testing.assert_allclose(gap, theirs["mae_median_rul"], rtol=1e-7)
