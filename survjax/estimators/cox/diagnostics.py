"""Tests and residuals of a fitted proportional-hazards model, as frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from survjax.cox import (
    CoxFit,
    deviance_residuals,
    expected_failures,
    influence,
    martingale_residuals,
    proportionality_test,
    robust_score_test,
    schoenfeld_residuals,
    score_residuals,
)
from survjax.estimators.frames import frame

if TYPE_CHECKING:
    import pandas as pd

RESIDUALS = {
    "cox_snell": expected_failures,
    "martingale": martingale_residuals,
    "deviance": deviance_residuals,
    "score": score_residuals,
    "influence": influence,
}


class CoxDiagnostics:
    """Diagnostics of an estimator that holds `_cox` and the names of its coefficients."""

    _cox: CoxFit
    _robust: bool
    _given: dict[str, Any]
    _groups: dict[str, Any]
    covariance_: np.ndarray
    parameter_names_: tuple[str, ...]

    def _check_fitted(self) -> None:
        check_is_fitted(self)

    def tests(self) -> pd.DataFrame:
        """Test whether any column matters: by likelihood ratio, Wald's and the score test.

        Returns
        -------
        DataFrame
            Columns `statistic, df, p_value`. They do not hold under a penalty. With robust
            errors, Wald's test is by these, and there is a `robust_score` test; the other two
            take rows to be independent.
        """
        self._check_fitted()
        fit, robust = self._cox, getattr(self, "_robust", False)
        found = {
            "likelihood_ratio": fit.likelihood_ratio_test(),
            "wald": fit.wald_test(self.covariance_ if robust else None),
            "score": fit.score_test(),
        }
        if robust:
            found["robust_score"] = robust_score_test(fit, **self._groups)
        columns = {key: [getattr(t, key) for t in found.values()] for key in vars(found["wald"])}
        return frame(columns, names=list(found))

    def proportionality(self, transform: str = "km") -> pd.DataFrame:
        """Test whether each coefficient drifts with time.

        Parameters
        ----------
        transform : {"km", "rank", "log", "identity"}, default "km"
            The clock against which a drift is looked for: one minus the Kaplan-Meier curve of
            all rows (strata together, just before each failure), the ranks of the times among
            the ends of all rows, the log of the times, or the times. Rows count by their weight.

        Returns
        -------
        DataFrame
            One row a column of X and a last one, "overall"; `statistic, df, p_value`. Small
            p-values say that the hazards are not proportional. NaN where a column has no
            estimate, or where the failures cannot tell its drift. Under a penalty the p-values
            are approximate.

        Raises
        ------
        ValueError
            Where no drift can be told, such as with failures at one time only.
        """
        self._check_fitted()
        # A model read from a file has no rows, and says so.
        given = getattr(self, "_given", {})
        found = proportionality_test(self._cox, transform, **given)
        total = found.overall
        columns = {
            "statistic": [*found.statistic, total.statistic],
            "df": [*(1 for _ in found.statistic), total.df],
            "p_value": [*found.p_value, total.p_value],
        }
        return frame(columns, names=[*self.parameter_names_, "overall"])

    def residuals(self, kind: str = "martingale") -> Any:
        """Residuals of the rows that were fitted.

        Parameters
        ----------
        kind : {"cox_snell", "martingale", "deviance", "score", "influence", "schoenfeld", \
"scaled_schoenfeld"}, default "martingale"
            "cox_snell" are the cumulative hazards that rows passed. All are per unit of weight:
            where weights are counts, of one of the equal rows that a row stands for. "influence" is
            about how much that moves each coefficient (dfbeta); leaving out the whole row moves it
            by its weight times as much. The Schoenfeld residuals are those of failures, in the
            order of their times.

        Returns
        -------
        array of shape (n,) or DataFrame
            A frame with the columns of X for all but the first three; the Schoenfeld ones have
            the failure times as their index.
        """
        self._check_fitted()
        names = list(self.parameter_names_)
        if kind in ("schoenfeld", "scaled_schoenfeld"):
            times, rest = schoenfeld_residuals(self._cox, scaled=kind.startswith("scaled"))
            return frame(dict(zip(names, rest.T, strict=True)), names=times)
        if kind not in RESIDUALS:
            choices = ", ".join([*RESIDUALS, "schoenfeld", "scaled_schoenfeld"])
            raise ValueError(f"kind must be one of {choices}; got {kind!r}")
        found = RESIDUALS[kind](self._cox)
        return found if found.ndim == 1 else frame(dict(zip(names, found.T, strict=True)))

    def _residual_table(self) -> pd.DataFrame:
        """What the picture of residuals shows unasked."""
        passed = self.residuals("cox_snell")
        columns = {"cox_snell": passed, "event": np.rint(passed + self.residuals("martingale"))}
        sets, weight = self._cox.sets, np.zeros(passed.size)
        weight[sets.order] = sets.weight
        return frame({**columns, "weight": weight})
