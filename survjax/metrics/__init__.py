"""Measures of how good predictions are of lifetimes that are partly still running.

Plain NumPy, O(n log n), no n-by-n arrays. Every function takes `durations` and
`event_observed` and a prediction. Where units are censored, the ones that were seen stand in
for the ones that were not, by weights 1 / P(not yet censored). That probability comes from the
same units, or from `censoring=censoring_curve(...)` of the training set.
"""

from survjax.metrics._auc import DynamicAuc, cumulative_dynamic_auc
from survjax.metrics._calibration import (
    Calibration,
    Coverage,
    calibration,
    interval_coverage,
)
from survjax.metrics._concordance import Concordance, concordance
from survjax.metrics._scores import brier_score, integrated_brier_score, log_score

__all__ = [
    "concordance",
    "cumulative_dynamic_auc",
    "brier_score",
    "integrated_brier_score",
    "log_score",
    "calibration",
    "interval_coverage",
    "Calibration",
    "Concordance",
    "Coverage",
    "DynamicAuc",
]
