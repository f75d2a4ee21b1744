"""Goodness of fit of a lifetime, as a frame."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.annotations import RandomState
from survjax._core.callers import users_level
from survjax._core.precision import double_precision
from survjax._core.validation import random_generator
from survjax.estimators.choosing.replicates import (
    check_replicates,
    regression_truth_of,
    shown,
    truth_of,
)
from survjax.estimators.frames import frame
from survjax.estimators.messages import FitWarning
from survjax.uncertainty.parametric.goodness import STATISTICS, goodness_of_fit, p_values
from survjax.uncertainty.parametric.regressions import regression_goodness

if TYPE_CHECKING:
    import pandas as pd


class LifetimeGoodness:
    """`goodness_of_fit` of an estimator of one lifetime for all units."""

    random_state: RandomState
    _check_fitted: Callable[[], None]

    @double_precision
    def goodness_of_fit(
        self,
        n_replicates: int = 1000,
        random_state: RandomState = None,
        *,
        inspections: ArrayLike | None = None,
        progress: bool = False,
    ) -> pd.DataFrame:
        r"""Test whether the data could have come from this family, its parameters fitted.

        Parameters
        ----------
        n_replicates : int, default 1000
            Data sets drawn from the fit, each fitted again.
        random_state : int or numpy.random.Generator, optional
            The estimator's own by default.
        inspections : array-like of shape (m,) or (n, m), optional
            Where failures are intervals, the ages at which all units were inspected, or each of
            them (a row for each, in any order of the units), or would have been if they had not
            failed; missing (NaN) after the last. By default they are guessed from the intervals.
        progress : bool, default False
            Say on stderr how far it has come.

        Returns
        -------
        DataFrame
            Rows `kolmogorov_smirnov`, `cramer_von_mises` and `anderson_darling`; columns
            `statistic`, `p_value` and `n_replicates`, those that have an interior maximum. Small
            p-values say that the data do not look like this family.

        Warns
        -----
        FitWarning
            If more than one replicate in twenty has no interior maximum: p-values then describe
            the others only.

        Raises
        ------
        ValueError
            For a model from a file, weights that are fractions of units, exact failures among
            intervals of unknown origin, more than 20,000 units, and inspections that are not
            positive ages in increasing order, or of units that have exact failures, entries or
            exits.

        Notes
        -----
        Given that it was seen, a unit that has passed the cumulative hazard r (the Cox-Snell
        residual) stands at the share u = 1 - exp(-r) of the model, and these u are uniform if
        the model is right, late entry and exits or not. Of a failure known by an interval, or of a
        unit still running, u is known to lie between two bounds, and under the model evenly there.
        With F(u) the mean over units of the chance that theirs is at most u, and n units,

        .. math:: D = \max |F(u) - u|, \quad W^2 = n \int_0^1 (F - u)^2 du, \quad
           A^2 = n \int_0^1 \frac{(F - u)^2}{u (1 - u)} du

        which are the usual statistics where nothing is censored (D'Agostino and Stephens 1986,
        chapter 4): F is one step of self-consistency (Turnbull 1976) from the model. Their tables
        do not hold with fitted parameters or under censoring: p-values are by the parametric
        bootstrap (Stute, Gonzalez-Manteiga and Presedo-Quindimil 1993), (1 + number of replicates
        with a statistic at least as large) / (1 + number of replicates). Units are censored as in
        `bootstrap(kind="parametric")`: those that failed, when others that were followed as long
        were, counted from their entry. Inspections of a drawn life are those of an interval of the
        data that holds it, chosen with the inverse of the chance that a life ended there: this
        takes inspections, and their end, not to depend on lives. Where no unit shows two, each had
        one. The guess is a rough one where inspections are irregular: p-values are then too large;
        with `inspections` they hold. How near to uniform they are, and how often another family is
        told, is in docs/studies/goodness_of_fit.md.

        Examples
        --------
        >>> import numpy as np
        >>> from survjax import LifetimeModel
        >>> lives = np.random.default_rng(1).weibull(3.0, 60)
        >>> found = LifetimeModel("weibull").fit(lives).goodness_of_fit(199)
        >>> bool(found.loc["anderson_darling", "p_value"] > 0.05)
        True
        >>> found = LifetimeModel("exponential").fit(lives).goodness_of_fit(199)
        >>> bool(found.loc["anderson_darling", "p_value"] < 0.01)
        True
        """
        self._check_fitted()
        n_replicates = check_replicates(n_replicates)
        truth = truth_of(self, "goodness_of_fit")
        if inspections is not None:
            truth = truth._replace(visits=_visits(inspections))
        rng = random_generator(self.random_state if random_state is None else random_state)
        found = goodness_of_fit(truth, rng, n_replicates, shown(progress))
        return _table(*found, n_replicates)


def _visits(inspections: ArrayLike) -> np.ndarray:
    """Ages (n, m) of inspections, one row for all or for each unit, infinite after the last."""
    ages = np.atleast_2d(np.asarray(inspections, dtype=float))
    ages = np.where(np.isnan(ages), np.inf, ages)
    later = (ages[:, 1:] > ages[:, :-1]) | np.isinf(ages[:, 1:])
    good = (ages.ndim == 2) and ages.size and np.all(later) and np.all(ages > 0)
    if not (good and np.isfinite(ages[:, 0]).all()):
        raise ValueError(
            "inspections must be positive ages in increasing order (m,), or a row of them for each "
            f"unit (n, m) with NaN after the last, got an array of shape {ages.shape}"
        )
    return ages


class RegressionGoodness:
    """`goodness_of_fit` of an estimator with covariates."""

    _check_fitted: Callable[[], None]

    @double_precision
    def goodness_of_fit(
        self, n_replicates: int = 199, random_state: RandomState = None, *, progress: bool = False
    ) -> pd.DataFrame:
        r"""Test whether the data could have come from this model, its parameters fitted.

        As `LifetimeModel.goodness_of_fit`: the cumulative hazard that each unit has passed, at its
        own columns, is a unit exponential if the model is right, and the empirical curve of u = 1 -
        exp(-r) is held against the uniform one. It sees a wrong family; a column that is missing,
        or acts in another way, shows in `residuals`.

        Parameters
        ----------
        n_replicates : int, default 199
            Data sets drawn from the fit at the columns of the units, each fitted again.
        random_state : int or numpy.random.Generator, optional
            The estimator's own by default, or 0.
        progress : bool, default False
            Say on stderr how far it has come.

        Returns
        -------
        DataFrame
            Rows `kolmogorov_smirnov`, `cramer_von_mises` and `anderson_darling`; columns
            `statistic`, `p_value` and `n_replicates`, those that have a proper maximum.

        Warns
        -----
        FitWarning
            If more than one replicate in twenty has no proper maximum: p-values then describe the
            others only.

        Raises
        ------
        ValueError
            For a model from a file or fitted in two steps, histories (`unit=`), known components,
            weights that are fractions of units, exact failures among intervals of unknown origin,
            and more than 20,000 units.

        Notes
        -----
        p-values are by the parametric bootstrap (Stute, Gonzalez-Manteiga and Presedo-Quindimil
        1993). A unit that was censored is censored then again, one that failed gets a censoring
        time from the reverse Kaplan-Meier curve beyond its failure, and inspections are chosen as
        for lifetimes: censoring, entries and inspections are taken not to depend on the columns.
        `python -m tests.studies.goodness_of_regressions` says how near to uniform p-values
        are if the model is right.

        Examples
        --------
        >>> import numpy as np
        >>> from survjax import AcceleratedLifetime
        >>> rng = np.random.default_rng(1)
        >>> load = rng.normal(size=(80, 1))
        >>> lives = np.exp(-0.5 * load[:, 0]) * rng.weibull(3.0, 80)
        >>> found = AcceleratedLifetime("weibull").fit(load, lives).goodness_of_fit(99)
        >>> bool(found.loc["anderson_darling", "p_value"] > 0.05)
        True
        >>> found = AcceleratedLifetime("exponential").fit(load, lives).goodness_of_fit(99)
        >>> bool(found.loc["anderson_darling", "p_value"] < 0.05)
        True
        """
        self._check_fitted()
        n_replicates = check_replicates(n_replicates)
        truth = regression_truth_of(self, "goodness_of_fit")
        if random_state is None:
            random_state = getattr(self, "random_state", 0)
        rng = random_generator(random_state)
        found = regression_goodness(truth, rng, n_replicates, shown(progress))
        return _table(*found, n_replicates)


def _table(observed: np.ndarray, drawn: np.ndarray, n_replicates: int) -> pd.DataFrame:
    """The answer, from the statistics (3,) of a fit and those (B, 3) of replicates."""
    lost = n_replicates - len(drawn)
    if lost > 0.05 * n_replicates:
        warnings.warn(
            f"{lost} of {n_replicates} replicates have no interior maximum and are left out: "
            "p-values describe the others only",
            FitWarning,
            stacklevel=users_level(),
        )
    columns = {
        "statistic": observed,
        "p_value": p_values(observed, drawn),
        "n_replicates": [len(drawn)] * len(STATISTICS),
    }
    return frame(columns, names=list(STATISTICS))
