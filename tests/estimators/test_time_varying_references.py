"""Covariates that change along a life, against fits polished from R's; and against lifelines."""

import gzip
import itertools
import warnings

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from survjax import AcceleratedLifetime, CoxPH, Exponential, ScaledHazard
from survjax.lifetimes import Lifetime, parameter, pytree
from tests.references import results

# R is given the same rows, each of which counts by itself.
pytestmark = pytest.mark.filterwarnings(
    "ignore:[0-9]+ of [0-9]+ censored rows end exactly:survjax.FitWarning"
)

FILES = {
    "heart": ("cox_heart_tv.csv", "start", "stop", "event"),
    "pbcseq": ("cox_pbcseq_tv.csv", "tstart", "tstop", "death"),
    "cmapss_fd001": ("cox_cmapss_fd001_tv.csv.gz", "start", "cycle", "event"),
}


def history(real_data, case, names):
    """Covariates, (stop, event) and start of one of R's tables."""
    file, start, stop, event = FILES[case]
    path = real_data / "reference" / "csv" / file
    open_ = gzip.open if path.suffix == ".gz" else open
    with open_(path, "rt") as lines:
        table = pd.read_csv(lines)
    return table[names], table[[stop, event]].to_numpy(float), table[start].to_numpy(float)


@pytest.mark.parametrize("kind", ["exponential", "weibull"])
@pytest.mark.parametrize("case", FILES)
def test_a_scaled_hazard_of_histories_agrees_with_r(real_data, case, kind):
    reference = results(real_data, "r_tv_parametric")[case][kind]
    polished = results(real_data, "polished_tv_lt")[f"{case}:{kind}"]
    names = reference["par_names"][-(len(reference["par"]) - (2 if kind == "weibull" else 1)) :]
    x, y, entry = history(real_data, case, names)
    base = Exponential.of(float(y[:, 0].mean())) if kind == "exponential" else None
    model = ScaledHazard(base).fit(x, y, entry=entry)
    assert model.log_likelihood_ == pytest.approx(polished["loglik"], rel=1e-8)
    expected = dict(zip(reference["par_names"], polished["par"], strict=True))
    errors = dict(zip(reference["par_names"], polished["se"], strict=True))
    summary = model.summary()
    for name in names:
        row = summary.loc[f"log_ratio:{name}"]
        assert row["estimate"] == pytest.approx(expected[name], abs=1e-6 * errors[name] + 1e-9)
        assert row["standard_error"] == pytest.approx(errors[name], rel=1e-4)


@pytree
class Gompertz(Lifetime):
    """A hazard whose log is a line in time: none of survjax's own families."""

    log_rate: float = parameter()
    slope: float = parameter()

    def log_hazard(self, t):
        return self.log_rate + self.slope * t

    def cumulative_hazard(self, t):
        x = self.slope * t
        small = jnp.abs(x) < 1e-5
        # Beyond any life it goes on linearly, so that it stays finite.
        safe = jnp.where(small, 1.0, jnp.minimum(x, 500.0))
        mean = jnp.where(small, 1.0 + x / 2.0 + x**2 / 6.0, jnp.expm1(safe) / safe)
        return jnp.exp(self.log_rate) * t * mean


def test_a_base_of_ones_own_agrees_with_r(real_data):
    reference = results(real_data, "r_tv_parametric")["heart"]["gompertz"]
    polished = results(real_data, "polished_tv_lt")["heart:gompertz"]
    names = reference["par_names"][2:]
    x, y, entry = history(real_data, "heart", names)
    model = ScaledHazard(Gompertz(-4.0, 0.0), center=False).fit(x, y, entry=entry)
    assert model.converged_
    assert model.log_likelihood_ == pytest.approx(polished["loglik"], rel=1e-10)
    order = [*names, "log_lambda", "b"]
    expected, errors = (
        np.array([dict(zip(reference["par_names"], polished[k], strict=True))[n] for n in order])
        for k in ("par", "se")
    )
    found = model.summary()
    assert np.max(np.abs(found["estimate"].to_numpy() - expected) / errors) < 1e-6
    np.testing.assert_allclose(found["standard_error"], errors, rtol=1e-6)


def test_a_base_of_ones_own_predicts_with_bounds():
    rng = np.random.default_rng(3)
    x, ages = rng.normal(size=(1500, 1)), np.array([0.0, 5.0, 20.0])
    lives = np.log1p(rng.exponential(size=1500) * np.exp(-0.5 * x[:, 0]) * 0.1 / 0.02) / 0.1
    limit = rng.uniform(5.0, 40.0, 1500)
    y = np.column_stack([np.minimum(lives, limit), lives <= limit])
    model = ScaledHazard(Gompertz(-3.0, 0.0), center=False).fit(x, y)
    rest = model.predict_rul(np.zeros((3, 1)), ages)
    assert np.all(rest["mean_lower"] < rest["mean"]) and np.all(rest["mean"] < rest["mean_upper"])
    rate, slope = np.exp(float(model.baseline_.log_rate)), float(model.baseline_.slope)

    def hazard(t):
        return rate * np.expm1(slope * t) / slope

    used = hazard(ages + rest["q50"].to_numpy()) - hazard(ages)
    np.testing.assert_allclose(used, np.log(2.0), rtol=1e-9)
    t = np.linspace(0.0, 150.0, 200_001)
    for age, mean in zip(ages, rest["mean"], strict=True):
        still = np.exp(hazard(age) - hazard(age + t))
        assert mean == pytest.approx(np.trapezoid(still, t), rel=1e-6)


@pytest.mark.parametrize("case", ["rossi_piecewise", "lung_piecewise", "heart", "pbcseq"])
def test_a_rate_for_each_period_of_life_agrees_with_r(real_data, case):
    reference = results(real_data, "r_tv_parametric")[case]
    if case in FILES:
        reference = reference["piecewise_exponential"]
        names = [name for name in reference["coef"] if not name.startswith("ep")]
        table, y, begin = history(real_data, case, names)
        time, event = y.T
    else:
        names = [name for name in reference["coef"] if not name.startswith("ep")]
        table = pd.read_csv(real_data / reference["data"])
        time, event = table.iloc[:, 0].to_numpy(float), table.iloc[:, 1].to_numpy(float)
        begin = np.zeros(time.size)
    edges = [0.0, *reference["cuts"], np.inf]
    rows = []
    for k, (start, stop) in enumerate(itertools.pairwise(edges)):
        inside = (time > start) & (begin < stop)
        part = table.loc[inside, names].assign(
            **{f"ep{j + 1}": float(j == k) for j in range(1, len(edges) - 1)}
        )
        part["entry"], part["stop"] = (
            np.maximum(begin[inside], start),
            np.minimum(time, stop)[inside],
        )
        part["event"] = event[inside] * (time[inside] <= stop)
        rows.append(part)
    rows = pd.concat(rows)
    x, y = rows.drop(columns=["entry", "stop", "event"]), rows[["stop", "event"]].to_numpy(float)
    model = ScaledHazard(Exponential.of(100.0), center=False).fit(x, y, entry=rows["entry"])
    assert model.log_likelihood_ == pytest.approx(reference["survival_loglik"], rel=1e-8)
    found = dict(zip(x, model.coef_, strict=True))
    first = -float(model.baseline_.log_scale)
    for name, expected in reference["coef"].items():
        ours = found.get(name, 0.0) + first * name.startswith("ep")
        # R stops some 1e-6 standard errors short.
        assert ours == pytest.approx(expected, abs=1e-5 * reference["se"][name])
    errors = model.summary()["standard_error"]
    for name in names:
        assert errors[f"log_ratio:{name}"] == pytest.approx(reference["se"][name], rel=1e-4)


@pytest.fixture(scope="module")
def rossi():
    """lifelines' table of 432 lives with seven covariates."""
    from lifelines.datasets import load_rossi

    return load_rossi()


def test_accelerated_lifetime_agrees_with_lifelines(rossi):
    import lifelines

    theirs = lifelines.WeibullAFTFitter().fit(rossi, "week", "arrest")
    x = rossi.drop(columns=["week", "arrest"])
    ours = AcceleratedLifetime().fit(x, rossi[["week", "arrest"]].to_numpy(float))
    # Its own optimum is some 1e-7 in log-likelihood away.
    assert ours.log_likelihood_ == pytest.approx(theirs.log_likelihood_, abs=1e-6)
    assert ours.log_likelihood_ >= theirs.log_likelihood_ - 1e-9
    found = theirs.summary.loc["lambda_"]
    np.testing.assert_allclose(ours.coef_, found["coef"][x.columns], rtol=1e-3, atol=1e-5)
    spread = ours.summary()["standard_error"][[f"log_scale:{name}" for name in x]]
    np.testing.assert_allclose(spread, found["se(coef)"][x.columns], rtol=1e-3)


def test_cox_agrees_with_lifelines(rossi):
    import lifelines

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own deprecations
        theirs = lifelines.CoxPHFitter().fit(rossi, "week", "arrest")
    x = rossi.drop(columns=["week", "arrest"])
    ours = CoxPH().fit(x, rossi[["week", "arrest"]].to_numpy(float))
    assert ours.log_likelihood_ == pytest.approx(theirs.log_likelihood_, rel=1e-8)
    np.testing.assert_allclose(ours.coef_, theirs.params_[x.columns], rtol=1e-5)
    np.testing.assert_allclose(
        ours.summary()["standard_error"], theirs.standard_errors_[x.columns], rtol=1e-5
    )
