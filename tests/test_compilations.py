"""What compiles, and how often: a second fit or prediction of about the same size never does."""

import warnings

import jax.monitoring
import numpy as np
import pytest

from survjax import AcceleratedLifetime, FitWarning, WeibullMixture
from survjax.baselines import LinearRegression, LogisticRegression

EVENT = "/jax/core/compile/jaxpr_to_mlir_module_duration"


class Compilations:
    """Counts programs that are lowered to be compiled, from a cache on disk or not."""

    def __init__(self):
        self.count = 0

    def __call__(self, event, duration, **_):
        self.count += event == EVENT


@pytest.fixture(scope="module")
def compilations():
    counter = Compilations()
    jax.monitoring.register_event_duration_secs_listener(counter)
    yield counter
    jax.monitoring.unregister_event_duration_listener(counter)


def lives(n, seed=0):
    """Two kinds of lives, three in ten still running."""
    rng = np.random.default_rng(seed)
    life = np.where(rng.random(n) < 0.4, 5 * rng.weibull(0.8, n), 40 * rng.weibull(3.0, n))
    limit = rng.uniform(10, 90, n)
    return np.minimum(life, limit), life <= limit


def covariates(n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 1))
    return x, np.exp(0.3 * x[:, 0]) * rng.weibull(2.0, n)


def mixture(n, seed):
    model = WeibullMixture(2).fit(*lives(n, seed))
    ages = np.linspace(0.0, 30.0, n // 2)
    model.predict_rul(ages)
    model.predict_interval(ages)
    model.survival(ages)
    model.failure_probability(ages, 1.0)
    model.membership(ages)
    model.confidence_interval("survival", ages)
    model.summary()
    model.score(*lives(n, seed + 1))


def regression(n, seed):
    x, t = covariates(n, seed)
    model = AcceleratedLifetime().fit(x, t)
    model.predict_rul(x[: n // 2])
    model.summary()


def linear(n, seed):
    x, t = covariates(n, seed)
    LinearRegression("newton").fit(x, t).predict(x)
    LogisticRegression().fit(x, t > 1).predict(x)


@pytest.mark.parametrize("work", [mixture, regression, linear])
def test_a_second_size_in_the_same_bucket_compiles_nothing(work, compilations):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        work(250, 0)
        # A search may take turns that the first one did not need: those are programs too.
        work(247, 2)
        before = compilations.count
        for n in (246, 251):
            work(n, n)
    assert compilations.count == before


def test_a_clone_and_another_seed_compile_nothing(compilations):
    t, event = lives(250)
    WeibullMixture(2, random_state=0).fit(t, event)
    before = compilations.count
    WeibullMixture(2, random_state=5, n_starts=30).fit(t, event)
    assert compilations.count == before


def test_the_counter_counts(compilations):
    before = compilations.count
    jax.jit(lambda x: x + compilations.count)(1.0)
    assert compilations.count > before


def few(n):
    """Times, ages or shares: fewer than the smallest bucket."""
    return np.linspace(0.5, 30.0, n)


@pytest.fixture(scope="module")
def fitted():
    return WeibullMixture(2).fit(*lives(250))


@pytest.fixture(scope="module")
def fitted_regression():
    return AcceleratedLifetime().fit(*covariates(250))


MIXTURE = {
    "sample": lambda m, n: m.sample(n),
    "survival": lambda m, n: m.survival(few(n)),
    "hazard": lambda m, n: m.hazard(few(n)),
    "density": lambda m, n: m.density(few(n)),
    "cumulative_hazard": lambda m, n: m.cumulative_hazard(few(n), ages=3.0),
    "quantile": lambda m, n: m.quantile(few(n) / 40.0),
    "mean": lambda m, n: m.mean(ages=few(n)),
    "predict": lambda m, n: m.predict(few(n)),
    "predict_rul": lambda m, n: m.predict_rul(few(n)),
    "predict_interval": lambda m, n: m.predict_interval(few(n)),
    "failure_probability": lambda m, n: m.failure_probability(few(n), 2.0),
    "membership": lambda m, n: m.membership(few(n)),
    "confidence_interval": lambda m, n: m.confidence_interval("survival", few(n)),
    "score": lambda m, n: m.score(few(n)),
}
REGRESSION = {
    "predict": lambda m, n: m.predict(few(n)[:, None]),
    "predict_survival of units": lambda m, n: m.predict_survival(few(n)[:, None], [1.0]),
    "predict_survival at times": lambda m, n: m.predict_survival([[0.5]], few(n)),
    "predict_quantile": lambda m, n: m.predict_quantile([[0.5]], few(n) / 40.0),
    "predict_rul": lambda m, n: m.predict_rul(few(n)[:, None], ages=few(n)),
    "predict_interval": lambda m, n: m.predict_interval(few(n)[:, None]),
    "failure_probability": lambda m, n: m.failure_probability(few(n)[:, None]),
    "score": lambda m, n: m.score(few(n)[:, None], few(n)),
}


def compiles_nothing_more(call, model, compilations, sizes):
    call(model, sizes[0])
    before = compilations.count
    for n in sizes[1:]:
        call(model, n)
    return compilations.count == before


@pytest.mark.parametrize("name", MIXTURE)
def test_another_number_of_points_compiles_nothing(name, fitted, compilations):
    assert compiles_nothing_more(MIXTURE[name], fitted, compilations, (20, 1, 17, 21))


@pytest.mark.parametrize("name", REGRESSION)
def test_another_number_of_units_or_times_compiles_nothing(name, fitted_regression, compilations):
    assert compiles_nothing_more(REGRESSION[name], fitted_regression, compilations, (20, 2, 17, 21))


def test_one_seed_draws_the_same_lives_whatever_their_number(fitted):
    many = fitted.sample(300, random_state=3)
    np.testing.assert_array_equal(fitted.sample(300, random_state=3), many)
    np.testing.assert_allclose(fitted.sample(10, random_state=3), many[:10], rtol=1e-14)
    assert fitted.sample(0).shape == (0,)
