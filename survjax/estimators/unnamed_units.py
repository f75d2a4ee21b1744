"""The warning that rows look like those of units with several, while no unit was named."""

from __future__ import annotations

import warnings

import numpy as np

from survjax._core.callers import users_level
from survjax.data.observations import Observations
from survjax.estimators.messages import FitWarning
from survjax.likelihood.regression.joined_rows import joined_rows

#: What counting rows as units does where hazards are proportional, or there are no covariates.
COUNTS = "the likelihood is the same, but n_units_, BIC and penalties count rows instead of units"
#: What it does to mixtures with covariates.
MIXED = (
    "rows of one unit may then belong to different components, so that components, effects and "
    "bounds are wrong"
)
#: What to do, where `fit` takes units.
NAME_THEM = (
    "Pass unit= (which unit each row belongs to); if each row is a unit of its own, "
    "unit=numpy.arange(n) says so"
)

#: The same, where there are no covariates and no units.
ONE_ROW = "Pass one row for each unit: the entry of its first row, duration and event of its last"


def warn_of_unnamed_units(
    rows: Observations, x: np.ndarray | None, consequence: str, advice: str = NAME_THEM
) -> None:
    """Warn where many censored rows end exactly where another row enters.

    Parameters
    ----------
    rows : Observations
    x : array of shape (n, p) or None
        Their covariates.
    consequence, advice : str
        What it does to this fit, and what to do.
    """
    found = joined_rows(rows, None if x is None else np.asarray(x))
    if found is None:
        return
    warnings.warn(
        f"{found.n_joined} of {found.n_censored} censored rows end exactly where another row "
        f"enters, as rows of one unit do whose covariates change, but each row counts as a unit "
        f"of its own: {consequence}. {advice}",
        FitWarning,
        stacklevel=users_level(),
    )
