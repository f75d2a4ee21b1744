"""What was given as a model: the name of a family, a lifetime, or an estimator of one."""

from __future__ import annotations

from typing import Any

from survjax.estimators.lifetime.estimator import LifetimeEstimator
from survjax.estimators.lifetime.model import LifetimeModel
from survjax.lifetimes import Lifetime


def estimator_of(model: Any, instead: str = "") -> LifetimeEstimator:
    """The estimator of one lifetime that was given or named; an error says what to do `instead`."""
    if isinstance(model, (str, Lifetime)):
        return LifetimeModel(model)
    if isinstance(model, type) or not hasattr(model, "_template_for_groups"):
        raise ValueError(
            "model must be the name of a family, a Lifetime, a LifetimeModel or a WeibullMixture, "
            f"such as WeibullMixture(2), got {type(model).__name__}{instead}"
        )
    found: LifetimeEstimator = model
    return found
