"""Memberships of units: those that are known, and tables with bounds between zero and one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.precision import double_precision
from survjax._core.validation import as_floats, check_failed, check_times
from survjax.estimators.frames import frame
from survjax.estimators.lifetime.predictions import check_level
from survjax.prediction.curves import membership_logits
from survjax.uncertainty.modes import Maxima, bounded_memberships

if TYPE_CHECKING:
    import pandas as pd


def known_components(
    component: ArrayLike | None, n_rows: int, n_components: int
) -> np.ndarray | None:
    """Known components as whole numbers, -1 where not known; None where none is given."""
    if component is None:
        return None
    given = as_floats(component, "component")
    given = np.where(np.isnan(given), -1.0, given)
    good = (given == np.round(given)) & (given >= -1) & (given < n_components)
    if given.shape != (n_rows,) or not good.all():
        raise ValueError(
            f"component must hold, for each of the {n_rows} rows, a number from 0 to "
            f"{n_components - 1}, or -1 where it is not known"
        )
    return given.astype(np.int32)


def membership_table(
    logits: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray] | None,
    like: object,
    kinds: tuple[str, ...] = (),
) -> pd.DataFrame:
    """Shares from their logits (K, n) and from those of their bounds, if there are any.

    `kinds` are their names, `component_1`, ... by default.
    """
    columns: dict[str, np.ndarray] = {}
    for k, row in enumerate(logits):
        name = kinds[k] if kinds else f"component_{k + 1}"
        columns[name] = _share(row)
        if bounds is not None:
            columns[f"{name}_lower"] = _share(bounds[0][k])
            columns[f"{name}_upper"] = _share(bounds[1][k])
    return frame(columns, like=like)


def _share(logit: np.ndarray) -> np.ndarray:
    """The share of a logit, with all its digits however small."""
    return np.exp(-np.logaddexp(0.0, -logit))


def around(
    logits: np.ndarray, errors: np.ndarray, critical: float
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds so many standard errors from logits; an infinite one is its own bound."""
    half = np.where(np.isfinite(logits), critical * errors, 0.0)
    return logits - half, logits + half


class LifetimeMemberships:
    """`membership` of an estimator of one lifetime for all units."""

    lifetime_: Any
    covariance_: np.ndarray
    _maxima: Maxima | None
    _check_fitted: Callable[[], None]

    @double_precision
    def membership(
        self, ages: ArrayLike, event_observed: ArrayLike | None = None, level: float | None = 0.95
    ) -> pd.DataFrame:
        """P(unit belongs to each component), given what is known of it.

        Parameters
        ----------
        ages : array-like of shape (n,)
            Age of each unit: still running then, or failed then.
        event_observed : array-like of shape (n,), optional
            True where the unit failed at its age. None: all still run.
        level : float or None, default 0.95
            Of the confidence bounds, by the delta method on the logit; None leaves them out.

        Returns
        -------
        DataFrame
            `component_1, component_1_lower, component_1_upper, component_2, ...`, one row a unit,
            with `cured` at the end where a share of the units never fails; the chances of a unit
            add up to one. Among survivors the frail are rarer than at birth.
        """
        self._check_fitted()
        kinds = self.lifetime_.kinds()
        if not kinds:
            name = type(self.lifetime_).__name__
            raise ValueError(f"membership is of the components of a mixture, and this is a {name}")
        given, ages = ages, check_times(ages, "ages", zero=True)
        failed = check_failed(event_observed, ages)
        if level is None:
            logits, _ = membership_logits(self.lifetime_, None, ages, failed)
            return membership_table(logits, None, given, kinds)
        logits, *ends = bounded_memberships(
            self.lifetime_, self.covariance_, self._maxima, ages, failed, check_level(level)
        )
        return membership_table(logits, (ends[0], ends[1]), given, kinds)
