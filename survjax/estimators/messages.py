"""What a user is told when a fit has no answer, or only a weak one."""

from __future__ import annotations

import numpy as np

from survjax._core.validation import how_many
from survjax.data.observations import Observations

#: Failures whose times differ by less than this share are as good as one time.
NEARLY_TIED = 1e-7
#: A log shape this far from zero, without a maximum, is on its way to 0 or infinity.
RUNAWAY = float(np.log(30.0))


#: Why units that were seen because they failed early enough may leave a scale open.
ENDLESS_LIVES = (
    "Units that were seen only because they failed by their exit do not tell lives from longer "
    "ones: the likelihood rises as the scale grows without end, where P(T <= t) / P(T <= exit) "
    "tends to (t / exit)^shape. A known scale, a bound of it (fixed= or bounds= of LifetimeModel), "
    "or units that outlived their exits are needed"
)


class FitWarning(UserWarning):
    """A fit ended with something its user should know; the message says what, and what to do."""


class NoFiniteMaximum(ValueError):
    """The data admit no fit: the likelihood rises without end. The message says why."""


class NotFittedError(ValueError, AttributeError):
    """A method was called that needs a fit first."""


def none_failed(n_units: float) -> NoFiniteMaximum:
    """The error of a regression whose target holds no failure."""
    units = how_many(n_units, "unit")
    return NoFiniteMaximum(f"none of the {units} has failed: a fit needs failures in y")


def shape_direction(log_shape: float) -> str:
    """Where the shape of a fit without a maximum was going."""
    shape = f"{np.exp(np.clip(log_shape, -700.0, 700.0)):.3g}"
    if log_shape > RUNAWAY:
        return f"the shape ran toward infinity (it reached {shape})"
    if log_shape < -RUNAWAY:
        return f"the shape ran toward 0 (it reached {shape})"
    return f"the shape stood at {shape} when the search ended"


def likely_cause(rows: Observations, log_shape: float) -> str:
    """Why one Weibull has no finite maximum on these `Observations`, and what to do."""
    if rows.n_events == 0:
        return "Without a failure the data bound lives from below only: give each parameter a prior"
    failed = rows.lower[(rows.event > 0) & (rows.weight > 0)]
    spread = float(np.ptp(failed) / failed.max()) if failed.size else 0.0
    if 0.0 < spread < NEARLY_TIED:
        return (
            f"The failure times differ by {spread:.1g} of their size only, too little to tell a "
            "shape from: pass resolution= if durations are rounded, or check the durations"
        )
    if rows.exit is not None:
        return ENDLESS_LIVES
    if rows.entry is not None and spread > 0.0:
        return (
            "This happens where units come under observation just before they fail, so that "
            "next to no running time was seen: check entry"
        )
    if log_shape < -RUNAWAY:
        return (
            "This happens where all failures may have come at the very beginning of life, long "
            "before the running times, so that ever flatter shapes fit: a share of the units "
            "fails at once and the rest never does. Failures with a known earliest time "
            "(lower > 0), or later failures, are needed"
        )
    if rows.interval is not None and failed.size == 0:
        return (
            "This happens where the intervals of all failures overlap, or none ends before the "
            "longest running time, so that ever steeper shapes fit: narrower intervals (a finer "
            "resolution=) or more failures are needed"
        )
    return (
        "This happens where all failures share one time, or none was seen before the longest "
        "running time: collect more failures, or pass resolution= if durations are rounded. A "
        "shape that is known from earlier units makes do with one: fixed={'shape': 2.0}, or a "
        "prior, priors={'shape': survjax.priors.LogNormal(2.0, 1.5)}, of LifetimeModel"
    )
