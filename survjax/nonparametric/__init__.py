"""Estimates that assume no family: Kaplan-Meier and its kin.

Plain NumPy, O(n log n), no JAX. Rows may be right-censored, enter late and carry fractional
weights. `turnbull` takes any intervals, `aalen_johansen` several causes of failure, and
`log_rank` compares groups.
"""

from survjax.nonparametric._competing import CumulativeIncidence, aalen_johansen
from survjax.nonparametric._restricted_mean import restricted_mean
from survjax.nonparametric._step import StepCurve
from survjax.nonparametric._turnbull import turnbull
from survjax.nonparametric.group_tests import LogRank, log_rank, log_rank_pairs
from survjax.nonparametric.product_limit import (
    censoring_curve,
    kaplan_meier,
    nelson_aalen,
)

__all__ = [
    "kaplan_meier",
    "nelson_aalen",
    "restricted_mean",
    "censoring_curve",
    "turnbull",
    "aalen_johansen",
    "log_rank",
    "log_rank_pairs",
    "StepCurve",
    "CumulativeIncidence",
    "LogRank",
]
