"""The rows of a fit without covariates: equal ones merged, and failures among them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.validation import as_column, check_events, how_many
from survjax.data.labels import rows_by_position
from survjax.data.observations import Observations
from survjax.data.recording import has_ties, refuse_failed_at_zero, tabulate
from survjax.estimators.messages import NoFiniteMaximum


def check_events_of(rows: Observations, fails_at_zero: bool, has_priors: bool) -> None:
    """Refuse data in which nothing has failed, or something at a time at which nothing can.

    With priors, the search sees whether they leave anything open.
    """
    if rows.n_events == 0 and not (has_priors and rows.weight.any()):
        raise NoFiniteMaximum(
            f"none of the {how_many(rows.n_units, 'unit')} has failed, so the data only say "
            "that lives are long: a fit needs failures (event_observed = 1). With a "
            "known Weibull shape, survjax.weibayes gives a lower bound of the scale; with priors= "
            "on all parameters (survjax.priors) there is a fit"
        )
    if not fails_at_zero:
        refuse_failed_at_zero(rows)


@rows_by_position
def counted(
    durations: ArrayLike | Observations, event_observed: ArrayLike | None
) -> tuple[Any, Any, Any]:
    """Merge equal rows by counting, where many durations lie on a grid; else change nothing."""
    array = as_column(durations, "durations")
    if array.dtype.kind not in "iuf" or array.shape[0] < 20_000:
        return durations, event_observed, None
    if not has_ties(array):
        return durations, event_observed, None
    if array.dtype.kind == "f" and not (array.min() > 0 and array.max() < np.inf):
        return durations, event_observed, None
    events = check_events(event_observed, array.shape[0])
    table = tabulate(array, events)
    return (durations, event_observed, None) if table is None else table


@rows_by_position
def described(
    durations: ArrayLike | Observations,
    event_observed: ArrayLike | None,
    entry: ArrayLike | None,
    exit: ArrayLike | None,
    sample_weight: ArrayLike | None,
    **options: Any,
) -> Observations:
    """The rows that columns describe, or that are given as such; options of `from_durations`."""
    columns: dict[str, Any] = {"entry": entry, "exit": exit, "sample_weight": sample_weight}
    if isinstance(durations, Observations):
        if event_observed is not None or any(given is not None for given in columns.values()):
            raise ValueError("Observations hold events, entry, exit and weights: pass them alone")
        return durations
    return Observations.from_durations(durations, event_observed, **columns, **options)
