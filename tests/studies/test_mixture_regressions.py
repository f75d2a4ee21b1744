"""A few small fleets of the study: the best interior maximum known is found."""

import warnings

import numpy as np
import pytest

from survjax import MixtureRegression
from tests.studies.mixture_regressions import problem

#: Log-likelihoods that fifty starts around the truth, or more, have found.
KNOWN = {13: -277.939, 14: -273.578, 36: -308.631, 388: -372.850, 260: -188.474}


@pytest.mark.parametrize("seed", KNOWN)
def test_small_fleets_reach_the_best_maximum_known(seed):
    given = problem(seed, 2)
    model = MixtureRegression(2, on=given["on"])
    model.fit(given["x"], given["y"], entry=given["entry"])
    assert model.converged_
    assert model.log_likelihood_ > KNOWN[seed] - 2e-3
    assert np.all(np.linalg.eigvalsh(model.covariance_) > 0)


@pytest.mark.parametrize("seed", [174, 402, 451])
def test_no_component_collapses_on_units_far_from_the_mean_asset(seed):
    # Where columns move shapes, the likelihood is unbounded at single units: these fleets have
    # maxima with shapes of thousands to millions at three failures that lie above the answer.
    given = problem(seed, 2)
    model = MixtureRegression(2, on=given["on"])
    model.fit(given["x"], given["y"], entry=given["entry"])
    assert model.converged_
    ages, failed = given["y"].T
    held = model.membership(given["x"], ages, failed).to_numpy()[:, :2] > 0.5
    estimate = model.summary().estimate
    for j in (1, 2):
        names = [f"log_shape_{j}:{name}" for name in ("intercept", "x0", "x1")]
        shapes = np.exp(estimate[names[0]] + given["x"] @ estimate[names[1:]].to_numpy())
        assert shapes[(failed == 1) & held[:, j - 1]].max() <= 60.0


@pytest.mark.slow
def test_a_maximum_that_is_singular_within_rounding_is_never_an_answer():
    given = problem(3, 3)
    model = MixtureRegression(3, on=given["on"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(given["x"], given["y"], entry=given["entry"])
    assert not model.converged_ or np.all(np.linalg.eigvalsh(model.covariance_) > 0)
