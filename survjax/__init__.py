"""survjax fits lifetime distributions and predicts remaining useful life.

Every public name is listed in one static table and loaded on first use, so that
`import survjax` stays light: it imports neither JAX nor pandas, scikit-learn or matplotlib.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Public name -> the module that defines it. `__init__.pyi` says the same to type checkers.
_PUBLIC: dict[str, str] = {
    "Accelerated": "survjax.lifetimes",
    "AcceleratedLifetime": "survjax.estimators.regression.accelerated",
    "Competing": "survjax.lifetimes",
    "CompetingRegression": "survjax.estimators.competing.regression",
    "CompetingRisks": "survjax.estimators.competing.model",
    "Conditional": "survjax.lifetimes",
    "CoxPH": "survjax.estimators.cox.model",
    "DeepWeibullMixture": "survjax.estimators.deep.model",
    "Exponential": "survjax.lifetimes",
    "FitWarning": "survjax.estimators.messages",
    "Lifetime": "survjax.lifetimes",
    "LifetimeModel": "survjax.estimators",
    "LogLogistic": "survjax.lifetimes",
    "LogNormal": "survjax.lifetimes",
    "Mixture": "survjax.lifetimes",
    "MixtureRegression": "survjax.estimators.regression.mixture_regression",
    "NoFiniteMaximum": "survjax.estimators.messages",
    "Observations": "survjax.data.observations",
    "ProportionalHazards": "survjax.lifetimes",
    "ScaledHazard": "survjax.estimators.regression.scaled_hazard",
    "ScaledOdds": "survjax.estimators.odds.scaled_odds",
    "Weibull": "survjax.lifetimes",
    "WeibullMixture": "survjax.estimators",
    "aalen_johansen": "survjax.nonparametric",
    "brier_score": "survjax.metrics",
    "calibration": "survjax.metrics",
    "compare": "survjax.estimators.choosing.comparison",
    "compute_hazard": "survjax.prediction.derivatives",
    "concordance": "survjax.metrics",
    "cumulative_dynamic_auc": "survjax.metrics",
    "integrated_brier_score": "survjax.metrics",
    "interval_coverage": "survjax.metrics",
    "durations_from_dates": "survjax.estimators.tables.dates",
    "history_rows": "survjax.estimators.tables.histories",
    "fit_groups": "survjax.estimators.groups.fit",
    "fit_stream": "survjax.estimators.streams.fit_stream",
    "kaplan_meier": "survjax.nonparametric",
    "likelihood_ratio_test": "survjax.estimators.choosing.nested",
    "load": "survjax.estimators",
    "log_rank": "survjax.nonparametric",
    "log_score": "survjax.metrics",
    "nelson_aalen": "survjax.nonparametric",
    "pairwise_log_rank": "survjax.estimators.pairwise_log_rank",
    "survival_scorer": "survjax.estimators.scorers",
    "survival_target": "survjax.estimators.target",
    "turnbull": "survjax.nonparametric",
    "weibayes": "survjax.estimators.lifetime.weibayes",
}

# Modules reached as attributes, `survjax.datasets.load_pumps()`.
_MODULES: tuple[str, ...] = (
    "baselines",
    "cox",
    "datasets",
    "lifetimes",
    "metrics",
    "nonparametric",
    "optimize",
    "plotting",
    "priors",
)

__all__ = [*_PUBLIC, *_MODULES, "__version__"]


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use (PEP 562)."""
    if name in _PUBLIC:
        value = getattr(import_module(_PUBLIC[name]), name)
    elif name in _MODULES:
        value = import_module(f"survjax.{name}")
    else:
        raise AttributeError(f"module 'survjax' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
