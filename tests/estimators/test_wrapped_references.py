"""Wrapped lifetimes and mixtures of two families against other programs' results on real data."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from survjax import AcceleratedLifetime, LifetimeModel, Observations
from survjax.lifetimes import (
    Cured,
    Exponential,
    Gamma,
    LogLogistic,
    LogNormal,
    Mixture,
    Shifted,
    Weibull,
    ZeroInflated,
    lifetime_from,
)
from tests.references import rows_of

FAMILIES = {"weibull": Weibull, "lognormal": LogNormal, "loglogistic": LogLogistic, "gamma": Gamma}
THREE = [("weibull", "alloy_t7987"), ("loglogistic", "alloy_t7987")]
THREE += [(family, "locomotivecontrol") for family in ("weibull", "lognormal")]
LONG = [("lognormal", "alloy_t7987"), ("gamma", "alloy_t7987")]
CURED = ("weibull", "lognormal", "loglogistic")
PAIRS = [
    (pair, case)
    for case in ("voltage", "acid_gas_compressor")
    for pair in ("lognormal+weibull", "weibull+lognormal", "exponential+weibull", "gamma+weibull")
]


@pytest.fixture(scope="module")
def reference(real_data):
    return json.loads((real_data / "reference" / "families_refs.json").read_text())


def _start(family, *at):
    """A member of a family, from which nothing but its kind is used."""
    at = at or (0.0,)
    return Exponential(*at) if family == "exponential" else FAMILIES[family](*at, *at)


def _found(reference, model, case):
    return next(f for f in reference["special"] if (f["model"], f["case"]) == (model, case))


def _agrees(model, theirs):
    """Scale and shape within 1e-6 of a standard error; theirs may be a location of log time."""
    table = model.summary()
    for name, value in {
        "scale": theirs.get("scale", np.exp(theirs.get("mu", np.nan))),
        "shape": theirs.get("shape", 1.0 / theirs.get("sigma", np.nan)),
        "threshold": theirs.get("offset", np.nan),
        "cured_share": 1.0 - theirs.get("p_susceptible", np.nan),
    }.items():
        if name in table.index:
            found = table.loc[name]
            assert abs(found["estimate"] - value) < 1e-6 * found["standard_error"], name


@pytest.mark.parametrize(
    ("family", "case"), [*THREE, *(pytest.param(*pair, marks=pytest.mark.slow) for pair in LONG)]
)
def test_three_parameters(real_data, reference, family, case):
    fit = _found(reference, f"shifted_{family}", case)
    model = LifetimeModel(Shifted(_start(family), 0.0)).fit(rows_of(real_data, fit["data"]))
    assert model.log_likelihood_ == pytest.approx(fit["loglik"], rel=1e-10)
    _agrees(model, fit["est"])


@pytest.mark.parametrize("family", CURED)
@pytest.mark.parametrize("case", ["lfp1370", "defective_sample"])
def test_a_share_that_never_fails(real_data, reference, family, case):
    fit = _found(reference, f"cured_{family}", case)
    model = LifetimeModel(Cured(_start(family), 0.0)).fit(rows_of(real_data, fit["data"]))
    assert model.log_likelihood_ == pytest.approx(fit["loglik"], rel=1e-10)
    _agrees(model, fit["est"])


@pytest.mark.parametrize(
    ("pair", "case"),
    [pytest.param(*p, marks=pytest.mark.slow) if "gamma" in p[0] else p for p in PAIRS],
)
def test_mixtures_of_two_families_reach_their_maximum_or_a_higher_one(
    real_data, reference, pair, case
):
    fit = _found(reference, f"mixture({pair})", case)
    parts = tuple(_start(family, np.zeros(1)) for family in pair.split("+"))
    model = LifetimeModel(Mixture(np.zeros(1), parts)).fit(rows_of(real_data, fit["data"]))
    # Two of the eight, of nine starts, stopped at a maximum that is not the highest.
    reached = [model.log_likelihood_, *model.certificate_.other_maxima]
    assert np.min(np.abs(np.array(reached) - fit["loglik"])) < 1e-6
    assert model.log_likelihood_ >= fit["loglik"] - 1e-8
    assert model.certificate_.decrement < 1e-8 and model.certificate_.smallest_eigenvalue > 0.0


@pytest.mark.parametrize("i", range(4))
def test_zeros(real_data, reference, i):
    fit = reference["zero_inflated"][i]
    table = pd.read_csv(real_data / fit["data"])
    time = table.filter(regex="(?i)mega|cycle|time").iloc[:, 0].to_numpy(float)
    zeros = {"ball_bearings": 2, "aarset": 5}[fit["case"]]
    family = fit["model"].rpartition("_")[2]
    rows = Observations.from_durations(np.concatenate([np.zeros(zeros), time]), zeros=True)
    model = LifetimeModel(ZeroInflated(_start(family), 0.0)).fit(rows)
    assert model.log_likelihood_ == pytest.approx(fit["loglik"], rel=1e-10)
    found = model.summary().loc["zero_share"]
    assert found["estimate"] == pytest.approx(fit["est"]["p0"], rel=1e-8)
    assert found["standard_error"] == pytest.approx(fit["se_p0"], rel=1e-6)
    _agrees(model, fit["est"])


def _gradual_weibull(t, logit_share, log_shape, log_scale):
    """Cumulative hazard of which a share is left at the end, not of units that never fail."""
    failed = -jnp.expm1(-((t / jnp.exp(log_scale)) ** jnp.exp(log_shape)))
    return jax.nn.softplus(-logit_share) * failed


def _gradual_lognormal(t, logit_share, location, log_sigma):
    failed = jax.scipy.stats.norm.cdf((jnp.log(t) - location) / jnp.exp(log_sigma))
    return jax.nn.softplus(-logit_share) * failed


SHARES = [
    Cured(Weibull(0.0, 0.0), 0.0),
    Cured(LogNormal(0.0, 0.0), 0.0),
    lifetime_from(
        cumulative_hazard=_gradual_weibull,
        parameters={"logit_share": 0.0, "log_shape": 0.0, "log_scale": 7.0},
    ),
    lifetime_from(
        cumulative_hazard=_gradual_lognormal,
        parameters={"logit_share": 0.0, "location": 7.0, "log_sigma": 0.0},
    ),
]


@pytest.mark.parametrize("i", range(4))
def test_a_column_on_the_share_that_never_fails(real_data, reference, i):
    fit = reference["cure_regression"][i]
    share, other = ("cured_share", "scale") if i < 2 else ("share", "factor")
    table = pd.read_csv(real_data / fit["data"])
    model = AcceleratedLifetime(SHARES[i], on={share: ["ulcer"], other: []})
    model.fit(table[["ulcer"]], np.column_stack([table["time"], table["status"] == 1]))
    assert model.log_likelihood_ == pytest.approx(fit["loglik"], rel=1e-9)
    found = model.summary().filter(like="ulcer", axis=0)
    # One program, which stops at a relative 1e-8.
    assert abs(found["estimate"].item() - fit["est"][3]) < 1e-4 * fit["se"][3]
    assert found["standard_error"].item() == pytest.approx(fit["se"][3], rel=1e-4)
