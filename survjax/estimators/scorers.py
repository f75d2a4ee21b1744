"""The measures of predictions as scikit-learn scorers, for cross-validation and searches."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import UNUSED

from survjax._core.annotations import Covariates
from survjax._core.validation import check_times
from survjax.estimators.lifetime.predictions import check_level
from survjax.estimators.target import SurvivalTarget, check_survival_y
from survjax.metrics import (
    brier_score,
    calibration,
    concordance,
    cumulative_dynamic_auc,
    integrated_brier_score,
    interval_coverage,
    log_score,
)


class SurvivalScorer(BaseEstimator):
    """What `survival_scorer` returns: call it as `scorer(estimator, X, y)`."""

    # The estimator is no metadata that scikit-learn should route.
    __metadata_request__score: ClassVar[dict[str, str]] = {"estimator": UNUSED}

    def __init__(
        self,
        measure: str = "concordance",
        *,
        times: ArrayLike | None = None,
        weighting: str = "harrell",
        level: float = 0.9,
        censoring_at: str = "before",
    ) -> None:
        self.measure = measure
        self.times = times
        self.weighting = weighting
        self.level = level
        self.censoring_at = censoring_at

    def __call__(self, estimator: Any, X: Covariates, y: ArrayLike, **weights: Any) -> float:
        """Score as scikit-learn's searches ask for it."""
        return self.score(estimator, X, y, **weights)

    def score(
        self,
        estimator: Any,
        X: Covariates,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        entry: ArrayLike | None = None,
    ) -> float:
        """Judge a fitted estimator on units held out; higher is better.

        Parameters
        ----------
        estimator : estimator
            Fitted; a pipeline or a search around one is opened.
        X, y, sample_weight
            As in `fit`.
        entry : array-like of shape (n,), optional
            Ages at entry; for concordance and calibration.
        """
        if self.measure not in MEASURES:
            raise ValueError(f"measure must be one of {', '.join(MEASURES)}, got {self.measure!r}")
        target = check_survival_y(y)
        if target.upper is not None:
            raise ValueError(
                "scores need exact and right-censored durations, not intervals: for those, use the "
                "log-likelihood, which is the estimators' own score"
            )
        if entry is not None and self.measure not in ("concordance", "calibration"):
            raise ValueError(f"the measure {self.measure!r} knows no late entry: leave out entry")
        model, table = opened(estimator, X)
        more = {"sample_weight": sample_weight} | ({} if entry is None else {"entry": entry})
        return float(MEASURES[self.measure](self, model, table, target, more))

    def _accept_sample_weight(self) -> bool:
        return True

    def _grid(self, n: int | None = None) -> np.ndarray:
        """The times at which predictions are judged."""
        if self.times is None:
            raise ValueError(f"the measure {self.measure!r} needs times, in the unit of y")
        grid = check_times(np.atleast_1d(np.asarray(self.times)), "times")
        if n is not None and grid.size != n:
            raise ValueError(f"the measure {self.measure!r} needs one time, got {grid.size}")
        return grid


def survival_scorer(measure: str = "concordance", **settings: Any) -> SurvivalScorer:
    """Make a scorer for `cross_val_score`, `GridSearchCV` and others; higher is better.

    Parameters
    ----------
    measure : str, default "concordance"
        "concordance", "auc" (mean of the cumulative-dynamic one), and, with their signs turned,
        "brier" (integrated over several times), "log" (the mean over the times), "calibration"
        (mean distance of predicted and observed shares failed by one time) and "coverage" (how
        far the share of lives in their prediction intervals is from the level).
    **settings
        times : array-like, in the unit of y
            Where predictions are judged; needed by all but "concordance" and "coverage". With
            "concordance", the last one is the horizon from which failures are left out.
        weighting : {"harrell", "uno"}, default "harrell"
            Of the concordance.
        level : float, default 0.9
            Of the prediction intervals.
        censoring_at : {"before", "at"}, default "before"
            As in `survjax.brier_score`.

    Returns
    -------
    SurvivalScorer

    Notes
    -----
    Chances of not being censored are those of the units that are scored. A model whose `predict`
    is a life has its negative as the risk; one with times, its chance to fail by the last of them.
    `sample_weight` and `entry` are routed as scikit-learn does: `set_score_request(entry=True)`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import cross_val_score
    >>> from survjax import AcceleratedLifetime, survival_scorer
    >>> rng = np.random.default_rng(0)
    >>> load = rng.normal(size=(300, 1))
    >>> lives = 20.0 * np.exp(-0.5 * load[:, 0]) * rng.weibull(2.0, 300)
    >>> scorer = survival_scorer("brier", times=[5.0, 10.0, 20.0])
    >>> bool((cross_val_score(AcceleratedLifetime(), load, lives, scoring=scorer) > -0.25).all())
    True
    """
    return SurvivalScorer(measure, **settings)


def opened(estimator: Any, X: Covariates) -> tuple[Any, Any]:
    """The model inside pipelines and searches, and the covariates as they reach it."""
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline):
            X = estimator[:-1].transform(X) if len(estimator) > 1 else X
            estimator = estimator[-1]
        else:
            return estimator, X


def _asked(model: Any, method: str) -> Callable[..., Any]:
    if not hasattr(model, method):
        kind = type(model).__name__
        raise ValueError(f"{kind} has no {method}, which this measure needs: choose another one")
    found: Callable[..., Any] = getattr(model, method)
    return found


def _survival(scorer: SurvivalScorer, model: Any, X: Covariates, grid: np.ndarray) -> np.ndarray:
    """Predicted chances to outlive each time: (n, k)."""
    bounded = "level" in signature(_asked(model, "predict_survival")).parameters
    settings = {"level": None} if bounded else {}
    return np.asarray(model.predict_survival(X, grid, **settings), float)


def _is_cox(model: object) -> bool:
    return hasattr(model, "hazard_ratios_")


def _risk(scorer: SurvivalScorer, model: Any, X: Covariates) -> np.ndarray:
    """Higher for units expected to fail earlier."""
    if _is_cox(model):
        return np.asarray(model.predict(X))
    if scorer.times is None:
        return -np.asarray(model.predict(X))
    return 1.0 - _survival(scorer, model, X, scorer._grid()[-1:])[:, 0]


def _concordance(
    scorer: SurvivalScorer, model: Any, X: Covariates, y: SurvivalTarget, more: Any
) -> float:
    horizon = None if scorer.times is None else float(scorer._grid()[-1])
    settings: dict[str, Any] = {
        "weighting": scorer.weighting,
        "censoring_at": scorer.censoring_at,
        "horizon": horizon,
        "standard_error": False,
    }
    risk = _risk(scorer, model, X)
    return concordance(y.durations, y.event, risk, **settings, **more).index


def _auc(scorer: SurvivalScorer, model: Any, X: Covariates, y: SurvivalTarget, more: Any) -> float:
    grid = scorer._grid()
    risk = _risk(scorer, model, X) if _is_cox(model) else 1.0 - _survival(scorer, model, X, grid)
    side: dict[str, Any] = {"censoring_at": scorer.censoring_at}
    return cumulative_dynamic_auc(y.durations, y.event, risk, grid, **side, **more).mean


def _of_survival(measure: Callable[..., Any]) -> Callable[..., float]:
    def negative(
        scorer: SurvivalScorer, model: Any, X: Covariates, y: SurvivalTarget, more: Any
    ) -> float:
        grid = scorer._grid()
        chances = _survival(scorer, model, X, grid)
        side = {"censoring_at": scorer.censoring_at}
        return -float(np.mean(measure(y.durations, y.event, chances, grid, **side, **more)))

    return negative


def _brier(*rows: Any, **settings: Any) -> Any:
    """Integrated over several times; at a single one as it is."""
    several = len(rows[3]) > 1
    return integrated_brier_score(*rows, **settings) if several else brier_score(*rows, **settings)


def _calibration(
    scorer: SurvivalScorer, model: Any, X: Covariates, y: SurvivalTarget, more: Any
) -> float:
    time = scorer._grid(1)
    failed = 1.0 - _survival(scorer, model, X, time)[:, 0]
    return -calibration(y.durations, y.event, failed, float(time[0]), **more).mean_error


def _coverage(
    scorer: SurvivalScorer, model: Any, X: Covariates, y: SurvivalTarget, more: Any
) -> float:
    level = check_level(scorer.level)
    bounds = _asked(model, "predict_interval")(X, level=level)
    inside = interval_coverage(y.durations, y.event, bounds["lower"], bounds["upper"], **more)
    return -abs(inside.share - level)


MEASURES: dict[str, Callable[..., float]] = {
    "concordance": _concordance,
    "auc": _auc,
    "brier": _of_survival(_brier),
    "log": _of_survival(log_score),
    "calibration": _calibration,
    "coverage": _coverage,
}
