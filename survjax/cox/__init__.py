"""Proportional hazards without a baseline: Cox's partial likelihood and what follows from it.

Functions on arrays; `survjax.CoxPH` wraps them for everyday use. The fit is plain NumPy: sorting,
cumulative sums and small matrix products, for which it is several times faster than XLA on a
processor. `log_partial_likelihood` is the same function in JAX.
"""

from survjax.cox._chi_squared import Test
from survjax.cox._fitted import CoxFit
from survjax.cox._hazard_table import HazardTable
from survjax.cox._paths import CoxPath, follow_path
from survjax.cox._proportionality import Proportionality, proportionality_test
from survjax.cox._residuals import (
    deviance_residuals,
    expected_failures,
    influence,
    martingale_residuals,
    robust_covariance,
    robust_score_test,
    schoenfeld_residuals,
    score_residuals,
)
from survjax.cox.baseline import baseline_hazard, hazard_table
from survjax.cox.fit import fit_cox
from survjax.cox.partial_likelihood.definition import RiskOrder, log_partial_likelihood, risk_order
from survjax.cox.partial_likelihood.penalty import Penalty

__all__ = [
    "fit_cox",
    "baseline_hazard",
    "hazard_table",
    "expected_failures",
    "martingale_residuals",
    "deviance_residuals",
    "score_residuals",
    "influence",
    "schoenfeld_residuals",
    "robust_covariance",
    "robust_score_test",
    "proportionality_test",
    "log_partial_likelihood",
    "risk_order",
    "follow_path",
    "CoxFit",
    "CoxPath",
    "HazardTable",
    "Penalty",
    "Proportionality",
    "RiskOrder",
    "Test",
]
