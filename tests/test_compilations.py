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
