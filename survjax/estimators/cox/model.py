"""Cox's proportional hazards: covariates multiply a hazard that no family binds."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from survjax._core.annotations import Covariates
from survjax._core.validation import (
    check_count,
    check_flag,
    check_fraction,
    check_penalty,
    check_positive,
    check_times,
    check_weights,
)
from survjax.cox import fit_cox
from survjax.cox.fit import check_offset
from survjax.data.labels import rows_by_position
from survjax.estimators.atomic import all_or_nothing
from survjax.estimators.covariates import ChosenColumns, check_covariates, column_names
from survjax.estimators.cox.diagnostics import CoxDiagnostics
from survjax.estimators.cox.fitted import offsets
from survjax.estimators.cox.paths import CoxPaths
from survjax.estimators.cox.penalty import PenalizedCox, fit_penalized, refuse_collinear
from survjax.estimators.cox.saved import SavedCox
from survjax.estimators.cox.units import cox_histories, units_of_cox, warn_of_rows_as_units
from survjax.estimators.messages import none_failed
from survjax.estimators.plots import Plots
from survjax.estimators.regression.priors import FIRTH
from survjax.estimators.target import (
    SurvivalRegressor,
    SurvivalTarget,
    check_survival_y,
    warn_of_events_in_x,
)
from survjax.likelihood.regression.columns import means
from survjax.metrics import concordance


class CoxPH(
    CoxPaths, CoxDiagnostics, PenalizedCox, SavedCox, Plots, SurvivalRegressor, BaseEstimator
):
    r"""Proportional hazards: hazard(t | x) = h0(t) exp(x'b), with any baseline h0.

    Parameters
    ----------
    ties : {"efron", "breslow"}, default "efron"
        How failures at one time are taken.
    weights : {"counts", "sampling"}, default "counts"
        What `sample_weight` is. "counts": a row of weight 3 is three equal rows, in estimates,
        robust errors and ties; weights of tied failures must then be whole numbers, unless ties
        are Breslow's. "sampling": importances of any size, such as the inverse of a chance to be
        drawn; as in R and lifelines, tied failures have their mean weight, and robust errors,
        which such weights need, count a row once.
    penalty : float, "cv" or "firth", default 0
        Subtracts ``penalty * sum(l1_ratio |b| + (1 - l1_ratio) b^2 / 2)`` per unit from the log
        partial likelihood, b being the effects of one standard deviation of each column. "cv"
        tries a path of penalties and keeps the one with the best partial likelihood of held-out
        units over five folds (of units or clusters, where `fit` is given them). "firth" adds half
        the log determinant of the information (Firth 1993): estimates are finite where no unit, or
        each one, with some covariate fails, and less biased in small samples. Errors are those of
        the information at the estimate.
    l1_ratio : float, default 0
        0 is ridge, 1 is the lasso, and between them is the elastic net.
    unpenalized : None, "all" or sequence, default None
        Columns (names, or positions counted from zero) that the penalty leaves as they are, such
        as a treatment whose effect must not be shrunk.
    robust : bool, default False
        Standard errors that hold where the hazards are not quite proportional (Lin and Wei
        1989), by unit where `fit` is given units. They are always used where it is given
        clusters.
    tol : float, default 1e-9
        Newton decrement at which to stop: the distance left, in standard errors.
    max_iter : int, default 100
        Newton iterations.

    Attributes
    ----------
    coef_, hazard_ratios_ : array of shape (p,)
        Log hazard ratio of one unit of each column, and its exponential. Plus or minus inf
        where the estimate runs away, which a `FitWarning` says.
    covariance_ : array of shape (p, p)
        Of the coefficients; NaN for those without an estimate, and under an l1 penalty.
    parameters_, parameter_names_
        The coefficients and the columns they belong to. `summary()` is their table.
    log_likelihood_, null_log_likelihood_ : float
        Log partial likelihood at the estimate, and with all coefficients zero.
    aic_ : float
        2 p - 2 log partial likelihood.
    baseline_ : StepCurve, or dict of StepCurve by stratum
        Cumulative hazard where all columns have their means (`feature_means_`), and no offset.
    penalty_, penalty_path_ : float, DataFrame
        The penalty used, and what was compared (`penalty, score, error`, coefficients) by "cv".
        With "firth" 0.5, the power of the information's determinant.
    n_iter_, converged_ : int, bool
    history_ : DataFrame
        Log partial likelihood along the way.

    Notes
    -----
    The partial likelihood is maximized by Newton's method; each step is one sweep over sorted
    rows. Columns that repeat each other, and coefficients without a finite estimate, are found
    and named.

    References
    ----------
    Cox (1972), JRSS B 34; Therneau and Grambsch (2000), Modeling Survival Data.

    Examples
    --------
    >>> import numpy as np
    >>> from survjax import CoxPH
    >>> rng = np.random.default_rng(0)
    >>> load = rng.normal(size=(300, 1))
    >>> lives = rng.exponential(np.exp(-0.7 * load[:, 0]))
    >>> y = np.column_stack([np.minimum(lives, 2.0), lives <= 2.0])
    >>> model = CoxPH().fit(load, y)
    >>> bool(abs(model.coef_[0] - 0.7) < 0.15)
    True
    >>> model.predict_survival(load[:2], times=[0.5, 1.0])["survival"].shape
    (2, 2)
    """

    def __init__(
        self,
        *,
        ties: str = "efron",
        weights: str = "counts",
        penalty: float | str = 0.0,
        l1_ratio: float = 0.0,
        unpenalized: ChosenColumns | None = None,
        robust: bool = False,
        tol: float = 1e-9,
        max_iter: int = 100,
    ) -> None:
        self.ties = ties
        self.weights = weights
        self.penalty: Any = penalty
        self.l1_ratio = l1_ratio
        self.unpenalized = unpenalized
        self.robust = robust
        self.tol = tol
        self.max_iter = max_iter

    @all_or_nothing
    @rows_by_position
    def fit(
        self,
        X: Covariates,
        y: ArrayLike,
        *,
        entry: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        strata: ArrayLike | None = None,
        cluster: ArrayLike | None = None,
        unit: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> Self:
        """Fit to lifetimes with covariates.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Covariates of each row: numbers, none missing.
        y : array-like
            Durations of shape (n,), all failed; columns (duration, event) of shape (n, 2); or a
            structured array or frame whose boolean field is the event.
        entry : array-like of shape (n,), optional
            Age at which each row came under observation. A unit whose covariates change is
            several rows, each from its entry to its duration.
        sample_weight : array-like of shape (n,), optional
            How many units each row stands for, or what it counts: see `weights`.
        strata : array-like of shape (n,), optional
            Groups with baselines of their own.
        cluster : array-like of shape (n,), optional
            Groups of rows that depend on each other, such as units of one site: standard errors
            allow for it.
        unit : array-like of shape (n,), optional
            Which unit each row belongs to. Its rows must not overlap (gaps are times at which it
            was not watched), and it fails once, at the end of its last row. Units are then what
            is counted, split into folds, and clustered by `robust=True`; the estimate is the
            same without. For units that fail several times, name them as clusters instead.
        offset : array-like of shape (n,), optional
            Known part of each row's log hazard: hazard(t | x) = h0(t) exp(x'b + offset).

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For columns that are not numbers, have missing values or are collinear (named), and
            for rows that are not lifetimes.
        NoFiniteMaximum
            Where nothing failed.
        """
        self._check_parameters()
        x, target = self._checked(X, y, reset=True)
        weight = check_weights(sample_weight, x.shape[0])
        if not np.any(target.event & (weight > 0)):
            raise none_failed(weight.sum())
        if x.shape[0] == 1:
            raise ValueError("Found 1 sample: a regression needs several units")
        counted, n_units = weight, float(weight.sum())
        if unit is None and cluster is None and (self.robust or self.penalty != 0):
            warn_of_rows_as_units(target, x, entry, self.robust)
        groups: dict[str, Any] = {} if cluster is None else {"cluster": cluster}
        if unit is not None:
            histories, groups = units_of_cox(unit, target, entry, weight, cluster, self.robust)
            # Together, the rows of a unit count as one.
            counted, n_units = histories.row_weight, histories.n_units
        self.feature_means_ = means(x, counted)
        rows: dict[str, Any] = {
            "entry": None if entry is None else check_times(entry, "entry", zero=True),
            "sample_weight": weight,
            "strata": None if strata is None else np.asarray(strata),
            "offset": None if offset is None else check_offset(offset, x.shape[0]),
            "ties": self.ties,
            "weights": self.weights,
            "max_iter": self.max_iter,
            "tol": self.tol,
        }
        whole = groups.get("cluster", unit)
        penalty = self._penalty(target, x, rows, counted, whole)
        if penalty is None:
            rows["firth"] = self._is_firth(bool(groups))
            found = fit_cox(target.durations, target.event, x, **rows)
            refuse_collinear(found, x, column_names(self))
        else:
            found = fit_penalized(target, x, penalty, rows, column_names(self))
        self._keep(found, groups, n_units, x)
        self._given = {name: rows[name] for name in ("entry", "sample_weight")}
        return self

    def _check_parameters(self) -> None:
        check_penalty(self.penalty, ("cv", FIRTH))
        check_fraction(self.l1_ratio, "l1_ratio")
        check_flag(self.robust, "robust")
        check_positive(self.tol, "tol")
        check_count(self.max_iter, "max_iter")

    def _checked(
        self, X: Covariates, y: ArrayLike, reset: bool
    ) -> tuple[np.ndarray, SurvivalTarget]:
        """Covariates and a right-censored target of one length."""
        x = check_covariates(self, X, reset=reset)
        target = check_survival_y(y)
        if target.upper is not None:
            raise ValueError(
                "CoxPH takes exact and right-censored durations, not intervals: the order of "
                "failures must be known. AcceleratedLifetime takes intervals"
            )
        if target.durations.shape[0] != x.shape[0]:
            raise ValueError(f"X has {x.shape[0]} rows but y has {target.durations.shape[0]}")
        if reset:
            warn_of_events_in_x(getattr(self, "feature_names_in_", None), x, target)
        return x, target

    @rows_by_position
    def score(
        self,
        X: Covariates,
        y: ArrayLike,
        *,
        entry: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        strata: ArrayLike | None = None,
        unit: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> float:
        """Concordance of the risks with the failures (Harrell's); 0.5 is a guess.

        Parameters
        ----------
        X, y, entry, sample_weight, strata, unit, offset
            As in `fit`. With strata, units are compared within each, as R does. A failure is
            compared with those that run at that time, by the covariates that they have then:
            units are only checked.
        """
        self._check_fitted()
        x, target = self._checked(X, y, reset=False)
        if unit is not None:
            cox_histories(unit, target, entry, check_weights(sample_weight, x.shape[0]))
        found = concordance(
            target.durations,
            target.event,
            self._risk(x) + offsets(offset, x.shape[0]),
            entry=entry,
            sample_weight=sample_weight,
            strata=strata,
            standard_error=False,
        )
        return found.index
