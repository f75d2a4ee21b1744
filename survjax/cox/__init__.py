"""Proportional hazards without a baseline: Cox's partial likelihood and what follows from it.

Functions on arrays; `survjax.CoxPH` wraps them for everyday use. The fit is plain NumPy: sorting,
cumulative sums and small matrix products, for which it is several times faster than XLA on a
processor. `log_partial_likelihood` is the same function in JAX.
"""

from survjax.cox._definition import (
    RiskOrder,
    log_partial_likelihood,
    risk_order,
)
from survjax.cox._paths import CoxPath, follow_path
from survjax.cox._penalty import Penalty
from survjax.cox._proportionality import (
    Proportionality,
    proportionality_test,
)
from survjax.cox._residuals import (
    deviance_residuals,
    influence,
    martingale_residuals,
    robust_covariance,
    robust_score_test,
    schoenfeld_residuals,
    score_residuals,
)
from survjax.cox.baseline import (
    HazardTable,
    baseline_hazard,
    hazard_table,
)
from survjax.cox.fit import CoxFit, Test, fit_cox

__all__ = [
    "fit_cox",
    "baseline_hazard",
    "hazard_table",
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
