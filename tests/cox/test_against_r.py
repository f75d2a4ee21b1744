"""Cox's model against R's coxph: coefficients, errors, tests, baselines, residuals."""

import numpy as np
import pytest

from survjax.cox import (
    baseline_hazard,
    deviance_residuals,
    fit_cox,
    influence,
    martingale_residuals,
    proportionality_test,
    robust_covariance,
    schoenfeld_residuals,
)
from tests.cox._cases import NAMES, load

TIES = ("efron", "breslow")


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("name", NAMES)
def test_fits_agree_with_R(real_data, name, ties):
    rows, options, cluster, expected = load(real_data, name, ties)
    fit = fit_cox(*rows, **options)
    assert fit.converged
    coef, error = (np.array(list(expected[key].values())) for key in ("coef", "se"))
    assert np.max(np.abs(fit.coef - coef) / error) < 1e-8
    covariance = np.array(expected["vcov"]) / np.outer(error, error)
    np.testing.assert_allclose(fit.covariance / np.outer(error, error), covariance, atol=1e-8)
    assert fit.log_likelihood == pytest.approx(expected["loglik"], rel=1e-12)
    assert fit.null_log_likelihood == pytest.approx(expected["loglik_null"], rel=1e-12)
    assert (fit.n, fit.n_events) == (expected["n"], expected["nevent"])
    assert fit.likelihood_ratio_test().statistic == pytest.approx(expected["lr_test"], rel=1e-9)
    assert fit.score_test().statistic == pytest.approx(expected["score_test"], rel=1e-9)
    if cluster is None:  # R's Wald test takes the robust covariance where there is one
        assert fit.wald_test().statistic == pytest.approx(expected["wald_test"], rel=1e-8)
    else:
        robust = robust_covariance(fit, cluster) / np.outer(error, error)
        wanted = np.array(expected["robust_vcov"]) / np.outer(error, error)
        np.testing.assert_allclose(robust, wanted, atol=1e-8)
    for curve, listed in zip(
        baseline_hazard(fit).values(), expected.get("basehaz0", {}).values(), strict=False
    ):
        np.testing.assert_allclose(curve(listed["time"]), listed["cumhaz"], rtol=1e-9)


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("name", ["lung", "veteran", "ovarian", "pbc"])
def test_predicted_survival_and_its_error_agree_with_R(real_data, name, ties):
    rows, options, _, expected = load(real_data, name, ties)
    fit = fit_cox(*rows, **options)
    listed = expected["predict"]
    for unit, row in enumerate(listed["newdata"]):
        hazard = baseline_hazard(fit, [row[key] for key in expected["coef"]])[None]
        survival = np.exp(-hazard(listed["time"]))
        error = survival * hazard.standard_error(listed["time"])
        np.testing.assert_allclose(survival, np.array(listed["surv"])[:, unit], rtol=1e-9)
        np.testing.assert_allclose(error, np.array(listed["std_err_surv"])[:, unit], rtol=1e-8)


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("name", ["lung", "veteran"])
def test_residuals_agree_with_R(real_data, name, ties):
    rows, options, _, expected = load(real_data, name, ties)
    fit = fit_cox(*rows, **options)
    m = martingale_residuals(fit)
    np.testing.assert_allclose(m[:10], expected["martingale_first10"], rtol=1e-8)
    assert np.sum(m**2) == pytest.approx(expected["sum_sq_martingale"], rel=1e-9)
    deviance = deviance_residuals(fit)[:10]
    np.testing.assert_allclose(deviance, expected["deviance_first10"], rtol=1e-8)
    schoenfeld = schoenfeld_residuals(fit)[1][:5]
    np.testing.assert_allclose(schoenfeld, expected["schoenfeld_first5"], rtol=1e-7, atol=1e-10)
    moved, error = influence(fit)[:5], fit.standard_error
    np.testing.assert_allclose(moved / error, expected["dfbeta_first5"] / error, atol=1e-8)


@pytest.mark.parametrize("transform", ["km", "rank"])
@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("name", ["lung", "veteran", "pbc"])
def test_the_test_of_proportional_hazards_agrees_with_R(real_data, name, ties, transform):
    rows, options, _, expected = load(real_data, name, ties)
    found = proportionality_test(fit_cox(*rows, **options), transform)
    chisq = expected[f"cox_zph_{transform}"]["chisq"]
    statistic = [*found.statistic, found.overall.statistic]
    np.testing.assert_allclose(statistic, chisq, rtol=1e-8)


@pytest.mark.parametrize("ties", TIES)
def test_endless_coefficients_are_found_and_the_others_still_agree_with_R(real_data, ties):
    rows, options, _, expected = load(real_data, "pysurvival_maintenance", ties)
    fit = fit_cox(*rows, **options)
    assert fit.coef[4:].tolist() == [np.inf, -np.inf, np.inf, -np.inf]
    assert np.isnan(fit.standard_error[4:]).all()
    coef, error = (np.array(list(expected[key].values()), float)[:4] for key in ("coef", "se"))
    assert np.max(np.abs(fit.coef[:4] - coef) / error) < 1e-6
    np.testing.assert_allclose(fit.standard_error[:4], error, rtol=1e-6)
    assert fit.n_iter < 20
