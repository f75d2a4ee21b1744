"""To which sub-population each asset belongs, as a frame with bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.annotations import Covariates
from survjax._core.precision import double_precision
from survjax._core.validation import check_failed
from survjax.estimators.assets.curves import AssetCurves
from survjax.estimators.frames import frame
from survjax.estimators.lifetime.predictions import check_level
from survjax.estimators.memberships import around, membership_table
from survjax.prediction.regression_curves import FittedForm, membership_logits, memberships
from survjax.uncertainty.delta import normal_quantile

if TYPE_CHECKING:
    import pandas as pd


class AssetMemberships(AssetCurves):
    """`membership` of a mixture, which says how chances and their bounds are computed."""

    def _kinds(self) -> tuple[str, ...]:
        """Names of the kinds of units; none: they are numbered components."""
        return ()

    def _memberships(self, x: np.ndarray, ages: np.ndarray, failed: np.ndarray) -> np.ndarray:
        """Chances (K, n) to belong to each component."""
        raise NotImplementedError

    def _membership_logits(
        self, x: np.ndarray, ages: np.ndarray, failed: np.ndarray, level: float
    ) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Logits (K, n) of the chances, and of their bounds."""
        raise NotImplementedError

    @double_precision
    def membership(
        self,
        X: Covariates,
        ages: ArrayLike | None = None,
        event_observed: ArrayLike | None = None,
        level: float | None = 0.95,
    ) -> pd.DataFrame:
        """P(asset belongs to each component), given what is known of it.

        Parameters
        ----------
        X, ages
            As in `predict_rul`: still running at these ages.
        event_observed : array-like of shape (n,), optional
            True where the asset failed at its age.
        level : float or None, default 0.95
            Of the confidence bounds, on the logit; None leaves them out. They are by the delta
            method; those of `DeepWeibullMixture` say how far its members are apart.

        Returns
        -------
        DataFrame
            `component_1, component_1_lower, component_1_upper, component_2, ...`, one row an
            asset, components in the model's order, a cured share (`cured`) last; the chances of an
            asset add up to one.
        """
        x, ages = self._assets(X, ages)
        failed = check_failed(event_observed, ages)
        if level is None:
            found = self._memberships(x, ages, failed)
            names = self._kinds() or tuple(f"component_{k + 1}" for k in range(len(found)))
            return frame(dict(zip(names, found, strict=True)), like=X)
        logits, bounds = self._membership_logits(x, ages, failed, check_level(level))
        return membership_table(logits, bounds, X, self._kinds())


class FormMemberships(AssetMemberships):
    """`membership` of a regression whose answer is a `FittedForm`."""

    _fitted: FittedForm

    def _kinds(self) -> tuple[str, ...]:
        form = self._fitted.form
        kinds = () if form.modifier is not None else tuple(form.template.kinds())
        if not kinds:
            raise ValueError(
                f"all assets of a {type(form.template).__name__} are of one kind: memberships are "
                "of mixtures, and of families beside a cured share"
            )
        return kinds

    def _memberships(self, x: np.ndarray, ages: np.ndarray, failed: np.ndarray) -> np.ndarray:
        self._kinds()
        return memberships(self._fitted, x, ages, failed)

    def _membership_logits(
        self, x: np.ndarray, ages: np.ndarray, failed: np.ndarray, level: float
    ) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        self._kinds()
        logits, errors = membership_logits(self._fitted, x, ages, failed)
        return logits, around(logits, errors, normal_quantile(level))
