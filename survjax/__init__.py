"""survjax fits lifetimes and says how much life is left.

Every public name is listed in one static table and loaded on first use, so that
`import survjax` stays light: it imports neither JAX nor pandas, scikit-learn or matplotlib.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Public name -> the module that defines it. `__init__.pyi` says the same to type checkers.
_PUBLIC: dict[str, str] = {
    "Accelerated": "survjax.lifetimes",
    "AcceleratedLifetime": "survjax.estimators._accelerated",
    "Conditional": "survjax.lifetimes",
    "CoxPH": "survjax.estimators._cox",
    "DeepWeibullMixture": "survjax.estimators._deep_mixture",
    "Exponential": "survjax.lifetimes",
    "FitWarning": "survjax.estimators._messages",
    "Lifetime": "survjax.lifetimes",
    "LifetimeModel": "survjax.estimators",
    "LogLogistic": "survjax.lifetimes",
    "LogNormal": "survjax.lifetimes",
    "Mixture": "survjax.lifetimes",
    "MixtureRegression": "survjax.estimators._mixture_regression",
    "NoFiniteMaximum": "survjax.estimators._messages",
    "Observations": "survjax._core.observations",
    "ProportionalHazards": "survjax.lifetimes",
    "ScaledHazard": "survjax.estimators._scaled_hazard",
    "Weibull": "survjax.lifetimes",
    "WeibullMixture": "survjax.estimators",
    "aalen_johansen": "survjax.inference.nonparametric",
    "brier_score": "survjax.inference.metrics",
    "calibration": "survjax.inference.metrics",
    "compute_hazard": "survjax.inference.derivatives",
    "concordance": "survjax.inference.metrics",
    "cumulative_dynamic_auc": "survjax.inference.metrics",
    "integrated_brier_score": "survjax.inference.metrics",
    "interval_coverage": "survjax.inference.metrics",
    "history_rows": "survjax.estimators._histories",
    "kaplan_meier": "survjax.inference.nonparametric",
    "load": "survjax.estimators",
    "log_rank": "survjax.inference.nonparametric",
    "log_score": "survjax.inference.metrics",
    "nelson_aalen": "survjax.inference.nonparametric",
    "pairwise_log_rank": "survjax.estimators._pairwise_log_rank",
    "survival_scorer": "survjax.estimators._scorers",
    "survival_target": "survjax.estimators._target",
    "turnbull": "survjax.inference.nonparametric",
}

# Modules reached as attributes, `survjax.datasets.load_pumps()`.
_MODULES: tuple[str, ...] = (
    "baselines",
    "datasets",
    "inference",
    "lifetimes",
    "optimize",
    "plotting",
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
