"""Times, ages and shares asked of a fitted estimator: what is no time gets one clear error."""

import numpy as np
import pytest

from survjax import AcceleratedLifetime, CoxPH, ScaledHazard, WeibullMixture
from survjax.baselines import DiscreteTimeHazard

RNG = np.random.default_rng(0)
LIVES = 10.0 * RNG.weibull(2.0, 40)
X = RNG.normal(size=(40, 1))

MIXTURE_CALLS = {
    "survival": lambda m, t: m.survival([1.0, t]),
    "hazard": lambda m, t: m.hazard([1.0, t]),
    "cumulative_hazard": lambda m, t: m.cumulative_hazard([1.0, t]),
    "density": lambda m, t: m.density([1.0, t]),
    "survival at ages": lambda m, t: m.survival(1.0, ages=[1.0, t]),
    "mean": lambda m, t: m.mean(ages=[1.0, t]),
    "predict": lambda m, t: m.predict([1.0, t]),
    "predict_rul": lambda m, t: m.predict_rul([1.0, t]),
    "predict_interval": lambda m, t: m.predict_interval([1.0, t]),
    "failure_probability": lambda m, t: m.failure_probability([1.0, t]),
    "horizon": lambda m, t: m.failure_probability([1.0, 2.0], t),
    "membership": lambda m, t: m.membership([1.0, t]),
    "confidence_interval": lambda m, t: m.confidence_interval("survival", [1.0, t]),
    "quantile": lambda m, t: m.quantile([0.5, t]),
    "quantiles": lambda m, t: m.predict_rul([1.0], quantiles=[0.5, t]),
}
REGRESSION_CALLS = {
    "predict_survival": lambda m, t: m.predict_survival(X[:2], [1.0, t]),
    "ages": lambda m, t: m.predict_survival(X[:2], [1.0], ages=[1.0, t]),
    "predict": lambda m, t: m.predict(X[:2], ages=[1.0, t]),
    "predict_rul": lambda m, t: m.predict_rul(X[:2], ages=[1.0, t]),
    "quantiles": lambda m, t: m.predict_quantile(X[:2], [0.5, t]),
    "predict_interval": lambda m, t: m.predict_interval(X[:2], ages=[1.0, t]),
    "failure_probability": lambda m, t: m.failure_probability(X[:2], ages=[1.0, t]),
    "horizon": lambda m, t: m.failure_probability(X[:2], horizon=t),
}
REGRESSIONS = {
    "accelerated life": AcceleratedLifetime,
    "scaled hazard": ScaledHazard,
    "Cox": CoxPH,
    "hazards by period": DiscreteTimeHazard,
}
#: What an estimator does not have, or not with ages.
ABSENT = {
    "accelerated life": (),
    "scaled hazard": (),
    "Cox": ("predict", "predict_interval"),
    "hazards by period": ("predict_interval", "failure_probability", "horizon"),
}
NO_TIMES = [np.nan, np.inf, -np.inf, -1.0, None, "soon"]


@pytest.fixture(scope="module")
def mixture():
    return WeibullMixture(1).fit(LIVES)


@pytest.fixture(scope="module")
def regressions():
    return {name: make().fit(X, LIVES) for name, make in REGRESSIONS.items()}


@pytest.mark.parametrize("wrong", NO_TIMES)
@pytest.mark.parametrize("name", MIXTURE_CALLS)
def test_a_mixture_refuses_what_is_no_time(name, wrong, mixture):
    with pytest.raises(ValueError, match=r"(?i)\b(t|ages|horizon|q|quantiles)\b"):
        MIXTURE_CALLS[name](mixture, wrong)


@pytest.mark.parametrize("wrong", NO_TIMES)
@pytest.mark.parametrize(
    ("model", "name"),
    [
        (model, name)
        for model in REGRESSIONS
        for name in REGRESSION_CALLS
        if name not in ABSENT[model]
    ],
)
def test_a_regression_refuses_what_is_no_time(model, name, wrong, regressions):
    with pytest.raises(ValueError, match=r"(?i)\b(times|ages|horizon|quantiles)\b"):
        REGRESSION_CALLS[name](regressions[model], wrong)
