"""Residuals of a fitted lifetime, as a frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.precision import double_precision
from survjax._core.validation import check_weights
from survjax.data.observations import Observations
from survjax.data.recording import failed_at_zero
from survjax.estimators.frames import frame
from survjax.likelihood.rows import contributions
from survjax.prediction.residuals import Residuals, passed, still_running
from survjax.uncertainty.delta import rows_needed

if TYPE_CHECKING:
    import pandas as pd


class LifetimeResiduals:
    """`residuals` of an estimator of one lifetime for all units."""

    lifetime_: Any
    _check_fitted: Callable[[], None]
    _rows_of: Callable[..., Observations]

    @double_precision
    def residuals(
        self,
        durations: ArrayLike | Observations | None = None,
        event_observed: ArrayLike | None = None,
        *,
        entry: ArrayLike | None = None,
        exit: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> pd.DataFrame:
        r"""Cox-Snell, martingale and deviance residuals of units.

        Parameters
        ----------
        durations, event_observed, entry, exit, sample_weight
            As in `fit`; `Observations` for intervals. None: the rows that were fitted, equal ones
            merged into one with their weight.

        Returns
        -------
        DataFrame
            With the index of `durations`: `cox_snell`, its bounds `cox_snell_lower` and
            `cox_snell_upper`, `martingale`, `deviance`, `event` and `weight`. All are per unit of
            weight: of one of the equal units that a row stands for.

        Notes
        -----
        Cox-Snell residuals are the cumulative hazard that a unit has passed since it was first
        seen, H(t) - H(entry) (Cox and Snell 1968). Where the model is right they are unit
        exponentials, censored where the unit still runs: `plot("residuals")` shows their
        cumulative hazard, which should follow the diagonal. Of a failure in an interval (a, b] the
        bounds are those of a and b, and the residual its mean
        :math:`A + 1 - (B - A) / (e^{B - A} - 1)`. Of units that were only seen because they had
        failed by an exit, H is that of the life among these.

        Martingale residuals are the failures seen less those expected, 1 or 0 less the Cox-Snell
        residual: the slope of a row's log-likelihood in the log of a factor on its hazard (of
        intervals: Farrington 2000). Deviance residuals are
        :math:`\mathrm{sign}(M) \sqrt{2 (l^* - l)}`, with l* the largest log-likelihood of the row
        over that factor (Therneau, Grambsch and Fleming 1990). As for `CoxPH`, positive means that
        a unit failed sooner than expected; R's `survreg` has the other sign.

        Examples
        --------
        >>> from survjax import LifetimeModel
        >>> lives, failed = [3.0, 5.0, 8.0, 9.0, 12.0], [1, 1, 1, 0, 1]
        >>> model = LifetimeModel("exponential").fit(lives, failed)
        >>> model.residuals(lives, failed)["martingale"].round(3).tolist()
        [0.676, 0.459, 0.135, -0.973, -0.297]
        """
        self._check_fitted()
        if durations is None:
            rows = getattr(self, "_rows", None)
            if rows is None:
                raise rows_needed("residuals without data")
            weight = rows.weight
        elif isinstance(durations, Observations):
            rows = self._rows_of(durations, event_observed, entry, exit, sample_weight)
            weight = rows.weight
        else:
            rows = self._rows_of(durations, event_observed, entry, exit, None)
            weight = check_weights(sample_weight, rows.n_rows)
        return residual_frame(self._residuals_of(rows), weight, durations)

    def _residuals_of(self, rows: Observations) -> Residuals:
        """Residuals of checked rows."""
        found = residuals_of(rows, lambda running: contributions(self.lifetime_, running))
        at_zero = failed_at_zero(rows)
        if not at_zero.any():
            return found
        # What time zero itself takes is passed at once, by those that fail there.
        passed_at_zero = float(self.lifetime_.cumulative_hazard(0.0))
        return dataclasses.replace(found, upper=np.where(at_zero, passed_at_zero, found.upper))

    def _residual_table(self) -> pd.DataFrame:
        """What the picture of residuals shows unasked."""
        return self.residuals()


def residuals_of(rows: Observations, terms: Callable[[Observations], np.ndarray]) -> Residuals:
    """Residuals from the log-likelihood (n,) of rows of the same units."""

    def at(times: np.ndarray) -> np.ndarray:
        running = still_running(times, rows.entry, rows.exit)
        return passed(terms(running), times, rows.entry, rows.exit)

    lower = at(rows.lower)
    event, upper = rows.event, np.where(rows.event > 0, lower, np.inf)
    if rows.interval is not None:
        inside = rows.interval > 0
        event = event + rows.interval
        upper = np.where(inside, at(np.where(inside, rows.upper, rows.lower)), upper)
    # A unit that ran at time zero has no weight, and its time is not what the row says.
    unknown = (rows.weight == 0) & (event == 0)
    return Residuals(np.where(unknown, 0.0, lower), upper, event)


def residual_frame(found: Residuals, weight: np.ndarray, like: object) -> pd.DataFrame:
    """The frame of residuals, with the index of what was given."""
    columns = {
        "cox_snell": found.cox_snell,
        "cox_snell_lower": found.lower,
        "cox_snell_upper": found.upper,
        "martingale": found.martingale,
        "deviance": found.deviance,
        "event": found.event,
        "weight": weight,
    }
    return frame(columns, like)
