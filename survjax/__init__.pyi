from survjax import baselines as baselines
from survjax import datasets as datasets
from survjax import inference as inference
from survjax import lifetimes as lifetimes
from survjax import optimize as optimize
from survjax import plotting as plotting
from survjax import plotting as plotting
from survjax._core.observations import Observations as Observations
from survjax.estimators import WeibullMixture as WeibullMixture
from survjax.estimators import load as load
from survjax.estimators._messages import FitWarning as FitWarning
from survjax.estimators._messages import NoFiniteMaximum as NoFiniteMaximum
from survjax.inference.derivatives import compute_hazard as compute_hazard
from survjax.inference.metrics import brier_score as brier_score
from survjax.inference.metrics import calibration as calibration
from survjax.inference.metrics import concordance as concordance
from survjax.inference.metrics import cumulative_dynamic_auc as cumulative_dynamic_auc
from survjax.inference.metrics import integrated_brier_score as integrated_brier_score
from survjax.inference.metrics import interval_coverage as interval_coverage
from survjax.inference.metrics import log_score as log_score
from survjax.inference.nonparametric import aalen_johansen as aalen_johansen
from survjax.inference.nonparametric import kaplan_meier as kaplan_meier
from survjax.inference.nonparametric import log_rank as log_rank
from survjax.inference.nonparametric import nelson_aalen as nelson_aalen
from survjax.inference.nonparametric import turnbull as turnbull
from survjax.lifetimes import Conditional as Conditional
from survjax.lifetimes import Exponential as Exponential
from survjax.lifetimes import Lifetime as Lifetime
from survjax.lifetimes import Mixture as Mixture
from survjax.lifetimes import Weibull as Weibull

__version__: str
__all__: list[str]
