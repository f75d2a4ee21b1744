"""Every baseline passes scikit-learn's own checks of an estimator."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from survjax.baselines import (
    DiscreteTimeHazard,
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
)

pytestmark = pytest.mark.filterwarnings("default::survjax.FitWarning")


@parametrize_with_checks([LinearRegression(), LogisticRegression(), DiscreteTimeHazard()])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


# Each check trains on a table of its own shape: compiling takes minutes.
@pytest.mark.slow
@parametrize_with_checks([MLPClassifier((8,), n_restarts=2), MLPRegressor((8,), n_restarts=2)])
def test_scikit_learns_checks_of_networks(estimator, check):
    check(estimator)
