"""Estimators: NumPy and frames in, NumPy and frames out."""

from survjax.estimators.lifetime.model import LifetimeModel
from survjax.estimators.lifetime.weibull_mixture import WeibullMixture
from survjax.estimators.saving.persistence import load

__all__ = ["LifetimeModel", "WeibullMixture", "load"]
