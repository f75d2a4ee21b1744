"""A few small fleets of the study: the best interior maximum known is found."""

import warnings

import numpy as np
import pytest

from survjax import MixtureRegression
from tests.studies.mixture_regressions import problem

#: Log-likelihoods that fifty starts around the truth, or more, have found.
KNOWN = {13: -277.939, 14: -273.578, 36: -308.631}


@pytest.mark.parametrize("seed", KNOWN)
def test_small_fleets_reach_the_best_maximum_known(seed):
    given = problem(seed, 2)
    model = MixtureRegression(2, on=given["on"])
    model.fit(given["x"], given["y"], entry=given["entry"])
    assert model.converged_
    assert model.log_likelihood_ > KNOWN[seed] - 2e-3
    assert np.all(np.linalg.eigvalsh(model.covariance_) > 0)


@pytest.mark.slow
def test_a_maximum_that_is_singular_within_rounding_is_never_an_answer():
    given = problem(3, 3)
    model = MixtureRegression(3, on=given["on"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(given["x"], given["y"], entry=given["entry"])
    assert not model.converged_ or np.all(np.linalg.eigvalsh(model.covariance_) > 0)
