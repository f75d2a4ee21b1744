"""CoxPH as users call it, against R's coxph: errors, concordance and tests, clusters and strata."""

import json

import numpy as np
import pandas as pd
import pytest

from survjax import CoxPH, concordance
from tests.cox._cases import NAMES, load
from tests.references import results


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("name", NAMES)
def test_the_estimator_agrees_with_r(real_data, name, ties):
    (time, event, x), options, cluster, expected = load(real_data, name, ties)
    y, strata = np.column_stack([time, event]).astype(float), options.get("strata")
    rows = {"entry": options.get("entry"), "strata": strata}
    model = CoxPH(ties=ties).fit(x, y, cluster=cluster, **rows)
    error = np.array(list(expected.get("robust_se", expected["se"]).values()))
    assert np.max(np.abs(model.coef_ - list(expected["coef"].values())) / error) < 1e-8
    np.testing.assert_allclose(np.sqrt(np.diag(model.covariance_)), error, rtol=1e-8)
    assert model.log_likelihood_ == pytest.approx(expected["loglik"], rel=1e-12)
    found = concordance(time, event, model.predict(x), cluster=cluster, **rows)
    assert found.index == pytest.approx(expected["concordance"], rel=1e-12)
    assert found.standard_error == pytest.approx(expected["concordance_se"], rel=1e-10)
    assert model.score(x, y, **rows) == found.index
    tests = model.tests()["statistic"]
    assert tests["wald"] == pytest.approx(expected["wald_test"], rel=1e-7)
    assert tests["likelihood_ratio"] == pytest.approx(expected["lr_test"], rel=1e-9)
    assert tests["score"] == pytest.approx(expected["score_test"], rel=1e-9)
    if cluster is not None:
        assert tests["robust_score"] == pytest.approx(expected["robust_score"], rel=1e-8)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_tires_agree_with_r(real_data, ties):
    expected = results(real_data, "r_extra")[f"tires_cox_{ties}"]
    table = pd.read_csv(real_data / expected["data"])
    x, y = table[list(expected["coef"])], table[["time", "event"]].to_numpy(float)
    model = CoxPH(ties=ties).fit(x, y)
    error = np.array(list(expected["se"].values()))
    assert np.max(np.abs(model.coef_ - list(expected["coef"].values())) / error) < 1e-8
    np.testing.assert_allclose(np.sqrt(np.diag(model.covariance_)), error, rtol=1e-8)
    likelihoods = [model.null_log_likelihood_, model.log_likelihood_]
    np.testing.assert_allclose(likelihoods, expected["loglik"], rtol=1e-12)
    assert model.score(x, y) == pytest.approx(expected["concordance"], rel=1e-12)


@pytest.mark.parametrize("name", ["rossi", "veteran", "lung_cov", "pbc", "motors", "zelencap"])
def test_the_estimator_agrees_with_lifelines(real_data, name):
    case = json.loads((real_data / "reference/lifelines.json").read_text())["cases"][name]
    expected = case["fits"]["cox_efron"]
    table = pd.read_csv(real_data / case["data"])
    names = [key.split(":")[-1] for key in expected["params"]]
    pairs = [("week", "arrest"), ("time", "event"), ("time", "status"), ("time", "cens")]
    time, event = next(pair for pair in pairs if set(pair) <= set(table))
    weight = table["count"].to_numpy(float) if name == "zelencap" else None
    model = CoxPH().fit(table[names], table[[time, event]].to_numpy(float), sample_weight=weight)
    error = np.array(list(expected["se"].values()))
    # Its stopping rule leaves some 1e-4 standard errors.
    assert np.max(np.abs(model.coef_ - list(expected["params"].values())) / error) < 1e-3
    assert model.log_likelihood_ == pytest.approx(expected["loglik"], rel=1e-8)
