"""What a plan does to one unit under proportional hazards."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.annotations import Covariates
from survjax.cox import follow_path
from survjax.estimators.assets.paths import PathPrediction, check_plan, path_tables
from survjax.estimators.covariates import check_covariates, column_names
from survjax.estimators.cox.fitted import offsets
from survjax.estimators.cox.predictions import CoxPredictions, bounds_within
from survjax.estimators.lifetime.predictions import check_level


class CoxPaths(CoxPredictions):
    """Predictions where covariates change with time."""

    def predict_path(
        self,
        X: Covariates,
        edges: ArrayLike,
        *,
        age: float | None = None,
        level: float = 0.95,
        strata: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> PathPrediction:
        """Remaining life of one unit along a plan of covariates, such as load A or load B.

        Parameters
        ----------
        X : array-like of shape (m, p)
            Planned covariates, one row for each stretch of time.
        edges : array-like of shape (m + 1,)
            Ages at which stretches begin and end; the unit still runs at the first.
        age : float, optional
            Age at the first edge, that edge by default.
        level : float, default 0.95
            Of the bounds.
        strata : label, or array-like of shape (m,), optional
            Stratum of the unit (in each stretch), where the model was fitted with strata.

        offset : array-like of shape (m,), optional
            Known part of the log hazard in each stretch, as in `fit`; 0 by default.

        Returns
        -------
        PathPrediction
            Survival at each edge, NaN beyond the last failure; the mean time that the unit runs
            within the plan (its `horizon`), NaN where the plan reaches beyond the last failure;
            and the gradient of that mean in the plan.
        """
        self._check_fitted()
        level = check_level(level)
        x = check_covariates(self, X, reset=False)
        times, begin = check_plan(edges, x.shape[0], age)
        if strata is not None and np.ndim(strata) == 0:
            strata = np.repeat(np.array([strata]), x.shape[0])
        tables: list[Any] = [None] * x.shape[0]
        for table, rows in self._by_stratum(strata, x.shape[0]):
            for row in rows:
                tables[row] = table
        sets = self._cox.sets
        z = (x - sets.center) / sets.scale
        known = offsets(offset, x.shape[0])
        found = follow_path(tables, z, times - times[0] + begin, known)
        gradient = found.gradient / sets.scale
        curve = (found.log_hazard, found.error)
        survival, slopes = path_tables(column_names(self), times, *curve, gradient, level)
        horizon = float(times[-1] - times[0])
        low, high = bounds_within(horizon, found.mean, found.mean_error, level)
        return PathPrediction(survival, found.mean, float(low), float(high), slopes, horizon)
