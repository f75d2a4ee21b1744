"""The baseline of a regression: a family, a lifetime, or what fits one."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from sklearn.base import BaseEstimator, clone

from survjax._core.pytree import in_double, ravel_parameters
from survjax.data.observations import Observations
from survjax.estimators.lifetime.model import LifetimeModel, check_family
from survjax.estimators.lifetime.weibull_mixture import WeibullMixture
from survjax.fitting.modified.curve import off_the_edge
from survjax.lifetimes import Lifetime


class FitsLifetimes(Protocol):
    """An estimator of lifetimes alone, such as `WeibullMixture`."""

    lifetime_: Any

    def fit(self, rows: Observations, /) -> object:
        """Find `lifetime_`."""


def check_baseline(baseline: object) -> None:
    """Refuse what is no family, no lifetime and no estimator of one."""
    if isinstance(baseline, str):
        check_family(baseline, "baseline")
        return
    known = baseline is None or isinstance(baseline, Lifetime)
    # What fits X and y has covariates of its own.
    fits = hasattr(baseline, "fit") and not isinstance(baseline, BaseEstimator)
    if isinstance(baseline, type) or not (known or fits or hasattr(baseline, "lifetime_")):
        raise ValueError(
            "baseline must be the name of a family, an estimator of lifetimes alone such as "
            f"WeibullMixture(2), a Lifetime, or None, got {baseline!r}"
        )


def rounding_of(baseline: Any) -> dict[str, Any]:
    """How durations were rounded, if the estimator of the baseline is told."""
    if getattr(baseline, "resolution", None) is None:
        return {}
    return {"resolution": baseline.resolution, "rounding": baseline.rounding}


def fitted_baseline(baseline: Any, rows: Observations) -> tuple[Lifetime, str, np.ndarray | None]:
    """The base, where it comes from, and its own covariance if it has one."""
    if isinstance(baseline, Lifetime):
        return in_double(baseline), "given", None
    if hasattr(baseline, "lifetime_"):
        own = getattr(baseline, "covariance_", None)
        return in_double(baseline.lifetime_), "given", own
    if baseline is None:
        estimator: Any = WeibullMixture(1)
    elif isinstance(baseline, str):
        estimator = LifetimeModel(baseline)
    else:
        estimator = clone(baseline)
    return estimator.fit(rows).lifetime_, "fitted", None


def baseline_start(baseline: Any, rows: Observations) -> tuple[Lifetime, np.ndarray]:
    """The base, and its parameters where a joint fit begins."""
    base, _, _ = fitted_baseline(baseline, rows)
    return base, off_the_edge(base, vector_of(base))


def vector_of(base: Lifetime) -> np.ndarray:
    """The parameters of a lifetime (p,)."""
    return np.asarray(ravel_parameters(base)[0])
