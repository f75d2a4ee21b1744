"""The simple models that one tries first: linear, logistic, neural, and hazards by period."""

from survjax.baselines._discrete import DiscreteTimeHazard
from survjax.baselines._linear import LinearRegression
from survjax.baselines._logistic import LogisticRegression
from survjax.baselines.neural.networks import MLPClassifier, MLPRegressor

__all__ = [
    "DiscreteTimeHazard",
    "LinearRegression",
    "LogisticRegression",
    "MLPClassifier",
    "MLPRegressor",
]
