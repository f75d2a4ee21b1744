"""Covariates that change along a life, against fits polished from R's; and against lifelines."""

import gzip
import itertools
import warnings

import numpy as np
import pandas as pd
import pytest

from survjax import AcceleratedLifetime, CoxPH, Exponential, ScaledHazard
from tests.references import results

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
