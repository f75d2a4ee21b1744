"""Every baseline passes scikit-learn's own checks of an estimator."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from survjax.baselines import LinearRegression, LogisticRegression


@pytest.mark.filterwarnings("default::survjax.FitWarning")
@parametrize_with_checks([LinearRegression(), LogisticRegression()])
def test_scikit_learns_checks(estimator, check):
    check(estimator)
