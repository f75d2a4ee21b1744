"""What a parametric bootstrap needs of a fitted estimator, and how far it has come."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from survjax.data.recording import failed_at_zero
from survjax.uncertainty.delta import rows_needed
from survjax.uncertainty.parametric.regressions import RegressionTruth, one_row_a_unit
from survjax.uncertainty.parametric.replicates import Progress, Truth


def truth_of(model: Any, what: str) -> Truth:
    """A fitted estimator of one lifetime as the truth that replicates are drawn from."""
    if not hasattr(model, "_rows"):
        raise rows_needed(what)
    if not model.converged_:
        raise ValueError(
            f"{what} needs a fit that is an interior maximum, and certificate_ says: "
            f"{model.certificate_.status}"
        )
    if failed_at_zero(model._rows).any():
        raise ValueError(
            f"{what} draws lives that end at a time of their own, and some units failed at time "
            "zero: fit those that lived apart"
        )
    settings = model._settings()
    return Truth(model._template, model.parameters_, model._rows, settings, _recording(model))


def regression_truth_of(model: Any, what: str) -> RegressionTruth:
    """A fitted regression as the truth that replicates are drawn from."""
    training = model._trained(what)
    if training.refit is not None:
        raise ValueError(
            f"{what} is of one likelihood, and this was fitted in two steps: use joint"
        )
    if training.histories is not None or training.component is not None:
        raise ValueError(
            f"{what} draws lives of units with one row and no known component, and these have "
            "several (unit=), or some are known (component=)"
        )
    training = one_row_a_unit(training)
    if failed_at_zero(training.rows).any():
        raise ValueError(f"{what} draws lives of some length, and some units failed at time zero")
    rounding = model._rounding()
    recording = (rounding["resolution"], rounding["rounding"]) if rounding else None
    settings = model._settings() if hasattr(model, "_settings") else None
    stops = max(model.tol, 1e-6), model.max_iter
    theta = model._fitted.theta
    return RegressionTruth(training, theta, recording, model._least_eigenvalue, *stops, settings)


def _recording(model: Any) -> tuple[float, str] | None:
    """Width and direction of rounding; None where failures are exact or found by inspections."""
    try:
        found: tuple[float, str] | None = model._recording()
    except ValueError:
        return None
    return found


def check_replicates(n_replicates: object, least: int = 19) -> int:
    """Check a number of replicates."""
    if not (isinstance(n_replicates, (int, np.integer)) and n_replicates >= least):
        raise ValueError(
            f"n_replicates must be a whole number of at least {least}, got {n_replicates!r}"
        )
    return int(n_replicates)


def shown(progress: bool) -> Progress:
    """What says how many replicates are done: on stderr, or nowhere."""

    def say(done: int, wanted: int) -> None:
        end = "\n" if done == wanted else ""
        print(f"\r{done} of {wanted} replicates", end=end, file=sys.stderr, flush=True)

    return say if progress else lambda done, wanted: None
