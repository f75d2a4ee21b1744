"""Hazards by period: a right-censored lifetime as a question of yes or no in each period."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from survjax._core.validation import check_shares, check_times
from survjax.baselines import _base
from survjax.baselines._logistic import LogisticRegression
from survjax.baselines._periods import (
    PiecewiseHazard,
    check_edges,
    check_entry,
    choose_edges,
    person_periods,
)
from survjax.baselines._rows import column_scales
from survjax.data.labels import rows_by_position
from survjax.estimators.covariates import check_covariates, column_names
from survjax.estimators.frames import frame
from survjax.estimators.messages import NoFiniteMaximum, none_failed
from survjax.estimators.target import SurvivalRegressor, check_survival_y


class DiscreteTimeHazard(SurvivalRegressor, BaseEstimator):
    r"""Discrete-time hazard: a classifier over person-periods, with the survival API.

    Time is cut into periods. Each unit becomes one row for each period that it entered alive,
    and a classifier learns whether it failed there.

    Parameters
    ----------
    n_periods : int, default 10
        How many periods, cut so that each holds about as many failures.
    edges : array-like, optional
        Ends of the periods instead: increasing times, the first period beginning at zero. Lives
        beyond the last edge are followed up to it.
    ridge : float, default 1.0
        Of the logistic regression: on the effects of one standard deviation of each column, and
        on how far each period's log-odds lie from their common level.
    classifier : scikit-learn classifier, optional
        In place of the logistic regression, such as `MLPClassifier((8,))`: it sees one
        indicator column for each period, then the standardized columns of X.

    Attributes
    ----------
    edges_ : array of shape (J + 1,)
        Zero and the ends of the periods.
    classifier_ : estimator
        As fitted; its `history_` tells how.
    coef_ : array of shape (p,)
        Log-odds of failing in a period per unit of each column, for a logistic regression.
    n_units_, n_events_ : float
        What was fitted, by weight.

    Notes
    -----
    The chance to fail in period j, entered alive, is h_j(x) = 1 / (1 + exp(-(a_j + x'b))) (Cox
    1972, section 6; Singer and Willett 1993). Inside a period the rate is constant, and so a unit
    that leaves it alive after a share s of its length adds s log(1 - h_j). Beyond the last period
    its rate goes on. A baseline: predictions come without bounds.

    Examples
    --------
    >>> import numpy as np
    >>> from survjax.baselines import DiscreteTimeHazard
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 1))
    >>> lives = np.exp(-X[:, 0]) * rng.weibull(2.0, 500)
    >>> y = np.column_stack([np.minimum(lives, 2.0), lives <= 2.0])
    >>> model = DiscreteTimeHazard(8).fit(X, y)
    >>> table = model.predict_survival([[-1.0], [1.0]], times=[0.5, 1.0])
    >>> bool((table.iloc[0] > table.iloc[1]).all())
    True
    """

    def __init__(
        self,
        n_periods: int = 10,
        *,
        edges: Any = None,
        ridge: float = 1.0,
        classifier: Any = None,
    ) -> None:
        self.n_periods = n_periods
        self.edges = edges
        self.ridge = ridge
        self.classifier = classifier

    def fit(self, X: Any, y: ArrayLike, *, entry: Any = None, sample_weight: Any = None) -> Self:
        """Fit to lifetimes with covariates, some of them still running.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Covariates: numbers, none missing.
        y : array-like
            Durations of shape (n,), all failed; columns (duration, event) of shape (n, 2); or a
            structured array or frame whose boolean field is the event.
        entry : array-like of shape (n,), optional
            Age at which each unit came under observation.
        sample_weight : array-like of shape (n,), optional
            How many units each row stands for.

        Returns
        -------
        self
            The fitted model.
        """
        x, durations, event, begun, weight = self._checked(X, y, entry, sample_weight)
        self.n_units_, self.n_events_ = float(weight.sum()), float(weight[event].sum())
        if self.n_events_ == 0:
            raise none_failed(self.n_units_)
        self.edges_ = self._edges(durations, event, weight)
        self._mean, self._scale = column_scales(x, weight, True)
        rows = person_periods(self.edges_, begun, durations, event)
        if rows.failed.all() and self.classifier is None:
            raise NoFiniteMaximum(
                f"all {self.n_units_:g} units failed in the first period that they were seen in: "
                "of one class, failed, nothing is learned; give more periods or edges"
            )
        self.classifier_ = self._classifier()
        table = self._table(x[rows.unit], rows.period)
        counts = rows.share * weight[rows.unit]
        if has_fit_parameter(self.classifier_, "sample_weight"):
            self.classifier_.fit(table, rows.failed, sample_weight=counts)
        else:
            # Without weights, a period counts where at least half of it was observed.
            if sample_weight is not None and np.ptp(weight) > 0:
                raise ValueError(
                    f"{type(self.classifier_).__name__} takes no sample_weight: leave it out"
                )
            kept = rows.share >= 0.5
            self.classifier_.fit(table[kept], rows.failed[kept])
        coef = getattr(self.classifier_, "coef_", None)
        if coef is not None:
            self.coef_ = np.ravel(coef)[len(self.edges_) - 1 :] / self._scale
        return self

    @rows_by_position
    def _checked(
        self, X: Any, y: ArrayLike, entry: ArrayLike, sample_weight: ArrayLike, reset: bool = True
    ) -> tuple[np.ndarray, ...]:
        """Covariates, durations, events, entries and weights of one length."""
        x = check_covariates(self, X, reset=reset)
        target = check_survival_y(y)
        if target.upper is not None:
            raise ValueError("DiscreteTimeHazard takes exact or right-censored durations only")
        durations = check_times(target.durations, "y")
        if len(durations) != len(x):
            raise ValueError(f"X has {len(x)} rows but y has {len(durations)}")
        begun = check_entry(entry, durations)
        weight = _base.row_weights(sample_weight, x)
        return x, durations, target.event, begun, np.ones(len(x)) if weight is None else weight

    def _edges(self, durations: np.ndarray, event: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """The edges asked for, or chosen, with zero in front."""
        if self.edges is None:
            n_periods = _base.check_count(self.n_periods, "n_periods")
            return choose_edges(durations, event, weight, n_periods)
        return check_edges(self.edges)

    def _classifier(self) -> Any:
        """The classifier asked for, unfitted."""
        if self.classifier is None:
            # The periods' indicators add up to one: without a ridge there is no level beside them.
            return LogisticRegression(self.ridge, fit_intercept=self.ridge != 0)
        return clone(self.classifier)

    def _table(self, x: np.ndarray, period: np.ndarray) -> Any:
        """Indicators of the period, then standardized covariates; with names for our own model."""
        n_periods = len(self.edges_) - 1
        table = np.hstack([np.eye(n_periods)[period], (x - self._mean) / self._scale])
        if self.classifier is not None:
            return table
        names = [f"period_{j + 1}" for j in range(n_periods)]
        return pd.DataFrame(table, columns=[*names, *column_names(self)])

    def _lives(self, x: np.ndarray) -> PiecewiseHazard:
        """The life of each row of covariates."""
        n, n_periods = len(x), len(self.edges_) - 1
        table = self._table(np.repeat(x, n_periods, axis=0), np.tile(np.arange(n_periods), n))
        if len(self.classifier_.classes_) == 1:
            chance = np.ones(len(table))  # every row failed in its first period
        else:
            chance = self.classifier_.predict_proba(table)[:, 1]
        return PiecewiseHazard.of(self.edges_, chance.reshape(n, n_periods))

    def _assets(self, X: ArrayLike, ages: ArrayLike | None) -> tuple[PiecewiseHazard, np.ndarray]:
        """Lives, and one age for each."""
        check_is_fitted(self)
        x = check_covariates(self, X, reset=False)
        ages = np.zeros(()) if ages is None else np.asarray(ages)
        ages = np.full(len(x), ages) if ages.ndim == 0 else ages
        found = check_times(ages, "ages", zero=True)
        if len(found) != len(x):
            raise ValueError(f"ages must have one entry for each of the {len(x)} rows of X")
        return self._lives(x), found

    def predict(self, X: ArrayLike, ages: ArrayLike | None = None) -> np.ndarray:
        """Mean life of each asset, or mean remaining life at `ages`.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Covariates.
        ages : array-like of shape (n,) or float, optional
            Time each asset has survived.

        Returns
        -------
        array of shape (n,)
            In the unit of the durations; the last period's rate is taken to go on.
        """
        lives, ages = self._assets(X, ages)
        return lives.mean_after(ages)

    def predict_survival(self, X: Any, times: Any, ages: ArrayLike | None = None) -> pd.DataFrame:
        """Chance of each asset to run on, at each of several times.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Covariates. A frame keeps its index.
        times : array-like of shape (m,)
            Times from birth, or from `ages` on.
        ages : array-like of shape (n,), optional
            Time each asset has survived.

        Returns
        -------
        DataFrame
            One row an asset, one column a time.
        """
        lives, ages = self._assets(X, ages)
        t = check_times(np.atleast_1d(np.asarray(times)), "times", zero=True)
        chance = np.exp(-lives.hazard_between(ages[:, None], ages[:, None] + t))
        return frame(dict(zip(t.tolist(), chance.T, strict=True)), like=X)

    def predict_quantile(
        self, X: ArrayLike, quantiles: ArrayLike = (0.1, 0.5, 0.9), ages: ArrayLike | None = None
    ) -> pd.DataFrame:
        """Times by which given shares of assets like each have failed.

        Parameters
        ----------
        X, ages
            As in `predict_survival`.
        quantiles : sequence of float, default (0.1, 0.5, 0.9)
            Shares failed.

        Returns
        -------
        DataFrame
            `q10, q50, ...`, one row an asset.
        """
        lives, ages = self._assets(X, ages)
        q, names = check_shares(quantiles)
        spent = lives.cumulative_hazard(ages[:, None])
        times = lives.time_of(spent - np.log1p(-q)) - ages[:, None]
        return frame(dict(zip(names, times.T, strict=True)), like=X)

    def predict_rul(
        self, X: ArrayLike, ages: ArrayLike | None = None, quantiles: ArrayLike = (0.1, 0.5, 0.9)
    ) -> pd.DataFrame:
        """Remaining useful life of each asset: its mean and quantiles.

        Parameters
        ----------
        X, ages, quantiles
            As in `predict_quantile`.

        Returns
        -------
        DataFrame
            `mean, q10, q50, ...`, one row an asset.
        """
        table = self.predict_quantile(X, quantiles, ages)
        table.insert(0, "mean", self.predict(X, ages))
        return table

    def score(self, X: Any, y: ArrayLike, *, entry: Any = None, sample_weight: Any = None) -> float:
        """Mean log-likelihood per unit; higher is better. Arguments as in `fit`."""
        check_is_fitted(self)
        x, durations, event, begun, weight = self._checked(X, y, entry, sample_weight, reset=False)
        each = self._lives(x).log_likelihood(begun, durations, event)
        return float(np.average(each, weights=weight))

    @property
    def feature_effects_(self) -> pd.DataFrame:
        """Effect of each column: log-odds and odds ratio of failing in a period."""
        check_is_fitted(self, "coef_")
        columns = {"column": column_names(self), "log_odds": self.coef_}
        return frame(columns | {"odds_ratio": np.exp(self.coef_)})
