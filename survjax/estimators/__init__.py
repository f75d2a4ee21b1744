"""Estimators: NumPy and frames in, NumPy and frames out."""

from survjax.estimators._lifetime_model import LifetimeModel
from survjax.estimators._mixture import WeibullMixture
from survjax.estimators._persistence import load

__all__ = ["LifetimeModel", "WeibullMixture", "load"]
